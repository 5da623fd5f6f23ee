//! `AuditService`: who did what, when, by which request, from the headers of events, which outlive their payloads.

mod scan;

use std::ops::RangeInclusive;

use mahnwerk_proto::common::v1::{
    ListAuditEntriesRequest, ListAuditEntriesResponse, audit_service_server::AuditService,
};
use mahnwerk_runtime::{
    clock::Micros,
    error::{Error, Result},
    page::{PageRequest, next_token, read_page},
    validate::Checker,
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use crate::{Publisher, begin_measuring, tailer::horizon};
pub(crate) use scan::SLACK;
use scan::{History, Place};

const METHOD: &str = "ListAuditEntries";

/// Longest name of an entity, in characters.
const MAX_ENTITY: usize = 64;
/// Longest key of a thing: some are made of several ids.
const MAX_ENTITY_ID: usize = 300;
/// Longest name of a caller, which may be an issuer with what it calls its subject.
const MAX_PRINCIPAL: usize = 600;
/// Hexadecimal digits of a trace id.
const TRACE_DIGITS: usize = 32;
/// What a timestamp of the protos may be, in seconds: from 0001-01-01 to 9999-12-31.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const NANOS: RangeInclusive<i32> = 0..=999_999_999;

/// Serves the audit trail of one service.
pub struct Audit {
    publisher: Publisher,
}

/// What an entry must meet; an empty text is met by all.
#[derive(Debug)]
struct Filter {
    creditor_id: String,
    debtor_id: String,
    entity: String,
    entity_id: String,
    principal: String,
    request_id: String,
    trace_id: String,
    /// Inclusive.
    from: Micros,
    /// Exclusive.
    until: Micros,
}

impl Filter {
    /// Reads what is asked for, and which page of it.
    fn read(request: ListAuditEntriesRequest) -> Result<(Self, PageRequest)> {
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        check.optional_key("debtor_id", &request.debtor_id);
        check.text("entity", &request.entity, 0, MAX_ENTITY);
        check.text("entity_id", &request.entity_id, 0, MAX_ENTITY_ID);
        check.text("principal", &request.principal, 0, MAX_PRINCIPAL);
        check.optional_key("cause_request_id", &request.cause_request_id);
        if !request.trace_id.is_empty() && !is_trace_id(&request.trace_id) {
            check.refuse(
                "trace_id",
                "must be 32 hexadecimal digits in lower case, or empty",
            );
        }
        let from = micros(&mut check, "start_time", request.start_time.as_ref());
        let until = micros(&mut check, "end_time", request.end_time.as_ref());
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            check.refuse("end_time", "must be after start_time");
        }
        let filter = Self {
            creditor_id: request.creditor_id,
            debtor_id: request.debtor_id,
            entity: request.entity,
            entity_id: request.entity_id,
            principal: request.principal,
            request_id: request.cause_request_id,
            trace_id: request.trace_id,
            from: from.unwrap_or(Micros::MIN),
            until: until.unwrap_or(Micros::MAX),
        };
        let (size, token) = (request.page_size, &request.page_token);
        let page = read_page(check, size, token, METHOD, &filter.parameters())?;
        Ok((filter, page))
    }

    /// The same for all pages of a list, and for no other list: texts stand in quotes.
    fn parameters(&self) -> String {
        format!("{self:?}")
    }
}

fn is_trace_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == TRACE_DIGITS && text.bytes().all(is_digit)
}

/// A time that may be absent; what is below a microsecond is cut off.
fn micros(check: &mut Checker, field: &str, time: Option<&Timestamp>) -> Option<Micros> {
    let time = time?;
    if !SECONDS.contains(&time.seconds) || !NANOS.contains(&time.nanos) {
        check.refuse(field, "must be a time from 0001-01-01 to 9999-12-31");
        return None;
    }
    Some(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000)
}

/// The key of a page: sequence numbers and transactions mean something within a history only.
fn key_of(history: &History, place: Place) -> [String; 3] {
    let (tx, seq) = match place {
        Place::Seq(seq) => (String::new(), seq),
        Place::Tx(tx, seq) => (tx.to_string(), seq),
    };
    [history.incarnation.clone(), tx, seq.to_string()]
}

fn place_of(history: &History, [incarnation, tx, seq]: [&str; 3]) -> Result<Place> {
    if incarnation != history.incarnation {
        return Err(Error::InvalidPageToken);
    }
    let number = |text: &str| text.parse().map_err(|_| Error::InvalidPageToken);
    Ok(match tx {
        "" => Place::Seq(number(seq)?),
        tx => Place::Tx(number(tx)?, number(seq)?),
    })
}

impl Audit {
    /// Of the events that `publisher` writes.
    #[must_use]
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }

    async fn list(&self, request: ListAuditEntriesRequest) -> Result<ListAuditEntriesResponse> {
        let (filter, page) = Filter::read(request)?;
        let db = self.publisher.db();
        // Read before the state is: whatever is below it can be seen in that state.
        let (below, _) = horizon(db).await?;
        // One state, so that no entry comes between two looks; and by index, as figures are read.
        let txn = begin_measuring(db).await?;
        let history = History::read(&txn, below).await?;
        let place = match page.after_parts()? {
            Some(key) => place_of(&history, key)?,
            None => scan::first_place(&txn, &filter, &history).await?,
        };
        let found = scan::page(&txn, &filter, &history, place, page.limit).await?;
        txn.commit().await?;
        let next = found.next.map(|place| key_of(&history, place));
        Ok(ListAuditEntriesResponse {
            entries: found.entries,
            next_page_token: next.map_or_else(String::new, |key| {
                next_token(METHOD, &filter.parameters(), &key)
            }),
        })
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: ListAuditEntriesRequest) -> Vec<String> {
        match Filter::read(request) {
            Err(Error::Invalid(violations)) => {
                violations.into_iter().map(|each| each.field).collect()
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos })
    }

    #[test]
    fn every_wrong_field_is_named() {
        let fields = refused(ListAuditEntriesRequest {
            creditor_id: String::new(),
            debtor_id: "a b".to_owned(),
            entity: "x".repeat(65),
            entity_id: "x".repeat(301),
            principal: "x".repeat(601),
            cause_request_id: "ä".to_owned(),
            trace_id: "4BF92F3577B34DA6A3CE929D0E0E4736".to_owned(),
            start_time: at(SECONDS.end() + 1, 0),
            end_time: at(0, -1),
            page_size: -1,
            page_token: String::new(),
        });
        assert_eq!(
            fields,
            [
                "creditor_id",
                "debtor_id",
                "entity",
                "entity_id",
                "principal",
                "cause_request_id",
                "trace_id",
                "start_time",
                "end_time",
                "page_size",
            ]
        );
    }

    #[test]
    fn times_are_read_to_the_microsecond_and_must_not_be_a_range_of_nothing() {
        let request = |start_time, end_time| ListAuditEntriesRequest {
            creditor_id: "a".to_owned(),
            start_time,
            end_time,
            ..ListAuditEntriesRequest::default()
        };
        let (filter, _) = Filter::read(request(at(-1, 999_999_999), at(1, 5_000))).unwrap();
        assert_eq!((filter.from, filter.until), (-1, 1_000_005));
        let (filter, _) = Filter::read(request(None, None)).unwrap();
        assert_eq!((filter.from, filter.until), (Micros::MIN, Micros::MAX));
        assert_eq!(refused(request(at(7, 0), at(7, 0))), ["end_time"]);
    }

    #[test]
    fn places_survive_their_way_as_keys_and_no_other_history_takes_them() {
        let history = |incarnation: &str| History {
            incarnation: incarnation.to_owned(),
            began: 0,
            floor: 0,
            horizon: 0,
        };
        for place in [Place::Seq(7), Place::Tx(3, 9)] {
            let key = key_of(&history("a"), place);
            let key = [0, 1, 2].map(|part| key[part].as_str());
            assert_eq!(place_of(&history("a"), key).unwrap(), place);
            assert!(place_of(&history("b"), key).is_err());
        }
        for key in [["a", "", ""], ["a", "x", "1"], ["a", "1", ""]] {
            assert!(place_of(&history("a"), key).is_err(), "{key:?}");
        }
    }
}

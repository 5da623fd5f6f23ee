//! Reading events in an order in which none is ever added before one that was read, a bounded number at a time.
//!
//! Nobody pays for this but who asks: there is no index for it. One debtor's events are read by the index of the
//! timeline, whose order is that of their commits, because writers of a debtor wait for each other. Events of several
//! debtors do not commit in the order of their sequence numbers. Those of this history are read below the horizon, in the
//! order of their transactions, as a feed reads them; those of earlier histories, whose transactions say nothing any
//! more, by sequence number: they are all there.

use mahnwerk_proto::common::v1::{AuditEntry, AuditPayload};
use mahnwerk_runtime::{
    clock::Micros,
    db::{Sql, column},
    error::{Error, Result},
    validate::from_date,
};
use sea_orm::{QueryResult, Value};

use super::Filter;
use crate::tailer::timestamp;

/// Most events that are looked at for a page.
const LOOKED_AT: i64 = 50_000;

/// More than the clocks of two replicas differ and a transaction takes: events that are so much further on, or back, in
/// either order are younger, or older.
pub(crate) const SLACK: Micros = 10 * 60 * 1_000_000;

const DAY_SECONDS: i64 = 24 * 3_600;

/// Where a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind this sequence number: among the events of one debtor, or among those of earlier histories.
    Seq(i64),
    /// Behind this transaction and sequence number, among the events of this history.
    Tx(i64, i64),
}

/// What transactions and sequence numbers mean now.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub incarnation: String,
    /// The transactions of this history come after it.
    pub began: i64,
    /// Events up to this sequence number belong to earlier histories.
    pub floor: i64,
    /// The transactions below it have ended.
    pub horizon: i64,
}

/// A page.
pub(super) struct Found {
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` at the end of the list.
    pub next: Option<Place>,
}

impl History {
    /// Reads it in a transaction that begins after `horizon` was read.
    pub async fn read(on: &impl Sql, horizon: i64) -> Result<Self> {
        let row = on
            .query_one(
                "SELECT i.incarnation, i.tx, r.floor_seq FROM feed_incarnation i CROSS JOIN feed_retention r",
                vec![],
            )
            .await?
            .ok_or_else(|| Error::internal("the feed has no incarnation"))?;
        Ok(Self {
            incarnation: column(&row, "incarnation")?,
            began: column(&row, "tx")?,
            floor: column(&row, "floor_seq")?,
            horizon,
        })
    }
}

/// Where a list begins. For a range of time it is found by halving, so that nothing is paid for what is older.
pub(super) async fn first_place(
    on: &impl Sql,
    filter: &Filter,
    history: &History,
) -> Result<Place> {
    if !filter.debtor_id.is_empty() {
        return Ok(Place::Seq(0));
    }
    let older = match filter.from {
        Micros::MIN => None,
        from => last_older(on, from.saturating_sub(SLACK)).await?,
    };
    Ok(match older {
        Some((_, seq)) if seq <= history.floor => Place::Seq(seq),
        Some((tx, seq)) => Place::Tx(tx, seq),
        None if history.floor > 0 => Place::Seq(0),
        None => Place::Tx(history.began, 0),
    })
}

/// Transaction and sequence number of an event recorded before `time`, with one behind it that was not, or none; `None`
/// if the first was not. Reads one event for each halving of the sequence numbers, which are at most 63.
async fn last_older(on: &impl Sql, time: Micros) -> Result<Option<(i64, i64)>> {
    // As two queries in one: SQLite would read the whole table for both in a single one.
    let ends = "SELECT (SELECT min(seq) FROM event) AS first, (SELECT max(seq) FROM event) AS last";
    let Some(row) = on.query_one(ends, vec![]).await? else {
        return Ok(None);
    };
    let (Some(mut first), Some(mut last)) = (
        column::<Option<i64>>(&row, "first")?,
        column::<Option<i64>>(&row, "last")?,
    ) else {
        return Ok(None);
    };
    let mut found = None;
    while first <= last {
        let middle = first + (last - first) / 2;
        let at_or_behind =
            "SELECT tx, seq, recorded_at FROM event WHERE seq >= $1 ORDER BY seq LIMIT 1";
        match on.query_one(at_or_behind, vec![middle.into()]).await? {
            Some(row) if column::<i64>(&row, "recorded_at")? < time => {
                let seq: i64 = column(&row, "seq")?;
                found = Some((column(&row, "tx")?, seq));
                first = seq + 1;
            }
            _ => last = middle - 1,
        }
    }
    Ok(found)
}

/// The events behind a place, in their order.
struct Scan {
    condition: &'static str,
    order: &'static str,
    values: Vec<Value>,
}

impl Scan {
    fn new(filter: &Filter, history: &History, place: Place) -> Result<Self> {
        let scan = |condition, order, values| Self {
            condition,
            order,
            values,
        };
        let of_debtor = !filter.debtor_id.is_empty();
        Ok(match place {
            Place::Seq(seq) if of_debtor => scan(
                "creditor_id = $1 AND debtor_id = $2 AND seq > $3",
                "seq",
                vec![
                    filter.creditor_id.as_str().into(),
                    filter.debtor_id.as_str().into(),
                    seq.into(),
                ],
            ),
            Place::Seq(seq) => scan(
                "seq > $1 AND seq <= $2",
                "seq",
                vec![seq.into(), history.floor.into()],
            ),
            Place::Tx(..) if of_debtor => return Err(Error::InvalidPageToken),
            Place::Tx(tx, seq) => scan(
                "(tx, seq) > ($1, $2) AND tx < $3",
                "tx, seq",
                vec![tx.into(), seq.into(), history.horizon.into()],
            ),
        })
    }

    /// The first of those that meet the filter, among as many as are looked at. No condition of the filter gets into the
    /// inner query, past its limit: neither engine can then take another way that would have no bound.
    fn matching(&self, filter: &Filter, above: i64, limit: u64) -> (String, Vec<Value>) {
        let n = self.values.len();
        let [
            creditor,
            entity,
            entity_id,
            principal,
            request,
            trace,
            from,
            until,
            floor,
            rows,
        ] = std::array::from_fn(|at| format!("${}", n + 1 + at));
        let Self {
            condition, order, ..
        } = self;
        let sql = format!(
            "SELECT * FROM (SELECT tx, seq, recorded_at, creditor_id, debtor_id, entity, entity_id, version, action, \
             principal, request_id, traceparent, business_date, deleted, \
             CAST(CASE WHEN state IS NULL THEN 0 ELSE 1 END AS BIGINT) AS kept \
             FROM event WHERE {condition} ORDER BY {order} LIMIT {LOOKED_AT}) AS looked_at \
             WHERE creditor_id = {creditor} AND ({entity} = '' OR entity = {entity}) \
             AND ({entity_id} = '' OR entity_id = {entity_id}) AND ({principal} = '' OR principal = {principal}) \
             AND ({request} = '' OR request_id = {request}) \
             AND ({trace} = '' OR substr(traceparent, 4, 32) = {trace}) \
             AND recorded_at >= {from} AND recorded_at < {until} AND seq > {floor} \
             ORDER BY {order} LIMIT {rows}"
        );
        let text = |value: &String| Value::from(value.as_str());
        let mut values = self.values.clone();
        values.extend([
            text(&filter.creditor_id),
            text(&filter.entity),
            text(&filter.entity_id),
            text(&filter.principal),
            text(&filter.request_id),
            text(&filter.trace_id),
            filter.from.into(),
            filter.until.into(),
            above.into(),
            limit.cast_signed().into(),
        ]);
        (sql, values)
    }

    /// The last of those that are looked at; nothing if there are not so many.
    fn last_looked_at(&self) -> (String, Vec<Value>) {
        let Self {
            condition, order, ..
        } = self;
        let sql = format!(
            "SELECT tx, seq, recorded_at FROM event WHERE {condition} ORDER BY {order} LIMIT 1 OFFSET {}",
            LOOKED_AT - 1
        );
        (sql, self.values.clone())
    }
}

/// The entries behind `place`.
pub(super) async fn page(
    on: &impl Sql,
    filter: &Filter,
    history: &History,
    place: Place,
    limit: u64,
) -> Result<Found> {
    let scan = Scan::new(filter, history, place)?;
    let behind = |row: &QueryResult| -> Result<Place> {
        let seq = column(row, "seq")?;
        Ok(match place {
            Place::Seq(_) => Place::Seq(seq),
            Place::Tx(..) => Place::Tx(column(row, "tx")?, seq),
        })
    };
    // Transactions of earlier histories may lie among those of this one.
    let above = match place {
        Place::Seq(_) => 0,
        Place::Tx(..) => history.floor,
    };
    let (sql, values) = scan.matching(filter, above, limit);
    let rows = on.query(&sql, values).await?;
    let entries = rows.iter().map(entry).collect::<Result<_>>()?;
    if let Some(last) = rows.last()
        && rows.len() as u64 >= limit
    {
        let next = Some(behind(last)?);
        return Ok(Found { entries, next });
    }
    let (sql, values) = scan.last_looked_at();
    let next = match on.query_one(&sql, values).await? {
        // Whatever comes behind it is younger than all that is asked for.
        Some(last)
            if column::<i64>(&last, "recorded_at")? >= filter.until.saturating_add(SLACK) =>
        {
            None
        }
        Some(last) => Some(behind(&last)?),
        // Behind the earlier histories comes this one.
        None if filter.debtor_id.is_empty() && matches!(place, Place::Seq(_)) => {
            Some(Place::Tx(history.began, 0))
        }
        None => None,
    };
    Ok(Found { entries, next })
}

fn entry(row: &QueryResult) -> Result<AuditEntry> {
    let kept = column::<i64>(row, "kept")? == 1;
    let payload = match column::<i64>(row, "deleted")? {
        _ if kept => AuditPayload::Kept,
        0 => AuditPayload::Removed,
        _ => AuditPayload::None,
    };
    let traceparent: String = column(row, "traceparent")?;
    let business_date: Option<i64> = column(row, "business_date")?;
    Ok(AuditEntry {
        seq: column(row, "seq")?,
        record_time: Some(timestamp(column(row, "recorded_at")?)),
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        entity: column(row, "entity")?,
        entity_id: column(row, "entity_id")?,
        version: column(row, "version")?,
        action: column(row, "action")?,
        principal: column(row, "principal")?,
        request_id: column(row, "request_id")?,
        trace_id: trace_id(&traceparent).to_owned(),
        business_date: business_date.and_then(day).map(from_date),
        payload: payload.into(),
    })
}

/// The trace id of a W3C `traceparent`; empty if there is none.
fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

/// The date of a day number; `None` if it is far beyond all calendars.
fn day(number: i64) -> Option<chrono::NaiveDate> {
    let seconds = number.checked_mul(DAY_SECONDS)?;
    chrono::DateTime::from_timestamp(seconds, 0).map(|time| time.date_naive())
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

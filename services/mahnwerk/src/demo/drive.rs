//! Tells the story to the services: one business day after the other, through the public APIs only.
//!
//! What the import takes goes as one chunk of rows per day over one stream; the rest are single calls. Every write
//! has a request id or row number made from the story, so nothing depends on chance.

use chrono::NaiveDate;
use indicatif::ProgressBar;
use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        Allocation, BusinessDayMode, Channel, ContactPoint, ContactState, CreateCreditorRequest,
        CreditNoteRow, Creditor, Debtor, FxRate, ImportRow, Item, OpenBusinessDayRequest,
        PaymentRow, Relationship, SetFxRateRequest, import_row::Record,
    },
    scoring::v1::{BatchGetScoresRequest, Score},
};

use super::{
    CREDITOR,
    calls::single_call,
    ledger::{DISCOUNT_BPS, Dated, Event, Story, World, eve, rates},
    population,
    remind::{self, Dunned},
    segments::{self, MonthEnd},
};
use crate::{
    client::{Clients, Failure, Result, call, once_arrived},
    import::send::{CHUNK_ROWS, Import},
    output::proto_date,
};

/// The creditor's reporting currency.
pub(crate) const CURRENCY: &str = "EUR";
/// Most debtors of one request for scores.
const SCORES_AT_ONCE: usize = 1_000;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// The scores at the cut, by debtor.
    pub(crate) predicted: Vec<Score>,
    /// Token of the last write.
    pub(crate) consistency_token: String,
    /// Records imported.
    pub(crate) imported: u64,
    /// Single calls made.
    pub(crate) calls: u64,
    /// The dunning.
    pub(crate) dunned: Dunned,
    /// Treatment segments at the end of every month.
    pub(crate) segments: Vec<MonthEnd>,
}

/// Lives through the whole period; answers what happened and what came of it.
///
/// # Errors
/// If a service refuses anything: the story is always right.
pub(crate) async fn drive(
    mut world: World,
    seed: u64,
    clients: &Clients,
    bar: &ProgressBar,
) -> Result<(Story, Driven)> {
    let debtors = world.debtors();
    let days = world.period.days.clone();
    let mut driver = Driver {
        debtors: &debtors,
        clients,
        driven: Driven::default(),
        row_number: 0,
    };
    driver.create_creditor().await?;
    driver.open(eve(&world.period)).await?;
    driver.driven.dunned = Dunned::begin(clients, &driver.driven.consistency_token).await?;
    let mut import = Import::open(clients, CREDITOR, "story").await?;
    let mut told = Vec::new();
    for day in days.iter().copied() {
        driver.open(day).await?;
        if world.period.opens_month(day) {
            driver.set_rates(seed, day).await?;
        }
        if day == world.period.cut {
            bar.set_message("(waiting for the scores)");
            driver.driven.predicted = driver.scores(day).await?;
            bar.set_message("");
        }
        let events = world.live(day);
        let calls = events.partition_point(|dated| dated.event.is_importable());
        let (rows, calls) = events.split_at(calls);
        driver.import(&mut import, rows).await?;
        driver.call(calls).await?;
        told.extend(events);
        driver.after_hours(&mut world, day).await?;
        bar.inc(1);
    }
    let driven = driver.driven;
    let story = Story {
        period: world.period,
        debtors,
        events: told,
    };
    Ok((story, driven))
}

struct Driver<'a> {
    debtors: &'a [population::Debtor],
    clients: &'a Clients,
    driven: Driven,
    row_number: i64,
}

impl Driver<'_> {
    async fn create_creditor(&mut self) -> Result<()> {
        let creditor = Creditor {
            creditor_id: CREDITOR.to_owned(),
            display_name: "Demo".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            calendar: super::calendar::CALENDAR.name().to_owned(),
            reporting_currency: CURRENCY.to_owned(),
            business_day_mode: BusinessDayMode::Manual.into(),
            ..Creditor::default()
        };
        let request = CreateCreditorRequest {
            request_id: "creditor".to_owned(),
            creditor: Some(creditor),
        };
        self.clients
            .creditors()
            .create_creditor(call(request))
            .await?;
        Ok(())
    }

    async fn open(&mut self, day: NaiveDate) -> Result<()> {
        let request = OpenBusinessDayRequest {
            request_id: format!("day-{day}"),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(proto_date(day)),
        };
        let answer = self
            .clients
            .creditors()
            .open_business_day(call(request))
            .await?;
        self.driven.consistency_token = answer.into_inner().consistency_token;
        self.driven.calls += 1;
        Ok(())
    }

    async fn set_rates(&mut self, seed: u64, day: NaiveDate) -> Result<()> {
        for (currency, numerator) in rates(seed, day) {
            let rate = FxRate {
                creditor_id: CREDITOR.to_owned(),
                base_currency: currency.to_owned(),
                quote_currency: CURRENCY.to_owned(),
                rate_date: Some(proto_date(day)),
                numerator,
                denominator: 10_000,
                source: "demo".to_owned(),
                ..FxRate::default()
            };
            let request = SetFxRateRequest {
                request_id: format!("rate-{currency}-{day}"),
                fx_rate: Some(rate),
            };
            let answer = self.clients.creditors().set_fx_rate(call(request)).await?;
            self.driven.consistency_token = answer.into_inner().consistency_token;
            self.driven.calls += 1;
        }
        Ok(())
    }

    /// The current scores of all debtors registered before the day, containing everything written so far.
    async fn scores(&self, day: NaiveDate) -> Result<Vec<Score>> {
        let ids: Vec<String> = self
            .debtors
            .iter()
            .filter(|debtor| debtor.joins_on < day)
            .map(|debtor| debtor.id.clone())
            .collect();
        scores(self.clients, &ids, &self.driven.consistency_token).await
    }

    /// When the day's work is done: reminders, and at the end of a month a look at the segments. The day ends when all of
    /// it has arrived everywhere: what comes later would be of the next day.
    async fn after_hours(&mut self, world: &mut World, day: NaiveDate) -> Result<()> {
        remind::all_arrived(self.clients, &self.driven.consistency_token).await?;
        let written = self.driven.dunned.day(self.clients, world, day).await?;
        if let Some(token) = written {
            remind::all_arrived(self.clients, &token).await?;
            self.driven.consistency_token = token;
        }
        if world.period.closes_month(day) {
            let token = &self.driven.consistency_token;
            let sizes = segments::sizes(self.clients, day, token).await?;
            self.driven.segments.push(sizes);
        }
        Ok(())
    }

    async fn import(&mut self, import: &mut Import, events: &[Dated]) -> Result<()> {
        let mut rows = Vec::new();
        for dated in events {
            let debtor = self.debtors.get(dated.debtor).ok_or_else(unknown_debtor)?;
            for record in records(debtor, dated) {
                self.row_number += 1;
                rows.push(ImportRow {
                    row_number: self.row_number,
                    record: Some(record),
                });
            }
        }
        for chunk in rows.chunks(CHUNK_ROWS) {
            import.send(chunk.to_vec()).await?;
            let answer = import.answer().await?;
            if let Some(refused) = answer.refused.first() {
                let errors: Vec<_> = refused
                    .errors
                    .iter()
                    .map(|it| format!("{} {}", it.field, it.description))
                    .collect();
                let what = format!("{} {}", refused.record_type, refused.record_id);
                return Err(Failure::Unexpected(format!(
                    "the registry refused {what}: {}",
                    errors.join(", ")
                )));
            }
            self.driven.imported += u64::try_from(answer.accepted).unwrap_or_default();
            self.driven.consistency_token = answer.consistency_token;
        }
        Ok(())
    }

    /// The rest of a day, one call after the other: then the last token contains all of them.
    async fn call(&mut self, events: &[Dated]) -> Result<()> {
        for dated in events {
            let debtor = self.debtors.get(dated.debtor).ok_or_else(unknown_debtor)?;
            self.driven.consistency_token = single_call(self.clients, &debtor.id, dated).await?;
            self.driven.calls += 1;
        }
        Ok(())
    }
}

/// The current scores of debtors, containing the write of the token.
///
/// # Errors
/// If scoring refuses, or does not know one of them.
pub(crate) async fn scores(
    clients: &Clients,
    debtor_ids: &[String],
    token: &str,
) -> Result<Vec<Score>> {
    let mut scores = Vec::with_capacity(debtor_ids.len());
    for ids in debtor_ids.chunks(SCORES_AT_ONCE) {
        let request = BatchGetScoresRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_ids: ids.to_vec(),
            at_least: token.to_owned(),
            language: String::new(),
        };
        let answer = once_arrived(async || {
            clients
                .scores()
                .batch_get_scores(call(request.clone()))
                .await
        })
        .await?;
        let missing = answer.not_found.len() + answer.parked.len();
        if missing > 0 {
            return Err(Failure::Unexpected(format!(
                "{missing} debtors have no score"
            )));
        }
        scores.extend(answer.scores);
    }
    Ok(scores)
}

fn unknown_debtor() -> Failure {
    Failure::Unexpected("the story names a debtor that it does not have".to_owned())
}

fn money(debtor: &population::Debtor, minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: debtor.currency.to_owned(),
        minor_units,
    })
}

/// The rows of an event that is imported.
fn records(debtor: &population::Debtor, dated: &Dated) -> Vec<Record> {
    let item = |id: &str, minor_units| Item {
        debtor_id: debtor.id.clone(),
        item_id: id.to_owned(),
        amount: money(debtor, minor_units),
        document_date: Some(proto_date(dated.date)),
        ..Item::default()
    };
    match &dated.event {
        Event::Registered => registration(debtor),
        Event::Invoice(invoice) => vec![Record::Invoice(Item {
            due_date: Some(proto_date(invoice.due)),
            discount_date: invoice.discount_until.map(proto_date),
            discount_bps: if invoice.discount_until.is_some() {
                DISCOUNT_BPS
            } else {
                0
            },
            ..item(&invoice.id, invoice.amount)
        })],
        Event::CreditNote {
            id,
            invoice,
            amount,
        } => {
            let allocation = Allocation {
                invoice_id: invoice.clone(),
                amount: money(debtor, *amount),
                discount: None,
            };
            vec![Record::CreditNote(CreditNoteRow {
                credit_note: Some(item(id, *amount)),
                allocations: vec![allocation],
            })]
        }
        Event::Payment { id, parts } => {
            let allocations = parts.iter().map(|part| Allocation {
                invoice_id: part.invoice.clone(),
                amount: money(debtor, part.amount),
                discount: money(debtor, part.discount).filter(|discount| discount.minor_units > 0),
            });
            let total = parts.iter().map(|part| part.amount).sum();
            vec![Record::Payment(PaymentRow {
                payment: Some(Item {
                    value_date: Some(proto_date(dated.date)),
                    ..item(id, total)
                }),
                allocations: allocations.collect(),
            })]
        }
        Event::Returned { .. }
        | Event::WrittenOff { .. }
        | Event::Hold(_)
        | Event::Insolvent
        | Event::Promised { .. }
        | Event::Disputed { .. }
        | Event::Decided { .. } => Vec::new(),
    }
}

fn registration(debtor: &population::Debtor) -> Vec<Record> {
    let relationship = if debtor.prospect {
        Relationship::Prospect
    } else {
        Relationship::Customer
    };
    let contact = |id: &str, channel: Channel, address: &str| {
        Record::ContactPoint(ContactPoint {
            debtor_id: debtor.id.clone(),
            contact_point_id: id.to_owned(),
            channel: channel.into(),
            address: address.to_owned(),
            state: ContactState::Unverified.into(),
            ..ContactPoint::default()
        })
    };
    vec![
        Record::Debtor(Debtor {
            debtor_id: debtor.id.clone(),
            kind: debtor.kind.into(),
            relationship: relationship.into(),
            display_name: debtor.name.clone(),
            language: debtor.language.to_owned(),
            country: debtor.country.to_owned(),
            preferred_channel: debtor.channel.into(),
            billing_method: debtor.billing.into(),
            sector: debtor.sector.to_owned(),
            customer_since: debtor.customer_since.map(proto_date),
            ..Debtor::default()
        }),
        contact("office", Channel::Email, &debtor.email),
        contact("post", Channel::Post, &debtor.address),
    ]
}

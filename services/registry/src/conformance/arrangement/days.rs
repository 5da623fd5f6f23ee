//! Business days that decide much, and what a process leaves behind that ends while settling.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_proto::registry::v1::{
    CreatePromiseRequest, Item, ListPromisesRequest, ListTimelineRequest, OpenBusinessDayRequest,
    Promise, PromiseState, creditor_service_client::CreditorServiceClient,
    debtor_service_client::DebtorServiceClient,
};
use mahnwerk_runtime::{
    clock::{ManualClock, SharedClock},
    context::Call,
    db::Db,
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
};
use registry_core::{
    account::{NewInvoice, Posting},
    arrangement::{ArrangementKind, ArrangementState, NewArrangement, Terms},
    calendar::Calendar,
    creditor::{BusinessDayMode, Creditor},
    currency::Currency,
    debtor::{BillingMethod, Debtor, DebtorKind, Relationship},
    money::Money,
};
use tonic::{Status, transport::Channel};

use super::agreements::{Agreements, promise};
use crate::{
    SERVICE,
    app::App,
    conformance::{Outcome, account::invoice, create_debtor, date, sample_debtor},
    feed,
    storage::arrangement::ArrangementKey,
};

/// More debtors than one transaction may touch.
const DEBTORS: usize = 300;

/// One promise each of three hundred debtors is broken by one day; its token is behind all of them.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_day_settles_hundreds_of_debtors_before_it_answers(channel: Channel) -> Outcome {
    let creditor = "many-broken";
    let mut made = Agreements::open(channel.clone(), creditor).await?;
    for number in 0..DEBTORS {
        let debtor_id = format!("m{number}");
        create_debtor(&channel, sample_debtor(creditor, &debtor_id)).await?;
        let id = format!("i{number}");
        let invoice = Item {
            debtor_id: debtor_id.clone(),
            ..invoice(creditor, &id, 1_000, date(2026, 2, 14))
        };
        made.books.post_invoice(invoice).await?;
        let request = CreatePromiseRequest {
            request_id: format!("promise-{number}"),
            promise: Some(Promise {
                debtor_id,
                ..promise(creditor, &format!("P-{number}"), &[&id], date(2026, 3, 3))
            }),
        };
        made.client.create_promise(request).await?;
    }
    made.books.open_day(date(2026, 3, 3)).await?;
    assert_eq!(broken(&mut made, "").await?, 0);
    let request = OpenBusinessDayRequest {
        request_id: "decisive".to_owned(),
        creditor_id: creditor.to_owned(),
        business_date: Some(date(2026, 3, 4)),
    };
    let token = CreditorServiceClient::new(channel.clone())
        .open_business_day(request)
        .await?
        .into_inner()
        .consistency_token;
    assert_eq!(broken(&mut made, &token).await?, DEBTORS);
    let timeline = ListTimelineRequest {
        creditor_id: creditor.to_owned(),
        debtor_id: "m7".to_owned(),
        page_size: 1,
        ..ListTimelineRequest::default()
    };
    let told = DebtorServiceClient::new(channel)
        .list_timeline(timeline)
        .await?
        .into_inner();
    let last = told.entries.into_iter().next().unwrap_or_default();
    assert_eq!(
        (last.entity.as_str(), last.action.as_str(), last.version),
        ("promise", "broken", 2)
    );
    assert_eq!(last.request_id, "decisive");
    Ok(())
}

async fn broken(made: &mut Agreements, at_least: &str) -> Result<usize, Status> {
    let mut broken = 0;
    for number in 0..DEBTORS {
        let request = ListPromisesRequest {
            creditor_id: made.books.creditor_id.clone(),
            debtor_id: format!("m{number}"),
            at_least: at_least.to_owned(),
            ..ListPromisesRequest::default()
        };
        let listed = made.client.list_promises(request).await?.into_inner();
        let is_broken = |each: &&Promise| each.state() == PromiseState::Broken;
        broken += listed.promises.iter().filter(is_broken).count();
    }
    Ok(broken)
}

/// A process opened the day and ended; whoever comes next settles it, once. The database must be migrated; no service may
/// run on it.
///
/// # Errors
/// Those of the database.
pub async fn what_a_process_left_behind_is_settled(db: Db) -> Result<()> {
    let clock = Arc::new(ManualClock::at(at("2026-03-02T10:00:00Z")?));
    let app = app(&db, clock.clone()).await?;
    let replica = self::app(&db, clock.clone()).await?;
    let call = Call::internal("test");
    app.create_creditor(&call, "c", creditor()?).await?;
    assert_eq!(app.open_due_business_days().await?, 1);
    app.create_debtor(&call, "d", debtor()).await?;
    let euro = euro()?;
    let new_invoice = NewInvoice {
        debtor_id: "d".to_owned(),
        item_id: "i".to_owned(),
        amount: Money::new(euro, 1_000),
        document_date: day("2026-01-15")?,
        due_date: day("2026-02-14")?,
        discount_date: None,
        discount_bps: 0,
        reference: String::new(),
    };
    let posting = Posting::Invoice(new_invoice);
    app.post(&call, "CreateInvoice", "c", "i", posting).await?;
    let new = NewArrangement {
        creditor_id: "c".to_owned(),
        debtor_id: "d".to_owned(),
        id: "p".to_owned(),
        invoice_ids: vec!["i".to_owned()],
        terms: Terms::Promise {
            amount: None,
            promised_date: day("2026-03-02")?,
        },
        tolerance_days: 0,
    };
    app.create_arrangement(&call, "p", new).await?;
    app.settle_leftovers().await?;
    assert_eq!(stands(&app).await?, (ArrangementState::Open, 1));

    clock.set(at("2026-03-03T10:00:00Z")?);
    assert_eq!(app.open_due_business_days().await?, 1);
    assert_eq!(
        stands(&app).await?,
        (ArrangementState::Open, 1),
        "here the process ends"
    );
    let (one, other) = tokio::join!(app.settle_leftovers(), replica.settle_leftovers());
    one?;
    other?;
    assert_eq!(stands(&app).await?, (ArrangementState::Broken, 2));
    app.settle_leftovers().await?;
    assert_eq!(stands(&app).await?, (ArrangementState::Broken, 2));
    Ok(())
}

async fn stands(app: &App) -> Result<(ArrangementState, i64)> {
    let first = ArrangementKey {
        kind: ArrangementKind::Promise,
        id: String::new(),
    };
    let page = app
        .list_arrangements("c", "d", &first, 10, "", None)
        .await?;
    let promise = page.rows.first();
    promise
        .map(|each| (each.state, each.version))
        .ok_or_else(|| Error::internal("no promise"))
}

async fn app(db: &Db, clock: Arc<ManualClock>) -> Result<App> {
    let clock: SharedClock = clock;
    let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
    let publisher = Publisher::open(db.clone(), SERVICE, feed::ENTITIES, clock, ids).await?;
    Ok(App {
        freshness: Freshness::own(publisher.clone()),
        publisher,
    })
}

fn creditor() -> Result<Creditor> {
    Ok(Creditor {
        creditor_id: "c".to_owned(),
        display_name: "c".to_owned(),
        time_zone: "UTC".to_owned(),
        calendar: Calendar::Weekdays,
        reporting_currency: euro()?,
        business_day_mode: BusinessDayMode::Automatic,
        business_date: None,
        last_bank_import: None,
        write_off_above: None,
        version: 1,
    })
}

fn debtor() -> Debtor {
    Debtor {
        creditor_id: "c".to_owned(),
        debtor_id: "d".to_owned(),
        kind: DebtorKind::Organisation,
        relationship: Relationship::Customer,
        display_name: "d".to_owned(),
        language: "de".to_owned(),
        country: "DE".to_owned(),
        preferred_channel: None,
        billing_method: BillingMethod::Paper,
        sector: String::new(),
        customer_since: None,
        credit_hold: false,
        credit_hold_reason: String::new(),
        insolvent_since: None,
        deceased_since: None,
        version: 1,
    }
}

fn euro() -> Result<Currency> {
    Currency::parse("EUR").ok_or_else(|| Error::internal("no euro"))
}

fn at(time: &str) -> Result<i64> {
    let time = DateTime::parse_from_rfc3339(time).map_err(|_| Error::internal("no time"))?;
    Ok(time.timestamp_micros())
}

fn day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|_| Error::internal("no date"))
}

//! Business days that open by themselves.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_runtime::{
    clock::{ManualClock, SharedClock},
    context::Call,
    db::{Db, Sql, column},
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
};
use registry_core::{
    calendar::Calendar,
    creditor::{BusinessDayMode, Creditor},
    currency::Currency,
};

use crate::{SERVICE, app::App, feed};

/// Clocks strike, replicas race, and every creditor has each business day at most once. The database must be migrated;
/// no service may run on it.
///
/// # Errors
/// Those of the database.
pub async fn a_business_day_opens_once_when_it_begins(db: Db) -> Result<()> {
    let clock = Arc::new(ManualClock::at(at("2026-04-02T21:59:59Z")?));
    let app = app(&db, clock.clone()).await?;
    let replica = self::app(&db, clock.clone()).await?;
    let call = Call::internal("test");
    for (id, mode, zone) in [
        ("berlin", BusinessDayMode::Automatic, "Europe/Berlin"),
        ("tokyo", BusinessDayMode::Automatic, "Asia/Tokyo"),
        ("manual", BusinessDayMode::Manual, "Europe/Berlin"),
    ] {
        app.create_creditor(&call, id, creditor(id, mode, zone)?)
            .await?;
    }

    assert_eq!(app.open_due_business_days().await?, 2);
    assert_eq!(open_day(&app, "berlin").await?, Some(day("2026-04-02")?));
    assert_eq!(
        open_day(&app, "tokyo").await?,
        Some(day("2026-04-03")?),
        "it is Friday there"
    );
    assert_eq!(open_day(&app, "manual").await?, None);
    assert_eq!(
        app.open_due_business_days().await?,
        0,
        "nothing is due twice"
    );

    // Friday night in Berlin comes and goes, then two weeks without the service; the next look is at a Saturday.
    clock.set(at("2026-04-18T12:00:00Z")?);
    let (one, other) = tokio::join!(
        app.open_due_business_days(),
        replica.open_due_business_days()
    );
    assert_eq!(
        one? + other?,
        2,
        "one replica is enough, and only the latest day is opened"
    );
    assert_eq!(open_day(&app, "berlin").await?, Some(day("2026-04-17")?));
    assert_eq!(
        opened_days(&db, "berlin").await?,
        [day("2026-04-02")?, day("2026-04-17")?]
    );

    clock.set(at("2026-04-10T12:00:00Z")?);
    assert_eq!(
        app.open_due_business_days().await?,
        0,
        "a clock that is put back opens nothing"
    );
    Ok(())
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

fn creditor(id: &str, mode: BusinessDayMode, zone: &str) -> Result<Creditor> {
    Ok(Creditor {
        creditor_id: id.to_owned(),
        display_name: id.to_owned(),
        time_zone: zone.to_owned(),
        calendar: Calendar::Weekdays,
        reporting_currency: Currency::parse("EUR").ok_or_else(|| Error::internal("no euro"))?,
        business_day_mode: mode,
        business_date: None,
        last_bank_import: None,
        write_off_above: None,
        version: 1,
    })
}

fn at(time: &str) -> Result<i64> {
    let time = DateTime::parse_from_rfc3339(time).map_err(|_| Error::internal("no time"))?;
    Ok(time.timestamp_micros())
}

fn day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|_| Error::internal("no date"))
}

async fn open_day(app: &App, creditor_id: &str) -> Result<Option<NaiveDate>> {
    Ok(app.get_creditor(creditor_id, "", None).await?.business_date)
}

async fn opened_days(db: &Db, creditor_id: &str) -> Result<Vec<NaiveDate>> {
    let rows = db
        .query(
            "SELECT business_date FROM event WHERE creditor_id = $1 AND action = 'business_day_opened' ORDER BY seq",
            vec![creditor_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let number: i64 = column(row, "business_date")?;
            let number = i32::try_from(number).map_err(|_| Error::internal("no day number"))?;
            registry_core::date::from_day_number(number)
                .ok_or_else(|| Error::internal("no day number"))
        })
        .collect()
}

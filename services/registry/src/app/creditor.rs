//! Creditors, their business days and exchange rates.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use mahnwerk_feed::{Begun, Cause, Locks, WriteTx, Written};
use mahnwerk_runtime::{
    clock::Micros,
    context::Call,
    error::{Error, Result},
};
use registry_core::creditor::{BusinessDayMode, Creditor, FxRate};
use serde::Serialize;
use tokio::time::Instant;

use super::{App, Page, check_etag, creditor_of, from_domain, from_violations};
use crate::{
    feed,
    storage::{self, fx_rate::FxRateKey},
};

/// Creditors looked at in one go when business days are opened.
const OPENER_PAGE: u64 = 1_000;

/// A change of a creditor.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateCreditor {
    /// The new values of the fields in the mask; `creditor_id` says which creditor.
    pub new: Creditor,
    /// The fields to change.
    pub mask: Vec<String>,
    /// The etag it must have; empty for any.
    pub etag: String,
}

/// The time zone of this name, as in the IANA database.
#[must_use]
pub fn time_zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The business day that has begun for a creditor in AUTOMATIC mode and is not open yet: the latest one up to today in
/// its time zone, never one before.
#[must_use]
pub fn due_business_day(creditor: &Creditor, now: Micros) -> Option<NaiveDate> {
    if creditor.business_day_mode != BusinessDayMode::Automatic {
        return None;
    }
    let zone = time_zone(&creditor.time_zone)?;
    let today = DateTime::from_timestamp_micros(now)?
        .with_timezone(&zone)
        .date_naive();
    let due = creditor.calendar.latest_business_day_on_or_before(today);
    creditor
        .business_date
        .is_none_or(|open| open < due)
        .then_some(due)
}

impl App {
    /// Creates a creditor.
    ///
    /// # Errors
    /// `Exists`, `RequestIdReused`, and those of the database.
    pub async fn create_creditor(
        &self,
        call: &Call,
        request_id: &str,
        new: Creditor,
    ) -> Result<Written<Creditor>> {
        let locks = Locks::creditor(&new.creditor_id);
        // The request id is not below a creditor: the creditor is what the call makes.
        let begun = self
            .publisher
            .begin_once(call, "CreateCreditor", "", request_id, &new, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        if storage::creditor::get(&**once, &new.creditor_id)
            .await?
            .is_some()
        {
            return Err(Error::Exists {
                resource: "creditor",
                id: new.creditor_id,
            });
        }
        storage::creditor::save(&**once, &new).await?;
        once.append(vec![feed::creditor_event(&new, "created")])?;
        once.finish(new).await
    }

    /// Reads a creditor.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::all`] and of the database.
    pub async fn get_creditor(
        &self,
        creditor_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Creditor> {
        self.freshness.all(at_least, deadline).await?;
        creditor_of(self.publisher.db(), creditor_id).await
    }

    /// Lists creditors by id, after `after`.
    ///
    /// # Errors
    /// Those of [`mahnwerk_feed::Freshness::all`] and of the database.
    pub async fn list_creditors(
        &self,
        after: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Creditor>> {
        self.freshness.all(at_least, deadline).await?;
        let rows = storage::creditor::list(self.publisher.db(), after, limit + 1).await?;
        Ok(Page::cut(rows, limit))
    }

    /// Changes fields of a creditor.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn update_creditor(
        &self,
        call: &Call,
        request_id: &str,
        update: UpdateCreditor,
    ) -> Result<Written<Creditor>> {
        let id = &update.new.creditor_id;
        let begun = self
            .publisher
            .begin_once(
                call,
                "UpdateCreditor",
                id,
                request_id,
                &update,
                Locks::creditor(id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let mut creditor = creditor_of(&**once, id).await?;
        check_etag(&update.etag, creditor.version)?;
        creditor
            .apply_update(&update.new, &update.mask)
            .map_err(from_violations)?;
        creditor.version += 1;
        storage::creditor::save(&**once, &creditor).await?;
        once.append(vec![feed::creditor_event(&creditor, "updated")])?;
        once.finish(creditor).await
    }

    /// Opens a business day and settles what it decides. The token is that of the last transaction. A repeated call
    /// settles what an earlier one left behind.
    ///
    /// # Errors
    /// `NotFound`, `BUSINESS_DAY_REFUSED`, `RequestIdReused`, and those of the database. If it fails while settling, the
    /// day is open.
    pub async fn open_business_day(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        date: NaiveDate,
    ) -> Result<Written<Creditor>> {
        let locks = Locks::creditor(creditor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "OpenBusinessDay",
                creditor_id,
                request_id,
                &date,
                locks,
            )
            .await?;
        let mut written = match begun {
            Begun::Replayed(written) => written,
            Begun::Fresh(mut once) => {
                let creditor = creditor_of(&**once, creditor_id).await?;
                let opened = open(&mut once, &creditor, date).await?;
                once.finish(opened).await?
            }
        };
        let cause = Cause {
            request_id: request_id.to_owned(),
            ..Cause::from(call)
        };
        if let Some(token) = self.settle_arrangements(creditor_id, &cause).await? {
            written.consistency_token = token;
        }
        Ok(written)
    }

    /// Opens the business day of every creditor in AUTOMATIC mode for whom one has begun, and says how many. A creditor
    /// that fails is logged and left for the next time.
    ///
    /// # Errors
    /// If the creditors cannot be read.
    pub async fn open_due_business_days(&self) -> Result<u64> {
        let mut opened = 0;
        let mut after = String::new();
        loop {
            let creditors =
                storage::creditor::list(self.publisher.db(), &after, OPENER_PAGE).await?;
            let Some(last) = creditors.last() else {
                return Ok(opened);
            };
            after.clone_from(&last.creditor_id);
            let now = self.publisher.clock().now();
            for creditor in creditors {
                if due_business_day(&creditor, now).is_none() {
                    continue;
                }
                match self.open_due(&creditor.creditor_id).await {
                    Ok(done) => opened += u64::from(done),
                    Err(error) => tracing::warn!(
                        creditor_id = creditor.creditor_id,
                        error = %error,
                        "business day could not be opened; trying again"
                    ),
                }
            }
        }
    }

    /// Decides again under the lock: another replica may have been faster.
    async fn open_due(&self, creditor_id: &str) -> Result<bool> {
        let cause = Cause::from(&Call::internal("business_day"));
        let mut tx = WriteTx::begin(&self.publisher, Locks::creditor(creditor_id), cause).await?;
        let creditor = creditor_of(&tx, creditor_id).await?;
        let Some(date) = due_business_day(&creditor, tx.recorded_at()) else {
            tx.rollback().await?;
            return Ok(false);
        };
        open(&mut tx, &creditor, date).await?;
        tx.commit().await?;
        tracing::info!(creditor_id, business_date = %date, "business day opened");
        Ok(true)
    }

    /// Notes that bank statements up to a day are in the books.
    ///
    /// # Errors
    /// `NotFound`, `NO_BUSINESS_DAY`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn record_bank_import(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        day: NaiveDate,
    ) -> Result<Written<Creditor>> {
        let locks = Locks::creditor(creditor_id);
        let method = "RecordBankImport";
        let begun = self
            .publisher
            .begin_once(call, method, creditor_id, request_id, &day, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let mut creditor = creditor_of(&**once, creditor_id).await?;
        if creditor.note_bank_import(day).map_err(from_domain)? {
            creditor.version += 1;
            storage::creditor::save(&**once, &creditor).await?;
            once.append(vec![feed::creditor_event(&creditor, "bank_imported")])?;
        }
        once.finish(creditor).await
    }

    /// Sets the exchange rate of a pair for a date.
    ///
    /// # Errors
    /// `NotFound`, `RequestIdReused`, and those of the database.
    pub async fn set_fx_rate(
        &self,
        call: &Call,
        request_id: &str,
        mut rate: FxRate,
    ) -> Result<Written<FxRate>> {
        let id = &rate.creditor_id;
        let begun = self
            .publisher
            .begin_once(
                call,
                "SetFxRate",
                id,
                request_id,
                &rate,
                Locks::creditor(id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &rate.creditor_id).await?;
        let before =
            storage::fx_rate::get(&**once, &rate.creditor_id, rate.base, rate.quote, rate.date)
                .await?;
        rate.version = before.map_or(1, |before| before.version + 1);
        storage::fx_rate::save(&**once, &rate).await?;
        once.append(vec![feed::fx_rate_event(&creditor, &rate)])?;
        once.finish(rate).await
    }

    /// Lists the exchange rates of a creditor by pair and date, after `after`, which names the creditor.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::all`] and of the database.
    pub async fn list_fx_rates(
        &self,
        after: &FxRateKey,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<FxRate>> {
        self.freshness.all(at_least, deadline).await?;
        let rows = storage::fx_rate::list(self.publisher.db(), after, limit + 1).await?;
        if rows.is_empty() {
            creditor_of(self.publisher.db(), &after.creditor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }
}

async fn open(tx: &mut WriteTx, creditor: &Creditor, date: NaiveDate) -> Result<Creditor> {
    let opened = creditor.open_business_day(date).map_err(from_domain)?;
    storage::creditor::save(&*tx, &opened).await?;
    tx.append(vec![feed::creditor_event(&opened, "business_day_opened")])?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use registry_core::{calendar::Calendar, currency::Currency};

    use super::*;

    fn creditor(zone: &str, business_date: Option<&str>) -> Creditor {
        Creditor {
            creditor_id: "acme".to_owned(),
            display_name: "Acme".to_owned(),
            time_zone: zone.to_owned(),
            calendar: Calendar::De,
            reporting_currency: Currency::parse("EUR").unwrap(),
            business_day_mode: BusinessDayMode::Automatic,
            business_date: business_date.map(|date| date.parse().unwrap()),
            last_bank_import: None,
            write_off_above: None,
            version: 1,
        }
    }

    fn at(time: &str) -> Micros {
        DateTime::parse_from_rfc3339(time)
            .unwrap()
            .timestamp_micros()
    }

    fn due(zone: &str, business_date: Option<&str>, time: &str) -> Option<String> {
        due_business_day(&creditor(zone, business_date), at(time)).map(|date| date.to_string())
    }

    #[test]
    fn a_day_begins_in_the_time_zone_of_the_creditor() {
        let tuesday = || Some("2026-03-10".to_owned());
        assert_eq!(
            due("Europe/Berlin", Some("2026-03-09"), "2026-03-09T22:59:59Z"),
            None
        );
        assert_eq!(
            due("Europe/Berlin", Some("2026-03-09"), "2026-03-09T23:00:00Z"),
            tuesday()
        );
        assert_eq!(
            due("Asia/Tokyo", Some("2026-03-09"), "2026-03-09T15:00:00Z"),
            tuesday()
        );
        assert_eq!(
            due(
                "America/New_York",
                Some("2026-03-09"),
                "2026-03-10T03:59:59Z"
            ),
            None
        );
        assert_eq!(
            due(
                "America/New_York",
                Some("2026-03-09"),
                "2026-03-10T04:00:00Z"
            ),
            tuesday()
        );
    }

    #[test]
    fn only_the_latest_business_day_is_due_after_an_outage() {
        let easter_monday = "2026-04-06T10:00:00Z";
        let thursday = Some("2026-04-02".to_owned());
        assert_eq!(
            due("Europe/Berlin", Some("2026-03-23"), easter_monday),
            thursday
        );
        assert_eq!(due("Europe/Berlin", None, easter_monday), thursday);
        assert_eq!(
            due("Europe/Berlin", Some("2026-04-02"), easter_monday),
            None
        );
    }

    #[test]
    fn nothing_is_due_in_manual_mode_or_when_a_later_day_is_open() {
        let manual = Creditor {
            business_day_mode: BusinessDayMode::Manual,
            ..creditor("Europe/Berlin", None)
        };
        assert_eq!(due_business_day(&manual, at("2026-03-10T10:00:00Z")), None);
        assert_eq!(
            due("Europe/Berlin", Some("2027-01-04"), "2026-03-10T10:00:00Z"),
            None
        );
    }

    #[test]
    fn time_zones_are_those_of_the_iana_database() {
        assert!(time_zone("Europe/Berlin").is_some() && time_zone("UTC").is_some());
        for name in ["", "Berlin", "Europe/Atlantis", "europe/berlin", "+01:00"] {
            assert!(time_zone(name).is_none(), "{name}");
        }
    }
}

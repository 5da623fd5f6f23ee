//! Pauses and manual mode: when nothing is sent.

use chrono::{Days, NaiveDate};
use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, inputs::CreditorFacts, invalid, limit_reached, no_business_day, not_found};
use crate::storage::{
    day_number,
    pause::{self as stored, PauseRow},
};

/// Entity name of pauses in the audit trail.
const PAUSE: &str = "pause";

/// Entity name of manual mode in the audit trail.
const MANUAL_MODE: &str = "manual_mode";

/// Most pauses that name a debtor, and most that name none: together what evaluation takes.
const MAX_PAUSES: i64 = 500;

/// Most days of manual mode.
const MAX_MANUAL_DAYS: u64 = 365;

/// Another end of a pause.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EndPause {
    pause_id: String,
    until: Option<NaiveDate>,
}

/// A debtor handed over to a person, or back.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ManualMode {
    debtor_id: String,
    until: Option<NaiveDate>,
}

fn event(
    creditor: &CreditorFacts,
    debtor_id: &str,
    entity: &'static str,
    entity_id: &str,
    version: i64,
    action: &'static str,
) -> NewEvent {
    NewEvent {
        creditor_id: creditor.creditor_id.clone(),
        debtor_id: debtor_id.to_owned(),
        entity,
        entity_id: entity_id.to_owned(),
        version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: None,
    }
}

impl App {
    /// Sets a pause, once per request id; who sets it and the version are filled in.
    ///
    /// # Errors
    /// `Exists` if there is one of this key, `NotFound` for creditor or debtor, `LIMIT_REACHED`, `RequestIdReused`, and
    /// those of [`App::subject`].
    pub async fn create_pause(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        pause: PauseRow,
    ) -> Result<Written<PauseRow>> {
        let pause = PauseRow {
            principal: call.principal.clone(),
            version: 1,
            ..pause
        };
        let begun = self
            .publisher
            .begin_once(
                call,
                "CreatePause",
                creditor_id,
                request_id,
                &pause,
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, creditor_id).await?;
        if !pause.debtor_id.is_empty() {
            self.subject(&*once, &creditor, &pause.debtor_id).await?;
        }
        if stored::count(&*once, creditor_id, &pause.debtor_id).await? >= MAX_PAUSES {
            return Err(limit_reached(
                MAX_PAUSES,
                "the debtor, or the creditor without a debtor, has the most pauses there may be",
            ));
        }
        let at = once.recorded_at();
        if !stored::insert(&*once, creditor_id, &pause, at).await? {
            return Err(Error::Exists {
                resource: "pause",
                id: pause.pause_id,
            });
        }
        let (debtor_id, id) = (&pause.debtor_id, &pause.pause_id);
        once.append(vec![event(&creditor, debtor_id, PAUSE, id, 1, "created")])?;
        once.finish(pause).await
    }

    /// Gives a pause another last day, once per request id: the day before the business date, or before its first day if
    /// that is later, unless one is given.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for a day before its first less one, `NO_BUSINESS_DAY`, `RequestIdReused`.
    pub async fn end_pause(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        pause_id: &str,
        until: Option<NaiveDate>,
    ) -> Result<Written<PauseRow>> {
        let command = EndPause {
            pause_id: pause_id.to_owned(),
            until,
        };
        let locks = Locks::creditor(creditor_id);
        let begun = self
            .publisher
            .begin_once(call, "EndPause", creditor_id, request_id, &command, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, creditor_id).await?;
        let pause = stored::get(&*once, creditor_id, pause_id).await?;
        let mut pause = pause.ok_or_else(|| not_found("pause", pause_id))?;
        let earliest = day_before(pause.from);
        let until = match until {
            Some(until) if until < earliest => {
                return Err(invalid(
                    "until",
                    "must not be before the first day less one",
                ));
            }
            Some(until) => until,
            None => day_before(creditor.business_date.ok_or_else(no_business_day)?).max(earliest),
        };
        pause.until = Some(until);
        pause.version += 1;
        let at = once.recorded_at();
        stored::end(&*once, creditor_id, &pause, &call.principal, at).await?;
        let (debtor_id, id, version) = (&pause.debtor_id, &pause.pause_id, pause.version);
        once.append(vec![event(
            &creditor, debtor_id, PAUSE, id, version, "ended",
        )])?;
        once.finish(pause).await
    }

    /// Pauses, by id, after one, at most `limit`: those that concern a debtor, or all of a creditor if it is empty.
    ///
    /// # Errors
    /// `NotFound` for creditor or debtor, those of [`App::subject`] and of the freshness wait.
    pub async fn pauses(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        (after, limit): (&str, u64),
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<PauseRow>> {
        let db = self.publisher.db();
        if debtor_id.is_empty() {
            self.freshness.all(at_least, deadline).await?;
            self.require_creditor(db, creditor_id).await?;
            return stored::list(db, creditor_id, None, after, limit).await;
        }
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let creditor = self.creditor(db, creditor_id).await?;
        let segment = self.subject(db, &creditor, debtor_id).await?;
        let segment = segment.input.debtor.segment;
        stored::list(db, creditor_id, Some((debtor_id, &segment)), after, limit).await
    }

    /// Hands a debtor over to a person until a day, or back if it is `None`, once per request id.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for a day before the business date or more than 365 days after it, those of
    /// [`App::subject`], `RequestIdReused`.
    pub async fn set_manual_mode(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        debtor_id: &str,
        until: Option<NaiveDate>,
    ) -> Result<Written<()>> {
        let command = ManualMode {
            debtor_id: debtor_id.to_owned(),
            until,
        };
        let locks = Locks::debtor(creditor_id, debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "SetManualMode",
                creditor_id,
                request_id,
                &command,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, creditor_id).await?;
        let subject = self.subject(&*once, &creditor, debtor_id).await?;
        let today = subject.input.business_date;
        let last = today.checked_add_days(Days::new(MAX_MANUAL_DAYS));
        if until.is_some_and(|until| until < today || last.is_some_and(|last| until > last)) {
            return Err(invalid(
                "until",
                "must be from the business date to 365 days after it",
            ));
        }
        let by = &call.principal;
        let version = stored::set_manual(&*once, creditor_id, debtor_id, until, by).await?;
        let action = if until.is_some() { "set" } else { "ended" };
        once.append(vec![event(
            &creditor,
            debtor_id,
            MANUAL_MODE,
            debtor_id,
            version,
            action,
        )])?;
        once.finish(()).await
    }
}

fn day_before(day: NaiveDate) -> NaiveDate {
    day.pred_opt().unwrap_or(day)
}

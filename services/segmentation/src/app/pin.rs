//! Pins: what people decide comes before all rules.

use chrono::NaiveDate;
use mahnwerk_feed::{Begun, Locks, NewEvent, OnceTx, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result, Violation},
};
use serde::{Deserialize, Serialize};

use super::{App, no_business_day, not_found, place::place, placed, schemes::Active};
use crate::{
    feed::PIN,
    storage::{
        day_number, facts,
        membership::{self, MembershipRow},
        pin::{self as stored, PinRow},
    },
};

/// A debtor in a scheme.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The scheme.
    pub scheme_id: String,
}

impl Place {
    fn ids(&self) -> [String; 1] {
        [self.debtor_id.clone()]
    }
}

impl App {
    /// Puts a debtor into a segment by hand, once per request id.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` if the segment is not in the active revision or the pin has expired, `DEBTOR_PARKED`,
    /// `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, `RequestIdReused`.
    pub async fn pin(
        &self,
        call: &Call,
        request_id: &str,
        at: Place,
        mut pin: PinRow,
    ) -> Result<Written<MembershipRow>> {
        let command = (&at, &pin);
        let locks = Locks::debtor(&at.creditor_id, &at.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "PinDebtor",
                &at.creditor_id,
                request_id,
                &command,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let (day, scheme) = self.pinnable(&once, &at).await?;
        let mut violations = Vec::new();
        if scheme.compiled.segment_id(&pin.segment_id).is_none() {
            violations.push(Violation::new(
                "pin.segment_id",
                "must be a segment of the active revision",
            ));
        }
        if pin.until.is_some_and(|until| until < day) {
            violations.push(Violation::new(
                "pin.until",
                "must not be before the business date",
            ));
        }
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        pin.principal.clone_from(&call.principal);
        let Place {
            creditor_id,
            debtor_id,
            scheme_id,
        } = &at;
        stored::save(&*once, creditor_id, debtor_id, scheme_id, &pin).await?;
        place(&mut once, &self.schemes, creditor_id, &at.ids(), None).await?;
        finish(once, &at, day, Some("pinned")).await
    }

    /// Lifts a pin, once per request id.
    ///
    /// # Errors
    /// As [`App::pin`].
    pub async fn unpin(
        &self,
        call: &Call,
        request_id: &str,
        at: Place,
    ) -> Result<Written<MembershipRow>> {
        let locks = Locks::debtor(&at.creditor_id, &at.debtor_id);
        let begun = self
            .publisher
            .begin_once(call, "UnpinDebtor", &at.creditor_id, request_id, &at, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let (day, _) = self.pinnable(&once, &at).await?;
        let Place {
            creditor_id,
            debtor_id,
            scheme_id,
        } = &at;
        let lifted = stored::remove(&*once, creditor_id, debtor_id, scheme_id).await?;
        let scheme = lifted.then_some(scheme_id.as_str());
        place(&mut once, &self.schemes, creditor_id, &at.ids(), scheme).await?;
        finish(once, &at, day, lifted.then_some("unpinned")).await
    }

    /// The business date and the active revision, if the debtor has been placed and the scheme is known.
    async fn pinnable(&self, once: &OnceTx, at: &Place) -> Result<(NaiveDate, Active)> {
        let found = facts::find(once, &at.creditor_id, &at.debtor_id).await?;
        let creditor = placed(found, &at.creditor_id, &at.debtor_id)?;
        let day = creditor.business_date.ok_or_else(no_business_day)?;
        let active = self.schemes.active(&**once, &at.creditor_id).await?;
        let scheme = active
            .into_iter()
            .find(|scheme| scheme.scheme_id == at.scheme_id);
        Ok((
            day,
            scheme.ok_or_else(|| not_found("scheme", &at.scheme_id))?,
        ))
    }
}

async fn finish(
    mut once: Box<OnceTx>,
    at: &Place,
    day: NaiveDate,
    action: Option<&'static str>,
) -> Result<Written<MembershipRow>> {
    let scheme = Some(at.scheme_id.as_str());
    let mut found = membership::of_debtors(&*once, &at.creditor_id, &at.ids(), scheme).await?;
    let row = found
        .remove(&at.debtor_id)
        .and_then(|mut schemes| schemes.remove(&at.scheme_id))
        .ok_or_else(|| Error::internal("a placed debtor has no membership"))?;
    let event = action.map(|action| NewEvent {
        creditor_id: at.creditor_id.clone(),
        debtor_id: at.debtor_id.clone(),
        entity: PIN,
        entity_id: format!("{}/{}", at.debtor_id, at.scheme_id),
        version: row.version,
        action,
        business_date: Some(day_number(day)),
        state: None,
    });
    once.append(event.into_iter().collect())?;
    once.finish(row).await
}

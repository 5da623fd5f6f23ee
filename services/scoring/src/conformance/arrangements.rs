//! Disputes, promises and plans left to chance, as the registry states them and as the rules see them.

use chrono::{Days, NaiveDate};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Dispute, DisputeState, InstalmentPlan, InstalmentPlanState, Promise, PromiseState,
    },
};
use mahnwerk_runtime::validate::{from_date, to_date};
use prost::Message;
use scoring_core::facts::{ArrangementKind, Arrangements, BrokenFacts, DisputeFacts};

use super::facts::Dice;

/// The state of an arrangement on the feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrangement {
    Dispute(Dispute),
    Promise(Promise),
    Plan(InstalmentPlan),
}

/// Their entity names.
pub const KINDS: [&str; 3] = ["dispute", "promise", "instalment_plan"];

impl Arrangement {
    /// One that has just begun, about an invoice that may not exist.
    pub fn begun(dice: &mut Dice, kind: &str, debtor_id: &str, id: &str, today: NaiveDate) -> Self {
        let on = Some(from_date(today - Days::new(dice.below(3))));
        match kind {
            "dispute" => Self::Dispute(Dispute {
                dispute_id: id.to_owned(),
                invoice_id: format!("{debtor_id}-{}", dice.below(5)),
                amount: dice.one_in(2).then(|| Money {
                    currency_code: "EUR".to_owned(),
                    minor_units: dice.amount() / 2,
                }),
                state: DisputeState::Open.into(),
                opened_date: on,
                ..Dispute::default()
            }),
            "promise" => Self::Promise(Promise {
                promise_id: id.to_owned(),
                state: PromiseState::Open.into(),
                created_date: on,
                ..Promise::default()
            }),
            _ => Self::Plan(InstalmentPlan {
                plan_id: id.to_owned(),
                state: InstalmentPlanState::Active.into(),
                created_date: on,
                ..InstalmentPlan::default()
            }),
        }
    }

    /// The same with an outcome.
    pub fn closed(mut self, dice: &mut Dice, today: NaiveDate) -> Self {
        let closed_on = Some(from_date(today));
        let outcome = dice.index(3);
        match &mut self {
            Self::Dispute(dispute) => {
                let states = [
                    DisputeState::Upheld,
                    DisputeState::Rejected,
                    DisputeState::Withdrawn,
                ];
                dispute.set_state(states[outcome]);
                dispute.closed_date = closed_on;
            }
            Self::Promise(promise) => {
                let states = [
                    PromiseState::Broken,
                    PromiseState::PartlyKept,
                    PromiseState::Kept,
                ];
                promise.set_state(states[outcome]);
                promise.closed_date = closed_on;
            }
            Self::Plan(plan) => {
                let states = [
                    InstalmentPlanState::Broken,
                    InstalmentPlanState::Kept,
                    InstalmentPlanState::Cancelled,
                ];
                plan.set_state(states[outcome]);
                plan.closed_date = closed_on;
            }
        }
        self
    }

    /// As it is told.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Dispute(dispute) => dispute.encode_to_vec(),
            Self::Promise(promise) => promise.encode_to_vec(),
            Self::Plan(plan) => plan.encode_to_vec(),
        }
    }
}

fn date(date: Option<&Date>) -> NaiveDate {
    date.and_then(to_date).unwrap_or_default()
}

/// What the rules see of arrangements.
pub fn seen<'a>(all: impl Iterator<Item = &'a Arrangement>) -> Arrangements {
    let mut seen = Arrangements::default();
    let broken = |kind, on: Option<&Date>| BrokenFacts { kind, on: date(on) };
    for arrangement in all {
        match arrangement {
            Arrangement::Dispute(it) => seen.disputes.push(DisputeFacts {
                item_id: it.invoice_id.clone(),
                amount: it.amount.as_ref().map(|amount| amount.minor_units),
                opened_date: date(it.opened_date.as_ref()),
                closed_date: it.closed_date.as_ref().and_then(to_date),
                upheld: it.state() == DisputeState::Upheld,
            }),
            Arrangement::Promise(it) if it.state() == PromiseState::Broken => {
                let on = it.closed_date.as_ref();
                seen.broken.push(broken(ArrangementKind::Promise, on));
            }
            Arrangement::Plan(it) if it.state() == InstalmentPlanState::Broken => {
                let on = it.closed_date.as_ref();
                seen.broken
                    .push(broken(ArrangementKind::InstalmentPlan, on));
            }
            Arrangement::Promise(_) | Arrangement::Plan(_) => {}
        }
    }
    in_order(seen)
}

/// The same in an order of its own, because that of the rows means nothing.
pub fn in_order(mut arrangements: Arrangements) -> Arrangements {
    arrangements
        .disputes
        .sort_by_cached_key(|it| format!("{it:?}"));
    arrangements
        .broken
        .sort_by_cached_key(|it| format!("{it:?}"));
    arrangements
}

//! Disputes, promises and instalment plans as rows.

use mahnwerk_feed::Change;
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{
        Dispute, DisputeState, InstalmentPlan, InstalmentPlanState, Promise, PromiseState,
    },
};
use mahnwerk_runtime::error::Result;

use super::{day, state};
use crate::storage::projection::{ArrangementRow, DISPUTE, INSTALMENT_PLAN, PROMISE};

/// The kind of a change of an arrangement, and its row unless it was deleted; `None` for other entities.
pub(super) fn row(
    entity: &str,
    change: &Change,
) -> Result<Option<(&'static str, Option<ArrangementRow>)>> {
    Ok(Some(match entity {
        DISPUTE => (DISPUTE, state(change)?.map(dispute).transpose()?),
        PROMISE => (PROMISE, state(change)?.map(promise).transpose()?),
        INSTALMENT_PLAN => (INSTALMENT_PLAN, state(change)?.map(plan).transpose()?),
        _ => return Ok(None),
    }))
}

fn dispute(dispute: Dispute) -> Result<ArrangementRow> {
    let state = dispute.state();
    Ok(ArrangementRow {
        opened: day(dispute.opened_date.as_ref())?,
        closed: closed(state == DisputeState::Open, dispute.closed_date.as_ref())?,
        arrangement_id: dispute.dispute_id,
        item_id: dispute.invoice_id,
        amount: dispute.amount.map(|amount| amount.minor_units),
        upheld: state == DisputeState::Upheld,
        broken: false,
    })
}

fn promise(promise: Promise) -> Result<ArrangementRow> {
    let state = promise.state();
    Ok(ArrangementRow {
        opened: day(promise.created_date.as_ref())?,
        closed: closed(state == PromiseState::Open, promise.closed_date.as_ref())?,
        arrangement_id: promise.promise_id,
        item_id: String::new(),
        amount: None,
        upheld: false,
        broken: state == PromiseState::Broken,
    })
}

fn plan(plan: InstalmentPlan) -> Result<ArrangementRow> {
    let state = plan.state();
    Ok(ArrangementRow {
        opened: day(plan.created_date.as_ref())?,
        closed: closed(
            state == InstalmentPlanState::Active,
            plan.closed_date.as_ref(),
        )?,
        arrangement_id: plan.plan_id,
        item_id: String::new(),
        amount: None,
        upheld: false,
        broken: state == InstalmentPlanState::Broken,
    })
}

/// What is not open was closed on a day.
fn closed(is_open: bool, on: Option<&Date>) -> Result<Option<i64>> {
    if is_open {
        return Ok(None);
    }
    day(on).map(Some)
}

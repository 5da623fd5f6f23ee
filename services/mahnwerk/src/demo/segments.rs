//! The treatment segments of the demo: how many debtors are in each, and who moved where.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use mahnwerk_proto::segmentation::v1::{
    ListMembershipHistoryRequest, ListSegmentSizesRequest, SegmentSize,
};

use super::CREDITOR;
use crate::{
    client::{Clients, Result, call, once_arrived},
    output::calendar_date,
};

/// The scheme that says how debtors are treated.
const TREATMENT: &str = "treatment";

/// The segments on the last business day of a month.
#[derive(Debug)]
pub(crate) struct MonthEnd {
    pub(crate) day: NaiveDate,
    /// In the order of the scheme.
    pub(crate) sizes: Vec<SegmentSize>,
}

/// From one segment to another.
pub(crate) type Way = (String, String);

/// Movements by month (its first day) and way.
pub(crate) type Movements = BTreeMap<NaiveDate, BTreeMap<Way, usize>>;

/// How many debtors each segment has, containing the write of the token.
///
/// # Errors
/// If segmentation refuses.
pub(crate) async fn sizes(clients: &Clients, day: NaiveDate, token: &str) -> Result<MonthEnd> {
    let request = ListSegmentSizesRequest {
        creditor_id: CREDITOR.to_owned(),
        scheme_id: TREATMENT.to_owned(),
        at_least: token.to_owned(),
    };
    let answer = once_arrived(async || {
        clients
            .memberships()
            .list_segment_sizes(call(request.clone()))
            .await
    })
    .await?;
    Ok(MonthEnd {
        day,
        sizes: answer.segments,
    })
}

/// Who moved when, of these debtors.
///
/// # Errors
/// If segmentation refuses.
pub(crate) async fn movements(clients: &Clients, debtor_ids: &[String]) -> Result<Movements> {
    let mut movements = Movements::new();
    for debtor_id in debtor_ids {
        let request = ListMembershipHistoryRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: debtor_id.clone(),
            scheme_id: TREATMENT.to_owned(),
            page_size: 1_000,
            ..ListMembershipHistoryRequest::default()
        };
        let periods = clients
            .memberships()
            .list_membership_history(call(request))
            .await?
            .into_inner()
            .periods;
        for pair in periods.windows(2) {
            let [later, earlier] = pair else { continue };
            let Some(day) = calendar_date(later.valid_from.as_ref()) else {
                continue;
            };
            let way = (earlier.segment_id.clone(), later.segment_id.clone());
            let month = day.with_day(1).unwrap_or(day);
            *movements.entry(month).or_default().entry(way).or_default() += 1;
        }
    }
    Ok(movements)
}

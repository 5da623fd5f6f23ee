//! The treatment segments of the demo: how many debtors are in each, and who moved where.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use mahnwerk_proto::segmentation::v1::{
    ListMembershipHistoryRequest, ListSegmentSizesRequest, MembershipPeriod, SegmentSize,
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
        for (day, from, to) in moves(&periods) {
            let month = day.with_day(1).unwrap_or(day);
            let way = (from.to_owned(), to.to_owned());
            *movements.entry(month).or_default().entry(way).or_default() += 1;
        }
    }
    Ok(movements)
}

/// The moves that a business day ended with, newest first: a stay that ended on the day on which it began is none.
fn moves(periods: &[MembershipPeriod]) -> Vec<(NaiveDate, &str, &str)> {
    let lasting: Vec<_> = periods
        .iter()
        .filter(|it| it.valid_from != it.valid_to)
        .collect();
    let pairs = lasting.windows(2).filter_map(|pair| {
        let [later, earlier] = pair else { return None };
        let day = calendar_date(later.valid_from.as_ref())?;
        let (from, to) = (earlier.segment_id.as_str(), later.segment_id.as_str());
        (from != to).then_some((day, from, to))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::proto_date;

    #[test]
    fn who_comes_back_on_the_same_day_has_not_moved() {
        let on = |day| NaiveDate::from_ymd_opt(2025, 3, day).map(proto_date);
        let stay = |segment: &str, from, to: Option<u32>| MembershipPeriod {
            segment_id: segment.to_owned(),
            valid_from: on(from),
            valid_to: to.and_then(on),
            ..MembershipPeriod::default()
        };
        let periods = [
            stay("strict", 9, None),
            stay("standard", 7, Some(9)),
            stay("strict", 7, Some(7)),
            stay("standard", 3, Some(7)),
            stay("new", 3, Some(3)),
        ];
        let day = NaiveDate::from_ymd_opt(2025, 3, 9).unwrap();
        assert_eq!(moves(&periods), [(day, "standard", "strict")]);
    }
}

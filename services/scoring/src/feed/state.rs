//! What others are told of a debtor: score, features and amounts.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_proto::scoring::v1;
use scoring_core::features::Features;

use super::score_message;
use crate::storage::score::ScoreRow;

/// A score with the features it rests on, as it is told.
#[must_use]
pub fn score_state(row: &ScoreRow, features: &Features) -> v1::ScoreState {
    v1::ScoreState {
        score: Some(score_message(row, None)),
        features: Some(features_message(features)),
        accounts: accounts(features),
    }
}

fn features_message(features: &Features) -> v1::Features {
    v1::Features {
        settled_items: features.settled_items,
        avg_dbt_12m_days: features.avg_dbt_12m_days,
        weighted_dbt_12m_days: features.weighted_dbt_12m_days,
        avg_days_to_pay_12m_days: features.avg_days_to_pay_12m_days,
        share_late_12m_bps: features.share_late_12m_bps,
        share_late_over_30_12m_bps: features.share_late_over_30_12m_bps,
        worst_dbt_24m_days: features.worst_dbt_24m_days,
        dbt_trend_days: features.dbt_trend_days,
        partial_payment_share_12m_bps: features.partial_payment_share_12m_bps,
        written_off_items_24m: features.written_off_items_24m,
        overdue_items: features.overdue_items,
        overdue_share_bps: features.overdue_share_bps,
        oldest_overdue_days: features.oldest_overdue_days,
        months_since_first_item: features.months_since_first_item,
        months_since_last_item: features.months_since_last_item,
        items_per_month_12m_milli: features.items_per_month_12m_milli,
        months_as_customer: features.months_as_customer,
        dispute_share_12m_bps: features.dispute_share_12m_bps,
        upheld_dispute_share_12m_bps: features.upheld_dispute_share_12m_bps,
        open_disputes: features.open_disputes,
        broken_promises_12m: features.broken_promises_12m,
        broken_plans_12m: features.broken_plans_12m,
    }
}

/// By currency. What is overdue or disputed is open, so that its currency is among the open ones.
fn accounts(features: &Features) -> Vec<v1::AccountTotals> {
    let open = features.open_by_currency.keys();
    let currencies: BTreeSet<_> = open.chain(features.turnover_12m.keys()).collect();
    let account = |currency: &String| {
        let of = |amounts: &BTreeMap<String, i64>| amounts.get(currency).copied().unwrap_or(0);
        v1::AccountTotals {
            currency_code: currency.clone(),
            open_minor: of(&features.open_by_currency),
            overdue_minor: of(&features.overdue_by_currency),
            disputed_minor: of(&features.disputed_by_currency),
            turnover_12m_minor: of(&features.turnover_12m),
        }
    };
    currencies.into_iter().map(account).collect()
}

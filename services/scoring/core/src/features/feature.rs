//! Features by name.

use serde::{Deserialize, Serialize};

/// A feature by name: what a scorecard refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "every variant is described at the field of the same name in `Features`"
)]
pub enum Feature {
    SettledItems,
    #[serde(rename = "avg_dbt_12m_days")]
    AvgDbt12mDays,
    #[serde(rename = "weighted_dbt_12m_days")]
    WeightedDbt12mDays,
    #[serde(rename = "avg_days_to_pay_12m_days")]
    AvgDaysToPay12mDays,
    #[serde(rename = "share_late_12m_bps")]
    ShareLate12mBps,
    #[serde(rename = "share_late_over_30_12m_bps")]
    ShareLateOver30Of12mBps,
    #[serde(rename = "worst_dbt_24m_days")]
    WorstDbt24mDays,
    DbtTrendDays,
    #[serde(rename = "partial_payment_share_12m_bps")]
    PartialPaymentShare12mBps,
    #[serde(rename = "written_off_items_24m")]
    WrittenOffItems24m,
    OverdueItems,
    OverdueShareBps,
    OldestOverdueDays,
    MonthsSinceFirstItem,
    MonthsSinceLastItem,
    #[serde(rename = "items_per_month_12m_milli")]
    ItemsPerMonth12mMilli,
    MonthsAsCustomer,
    #[serde(rename = "dispute_share_12m_bps")]
    DisputeShare12mBps,
    #[serde(rename = "upheld_dispute_share_12m_bps")]
    UpheldDisputeShare12mBps,
    OpenDisputes,
    #[serde(rename = "broken_promises_12m")]
    BrokenPromises12m,
    #[serde(rename = "broken_plans_12m")]
    BrokenPlans12m,
}

impl Feature {
    /// All features, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::SettledItems,
        Self::AvgDbt12mDays,
        Self::WeightedDbt12mDays,
        Self::AvgDaysToPay12mDays,
        Self::ShareLate12mBps,
        Self::ShareLateOver30Of12mBps,
        Self::WorstDbt24mDays,
        Self::DbtTrendDays,
        Self::PartialPaymentShare12mBps,
        Self::WrittenOffItems24m,
        Self::OverdueItems,
        Self::OverdueShareBps,
        Self::OldestOverdueDays,
        Self::MonthsSinceFirstItem,
        Self::MonthsSinceLastItem,
        Self::ItemsPerMonth12mMilli,
        Self::MonthsAsCustomer,
        Self::DisputeShare12mBps,
        Self::UpheldDisputeShare12mBps,
        Self::OpenDisputes,
        Self::BrokenPromises12m,
        Self::BrokenPlans12m,
    ];

    /// The stable code: the name of the field in [`Features`](super::Features).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SettledItems => "settled_items",
            Self::AvgDbt12mDays => "avg_dbt_12m_days",
            Self::WeightedDbt12mDays => "weighted_dbt_12m_days",
            Self::AvgDaysToPay12mDays => "avg_days_to_pay_12m_days",
            Self::ShareLate12mBps => "share_late_12m_bps",
            Self::ShareLateOver30Of12mBps => "share_late_over_30_12m_bps",
            Self::WorstDbt24mDays => "worst_dbt_24m_days",
            Self::DbtTrendDays => "dbt_trend_days",
            Self::PartialPaymentShare12mBps => "partial_payment_share_12m_bps",
            Self::WrittenOffItems24m => "written_off_items_24m",
            Self::OverdueItems => "overdue_items",
            Self::OverdueShareBps => "overdue_share_bps",
            Self::OldestOverdueDays => "oldest_overdue_days",
            Self::MonthsSinceFirstItem => "months_since_first_item",
            Self::MonthsSinceLastItem => "months_since_last_item",
            Self::ItemsPerMonth12mMilli => "items_per_month_12m_milli",
            Self::MonthsAsCustomer => "months_as_customer",
            Self::DisputeShare12mBps => "dispute_share_12m_bps",
            Self::UpheldDisputeShare12mBps => "upheld_dispute_share_12m_bps",
            Self::OpenDisputes => "open_disputes",
            Self::BrokenPromises12m => "broken_promises_12m",
            Self::BrokenPlans12m => "broken_plans_12m",
        }
    }

    /// The feature of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.code() == code)
    }

    /// The unit of its values: `count`, `days`, `bps` (hundredths of a percent), `months` or `milli` (thousandths).
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::SettledItems
            | Self::WrittenOffItems24m
            | Self::OverdueItems
            | Self::OpenDisputes
            | Self::BrokenPromises12m
            | Self::BrokenPlans12m => "count",
            Self::AvgDbt12mDays
            | Self::WeightedDbt12mDays
            | Self::AvgDaysToPay12mDays
            | Self::WorstDbt24mDays
            | Self::DbtTrendDays
            | Self::OldestOverdueDays => "days",
            Self::ShareLate12mBps
            | Self::ShareLateOver30Of12mBps
            | Self::PartialPaymentShare12mBps
            | Self::OverdueShareBps
            | Self::DisputeShare12mBps
            | Self::UpheldDisputeShare12mBps => "bps",
            Self::MonthsSinceFirstItem | Self::MonthsSinceLastItem | Self::MonthsAsCustomer => {
                "months"
            }
            Self::ItemsPerMonth12mMilli => "milli",
        }
    }
}

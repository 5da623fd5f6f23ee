//! English.

use super::numbers::Style;
use crate::decision::DecisionReason;
use crate::features::Feature;

const STYLE: Style = Style {
    decimal: '.',
    group: ',',
};

pub(super) fn feature(feature: Feature, value: Option<i64>) -> String {
    match value {
        Some(value) => with_value(feature, value),
        None => without_value(feature).to_owned(),
    }
}

fn with_value(feature: Feature, value: i64) -> String {
    match feature {
        Feature::SettledItems => match value {
            0 => "No invoice has been paid in full so far.".to_owned(),
            _ => format!(
                "{} been paid in full so far.",
                counted(value, "invoice has", "invoices have")
            ),
        },
        Feature::AvgDbt12mDays => format!(
            "Payments of the last 12 months came on average {}.",
            timing(value)
        ),
        Feature::WeightedDbt12mDays => {
            format!(
                "Weighted by invoice amount, payments of the last 12 months came on average {}.",
                timing(value)
            )
        }
        Feature::AvgDaysToPay12mDays if value < 0 => {
            format!(
                "Payments of the last 12 months came on average {} before the invoice date.",
                days(value.saturating_abs())
            )
        }
        Feature::AvgDaysToPay12mDays => {
            format!(
                "In the last 12 months payment took on average {} from the invoice date.",
                days(value)
            )
        }
        Feature::ShareLate12mBps => share(value, "after the due date"),
        Feature::ShareLateOver30Of12mBps => share(value, "more than 30 days after the due date"),
        Feature::PartialPaymentShare12mBps => share(value, "in several parts"),
        Feature::WorstDbt24mDays => format!(
            "The slowest payment of the last 24 months came {}.",
            timing(value)
        ),
        Feature::DbtTrendDays => trend(value),
        Feature::WrittenOffItems24m => match value {
            0 => "No invoice was written off in the last 24 months.".to_owned(),
            _ => format!(
                "{} written off in full or in part in the last 24 months.",
                counted(value, "invoice was", "invoices were")
            ),
        },
        Feature::OverdueItems => match value {
            0 => "No invoice is overdue.".to_owned(),
            _ => format!("{} overdue.", counted(value, "invoice is", "invoices are")),
        },
        Feature::OverdueShareBps if value == 0 => {
            "Nothing of the open amount is overdue.".to_owned()
        }
        Feature::OverdueShareBps => format!("{} of the open amount is overdue.", percent(value)),
        Feature::OldestOverdueDays => format!(
            "The oldest overdue invoice has been overdue for {}.",
            days(value)
        ),
        Feature::MonthsSinceFirstItem => {
            format!("The first invoice was issued {} ago.", months(value))
        }
        Feature::MonthsSinceLastItem => {
            format!("The latest invoice was issued {} ago.", months(value))
        }
        Feature::ItemsPerMonth12mMilli => {
            format!(
                "In the last 12 months there were on average {} invoices per month.",
                STYLE.decimal(value, 3)
            )
        }
        Feature::MonthsAsCustomer => {
            format!("The business relationship has lasted {}.", months(value))
        }
        Feature::DisputeShare12mBps => share_of_items(value, "disputed"),
        Feature::UpheldDisputeShare12mBps => share_of_items(value, "rightly disputed"),
        Feature::OpenDisputes => match value {
            0 => without_value(feature).to_owned(),
            _ => format!("{} open.", counted(value, "dispute is", "disputes are")),
        },
        Feature::BrokenPromises12m => {
            broken(feature, value, "promise to pay was", "promises to pay were")
        }
        Feature::BrokenPlans12m => broken(
            feature,
            value,
            "instalment plan was",
            "instalment plans were",
        ),
    }
}

fn without_value(feature: Feature) -> &'static str {
    match feature {
        Feature::SettledItems => "No invoice has been paid in full so far.",
        Feature::AvgDbt12mDays
        | Feature::WeightedDbt12mDays
        | Feature::AvgDaysToPay12mDays
        | Feature::ShareLate12mBps
        | Feature::ShareLateOver30Of12mBps
        | Feature::PartialPaymentShare12mBps => {
            "No invoice was paid in full in the last 12 months."
        }
        Feature::WorstDbt24mDays => "No invoice was paid in full in the last 24 months.",
        Feature::DbtTrendDays => {
            "Payments of the last 3 months cannot be compared with those of the 9 months before."
        }
        Feature::WrittenOffItems24m => "No invoice was written off in the last 24 months.",
        Feature::OverdueItems | Feature::OldestOverdueDays => "No invoice is overdue.",
        Feature::OverdueShareBps => "Nothing is open.",
        Feature::MonthsSinceFirstItem
        | Feature::MonthsSinceLastItem
        | Feature::ItemsPerMonth12mMilli => "There is no invoice yet.",
        Feature::MonthsAsCustomer => "It is not known when the business relationship began.",
        Feature::DisputeShare12mBps | Feature::UpheldDisputeShare12mBps => {
            "There is no invoice of the last 12 months."
        }
        Feature::OpenDisputes => "No dispute is open.",
        Feature::BrokenPromises12m => "No promise to pay was broken in the last 12 months.",
        Feature::BrokenPlans12m => "No instalment plan was broken in the last 12 months.",
    }
}

pub(super) fn decision(reason: &DecisionReason) -> String {
    match reason {
        DecisionReason::Insolvent { since } => {
            format!("The debtor has been insolvent since {since}.")
        }
        DecisionReason::Deceased { since } => {
            format!("The debtor has been recorded as deceased since {since}.")
        }
        DecisionReason::CreditHold => {
            "Deliveries on invoice to this debtor are on hold.".to_owned()
        }
        DecisionReason::BrokenPlan => {
            "The debtor broke an instalment plan in the last 12 months.".to_owned()
        }
        DecisionReason::Class { class } => {
            format!(
                "Risk class {} does not allow an automatic approval.",
                class.as_str()
            )
        }
        DecisionReason::LimitExceeded {
            currency,
            free_limit,
            order,
        } => format!(
            "The order of {} exceeds the free limit of {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::FxRateMissing { from, to } => {
            format!("There is no exchange rate to convert {from} to {to}.")
        }
        DecisionReason::NoScore => "There is no score for this debtor.".to_owned(),
        DecisionReason::WithinLimit {
            currency,
            free_limit,
            order,
        } => format!(
            "The order of {} is within the free limit of {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::PersonReview => {
            "Declining a natural person has to be confirmed by a member of staff.".to_owned()
        }
    }
}

fn broken(feature: Feature, count: i64, one: &str, many: &str) -> String {
    match count {
        0 => without_value(feature).to_owned(),
        _ => format!(
            "{} broken in the last 12 months.",
            counted(count, one, many)
        ),
    }
}

fn share(bps: i64, how: &str) -> String {
    match bps {
        0 => format!("None of the invoices paid in the last 12 months was paid {how}."),
        _ => format!(
            "{} of the invoices paid in the last 12 months were paid {how}.",
            percent(bps)
        ),
    }
}

fn share_of_items(bps: i64, how: &str) -> String {
    match bps {
        0 => format!("None of the invoices of the last 12 months was {how}."),
        _ => format!(
            "{} of the invoices of the last 12 months were {how}.",
            percent(bps)
        ),
    }
}

fn trend(value: i64) -> String {
    match value {
        0 => "Payment in the last 3 months was as fast as in the 9 months before.".to_owned(),
        _ => format!(
            "Payment in the last 3 months came on average {} {} than in the 9 months before.",
            days(value.saturating_abs()),
            if value > 0 { "later" } else { "earlier" }
        ),
    }
}

fn timing(dbt: i64) -> String {
    match dbt {
        0 => "on the due date".to_owned(),
        _ => {
            format!(
                "{} {} the due date",
                days(dbt.saturating_abs()),
                if dbt > 0 { "after" } else { "before" }
            )
        }
    }
}

fn days(count: i64) -> String {
    counted(count, "day", "days")
}

fn months(count: i64) -> String {
    if count == 0 {
        "less than a month".to_owned()
    } else {
        counted(count, "month", "months")
    }
}

fn counted(count: i64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        STYLE.decimal(count, 0),
        if count == 1 { one } else { many }
    )
}

fn percent(bps: i64) -> String {
    format!("{}%", STYLE.decimal(bps, 2))
}

fn amount(minor_units: i64, currency: &str) -> String {
    format!("{currency} {}", STYLE.amount(minor_units, currency))
}

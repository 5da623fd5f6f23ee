//! German.

use super::numbers::Style;
use crate::decision::DecisionReason;
use crate::features::Feature;

const STYLE: Style = Style {
    decimal: ',',
    group: '.',
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
            0 => without_value(feature).to_owned(),
            1 => "Bisher wurde 1 Rechnung vollständig bezahlt.".to_owned(),
            _ => format!(
                "Bisher wurden {} Rechnungen vollständig bezahlt.",
                number(value)
            ),
        },
        Feature::AvgDbt12mDays => format!(
            "Die Zahlungen der letzten 12 Monate kamen im Schnitt {}.",
            timing(value)
        ),
        Feature::WeightedDbt12mDays => format!(
            "Nach Rechnungsbetrag gewichtet kamen die Zahlungen der letzten 12 Monate im Schnitt {}.",
            timing(value)
        ),
        Feature::AvgDaysToPay12mDays if value < 0 => format!(
            "Die Zahlungen der letzten 12 Monate kamen im Schnitt {} vor dem Rechnungsdatum.",
            days(value.saturating_abs())
        ),
        Feature::AvgDaysToPay12mDays => format!(
            "In den letzten 12 Monaten {} vom Rechnungsdatum bis zur Zahlung im Schnitt {}.",
            if value == 1 { "verging" } else { "vergingen" },
            days(value)
        ),
        Feature::ShareLate12mBps => share(value, "nach Fälligkeit bezahlt"),
        Feature::ShareLateOver30Of12mBps => {
            share(value, "mehr als 30 Tage nach Fälligkeit bezahlt")
        }
        Feature::PartialPaymentShare12mBps => share(value, "in mehreren Teilen bezahlt"),
        Feature::WorstDbt24mDays => format!(
            "Die langsamste Zahlung der letzten 24 Monate kam {}.",
            timing(value)
        ),
        Feature::DbtTrendDays => trend(value),
        Feature::WrittenOffItems24m => match value {
            0 => without_value(feature).to_owned(),
            1 => "In den letzten 24 Monaten wurde 1 Rechnung ganz oder teilweise ausgebucht."
                .to_owned(),
            _ => format!(
                "In den letzten 24 Monaten wurden {} Rechnungen ganz oder teilweise ausgebucht.",
                number(value)
            ),
        },
        Feature::OverdueItems => match value {
            0 => without_value(feature).to_owned(),
            1 => "1 Rechnung ist überfällig.".to_owned(),
            _ => format!("{} Rechnungen sind überfällig.", number(value)),
        },
        Feature::OverdueShareBps if value == 0 => {
            "Vom offenen Betrag ist nichts überfällig.".to_owned()
        }
        Feature::OverdueShareBps => {
            format!("{} des offenen Betrags sind überfällig.", percent(value))
        }
        Feature::OldestOverdueDays => {
            let since = if value == 1 {
                "1 Tag".to_owned()
            } else {
                format!("{} Tagen", number(value))
            };
            format!("Die älteste überfällige Rechnung ist seit {since} überfällig.")
        }
        Feature::MonthsSinceFirstItem => {
            format!("Die erste Rechnung liegt {} zurück.", months_back(value))
        }
        Feature::MonthsSinceLastItem => {
            format!("Die letzte Rechnung liegt {} zurück.", months_back(value))
        }
        Feature::ItemsPerMonth12mMilli => format!(
            "In den letzten 12 Monaten gab es im Schnitt {} Rechnungen pro Monat.",
            STYLE.decimal(value, 3)
        ),
        Feature::MonthsAsCustomer => {
            let since = match value {
                0 => "weniger als einem Monat".to_owned(),
                1 => "1 Monat".to_owned(),
                _ => format!("{} Monaten", number(value)),
            };
            format!("Die Geschäftsbeziehung besteht seit {since}.")
        }
        Feature::DisputeShare12mBps => share_of_items(value, "beanstandet"),
        Feature::UpheldDisputeShare12mBps => share_of_items(value, "zu Recht beanstandet"),
        Feature::OpenDisputes => match value {
            0 => without_value(feature).to_owned(),
            1 => "1 Beanstandung ist offen.".to_owned(),
            _ => format!("{} Beanstandungen sind offen.", number(value)),
        },
        Feature::BrokenPromises12m => broken(feature, value, "1 Zahlungszusage", "Zahlungszusagen"),
        Feature::BrokenPlans12m => broken(feature, value, "1 Ratenplan", "Ratenpläne"),
    }
}

fn without_value(feature: Feature) -> &'static str {
    match feature {
        Feature::SettledItems => "Bisher wurde keine Rechnung vollständig bezahlt.",
        Feature::AvgDbt12mDays
        | Feature::WeightedDbt12mDays
        | Feature::AvgDaysToPay12mDays
        | Feature::ShareLate12mBps
        | Feature::ShareLateOver30Of12mBps
        | Feature::PartialPaymentShare12mBps => {
            "In den letzten 12 Monaten wurde keine Rechnung vollständig bezahlt."
        }
        Feature::WorstDbt24mDays => {
            "In den letzten 24 Monaten wurde keine Rechnung vollständig bezahlt."
        }
        Feature::DbtTrendDays => {
            "Die Zahlungen der letzten 3 Monate lassen sich nicht mit denen der 9 Monate davor vergleichen."
        }
        Feature::WrittenOffItems24m => "In den letzten 24 Monaten wurde keine Rechnung ausgebucht.",
        Feature::OverdueItems | Feature::OldestOverdueDays => "Keine Rechnung ist überfällig.",
        Feature::OverdueShareBps => "Es ist nichts offen.",
        Feature::MonthsSinceFirstItem
        | Feature::MonthsSinceLastItem
        | Feature::ItemsPerMonth12mMilli => "Es gibt noch keine Rechnung.",
        Feature::MonthsAsCustomer => "Der Beginn der Geschäftsbeziehung ist nicht bekannt.",
        Feature::DisputeShare12mBps | Feature::UpheldDisputeShare12mBps => {
            "Aus den letzten 12 Monaten gibt es keine Rechnung."
        }
        Feature::OpenDisputes => "Keine Beanstandung ist offen.",
        Feature::BrokenPromises12m => {
            "In den letzten 12 Monaten wurde keine Zahlungszusage gebrochen."
        }
        Feature::BrokenPlans12m => "In den letzten 12 Monaten wurde kein Ratenplan gebrochen.",
    }
}

pub(super) fn decision(reason: &DecisionReason) -> String {
    match reason {
        DecisionReason::Insolvent { since } => {
            format!(
                "Der Debitor ist seit dem {} insolvent.",
                since.format("%d.%m.%Y")
            )
        }
        DecisionReason::Deceased { since } => {
            format!(
                "Der Debitor ist seit dem {} als verstorben vermerkt.",
                since.format("%d.%m.%Y")
            )
        }
        DecisionReason::CreditHold => {
            "Lieferungen auf Rechnung sind für diesen Debitor gesperrt.".to_owned()
        }
        DecisionReason::BrokenPlan => {
            "Der Debitor hat in den letzten 12 Monaten einen Ratenplan gebrochen.".to_owned()
        }
        DecisionReason::Class { class } => {
            format!(
                "Die Risikoklasse {} lässt keine automatische Freigabe zu.",
                class.as_str()
            )
        }
        DecisionReason::LimitExceeded {
            currency,
            free_limit,
            order,
        } => format!(
            "Die Bestellung über {} übersteigt das freie Limit von {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::FxRateMissing { from, to } => {
            format!("Für die Umrechnung von {from} in {to} fehlt ein Wechselkurs.")
        }
        DecisionReason::NoScore => "Für diesen Debitor liegt kein Score vor.".to_owned(),
        DecisionReason::WithinLimit {
            currency,
            free_limit,
            order,
        } => format!(
            "Die Bestellung über {} liegt innerhalb des freien Limits von {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::PersonReview => {
            "Die Ablehnung einer natürlichen Person muss von einem Mitarbeiter bestätigt werden."
                .to_owned()
        }
    }
}

fn broken(feature: Feature, count: i64, one: &str, many: &str) -> String {
    match count {
        0 => without_value(feature).to_owned(),
        1 => format!("In den letzten 12 Monaten wurde {one} gebrochen."),
        _ => format!(
            "In den letzten 12 Monaten wurden {} {many} gebrochen.",
            number(count)
        ),
    }
}

fn share(bps: i64, how: &str) -> String {
    match bps {
        0 => format!("Von den in den letzten 12 Monaten bezahlten Rechnungen wurde keine {how}."),
        _ => format!(
            "Von den in den letzten 12 Monaten bezahlten Rechnungen wurden {} {how}.",
            percent(bps)
        ),
    }
}

fn share_of_items(bps: i64, how: &str) -> String {
    match bps {
        0 => format!("Von den Rechnungen der letzten 12 Monate wurde keine {how}."),
        _ => format!(
            "Von den Rechnungen der letzten 12 Monate wurden {} {how}.",
            percent(bps)
        ),
    }
}

fn trend(value: i64) -> String {
    match value {
        0 => "In den letzten 3 Monaten wurde ebenso schnell bezahlt wie in den 9 Monaten davor."
            .to_owned(),
        _ => format!(
            "In den letzten 3 Monaten wurde im Schnitt {} {} bezahlt als in den 9 Monaten davor.",
            days(value.saturating_abs()),
            if value > 0 { "später" } else { "früher" }
        ),
    }
}

fn timing(dbt: i64) -> String {
    match dbt {
        0 => "am Fälligkeitstag".to_owned(),
        _ => format!(
            "{} {} Fälligkeit",
            days(dbt.saturating_abs()),
            if dbt > 0 { "nach" } else { "vor" }
        ),
    }
}

fn days(count: i64) -> String {
    format!(
        "{} {}",
        number(count),
        if count == 1 { "Tag" } else { "Tage" }
    )
}

fn months_back(count: i64) -> String {
    match count {
        0 => "weniger als einen Monat".to_owned(),
        1 => "1 Monat".to_owned(),
        _ => format!("{} Monate", number(count)),
    }
}

fn number(value: i64) -> String {
    STYLE.decimal(value, 0)
}

fn percent(bps: i64) -> String {
    format!("{} %", STYLE.decimal(bps, 2))
}

fn amount(minor_units: i64, currency: &str) -> String {
    format!("{} {currency}", STYLE.amount(minor_units, currency))
}

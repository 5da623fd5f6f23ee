//! Dutch.

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
            1 => "Tot nu toe is 1 factuur volledig betaald.".to_owned(),
            _ => format!(
                "Tot nu toe zijn {} facturen volledig betaald.",
                number(value)
            ),
        },
        Feature::AvgDbt12mDays => {
            format!(
                "De betalingen van de afgelopen 12 maanden kwamen gemiddeld {}.",
                timing(value)
            )
        }
        Feature::WeightedDbt12mDays => format!(
            "Gewogen naar factuurbedrag kwamen de betalingen van de afgelopen 12 maanden gemiddeld {}.",
            timing(value)
        ),
        Feature::AvgDaysToPay12mDays if value < 0 => format!(
            "De betalingen van de afgelopen 12 maanden kwamen gemiddeld {} vóór de factuurdatum.",
            days(value.saturating_abs())
        ),
        Feature::AvgDaysToPay12mDays => format!(
            "In de afgelopen 12 maanden duurde het gemiddeld {} van de factuurdatum tot de betaling.",
            days(value)
        ),
        Feature::ShareLate12mBps => share(value, "na de vervaldatum"),
        Feature::ShareLateOver30Of12mBps => share(value, "meer dan 30 dagen na de vervaldatum"),
        Feature::PartialPaymentShare12mBps => share(value, "in meerdere delen"),
        Feature::WorstDbt24mDays => {
            format!(
                "De traagste betaling van de afgelopen 24 maanden kwam {}.",
                timing(value)
            )
        }
        Feature::DbtTrendDays => trend(value),
        Feature::WrittenOffItems24m => match value {
            0 => without_value(feature).to_owned(),
            1 => "In de afgelopen 24 maanden is 1 factuur geheel of gedeeltelijk afgeboekt."
                .to_owned(),
            _ => format!(
                "In de afgelopen 24 maanden zijn {} facturen geheel of gedeeltelijk afgeboekt.",
                number(value)
            ),
        },
        Feature::OverdueItems => match value {
            0 => without_value(feature).to_owned(),
            1 => "Er is 1 factuur achterstallig.".to_owned(),
            _ => format!("Er zijn {} facturen achterstallig.", number(value)),
        },
        Feature::OverdueShareBps if value == 0 => {
            "Van het openstaande bedrag is niets achterstallig.".to_owned()
        }
        Feature::OverdueShareBps => format!(
            "{} van het openstaande bedrag is achterstallig.",
            percent(value)
        ),
        Feature::OldestOverdueDays => format!(
            "De oudste achterstallige factuur is {} over tijd.",
            days(value)
        ),
        Feature::MonthsSinceFirstItem => {
            format!("De eerste factuur is {} geleden opgemaakt.", months(value))
        }
        Feature::MonthsSinceLastItem => {
            format!("De laatste factuur is {} geleden opgemaakt.", months(value))
        }
        Feature::ItemsPerMonth12mMilli => format!(
            "In de afgelopen 12 maanden waren er gemiddeld {} facturen per maand.",
            STYLE.decimal(value, 3)
        ),
        Feature::MonthsAsCustomer => format!("De zakelijke relatie bestaat {}.", months(value)),
        Feature::DisputeShare12mBps => share_of_items(value, "betwist"),
        Feature::UpheldDisputeShare12mBps => share_of_items(value, "terecht betwist"),
        Feature::OpenDisputes => match value {
            0 => without_value(feature).to_owned(),
            1 => "Er staat 1 betwisting open.".to_owned(),
            _ => format!("Er staan {} betwistingen open.", number(value)),
        },
        Feature::BrokenPromises12m => {
            broken(feature, value, "1 betalingsbelofte", "betalingsbeloften")
        }
        Feature::BrokenPlans12m => {
            broken(feature, value, "1 betalingsregeling", "betalingsregelingen")
        }
    }
}

fn without_value(feature: Feature) -> &'static str {
    match feature {
        Feature::SettledItems => "Tot nu toe is geen enkele factuur volledig betaald.",
        Feature::AvgDbt12mDays
        | Feature::WeightedDbt12mDays
        | Feature::AvgDaysToPay12mDays
        | Feature::ShareLate12mBps
        | Feature::ShareLateOver30Of12mBps
        | Feature::PartialPaymentShare12mBps => {
            "In de afgelopen 12 maanden is geen enkele factuur volledig betaald."
        }
        Feature::WorstDbt24mDays => {
            "In de afgelopen 24 maanden is geen enkele factuur volledig betaald."
        }
        Feature::DbtTrendDays => {
            "De betalingen van de afgelopen 3 maanden zijn niet te vergelijken met die van de 9 maanden daarvoor."
        }
        Feature::WrittenOffItems24m => {
            "In de afgelopen 24 maanden is geen enkele factuur afgeboekt."
        }
        Feature::OverdueItems | Feature::OldestOverdueDays => "Er is geen factuur achterstallig.",
        Feature::OverdueShareBps => "Er staat niets open.",
        Feature::MonthsSinceFirstItem
        | Feature::MonthsSinceLastItem
        | Feature::ItemsPerMonth12mMilli => "Er is nog geen factuur.",
        Feature::MonthsAsCustomer => "Het begin van de zakelijke relatie is niet bekend.",
        Feature::DisputeShare12mBps | Feature::UpheldDisputeShare12mBps => {
            "Uit de afgelopen 12 maanden is er geen factuur."
        }
        Feature::OpenDisputes => "Er staat geen betwisting open.",
        Feature::BrokenPromises12m => {
            "In de afgelopen 12 maanden is geen enkele betalingsbelofte verbroken."
        }
        Feature::BrokenPlans12m => {
            "In de afgelopen 12 maanden is geen enkele betalingsregeling verbroken."
        }
    }
}

pub(super) fn decision(reason: &DecisionReason) -> String {
    match reason {
        DecisionReason::Insolvent { since } => {
            format!(
                "De debiteur is sinds {} insolvent.",
                since.format("%d-%m-%Y")
            )
        }
        DecisionReason::Deceased { since } => {
            format!(
                "De debiteur staat sinds {} als overleden geregistreerd.",
                since.format("%d-%m-%Y")
            )
        }
        DecisionReason::CreditHold => {
            "Leveringen op rekening aan deze debiteur zijn geblokkeerd.".to_owned()
        }
        DecisionReason::BrokenPlan => {
            "De debiteur heeft in de afgelopen 12 maanden een betalingsregeling verbroken."
                .to_owned()
        }
        DecisionReason::Class { class } => {
            format!(
                "Risicoklasse {} laat geen automatische goedkeuring toe.",
                class.as_str()
            )
        }
        DecisionReason::LimitExceeded {
            currency,
            free_limit,
            order,
        } => format!(
            "De bestelling van {} overschrijdt de vrije limiet van {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::FxRateMissing { from, to } => {
            format!("Voor de omrekening van {from} naar {to} ontbreekt een wisselkoers.")
        }
        DecisionReason::NoScore => "Voor deze debiteur is er geen score.".to_owned(),
        DecisionReason::WithinLimit {
            currency,
            free_limit,
            order,
        } => format!(
            "De bestelling van {} valt binnen de vrije limiet van {}.",
            amount(*order, currency),
            amount(*free_limit, currency)
        ),
        DecisionReason::PersonReview => {
            "De afwijzing van een natuurlijke persoon moet door een medewerker worden bevestigd."
                .to_owned()
        }
    }
}

fn broken(feature: Feature, count: i64, one: &str, many: &str) -> String {
    match count {
        0 => without_value(feature).to_owned(),
        1 => format!("In de afgelopen 12 maanden is {one} verbroken."),
        _ => format!(
            "In de afgelopen 12 maanden zijn {} {many} verbroken.",
            number(count)
        ),
    }
}

fn share(bps: i64, how: &str) -> String {
    match bps {
        0 => {
            format!("Van de in de afgelopen 12 maanden betaalde facturen is er geen {how} betaald.")
        }
        _ => format!(
            "Van de in de afgelopen 12 maanden betaalde facturen is {} {how} betaald.",
            percent(bps)
        ),
    }
}

fn share_of_items(bps: i64, how: &str) -> String {
    match bps {
        0 => format!("Van de facturen van de afgelopen 12 maanden is er geen {how}."),
        _ => format!(
            "Van de facturen van de afgelopen 12 maanden is {} {how}.",
            percent(bps)
        ),
    }
}

fn trend(value: i64) -> String {
    match value {
        0 => "In de afgelopen 3 maanden werd even snel betaald als in de 9 maanden daarvoor."
            .to_owned(),
        _ => format!(
            "In de afgelopen 3 maanden werd gemiddeld {} {} betaald dan in de 9 maanden daarvoor.",
            days(value.saturating_abs()),
            if value > 0 { "later" } else { "eerder" }
        ),
    }
}

fn timing(dbt: i64) -> String {
    match dbt {
        0 => "op de vervaldatum".to_owned(),
        _ => format!(
            "{} {} de vervaldatum",
            days(dbt.saturating_abs()),
            if dbt > 0 { "na" } else { "vóór" }
        ),
    }
}

fn days(count: i64) -> String {
    format!(
        "{} {}",
        number(count),
        if count == 1 { "dag" } else { "dagen" }
    )
}

fn months(count: i64) -> String {
    match count {
        0 => "minder dan een maand".to_owned(),
        1 => "1 maand".to_owned(),
        _ => format!("{} maanden", number(count)),
    }
}

fn number(value: i64) -> String {
    STYLE.decimal(value, 0)
}

fn percent(bps: i64) -> String {
    format!("{}%", STYLE.decimal(bps, 2))
}

fn amount(minor_units: i64, currency: &str) -> String {
    format!("{currency} {}", STYLE.amount(minor_units, currency))
}

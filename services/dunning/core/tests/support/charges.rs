//! A law that fits into a test: 9 % a year of 365 days, 40.00 once per claim on organisations, and 15 %, at least 40.00,
//! as the costs of collecting euro.

use chrono::NaiveDate;
use dunning_core::charges::{Charge, ChargeError, Charges, Claim};
use dunning_core::input::{DebtorFacts, DebtorKind};

pub struct SimpleCharges;

fn known_country(claim: &Claim<'_>) -> Result<(), ChargeError> {
    let country = claim.debtor.country.as_str();
    if ["AT", "BE", "CH", "DE", "NL"].contains(&country) {
        return Ok(());
    }
    Err(ChargeError::NoPack {
        country: country.to_owned(),
    })
}

impl Charges for SimpleCharges {
    fn interest(&self, claim: &Claim<'_>, until: NaiveDate) -> Result<Vec<Charge>, ChargeError> {
        known_country(claim)?;
        let mut interest = 0;
        for (index, point) in claim.principal.iter().enumerate() {
            let from = point.on.max(claim.due_date);
            let next = claim.principal.get(index + 1).map_or(until, |it| it.on);
            let days = (next.min(until) - from).num_days().max(0);
            interest += point.open * 9 * days;
        }
        let charge = Charge {
            minor: interest / 36_500,
            basis: "9 % a year".to_owned(),
        };
        Ok((charge.minor > 0).then_some(charge).into_iter().collect())
    }

    fn flat_sum(&self, claim: &Claim<'_>, _on: NaiveDate) -> Result<Option<Charge>, ChargeError> {
        known_country(claim)?;
        let granted = claim.debtor.kind == DebtorKind::Organisation && claim.currency == "EUR";
        Ok(granted.then(|| Charge {
            minor: 4_000,
            basis: "flat sum".to_owned(),
        }))
    }

    fn collection_costs(
        &self,
        debtor: &DebtorFacts,
        currency: &str,
        _due_date: NaiveDate,
        principal: i64,
    ) -> Result<i64, ChargeError> {
        if currency != "EUR" || principal <= 0 {
            return Err(ChargeError::NoCollectionCosts {
                country: debtor.country.clone(),
                currency: currency.to_owned(),
            });
        }
        Ok((principal * 15 / 100).max(4_000))
    }
}

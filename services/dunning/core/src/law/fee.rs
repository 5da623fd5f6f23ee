//! The flat fee for late payment, art. 6 of Directive 2011/7/EU as the countries have it.

use chrono::NaiveDate;

use super::claim::{Claim, DebtorKind};
use super::error::LawError;
use super::pack::{Pack, Source};

/// The flat fee that a late business claim carries: once per claim, however often it is reminded of, and without any
/// reminder. Reminder and collection costs count against it (CJEU C-287/17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee<'p> {
    /// Code of ISO 4217; the law sets the fee in this currency, whatever that of the claim.
    pub currency: &'p str,
    /// Amount in minor units.
    pub minor_units: i64,
    /// What it rests on.
    pub legal_basis: Source<'p>,
}

/// The fee a claim carries on a day: none before it is late, for consumers, and where the law knows none.
pub(super) fn flat_fee<'p>(
    pack: &'p Pack,
    claim: &Claim,
    on: NaiveDate,
) -> Result<Option<Fee<'p>>, LawError> {
    let balances = claim.balances(on)?;
    // The first balance is what was left at the end of the day of default.
    let was_late = on > claim.default_on
        && balances
            .iter()
            .any(|balance| balance.from <= on && balance.minor > 0);
    let fee = pack.flat_fee.as_ref().filter(|fee| {
        was_late && claim.debtor == DebtorKind::Business && fee.arose_from <= claim.arose_on
    });
    Ok(fee.map(|fee| Fee {
        currency: &fee.currency,
        minor_units: fee.minor_units,
        legal_basis: pack.source(&fee.source),
    }))
}

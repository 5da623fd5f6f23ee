//! Sums that the law sets: the flat fee for late payment, art. 6 of Directive 2011/7/EU as the countries have it, and
//! the costs of collection by a scale.

use chrono::NaiveDate;

use super::claim::{Claim, DebtorKind};
use super::error::LawError;
use super::pack::{CollectionCosts, Pack, Source};

/// Basis points in the whole.
const BP_IN_WHOLE: i128 = 10_000;

/// A sum that the law sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee<'p> {
    /// Code of ISO 4217; the law sets the fee in this currency, whatever that of the claim.
    pub currency: &'p str,
    /// Amount in minor units.
    pub minor_units: i64,
    /// What it rests on.
    pub legal_basis: Source<'p>,
}

/// The flat fee that a late business claim carries on a day: once per claim, however often it is reminded of, and
/// without any reminder. Reminder and collection costs count against it (CJEU C-287/17). None before the claim is late,
/// for consumers, and where the law knows none.
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

/// The costs of collecting a principal: none of nothing, for defaults from before the scale, and where the law has none.
pub(super) fn collection_costs(
    pack: &Pack,
    default_on: NaiveDate,
    principal_minor: i64,
) -> Option<Fee<'_>> {
    let costs = pack.collection_costs.as_ref()?;
    let applies = principal_minor > 0 && costs.default_from <= default_on;
    applies.then(|| Fee {
        currency: &costs.currency,
        minor_units: by_scale(costs, principal_minor),
        legal_basis: pack.source(&costs.source),
    })
}

/// The sum over the slices within the bounds of the scale. No law says how to round what is below a minor unit: down, as
/// the debtor never owes more than the scale gives.
fn by_scale(costs: &CollectionCosts, principal_minor: i64) -> i64 {
    let upper_ends = costs.slices.iter().skip(1).map(|slice| slice.from);
    let sum: i128 = costs
        .slices
        .iter()
        .zip(upper_ends.chain([i64::MAX]))
        .map(|(slice, end)| {
            let within = principal_minor.min(end).saturating_sub(slice.from).max(0);
            i128::from(within) * i128::from(slice.bp)
        })
        .sum();
    let rounded = i64::try_from(sum / BP_IN_WHOLE).unwrap_or(i64::MAX);
    rounded.max(costs.minimum).min(costs.maximum)
}

//! What a pack must fulfil before anything is computed by it.

use super::claim::DebtorKind;
use super::error::{Violation, Violations};
use super::pack::{CollectionCosts, InterestRule, Pack, RateTable};

/// Rates and surcharges stay within 100 % a year.
const MAX_BP: i64 = 10_000;

/// The highest flat fee and costs of collection, in minor units: beyond it is a slip of the pen.
const MAX_FEE: i64 = 1_000_000;

/// Checks a pack.
///
/// # Errors
///
/// Every fault found.
pub(super) fn check(pack: &Pack) -> Result<(), Vec<Violation>> {
    let mut violations = Violations::default();
    for (name, table) in &pack.tables {
        check_table(pack, name, table, &mut violations);
    }
    for (index, rule) in pack.interest.iter().enumerate() {
        check_rule(pack, &format!("interest[{index}]"), rule, &mut violations);
    }
    for debtor in DebtorKind::ALL {
        check_order(pack, debtor, &mut violations);
    }
    if let Some(fee) = &pack.flat_fee {
        check_currency("flat_fee.currency", &fee.currency, &mut violations);
        violations.require(
            (1..=MAX_FEE).contains(&fee.minor_units),
            "flat_fee.minor_units",
            "must be 1 to 1000000",
        );
    }
    if let Some(costs) = &pack.collection_costs {
        check_costs(costs, &mut violations);
    }
    check_sources(pack, &mut violations);
    violations.into_result()
}

fn check_currency(path: &str, currency: &str, violations: &mut Violations) {
    let is_code = currency.len() == 3 && currency.bytes().all(|it| it.is_ascii_uppercase());
    violations.require(is_code, path, "must be three upper-case letters");
}

/// The slices cover every principal once, and the bounds leave something between them.
fn check_costs(costs: &CollectionCosts, violations: &mut Violations) {
    check_currency("collection_costs.currency", &costs.currency, violations);
    let from_nothing = costs.slices.first().is_some_and(|slice| slice.from == 0);
    let ascending = costs
        .slices
        .windows(2)
        .all(|pair| pair[0].from < pair[1].from);
    violations.require(
        from_nothing && ascending,
        "collection_costs.slices",
        "must ascend from 0",
    );
    for (index, slice) in costs.slices.iter().enumerate() {
        if !(0..=MAX_BP).contains(&slice.bp) {
            violations.add(
                format!("collection_costs.slices[{index}].bp"),
                "must be 0 to 10000",
            );
        }
    }
    violations.require(
        (1..=costs.maximum).contains(&costs.minimum),
        "collection_costs.minimum",
        "must be 1 to the maximum",
    );
    violations.require(
        costs.maximum <= MAX_FEE,
        "collection_costs.maximum",
        "must be at most 1000000",
    );
}

/// Rows follow one another half-year by half-year, and every rule that uses them yields a sound rate.
fn check_table(pack: &Pack, name: &str, table: &RateTable, violations: &mut Violations) {
    let path = format!("tables.{name}.rows");
    violations.require(!table.rows.is_empty(), &path, "must not be empty");
    for (index, pair) in table.rows.windows(2).enumerate() {
        if pair[1].half_year.distance(pair[0].half_year) != 1 {
            violations.add(
                format!("{path}[{}].half_year", index + 1),
                "must follow the one before without hole or overlap",
            );
        }
    }
    let users = || {
        pack.interest
            .iter()
            .filter(|rule| rule.table.as_deref() == Some(name))
    };
    violations.require(users().next().is_some(), &path, "must be used by a rule");
    for (index, row) in table.rows.iter().enumerate() {
        // The base rate first: sums are formed of what is in bounds only.
        let in_bounds = (-MAX_BP..=MAX_BP).contains(&row.bp);
        if !in_bounds || !users().all(|rule| has_sound_rate(rule, row.bp)) {
            violations.add(
                format!("{path}[{index}].bp"),
                "must give every rule a rate from 0 to 10000",
            );
        }
    }
}

fn check_rule(pack: &Pack, path: &str, rule: &InterestRule, violations: &mut Violations) {
    violations.require(
        (0..=MAX_BP).contains(&rule.surcharge_bp),
        &format!("{path}.surcharge_bp"),
        "must be 0 to 10000",
    );
    violations.require(
        rule.round_up_to_bp
            .is_none_or(|step| (1..=MAX_BP).contains(&step)),
        &format!("{path}.round_up_to_bp"),
        "must be 1 to 10000",
    );
    violations.require(
        rule.table
            .as_ref()
            .is_none_or(|name| pack.tables.contains_key(name)),
        &format!("{path}.table"),
        "must be one of the tables",
    );
}

/// A rule out of its bounds is reported for itself; here it must only not disturb.
fn has_sound_rate(rule: &InterestRule, base_bp: i64) -> bool {
    let in_bounds = (0..=MAX_BP).contains(&rule.surcharge_bp)
        && rule
            .round_up_to_bp
            .is_none_or(|step| (1..=MAX_BP).contains(&step));
    !in_bounds || (0..=MAX_BP).contains(&rule.rate_bp(base_bp))
}

/// Each kind of debtor has a rule, and its rules ascend by the date from which they apply.
fn check_order(pack: &Pack, debtor: DebtorKind, violations: &mut Violations) {
    let rules: Vec<(usize, &InterestRule)> = pack
        .interest
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.debtor == debtor)
        .collect();
    if rules.is_empty() {
        violations.add("interest", "must have a rule for every kind of debtor");
    }
    for pair in rules.windows(2) {
        let (index, rule) = pair[1];
        if rule.arose_from <= pair[0].1.arose_from {
            violations.add(
                format!("interest[{index}].arose_from"),
                "must be later than that of the rule before for the same debtor",
            );
        }
    }
}

/// Every figure names a source that the pack spells out, and a mark of doubt says why.
fn check_sources(pack: &Pack, violations: &mut Violations) {
    for (key, text) in &pack.sources {
        if text.trim().is_empty() {
            violations.add(format!("sources.{key}"), "must not be empty");
        }
    }
    for entry in pack.entries() {
        let path = entry.path;
        if !pack.sources.contains_key(entry.source) {
            violations.add(format!("{path}.source"), "must be a key of the sources");
        }
        if entry
            .unconfirmed
            .is_some_and(|reason| reason.trim().is_empty())
        {
            violations.add(format!("{path}.unconfirmed"), "must say what is missing");
        }
    }
}

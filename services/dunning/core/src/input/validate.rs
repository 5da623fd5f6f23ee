//! What evaluation relies on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Channel, Input, Item};
use crate::violation::{Violation, Violations};

/// Most items, and most credits, of one debtor.
const MAX_ITEMS: usize = 20_000;
const MAX_PAUSES: usize = 1_000;
const MAX_CONTACTS: usize = 1_000;
const MAX_HISTORY: usize = 1_000;

/// Most that may be open in one currency, so that no sum overflows.
const MAX_TOTAL: i128 = 1_000_000_000_000_000_000;

impl Input {
    /// Checks everything that evaluation relies on.
    ///
    /// # Errors
    ///
    /// Every violation.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let mut violations = Violations::default();
        violations.date("business_date", self.business_date);
        violations.key("calendar", &self.calendar);
        violations.key("procedure.id", &self.procedure.id);
        for (field, length, most) in [
            ("contact_points", self.contact_points.len(), MAX_CONTACTS),
            ("items", self.items.len(), MAX_ITEMS),
            ("credits", self.credits.len(), MAX_ITEMS),
            ("pauses", self.pauses.len(), MAX_PAUSES),
            ("recent_contacts", self.recent_contacts.len(), MAX_CONTACTS),
        ] {
            violations.require(length <= most, field, &format!("must be at most {most}"));
        }
        for (index, point) in self.contact_points.iter().enumerate().take(MAX_CONTACTS) {
            let field = |name: &str| format!("contact_points[{index}].{name}");
            violations.key(field("id"), &point.id);
            violations.require(
                point.channel != Channel::Registered,
                field("channel"),
                "must not be a way of sending letters",
            );
        }
        for (index, credit) in self.credits.iter().enumerate().take(MAX_ITEMS) {
            let field = |name: &str| format!("credits[{index}].{name}");
            violations.currency(field("currency"), &credit.currency);
            violations.amount(field("minor"), credit.minor, 1);
        }
        for (index, pause) in self.pauses.iter().enumerate().take(MAX_PAUSES) {
            violations.require(
                pause.until.is_none_or(|until| pause.from <= until),
                format!("pauses[{index}].until"),
                "must not be before the first day",
            );
        }
        self.check_items(&mut violations);
        violations.into_result()
    }

    fn check_items(&self, violations: &mut Violations) {
        let mut seen = BTreeSet::new();
        let mut totals: BTreeMap<&str, i128> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate().take(MAX_ITEMS) {
            check_item(violations, index, item);
            violations.require(
                seen.insert(item.id.as_str()),
                format!("items[{index}].id"),
                "must be unique within the debtor",
            );
            *totals.entry(&item.currency).or_default() += i128::from(item.open);
        }
        for credit in self.credits.iter().take(MAX_ITEMS) {
            *totals.entry(&credit.currency).or_default() += i128::from(credit.minor);
        }
        let bounded = totals.values().all(|total| *total <= MAX_TOTAL);
        violations.require(bounded, "items", "must not exceed 10^18 in one currency");
    }
}

fn check_item(violations: &mut Violations, index: usize, item: &Item) {
    let field = |name: &str| format!("items[{index}].{name}");
    violations.key(field("id"), &item.id);
    violations.currency(field("currency"), &item.currency);
    violations.date(field("document_date"), item.document_date);
    violations.date(field("due_date"), item.due_date);
    violations.amount(field("open"), item.open, 0);
    for (name, part) in [
        ("disputed", item.disputed),
        ("promised", item.promised),
        ("planned", item.planned),
    ] {
        violations.require(
            (0..=item.open).contains(&part),
            field(name),
            "must be a part of the open amount",
        );
    }
    let rises = item.history.is_sorted_by(|left, right| left.on < right.on);
    violations.require(
        rises && item.history.len() <= MAX_HISTORY,
        field("history"),
        "must be at most 1000 points, one per date, rising",
    );
    let amounts_fit = item.history.iter().all(|it| it.open >= 0);
    violations.require(
        amounts_fit,
        field("history"),
        "must hold amounts of 0 or more",
    );
    let state = &item.state;
    violations.require(
        state.level == 0 || (state.pay_by.is_some() && state.notice_on.is_some()),
        field("state"),
        "must name notice and pay-by date of the level sent",
    );
    violations.require(
        state.level == 0 || state.cycle > 0,
        field("state.cycle"),
        "must be at least 1 once a level was sent",
    );
    violations.amount(field("state.fees"), state.fees, 0);
}

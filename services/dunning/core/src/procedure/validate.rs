//! What makes a procedure sound.

use std::collections::{BTreeMap, BTreeSet};

use super::{FeeRule, Grouping, LevelMode, Procedure, Step, Trigger};
use crate::input::Channel;
use crate::violation::{Violation, Violations};

const MAX_STEPS: usize = 20;
const MAX_DAYS: u16 = 90;
const MAX_PAST_DUE: u16 = 3_650;
const MAX_CURRENCIES: usize = 200;

impl Procedure {
    /// Checks everything that evaluation relies on.
    ///
    /// # Errors
    ///
    /// Every violation.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let mut violations = Violations::default();
        violations.key("id", &self.id);
        violations.require(self.revision >= 1, "revision", "must be at least 1");
        let name_fits = (1..=200).contains(&self.name.chars().count());
        violations.require(name_fits, "name", "must be 1 to 200 characters");
        violations.require(self.grace_days <= MAX_DAYS, "grace_days", "must be 0 to 90");
        violations.require(
            self.contact_interval_days <= MAX_DAYS,
            "contact_interval_days",
            "must be 0 to 90",
        );
        violations.require(
            self.level_mode == LevelMode::Item || self.grouping == Grouping::Debtor,
            "grouping",
            "must be DEBTOR where the level mode is ACCOUNT",
        );
        violations.require(
            (1..=MAX_STEPS).contains(&self.steps.len()),
            "steps",
            "must be 1 to 20",
        );
        for (index, step) in self.steps.iter().enumerate().take(MAX_STEPS) {
            self.check_step(&mut violations, index, step);
        }
        violations.into_result()
    }

    fn check_step(&self, violations: &mut Violations, index: usize, step: &Step) {
        let field = |name: &str| format!("steps[{index}].{name}");
        violations.require(
            usize::from(step.level) == index + 1,
            field("level"),
            "must count from 1 without gaps",
        );
        violations.key(field("template"), &step.template);
        violations.require(
            step.pay_by_days <= MAX_DAYS,
            field("pay_by_days"),
            "must be 0 to 90",
        );
        violations.require(
            step.minimum_share_bps <= 10_000,
            field("minimum_share_bps"),
            "must be 0 to 10000",
        );
        let distinct: BTreeSet<Channel> = step.channels.iter().copied().collect();
        violations.require(
            !distinct.is_empty() && distinct.len() == step.channels.len(),
            field("channels"),
            "must name at least one, each once",
        );
        violations.require(
            !step.leaves_ladder() || index + 1 == self.steps.len(),
            field("follow_up"),
            "must be on the last step where items leave the ladder",
        );
        self.check_trigger(violations, index, step);
        check_amounts(violations, &field("minimum"), &step.minimum);
        if let FeeRule::Flat(amounts) = &step.fee {
            check_amounts(violations, &field("fee.flat"), amounts);
        }
        // Whoever gets a statutory notice gets it in writing, so one that can only be spoken never goes out.
        let spoken = step.channels.iter().all(|it| *it == Channel::Phone);
        violations.require(
            step.statutory.is_empty() || !spoken,
            field("statutory"),
            "must have a channel in writing",
        );
        let repeated = self.steps.iter().take(index).flat_map(|it| &it.statutory);
        let repeats = repeated.clone().any(|it| step.statutory.contains(it));
        violations.require(!repeats, field("statutory"), "must mark one step only");
    }

    fn check_trigger(&self, violations: &mut Violations, index: usize, step: &Step) {
        let field = format!("steps[{index}].trigger");
        let earlier = self.steps.iter().take(index).rev();
        let latest_age = earlier
            .filter_map(|it| match it.trigger {
                Trigger::PastDue(days) => Some(days),
                Trigger::AfterPrevious(_) => None,
            })
            .next();
        match step.trigger {
            Trigger::PastDue(days) => {
                let in_range = (1..=MAX_PAST_DUE).contains(&days);
                violations.require(in_range, field.as_str(), "must be 1 to 3650 days past due");
                violations.require(
                    latest_age.is_none_or(|before| before < days),
                    field,
                    "must be later than that of the step before",
                );
            }
            Trigger::AfterPrevious(days) => {
                violations.require(
                    days <= 365,
                    field.as_str(),
                    "must be 0 to 365 days after the previous step",
                );
                violations.require(index > 0, field, "must count from the due date on level 1");
            }
        }
    }
}

fn check_amounts(violations: &mut Violations, field: &str, amounts: &BTreeMap<String, i64>) {
    violations.require(
        amounts.len() <= MAX_CURRENCIES,
        field,
        "must be at most 200 currencies",
    );
    for (currency, minor) in amounts.iter().take(MAX_CURRENCIES) {
        violations.currency(field, currency);
        violations.amount(field, *minor, 0);
    }
}

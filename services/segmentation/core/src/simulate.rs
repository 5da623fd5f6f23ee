//! What a candidate would change: who moves from where to where, with what they owe.

use std::collections::BTreeMap;

use crate::assign::{Decision, Input, Reason, assign};
use crate::scheme::CompiledScheme;

/// Most examples of one movement.
pub const MAX_EXAMPLES: usize = 5;

/// A debtor that makes a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The debtor.
    pub debtor_id: String,
    /// What it owes in minor units of the reporting currency; `None` if a rate is missing.
    pub open_amount_minor: Option<i64>,
}

impl Example {
    /// Highest amount first, then by id, those without an amount last.
    fn rank(&self) -> (std::cmp::Reverse<Option<i64>>, &str) {
        (std::cmp::Reverse(self.open_amount_minor), &self.debtor_id)
    }
}

/// All debtors that go from one segment to another, or stay in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Movement {
    /// How many.
    pub debtors: u64,
    /// What they owe together in minor units of the reporting currency.
    pub open_amount_minor: i128,
    /// How many of them are not in that sum, because a rate is missing.
    pub debtors_without_amount: u64,
    /// Those that owe most, at most [`MAX_EXAMPLES`].
    pub examples: Vec<Example>,
}

impl Movement {
    fn add(&mut self, debtor_id: &str, open_amount_minor: Option<i64>) {
        self.debtors += 1;
        self.debtors_without_amount += u64::from(open_amount_minor.is_none());
        self.open_amount_minor += i128::from(open_amount_minor.unwrap_or(0));
        let worst = self
            .examples
            .last()
            .map(|example| example.open_amount_minor);
        let is_full = self.examples.len() == MAX_EXAMPLES;
        if is_full && worst.is_some_and(|worst| worst > open_amount_minor) {
            return;
        }
        let example = Example {
            debtor_id: debtor_id.to_owned(),
            open_amount_minor,
        };
        let place = self
            .examples
            .partition_point(|it| it.rank() <= example.rank());
        self.examples.insert(place, example);
        self.examples.truncate(MAX_EXAMPLES);
    }
}

/// From which segment, `None` for a debtor without one, to which.
pub type Way = (Option<String>, String);

/// The result so far of simulating a candidate. It does not depend on the order of the debtors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// The movement matrix: every way that somebody takes, staying included.
    pub movements: BTreeMap<Way, Movement>,
    /// Debtors whose conditions were evaluated: all but those pinned.
    pub evaluated: u64,
    /// Those of them that met a condition which could not be evaluated.
    pub errors: u64,
}

impl Simulation {
    /// Adds one debtor that is in segment `from`, placed by the candidate, and returns where it would be.
    pub fn add<'a>(
        &mut self,
        candidate: &'a CompiledScheme,
        debtor_id: &str,
        from: Option<&str>,
        input: &Input<'_>,
    ) -> Decision<'a> {
        let decision = assign(candidate, input);
        self.evaluated += u64::from(decision.reason != Reason::Pinned);
        self.errors += u64::from(decision.reason.error().is_some());
        let way = (from.map(str::to_owned), decision.segment_id.to_owned());
        let movement = self.movements.entry(way).or_default();
        movement.add(debtor_id, input.facts.open_amount_minor);
        decision
    }

    /// The ways that lead from one segment to another, or out of none.
    pub fn moves(&self) -> impl Iterator<Item = (&Way, &Movement)> {
        let moves = |(from, to): &Way| from.as_ref() != Some(to);
        self.movements.iter().filter(move |(way, _)| moves(way))
    }

    /// How many debtors move.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moves().map(|(_, movement)| movement.debtors).sum()
    }

    /// Whether more than so many in a million of the evaluated debtors met an error: then the candidate must not be
    /// activated.
    #[must_use]
    pub fn exceeds_error_rate(&self, most_ppm: u32) -> bool {
        u128::from(self.errors) * 1_000_000 > u128::from(self.evaluated) * u128::from(most_ppm)
    }
}

//! Placing a debtor: pin, rules, minimum stay.
//!
//! The order, as this crate reads the rules of the domain:
//!
//! 1. A **pin** in force decides, whatever the facts are. A person set it with a reason and an expiry, knowing the
//!    debtor; insolvency overrides a minimum stay, not a pin. (What insolvency stops in dunning does not depend on
//!    segments.) A pin to a segment that the scheme no longer has is of no effect, and the decision says so.
//! 2. The **rules** are evaluated in order; the first that holds names a segment. One that cannot be evaluated ends
//!    this: the debtor keeps its segment, or is put into `unclassified` if it has none.
//! 3. A **minimum stay** keeps a debtor that a rule would move, until its days are over. It holds for segments entered
//!    by a rule: not for `unclassified`, nor for what a pin has left behind. It never holds an insolvent debtor.
//!
//! So a rule that cannot be evaluated moves nobody, and neither does it fasten anybody: the next evaluation that
//! succeeds goes on as if it had not been.
//!
//! Where a debtor is, means where it was when the business date began: see [`crate::opening`].

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::facts::{DebtorFacts, FieldSet};
use crate::rule::EvaluationError;
use crate::scheme::CompiledScheme;

/// How a debtor came into a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A condition held, or none did and it is the default.
    Rule,
    /// A person put it there.
    Pin,
    /// It had no segment and could not be evaluated.
    Unclassified,
    /// By a rule, because the segment it was in is not in this revision.
    Migration,
}

/// Where a debtor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The segment.
    pub segment_id: String,
    /// The business date on which it entered.
    pub since: NaiveDate,
    /// How it came there.
    pub source: Source,
}

/// A person's will that a debtor be in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The segment.
    pub segment_id: String,
    /// The last day on which it holds; `None` for no end.
    pub until: Option<NaiveDate>,
}

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The facts as of the business date.
    pub facts: &'a DebtorFacts,
    /// Where the debtor was when the business date began; `None` if it had never been placed.
    pub current: Option<&'a Membership>,
    /// The latest pin, in force or not.
    pub pin: Option<&'a Pin>,
    /// The creditor's business date.
    pub business_date: NaiveDate,
}

/// What placed a debtor, or kept it. A `rule` is the place of a rule in the scheme; the number of segments with a
/// condition stands for the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A pin in force.
    Pinned,
    /// This rule held.
    Rule {
        /// Its place.
        rule: usize,
    },
    /// This rule held; the segment that the debtor was in is not in this revision.
    Migration {
        /// Its place.
        rule: usize,
    },
    /// Kept: this rule would move the debtor, but it has not stayed long enough.
    MinimumStay {
        /// Its place.
        rule: usize,
    },
    /// Kept: this rule could not be evaluated.
    HeldByError {
        /// Its place.
        rule: usize,
        /// Why not.
        error: EvaluationError,
    },
    /// This rule could not be evaluated, and there was no segment to keep.
    Unclassified {
        /// Its place.
        rule: usize,
        /// Why not.
        error: EvaluationError,
    },
}

impl Reason {
    /// How a debtor that is put into a segment for this reason comes there; `None` if it is kept where it is.
    #[must_use]
    pub fn source(self) -> Option<Source> {
        match self {
            Self::Pinned => Some(Source::Pin),
            Self::Rule { .. } => Some(Source::Rule),
            Self::Migration { .. } => Some(Source::Migration),
            Self::Unclassified { .. } => Some(Source::Unclassified),
            Self::MinimumStay { .. } | Self::HeldByError { .. } => None,
        }
    }

    /// The place of the rule; `None` for a pin.
    #[must_use]
    pub fn rule(self) -> Option<usize> {
        match self {
            Self::Pinned => None,
            Self::Rule { rule }
            | Self::Migration { rule }
            | Self::MinimumStay { rule }
            | Self::HeldByError { rule, .. }
            | Self::Unclassified { rule, .. } => Some(rule),
        }
    }

    /// The error of a rule that could not be evaluated.
    #[must_use]
    pub fn error(self) -> Option<EvaluationError> {
        match self {
            Self::HeldByError { error, .. } | Self::Unclassified { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Where a debtor belongs, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The segment.
    pub segment_id: &'a str,
    /// Why.
    pub reason: Reason,
    /// The fields named by the rule of the reason and those before it; none for a pin. Their values in the facts are
    /// what the decision was made from.
    pub fields: FieldSet,
    /// The next date on which the decision may differ although no fact changes; `None` if there is none.
    pub next_date: Option<NaiveDate>,
    /// Whether there is a pin in force to a segment that the scheme does not have.
    pub pin_without_segment: bool,
}

impl Decision<'_> {
    /// Whether the debtor leaves the segment in which its business date began.
    #[must_use]
    pub fn moves(&self, current: Option<&Membership>) -> bool {
        current.is_none_or(|current| current.segment_id != self.segment_id)
    }

    /// The membership that begins with this decision; `None` if the debtor is where its business date began.
    #[must_use]
    pub fn entered(&self, current: Option<&Membership>, date: NaiveDate) -> Option<Membership> {
        let source = self.reason.source().filter(|_| self.moves(current))?;
        Some(Membership {
            segment_id: self.segment_id.to_owned(),
            since: date,
            source,
        })
    }
}

/// Decides where a debtor belongs. See the module for the order.
#[must_use]
pub fn assign<'a>(scheme: &'a CompiledScheme, input: &Input<'_>) -> Decision<'a> {
    let pin = pin_in_force(input);
    let pinned = pin.and_then(|pin| Some((pin, scheme.segment_id(&pin.segment_id)?)));
    if let Some((pin, segment_id)) = pinned {
        return Decision {
            segment_id,
            reason: Reason::Pinned,
            fields: FieldSet::EMPTY,
            next_date: pin.until.and_then(|last| last.succ_opt()),
            pin_without_segment: false,
        };
    }
    let mut decision = by_rules(scheme, input);
    decision.pin_without_segment = pin.is_some();
    if let Reason::Rule { rule } = decision.reason
        && let Some((segment_id, end)) = stay(scheme, input)
        && decision.segment_id != segment_id
        && !input.facts.insolvent
    {
        decision.segment_id = segment_id;
        decision.reason = Reason::MinimumStay { rule };
        decision.next_date = Some(end);
    }
    decision
}

fn pin_in_force<'a>(input: &Input<'a>) -> Option<&'a Pin> {
    let is_in_force = |pin: &&Pin| pin.until.is_none_or(|last| input.business_date <= last);
    input.pin.filter(is_in_force)
}

/// The segment that the debtor may not leave yet, and the first day on which it may.
fn stay<'a>(scheme: &'a CompiledScheme, input: &Input<'_>) -> Option<(&'a str, NaiveDate)> {
    let current = input.current?;
    let by_rule = matches!(current.source, Source::Rule | Source::Migration);
    let days = Days::new(u64::from(scheme.scheme().minimum_stay_days));
    let end = current.since.checked_add_days(days)?;
    let segment_id = scheme.segment_id(&current.segment_id)?;
    (by_rule && input.business_date < end).then_some((segment_id, end))
}

fn by_rules<'a>(scheme: &'a CompiledScheme, input: &Input<'_>) -> Decision<'a> {
    let (rule, found) = first_that_holds(scheme, input.facts);
    let current = input.current;
    let kept = current.and_then(|current| scheme.segment_id(&current.segment_id));
    let (segment_id, reason) = match (found, kept) {
        (Ok(segment_id), None) if current.is_some() => (segment_id, Reason::Migration { rule }),
        (Ok(segment_id), _) => (segment_id, Reason::Rule { rule }),
        (Err(error), Some(kept)) => (kept, Reason::HeldByError { rule, error }),
        (Err(error), None) => {
            let segment_id = scheme.scheme().unclassified.id.as_str();
            (segment_id, Reason::Unclassified { rule, error })
        }
    };
    Decision {
        segment_id,
        reason,
        fields: scheme.fields_up_to(rule),
        next_date: None,
        pin_without_segment: false,
    }
}

/// The place of the first rule that holds or has no result, and the segment it leads to.
fn first_that_holds<'a>(
    scheme: &'a CompiledScheme,
    facts: &DebtorFacts,
) -> (usize, Result<&'a str, EvaluationError>) {
    for (place, (rule, segment_id)) in scheme.rules().enumerate() {
        match rule.evaluate(facts) {
            Ok(false) => {}
            Ok(true) => return (place, Ok(segment_id)),
            Err(error) => return (place, Err(error)),
        }
    }
    let default = &scheme.scheme().default;
    (scheme.scheme().segments.len(), Ok(default.id.as_str()))
}

//! Schemes: ordered segments, each with a condition; the first that holds wins.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::facts::FieldSet;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::violation::{Violation, Violations};

/// Most segments of a scheme, the default and `unclassified` not counted.
pub const MAX_SEGMENTS: usize = 100;
/// Longest minimum stay, in days.
pub const MAX_MINIMUM_STAY_DAYS: u32 = 3_650;
/// Longest scheme as TOML, in bytes: every condition at its longest, with room around it.
pub const MAX_SCHEME_BYTES: usize = 1 << 20;
/// Id of the segment of those who could not be placed.
pub const UNCLASSIFIED: &str = "unclassified";

/// A segment with its condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// A key: 1 to 64 of `A-Za-z0-9._~-`, unique within the scheme.
    pub id: String,
    /// For people, 1 to 100 characters.
    pub display_name: String,
    /// See [`crate::rule`].
    pub condition: String,
    /// In treatment schemes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// A segment without a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalSegment {
    /// As in [`Segment`].
    pub id: String,
    /// As in [`Segment`].
    pub display_name: String,
    /// As in [`Segment`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// One revision of a scheme, as written. Revisions never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// A key: 1 to 64 of `A-Za-z0-9._~-`.
    pub id: String,
    /// For people, 1 to 100 characters.
    pub display_name: String,
    /// Whether it says how debtors are treated: then every segment has a policy, else none has.
    pub treatment: bool,
    /// Days that a debtor stays in a segment at least, 0 to [`MAX_MINIMUM_STAY_DAYS`].
    pub minimum_stay_days: u32,
    /// Where a debtor goes if no condition holds.
    pub default: FinalSegment,
    /// Where a debtor goes that has no segment and whose conditions cannot be evaluated. Its id is [`UNCLASSIFIED`].
    pub unclassified: FinalSegment,
    /// In order, 1 to [`MAX_SEGMENTS`].
    pub segments: Vec<Segment>,
}

/// Why a scheme is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemeError {
    /// The text is too long or not a scheme.
    #[error("scheme is not readable: {0}")]
    Unreadable(String),
    /// Some fields are wrong.
    #[error("scheme has {} wrong fields", .0.len())]
    Invalid(Vec<Violation>),
}

/// A scheme that passed all checks, ready to place debtors.
#[derive(Debug, Clone)]
pub struct CompiledScheme {
    scheme: Scheme,
    rules: Vec<Rule>,
    /// By place: the fields that the rule and those before it name.
    fields_up_to: Vec<FieldSet>,
    warnings: Vec<Violation>,
}

impl Scheme {
    /// Reads a scheme from TOML. It is not checked yet.
    ///
    /// # Errors
    /// The text is longer than [`MAX_SCHEME_BYTES`] or not a scheme.
    pub fn from_toml(text: &str) -> Result<Self, SchemeError> {
        if text.len() > MAX_SCHEME_BYTES {
            let message = format!("longer than {MAX_SCHEME_BYTES} bytes");
            return Err(SchemeError::Unreadable(message));
        }
        toml::from_str(text).map_err(|error| SchemeError::Unreadable(error.message().to_owned()))
    }

    /// Checks everything and compiles the conditions.
    ///
    /// The condition of a segment is read only where those before it are false, and is checked so: after a segment with
    /// `!has(debtor.score)`, the following may read the score.
    ///
    /// # Errors
    /// Every wrong field, and every error of every condition with its position.
    pub fn compile(self) -> Result<CompiledScheme, SchemeError> {
        let mut violations = Violations::default();
        self.check(&mut violations);
        let mut present = FieldSet::EMPTY;
        let mut rules = Vec::new();
        for (index, segment) in self.segments.iter().enumerate().take(MAX_SEGMENTS) {
            match Rule::compile_knowing(&segment.condition, present) {
                Ok(rule) => {
                    present = present.union(rule.present_when_false());
                    rules.push(rule);
                }
                Err(errors) => violations.rule(&format!("segments[{index}].condition"), &errors),
            }
        }
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(SchemeError::Invalid(violations));
        }
        let up_to = |fields: &mut FieldSet, rule: &Rule| {
            *fields = fields.union(rule.fields());
            Some(*fields)
        };
        Ok(CompiledScheme {
            warnings: unreachable_segments(&rules),
            fields_up_to: rules.iter().scan(FieldSet::EMPTY, up_to).collect(),
            rules,
            scheme: self,
        })
    }

    fn check(&self, violations: &mut Violations) {
        violations.key("id", &self.id);
        violations.display_name("display_name", &self.display_name);
        let stay = self.minimum_stay_days;
        violations.range("minimum_stay_days", stay, 0..=MAX_MINIMUM_STAY_DAYS);
        violations.require(
            (1..=MAX_SEGMENTS).contains(&self.segments.len()),
            "segments",
            "must be 1 to 100",
        );
        violations.require(
            self.unclassified.id == UNCLASSIFIED,
            "unclassified.id",
            "must be `unclassified`",
        );
        let mut ids = BTreeSet::new();
        for (path, id, display_name, policy) in self.heads() {
            violations.key(&format!("{path}.id"), id);
            violations.require(ids.insert(id), &format!("{path}.id"), "must be unique");
            violations.display_name(&format!("{path}.display_name"), display_name);
            let path = format!("{path}.policy");
            match (policy, self.treatment) {
                (Some(policy), true) => policy.check(&path, violations),
                (None, true) => violations.add(path, "must be given in a treatment scheme"),
                (Some(_), false) => violations.add(path, "is for treatment schemes only"),
                (None, false) => {}
            }
        }
    }

    /// Path, id, name and policy of every segment: those with a condition as far as they may be many, then the default,
    /// then `unclassified`.
    fn heads(&self) -> impl Iterator<Item = (String, &str, &str, Option<&Policy>)> {
        let conditional = self.segments.iter().take(MAX_SEGMENTS).enumerate();
        let conditional = conditional.map(|(index, it)| {
            let path = format!("segments[{index}]");
            (
                path,
                it.id.as_str(),
                it.display_name.as_str(),
                it.policy.as_ref(),
            )
        });
        let last = [
            ("default", &self.default),
            (UNCLASSIFIED, &self.unclassified),
        ];
        conditional.chain(last.map(|(path, it)| {
            let path = path.to_owned();
            (
                path,
                it.id.as_str(),
                it.display_name.as_str(),
                it.policy.as_ref(),
            )
        }))
    }
}

fn unreachable_segments(rules: &[Rule]) -> Vec<Violation> {
    let mut warnings = Violations::default();
    for (index, rule) in rules.iter().enumerate() {
        let before = &rules[..index];
        let description = if let Some(always) = position(before, |it| it.constant() == Some(true)) {
            format!("never reached: segments[{always}] always holds")
        } else if let Some(same) = position(before, |it| it.is_same_as(rule)) {
            format!("never holds: segments[{same}] has the same condition")
        } else if rule.constant() == Some(false) {
            "never holds".to_owned()
        } else {
            continue;
        };
        warnings.add(format!("segments[{index}].condition"), description);
    }
    if let Some(always) = position(rules, |it| it.constant() == Some(true)) {
        let description = format!("never reached: segments[{always}] always holds");
        warnings.add("default", description);
    }
    warnings.into_vec()
}

fn position(rules: &[Rule], condition: impl Fn(&Rule) -> bool) -> Option<usize> {
    rules.iter().position(condition)
}

impl CompiledScheme {
    /// The scheme as written.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What is allowed but hardly meant: segments that nobody can reach.
    #[must_use]
    pub fn warnings(&self) -> &[Violation] {
        &self.warnings
    }

    /// Every field that the scheme names: it need not be evaluated anew when others change.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        self.fields_up_to.last().copied().unwrap_or_default()
    }

    /// The policy of a segment; `None` for an unknown segment, and in schemes that are not for treatment.
    #[must_use]
    pub fn policy(&self, segment_id: &str) -> Option<&Policy> {
        let mut heads = self.scheme.heads();
        heads.find(|(_, id, ..)| *id == segment_id)?.3
    }

    /// The id as the scheme holds it; `None` for an unknown segment.
    #[must_use]
    pub fn segment_id(&self, segment_id: &str) -> Option<&str> {
        let scheme = &self.scheme;
        let last = [scheme.default.id.as_str(), scheme.unclassified.id.as_str()];
        let conditional = scheme.segments.iter().map(|segment| segment.id.as_str());
        conditional.chain(last).find(|id| *id == segment_id)
    }

    /// Conditions with the segments they lead to, in order.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Rule, &str)> {
        let ids = self.scheme.segments.iter().map(|it| it.id.as_str());
        self.rules.iter().zip(ids)
    }

    /// The fields that the rule at a place and those before it name; those of all rules for the default.
    pub(crate) fn fields_up_to(&self, place: usize) -> FieldSet {
        let fields = self.fields_up_to.get(place).copied();
        fields.unwrap_or_else(|| self.fields())
    }
}

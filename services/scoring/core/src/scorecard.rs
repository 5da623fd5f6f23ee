//! Scorecards as data: the points table is what computes the score.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::facts::{DebtorFacts, DebtorKind};
use crate::features::{Feature, Features};

/// Label of the bin of missing values.
pub const MISSING_LABEL: &str = "missing";

/// Whom a scorecard scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorecardKind {
    /// Organisations with a payment history.
    Organisation,
    /// Natural persons with a payment history.
    Person,
    /// Debtors without any settled or overdue item.
    Prospect,
}

impl ScorecardKind {
    /// The kind that fits a debtor: the prospect's without a settled item and with nothing overdue, else by person.
    #[must_use]
    pub fn for_debtor(debtor: &DebtorFacts, features: &Features) -> Self {
        if features.settled_items == 0 && features.overdue_items == 0 {
            return Self::Prospect;
        }
        match debtor.kind {
            DebtorKind::Organisation => Self::Organisation,
            DebtorKind::Person => Self::Person,
        }
    }
}

/// A range of values, both ends included, or the missing value; with its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// `..0`, `8..15`, `7`, `91..` or `missing`: written by [`Scorecard::from_toml`].
    #[serde(default)]
    pub label: String,
    /// Lowest value; absent in the first bin only.
    pub from: Option<i64>,
    /// Highest value; absent in the last bin only.
    pub to: Option<i64>,
    /// Points.
    pub points: i32,
    /// Whether it takes missing values; then it has no bounds.
    #[serde(default)]
    pub missing: bool,
}

impl Bin {
    /// Whether a value falls into this bin.
    #[must_use]
    pub fn contains(&self, value: Option<i64>) -> bool {
        match value {
            None => self.missing,
            Some(value) => {
                !self.missing
                    && self.from.is_none_or(|from| from <= value)
                    && self.to.is_none_or(|to| value <= to)
            }
        }
    }

    fn range_label(&self) -> String {
        match (self.missing, self.from, self.to) {
            (true, _, _) => MISSING_LABEL.to_owned(),
            (_, Some(from), Some(to)) if from == to => from.to_string(),
            (_, from, to) => {
                let text =
                    |bound: Option<i64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
                format!("{}..{}", text(from), text(to))
            }
        }
    }
}

/// A feature with its bins: by value without gaps, then the bin of missing values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Characteristic {
    /// Whose values are binned; on the wire by [`Feature::code`].
    pub feature: Feature,
    /// By value, the bin of missing values last.
    pub bins: Vec<Bin>,
}

impl Characteristic {
    /// The bin of a value: in a valid scorecard there is always exactly one.
    #[must_use]
    pub fn bin(&self, value: Option<i64>) -> Option<&Bin> {
        self.bins.iter().find(|bin| bin.contains(value))
    }

    /// Points of the best bin.
    #[must_use]
    pub fn best_points(&self) -> i32 {
        self.bins.iter().map(|bin| bin.points).max().unwrap_or(0)
    }
}

/// One revision of a scorecard. Revisions never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scorecard {
    /// Whom it scores.
    pub kind: ScorecardKind,
    /// From 1.
    pub revision: i32,
    /// What counts as bad, in words.
    pub bad_definition: String,
    /// Score without any points.
    pub base_score: i32,
    /// Points that double the odds of being good, above zero.
    pub points_to_double_odds: i32,
    /// The score at which good and bad are in the ratio `anchor_odds` to 1.
    pub anchor_score: i32,
    /// See `anchor_score`; above zero.
    pub anchor_odds: i32,
    /// Highest probability of default of classes A to D in parts per million, rising; above the last is E.
    pub class_limits_ppm: [i32; 4],
    /// The points table.
    pub characteristics: Vec<Characteristic>,
}

/// Why a scorecard is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ScorecardError {
    /// The text is not a scorecard.
    #[error("scorecard is not readable: {0}")]
    Unreadable(String),
    /// A number is out of its range.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
    /// Class limits do not rise, or are not within 1 to 999,999.
    #[error("class limits must rise from 1 to 999999")]
    ClassLimits,
    /// No characteristics, or one twice.
    #[error("characteristics must be present and each only once")]
    Characteristics,
    /// The bins of a characteristic do not cover every value exactly once.
    #[error("bins of `{0}` must rise without gaps from no lower to no upper bound")]
    Gaps(&'static str),
    /// A characteristic has no bin of missing values as its last one, or another one before.
    #[error("`{0}` must have exactly one bin of missing values, the last one, without bounds")]
    Missing(&'static str),
    /// A label does not say what the bin is.
    #[error("a bin of `{0}` has a label that differs from its range")]
    Label(&'static str),
}

/// Points beyond this are refused, so that no sum can overflow.
const MAX_POINTS: i32 = 100_000;

impl Scorecard {
    /// Reads a scorecard, writes the labels of its bins and validates it.
    ///
    /// # Errors
    ///
    /// See [`ScorecardError`].
    pub fn from_toml(text: &str) -> Result<Self, ScorecardError> {
        let mut scorecard: Self = toml::from_str(text)
            .map_err(|error| ScorecardError::Unreadable(error.message().to_owned()))?;
        for bin in scorecard
            .characteristics
            .iter_mut()
            .flat_map(|it| &mut it.bins)
        {
            bin.label = bin.range_label();
        }
        scorecard.validate()?;
        Ok(scorecard)
    }

    /// Checks everything that scoring relies on.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn validate(&self) -> Result<(), ScorecardError> {
        for (name, value, lowest) in [
            ("revision", self.revision, 1),
            ("points_to_double_odds", self.points_to_double_odds, 1),
            ("anchor_odds", self.anchor_odds, 1),
            ("base_score", self.base_score, -MAX_POINTS),
            ("anchor_score", self.anchor_score, -MAX_POINTS),
        ] {
            if !(lowest..=MAX_POINTS).contains(&value) {
                return Err(ScorecardError::OutOfRange(name));
            }
        }
        let limits_rise = self
            .class_limits_ppm
            .windows(2)
            .all(|pair| pair[0] < pair[1]);
        if !limits_rise || self.class_limits_ppm[0] < 1 || self.class_limits_ppm[3] > 999_999 {
            return Err(ScorecardError::ClassLimits);
        }
        let mut features: Vec<Feature> = self.characteristics.iter().map(|it| it.feature).collect();
        features.sort_unstable();
        features.dedup();
        if features.is_empty() || features.len() != self.characteristics.len() {
            return Err(ScorecardError::Characteristics);
        }
        self.characteristics
            .iter()
            .try_for_each(validate_characteristic)
    }
}

fn validate_characteristic(characteristic: &Characteristic) -> Result<(), ScorecardError> {
    let code = characteristic.feature.code();
    let Some((missing, ranges)) = characteristic.bins.split_last() else {
        return Err(ScorecardError::Missing(code));
    };
    let has_bounds = missing.from.is_some() || missing.to.is_some();
    if !missing.missing || has_bounds || ranges.iter().any(|bin| bin.missing) {
        return Err(ScorecardError::Missing(code));
    }
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Err(ScorecardError::Gaps(code));
    };
    let is_empty = |bin: &Bin| bin.from.zip(bin.to).is_some_and(|(from, to)| from > to);
    let follows = |pair: &[Bin]| {
        let next = pair[0].to.and_then(|to| to.checked_add(1));
        next.is_some() && next == pair[1].from
    };
    if first.from.is_some()
        || last.to.is_some()
        || ranges.iter().any(is_empty)
        || !ranges.windows(2).all(follows)
    {
        return Err(ScorecardError::Gaps(code));
    }
    if characteristic
        .bins
        .iter()
        .any(|bin| bin.points.abs() > MAX_POINTS)
    {
        return Err(ScorecardError::OutOfRange("points"));
    }
    if characteristic
        .bins
        .iter()
        .any(|bin| bin.label != bin.range_label())
    {
        return Err(ScorecardError::Label(code));
    }
    Ok(())
}

/// The scorecards that apply where a creditor has none of its own, one per kind: expert cards, not trained on data.
///
/// # Errors
///
/// None in a build that passed its tests: the cards are part of the program.
pub fn starter_scorecards() -> Result<Vec<Scorecard>, ScorecardError> {
    [
        include_str!("../data/scorecard_organisation.toml"),
        include_str!("../data/scorecard_person.toml"),
        include_str!("../data/scorecard_prospect.toml"),
    ]
    .into_iter()
    .map(Scorecard::from_toml)
    .collect()
}

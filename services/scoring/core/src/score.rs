//! From features to score, probability of default and risk class.

use serde::{Deserialize, Serialize};

use crate::features::Features;
use crate::scorecard::{MISSING_LABEL, Scorecard};

/// Risk class, by the probability of default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RiskClass {
    /// Lowest risk.
    A,
    /// Low risk.
    B,
    /// Medium risk.
    C,
    /// High risk.
    D,
    /// Highest risk.
    E,
    /// Not scored. Never the result of [`score`].
    X,
}

impl RiskClass {
    /// The letter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::X => "X",
        }
    }

    /// The class of a letter.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C, Self::D, Self::E, Self::X]
            .into_iter()
            .find(|class| class.as_str() == letter)
    }
}

/// What one characteristic brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// Code of the feature.
    pub characteristic: &'static str,
    /// Its value; `None` when missing.
    pub value: Option<i64>,
    /// Label of the bin the value fell into.
    pub bin_label: &'a str,
    /// Points of that bin.
    pub points: i32,
    /// Points of the best bin.
    pub best_points: i32,
}

impl Contribution<'_> {
    /// Points lost against the best bin, at least zero.
    #[must_use]
    pub fn points_lost(&self) -> i32 {
        self.best_points - self.points
    }
}

/// A score with all that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored<'a> {
    /// Points; higher is better.
    pub score: i32,
    /// Probability of default in parts per million, 1 to 999,999.
    pub pd_ppm: i32,
    /// Class by that probability.
    pub class: RiskClass,
    /// One per characteristic of the scorecard, in its order.
    pub contributions: Vec<Contribution<'a>>,
}

impl<'a> Scored<'a> {
    /// The contributions that cost points, at most so many: most points lost first, then by code.
    #[must_use]
    pub fn reasons(&self, at_most: usize) -> Vec<Contribution<'a>> {
        let mut reasons: Vec<_> = self
            .contributions
            .iter()
            .filter(|it| it.points_lost() > 0)
            .copied()
            .collect();
        reasons.sort_unstable_by_key(|it| (-it.points_lost(), it.characteristic));
        reasons.truncate(at_most);
        reasons
    }
}

/// Scores features by a scorecard that passed [`Scorecard::validate`].
#[must_use]
pub fn score<'a>(scorecard: &'a Scorecard, features: &Features) -> Scored<'a> {
    let contribution = |characteristic: &'a crate::scorecard::Characteristic| {
        let value = features.value(characteristic.feature);
        let bin = characteristic.bin(value);
        Contribution {
            characteristic: characteristic.feature.code(),
            value,
            bin_label: bin.map_or(MISSING_LABEL, |bin| bin.label.as_str()),
            points: bin.map_or(0, |bin| bin.points),
            best_points: characteristic.best_points(),
        }
    };
    let contributions: Vec<_> = scorecard.characteristics.iter().map(contribution).collect();
    let score = scorecard.base_score + contributions.iter().map(|it| it.points).sum::<i32>();
    let pd_ppm = pd_ppm(scorecard, score);
    Scored {
        score,
        pd_ppm,
        class: class(scorecard, pd_ppm),
        contributions,
    }
}

/// The probability of default at a score, in parts per million.
///
/// Odds of good to bad are `anchor_odds · 2^((score − anchor_score) / points_to_double_odds)`, and the probability is
/// `1 / (1 + odds)` (the usual scaling of scorecards, e.g. Siddiqi, *Credit Risk Scorecards*, ch. 6). `exp2` may differ
/// in the last bit between platforms, some 10^-10 ppm; after rounding to whole ppm that shows only in a tie, which an
/// irrational power of two never is, and a rational one is exact.
#[must_use]
pub fn pd_ppm(scorecard: &Scorecard, score: i32) -> i32 {
    let doublings = (f64::from(score) - f64::from(scorecard.anchor_score))
        / f64::from(scorecard.points_to_double_odds);
    let odds = f64::from(scorecard.anchor_odds) * doublings.exp2();
    let ppm = (1_000_000.0 / (1.0 + odds)).round().clamp(1.0, 999_999.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to the range just above"
    )]
    let ppm = ppm as i32;
    ppm
}

fn class(scorecard: &Scorecard, pd_ppm: i32) -> RiskClass {
    const CLASSES: [RiskClass; 4] = [RiskClass::A, RiskClass::B, RiskClass::C, RiskClass::D];
    let limits = scorecard.class_limits_ppm.into_iter();
    let fitting = CLASSES
        .into_iter()
        .zip(limits)
        .find(|(_, limit)| pd_ppm <= *limit);
    fitting.map_or(RiskClass::E, |(class, _)| class)
}

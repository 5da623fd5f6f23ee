//! Exact amounts of interest: integers over one fixed denominator, so that adding never needs a fraction.

/// Least common multiple of the year bases 360, 365 and 366.
const BASES: i128 = 1_603_080;

/// An amount of interest, at least zero, exact: a whole number of parts of a minor unit. Every product of minor units,
/// parts per million a year and days over a year of 360, 365 or 366 days is such a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(i128);

impl Exact {
    /// Parts in one minor unit: 10^6 for the rate times the least common multiple of 360, 365 and 366.
    pub const PARTS: i128 = 1_000_000 * BASES;

    /// `minor` for `days` at `rate_ppm` a year of `year_basis` days: 360, 365 or 366. `None` if it does not fit.
    pub(super) fn interest(minor: i64, rate_ppm: i64, days: i64, year_basis: i64) -> Option<Self> {
        i128::from(minor)
            .checked_mul(i128::from(rate_ppm))?
            .checked_mul(i128::from(days))?
            .checked_mul(BASES / i128::from(year_basis))
            .map(Self)
    }

    /// The sum. `None` if it does not fit.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The nearest whole minor unit, half up. `None` if it does not fit.
    #[must_use]
    pub fn half_up(self) -> Option<i64> {
        let half_added = self.0.checked_add(Self::PARTS / 2)?;
        i64::try_from(half_added.div_euclid(Self::PARTS)).ok()
    }

    /// The number of [`Self::PARTS`].
    #[must_use]
    pub fn parts(self) -> i128 {
        self.0
    }
}

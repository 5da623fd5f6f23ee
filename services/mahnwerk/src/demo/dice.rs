//! Chance that can be repeated: the same seed and stream give the same throws on every machine.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A source of throws. All of them are whole numbers: floating point need not be the same everywhere.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The throws of one stream; streams of one seed do not depend on each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// Two throws added up: the middle is likelier than the ends.
    pub(crate) fn around(&mut self, low: i64, high: i64) -> i64 {
        let half = (high - low) / 2;
        low + self.between(0, half) + self.between(0, high - low - half)
    }

    /// True in so many of a thousand throws.
    pub(crate) fn chance(&mut self, permille: i64) -> bool {
        self.between(0, 999) < permille
    }

    /// One of the choices; the first of a list that is never empty if there is nothing to choose.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let last = i64::try_from(choices.len()).unwrap_or(1) - 1;
        usize::try_from(self.between(0, last))
            .ok()
            .and_then(|index| choices.get(index).copied())
            .unwrap_or(otherwise)
    }

    /// One of the choices, by weight.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(i64, T)], otherwise: T) -> T {
        let total: i64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut throw = self.between(0, total - 1);
        for (weight, choice) in choices {
            if throw < *weight {
                return *choice;
            }
            throw -= weight;
        }
        otherwise
    }
}

//! Numbers as they are written in each language.

use crate::fx;

/// Signs of a language.
pub(super) struct Style {
    pub(super) decimal: char,
    pub(super) group: char,
}

impl Style {
    /// A scaled integer with at most so many decimals, without trailing zeros: 3,750 with 2 digits is `37.5`.
    pub(super) fn decimal(&self, scaled: i64, digits: u32) -> String {
        let fixed = self.fixed(scaled, digits);
        if digits == 0 {
            return fixed;
        }
        fixed
            .trim_end_matches('0')
            .trim_end_matches(self.decimal)
            .to_owned()
    }

    /// An amount of minor units with the decimals of its currency, without the currency.
    pub(super) fn amount(&self, minor_units: i64, currency: &str) -> String {
        self.fixed(minor_units, fx::minor_digits(currency))
    }

    fn fixed(&self, scaled: i64, digits: u32) -> String {
        let unit = 10_u64.pow(digits);
        let magnitude = scaled.unsigned_abs();
        let whole = (magnitude / unit).to_string();
        let mut text = String::from(if scaled < 0 { "-" } else { "" });
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                text.push(self.group);
            }
            text.push(digit);
        }
        if digits > 0 {
            let width = usize::try_from(digits).unwrap_or_default();
            text.push(self.decimal);
            text.push_str(&format!("{:0width$}", magnitude % unit));
        }
        text
    }
}

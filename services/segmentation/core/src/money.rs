//! Amounts in the reporting currency, exact until one rounding.

use chrono::NaiveDate;

/// From `date` on, one unit of `base` is worth `numerator / denominator` units of `quote` (whole units, not minor).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FxRate {
    /// ISO 4217 code.
    pub base: String,
    /// ISO 4217 code.
    pub quote: String,
    /// Valid from this date until the date of the next rate of the pair.
    pub date: NaiveDate,
    /// 1 to 10^15.
    pub numerator: i64,
    /// 1 to 10^15.
    pub denominator: i64,
}

/// How amounts become amounts of the reporting currency.
#[derive(Debug, Clone, Copy)]
pub struct Conversion<'a> {
    /// ISO 4217 code of the reporting currency.
    pub to: &'a str,
    /// Rates between it and other currencies, in either direction.
    pub rates: &'a [FxRate],
}

impl Conversion<'_> {
    /// Minor units of the reporting currency for minor units of `from`, by the latest rate of the pair on or before the
    /// date, stated in either direction (of the same date the direct one), rounded once, half away from zero. `None` if
    /// there is no such rate, or if the result does not fit.
    #[must_use]
    pub fn convert(&self, amount_minor: i64, from: &str, date: NaiveDate) -> Option<i64> {
        if from == self.to {
            return Some(amount_minor);
        }
        let usable = self
            .rates
            .iter()
            .filter(|rate| rate.date <= date && rate.numerator > 0 && rate.denominator > 0);
        let (_, _, numerator, denominator) = usable
            .filter_map(|rate| {
                if rate.base == from && rate.quote == self.to {
                    Some((rate.date, true, rate.numerator, rate.denominator))
                } else if rate.base == self.to && rate.quote == from {
                    Some((rate.date, false, rate.denominator, rate.numerator))
                } else {
                    None
                }
            })
            .max()?;
        let (from_digits, to_digits) = (minor_digits(from), minor_digits(self.to));
        let up = 10_i128.pow(to_digits.saturating_sub(from_digits));
        let down = 10_i128.pow(from_digits.saturating_sub(to_digits));
        let dividend = i128::from(amount_minor)
            .checked_mul(i128::from(numerator))?
            .checked_mul(up)?;
        let divisor = i128::from(denominator).checked_mul(down)?;
        i64::try_from(divided(dividend, divisor)).ok()
    }
}

/// Decimal digits of the minor unit of a currency, by ISO 4217; 2 for what is not listed.
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// Rounded half away from zero; the divisor is above zero.
fn divided(dividend: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    let left = divisor - remainder.abs();
    quotient
        + if remainder.abs() >= left {
            dividend.signum()
        } else {
            0
        }
}

//! Exchange of amounts, exact until one final rounding.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// From `date` on, one unit of `base` is worth `numerator / denominator` units of `quote` (whole units, not minor).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Converts minor units of one currency to minor units of another by the latest rate of the pair on or before the
/// date, stated in either direction (of the same date the direct one), rounded once, half to even.
///
/// `from_digits` and `to_digits` are the decimal digits of the minor units, for example 2 for EUR and 0 for JPY.
/// `None` if there is no such rate, or if the result does not fit.
#[must_use]
pub fn convert(
    amount_minor: i64,
    from: &str,
    to: &str,
    from_digits: u32,
    to_digits: u32,
    date: NaiveDate,
    rates: &[FxRate],
) -> Option<i64> {
    if from == to {
        return Some(amount_minor);
    }
    let usable = rates
        .iter()
        .filter(|rate| rate.date <= date && rate.numerator > 0 && rate.denominator > 0);
    let (_, _, numerator, denominator) = usable
        .filter_map(|rate| {
            if rate.base == from && rate.quote == to {
                Some((rate.date, true, rate.numerator, rate.denominator))
            } else if rate.base == to && rate.quote == from {
                Some((rate.date, false, rate.denominator, rate.numerator))
            } else {
                None
            }
        })
        .max()?;
    let scale_up = 10_i128.checked_pow(to_digits.saturating_sub(from_digits))?;
    let scale_down = 10_i128.checked_pow(from_digits.saturating_sub(to_digits))?;
    let dividend = i128::from(amount_minor)
        .checked_mul(i128::from(numerator))?
        .checked_mul(scale_up)?;
    let divisor = i128::from(denominator).checked_mul(scale_down)?;
    i64::try_from(divided_half_even(dividend, divisor)).ok()
}

/// Whether this is the upper-case ISO 4217 code of a currency with a minor unit, which `XAU` and `XXX` have not.
#[must_use]
pub fn is_currency(code: &str) -> bool {
    CURRENCIES.binary_search(&code).is_ok()
}

/// Decimal digits of the minor unit of a currency, by ISO 4217; 2 for what [`is_currency`] does not know.
#[must_use]
pub fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// The divisor is above zero.
fn divided_half_even(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend.div_euclid(divisor);
    let remainder = dividend.rem_euclid(divisor);
    let rounds_up = match remainder.cmp(&(divisor - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(rounds_up)
}

/// Sorted, for binary search. ISO 4217, list one, published 2026-01-01, without the codes that have no minor unit.
pub(crate) const CURRENCIES: [&str; 165] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD",
    "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF",
    "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF",
    "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP",
    "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR",
    "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT",
    "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP",
    "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
    "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
    "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN",
    "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH",
    "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAD",
    "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

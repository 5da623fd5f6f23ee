//! Tables for people, JSON for programs.

use std::io::Write as _;

use chrono::{Datelike as _, NaiveDate};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use mahnwerk_proto::common::v1::{Date, Money};
use prost_types::Timestamp;
use registry_core::currency::Currency;
use serde_json::Value;

use crate::client::{Failure, Result};

/// Prints a line, as `println!` does, but ends quietly when nobody reads any more (`mahnwerk … | head`).
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::line(format_args!($($text)*))
    };
}

/// Prints a line; use `say!`. Ends the program if nobody reads.
pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints one JSON document.
pub(crate) fn print_json(value: &Value) {
    say!("{value:#}");
}

/// A table with a header.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(line))
        .set_header(header.iter().copied());
    table
}

/// A table of names and values.
pub(crate) fn facts(rows: &[(&str, String)]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([*name, value.as_str()]);
    }
    table
}

/// Puts columns of numbers to the right.
pub(crate) fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A date of the protos; an absent one is empty.
pub(crate) fn date_text(date: Option<&Date>) -> String {
    date.map_or_else(String::new, |date| {
        format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
    })
}

/// A moment to the second, in UTC; an absent one is empty.
pub(crate) fn time_text(time: Option<&Timestamp>) -> String {
    time.and_then(|time| chrono::DateTime::from_timestamp(time.seconds, 0))
        .map_or_else(String::new, |time| {
            time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        })
}

/// `yes`, or nothing.
pub(crate) fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "" }
}

/// Several parts in one line, without those that are empty.
pub(crate) fn joined(parts: &[String], separator: &str) -> String {
    let parts: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect();
    parts.join(separator)
}

/// A calendar date as in the protos.
pub(crate) fn proto_date(date: NaiveDate) -> Date {
    let small = |number: u32| i32::try_from(number).unwrap_or_default();
    Date {
        year: date.year(),
        month: small(date.month()),
        day: small(date.day()),
    }
}

/// A date of the protos as a calendar date.
pub(crate) fn calendar_date(date: Option<&Date>) -> Option<NaiveDate> {
    let date = date?;
    NaiveDate::from_ymd_opt(
        date.year,
        u32::try_from(date.month).ok()?,
        u32::try_from(date.day).ok()?,
    )
}

/// An amount with its currency, for example `1,234.50 EUR`; an absent one is empty.
pub(crate) fn money_text(money: Option<&Money>) -> String {
    money.map_or_else(String::new, |money| {
        minor_text(&money.currency_code, money.minor_units)
    })
}

/// An amount in minor units with its currency.
pub(crate) fn minor_text(currency: &str, minor: i64) -> String {
    format!("{} {currency}", amount_text(currency, minor))
}

/// An amount without its currency, for example `1,234.50`.
pub(crate) fn amount_text(currency: &str, minor: i64) -> String {
    let digits = usize::from(Currency::parse(currency).map_or(2, |known| known.minor_digits()));
    let padded = format!("{:0width$}", minor.unsigned_abs(), width = digits + 1);
    let (whole, part) = padded.split_at(padded.len() - digits);
    let sign = if minor < 0 { "-" } else { "" };
    let point = if digits > 0 { "." } else { "" };
    format!("{sign}{}{point}{part}", grouped(whole))
}

/// A whole number with thousands apart.
pub(crate) fn count_text(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(&number.unsigned_abs().to_string()))
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Parts per million as a percentage with two decimals.
pub(crate) fn ppm_text(ppm: i64) -> String {
    let rounded = (ppm + 50) / 100;
    format!("{}.{:02} %", rounded / 100, rounded % 100)
}

/// Reads an amount such as `120`, `120.5` or `-1.20` in a currency.
///
/// # Errors
/// If it is not a number, has more decimals than the currency, or does not fit.
pub(crate) fn parse_amount(text: &str, currency: &str, decimal_separator: char) -> Result<Money> {
    let known = Currency::parse(currency).ok_or_else(|| {
        Failure::Input(format!("`{currency}` is not a currency with a minor unit"))
    })?;
    let digits = usize::from(known.minor_digits());
    let wrong = || {
        Failure::Input(format!(
            "`{text}` is not an amount with at most {digits} decimals"
        ))
    };
    let (whole, part) = text.split_once(decimal_separator).unwrap_or((text, ""));
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if unsigned.is_empty() || part.len() > digits || !all_digits(unsigned) || !all_digits(part) {
        return Err(wrong());
    }
    let minor_units = format!("{whole}{part:0<digits$}")
        .parse()
        .map_err(|_| wrong())?;
    Ok(Money {
        currency_code: currency.to_owned(),
        minor_units,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_the_minor_unit_of_their_currency() {
        assert_eq!(amount_text("EUR", 123_456_789), "1,234,567.89");
        assert_eq!(amount_text("EUR", -5), "-0.05");
        assert_eq!(amount_text("JPY", 1_000), "1,000");
        assert_eq!(amount_text("KWD", 1_234), "1.234");
    }

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        let minor = |text, currency| {
            parse_amount(text, currency, '.')
                .map(|money| money.minor_units)
                .ok()
        };
        assert_eq!(minor("120.00", "EUR"), Some(12_000));
        assert_eq!(minor("72.7", "USD"), Some(7_270));
        assert_eq!(minor("-1.05", "EUR"), Some(-105));
        assert_eq!(minor("12", "JPY"), Some(12));
        for wrong in [
            "",
            "1.234",
            "1,2",
            "12.x",
            "--1",
            "1e3",
            ".5",
            "99999999999999999999",
        ] {
            assert_eq!(minor(wrong, "EUR"), None, "{wrong}");
        }
        assert_eq!(minor("1.5", "JPY"), None);
        assert_eq!(minor("1", "XAU"), None);
        assert_eq!(
            parse_amount("1,50", "EUR", ',')
                .map(|money| money.minor_units)
                .ok(),
            Some(150)
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(count_text(0), "0");
        assert_eq!(count_text(999), "999");
        assert_eq!(count_text(1_000_000), "1,000,000");
        assert_eq!(ppm_text(12_345), "1.23 %");
    }
}

//! Numbers, money, dates and counted things as each language writes them.

use chrono::{Datelike, NaiveDate};

use crate::render::RenderError;

/// A language that letters are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// German, as in Germany: Swiss and Austrian debtors get the same formats.
    De,
    /// Dutch.
    Nl,
}

/// Keeps an amount and its currency on one line.
const NO_BREAK: char = '\u{a0}';

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::De, Self::Nl];

    /// The language of an ISO 639-1 code in lower case; a region after a hyphen (`de-CH`) changes nothing.
    ///
    /// # Errors
    ///
    /// [`RenderError::UnknownLanguage`] for any other: which language stands in for it is the caller's choice.
    pub fn parse(code: &str) -> Result<Self, RenderError> {
        let primary = code.split_once('-').map_or(code, |(primary, _)| primary);
        Self::ALL
            .into_iter()
            .find(|language| language.code() == primary)
            .ok_or_else(|| RenderError::UnknownLanguage(code.to_owned()))
    }

    /// Its ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Nl => "nl",
        }
    }

    /// The decimal separator, and the one between groups of three digits.
    fn separators(self) -> (char, char) {
        match self {
            Self::En => ('.', ','),
            Self::De | Self::Nl => (',', '.'),
        }
    }

    /// An amount with its currency: `€1,234.56`, `1.234,56 €`, `€ 1.234,56`; other currencies by their code.
    pub(crate) fn money(self, minor: i64, currency: &str, digits: u32) -> String {
        let sign = if minor < 0 { "-" } else { "" };
        let number = self.number(minor.unsigned_abs(), digits);
        let name = if currency == "EUR" { "€" } else { currency };
        match self {
            Self::De => format!("{sign}{number}{NO_BREAK}{name}"),
            Self::Nl => format!("{name}{NO_BREAK}{sign}{number}"),
            Self::En if name == "€" => format!("{sign}€{number}"),
            Self::En => format!("{name}{NO_BREAK}{sign}{number}"),
        }
    }

    /// A scaled integer with a fixed number of decimals.
    fn number(self, scaled: u64, digits: u32) -> String {
        let (decimal, group) = self.separators();
        let unit = 10_u64.saturating_pow(digits);
        let whole = (scaled / unit).to_string();
        let mut text = String::with_capacity(whole.len() * 2);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if digits > 0 {
            let width = usize::try_from(digits).unwrap_or_default();
            text.push(decimal);
            text.push_str(&format!("{:0width$}", scaled % unit));
        }
        text
    }

    /// A date in a sentence: `22 November 2026`, `22.11.2026`, `22 november 2026`.
    pub(crate) fn date(self, date: NaiveDate) -> String {
        let months = match self {
            Self::De => return self.short_date(date),
            Self::En => &ENGLISH_MONTHS,
            Self::Nl => &DUTCH_MONTHS,
        };
        let month = months.get(date.month0() as usize).copied();
        format!(
            "{} {} {}",
            date.day(),
            month.unwrap_or_default(),
            date.year()
        )
    }

    /// A date in a table: `22 Nov 2026`, `22.11.2026`, `22-11-2026`.
    pub(crate) fn short_date(self, date: NaiveDate) -> String {
        let (day, month, year) = (date.day(), date.month(), date.year());
        match self {
            Self::De => format!("{day:02}.{month:02}.{year}"),
            Self::Nl => format!("{day:02}-{month:02}-{year}"),
            Self::En => {
                let name = ENGLISH_MONTHS.get(date.month0() as usize).copied();
                let short = name.and_then(|name| name.get(..3)).unwrap_or_default();
                format!("{day} {short} {year}")
            }
        }
    }

    /// So many days.
    pub(crate) fn days(self, days: i64) -> String {
        let word = match (self, days) {
            (Self::En, 1) => "day",
            (Self::En, _) => "days",
            (Self::De, 1) => "Tag",
            (Self::De, _) => "Tage",
            (Self::Nl, 1) => "dag",
            (Self::Nl, _) => "dagen",
        };
        format!("{days}{NO_BREAK}{word}")
    }

    /// How long something is overdue, at the end of `overdue by`, `seit`, and before `te laat`.
    pub(crate) fn overdue(self, most_days: i64, one: bool) -> String {
        let days = match (self, most_days) {
            (Self::De, days) if days != 1 => format!("{days}{NO_BREAK}Tagen"),
            _ => self.days(most_days),
        };
        let up_to = match self {
            _ if one => "",
            Self::En => "up to ",
            Self::De => "bis zu ",
            Self::Nl => "tot ",
        };
        format!("{up_to}{days}")
    }

    /// What a letter is about: one invoice by its number, or how many.
    pub(crate) fn invoices(self, count: usize, first: &str) -> String {
        match (self, count) {
            (Self::En, 1) => format!("invoice {first}"),
            (Self::En, _) => format!("{count} invoices"),
            (Self::De, 1) => format!("Rechnung {first}"),
            (Self::De, _) => format!("{count} Rechnungen"),
            (Self::Nl, 1) => format!("factuur {first}"),
            (Self::Nl, _) => format!("{count} facturen"),
        }
    }

    /// The basis of an amount, which the law packs state the same for all languages (`§ 288(2) BGB: 10.52 % p. a.,
    /// 2026-07-01 – 2026-11-22, 145 d`), with its dates, percentage and days as the language writes them.
    pub(crate) fn basis(self, basis: &str) -> String {
        let words: Vec<&str> = basis.split_whitespace().collect();
        let mut text = String::with_capacity(basis.len());
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if !text.is_empty() {
                text.push(if text.ends_with('§') { NO_BREAK } else { ' ' });
            }
            let (bare, sign) = match word.strip_suffix(',') {
                Some(bare) => (bare, ","),
                None => (*word, ""),
            };
            let next = words.peek().map_or("", |next| next.trim_end_matches(','));
            if let Ok(date) = bare.parse::<NaiveDate>() {
                text.push_str(&self.short_date(date));
                text.push_str(sign);
            } else if let (Ok(days), "d") = (word.parse::<i64>(), next) {
                text.push_str(&self.days(days));
                let comma = words.next().is_some_and(|unit| unit.ends_with(','));
                text.push_str(if comma { "," } else { "" });
            } else if next == "%" && word.starts_with(|sign: char| sign.is_ascii_digit()) {
                text.push_str(&word.replace('.', &self.separators().0.to_string()));
            } else {
                text.push_str(word);
            }
        }
        text
    }
}

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DUTCH_MONTHS: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn money(language: Language, minor: i64, currency: &str) -> String {
        let digits = crate::currency::minor_digits(currency).unwrap();
        language
            .money(minor, currency, digits)
            .replace(NO_BREAK, " ")
    }

    #[test]
    fn money_is_written_as_the_language_does() {
        let cases = [
            (123_456, "EUR", "€1,234.56", "1.234,56 €", "€ 1.234,56"),
            (5, "EUR", "€0.05", "0,05 €", "€ 0,05"),
            (-100_000, "EUR", "-€1,000.00", "-1.000,00 €", "€ -1.000,00"),
            (
                123_456,
                "CHF",
                "CHF 1,234.56",
                "1.234,56 CHF",
                "CHF 1.234,56",
            ),
            (
                1_234_567,
                "JPY",
                "JPY 1,234,567",
                "1.234.567 JPY",
                "JPY 1.234.567",
            ),
            (
                1_234_567,
                "KWD",
                "KWD 1,234.567",
                "1.234,567 KWD",
                "KWD 1.234,567",
            ),
        ];
        for (minor, currency, english, german, dutch) in cases {
            assert_eq!(money(Language::En, minor, currency), english);
            assert_eq!(money(Language::De, minor, currency), german);
            assert_eq!(money(Language::Nl, minor, currency), dutch);
        }
        let least = money(Language::De, i64::MIN, "EUR");
        assert_eq!(least, "-92.233.720.368.547.758,08 €");
    }

    #[test]
    fn dates_and_days_are_written_as_the_language_does() {
        let date = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        let both = |language: Language| (language.date(date), language.short_date(date));
        assert_eq!(
            both(Language::En),
            ("2 March 2026".into(), "2 Mar 2026".into())
        );
        assert_eq!(
            both(Language::De),
            ("02.03.2026".into(), "02.03.2026".into())
        );
        assert_eq!(
            both(Language::Nl),
            ("2 maart 2026".into(), "02-03-2026".into())
        );
        assert_eq!(Language::De.days(1), "1\u{a0}Tag");
        assert_eq!(Language::Nl.days(2), "2\u{a0}dagen");
        assert_eq!(Language::En.days(0), "0\u{a0}days");
        assert_eq!(Language::De.overdue(1, true), "1\u{a0}Tag");
        assert_eq!(Language::De.overdue(12, false), "bis zu 12\u{a0}Tagen");
        assert_eq!(Language::Nl.overdue(12, false), "tot 12\u{a0}dagen");
    }

    #[test]
    fn the_basis_of_the_law_packs_is_put_into_the_language_and_anything_else_is_left_alone() {
        let basis = "§ 288(2) BGB: 10.52 % p. a., 2026-07-01 – 2026-11-22, 145 d";
        let german = Language::De.basis(basis).replace(NO_BREAK, " ");
        assert_eq!(
            german,
            "§ 288(2) BGB: 10,52 % p. a., 01.07.2026 – 22.11.2026, 145 Tage"
        );
        let english = Language::En.basis(basis).replace(NO_BREAK, " ");
        assert!(english.ends_with("10.52 % p. a., 1 Jul 2026 – 22 Nov 2026, 145 days"));
        let other = "art. 6:96(4) BW";
        assert_eq!(Language::Nl.basis(other), other);
    }

    #[test]
    fn a_region_does_not_change_the_language_and_another_language_is_an_error() {
        assert_eq!(Language::parse("de-CH"), Ok(Language::De));
        assert_eq!(Language::parse("nl"), Ok(Language::Nl));
        for code in ["fr", "", "DE", "deu"] {
            let refused = RenderError::UnknownLanguage(code.to_owned());
            assert_eq!(Language::parse(code), Err(refused));
        }
    }
}

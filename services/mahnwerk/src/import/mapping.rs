//! What the columns of a table mean.

use std::collections::BTreeMap;

use mahnwerk_proto::registry::v1::{BillingMethod, DebtorKind};
use registry_core::{calendar::Calendar, code, currency::Currency};
use serde::Deserialize;

use crate::client::{Failure, Result};

/// A mapping, as read from TOML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    #[serde(default)]
    pub(crate) file: FileForm,
    pub(crate) creditor: CreditorForm,
    pub(crate) debtor: DebtorColumns,
    pub(crate) invoice: InvoiceColumns,
    /// Without it invoices stay open.
    pub(crate) settlement: Option<SettlementColumns>,
}

/// How the file is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileForm {
    pub(crate) delimiter: char,
    /// As `strftime`, for example `%d.%m.%Y`.
    pub(crate) date_format: String,
    pub(crate) decimal_separator: char,
    pub(crate) order: Order,
}

impl Default for FileForm {
    fn default() -> Self {
        Self {
            delimiter: ',',
            date_format: "%Y-%m-%d".to_owned(),
            decimal_separator: '.',
            order: Order::ByDate,
        }
    }
}

/// In what order rows are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Invoices and payments by their dates, as they happened.
    ByDate,
    /// As in the file, each invoice followed by its payment.
    ByRow,
}

/// The creditor to create with `--create`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditorForm {
    pub(crate) display_name: String,
    pub(crate) time_zone: String,
    pub(crate) calendar: String,
    pub(crate) reporting_currency: String,
}

/// Where the debtor is found. A debtor is created from the first of its rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DebtorColumns {
    /// Column of the customer number.
    pub(crate) id: String,
    /// Column of the name; the customer number stands in for a missing name.
    pub(crate) name: Option<String>,
    /// `ORGANISATION` or `PERSON`.
    pub(crate) kind: Source,
    /// ISO 639-1.
    pub(crate) language: Source,
    /// ISO 3166-1 alpha-2; what is something else is left unset and reported.
    pub(crate) country: Option<Source>,
    /// `PAPER`, `EMAIL_PDF` or `E_INVOICE`; what is something else is left unset and reported.
    pub(crate) billing_method: Option<Source>,
}

/// Where the invoice is found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvoiceColumns {
    /// Column of the invoice number.
    pub(crate) id: String,
    /// Column of the document date.
    pub(crate) document_date: String,
    /// Column of the due date; either this or `terms_days`.
    pub(crate) due_date: Option<String>,
    /// Days from document to due date.
    pub(crate) terms_days: Option<Source>,
    /// Column of the amount, in major units.
    pub(crate) amount: String,
    /// ISO 4217.
    pub(crate) currency: Source,
    /// Column of a free text.
    pub(crate) reference: Option<String>,
}

/// Where the settlement is found: one payment of the whole amount.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettlementColumns {
    /// Column of the date; an empty cell means that the invoice is open.
    pub(crate) date: String,
}

/// A value: the same for all rows, or from a column, where wanted by way of a table of values.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Source {
    /// The same for all rows.
    Constant(Constant),
    /// From a column.
    Column(Column),
}

/// The same for all rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constant {
    pub(crate) constant: String,
}

/// From a column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) column: String,
    /// From the cell to the value; cells that are not in it are taken as they are.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
}

impl Mapping {
    /// Reads a mapping and checks what can be checked without the table.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn from_toml(text: &str) -> Result<Self> {
        let mapping: Self = toml::from_str(text)
            .map_err(|error| Failure::Input(format!("the mapping is wrong: {error}")))?;
        let wrong = mapping.problems();
        if wrong.is_empty() {
            return Ok(mapping);
        }
        Err(Failure::Input(format!(
            "the mapping is wrong:\n  {}",
            wrong.join("\n  ")
        )))
    }

    fn problems(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.file.delimiter.is_ascii() {
            wrong.push("file.delimiter: must be one ASCII character".to_owned());
        }
        if self.invoice.due_date.is_some() == self.invoice.terms_days.is_some() {
            wrong.push("invoice: needs either due_date or terms_days".to_owned());
        }
        if Calendar::parse(&self.creditor.calendar).is_none() {
            wrong.push("creditor.calendar: must be WEEKDAYS, TARGET, DE, AT, NL or BE".to_owned());
        }
        if Currency::parse(&self.creditor.reporting_currency).is_none() {
            wrong.push("creditor.reporting_currency: must be an ISO 4217 code".to_owned());
        }
        check(&mut wrong, "debtor.kind", &self.debtor.kind, |it| {
            debtor_kind(it).is_some()
        });
        check(
            &mut wrong,
            "debtor.language",
            &self.debtor.language,
            code::is_language,
        );
        check(
            &mut wrong,
            "invoice.currency",
            &self.invoice.currency,
            |it| Currency::parse(it).is_some(),
        );
        if let Some(country) = &self.debtor.country {
            check(&mut wrong, "debtor.country", country, code::is_country);
        }
        if let Some(method) = &self.debtor.billing_method {
            check(&mut wrong, "debtor.billing_method", method, |it| {
                billing_method(it).is_some()
            });
        }
        if let Some(terms) = &self.invoice.terms_days {
            check(&mut wrong, "invoice.terms_days", terms, |it| {
                it.parse::<u16>().is_ok()
            });
        }
        wrong
    }

    /// All columns that the mapping names.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let sources = [
            Some(&self.debtor.kind),
            Some(&self.debtor.language),
            Some(&self.invoice.currency),
            self.debtor.country.as_ref(),
            self.debtor.billing_method.as_ref(),
            self.invoice.terms_days.as_ref(),
        ];
        let named = sources
            .into_iter()
            .flatten()
            .filter_map(|source| match source {
                Source::Constant(_) => None,
                Source::Column(column) => Some(column.column.as_str()),
            });
        let plain = [
            Some(&self.debtor.id),
            self.debtor.name.as_ref(),
            Some(&self.invoice.id),
            Some(&self.invoice.document_date),
            self.invoice.due_date.as_ref(),
            Some(&self.invoice.amount),
            self.invoice.reference.as_ref(),
            self.settlement.as_ref().map(|settlement| &settlement.date),
        ];
        named
            .chain(plain.into_iter().flatten().map(String::as_str))
            .collect()
    }
}

/// Checks the values that the mapping itself contains.
fn check(wrong: &mut Vec<String>, field: &str, source: &Source, is_right: impl Fn(&str) -> bool) {
    let values: Vec<&String> = match source {
        Source::Constant(constant) => vec![&constant.constant],
        Source::Column(column) => column.values.values().collect(),
    };
    let unknown = values.into_iter().filter(|value| !is_right(value));
    wrong.extend(unknown.map(|value| format!("{field}: `{value}` is not a known value")));
}

/// The kind of a debtor by its name.
pub(crate) fn debtor_kind(name: &str) -> Option<DebtorKind> {
    DebtorKind::from_str_name(&format!("DEBTOR_KIND_{name}"))
        .filter(|kind| *kind != DebtorKind::Unspecified)
}

/// The billing method by its name.
pub(crate) fn billing_method(name: &str) -> Option<BillingMethod> {
    BillingMethod::from_str_name(&format!("BILLING_METHOD_{name}"))
        .filter(|it| *it != BillingMethod::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../mappings/ibm.toml");

    #[test]
    fn the_mapping_that_ships_is_right() {
        let mapping = Mapping::from_toml(SHIPPED).unwrap();
        assert_eq!(mapping.file.order, Order::ByDate);
        assert!(mapping.columns().contains(&"SettledDate"));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let text = SHIPPED
            .replace("\"WEEKDAYS\"", "\"MOONDAYS\"")
            .replace("\"ORGANISATION\"", "\"COMPANY\"")
            .replace("due_date = \"DueDate\"\n", "");
        let error = Mapping::from_toml(&text).unwrap_err().to_string();
        for field in ["creditor.calendar", "debtor.kind", "invoice: needs either"] {
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = SHIPPED.replace("[invoice]", "[invoice]\ncolour = \"red\"");
        assert!(Mapping::from_toml(&text).is_err());
    }
}

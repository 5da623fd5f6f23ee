//! Types and values of the fields of a debtor.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// `true` or `false`.
    Bool,
    /// 64 bits with sign.
    Int,
    /// A code of a public list, for example a country.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
}

impl fmt::Display for FieldType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => formatter.write_str("bool"),
            Self::Int => formatter.write_str("int"),
            Self::Text => formatter.write_str("string"),
            Self::Choice(choices) => write!(formatter, "string: {}", choices.join(", ")),
        }
    }
}

/// The value of a field, borrowed from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// In the unit of the field.
    Int(i64),
    /// A code.
    Text(&'a str),
}

/// The value of a field, fit for storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// In the unit of the field.
    Int(i64),
    /// A code.
    Text(String),
}

impl From<FieldValue<'_>> for Value {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Bool(value) => Self::Bool(value),
            FieldValue::Int(value) => Self::Int(value),
            FieldValue::Text(value) => Self::Text(value.to_owned()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Int(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value}"),
        }
    }
}

/// A Rust type that a field may have: what the table knows of it.
pub(super) trait Typed {
    const TYPE: FieldType;
    const OPTIONAL: bool = false;

    fn value(&self) -> Option<FieldValue<'_>>;
}

impl Typed for bool {
    const TYPE: FieldType = FieldType::Bool;

    fn value(&self) -> Option<FieldValue<'_>> {
        Some(FieldValue::Bool(*self))
    }
}

impl Typed for i64 {
    const TYPE: FieldType = FieldType::Int;

    fn value(&self) -> Option<FieldValue<'_>> {
        Some(FieldValue::Int(*self))
    }
}

impl Typed for String {
    const TYPE: FieldType = FieldType::Text;

    fn value(&self) -> Option<FieldValue<'_>> {
        Some(FieldValue::Text(self))
    }
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: FieldType = T::TYPE;
    const OPTIONAL: bool = true;

    fn value(&self) -> Option<FieldValue<'_>> {
        self.as_ref().and_then(Typed::value)
    }
}

/// Absent fields are left out when facts are written.
pub(super) fn is_absent<T: Typed>(field: &T) -> bool {
    field.value().is_none()
}

/// Defines an enumeration whose variants have a stable name, in rules and in storage alike.
macro_rules! choices {
    ($($(#[$note:meta])* $name:ident { $($(#[$variant_note:meta])* $variant:ident = $text:literal,)+ })+) => {
        $(
            $(#[$note])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            pub enum $name {
                $($(#[$variant_note])* #[serde(rename = $text)] $variant,)+
            }

            impl $name {
                /// All variants, in order.
                pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

                /// The stable name.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self {
                        $(Self::$variant => $text,)+
                    }
                }
            }

            impl Typed for $name {
                const TYPE: FieldType = FieldType::Choice(&[$($text,)+]);

                fn value(&self) -> Option<FieldValue<'_>> {
                    Some(FieldValue::Text(self.name()))
                }
            }
        )+
    };
}

choices! {
    /// What a debtor is in law.
    DebtorKind {
        /// A company, association or public body.
        Organisation = "organisation",
        /// A natural person.
        Person = "person",
    }

    /// Whether there has been business already.
    Relationship {
        /// May owe something one day.
        Prospect = "prospect",
        /// Has been invoiced, or may be.
        Customer = "customer",
    }

    /// How invoices are delivered.
    BillingMethod {
        /// Printed and posted.
        Paper = "paper",
        /// PDF by e-mail.
        EmailPdf = "email_pdf",
        /// Structured electronic invoice (EN 16931).
        EInvoice = "e_invoice",
    }

    /// A way to reach a debtor.
    Channel {
        /// Letter.
        Post = "post",
        /// E-mail.
        Email = "email",
        /// Voice call.
        Phone = "phone",
        /// Text message.
        Sms = "sms",
        /// Fax.
        Fax = "fax",
        /// Chat or messenger.
        Chat = "chat",
        /// A customer portal.
        Portal = "portal",
    }

    /// Risk class, by the probability of default.
    RiskClass {
        /// Lowest risk.
        A = "A",
        /// Low risk.
        B = "B",
        /// Medium risk.
        C = "C",
        /// High risk.
        D = "D",
        /// Highest risk.
        E = "E",
        /// Not scored.
        X = "X",
    }

    /// Whom a scorecard scores.
    ScorecardKind {
        /// Organisations with a payment history.
        Organisation = "organisation",
        /// Natural persons with a payment history.
        Person = "person",
        /// Debtors without any settled or overdue item.
        Prospect = "prospect",
    }
}

//! Labels of the layout, by language.

use serde::Serialize;

use crate::format::Language;

/// Labels around the sentences of a letter.
#[derive(Debug, Serialize)]
pub(crate) struct Words {
    pub(crate) date: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) to: &'static str,
    pub(crate) number: &'static str,
    pub(crate) dated: &'static str,
    pub(crate) due: &'static str,
    pub(crate) overdue: &'static str,
    pub(crate) open: &'static str,
    pub(crate) claimed: &'static str,
    pub(crate) principal: &'static str,
    pub(crate) interest: &'static str,
    pub(crate) flat_sum: &'static str,
    pub(crate) earlier_fees: &'static str,
    pub(crate) fee: &'static str,
    pub(crate) total: &'static str,
    pub(crate) how_to_pay: &'static str,
    pub(crate) registered: &'static str,
}

impl Language {
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::En => &ENGLISH,
            Self::De => &GERMAN,
            Self::Nl => &DUTCH,
        }
    }
}

const ENGLISH: Words = Words {
    date: "Date",
    reference: "Reference",
    to: "To",
    number: "Invoice",
    dated: "Dated",
    due: "Due",
    overdue: "overdue",
    open: "Open",
    claimed: "Claimed here",
    principal: "Open amounts",
    interest: "Default interest",
    flat_sum: "Flat-rate compensation for recovery costs",
    earlier_fees: "Fees of earlier reminders",
    fee: "Reminder fee",
    total: "Total",
    how_to_pay: "How to pay",
    registered: "Enterprise number",
};

const GERMAN: Words = Words {
    date: "Datum",
    reference: "Unser Zeichen",
    to: "An",
    number: "Rechnung",
    dated: "Vom",
    due: "Fällig am",
    overdue: "überfällig",
    open: "Offen",
    claimed: "Hier gefordert",
    principal: "Offene Beträge",
    interest: "Verzugszinsen",
    flat_sum: "Pauschale für Beitreibungskosten",
    earlier_fees: "Gebühren früherer Mahnungen",
    fee: "Mahngebühr",
    total: "Summe",
    how_to_pay: "So können Sie bezahlen",
    registered: "Unternehmensnummer",
};

const DUTCH: Words = Words {
    date: "Datum",
    reference: "Ons kenmerk",
    to: "Aan",
    number: "Factuur",
    dated: "Datum",
    due: "Vervaldag",
    overdue: "te laat",
    open: "Open",
    claimed: "Hier gevorderd",
    principal: "Openstaande bedragen",
    interest: "Vertragingsrente",
    flat_sum: "Forfaitaire vergoeding voor invorderingskosten",
    earlier_fees: "Kosten van eerdere herinneringen",
    fee: "Herinneringskosten",
    total: "Totaal",
    how_to_pay: "Zo kunt u betalen",
    registered: "Ondernemingsnummer",
};

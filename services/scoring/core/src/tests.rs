//! The specification of scoring, as examples and properties.

mod arrangements;
mod decisions;
mod features;
mod fx;
mod properties;
mod scorecards;
mod texts;

use chrono::NaiveDate;

use crate::facts::{Arrangements, DebtorFacts, DebtorKind, ItemFacts, Settlement, SettlementKind};

/// 12 months end with this day: they began on 2024-07-01; 3 months on 2025-04-01; 24 months on 2023-07-02.
const TODAY: &str = "2025-06-30";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn debtor() -> DebtorFacts {
    DebtorFacts {
        kind: DebtorKind::Organisation,
        prospect: false,
        customer_since: None,
        insolvent_since: None,
        deceased_since: None,
        credit_hold: false,
        arrangements: Arrangements::default(),
    }
}

/// Known on its document date.
fn invoice(id: &str, amount: i64, document: &str, due: &str) -> ItemFacts {
    ItemFacts {
        item_id: id.to_owned(),
        currency: "EUR".to_owned(),
        amount,
        document_date: day(document),
        due_date: day(due),
        recorded_date: day(document),
        settlements: Vec::new(),
    }
}

impl ItemFacts {
    /// Known on its value date.
    fn settled(mut self, kind: SettlementKind, amount: i64, on: &str) -> Self {
        self.settlements.push(Settlement {
            amount,
            value_date: day(on),
            recorded_date: day(on),
            kind,
        });
        self
    }

    fn paid(self, amount: i64, on: &str) -> Self {
        self.settled(SettlementKind::Payment, amount, on)
    }
}

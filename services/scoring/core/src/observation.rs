//! One item as it looked on a date.

use chrono::NaiveDate;

use crate::facts::{ItemFacts, Settlement, SettlementKind};

/// Reused between items so that observing does not allocate per item.
pub(crate) type Scratch = Vec<(NaiveDate, i64)>;

/// An item as it looked on a date.
pub(crate) struct Observation {
    /// What remains to be settled, at least zero.
    pub open: i128,
    /// Amount less credit notes and cancellations.
    pub sold: i128,
    /// Set if the item was settled in full, with a payment among the settlements and without a write-off.
    pub paid: Option<Paid>,
    /// Value date of the latest write-off, if write-offs outweigh what was undone of them.
    pub written_off_on: Option<NaiveDate>,
}

/// How an item was paid.
pub(crate) struct Paid {
    /// Value date of the settlement that brought the open amount to zero for the last time.
    pub on: NaiveDate,
    /// Number of payments, less those undone.
    pub payments: i64,
}

/// Whether an item takes part as of a date: positive amount, document and recorded date reached.
pub(crate) fn is_known(item: &ItemFacts, as_of: NaiveDate) -> bool {
    item.amount > 0 && known_from(item) <= as_of
}

/// First date on which an item takes part.
pub(crate) fn known_from(item: &ItemFacts) -> NaiveDate {
    item.document_date.max(item.recorded_date)
}

/// First date on which a settlement takes part.
pub(crate) fn settlement_known_from(settlement: &Settlement) -> NaiveDate {
    settlement.value_date.max(settlement.recorded_date)
}

/// Looks at an item for which [`is_known`] holds.
pub(crate) fn observe(item: &ItemFacts, as_of: NaiveDate, scratch: &mut Scratch) -> Observation {
    scratch.clear();
    let mut settled = 0_i128;
    let mut unsold = 0_i128;
    let mut paid_amount = 0_i128;
    let mut payments = 0_i64;
    let mut written_off = 0_i128;
    let mut last_write_off = None;
    for settlement in &item.settlements {
        if settlement_known_from(settlement) > as_of || settlement.amount == 0 {
            continue;
        }
        let amount = i128::from(settlement.amount);
        settled += amount;
        if settlement.kind != SettlementKind::WriteOff {
            scratch.push((settlement.value_date, settlement.amount));
        }
        match settlement.kind {
            SettlementKind::Payment => {
                paid_amount += amount;
                payments += settlement.amount.signum();
            }
            SettlementKind::Discount => {}
            SettlementKind::CreditNote | SettlementKind::Cancellation => unsold += amount,
            SettlementKind::WriteOff => {
                written_off += amount;
                if settlement.amount > 0 {
                    last_write_off = last_write_off.max(Some(settlement.value_date));
                }
            }
        }
    }
    let total = i128::from(item.amount);
    let written_off_on = last_write_off.filter(|_| written_off > 0);
    let was_paid = settled >= total && paid_amount > 0 && written_off_on.is_none();
    Observation {
        open: (total - settled).max(0),
        sold: (total - unsold).max(0),
        paid: if was_paid {
            settled_on(total, scratch).map(|on| Paid { on, payments })
        } else {
            None
        },
        written_off_on,
    }
}

/// The last day on which the open amount went from above zero to zero (or below), days taken as a whole: what is
/// booked and undone with the same value date never happened. Write-offs are not among the settlements given: where
/// this is called they have been undone, and must not pass for a payment.
fn settled_on(total: i128, settlements: &mut Scratch) -> Option<NaiveDate> {
    if let [(value_date, _)] = settlements.as_slice() {
        return Some(*value_date);
    }
    settlements.sort_unstable_by_key(|(value_date, _)| *value_date);
    let mut open = total;
    let mut settled_on = None;
    for day in settlements.chunk_by(|left, right| left.0 == right.0) {
        let before = open;
        open -= day
            .iter()
            .map(|(_, amount)| i128::from(*amount))
            .sum::<i128>();
        if before > 0 && open <= 0 {
            settled_on = day.first().map(|(value_date, _)| *value_date);
        }
    }
    settled_on
}

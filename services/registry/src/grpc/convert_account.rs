//! Between messages and domain values: items, entries, allocations, balances.

use chrono::NaiveDate;
use mahnwerk_proto::{common::v1 as common, registry::v1 as proto};
use mahnwerk_runtime::validate::{Checker, from_date};
use registry_core::{
    account::{Allocation, Entry, EntryKind, ItemKey, ItemKind, NewCredit, NewInvoice, Posting},
    balance::Balance,
    currency::Currency,
    date,
    money::Money,
};

use crate::app::account::ItemView;

/// Allocations looked at: one more than are allowed.
const MAX_ALLOCATIONS: usize = 501;

/// The id of an item on the feed, for example `invoice/1001`.
#[must_use]
pub fn entity_id(key: &ItemKey) -> String {
    format!("{}/{}", key.kind.name(), key.id)
}

/// The message of an item.
#[must_use]
pub fn item_message(creditor_id: &str, view: &ItemView) -> proto::Item {
    let item = &view.item;
    let money = |minor| money_message(Money::new(item.currency, minor));
    proto::Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: item.debtor_id.clone(),
        kind: kind_message(item.key.kind).into(),
        item_id: item.key.id.clone(),
        amount: Some(money(item.amount)),
        open_amount: Some(money(item.open)),
        document_date: Some(from_date(item.document_date)),
        due_date: item.due_date.map(from_date),
        value_date: Some(from_date(item.value_date)),
        discount_date: item.discount_date.map(from_date),
        discount_bps: item.discount_bps,
        reference: item.reference.clone(),
        recorded_date: Some(from_date(item.recorded_date)),
        reversed: item.reversed,
        entries: view
            .entries
            .iter()
            .map(|entry| entry_message(entry, item.currency))
            .collect(),
        version: item.version,
    }
}

fn entry_message(entry: &Entry, currency: Currency) -> proto::Entry {
    let kind = match entry.kind {
        EntryKind::Allocation => proto::EntryKind::Allocation,
        EntryKind::Discount => proto::EntryKind::Discount,
        EntryKind::WriteOff => proto::EntryKind::WriteOff,
        EntryKind::Cancellation => proto::EntryKind::Cancellation,
    };
    let credit_kind = entry
        .credit
        .as_ref()
        .map_or(proto::ItemKind::Unspecified, |key| kind_message(key.kind));
    proto::Entry {
        entry_id: entry.entry_id.clone(),
        kind: kind.into(),
        amount: Some(money_message(Money::new(currency, entry.amount))),
        credit_kind: credit_kind.into(),
        credit_id: entry
            .credit
            .as_ref()
            .map(|key| key.id.clone())
            .unwrap_or_default(),
        value_date: Some(from_date(entry.value_date)),
        recorded_date: Some(from_date(entry.recorded_date)),
        reverses_entry_id: entry.reverses.clone().unwrap_or_default(),
    }
}

/// The message of a balance.
#[must_use]
pub fn balance_message(balance: &Balance) -> proto::Balance {
    let money = |minor| Some(money_message(Money::new(balance.currency, minor)));
    proto::Balance {
        receivable: money(balance.receivable),
        unallocated: money(balance.unallocated),
        not_due: money(balance.not_due),
        overdue_1_30: money(balance.overdue_1_30),
        overdue_31_60: money(balance.overdue_31_60),
        overdue_61_90: money(balance.overdue_61_90),
        overdue_over_90: money(balance.overdue_over_90),
        open_items: balance.open_items,
    }
}

pub(super) fn money_message(money: Money) -> common::Money {
    common::Money {
        currency_code: money.currency.code().to_owned(),
        minor_units: money.minor,
    }
}

fn kind_message(kind: ItemKind) -> proto::ItemKind {
    match kind {
        ItemKind::Invoice => proto::ItemKind::Invoice,
        ItemKind::CreditNote => proto::ItemKind::CreditNote,
        ItemKind::Payment => proto::ItemKind::Payment,
    }
}

/// The kind of an item that must be named.
pub fn kind(check: &mut Checker, field: &str, value: i32) -> Option<ItemKind> {
    optional_kind(check.enum_value::<proto::ItemKind>(field, value)?)
}

/// The kind of an item that may be unspecified.
fn optional_kind(value: proto::ItemKind) -> Option<ItemKind> {
    match value {
        proto::ItemKind::Unspecified => None,
        proto::ItemKind::Invoice => Some(ItemKind::Invoice),
        proto::ItemKind::CreditNote => Some(ItemKind::CreditNote),
        proto::ItemKind::Payment => Some(ItemKind::Payment),
    }
}

/// The kind by which a list is filtered; unspecified means all.
pub fn kind_filter(check: &mut Checker, field: &str, value: i32) -> Option<ItemKind> {
    if value == 0 {
        None
    } else {
        kind(check, field, value)
    }
}

/// Adds what the core finds wrong with the form of a posting.
pub fn check_posting(check: &mut Checker, posting: &Posting) {
    for violation in posting.validate() {
        check.refuse(violation.field, violation.description);
    }
}

/// An invoice to be posted; `None` only with violations.
pub fn invoice(check: &mut Checker, item: Option<&proto::Item>) -> Option<Posting> {
    let Some(item) = item else {
        check.refuse("invoice", "must be given");
        return None;
    };
    check_kind(check, "invoice.kind", item.kind, ItemKind::Invoice);
    let posting = Posting::Invoice(NewInvoice {
        debtor_id: item.debtor_id.clone(),
        item_id: item.item_id.clone(),
        amount: money(check, "invoice.amount", item.amount.as_ref())?,
        document_date: required_date(check, "invoice.document_date", item.document_date.as_ref()),
        due_date: required_date(check, "invoice.due_date", item.due_date.as_ref()),
        discount_date: optional_date(check, "invoice.discount_date", item.discount_date.as_ref()),
        discount_bps: item.discount_bps,
        reference: item.reference.clone(),
    });
    check_posting(check, &posting);
    Some(posting)
}

/// A payment to be posted; `None` only with violations.
pub fn payment(
    check: &mut Checker,
    item: Option<&proto::Item>,
    allocations: &[proto::Allocation],
) -> Option<Posting> {
    let Some(item) = item else {
        check.refuse("payment", "must be given");
        return None;
    };
    check_kind(check, "payment.kind", item.kind, ItemKind::Payment);
    let value_date = required_date(check, "payment.value_date", item.value_date.as_ref());
    let document_date = optional_date(check, "payment.document_date", item.document_date.as_ref());
    let posting = Posting::Payment(NewCredit {
        debtor_id: item.debtor_id.clone(),
        item_id: item.item_id.clone(),
        amount: money(check, "payment.amount", item.amount.as_ref())?,
        document_date: document_date.unwrap_or(value_date),
        value_date,
        reference: item.reference.clone(),
        allocations: self::allocations(check, allocations)?,
    });
    check_posting(check, &posting);
    Some(posting)
}

/// A credit note to be posted; `None` only with violations.
pub fn credit_note(
    check: &mut Checker,
    item: Option<&proto::Item>,
    allocations: &[proto::Allocation],
) -> Option<Posting> {
    let Some(item) = item else {
        check.refuse("credit_note", "must be given");
        return None;
    };
    check_kind(check, "credit_note.kind", item.kind, ItemKind::CreditNote);
    let document_date = required_date(
        check,
        "credit_note.document_date",
        item.document_date.as_ref(),
    );
    let posting = Posting::CreditNote(NewCredit {
        debtor_id: item.debtor_id.clone(),
        item_id: item.item_id.clone(),
        amount: money(check, "credit_note.amount", item.amount.as_ref())?,
        document_date,
        value_date: document_date,
        reference: item.reference.clone(),
        allocations: self::allocations(check, allocations)?,
    });
    check_posting(check, &posting);
    Some(posting)
}

/// An allocation of a credit to be posted; `None` only with violations. Without a valid kind, the rest is checked as if
/// it were a payment.
pub fn allocate(
    check: &mut Checker,
    kind: Option<ItemKind>,
    credit_id: String,
    allocations: Option<Vec<Allocation>>,
) -> Option<Posting> {
    let credit = ItemKey::new(kind.unwrap_or(ItemKind::Payment), credit_id);
    let posting = Posting::Allocate {
        credit,
        allocations: allocations?,
    };
    check_posting(check, &posting);
    Some(posting)
}

/// A reversal of an item to be posted; `None` only with violations.
pub fn reverse_item(
    check: &mut Checker,
    kind: Option<ItemKind>,
    item_id: String,
    value_date: Option<NaiveDate>,
) -> Option<Posting> {
    let key = ItemKey::new(kind.unwrap_or(ItemKind::Invoice), item_id);
    let posting = Posting::ReverseItem { key, value_date };
    check_posting(check, &posting);
    Some(posting)
}

/// Allocations, without what the core checks; `None` only with violations.
pub fn allocations(
    check: &mut Checker,
    allocations: &[proto::Allocation],
) -> Option<Vec<Allocation>> {
    let mut converted = Vec::with_capacity(allocations.len().min(MAX_ALLOCATIONS));
    for (index, allocation) in allocations.iter().take(MAX_ALLOCATIONS).enumerate() {
        let field = format!("allocations[{index}]");
        let amount = money(
            check,
            &format!("{field}.amount"),
            allocation.amount.as_ref(),
        )?;
        let discount = optional_money(
            check,
            &format!("{field}.discount"),
            allocation.discount.as_ref(),
        );
        converted.push(Allocation {
            invoice_id: allocation.invoice_id.clone(),
            amount,
            discount,
        });
    }
    Some(converted)
}

/// An amount that must be given. After a violation it is a stand-in, so that everything else can be checked too.
pub(super) fn money(
    check: &mut Checker,
    field: &str,
    money: Option<&common::Money>,
) -> Option<Money> {
    if money.is_none() {
        check.refuse(field, "must be given");
        return stand_in(1);
    }
    optional_money(check, field, money)
}

/// An amount that may be absent; the range is for the core to check.
pub fn optional_money(
    check: &mut Checker,
    field: &str,
    money: Option<&common::Money>,
) -> Option<Money> {
    let money = money?;
    let Some(currency) = Currency::parse(&money.currency_code) else {
        check.refuse(
            format!("{field}.currency_code"),
            "must be an ISO 4217 code with a minor unit, in upper case",
        );
        return stand_in(money.minor_units);
    };
    Some(Money::new(currency, money.minor_units))
}

fn stand_in(minor: i64) -> Option<Money> {
    Currency::parse("EUR").map(|currency| Money::new(currency, minor))
}

/// A date that must be given; a stand-in after a violation.
pub(super) fn required_date(
    check: &mut Checker,
    field: &str,
    value: Option<&common::Date>,
) -> NaiveDate {
    check.date(field, value).unwrap_or(date::MIN)
}

/// A date that may be absent. One that is wrong counts as given, so that what depends on it is judged rightly.
fn optional_date(
    check: &mut Checker,
    field: &str,
    value: Option<&common::Date>,
) -> Option<NaiveDate> {
    let date = check.optional_date(field, value);
    value.map(|_| date.unwrap_or(date::MIN))
}

fn check_kind(check: &mut Checker, field: &str, value: i32, expected: ItemKind) {
    if value != 0 && value != i32::from(kind_message(expected)) {
        check.refuse(field, format!("must be left out or be {}", expected.name()));
    }
}

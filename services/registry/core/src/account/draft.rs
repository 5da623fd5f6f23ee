//! One posting on a ledger, worked out apart from it so that a refusal leaves no trace.

use super::entry::{Entry, EntryKind};
use super::item::{Item, ItemKey, ItemKind};
use super::ledger::{Account, Ledger};
use super::posting::{Allocation, NewCredit, NewInvoice, Posting};
use crate::error::DomainError;
use crate::money::Money;
use crate::violation::Violations;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Most entries of an invoice: a reader gets all of them with it.
const MAX_INVOICE_ENTRIES: usize = 1_000;

/// Most entries of a payment or credit note: reversing it undoes all of them at once.
const MAX_CREDIT_ENTRIES: usize = 20_000;

/// What a posting would change.
pub(super) struct Outcome {
    pub(super) accounts: BTreeMap<ItemKey, Account>,
    /// New entries, still without ids.
    pub(super) entries: Vec<Entry>,
    /// Positions of entries that are undone now.
    pub(super) undone: Vec<usize>,
}

/// A posting being worked out.
pub(super) struct Draft<'ledger> {
    ledger: &'ledger Ledger,
    /// The business date, or the earlier date that a history import states.
    posting_date: NaiveDate,
    changed: Outcome,
}

/// An entry before its recorded date and number are known.
struct NewEntry {
    kind: EntryKind,
    amount: i64,
    debit: Option<ItemKey>,
    credit: Option<ItemKey>,
    value_date: NaiveDate,
    reverses: Option<String>,
}

impl<'ledger> Draft<'ledger> {
    pub(super) fn new(ledger: &'ledger Ledger, posting_date: NaiveDate) -> Self {
        let changed = Outcome {
            accounts: BTreeMap::new(),
            entries: Vec::new(),
            undone: Vec::new(),
        };
        Self {
            ledger,
            posting_date,
            changed,
        }
    }

    pub(super) fn finish(self) -> Outcome {
        self.changed
    }

    pub(super) fn apply(&mut self, posting: &Posting) -> Result<ItemKey, DomainError> {
        match posting {
            Posting::Invoice(invoice) => self.create_invoice(invoice),
            Posting::CreditNote(credit) => self.create_credit(ItemKind::CreditNote, credit),
            Posting::Payment(credit) => self.create_credit(ItemKind::Payment, credit),
            Posting::Allocate {
                credit,
                allocations,
            } => {
                self.allocate(credit, allocations)?;
                Ok(credit.clone())
            }
            Posting::ReverseItem { key, value_date } => self.reverse_item(key, *value_date),
            Posting::ReverseEntry {
                invoice_id,
                entry_id,
                value_date,
            } => self.reverse_entry(invoice_id, entry_id, *value_date),
            Posting::WriteOff { invoice_id, amount } => self.write_off(invoice_id, *amount),
        }
    }

    fn create_invoice(&mut self, invoice: &NewInvoice) -> Result<ItemKey, DomainError> {
        self.insert(Item {
            debtor_id: invoice.debtor_id.clone(),
            key: ItemKey::invoice(&invoice.item_id),
            currency: invoice.amount.currency,
            amount: invoice.amount.minor,
            open: invoice.amount.minor,
            document_date: invoice.document_date,
            due_date: Some(invoice.due_date),
            value_date: invoice.document_date,
            discount_date: invoice.discount_date,
            discount_bps: invoice.discount_bps,
            reference: invoice.reference.clone(),
            recorded_date: self.posting_date,
            reversed: false,
            version: 1,
        })
    }

    fn create_credit(
        &mut self,
        kind: ItemKind,
        credit: &NewCredit,
    ) -> Result<ItemKey, DomainError> {
        let value_date = if kind == ItemKind::Payment {
            credit.value_date
        } else {
            credit.document_date
        };
        let key = self.insert(Item {
            debtor_id: credit.debtor_id.clone(),
            key: ItemKey::new(kind, &credit.item_id),
            currency: credit.amount.currency,
            amount: credit.amount.minor,
            open: credit.amount.minor,
            document_date: credit.document_date,
            due_date: None,
            value_date,
            discount_date: None,
            discount_bps: 0,
            reference: credit.reference.clone(),
            recorded_date: self.posting_date,
            reversed: false,
            version: 1,
        })?;
        self.allocate(&key, &credit.allocations)?;
        Ok(key)
    }

    fn insert(&mut self, item: Item) -> Result<ItemKey, DomainError> {
        let key = item.key.clone();
        if self.ledger.account(&key).is_some() {
            return Err(DomainError::Exists {
                kind: key.kind.name(),
                id: key.id,
            });
        }
        let mut account = Account::new(item, true);
        account.touch("created");
        self.changed.accounts.insert(key.clone(), account);
        Ok(key)
    }

    fn allocate(
        &mut self,
        credit: &ItemKey,
        allocations: &[Allocation],
    ) -> Result<(), DomainError> {
        self.account(credit)?;
        for allocation in allocations {
            self.allocate_to_invoice(credit, allocation)?;
        }
        Ok(())
    }

    fn allocate_to_invoice(
        &mut self,
        credit: &ItemKey,
        allocation: &Allocation,
    ) -> Result<(), DomainError> {
        let invoice = ItemKey::invoice(&allocation.invoice_id);
        let paying = &self.account(credit)?.item;
        let (debtor_id, currency, paid_from) =
            (paying.debtor_id.clone(), paying.currency, paying.value_date);
        let owed = &self.account(&invoice)?.item;
        let earliest = paid_from.max(owed.value_date);
        let differs = |difference| {
            Err(DomainError::ItemsDoNotMatch {
                item: invoice.clone(),
                difference,
            })
        };
        if owed.debtor_id != debtor_id {
            return differs("debtor");
        }
        let currencies = [
            Some(owed.currency),
            Some(allocation.amount.currency),
            allocation.discount.map(|it| it.currency),
        ];
        if currencies
            .into_iter()
            .flatten()
            .any(|other| other != currency)
        {
            return differs("currency");
        }
        let amount = allocation.amount.minor;
        let discount = allocation.discount.map_or(0, |discount| discount.minor);
        let value_date = self
            .available_from(&invoice, amount + discount, earliest)?
            .max(self.available_from(credit, amount, earliest)?);
        let settling = [
            (EntryKind::Allocation, amount),
            (EntryKind::Discount, discount),
        ];
        for (kind, amount) in settling.into_iter().filter(|(_, amount)| *amount > 0) {
            self.check_limit(&invoice)?;
            self.check_limit(credit)?;
            let (debit, credit) = (Some(invoice.clone()), Some(credit.clone()));
            self.add(NewEntry {
                kind,
                amount,
                debit,
                credit,
                value_date,
                reverses: None,
            })?;
        }
        let action = if self.account(&invoice)?.item.open == 0 {
            "settled"
        } else {
            "allocated"
        };
        self.account(&invoice)?.touch(action);
        self.account(credit)?.touch("allocated");
        Ok(())
    }

    fn write_off(
        &mut self,
        invoice_id: &str,
        amount: Option<Money>,
    ) -> Result<ItemKey, DomainError> {
        let key = ItemKey::invoice(invoice_id);
        let posting_date = self.posting_date;
        let item = &self.account(&key)?.item;
        if amount.is_some_and(|amount| amount.currency != item.currency) {
            return Err(DomainError::ItemsDoNotMatch {
                item: key,
                difference: "currency",
            });
        }
        // Nothing open: at least one minor unit would have been needed.
        let wanted = amount.map_or(item.open.max(1), |amount| amount.minor);
        let earliest = posting_date.max(item.value_date);
        let value_date = self.available_from(&key, wanted, earliest)?;
        self.check_limit(&key)?;
        self.add(NewEntry {
            kind: EntryKind::WriteOff,
            amount: wanted,
            debit: Some(key.clone()),
            credit: None,
            value_date,
            reverses: None,
        })?;
        self.account(&key)?.touch("written_off");
        Ok(key)
    }

    fn reverse_entry(
        &mut self,
        invoice_id: &str,
        entry_id: &str,
        value_date: Option<NaiveDate>,
    ) -> Result<ItemKey, DomainError> {
        let key = ItemKey::invoice(invoice_id);
        self.account(&key)?;
        let found = self.ledger.position_of(entry_id).and_then(|position| {
            let posted = self.ledger.posted(position)?;
            (posted.entry.debit.as_ref() == Some(&key)).then_some((position, posted))
        });
        let Some((position, posted)) = found else {
            return Err(DomainError::NotFound {
                kind: "entry",
                id: entry_id.to_owned(),
            });
        };
        if !posted.entry.settles() {
            return Err(invalid(
                "entry_id",
                "must be an allocation, discount or write-off",
            ));
        }
        if posted.undone {
            return Err(DomainError::AlreadyReversed {
                kind: "entry",
                id: entry_id.to_owned(),
            });
        }
        let from = self.reversal_date(value_date, posted.entry.value_date)?;
        self.undo(position, from)?;
        Ok(key)
    }

    fn reverse_item(
        &mut self,
        key: &ItemKey,
        value_date: Option<NaiveDate>,
    ) -> Result<ItemKey, DomainError> {
        let account = self.account(key)?;
        if account.item.reversed {
            return Err(DomainError::AlreadyReversed {
                kind: key.kind.name(),
                id: key.id.clone(),
            });
        }
        let own_date = account.item.value_date;
        let amount = account.item.amount;
        let (standing, positions) = (account.standing, account.entries.clone());
        if key.kind == ItemKind::Invoice && standing > 0 {
            return Err(DomainError::HasAllocations { item: key.clone() });
        }
        let from = self.reversal_date(value_date, own_date)?;
        for position in positions {
            if self
                .ledger
                .posted(position)
                .is_some_and(|posted| posted.entry.settles() && !posted.undone)
            {
                self.undo(position, from)?;
            }
        }
        // Where the money was once allocated, up to a later day, it cannot vanish before that day.
        let value_date = self.available_from(key, amount, from)?;
        let own = Some(key.clone());
        let (debit, credit) = if key.kind == ItemKind::Invoice {
            (own, None)
        } else {
            (None, own)
        };
        self.add(NewEntry {
            kind: EntryKind::Cancellation,
            amount,
            debit,
            credit,
            value_date,
            reverses: None,
        })?;
        let account = self.account(key)?;
        account.item.reversed = true;
        account.touch("reversed");
        Ok(key.clone())
    }

    /// Undoes a standing entry from a date, or from its own value date if that is later.
    fn undo(&mut self, position: usize, from: NaiveDate) -> Result<(), DomainError> {
        let Some(posted) = self.ledger.posted(position) else {
            return Ok(());
        };
        let undone = &posted.entry;
        self.add(NewEntry {
            kind: undone.kind,
            amount: -undone.amount,
            debit: undone.debit.clone(),
            credit: undone.credit.clone(),
            value_date: undone.value_date.max(from),
            reverses: Some(undone.entry_id.clone()),
        })?;
        for key in undone.items() {
            let account = self.account(key)?;
            account.standing = account.standing.saturating_sub(1);
            if undone.uses(key) != 0 {
                account.touch("reopened");
            }
        }
        self.changed.undone.push(position);
        Ok(())
    }

    /// Adds an entry to the items it names: numbered after, and recorded not before, all that they have.
    fn add(&mut self, new: NewEntry) -> Result<(), DomainError> {
        let keys: Vec<ItemKey> = new.debit.iter().chain(&new.credit).cloned().collect();
        let (mut recorded_date, mut number, mut debtor_id) = (self.posting_date, 0, String::new());
        for key in &keys {
            let account = self.account(key)?;
            recorded_date = recorded_date.max(account.last_recorded);
            number = number.max(account.last_number);
            debtor_id.clone_from(&account.item.debtor_id);
        }
        let entry = Entry {
            entry_id: String::new(),
            debtor_id,
            kind: new.kind,
            amount: new.amount,
            debit: new.debit,
            credit: new.credit,
            value_date: new.value_date,
            recorded_date,
            reverses: new.reverses,
            number: number + 1,
        };
        let position = self.ledger.entry_count() + self.changed.entries.len();
        for key in &keys {
            let account = self.account(key)?;
            account.attach(position, &entry);
            account.item.open -= entry.uses(key);
            account.standing += usize::from(entry.settles());
        }
        self.changed.entries.push(entry);
        Ok(())
    }

    /// The date from which so much of an item can be used up.
    fn available_from(
        &mut self,
        key: &ItemKey,
        amount: i64,
        earliest: NaiveDate,
    ) -> Result<NaiveDate, DomainError> {
        let account = self.account(key)?;
        account
            .first_date_with(amount, earliest)
            .ok_or_else(|| DomainError::ExceedsOpenAmount {
                item: key.clone(),
                open: account.item.open,
                wanted: amount,
            })
    }

    /// Refuses one more settling entry unless there stays room to undo all of them and to cancel the item.
    fn check_limit(&mut self, key: &ItemKey) -> Result<(), DomainError> {
        let (limit, what) = match key.kind {
            ItemKind::Invoice => (MAX_INVOICE_ENTRIES, "entries of an invoice"),
            ItemKind::CreditNote | ItemKind::Payment => {
                (MAX_CREDIT_ENTRIES, "entries of a payment or credit note")
            }
        };
        let account = self.account(key)?;
        let one_and_its_undoing = 2;
        let cancellation = 1;
        if account.entries.len() + account.standing + one_and_its_undoing + cancellation > limit {
            return Err(DomainError::LimitReached {
                limit: i64::try_from(limit).unwrap_or(i64::MAX),
                what,
            });
        }
        Ok(())
    }

    fn reversal_date(
        &self,
        stated: Option<NaiveDate>,
        own: NaiveDate,
    ) -> Result<NaiveDate, DomainError> {
        match stated {
            Some(date) if date < own => Err(invalid(
                "value_date",
                "must not be before that of what is reversed",
            )),
            Some(date) => Ok(date),
            None => Ok(self.posting_date.max(own)),
        }
    }

    fn account(&mut self, key: &ItemKey) -> Result<&mut Account, DomainError> {
        if !self.changed.accounts.contains_key(key) {
            let account = self
                .ledger
                .account(key)
                .ok_or_else(|| DomainError::NotFound {
                    kind: key.kind.name(),
                    id: key.id.clone(),
                })?;
            self.changed.accounts.insert(key.clone(), account.clone());
        }
        self.changed
            .accounts
            .get_mut(key)
            .ok_or_else(|| DomainError::NotFound {
                kind: key.kind.name(),
                id: key.id.clone(),
            })
    }
}

fn invalid(field: &str, description: &str) -> DomainError {
    let mut violations = Violations::new();
    violations.add(field, description);
    DomainError::Invalid(violations.into_vec())
}

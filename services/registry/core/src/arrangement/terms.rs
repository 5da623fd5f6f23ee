//! Promises and plans as requested, and making them.

use super::agreed::{Arrangement, ArrangementKind, ArrangementState, CoveredInvoice, Instalment};
use super::require_open;
use crate::account::{Item, ItemKey};
use crate::calendar::Calendar;
use crate::currency::Currency;
use crate::date;
use crate::error::DomainError;
use crate::money::Money;
use crate::violation::{Violation, Violations};
use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Most invoices of one arrangement.
const MAX_INVOICES: usize = 100;
/// Most instalments of a plan.
const MAX_INSTALMENTS: usize = 60;
/// How far ahead a promise may be, in days.
const PROMISE_DAYS: Days = Days::new(365);
/// How far ahead an instalment may be.
const PLAN_MONTHS: Months = Months::new(120);
/// Most days of tolerance.
const MAX_TOLERANCE: i32 = 30;

/// One part of a plan, as requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedInstalment {
    /// The last day to pay it.
    pub due_date: NaiveDate,
    /// 1 to 10^15 minor units.
    pub amount: Money,
}

/// How much, and by when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terms {
    /// A promise.
    Promise {
        /// 1 to 10^15 minor units; `None` means all that is open on the invoices.
        amount: Option<Money>,
        /// From the business date on, at most 365 days ahead.
        promised_date: NaiveDate,
    },
    /// A plan: 1 to 60 instalments by rising due date from the business date on, at most ten years ahead, together what
    /// is open on the invoices.
    Plan(Vec<PlannedInstalment>),
}

/// A promise or plan to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewArrangement {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The caller's key.
    pub id: String,
    /// 1 to 100 different invoices.
    pub invoice_ids: Vec<String>,
    /// How much, and by when.
    pub terms: Terms,
    /// Calendar days that an instalment may be late, 0 to 30.
    pub tolerance_days: i32,
}

impl NewArrangement {
    /// What is to be made.
    #[must_use]
    pub fn kind(&self) -> ArrangementKind {
        match self.terms {
            Terms::Promise { .. } => ArrangementKind::Promise,
            Terms::Plan(_) => ArrangementKind::Plan,
        }
    }

    /// Everything that is wrong with the form, without knowledge of the business date or any invoice.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        let (message, id, tolerance) = match self.kind() {
            ArrangementKind::Promise => ("promise", "promise_id", "tolerance_days"),
            ArrangementKind::Plan => ("instalment_plan", "plan_id", "grace_days"),
        };
        violations.key(&format!("{message}.creditor_id"), &self.creditor_id);
        violations.key(&format!("{message}.debtor_id"), &self.debtor_id);
        violations.key(&format!("{message}.{id}"), &self.id);
        self.check_invoice_ids(&format!("{message}.invoice_ids"), &mut violations);
        match &self.terms {
            Terms::Promise {
                amount,
                promised_date,
            } => {
                if let Some(amount) = amount {
                    violations.amount("promise.amount", amount, 1);
                }
                violations.date("promise.promised_date", *promised_date);
            }
            Terms::Plan(instalments) => check_instalments(instalments, &mut violations),
        }
        violations.require(
            (0..=MAX_TOLERANCE).contains(&self.tolerance_days),
            &format!("{message}.{tolerance}"),
            "must be 0 to 30",
        );
        violations.into_vec()
    }

    fn check_invoice_ids(&self, field: &str, violations: &mut Violations) {
        if !(1..=MAX_INVOICES).contains(&self.invoice_ids.len()) {
            violations.add(field, "must be 1 to 100");
            return;
        }
        let mut seen = HashSet::new();
        for (index, invoice_id) in self.invoice_ids.iter().enumerate() {
            let field = format!("{field}[{index}]");
            violations.key(&field, invoice_id);
            violations.require(
                seen.insert(invoice_id),
                &field,
                "must name each invoice once",
            );
        }
    }

    /// Makes it on a business date. `items` are those of its invoices that exist.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] for dates that are over or too far ahead, and for instalments that are less than what is
    /// open; [`DomainError::NotFound`] for an invoice; [`DomainError::ItemsDoNotMatch`] for another debtor or currency;
    /// [`DomainError::WrongState`] if nothing is open on an invoice; [`DomainError::ExceedsOpenAmount`], which names the
    /// last invoice and what would fall to it.
    pub fn agree(
        self,
        calendar: Calendar,
        business_date: NaiveDate,
        items: &[Item],
    ) -> Result<Arrangement, DomainError> {
        self.check_dates(business_date).into_result()?;
        let found: HashMap<&str, &Item> = items
            .iter()
            .map(|item| (item.key.id.as_str(), item))
            .collect();
        let kind = self.kind();
        let mut currency = self.currency();
        let mut invoices = Vec::with_capacity(self.invoice_ids.len());
        for invoice_id in &self.invoice_ids {
            let item = found.get(invoice_id.as_str()).copied();
            let item = item.ok_or_else(|| DomainError::NotFound {
                kind: "invoice",
                id: invoice_id.clone(),
            })?;
            require_match(
                item,
                &self.debtor_id,
                *currency.get_or_insert(item.currency),
            )?;
            require_open(item)?;
            invoices.push(CoveredInvoice {
                invoice_id: invoice_id.clone(),
                open_then: item.open,
                covered: 0,
            });
        }
        let open = invoices.iter().map(|each| each.open_then).sum();
        let instalments = self.instalments(calendar, open);
        let wanted: i64 = instalments.iter().map(|each| each.amount).sum();
        check_amount(kind, &invoices, open, wanted)?;
        // Without invoices there is no currency, and the form says so.
        let currency = currency.ok_or_else(|| DomainError::Invalid(self.validate()))?;
        let mut agreed = Arrangement {
            creditor_id: self.creditor_id,
            debtor_id: self.debtor_id,
            kind,
            id: self.id,
            currency,
            invoices,
            instalments,
            tolerance_days: self.tolerance_days,
            state: ArrangementState::Open,
            paid: 0,
            created_date: business_date,
            closed_date: None,
            version: 1,
        };
        agreed.fill(|invoice_id| found.get(invoice_id).map_or(0, |item| item.open));
        Ok(agreed)
    }

    /// The currency it states, if any.
    fn currency(&self) -> Option<Currency> {
        match &self.terms {
            Terms::Promise { amount, .. } => amount.map(|amount| amount.currency),
            Terms::Plan(instalments) => instalments.first().map(|first| first.amount.currency),
        }
    }

    fn check_dates(&self, business_date: NaiveDate) -> Violations {
        let mut violations = Violations::new();
        match &self.terms {
            Terms::Promise { promised_date, .. } => {
                let latest = business_date.checked_add_days(PROMISE_DAYS);
                violations.require(
                    *promised_date >= business_date
                        && latest.is_none_or(|latest| *promised_date <= latest),
                    "promise.promised_date",
                    "must be from the business date on, at most 365 days ahead",
                );
            }
            Terms::Plan(instalments) => {
                let latest = business_date.checked_add_months(PLAN_MONTHS);
                for (index, instalment) in instalments.iter().enumerate() {
                    let due_date = instalment.due_date;
                    violations.require(
                        due_date >= business_date && latest.is_none_or(|latest| due_date <= latest),
                        &format!("instalment_plan.instalments[{index}].due_date"),
                        "must be from the business date on, at most ten years ahead",
                    );
                }
            }
        }
        violations
    }

    /// With their last days; `open` is what a promise without amount is about.
    fn instalments(&self, calendar: Calendar, open: i64) -> Vec<Instalment> {
        let instalment = |due_date, amount| Instalment {
            due_date,
            amount,
            last_day: last_day(calendar, due_date, self.tolerance_days),
        };
        match &self.terms {
            Terms::Promise {
                amount,
                promised_date,
            } => vec![instalment(
                *promised_date,
                amount.map_or(open, |amount| amount.minor),
            )],
            Terms::Plan(instalments) => instalments
                .iter()
                .map(|each| instalment(each.due_date, each.amount.minor))
                .collect(),
        }
    }
}

fn check_instalments(instalments: &[PlannedInstalment], violations: &mut Violations) {
    let field = "instalment_plan.instalments";
    if !(1..=MAX_INSTALMENTS).contains(&instalments.len()) {
        violations.add(field, "must be 1 to 60");
        return;
    }
    let mut before: Option<&PlannedInstalment> = None;
    for (index, instalment) in instalments.iter().enumerate() {
        let field = format!("{field}[{index}]");
        violations.date(&format!("{field}.due_date"), instalment.due_date);
        violations.amount(&format!("{field}.amount"), &instalment.amount, 1);
        if let Some(before) = before {
            violations.require(
                before.due_date < instalment.due_date,
                &format!("{field}.due_date"),
                "must be after that of the instalment before",
            );
            violations.require(
                before.amount.currency == instalment.amount.currency,
                &format!("{field}.amount.currency_code"),
                "must be the currency of the instalment before",
            );
        }
        before = Some(instalment);
    }
}

fn require_match(item: &Item, debtor_id: &str, currency: Currency) -> Result<(), DomainError> {
    let difference = if item.debtor_id != debtor_id {
        "debtor"
    } else if item.currency != currency {
        "currency"
    } else {
        return Ok(());
    };
    Err(DomainError::ItemsDoNotMatch {
        item: item.key.clone(),
        difference,
    })
}

fn check_amount(
    kind: ArrangementKind,
    invoices: &[CoveredInvoice],
    open: i64,
    wanted: i64,
) -> Result<(), DomainError> {
    if let Some(last) = invoices.last().filter(|_| wanted > open) {
        return Err(DomainError::ExceedsOpenAmount {
            item: ItemKey::invoice(&last.invoice_id),
            open: last.open_then,
            wanted: last.open_then + wanted - open,
        });
    }
    let mut violations = Violations::new();
    violations.require(
        kind == ArrangementKind::Promise || wanted == open,
        "instalment_plan.instalments",
        "must together be what is open on the invoices",
    );
    Ok(violations.into_result()?)
}

/// The due date and the tolerance, moved on to a business day.
fn last_day(calendar: Calendar, due_date: NaiveDate, tolerance_days: i32) -> NaiveDate {
    let tolerance = Days::new(u64::from(tolerance_days.unsigned_abs()));
    let day = due_date
        .checked_add_days(tolerance)
        .unwrap_or(date::MAX)
        .min(date::MAX);
    if calendar.is_business_day(day) {
        day
    } else {
        calendar.next_business_day_after(day).min(date::MAX)
    }
}

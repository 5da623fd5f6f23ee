//! The facts of a notice.

use chrono::NaiveDate;
use dunning_core::plan::LineKind;
use dunning_core::procedure::{Statutory, Tone};

use crate::currency::minor_digits;
use crate::format::Language;
use crate::render::RenderError;
use crate::template::HANDOVER;

/// Most items of a letter.
pub const MAX_ITEMS: usize = 1_000;
/// Most lines of a letter: interest has one per item and half-year.
pub const MAX_LINES: usize = 10_000;

/// The facts of one notice. White space and control characters within a field count as one blank, in the fields of
/// several lines within a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What it is written in.
    pub language: Language,
    /// Key of the template, one of [`template_keys`](crate::template_keys).
    pub template: String,
    /// How it is worded.
    pub tone: Tone,
    /// Who signs and whom to ask, one to a line: name, telephone, e-mail address.
    pub sender: String,
    /// How to pay, one to a line: account holder, IBAN, reference.
    pub payment_details: String,
    /// Name of the creditor.
    pub creditor_name: String,
    /// Its enterprise or register number, which Belgian law wants in a first reminder to a consumer; shown if there is
    /// one.
    pub creditor_number: Option<String>,
    /// Name of the debtor.
    pub debtor_name: String,
    /// Whether the debtor is a natural person, who is addressed by name.
    pub debtor_is_person: bool,
    /// Whether every item was on a notice before. Only then the letter says that there was one.
    pub reminded: bool,
    /// What the debtor quotes in an answer.
    pub notice_id: String,
    /// Its date.
    pub notice_date: NaiveDate,
    /// Last day to pay. A handover does not print it.
    pub pay_by: NaiveDate,
    /// ISO 4217 code of every amount.
    pub currency: String,
    /// What is dunned, 1 to [`MAX_ITEMS`], in the order of the letter.
    pub items: Vec<LetterItem>,
    /// What is claimed, line by line, at most [`MAX_LINES`], in the order of the letter.
    pub lines: Vec<LetterLine>,
    /// Sum of the lines, minor units.
    pub total_minor: i64,
    /// The statute that demands this very notice, which then says what the statute wants said.
    pub statute: Option<Statutory>,
    /// What will be due on top if the period passes, minor units. The Dutch letter must name it: art. 6:96(6) of the
    /// Civil Code. The Belgian one names it if the contract grants it.
    pub costs_after_period_minor: Option<i64>,
}

/// An open item on a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterItem {
    /// The number by which the debtor knows it.
    pub item_id: String,
    /// Date of the document.
    pub document_date: NaiveDate,
    /// When it was due.
    pub due_date: NaiveDate,
    /// Days past due, 0 or more.
    pub days_overdue: i64,
    /// Open amount, minor units, 0 or more.
    pub open_minor: i64,
    /// What of it is claimed: less than what is open if part of it is disputed, promised or set off.
    pub dunned_minor: i64,
}

/// One amount with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterLine {
    /// What it is.
    pub kind: LineKind,
    /// The number of the item it belongs to; `None` for the fee of the notice.
    pub item_id: Option<String>,
    /// Minor units, above 0.
    pub minor: i64,
    /// Statute, in the words of the law pack; printed for interest and the flat sum of the law.
    pub basis: String,
}

impl Letter {
    /// Checks what the type does not say; answers the decimal digits of the currency and the sum of the principal lines.
    pub(crate) fn check(&self) -> Result<Checked, RenderError> {
        let digits = minor_digits(&self.currency)
            .ok_or_else(|| RenderError::UnknownCurrency(self.currency.clone()))?;
        for (what, count, limit) in [
            ("items", self.items.len(), MAX_ITEMS),
            ("lines", self.lines.len(), MAX_LINES),
        ] {
            if count == 0 || count > limit {
                return Err(RenderError::Count { what, count, limit });
            }
        }
        if self
            .items
            .iter()
            .any(|it| it.dunned_minor < 0 || it.open_minor < it.dunned_minor)
        {
            return Err(RenderError::Amounts(
                "an item claims more than is open, or below zero",
            ));
        }
        if self.lines.iter().any(|line| line.minor <= 0) {
            return Err(RenderError::Amounts("a line is not above zero"));
        }
        let dunned = sum(self.items.iter().map(|it| it.dunned_minor));
        let principal = |line: &&LetterLine| line.kind == LineKind::Principal;
        let claimed = sum(self.lines.iter().filter(principal).map(|line| line.minor));
        if dunned != claimed {
            return Err(RenderError::Amounts("items and principal lines differ"));
        }
        if sum(self.lines.iter().map(|line| line.minor)) != i128::from(self.total_minor) {
            return Err(RenderError::Amounts("total is not the sum of the lines"));
        }
        self.check_statute()?;
        Ok(Checked {
            digits,
            principal_minor: i64::try_from(claimed).unwrap_or(i64::MAX),
        })
    }

    fn check_statute(&self) -> Result<(), RenderError> {
        let Some(statute) = self.statute else {
            return Ok(());
        };
        if self.template == HANDOVER {
            return Err(RenderError::StatutoryHandover);
        }
        let costs = |line: &LetterLine| {
            matches!(
                line.kind,
                LineKind::FlatSum | LineKind::EarlierFees | LineKind::Fee
            )
        };
        if self.lines.iter().any(costs) {
            return Err(RenderError::Amounts(
                "a notice that the law wants free has costs",
            ));
        }
        match (statute, self.costs_after_period_minor) {
            (_, Some(..=0)) => Err(RenderError::Amounts(
                "costs after the period are not above zero",
            )),
            (Statutory::NlFourteenDayLetter, None) => Err(RenderError::Missing {
                statute,
                field: "costs_after_period_minor",
            }),
            _ => Ok(()),
        }
    }
}

/// What the checks have found out.
pub(crate) struct Checked {
    pub(crate) digits: u32,
    /// At most the total, which fits.
    pub(crate) principal_minor: i64,
}

fn sum(minor: impl Iterator<Item = i64>) -> i128 {
    minor.map(i128::from).sum()
}

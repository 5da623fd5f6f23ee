//! What an evaluation decides: notices, tasks, and for every open item why or why not.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::input::{Channel, ProcedureRef};
use crate::is_default;
use crate::procedure::{FeePosting, FollowUp, Tone};

/// The decision on one debtor on one business date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The day for which it was made.
    pub business_date: NaiveDate,
    /// By which procedure.
    pub procedure: ProcedureRef,
    /// Whether the ledger was stale and the creditor wants a mark instead of silence.
    pub stale_ledger: bool,
    /// By key.
    pub notices: Vec<Notice>,
    /// What a person must do before anything can be sent; at most one of each kind.
    pub tasks: Vec<Task>,
    /// One per item of the input, by item.
    pub findings: Vec<Finding>,
    /// The first business day on which time alone may change the decision; `None` if only new facts can.
    pub next_evaluation: Option<NaiveDate>,
}

/// One communication to the debtor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Unique within the plan: `EUR`, `EUR.L2` (per level, and what a statute demands), `EUR.I.R-1` (per item).
    pub key: String,
    /// ISO 4217 code of every amount.
    pub currency: String,
    /// The step that words it: that of the leading item.
    pub level: u8,
    /// The item with the highest level, the longest overdue among equals.
    pub leading_item: String,
    /// By due date, then key.
    pub items: Vec<NoticeItem>,
    /// What is claimed, line by line.
    pub lines: Vec<AmountLine>,
    /// Sum of the lines.
    pub total: i64,
    /// The part of the fee lines that no earlier notice has shown: what is charged to the account, or kept as memo.
    pub fee_increment: i64,
    /// Where the increment goes.
    pub fee_posting: FeePosting,
    /// How it goes out.
    pub channel: ChannelChoice,
    /// How it is worded.
    pub tone: Tone,
    /// Key of the template.
    pub template: String,
    /// Last day to pay: a business day.
    pub pay_by: NaiveDate,
    /// Whether a statute demands this very notice of this debtor.
    pub statutory: bool,
    /// What the debtor will owe on top if the period passes, minor units: where the statute wants that named, and not
    /// part of the lines. No waiver takes it out: the law says what must be named, not what is claimed later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub costs_after_period: Option<i64>,
    /// Whether a person must approve it.
    pub approval_needed: bool,
    /// What happens with it.
    pub follow_up: FollowUp,
    /// When: the notice's date, or for a call the first business day after the pay-by date.
    pub follow_up_on: NaiveDate,
    /// Of the reviewer, for the audit trail; empty without one. At most 500 characters.
    pub comment: String,
}

/// An item on a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeItem {
    /// The item.
    pub item_id: String,
    /// Its due date.
    pub due_date: NaiveDate,
    /// Effective days past due.
    pub age: i64,
    /// The dunning cycle that this notice belongs to.
    pub cycle: u32,
    /// Level sent before, in this cycle.
    pub sent: u8,
    /// Level that the evaluation proposed.
    pub proposed: u8,
    /// Level that this notice gives it, above `sent`.
    pub level: u8,
    /// Open amount and what was left out of it.
    pub amounts: Amounts,
}

/// What of an open amount may be dunned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Amounts {
    /// Open amount, minor units.
    #[serde(skip_serializing_if = "is_default")]
    pub open: i64,
    /// Set off.
    #[serde(skip_serializing_if = "is_default")]
    pub netted: i64,
    /// Disputed.
    #[serde(skip_serializing_if = "is_default")]
    pub disputed: i64,
    /// Covered by an instalment plan.
    #[serde(skip_serializing_if = "is_default")]
    pub planned: i64,
    /// Covered by an open promise.
    #[serde(skip_serializing_if = "is_default")]
    pub promised: i64,
    /// What is left: never below 0.
    #[serde(skip_serializing_if = "is_default")]
    pub dunned: i64,
}

/// One amount with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountLine {
    /// What it is.
    pub kind: LineKind,
    /// The item it belongs to; `None` for the fee of the notice.
    pub item_id: Option<String>,
    /// Minor units, above 0.
    pub minor: i64,
    /// Statute or contract: `open amount`, `procedure standard@1 step 2`, or in the words of the law pack.
    pub basis: String,
}

/// What an amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineKind {
    /// The claim itself.
    Principal,
    /// Default interest up to the notice's date.
    Interest,
    /// The flat sum of the law.
    FlatSum,
    /// Reminder fees of earlier notices.
    EarlierFees,
    /// The reminder fee of this notice.
    Fee,
}

/// How a notice goes out, and why so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelChoice {
    /// The channel.
    pub channel: Channel,
    /// The contact point.
    pub contact_point: String,
    /// Why this one.
    pub reason: ChannelReason,
    /// Channels of the step that came first and could not be used.
    pub skipped: Vec<SkippedChannel>,
}

/// Why a channel was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChannelReason {
    /// The debtor asked for it, and the step allows it.
    DebtorPreference,
    /// The step's first.
    FirstOfStep,
    /// The step's first that works.
    Fallback,
    /// A reviewer changed it.
    Reviewer,
}

/// A channel that could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedChannel {
    /// Which.
    pub channel: Channel,
    /// Why.
    pub reason: SkipReason,
}

/// Why a channel could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SkipReason {
    /// No contact point.
    NoContactPoint,
    /// The best one bounced.
    Bounced,
    /// Moved, new address unknown.
    MovedUnknown,
    /// A statutory notice must be in writing.
    NotInWriting,
}

impl SkipReason {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoContactPoint => "NO_CONTACT_POINT",
            Self::Bounced => "BOUNCED",
            Self::MovedUnknown => "MOVED_UNKNOWN",
            Self::NotInWriting => "NOT_IN_WRITING",
        }
    }
}

/// Something a person must do. Every evaluation that still needs it states it again; the service keeps one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What.
    pub kind: TaskKind,
    /// For which items, by key.
    pub items: Vec<String>,
    /// Their dunnable amount per currency, by currency, minor units.
    pub amounts: Vec<(String, i64)>,
}

/// What a person must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskKind {
    /// Find a contact point that works.
    ResearchContact,
    /// Decide how the items go on under the new procedure.
    DecideProcedureChange,
    /// Items are beyond the step of a statutory notice that was never sent: restart them, or take them out.
    StatutoryNoticeMissing,
    /// Interest or the flat sum cannot be computed: supply the rate, or waive it. Or a notice must name costs of
    /// collection that the law does not give for its items: dun them by hand.
    SupplyRate,
}

/// Why an item is dunned, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The item.
    pub item_id: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The reason: the first that holds, in the order of evaluation.
    pub reason: Reason,
    /// What decided.
    pub values: Deciding,
}

/// The values behind a reason, as far as they took part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deciding {
    /// Open amount, and what was left out of it.
    #[serde(skip_serializing_if = "is_default")]
    pub amounts: Amounts,
    /// Effective days past due.
    #[serde(skip_serializing_if = "is_default")]
    pub age: i64,
    /// Level sent before, in the cycle.
    #[serde(skip_serializing_if = "is_default")]
    pub sent: u8,
    /// Level in question.
    #[serde(skip_serializing_if = "is_default")]
    pub level: Option<u8>,
    /// Days needed.
    #[serde(skip_serializing_if = "is_default")]
    pub needed_days: Option<i64>,
    /// The least amount, minor units.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: Option<i64>,
    /// The amount that missed it, of all items tested together.
    #[serde(skip_serializing_if = "is_default")]
    pub tested: Option<i64>,
    /// The date that decided: since when, until when, or the pay-by date.
    #[serde(skip_serializing_if = "is_default")]
    pub date: Option<NaiveDate>,
    /// First date on which time alone may lift it; not moved to a business day.
    #[serde(skip_serializing_if = "is_default")]
    pub next: Option<NaiveDate>,
    /// What decided: key of the notice, pause, leading item or procedure; code of the error.
    #[serde(skip_serializing_if = "is_default")]
    pub reference: Option<String>,
}

/// Defines the reasons with a stable name each, used by `name`, `parse` and serde alike.
macro_rules! reasons {
    ($($(#[$note:meta])* $variant:ident = $text:literal,)+) => {
        /// Why an item is dunned, or why not. Names never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$note])* #[serde(rename = $text)] $variant,)+
        }

        impl Reason {
            /// All of them, in the order of evaluation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The reason of this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// Nothing was evaluated: the debtor's segment names the procedure `reference`, which does not exist.
    ProcedureUnknown = "PROCEDURE_UNKNOWN",
    /// Nothing was evaluated: the debtor's facts are beyond what evaluation takes, at the field `reference`.
    InputInvalid = "INPUT_INVALID",
    /// Nothing is open.
    Paid = "PAID",
    /// The debtor is in insolvency proceedings since `date`.
    Insolvent = "INSOLVENT",
    /// A person handles the debtor by hand until `date`.
    ManualMode = "MANUAL_MODE",
    /// Processing is restricted.
    Restricted = "RESTRICTED",
    /// The debtor has died.
    Deceased = "DECEASED",
    /// The ledger lags, or the last bank import is of `date`, longer ago than `needed_days`.
    StaleLedger = "STALE_LEDGER",
    /// Unallocated payments and credit notes cover it.
    Netted = "NETTED",
    /// Not past due by more than the grace days.
    NotDue = "NOT_DUE",
    /// All that is left is disputed.
    Disputed = "DISPUTED",
    /// All that is left is covered by an instalment plan.
    InPlan = "IN_PLAN",
    /// All that is left is covered by a promise.
    Promised = "PROMISED",
    /// A direct debit is under way.
    CollectionPending = "COLLECTION_PENDING",
    /// The pause `reference` lasts until `date`.
    Paused = "PAUSED",
    /// It left the ladder on `date`: handed over, sold or ended.
    LeftLadder = "LEFT_LADDER",
    /// The procedure changed from `reference`, and a person must decide: so it is set, or the level sent is beyond the
    /// new ladder.
    ProcedureChanged = "PROCEDURE_CHANGED",
    /// A notice that a statute demands was skipped before; a person must decide.
    StatutoryNoticeMissing = "STATUTORY_NOTICE_MISSING",
    /// The last step was sent.
    LadderFinished = "LADDER_FINISHED",
    /// The previous step is not done.
    PreviousStepOpen = "PREVIOUS_STEP_OPEN",
    /// The pay-by date `date` of the previous notice and the days after it are not over.
    WaitingPayBy = "WAITING_PAY_BY",
    /// Not old enough for the step.
    WaitingAge = "WAITING_AGE",
    /// The leading item `reference` decides, and is not due for a step, or is at a lower one.
    WaitsForLeading = "WAITS_FOR_LEADING",
    /// The amount is below the least for the step, and the next lower one was already sent.
    Minimum = "MINIMUM",
    /// The last contact, on `date`, is too recent.
    ContactBudget = "CONTACT_BUDGET",
    /// Interest, flat sum or costs of collection cannot be computed: `reference`.
    ChargesUnknown = "CHARGES_UNKNOWN",
    /// No channel of the step works.
    NoChannel = "NO_CHANNEL",
    /// A reviewer took it off the notice.
    ExcludedByReview = "EXCLUDED_BY_REVIEW",
    /// The step, or a later one, is on the notice `reference` already; or, since the proposal, it was sent or a new cycle
    /// began.
    AlreadySent = "ALREADY_SENT",
    /// Dunned: its first step.
    DunnedEntry = "DUNNED_ENTRY",
    /// Dunned: its first step, the one that fits its age.
    DunnedEntryByAge = "DUNNED_ENTRY_BY_AGE",
    /// Dunned: the next step.
    DunnedNext = "DUNNED_NEXT",
    /// Dunned: the step that fits its age, after the procedure changed.
    DunnedMapped = "DUNNED_MAPPED",
    /// Dunned: a lower step than it is due for, because of the least amount or of the leading item.
    DunnedLower = "DUNNED_LOWER",
    /// Dunned: a reviewer changed the level.
    DunnedReviewed = "DUNNED_REVIEWED",
}

impl Reason {
    /// Whether it is a why, not a why-not.
    #[must_use]
    pub fn is_dunned(self) -> bool {
        self >= Self::DunnedEntry
    }
}

impl Plan {
    /// The finding of an item.
    #[must_use]
    pub fn finding(&self, item_id: &str) -> Option<&Finding> {
        let index = self
            .findings
            .binary_search_by(|finding| finding.item_id.as_str().cmp(item_id));
        self.findings.get(index.ok()?)
    }

    /// The notice of a key.
    #[must_use]
    pub fn notice(&self, key: &str) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_parsed_back_and_the_last_ones_are_whys() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(*reason));
            let is_why = reason.name().starts_with("DUNNED");
            assert_eq!(reason.is_dunned(), is_why, "{}", reason.name());
        }
        assert_eq!(Reason::parse("paid"), None);
    }
}

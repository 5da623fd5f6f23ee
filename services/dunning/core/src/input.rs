//! What an evaluation sees of one debtor: frozen by the service, kept for replay.
//!
//! It holds no name, address or contact data, only the keys of contact points with channel and state. It is canonical
//! after [`Input::canonicalise`]: the same facts are the same bytes, in whatever order they were read.

mod validate;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::is_default;
use crate::pause::Pause;
use crate::procedure::FeePosting;

/// Everything that one evaluation of one debtor depends on, beside the procedure, the calendar and the law pack that
/// it names or that the run names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The day for which it is evaluated.
    pub business_date: NaiveDate,
    /// Key of the business calendar.
    pub calendar: String,
    /// The procedure of the debtor's segment.
    pub procedure: ProcedureRef,
    /// How current the ledger is.
    pub ledger: LedgerState,
    /// The debtor.
    pub debtor: DebtorFacts,
    /// Ways to reach it.
    pub contact_points: Vec<ContactPoint>,
    /// Every open item, each currency.
    pub items: Vec<Item>,
    /// Payments and credit notes, as far as they are not allocated.
    pub credits: Vec<Credit>,
    /// Every pause that covers the debtor, its creditor, its segment or one of its items, past ones included.
    pub pauses: Vec<Pause>,
    /// Contacts of the last 90 days, of whatever origin.
    pub recent_contacts: Vec<Contact>,
}

/// A revision of a procedure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcedureRef {
    /// Key.
    pub id: String,
    /// From 1.
    pub revision: u32,
}

/// How current the ledger is, and what the creditor wants where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerState {
    /// Whether the registry's feed lags behind the business date.
    pub feed_behind: bool,
    /// Day of the last bank import; `None` if there was none.
    pub last_bank_import: Option<NaiveDate>,
    /// Most days since then; `None` for no limit.
    pub max_age_days: Option<u16>,
    /// What to do with a stale ledger.
    pub when_stale: WhenStale,
}

/// What to do with a stale ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WhenStale {
    /// Propose nothing.
    Withhold,
    /// Propose, and mark the plan.
    Mark,
}

/// What a debtor is in law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DebtorKind {
    /// A company, association or public body.
    Organisation,
    /// A natural person; taken for a consumer.
    Person,
}

/// The debtor's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebtorFacts {
    /// What it is in law.
    pub kind: DebtorKind,
    /// ISO 3166-1 alpha-2 code; empty if unknown.
    pub country: String,
    /// ISO 639-1 code.
    pub language: String,
    /// Key of the treatment segment; empty if there is none.
    pub segment: String,
    /// Day of insolvency proceedings.
    pub insolvent_since: Option<NaiveDate>,
    /// Whether the person has died.
    pub deceased: bool,
    /// Whether processing is restricted (GDPR art. 18).
    pub restricted: bool,
    /// Last day on which a person handles the debtor by hand.
    pub manual_until: Option<NaiveDate>,
    /// The channel it asked for.
    pub preferred_channel: Option<Channel>,
    /// Whether the segment's policy waives fees and flat sums.
    pub waive_fees: bool,
    /// Whether it waives interest.
    pub waive_interest: bool,
}

/// A way to reach somebody. Ordered, for canonical inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Letter.
    Post,
    /// Registered letter, to a contact point of `Post`.
    Registered,
    /// E-mail.
    Email,
    /// A call: its notice is a task for a person.
    Phone,
    /// Text message.
    Sms,
    /// Fax.
    Fax,
    /// Chat or messenger.
    Chat,
    /// A customer portal.
    Portal,
}

impl Channel {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Registered => "registered",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Sms => "sms",
            Self::Fax => "fax",
            Self::Chat => "chat",
            Self::Portal => "portal",
        }
    }

    /// The channel of the contact points that serve this one.
    #[must_use]
    pub fn reached_by(self) -> Self {
        match self {
            Self::Registered => Self::Post,
            other => other,
        }
    }

    /// Whether it takes the time of the post.
    #[must_use]
    pub fn is_posted(self) -> bool {
        self.reached_by() == Self::Post
    }
}

/// Whether a contact point works. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContactState {
    /// Known to work.
    Verified,
    /// Nobody has tried yet.
    Unverified,
    /// The last message came back.
    Bounced,
    /// Moved, new address unknown.
    MovedUnknown,
}

/// A contact point, without what it contains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPoint {
    /// Its key.
    pub id: String,
    /// Its channel; never `Registered`.
    pub channel: Channel,
    /// Whether it works.
    pub state: ContactState,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// An invoice.
    Invoice,
    /// An instalment of a plan.
    Instalment,
    /// A fee or interest posted to the account: bears no interest and leads no notice to a fee.
    Charge,
}

/// An open item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its key, unique within the debtor.
    pub id: String,
    /// What it is.
    pub kind: ItemKind,
    /// ISO 4217 code.
    pub currency: String,
    /// Date of the document.
    pub document_date: NaiveDate,
    /// Last day to pay.
    pub due_date: NaiveDate,
    /// Open amount, minor units, 0 or more.
    pub open: i64,
    /// How much of it is disputed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disputed: i64,
    /// How much of it an open promise covers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub promised: i64,
    /// How much of it an unbroken instalment plan covers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub planned: i64,
    /// Whether a direct debit is under way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub collection_pending: bool,
    /// The open amount from each date on which it changed, rising; empty where no interest is ever claimed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Vec<PrincipalPoint>,
    /// How far it has been dunned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: DunningState,
    /// The latest of its steps beyond `state` that a notice holds already: one whose sending was never recorded here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taken: Option<TakenStep>,
}

/// A step of an item that a notice holds, so that no other can have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenStep {
    /// The cycle, from 1.
    pub cycle: u32,
    /// The level, from 1.
    pub level: u8,
    /// Key of the notice.
    pub notice: String,
}

/// An open amount from a date on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalPoint {
    /// Value date of the change.
    pub on: NaiveDate,
    /// Open amount after it, minor units, 0 or more.
    pub open: i64,
}

/// How far an item has been dunned: what sending recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DunningState {
    /// Key of the procedure of the last notice; empty before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub procedure: String,
    /// From 1; a restart or a broken plan begins the next. 0 before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub cycle: u32,
    /// Level of the last notice of the cycle; 0 before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub level: u8,
    /// Pay-by date printed on it. Outlives the cycle: nobody's time is shortened by a restart.
    #[serde(skip_serializing_if = "is_default")]
    pub pay_by: Option<NaiveDate>,
    /// Its business date.
    #[serde(skip_serializing_if = "is_default")]
    pub notice_on: Option<NaiveDate>,
    /// Whether its step is really done: sent, and its call made.
    #[serde(skip_serializing_if = "is_default")]
    pub done: bool,
    /// Whether the notice that a statute demands was sent, in whatever cycle.
    #[serde(skip_serializing_if = "is_default")]
    pub statutory_sent: bool,
    /// Reminder fees so far that this item led to, minor units, unless posted as receivables.
    #[serde(skip_serializing_if = "is_default")]
    pub fees: i64,
    /// Where the flat sum of the law was posted when it was claimed; `None` if it was not.
    #[serde(skip_serializing_if = "is_default")]
    pub flat_sum: Option<FeePosting>,
    /// Day on which it left the ladder: handed over, sold or ended.
    #[serde(skip_serializing_if = "is_default")]
    pub left_on: Option<NaiveDate>,
}

impl DunningState {
    /// The state at the start of a new cycle, after a restart or a broken plan.
    #[must_use]
    pub fn next_cycle(&self) -> Self {
        Self {
            procedure: String::new(),
            cycle: self.cycle.saturating_add(1),
            level: 0,
            ..self.clone()
        }
    }
}

/// An unallocated payment or credit note.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// Its key.
    pub id: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Not allocated yet, minor units, above 0.
    pub minor: i64,
    /// The item it names.
    pub item_id: Option<String>,
}

/// A contact that was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The day.
    pub on: NaiveDate,
    /// Over which channel.
    pub channel: Channel,
}

impl Input {
    /// Brings every list into its one order.
    pub fn canonicalise(&mut self) {
        self.contact_points.sort_unstable();
        self.items
            .sort_unstable_by(|left, right| left.id.cmp(&right.id));
        self.credits.sort_unstable();
        self.pauses.sort_unstable();
        self.recent_contacts.sort_unstable();
        self.recent_contacts.dedup();
    }
}

#[cfg(test)]
mod tests;

//! One outcome a day: the facts at the end of a business date decide where it leaves a debtor, whatever came before them.
//!
//! The facts of a day arrive in pieces, and where the pieces end is chance. So every decision of a business date is made
//! from the stay with which the date began ([`Record::at_opening`]), not from what an earlier decision of that date made
//! of it. A debtor that leaves its segment and comes back on one date has never left it, and the minimum stay of a
//! segment holds from the date after the one on which it was entered.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What a business date began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening<S> {
    /// The business date.
    pub date: NaiveDate,
    /// Where the debtor was; `None` if nowhere.
    pub stay: Option<S>,
    /// Whether a pin was lifted on this date: then no minimum stay holds the debtor on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pin_lifted: bool,
}

/// What is remembered of a debtor in a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<S> {
    /// Where it is.
    pub stay: S,
    /// What the latest business date began with on which it moved or a pin was lifted.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening<S>>,
}

impl<S: Clone> Record<S> {
    /// Where the debtor was when the latest business date began; `None` if nowhere.
    #[must_use]
    pub fn at_opening(&self, date: NaiveDate) -> Option<&S> {
        match self.opening_of(date) {
            Some(opening) => opening.stay.as_ref(),
            None => Some(&self.stay),
        }
    }

    /// Whether a pin was lifted on the latest business date.
    #[must_use]
    pub fn pin_lifted(&self, date: NaiveDate) -> bool {
        self.opening_of(date)
            .is_some_and(|opening| opening.pin_lifted)
    }

    /// What a decision of the latest business date makes of the record: `entered` is the stay that it begins; with `None`
    /// the debtor is where it was when the date began. `None` if it was nowhere and enters nothing.
    #[must_use]
    pub fn decided(
        before: Option<&Self>,
        date: NaiveDate,
        entered: Option<S>,
        pin_lifted: bool,
    ) -> Option<Self> {
        let opening = before.and_then(|before| before.at_opening(date));
        let has_opening = entered.is_some() || pin_lifted;
        Some(Self {
            opening: has_opening.then(|| Opening {
                date,
                stay: opening.cloned(),
                pin_lifted,
            }),
            stay: entered.or_else(|| opening.cloned())?,
        })
    }

    fn opening_of(&self, date: NaiveDate) -> Option<&Opening<S>> {
        self.opening.as_ref().filter(|opening| opening.date == date)
    }
}

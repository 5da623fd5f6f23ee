//! Findings in English, for people. Programs go by the reason.

use chrono::NaiveDate;

use crate::plan::{Finding, Reason};

impl Finding {
    /// One sentence that says why the item is dunned, or why not, with the values that decided. Amounts are in minor
    /// units.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.reason_in_words();
        let sooner = self.values.next.filter(|_| !self.reason.is_dunned());
        if let Some(next) = sooner {
            sentence.push_str(&format!("; time alone may change that from {next} on"));
        }
        sentence.push('.');
        sentence
    }

    fn reason_in_words(&self) -> String {
        match self.reason {
            Reason::ProcedureUnknown
            | Reason::ProcedureChanged
            | Reason::StatutoryNoticeMissing
            | Reason::LadderFinished
            | Reason::LeftLadder
            | Reason::PreviousStepOpen
            | Reason::AlreadySent => self.ladder_in_words(),
            Reason::WaitingPayBy
            | Reason::WaitingAge
            | Reason::WaitsForLeading
            | Reason::Minimum
            | Reason::ContactBudget
            | Reason::NotDue => self.waiting_in_words(),
            reason if reason.is_dunned() => self.notice_in_words(),
            _ => self.stop_in_words(),
        }
    }

    /// What stops the debtor or the item.
    fn stop_in_words(&self) -> String {
        let since = self.on("since an unknown date", |date| format!("since {date}"));
        let until = self.on("until somebody ends it", |date| format!("until {date}"));
        match self.reason {
            Reason::InputInvalid => format!(
                "Nothing was evaluated: the debtor's facts exceed a limit at {}",
                self.reference()
            ),
            Reason::Paid => "Nothing is open".to_owned(),
            Reason::Insolvent => format!("The debtor is in insolvency proceedings {since}"),
            Reason::ManualMode => format!("A person handles the debtor by hand {until}"),
            Reason::Restricted => "Processing of the debtor's data is restricted".to_owned(),
            Reason::Deceased => "The debtor has died".to_owned(),
            Reason::StaleLedger => self.stale_in_words(),
            Reason::Netted => "Payments and credit notes not yet allocated cover it".to_owned(),
            Reason::Disputed => "All that is left of it is disputed".to_owned(),
            Reason::InPlan => "An instalment plan covers all that is left of it".to_owned(),
            Reason::Promised => "A promise to pay covers all that is left of it".to_owned(),
            Reason::CollectionPending => "A direct debit is under way".to_owned(),
            Reason::Paused => format!("The pause {} holds it {until}", self.reference()),
            Reason::ChargesUnknown => format!(
                "Interest, flat sum or costs of collection cannot be computed: {}",
                self.reference()
            ),
            Reason::NoChannel => {
                format!(
                    "No channel of level {} works: {}",
                    self.level(),
                    self.reference()
                )
            }
            Reason::ExcludedByReview => "A reviewer took it off the notice".to_owned(),
            other => other.name().to_owned(),
        }
    }

    fn stale_in_words(&self) -> String {
        match (self.values.date, self.values.needed_days) {
            (Some(date), Some(days)) => {
                format!(
                    "The last bank import is of {date}, more than {} ago",
                    in_days(days)
                )
            }
            (None, Some(_)) => "There was no bank import yet".to_owned(),
            _ => "The ledger lags behind the business date".to_owned(),
        }
    }

    /// Where it stands on the ladder.
    fn ladder_in_words(&self) -> String {
        let on = self.on("before", |date| format!("on {date}"));
        match self.reason {
            Reason::ProcedureUnknown => format!(
                "Nothing was evaluated: the segment names the procedure {}, which does not exist",
                self.reference()
            ),
            Reason::ProcedureChanged => format!(
                "The procedure changed from {}, and a person must decide how it goes on",
                self.reference()
            ),
            Reason::StatutoryNoticeMissing => format!(
                "Level {} was sent, but never the notice of level {} that the law demands first; a person must decide",
                self.values.sent,
                self.level()
            ),
            Reason::LadderFinished => {
                format!("The last level, {}, was sent", self.values.sent)
            }
            Reason::LeftLadder => format!("It left the ladder {on}"),
            Reason::PreviousStepOpen => {
                format!(
                    "Level {}, of {}, is not done yet",
                    self.values.sent,
                    self.date()
                )
            }
            _ => match &self.values.reference {
                Some(notice) => format!("Level {} is on the notice {notice} already", self.level()),
                None => format!("Level {} was sent {on}", self.values.sent),
            },
        }
    }

    /// What it waits for.
    fn waiting_in_words(&self) -> String {
        let values = &self.values;
        let needed = in_days(values.needed_days.unwrap_or(0));
        match self.reason {
            Reason::NotDue => format!("It is due on {} and not past due by {needed}", self.date()),
            Reason::WaitingPayBy => format!(
                "Level {} asked for payment by {}, and what it allows after that ({needed}) is not over",
                values.sent,
                self.date()
            ),
            Reason::WaitingAge => format!(
                "Level {} needs {needed} past due, and it is {}",
                self.level(),
                in_days(values.age)
            ),
            Reason::WaitsForLeading => {
                format!(
                    "The longest overdue item, {}, decides when",
                    self.reference()
                )
            }
            Reason::ContactBudget => format!(
                "The last contact was on {}, less than {needed} ago",
                self.date()
            ),
            _ => format!(
                "Level {} needs at least {} minor units of {}, and there are {}",
                self.level(),
                values.limit.unwrap_or(0),
                self.currency,
                values.tested.unwrap_or(0)
            ),
        }
    }

    fn notice_in_words(&self) -> String {
        let why = match self.reason {
            Reason::DunnedEntry => "its first step",
            Reason::DunnedEntryByAge => "its first step, by its days past due",
            Reason::DunnedNext => "the next step",
            Reason::DunnedMapped => "the step that fits its age, since the procedure changed",
            Reason::DunnedLower => {
                "a lower step than it is due for, because of a least amount or of the leading item"
            }
            _ => "the step that a reviewer chose",
        };
        let pay_by = self.on("", |date| format!(", payable by {date}"));
        format!("It gets level {}{pay_by}: {why}", self.level())
    }

    fn on(&self, without: &str, with: impl Fn(NaiveDate) -> String) -> String {
        self.values.date.map_or_else(|| without.to_owned(), with)
    }

    fn date(&self) -> String {
        self.on("an unknown date", |date| date.to_string())
    }

    fn level(&self) -> u8 {
        self.values.level.unwrap_or(0)
    }

    fn reference(&self) -> &str {
        self.values.reference.as_deref().unwrap_or("?")
    }
}

fn in_days(days: i64) -> String {
    if days == 1 {
        "1 day".to_owned()
    } else {
        format!("{days} days")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Deciding;

    fn finding(reason: Reason) -> Finding {
        Finding {
            item_id: "R-1".to_owned(),
            currency: "EUR".to_owned(),
            reason,
            values: Deciding {
                age: 9,
                sent: 2,
                level: Some(3),
                needed_days: Some(1),
                limit: Some(500),
                tested: Some(420),
                date: "2026-03-02".parse().ok(),
                next: "2026-03-05".parse().ok(),
                reference: Some("decisive".to_owned()),
                ..Deciding::default()
            },
        }
    }

    #[test]
    fn every_reason_has_a_sentence_of_its_own_in_words() {
        let sentences: BTreeSet<String> = Reason::ALL
            .iter()
            .map(|reason| {
                let sentence = finding(*reason).sentence();
                assert!(!sentence.contains(reason.name()), "{sentence}");
                assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
                sentence
            })
            .collect();
        assert_eq!(sentences.len(), Reason::ALL.len());
    }

    #[test]
    fn a_sentence_names_what_decided() {
        assert_eq!(
            finding(Reason::WaitingPayBy).sentence(),
            "Level 2 asked for payment by 2026-03-02, and what it allows after that (1 day) is not over; time alone may change that \
             from 2026-03-05 on."
        );
        assert_eq!(
            finding(Reason::Minimum).sentence(),
            "Level 3 needs at least 500 minor units of EUR, and there are 420; time alone may change that from \
             2026-03-05 on."
        );
        assert_eq!(
            finding(Reason::DunnedNext).sentence(),
            "It gets level 3, payable by 2026-03-02: the next step."
        );
        let mut endless = finding(Reason::Paused);
        endless.values.date = None;
        endless.values.next = None;
        assert_eq!(
            endless.sentence(),
            "The pause decisive holds it until somebody ends it."
        );
    }
}

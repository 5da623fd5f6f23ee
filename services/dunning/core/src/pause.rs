//! Pauses: intervals in which nothing is sent, and in one kind of which days do not count.
//!
//! Overlaps are merged before anything is counted, so that no day is ever subtracted twice; a pause entered late
//! counts from its first day.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::plus_days;

/// What a pause does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PauseKind {
    /// Nothing is sent; days past due go on counting, so that after it the ladder goes on at once.
    Suppress,
    /// Nothing is sent, and its days count neither as days past due nor as time after a pay-by date.
    StopClock,
}

/// What a pause covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseScope {
    /// All debtors of the creditor.
    Creditor,
    /// All debtors of a segment, by its key.
    Segment(String),
    /// The debtor.
    Debtor,
    /// One item, by its key.
    Item(String),
}

/// An interval that somebody set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Its key.
    pub id: String,
    /// What it covers.
    pub scope: PauseScope,
    /// What it does.
    pub kind: PauseKind,
    /// First day; may lie before the day it was entered.
    pub from: NaiveDate,
    /// Last day, included; without one it lasts until somebody ends it.
    pub until: Option<NaiveDate>,
}

impl Pause {
    /// Whether it covers an item of a debtor in this segment.
    #[must_use]
    pub fn covers(&self, segment: &str, item_id: &str) -> bool {
        match &self.scope {
            PauseScope::Creditor | PauseScope::Debtor => true,
            PauseScope::Segment(paused) => paused == segment,
            PauseScope::Item(paused) => paused == item_id,
        }
    }

    fn last_day(&self) -> NaiveDate {
        self.until.unwrap_or(NaiveDate::MAX)
    }

    fn contains(&self, date: NaiveDate) -> bool {
        self.from <= date && date <= self.last_day()
    }
}

/// The pauses of one item, merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// Days that do not count: first and last, apart from each other, rising.
    stopped: Vec<(NaiveDate, NaiveDate)>,
    /// Days on which nothing is sent, likewise.
    silent: Vec<(NaiveDate, NaiveDate)>,
}

impl Clock {
    /// Merges pauses, given in any order.
    pub fn new<'a>(pauses: impl Iterator<Item = &'a Pause> + Clone) -> Self {
        let stopping = pauses.clone().filter(|it| it.kind == PauseKind::StopClock);
        Self {
            stopped: merge(stopping),
            silent: merge(pauses),
        }
    }

    /// The last day of the silence that the date lies in; `None` if it lies in none.
    #[must_use]
    pub fn silent_until(&self, date: NaiveDate) -> Option<NaiveDate> {
        self.silent
            .iter()
            .find(|(first, last)| *first <= date && date <= *last)
            .map(|(_, last)| *last)
    }

    /// Days after `from` up to and including `to` that count: 0 if `to` is not after `from`.
    #[must_use]
    pub fn days(&self, from: NaiveDate, to: NaiveDate) -> i64 {
        let all = (to - from).num_days().max(0);
        let not_counted: i64 = self
            .stopped
            .iter()
            .map(|(first, last)| {
                let first = (*first).max(plus_days(from, 1));
                let last = (*last).min(to);
                if first <= last {
                    (last - first).num_days() + 1
                } else {
                    0
                }
            })
            .sum();
        all - not_counted
    }

    /// The first date on which so many days after `from` have counted; `None` if a pause without end comes before.
    #[must_use]
    pub fn date_after(&self, from: NaiveDate, days: i64) -> Option<NaiveDate> {
        let mut date = plus_days(from, days);
        for (first, last) in &self.stopped {
            let first = (*first).max(plus_days(from, 1));
            if *last < first || date < first {
                continue;
            }
            if *last == NaiveDate::MAX {
                return None;
            }
            date = plus_days(date, (*last - first).num_days() + 1);
        }
        (date < NaiveDate::MAX).then_some(date)
    }
}

/// The pause to name as the reason on a date: the one that ends last, by key among equals.
pub fn deciding<'a>(pauses: impl Iterator<Item = &'a Pause>, date: NaiveDate) -> Option<&'a Pause> {
    pauses
        .filter(|pause| pause.contains(date))
        .max_by(|left, right| (left.last_day(), &right.id).cmp(&(right.last_day(), &left.id)))
}

fn merge<'a>(pauses: impl Iterator<Item = &'a Pause>) -> Vec<(NaiveDate, NaiveDate)> {
    let mut intervals: Vec<_> = pauses
        .map(|pause| (pause.from, pause.last_day()))
        .filter(|(first, last)| first <= last)
        .collect();
    intervals.sort_unstable();
    let mut merged: Vec<(NaiveDate, NaiveDate)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match merged.last_mut() {
            // Adjoining ones are one interval, so that the end of a silence is its true end.
            Some(open) if first <= plus_days(open.1, 1) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(number: i64) -> NaiveDate {
        plus_days(NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), number)
    }

    fn pause(kind: PauseKind, from: i64, until: Option<i64>) -> Pause {
        Pause {
            id: format!("p{from}"),
            scope: PauseScope::Debtor,
            kind,
            from: day(from),
            until: until.map(day),
        }
    }

    #[test]
    fn a_pause_that_contains_another_is_subtracted_once() {
        let pauses = [
            pause(PauseKind::StopClock, 5, Some(14)),
            pause(PauseKind::StopClock, 7, Some(9)),
            pause(PauseKind::StopClock, 12, Some(16)),
        ];
        assert_eq!(Clock::new(pauses.iter()).days(day(0), day(20)), 8);
    }

    #[test]
    fn suppressing_does_not_stop_the_clock() {
        let pauses = [pause(PauseKind::Suppress, 5, Some(14))];
        let clock = Clock::new(pauses.iter());
        assert_eq!(clock.days(day(0), day(20)), 20);
        assert_eq!(clock.silent_until(day(10)), Some(day(14)));
        assert_eq!(clock.silent_until(day(15)), None);
    }

    #[test]
    fn after_a_pause_without_end_there_is_no_date() {
        let pauses = [pause(PauseKind::StopClock, 5, None)];
        let clock = Clock::new(pauses.iter());
        assert_eq!(clock.date_after(day(0), 4), Some(day(4)));
        assert_eq!(clock.date_after(day(0), 5), None);
        assert_eq!(clock.days(day(0), day(100)), 4);
    }

    proptest! {
        #[test]
        fn days_are_counted_as_one_by_one_on_fingers(
            spans in prop::collection::vec((0_i64..60, 0_i64..20, any::<bool>()), 0..6),
            from in 0_i64..60,
            length in 0_i64..60,
            wanted in 1_i64..60,
        ) {
            let pauses: Vec<_> = spans
                .iter()
                .map(|(first, length, stops)| {
                    let kind = if *stops { PauseKind::StopClock } else { PauseKind::Suppress };
                    pause(kind, *first, Some(first + length))
                })
                .collect();
            let clock = Clock::new(pauses.iter());
            let counts = |number: i64| {
                !pauses.iter().any(|it| it.kind == PauseKind::StopClock && it.contains(day(number)))
            };
            let naive = |to: i64| (from + 1..=to).filter(|number| counts(*number)).count() as i64;
            prop_assert_eq!(clock.days(day(from), day(from + length)), naive(from + length));
            let reached = (from + 1..).find(|to| naive(*to) >= wanted).unwrap();
            prop_assert_eq!(clock.date_after(day(from), wanted), Some(day(reached)));
        }
    }
}

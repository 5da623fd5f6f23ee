//! Default interest, stretch by stretch.

use chrono::{Months, NaiveDate};

use super::claim::{Balance, Claim};
use super::convention::{Conventions, Rounding, day_after, day_before};
use super::error::LawError;
use super::exact::Exact;
use super::half_year::HalfYear;
use super::pack::{Compounding, InterestRule, Pack, Rate};

/// The longest stretch of days over which the amount that bears interest, the rate and the year basis stay the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'p> {
    /// First day that bears interest.
    pub from: NaiveDate,
    /// Last day that does.
    pub to: NaiveDate,
    /// Days as counted by the conventions.
    pub days: i64,
    /// Principal in minor units.
    pub principal_minor: i64,
    /// Interest of full years before that bears interest itself, in minor units; zero without compounding.
    pub capitalised_minor: i64,
    /// The yearly rate and what it rests on.
    pub rate: Rate<'p>,
    /// Days of the year: 360, 365 or 366.
    pub year_basis: i64,
    /// The interest: `(principal + capitalised) · rate · days / year basis`.
    pub exact: Exact,
    /// The interest in minor units, rounded so that the lines add up to the total.
    pub amount_minor: i64,
}

/// Default interest on a claim up to a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest<'p> {
    /// Ascending; none where nothing was open after the day of default.
    pub lines: Vec<Line<'p>>,
    /// Sum of the exact amounts of the lines.
    pub exact: Exact,
    /// Sum of the rounded amounts of the lines, in minor units.
    pub total_minor: i64,
    /// How days were counted and amounts rounded.
    pub conventions: Conventions,
}

/// Computes the interest up to and including `until`, if the conventions let the last day count.
pub(super) fn interest<'p>(
    pack: &'p Pack,
    claim: &Claim,
    until: NaiveDate,
    conventions: Conventions,
) -> Result<Interest<'p>, LawError> {
    let balances = claim.balances(until)?;
    let rule = pack.rule(claim.debtor, claim.arose_on)?;
    let first = if conventions.first_day_counts {
        claim.default_on
    } else {
        day_after(claim.default_on)
    };
    let last = if conventions.last_day_counts {
        until
    } else {
        day_before(until)
    };
    let mut periods = Periods::new(&balances, conventions.last_day_counts);
    let mut statement = Statement::new(pack, rule, claim.agreed_ppm, conventions);
    let mut years = 1;
    let mut from = first;
    while from <= last {
        let anniversary = rule.anniversary(first, years);
        if anniversary == Some(from) {
            statement.capitalise()?;
            years += 1;
            continue;
        }
        let (principal_minor, next_change) = periods.at(from);
        let half_year = HalfYear::of(from);
        let to = [next_change, anniversary]
            .into_iter()
            .flatten()
            .map(day_before)
            .fold(last.min(half_year.last_day()), NaiveDate::min);
        statement.add(from, to, principal_minor, half_year)?;
        from = day_after(to);
    }
    statement.finish()
}

impl InterestRule {
    /// The first day of a later year of default, counted from 1; `None` without compounding.
    fn anniversary(&self, first: NaiveDate, years: u32) -> Option<NaiveDate> {
        match self.compounding? {
            Compounding::Yearly => first.checked_add_months(Months::new(12 * years)),
        }
    }
}

/// Walks through the balances by the days that bear interest on them.
struct Periods<'b> {
    ahead: std::iter::Peekable<std::slice::Iter<'b, Balance>>,
    last_day_counts: bool,
    minor: i64,
}

impl<'b> Periods<'b> {
    fn new(balances: &'b [Balance], last_day_counts: bool) -> Self {
        let mut ahead = balances.iter().peekable();
        // What is left at the end of the day of default bears interest from the first day, whichever that is.
        let minor = ahead.next().map_or(0, |opening| opening.minor);
        Self {
            ahead,
            last_day_counts,
            minor,
        }
    }

    /// The principal on a day, not before the day of the last call; and the day of the next change.
    fn at(&mut self, day: NaiveDate) -> (i64, Option<NaiveDate>) {
        loop {
            let next_change = self.ahead.peek().map(|balance| {
                if self.last_day_counts {
                    day_after(balance.from)
                } else {
                    balance.from
                }
            });
            match (next_change, self.ahead.peek()) {
                (Some(change), Some(balance)) if change <= day => self.minor = balance.minor,
                _ => return (self.minor, next_change),
            }
            self.ahead.next();
        }
    }
}

/// The lines so far.
struct Statement<'p> {
    pack: &'p Pack,
    rule: &'p InterestRule,
    agreed_ppm: Option<i64>,
    conventions: Conventions,
    lines: Vec<Line<'p>>,
    /// How many lines are rounded already: those of full years that are capitalised.
    rounded_lines: usize,
    capitalised_minor: i64,
}

impl<'p> Statement<'p> {
    fn new(
        pack: &'p Pack,
        rule: &'p InterestRule,
        agreed_ppm: Option<i64>,
        conventions: Conventions,
    ) -> Self {
        Self {
            pack,
            rule,
            agreed_ppm,
            conventions,
            lines: Vec::new(),
            rounded_lines: 0,
            capitalised_minor: 0,
        }
    }

    /// Adds a stretch within one half-year.
    fn add(
        &mut self,
        from: NaiveDate,
        to: NaiveDate,
        principal_minor: i64,
        half_year: HalfYear,
    ) -> Result<(), LawError> {
        let bearing_minor = principal_minor
            .checked_add(self.capitalised_minor)
            .ok_or(LawError::Overflow)?;
        // Where nothing bears interest, no rate is needed: what was paid long ago never fails for a later half-year.
        if bearing_minor == 0 {
            return Ok(());
        }
        let rate = self.pack.rate(self.rule, self.agreed_ppm, half_year)?;
        let day_count = self.conventions.day_count;
        let days = day_count.days(from, to);
        let year_basis = day_count.year_basis(from);
        let exact =
            Exact::interest(bearing_minor, rate.ppm, days, year_basis).ok_or(LawError::Overflow)?;
        let line = Line {
            from,
            to,
            days,
            principal_minor,
            capitalised_minor: self.capitalised_minor,
            rate,
            year_basis,
            exact,
            amount_minor: 0,
        };
        match self
            .lines
            .get_mut(self.rounded_lines..)
            .and_then(<[_]>::last_mut)
        {
            Some(open) if open.continues_as(&line) => {
                open.to = to;
                open.days += days;
                open.exact = open.exact.plus(exact).ok_or(LawError::Overflow)?;
            }
            _ => self.lines.push(line),
        }
        Ok(())
    }

    /// Ends a year: its interest bears interest from now on.
    fn capitalise(&mut self) -> Result<(), LawError> {
        let year = self.round()?;
        self.capitalised_minor = self
            .capitalised_minor
            .checked_add(year)
            .ok_or(LawError::Overflow)?;
        Ok(())
    }

    /// Rounds the lines not rounded yet; returns their sum.
    fn round(&mut self) -> Result<i64, LawError> {
        let mut exact_sum = Exact::default();
        let mut sum = 0_i64;
        for line in self.lines.iter_mut().skip(self.rounded_lines) {
            exact_sum = exact_sum.plus(line.exact).ok_or(LawError::Overflow)?;
            let amount = match self.conventions.rounding {
                Rounding::Line => line.exact.half_up(),
                // What the rounded running total rises by: so the lines add up to the total, rounded once.
                Rounding::Total => exact_sum.half_up().map(|total| total - sum),
            };
            line.amount_minor = amount.ok_or(LawError::Overflow)?;
            sum = sum
                .checked_add(line.amount_minor)
                .ok_or(LawError::Overflow)?;
        }
        self.rounded_lines = self.lines.len();
        Ok(sum)
    }

    fn finish(mut self) -> Result<Interest<'p>, LawError> {
        let last = self.round()?;
        let total_minor = self
            .capitalised_minor
            .checked_add(last)
            .ok_or(LawError::Overflow)?;
        let exact = self
            .lines
            .iter()
            .try_fold(Exact::default(), |sum, line| sum.plus(line.exact))
            .ok_or(LawError::Overflow)?;
        Ok(Interest {
            lines: self.lines,
            exact,
            total_minor,
            conventions: self.conventions,
        })
    }
}

impl Line<'_> {
    /// Of the same year: what is capitalised changes only once the lines of a year are rounded and closed.
    fn continues_as(&self, next: &Self) -> bool {
        day_after(self.to) == next.from
            && self.principal_minor == next.principal_minor
            && self.rate == next.rate
            && self.year_basis == next.year_basis
    }
}

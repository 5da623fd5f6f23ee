//! What was seen of the suite.

use chrono::NaiveDate;
use mahnwerk_proto::common::v1::{ConsumedPartition, Position};
use serde::Serialize;

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(super) struct Seen {
    /// By which dates and rates are judged.
    pub(super) today: NaiveDate,
    /// The version of this program.
    pub(super) program: String,
    pub(super) services: Vec<ServiceSeen>,
    pub(super) feeds: Vec<FeedSeen>,
    pub(super) creditors: Vec<CreditorSeen>,
    /// Whether there are more creditors than were looked at.
    pub(super) more_creditors: bool,
    pub(super) rates: Vec<RateSeen>,
}

/// Whether a service takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    Serving,
    NotServing,
    #[default]
    Unreachable,
}

impl Health {
    /// For people.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::NotServing => "not serving",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A service.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ServiceSeen {
    pub(super) service: String,
    pub(super) url: String,
    pub(super) health: Health,
    /// Empty if it did not say.
    pub(super) version: String,
    /// By how much its clock is ahead of this machine's, and by how much that may be wrong.
    pub(super) clock_ms: Option<i64>,
    pub(super) clock_error_ms: i64,
    /// For how long the certificates of all its replicas are good; absent without TLS.
    pub(super) certificate_left_s: Option<i64>,
    pub(super) oldest_writer_ms: i64,
    /// Debtors and creditors with changes that cannot be applied.
    pub(super) parked: usize,
    /// Calls that failed, with their errors.
    pub(super) troubles: Vec<String>,
    /// Up to where its feed could be read at first.
    #[serde(skip)]
    pub(super) horizon: Option<Position>,
    #[serde(skip)]
    pub(super) consumed: Vec<ConsumedPartition>,
}

/// A feed that a service consumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct FeedSeen {
    pub(super) consumer: String,
    pub(super) feed: String,
    /// Partitions that the consumer knows.
    pub(super) partitions: usize,
    /// Those with a complete snapshot.
    pub(super) ready: usize,
    /// Those that nobody works on.
    pub(super) unowned: usize,
    /// Those of another history than the one that the feed has now.
    pub(super) other_history: usize,
    /// Facts of creditors that are still on their way to the debtors.
    pub(super) open_sweeps: i64,
    /// After how long everything was applied that was there at first; absent if it was not, or if that is not known.
    pub(super) lag_ms: Option<i64>,
    /// Whether it is known what was there.
    pub(super) upstream_known: bool,
}

/// A creditor.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct CreditorSeen {
    pub(super) creditor_id: String,
    /// Whether the registry opens its business days.
    pub(super) automatic: bool,
    pub(super) business_date: Option<NaiveDate>,
    pub(super) dispatch: Option<DispatchSeen>,
}

/// The sending of a creditor's notices.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct DispatchSeen {
    pub(super) enabled: bool,
    /// Why it was stopped, or why e-mails wait.
    pub(super) reason: String,
    pub(super) waiting_notices: i64,
    pub(super) uncertain_notices: i64,
    pub(super) waiting_commands: i64,
}

/// What a rate table says of the current half-year.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct RateSeen {
    pub(super) country: String,
    pub(super) table: String,
    pub(super) half_year: String,
    pub(super) published: bool,
    /// What is missing, if the rate is not confirmed; empty otherwise.
    pub(super) unconfirmed: String,
}

impl FeedSeen {
    /// A feed by the rows that its consumer tells of it, against the horizon of the feed itself.
    pub(super) fn of(
        consumer: &str,
        feed: &str,
        rows: &[ConsumedPartition],
        horizon: Option<&Position>,
    ) -> Self {
        let rows: Vec<_> = rows.iter().filter(|row| row.feed == feed).collect();
        let is_other = |row: &ConsumedPartition| match (&row.applied, horizon) {
            (Some(applied), Some(horizon)) => applied.incarnation != horizon.incarnation,
            _ => false,
        };
        Self {
            consumer: consumer.to_owned(),
            feed: feed.to_owned(),
            partitions: rows.len(),
            ready: rows.iter().filter(|row| row.ready).count(),
            unowned: rows.iter().filter(|row| row.owner.is_empty()).count(),
            other_history: rows.iter().filter(|row| is_other(row)).count(),
            open_sweeps: rows.iter().map(|row| i64::from(row.open_sweeps)).sum(),
            lag_ms: None,
            upstream_known: horizon.is_some(),
        }
    }

    /// Whether everything below `horizon` is applied, by the same rows.
    pub(super) fn contains(&self, rows: &[ConsumedPartition], horizon: &Position) -> bool {
        let mut own = rows.iter().filter(|row| row.feed == self.feed);
        let is_there = |applied: &Position| applied.tx >= horizon.tx;
        self.partitions > 0
            && self.ready == self.partitions
            && self.other_history == 0
            && self.open_sweeps == 0
            && own.all(|row| row.applied.as_ref().is_some_and(is_there))
    }
}

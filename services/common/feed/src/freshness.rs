//! "This read must contain that write", in whatever service the write was.

mod ways;

use std::{sync::Arc, time::Duration};

use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    db::{Sql, column, now_micros},
    error::{Error, Result, Violation},
    token::ConsistencyToken,
};
use tokio::{sync::watch, time::Instant};
use ways::{Way, Ways};

use crate::{
    Publisher,
    key::{PARTITIONS, partition},
};

/// A consumed feed, and the feeds that it is derived from itself.
pub type Feed = (&'static str, &'static [&'static str]);

/// Longest wait for a state to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the cursor is read again when another replica moves it.
const POLL: Duration = Duration::from_millis(20);

/// How old what a reader goes by may be.
const LATE: Duration = Duration::from_millis(10);

/// How long ago a feed was heard of at most for it to be where it was then: leases say so every second.
const HEARD_MICROS: i64 = 3_000_000;

/// Waits for the state that a consistency token names. Cheap to clone.
#[derive(Clone)]
pub struct Freshness {
    publisher: Publisher,
    feeds: Arc<[Feed]>,
    progress: watch::Receiver<u64>,
    ways: Arc<Ways>,
}

enum Scope {
    Debtor(i64),
    All,
}

enum Arrival {
    Here,
    NotYet,
    /// This partition is of another incarnation than the token.
    Elsewhere(i64),
}

impl Freshness {
    /// Waits on the feeds named; `progress` changes whenever a consumer of this process has committed.
    #[must_use]
    pub fn new(publisher: Publisher, feeds: &[Feed], progress: watch::Receiver<u64>) -> Self {
        Self {
            ways: Arc::new(Ways::new(publisher.clone())),
            publisher,
            feeds: feeds.into(),
            progress,
        }
    }

    /// For a service that consumes nothing.
    #[must_use]
    pub fn own(publisher: Publisher) -> Self {
        let (_, progress) = watch::channel(0);
        Self::new(publisher, &[], progress)
    }

    /// Waits until what is known of a debtor contains the write. An empty token waits for nothing.
    ///
    /// # Errors
    /// `Invalid` if the token is none, `NOT_YET` if it does not arrive in time, `TOKEN_EXPIRED` if it is known that it never
    /// will.
    pub async fn debtor(
        &self,
        at_least: &str,
        creditor_id: &str,
        debtor_id: &str,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let scope = Scope::Debtor(partition(creditor_id, debtor_id));
        self.wait(at_least, scope, deadline).await
    }

    /// Waits until what is known of everybody contains the write.
    ///
    /// # Errors
    /// Those of [`Freshness::debtor`].
    pub async fn all(&self, at_least: &str, deadline: Option<Instant>) -> Result<()> {
        self.wait(at_least, Scope::All, deadline).await
    }

    async fn wait(&self, at_least: &str, scope: Scope, deadline: Option<Instant>) -> Result<()> {
        if at_least.is_empty() {
            return Ok(());
        }
        let token = self.decode(at_least)?;
        if token.service == self.publisher.service() {
            // What is committed here can be read here.
            return if token.incarnation == self.publisher.incarnation_id() {
                Ok(())
            } else {
                Err(expired())
            };
        }
        let now = Instant::now();
        let patience = deadline.map_or(PATIENCE, |deadline| {
            (deadline.saturating_duration_since(now) * 4 / 5).min(PATIENCE)
        });
        let until = now + patience;
        let mut progress = self.progress.clone();
        loop {
            progress.borrow_and_update();
            // What is known a little late lets a reader wait a little longer, and spares a read for each of them.
            let now = Instant::now();
            let recently = now.checked_sub(LATE).unwrap_or(now);
            let arrival = self.arrival(&token, &scope, recently).await?;
            if matches!(arrival, Arrival::Here) {
                return Ok(());
            }
            if Instant::now() >= until {
                if self.is_gone(&token, &arrival).await? {
                    return Err(expired());
                }
                return Err(Error::Unavailable {
                    reason: ErrorReason::NotYet,
                    message: "the state asked for has not arrived yet".to_owned(),
                    retry_after: Duration::from_millis(100),
                });
            }
            let next = (Instant::now() + POLL).min(until);
            tokio::select! {
                changed = progress.changed() => if changed.is_err() {
                    tokio::time::sleep_until(next).await;
                },
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Whether the write had reached the partitions, at a time or later, by every way on which its consequences come here.
    async fn arrival(
        &self,
        token: &ConsistencyToken,
        scope: &Scope,
        at: Instant,
    ) -> Result<Arrival> {
        let ways = self.ways.from(&token.service, at).await?;
        let concerned = |way: &&Way| match scope {
            Scope::Debtor(part) => way.part == *part,
            Scope::All => true,
        };
        let parts = match scope {
            Scope::Debtor(_) => 1,
            Scope::All => PARTITIONS,
        };
        let mut arrived = 0;
        for way in ways.iter().filter(concerned) {
            if way.incarnation != token.incarnation {
                // One that is taking a snapshot may be on its way to the token's incarnation; so may a feed by which
                // the token's comes here as well.
                if way.live && way.direct {
                    return Ok(Arrival::Elsewhere(way.part));
                }
                continue;
            }
            if way.live && way.contained.is_some_and(|contained| token.tx < contained) {
                arrived += 1;
            }
        }
        Ok(if arrived == parts * self.ways_from(&token.service) {
            Arrival::Here
        } else {
            Arrival::NotYet
        })
    }

    /// Whether the token's incarnation is one of the past. Incarnations have no order: another one than ours may be the one
    /// we are about to learn of, as long as the feed cannot be reached. If it was heard of lately, it is not.
    async fn is_gone(&self, token: &ConsistencyToken, arrival: &Arrival) -> Result<bool> {
        let Arrival::Elsewhere(part) = arrival else {
            return Ok(false);
        };
        let db = self.publisher.db();
        let now = now_micros(db.backend());
        let heard = db
            .query_one(
                &format!(
                    "SELECT 1 AS one FROM feed_lease WHERE feed = $1 AND part = $2 AND current_at > {now} - $3"
                ),
                vec![
                    token.service.as_str().into(),
                    (*part).into(),
                    HEARD_MICROS.into(),
                ],
            )
            .await?;
        Ok(heard.is_some())
    }

    /// How many ways there are from a feed to here.
    fn ways_from(&self, origin: &str) -> i64 {
        let ways = self.feeds.iter().map(|(feed, origins)| {
            i64::from(*feed == origin) + i64::from(origins.contains(&origin))
        });
        ways.sum()
    }

    /// The latest state of a consumed feed that is known of everybody, as a token: once [`Freshness::has_all`] says so, its
    /// consequences have come by every path. `None` before the first snapshot.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn latest(&self, feed: &str) -> Result<Option<String>> {
        let row = self
            .publisher
            .db()
            .query_one(
                "SELECT min(incarnation) AS first, max(incarnation) AS last, min(tx) AS tx FROM feed_cursor \
                 WHERE feed = $1",
                vec![feed.into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let incarnation: Option<String> = column(&row, "first")?;
        let last: Option<String> = column(&row, "last")?;
        let tx: Option<i64> = column(&row, "tx")?;
        let (Some(incarnation), Some(tx)) = (incarnation, tx) else {
            return Ok(None);
        };
        if incarnation.is_empty() || last.as_ref() != Some(&incarnation) {
            return Ok(None);
        }
        let token = ConsistencyToken {
            service: feed.to_owned(),
            incarnation,
            tx: tx.saturating_sub(1),
        };
        Ok(Some(token.encode()))
    }

    /// Whether what is known of everybody contains the write that the token names, by every path. It does not wait.
    ///
    /// # Errors
    /// `Invalid` if the token is none, `TOKEN_EXPIRED` if it belongs to a state that is no longer there; those of the
    /// database.
    pub async fn has_all(&self, at_least: &str) -> Result<bool> {
        let token = self.decode(at_least)?;
        if token.service == self.publisher.service() {
            return Ok(true);
        }
        let arrival = self.arrival(&token, &Scope::All, Instant::now()).await?;
        if self.is_gone(&token, &arrival).await? {
            return Err(expired());
        }
        Ok(matches!(arrival, Arrival::Here))
    }

    fn decode(&self, at_least: &str) -> Result<ConsistencyToken> {
        ConsistencyToken::decode(at_least)
            .filter(|token| {
                token.service == self.publisher.service() || self.ways_from(&token.service) > 0
            })
            .ok_or_else(|| {
                Error::Invalid(vec![Violation::new(
                    "at_least",
                    "is not a consistency token of a service known here",
                )])
            })
    }

    /// Refuses if a change of the debtor could not be applied here.
    ///
    /// # Errors
    /// `DEBTOR_PARKED`.
    pub async fn not_parked(&self, creditor_id: &str, debtor_id: &str) -> Result<()> {
        let row = self
            .publisher
            .db()
            .query_one(
                "SELECT 1 AS one FROM feed_parked WHERE creditor_id = $1 AND (debtor_id = $2 OR debtor_id = '')",
                vec![creditor_id.into(), debtor_id.into()],
            )
            .await?;
        if row.is_some() {
            return Err(parked());
        }
        Ok(())
    }
}

/// The error of a read about a parked debtor.
#[must_use]
pub fn parked() -> Error {
    Error::precondition(
        ErrorReason::DebtorParked,
        "a change of this debtor could not be applied; an operator has been alerted",
    )
}

fn expired() -> Error {
    Error::precondition(
        ErrorReason::TokenExpired,
        "the consistency token belongs to a database that is no longer there; drop it",
    )
}

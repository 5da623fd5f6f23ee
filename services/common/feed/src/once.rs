//! Writes that are done once per request id, and answer the same again.

use std::ops::{Deref, DerefMut};

use mahnwerk_runtime::{
    context::Call,
    db::Sql,
    error::Result,
    idempotency::{self, RequestKey},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Cause, Locks, Publisher, WriteTx};

/// The answer of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written<R> {
    /// What the use case answers.
    pub response: R,
    /// The consistency token.
    pub consistency_token: String,
}

/// The beginning of a write with a request id.
pub enum Begun<R> {
    /// It was done before; this is what it answered.
    Replayed(Written<R>),
    /// It is new: do the work in the transaction, then [`OnceTx::finish`].
    Fresh(Box<OnceTx>),
}

impl Publisher {
    /// Begins a write that is done once per request id: the locks come first, so identical calls queue up and all but
    /// the first find the answer stored.
    ///
    /// # Errors
    /// `RequestIdReused` if the request id was used with another `command`; those of [`WriteTx::begin`].
    pub async fn begin_once<C: Serialize, R: DeserializeOwned>(
        &self,
        call: &Call,
        method: &'static str,
        creditor_id: &str,
        request_id: &str,
        command: &C,
        locks: Locks,
    ) -> Result<Begun<R>> {
        let key = RequestKey {
            principal: call.principal.clone(),
            creditor_id: creditor_id.to_owned(),
            method,
            request_id: request_id.to_owned(),
        };
        let digest = idempotency::digest(command)?;
        let cause = Cause {
            request_id: request_id.to_owned(),
            ..Cause::from(call)
        };
        let (tx, stored) = WriteTx::begin_asking(self, locks, cause, Some(&key)).await?;
        if let Some(written) = idempotency::read_stored(stored, &digest)? {
            return Ok(Begun::Replayed(written));
        }
        Ok(Begun::Fresh(Box::new(OnceTx { tx, key, digest })))
    }
}

/// A [`WriteTx`] that remembers its answer under a request id.
pub struct OnceTx {
    tx: WriteTx,
    key: RequestKey,
    digest: String,
}

impl OnceTx {
    /// Stores the answer and commits.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish<R: Serialize>(mut self, response: R) -> Result<Written<R>> {
        let written = Written {
            response,
            consistency_token: self.tx.token(),
        };
        let now = self.tx.recorded_at();
        let answer = idempotency::store_values(&self.key, &self.digest, &written, now)?;
        self.tx.write_events(Some(answer)).await?;
        self.tx.commit_written().await?;
        Ok(written)
    }

    /// Rolls back; the request id stays unused.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn rollback(self) -> Result<()> {
        self.tx.rollback().await
    }
}

impl Deref for OnceTx {
    type Target = WriteTx;

    fn deref(&self) -> &WriteTx {
        &self.tx
    }
}

impl DerefMut for OnceTx {
    fn deref_mut(&mut self) -> &mut WriteTx {
        &mut self.tx
    }
}

impl Sql for OnceTx {
    fn on(&self) -> &impl sea_orm::ConnectionTrait {
        self.tx.on()
    }
}

//! Replay: the stored inputs of a run are evaluated again, and only then held against what was proposed.

use std::{fmt::Write as _, sync::Arc};

use dunning_core::Input;
use mahnwerk_runtime::error::Result;
use sha2::{Digest, Sha256};

use super::{App, inputs::Configuration, not_found};
use crate::storage::run::{self, to_json};

/// Debtors replayed at once.
const PAGE: u64 = 256;

/// Differences told of one run.
const MAX_DIFFERENCES: usize = 100;

/// What differs for one debtor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The debtor.
    pub debtor_id: String,
    /// The proposed plan.
    pub stored: String,
    /// The plan now; empty if the input cannot be evaluated.
    pub replayed: String,
}

/// How far a replay is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Debtors replayed.
    pub replayed: i64,
    /// Those of them whose plan differs.
    pub differing: i64,
    /// What is new since the last look.
    pub differences: Vec<Difference>,
    /// Hexadecimal, once it is over; empty before.
    pub digest: String,
}

/// A replay under way.
pub struct Replay {
    app: App,
    creditor_id: String,
    run_id: String,
    rules: Arc<Configuration>,
    after: String,
    hash: Sha256,
    told: usize,
    so_far: Replayed,
}

impl App {
    /// Begins the replay of a run.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn replay(&self, creditor_id: &str, run_id: &str) -> Result<Replay> {
        let db = self.publisher.db();
        let row = run::get(db, creditor_id, run_id).await?;
        let row = row.ok_or_else(|| not_found("run", run_id))?;
        let rules = Configuration::load(db, &self.law, &row.facts).await?;
        Ok(Replay {
            app: self.clone(),
            creditor_id: creditor_id.to_owned(),
            run_id: run_id.to_owned(),
            rules: Arc::new(rules),
            after: String::new(),
            hash: Sha256::new(),
            told: 0,
            so_far: Replayed::default(),
        })
    }
}

impl Replay {
    /// Replays the next debtors; the last answer has the digest, after which there is nothing more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn step(&mut self) -> Result<Replayed> {
        let db = self.app.publisher.db();
        let (creditor_id, run_id) = (self.creditor_id.as_str(), self.run_id.as_str());
        let inputs = run::inputs_after(db, creditor_id, run_id, &self.after, PAGE).await?;
        self.so_far.differences.clear();
        let Some((last, _)) = inputs.last() else {
            let mut digest = String::with_capacity(64);
            for byte in self.hash.clone().finalize() {
                let _ = write!(digest, "{byte:02x}");
            }
            self.so_far.digest = digest;
            return Ok(self.so_far.clone());
        };
        let plans: Vec<(String, String)> = inputs
            .iter()
            .map(|(debtor_id, input)| (debtor_id.clone(), self.evaluate(input)))
            .collect();
        // What was proposed is read only now: nothing of it can have gone into the replay.
        let stored = run::plans(db, creditor_id, run_id, (&self.after, last)).await?;
        last.clone_into(&mut self.after);
        for (debtor_id, replayed) in plans {
            self.hash.update(&debtor_id);
            self.hash.update([0]);
            self.hash.update(&replayed);
            self.hash.update([0]);
            self.so_far.replayed += 1;
            let stored = stored.get(&debtor_id).cloned().unwrap_or_default();
            if stored == replayed {
                continue;
            }
            self.so_far.differing += 1;
            if self.told < MAX_DIFFERENCES {
                self.told += 1;
                self.so_far.differences.push(Difference {
                    debtor_id,
                    stored,
                    replayed,
                });
            }
        }
        Ok(self.so_far.clone())
    }

    /// The plan of a stored input; empty if it is none that can be evaluated.
    fn evaluate(&self, input: &str) -> String {
        let input: Result<Input> = run::from_json(input);
        let plan = input.and_then(|input| to_json(&self.rules.evaluate(&input)?));
        plan.unwrap_or_default()
    }
}

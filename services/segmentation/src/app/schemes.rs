//! The schemes in use: which revisions are active is asked for in every transaction; what they say never changes, so it
//! is compiled once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use mahnwerk_feed::{NewEvent, WriteTx};
use mahnwerk_runtime::{
    db::Sql,
    error::{Error, Result},
};
use segmentation_core::{
    scheme::{CompiledScheme, Scheme},
    starter::starter_schemes,
};

use crate::{
    feed::SCHEME,
    storage::scheme::{self as stored, Head, SchemeRow, State},
};

/// Most schemes of a creditor. A chunk of 256 debtors may move in all of them at once, and a transaction holds 2,000
/// events.
pub const MAX_SCHEMES: i64 = 7;

/// Most compiled revisions kept.
const CACHED: usize = 1_024;

/// A revision that places debtors.
#[derive(Clone)]
pub struct Active {
    /// The scheme.
    pub scheme_id: String,
    /// The revision.
    pub revision: i32,
    /// Its rules.
    pub compiled: Arc<CompiledScheme>,
}

type Cache = HashMap<(String, Head), Arc<CompiledScheme>>;

/// The schemes in use, and those to begin with. Cheap to clone.
#[derive(Clone)]
pub struct Schemes {
    starter: Arc<[Scheme]>,
    compiled: Arc<Mutex<Cache>>,
}

impl Schemes {
    /// With the starter schemes that ship with the program.
    ///
    /// # Errors
    /// If they are not valid, which their tests exclude.
    pub fn new() -> Result<Self> {
        let starter = starter_schemes().map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Self {
            starter: starter.into(),
            compiled: Arc::default(),
        })
    }

    /// The active revisions of a creditor, by scheme.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn active(&self, on: &impl Sql, creditor_id: &str) -> Result<Vec<Active>> {
        let heads = stored::active(on, creditor_id).await?;
        self.compiled(on, creditor_id, heads).await
    }

    /// A revision, compiled.
    ///
    /// # Errors
    /// If it does not pass the checks that it passed when it was created.
    pub fn compile(&self, row: &SchemeRow) -> Result<Active> {
        let head = Head {
            scheme_id: row.definition.id.clone(),
            revision: row.revision,
            created_at: row.created_at,
        };
        let key = (row.creditor_id.clone(), head);
        let known = self.cache(|cache| cache.get(&key).cloned());
        let compiled = match known {
            Some(compiled) => compiled,
            None => {
                let compiled = row.definition.clone().compile();
                let compiled = compiled.map_err(|error| Error::Internal(Box::new(error)))?;
                let compiled = Arc::new(compiled);
                self.cache(|cache| {
                    if cache.len() >= CACHED {
                        cache.clear();
                    }
                    cache.insert(key, compiled.clone());
                });
                compiled
            }
        };
        Ok(Active {
            scheme_id: row.definition.id.clone(),
            revision: row.revision,
            compiled,
        })
    }

    fn cache<T>(&self, look: impl FnOnce(&mut Cache) -> T) -> T {
        look(&mut self.compiled.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn compiled(
        &self,
        on: &impl Sql,
        creditor_id: &str,
        heads: Vec<Head>,
    ) -> Result<Vec<Active>> {
        let mut active = BTreeMap::new();
        let mut unknown = Vec::new();
        for head in heads {
            let key = (creditor_id.to_owned(), head);
            let known = self.cache(|cache| cache.get(&key).cloned());
            let (_, head) = key;
            match known {
                Some(compiled) => {
                    let found = Active {
                        scheme_id: head.scheme_id.clone(),
                        revision: head.revision,
                        compiled,
                    };
                    active.insert(head.scheme_id, found);
                }
                None => unknown.push(head),
            }
        }
        let keys: Vec<_> = unknown
            .iter()
            .map(|head| (head.scheme_id.as_str(), head.revision))
            .collect();
        for row in stored::get_many(on, creditor_id, &keys).await? {
            let found = self.compile(&row)?;
            active.insert(found.scheme_id.clone(), found);
        }
        Ok(active.into_values().collect())
    }

    /// Gives the starter schemes, as active revisions 1, to creditors that have not got them yet. The creditors must be
    /// locked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_with<'a>(
        &self,
        tx: &mut WriteTx,
        creditor_ids: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let created_at = tx.recorded_at();
        let rows = creditor_ids.flat_map(|creditor_id| {
            self.starter.iter().map(move |scheme| SchemeRow {
                creditor_id: creditor_id.to_owned(),
                revision: 1,
                state: State::Active,
                created_at,
                definition: scheme.clone(),
            })
        });
        let rows: Vec<_> = rows.collect();
        let inserted = stored::insert(tx, &rows).await?;
        let events = inserted
            .iter()
            .map(|(creditor_id, scheme_id)| event(creditor_id, scheme_id, 1, "created"));
        tx.append(events.collect())
    }
}

/// An entry of the audit trail about a revision.
#[must_use]
pub fn event(creditor_id: &str, scheme_id: &str, revision: i32, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: creditor_id.to_owned(),
        debtor_id: String::new(),
        entity: SCHEME,
        entity_id: format!("{scheme_id}/{revision}"),
        version: 1,
        action,
        business_date: None,
        state: None,
    }
}

//! Evaluation inputs: what is known of debtors, frozen, with the configuration they are evaluated by.

mod build;
mod under_way;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::NaiveDate;
use dunning_core::{
    Input, Plan, Procedure, Rules,
    calendar::BusinessCalendar,
    evaluate,
    input::{Channel, LedgerState, ProcedureRef},
    law::LawPacks,
    unevaluated::{Obstacle, unevaluated},
};
use mahnwerk_runtime::{
    db::Sql,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};

use super::{calendar::business_calendar, no_business_day, procedure::read_definition};
use crate::storage::{
    facts::{self, Fact},
    opt_day, pause, procedure, settings, state,
};

pub use under_way::add_under_way;

/// One debtor: its evaluation input, and what sending needs beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The debtor.
    pub debtor_id: String,
    /// Its partition.
    pub part: i64,
    /// What evaluation sees, canonical.
    pub input: Input,
    /// Who is written to.
    pub addressee: Addressee,
}

/// Who is written to, and how. Personal data; never part of a stored input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Name.
    pub display_name: String,
    /// ISO 639-1 code.
    pub language: String,
    /// Whether it is a natural person.
    pub person: bool,
    /// Ways to reach it, by key.
    pub contact_points: Vec<AddressedPoint>,
    /// Probability of default, in parts per million; `None` without a score.
    pub pd_ppm: Option<i64>,
    /// Whose work list it is on; empty if nobody's in particular.
    pub portfolio: String,
    /// Whether notices leave without review.
    pub autopilot: bool,
}

/// A contact point with what it contains. Personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressedPoint {
    /// Its key within the debtor.
    pub id: String,
    /// Its channel.
    pub channel: Channel,
    /// Address, number or handle.
    pub address: String,
    /// The registry's version of it, for the report of an outcome.
    pub version: i64,
}

/// What is known of a creditor. A run keeps it, so that all its inputs go by the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditorFacts {
    /// The creditor.
    pub creditor_id: String,
    /// Name.
    pub display_name: String,
    /// The open business day; `None` before the first one.
    pub business_date: Option<NaiveDate>,
    /// Name of its business calendar.
    pub calendar: String,
    /// How current the ledger is, and what the creditor wants where it is not.
    pub ledger: LedgerState,
    /// Latest revision by procedure.
    pub procedures: BTreeMap<String, u32>,
}

/// Facts of a creditor; `None` if it is not known here.
///
/// # Errors
/// Those of the database.
pub async fn creditor(on: &impl Sql, creditor_id: &str) -> Result<Option<CreditorFacts>> {
    let Some(row) = facts::creditor(on, creditor_id).await? else {
        return Ok(None);
    };
    let settings = settings::get(on, creditor_id).await?;
    Ok(Some(CreditorFacts {
        creditor_id: creditor_id.to_owned(),
        display_name: row.display_name,
        business_date: opt_day(row.business_date)?,
        calendar: row.calendar,
        ledger: LedgerState {
            feed_behind: facts::behind(on, "registry").await?,
            last_bank_import: opt_day(row.last_bank_import)?,
            max_age_days: settings.max_bank_import_age_days,
            when_stale: settings.when_stale,
        },
        procedures: procedure::latest(on, creditor_id).await?,
    }))
}

/// Subjects of debtors, at most 256, with a constant number of statements, by debtor id. Whoever is not known here or
/// is parked gives none; whoever owes nothing gives one without items.
///
/// # Errors
/// Those of the database; `NO_BUSINESS_DAY` if the creditor has none.
pub async fn load(
    on: &impl Sql,
    creditor: &CreditorFacts,
    debtor_ids: &[String],
) -> Result<Vec<Subject>> {
    let today = creditor.business_date.ok_or_else(no_business_day)?;
    let creditor_id = &creditor.creditor_id;
    let parked = parked(on, creditor_id, debtor_ids).await?;
    let ids = debtor_ids.iter().filter(|id| !parked.contains(*id));
    let ids: Vec<String> = ids.cloned().collect();
    let known = facts::of_debtors(on, creditor_id, &ids).await?;
    let open: Vec<(&str, &str)> = known
        .iter()
        .flat_map(|(debtor_id, facts)| {
            let open = facts.iter().filter_map(|row| match row.fact {
                Fact::Invoice(_) => row.entity_id.strip_prefix(facts::INVOICE),
                _ => None,
            });
            open.map(|item_id| (debtor_id.as_str(), item_id))
        })
        .collect();
    let sources = build::Sources {
        creditor,
        today,
        states: state::states(on, creditor_id, &open).await?,
        pauses: pause::of_debtors(on, creditor_id, &ids).await?,
        manual: pause::manual(on, creditor_id, &ids).await?,
        contacts: state::contacts(on, creditor_id, &ids).await?,
    };
    known
        .iter()
        .filter_map(|(debtor_id, facts)| sources.subject(debtor_id, facts).transpose())
        .collect()
}

/// Those of the debtors of whom a change could not be applied.
///
/// # Errors
/// Those of the database.
pub async fn parked(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeSet<String>> {
    let parked = facts::parked(on, creditor_id, debtor_ids).await?;
    Ok(parked.into_iter().collect())
}

/// What inputs of a creditor are evaluated by.
#[derive(Clone, Debug)]
pub struct Configuration {
    procedures: BTreeMap<(String, u32), Procedure>,
    calendar: &'static BusinessCalendar,
    law: Arc<LawPacks>,
}

impl Configuration {
    /// The latest revisions that `creditor` names.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn load(
        on: &impl Sql,
        law: &Arc<LawPacks>,
        creditor: &CreditorFacts,
    ) -> Result<Self> {
        let latest = creditor.procedures.iter();
        let latest = latest.map(|(id, revision)| ProcedureRef {
            id: id.clone(),
            revision: *revision,
        });
        Self::named(on, law, creditor, latest.collect()).await
    }

    /// The revisions `wanted`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn named(
        on: &impl Sql,
        law: &Arc<LawPacks>,
        creditor: &CreditorFacts,
        wanted: BTreeSet<ProcedureRef>,
    ) -> Result<Self> {
        let wanted: Vec<ProcedureRef> = wanted.into_iter().collect();
        let mut procedures = BTreeMap::new();
        for row in procedure::get_many(on, &creditor.creditor_id, &wanted).await? {
            match read_definition(&row.procedure_id, row.revision, &row.definition) {
                Ok(procedure) => {
                    procedures.insert((row.procedure_id, row.revision), procedure);
                }
                // What it is missed by says so: its items get no notice, and a task asks for a decision.
                Err(error) => tracing::error!(
                    procedure = row.procedure_id,
                    revision = row.revision,
                    %error,
                    "a stored procedure is refused by this program"
                ),
            }
        }
        Ok(Self {
            procedures,
            calendar: business_calendar(&creditor.calendar)?,
            law: law.clone(),
        })
    }

    /// The rules that an input names.
    ///
    /// # Errors
    /// `Internal` if there is no such procedure; [`Configuration::evaluate`] gives a plan even then.
    pub fn rules(&self, input: &Input) -> Result<Rules<'_>> {
        self.rules_of(&input.procedure)
            .ok_or_else(|| Error::internal("an input names a procedure that is not there"))
    }

    fn rules_of(&self, procedure: &ProcedureRef) -> Option<Rules<'_>> {
        let key = (procedure.id.clone(), procedure.revision);
        Some(Rules {
            procedure: self.procedures.get(&key)?,
            calendar: self.calendar,
            charges: &*self.law,
        })
    }

    /// The plan of an input, by the procedure that it names. An unknown procedure and an input beyond the limits of
    /// the core are reasons of the plan, so that nobody holds the others up.
    ///
    /// # Errors
    /// `Internal` if the input names another calendar.
    pub fn evaluate(&self, input: &Input) -> Result<Plan> {
        let Some(rules) = self.rules_of(&input.procedure) else {
            return Ok(unevaluated(input, &Obstacle::ProcedureUnknown));
        };
        if let Err(violations) = input.validate() {
            let field = violations.into_iter().next().map(|first| first.field);
            let field = field.unwrap_or_default();
            return Ok(unevaluated(input, &Obstacle::InputInvalid { field }));
        }
        evaluate(input, &rules).map_err(|error| Error::Internal(Box::new(error)))
    }
}

//! Procedures: new revisions are checked and stored, and never change.

use dunning_core::{
    Procedure,
    procedure::{FeePosting, ProcedureError},
};
use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result, Violation},
};
use serde::{Deserialize, Serialize};

use super::{App, limit_reached, not_found};
use crate::storage::{
    day_number,
    procedure::{self as stored, RevisionRow},
};

/// Entity name of procedures in the audit trail.
const PROCEDURE: &str = "procedure";

/// Most procedures of a creditor.
const MAX_PROCEDURES: usize = 100;

/// Field of the definition in requests.
const DEFINITION: &str = "procedure.definition";

/// A revision of a procedure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The creditor.
    pub creditor_id: String,
    /// The procedure.
    pub procedure_id: String,
    /// From 1; 0 before it is stored.
    pub revision: u32,
    /// TOML.
    pub definition: String,
}

impl Revision {
    fn of(creditor_id: &str, row: RevisionRow) -> Self {
        Self {
            creditor_id: creditor_id.to_owned(),
            procedure_id: row.procedure_id,
            revision: row.revision,
            definition: row.definition,
        }
    }
}

/// The procedure that a definition makes as a revision; an id or revision in it counts for nothing.
///
/// # Errors
/// Those of [`Procedure::from_toml`].
pub fn read_definition(
    procedure_id: &str,
    revision: u32,
    definition: &str,
) -> Result<Procedure, ProcedureError> {
    let unreadable = |message: String| ProcedureError::Unreadable(message);
    let mut table: toml::Table =
        toml::from_str(definition).map_err(|error| unreadable(error.message().to_owned()))?;
    table.insert("id".to_owned(), procedure_id.into());
    table.insert("revision".to_owned(), i64::from(revision).into());
    let whole = toml::to_string(&table).map_err(|error| unreadable(error.to_string()))?;
    Procedure::from_toml(&whole)
}

/// Checks a definition beyond what it is to the core.
fn check_definition(revision: &Revision) -> Result<()> {
    let found = match read_definition(&revision.procedure_id, 1, &revision.definition) {
        Ok(procedure) if procedure.fee_posting == FeePosting::Receivable => {
            vec![Violation::new(
                format!("{DEFINITION}.fee_posting"),
                "must not be RECEIVABLE: there are no charges on the account yet; NOTICE_ONLY and MEMO show the fee",
            )]
        }
        Ok(_) => return Ok(()),
        Err(ProcedureError::Unreadable(message)) => vec![Violation::new(DEFINITION, message)],
        Err(ProcedureError::Invalid(violations)) => violations
            .into_iter()
            .map(|it| Violation::new(format!("{DEFINITION}.{}", it.field), it.description))
            .collect(),
    };
    Err(Error::Invalid(found))
}

impl App {
    /// Stores the next revision of a procedure, once per request id; with `validate_only` nothing is stored.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong with the definition, `NotFound` for the creditor, `LIMIT_REACHED`,
    /// `RequestIdReused`.
    pub async fn create_procedure_revision(
        &self,
        call: &Call,
        request_id: &str,
        revision: Revision,
        validate_only: bool,
    ) -> Result<Written<Revision>> {
        check_definition(&revision)?;
        if validate_only {
            self.require_creditor(self.publisher.db(), &revision.creditor_id)
                .await?;
            return Ok(Written {
                response: revision,
                consistency_token: String::new(),
            });
        }
        let creditor_id = revision.creditor_id.clone();
        let begun = self
            .publisher
            .begin_once(
                call,
                "CreateProcedureRevision",
                &creditor_id,
                request_id,
                &revision,
                Locks::creditor(&creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, &creditor_id).await?;
        let before = creditor.procedures.get(&revision.procedure_id).copied();
        if before.is_none() && creditor.procedures.len() >= MAX_PROCEDURES {
            return Err(limit_reached(
                i64::try_from(MAX_PROCEDURES).unwrap_or(i64::MAX),
                "the creditor has the most procedures there may be",
            ));
        }
        let row = RevisionRow {
            procedure_id: revision.procedure_id,
            revision: before.unwrap_or(0) + 1,
            definition: revision.definition,
        };
        let at = once.recorded_at();
        stored::insert(&*once, &creditor_id, &row, &call.principal, at).await?;
        once.append(vec![NewEvent {
            creditor_id: creditor_id.clone(),
            debtor_id: String::new(),
            entity: PROCEDURE,
            entity_id: row.procedure_id.clone(),
            version: i64::from(row.revision),
            action: "revised",
            business_date: creditor.business_date.map(day_number),
            state: None,
        }])?;
        once.finish(Revision::of(&creditor_id, row)).await
    }

    /// A revision, the latest for 0.
    ///
    /// # Errors
    /// `NotFound`, or those of the freshness wait.
    pub async fn procedure(
        &self,
        call: &Call,
        creditor_id: &str,
        procedure_id: &str,
        revision: u32,
        at_least: &str,
    ) -> Result<Revision> {
        self.freshness.all(at_least, call.deadline).await?;
        let db = self.publisher.db();
        match stored::get(db, creditor_id, procedure_id, revision).await? {
            Some(row) => Ok(Revision::of(creditor_id, row)),
            None => {
                self.require_creditor(db, creditor_id).await?;
                Err(not_found("procedure", procedure_id))
            }
        }
    }

    /// The latest revisions, by procedure, after one, at most `limit`.
    ///
    /// # Errors
    /// `NotFound` for the creditor, or those of the freshness wait.
    pub async fn procedures(
        &self,
        call: &Call,
        creditor_id: &str,
        after: &str,
        limit: u64,
        at_least: &str,
    ) -> Result<Vec<Revision>> {
        self.freshness.all(at_least, call.deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, creditor_id).await?;
        let rows = stored::list(db, creditor_id, after, limit).await?;
        let rows = rows.into_iter();
        Ok(rows.map(|row| Revision::of(creditor_id, row)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(definition: &str) -> Revision {
        Revision {
            creditor_id: "c1".to_owned(),
            procedure_id: "mine".to_owned(),
            revision: 0,
            definition: definition.to_owned(),
        }
    }

    fn refused(definition: &str) -> Vec<String> {
        match check_definition(&revision(definition)) {
            Err(Error::Invalid(violations)) => violations.into_iter().map(|it| it.field).collect(),
            _ => Vec::new(),
        }
    }

    const STANDARD: &str = include_str!("../../core/data/standard.toml");

    #[test]
    fn id_and_revision_come_from_the_service() {
        let procedure = read_definition("mine", 7, STANDARD).unwrap();
        assert_eq!((procedure.id.as_str(), procedure.revision), ("mine", 7));
        let without = STANDARD
            .replace("id = \"standard\"", "")
            .replace("revision = 1", "");
        assert_eq!(read_definition("mine", 7, &without), Ok(procedure));
    }

    #[test]
    fn every_violation_is_named_by_its_place_in_the_definition() {
        assert_eq!(refused(STANDARD), Vec::<String>::new());
        assert_eq!(refused("name = "), ["procedure.definition"]);
        assert_eq!(refused("colour = \"red\""), ["procedure.definition"]);
        let wrong = STANDARD
            .replace("grace_days = 2", "grace_days = 91")
            .replace("template = \"notice\"", "template = \"\"");
        assert_eq!(
            refused(&wrong),
            [
                "procedure.definition.grace_days",
                "procedure.definition.steps[1].template"
            ]
        );
        let posted = STANDARD.replace("NOTICE_ONLY", "RECEIVABLE");
        assert_eq!(refused(&posted), ["procedure.definition.fee_posting"]);
    }
}

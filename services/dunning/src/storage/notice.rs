//! Notices: what goes out, once per step of an item.

mod cause;
mod find;
mod save;
mod text;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_core::{
    input::{DunningState, ProcedureRef},
    plan,
};
use mahnwerk_proto::dunning::v1::NoticeState;
use mahnwerk_runtime::{
    db::column,
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Deserialize, Serialize};

use super::{from_day, run::from_json};

pub use cause::{add_cause, causes};
pub use find::{
    Filter, Held, current, expired, get, get_many, has_pending, lease_due, list, page, proposed,
    standing, taken, with_due,
};
pub use save::{hurry, insert, put_off, update, update_states};
pub use text::{Text, set_texts, texts};

/// A notice as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// The creditor.
    pub creditor_id: String,
    /// Derived from run, debtor and key.
    pub notice_id: String,
    /// The run that proposed it.
    pub run_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// Partition of the debtor.
    pub part: i64,
    /// Where it stands.
    #[serde(with = "named")]
    pub state: NoticeState,
    /// The plan's notice as it stands.
    pub content: plan::Notice,
    /// By which procedure.
    pub procedure: ProcedureRef,
    /// Business date of the proposal, and once it is sent, of its last sending.
    pub notice_date: NaiveDate,
    /// ISO 639-1 code.
    pub language: String,
    /// Tries to send it so far.
    pub attempt: i64,
    /// Of the last try by e-mail; empty otherwise.
    pub message_id: String,
    /// Why it was withdrawn, failed or uncertain; empty otherwise.
    pub reason: String,
    /// What fell out of it before it was sent, with the reasons.
    pub findings: Vec<plan::Finding>,
    /// The states of its items before it was sent; empty until then.
    pub before: BTreeMap<String, DunningState>,
    /// Keys of contact points that did not take it.
    pub tried: Vec<String>,
    /// When it was handed over, microseconds.
    pub sent_at: Option<i64>,
    /// Grows with every change.
    pub version: i64,
    /// To be stored: for how many microseconds from now nobody else takes it up.
    pub hold: i64,
    /// To be stored: after how many microseconds from now it is taken up again.
    pub wait: i64,
}

/// The stored name of a state.
#[must_use]
pub fn state_name(state: NoticeState) -> &'static str {
    state.as_str_name().trim_start_matches("NOTICE_STATE_")
}

/// The state of a stored name.
///
/// # Errors
/// If there is none.
pub fn state_of(name: &str) -> Result<NoticeState> {
    NoticeState::from_str_name(&format!("NOTICE_STATE_{name}"))
        .ok_or_else(|| Error::internal("unknown state of a notice"))
}

impl NoticeRow {
    /// Whether the steps on it are taken, so that no other notice can have them.
    #[must_use]
    pub fn holds_steps(&self) -> bool {
        !matches!(
            self.state,
            NoticeState::Excluded | NoticeState::Withdrawn | NoticeState::Failed
        )
    }
}

const COLUMNS: &str = "n.creditor_id, n.notice_id, n.run_id, n.debtor_id, n.part, n.state, n.content, n.procedure_id, \
    n.procedure_revision, n.notice_date, n.language, n.attempt, n.message_id, n.reason, n.findings, n.before, n.tried, \
    n.sent_at, n.version";

fn notice_row(row: &QueryResult) -> Result<NoticeRow> {
    let revision: i64 = column(row, "procedure_revision")?;
    Ok(NoticeRow {
        creditor_id: column(row, "creditor_id")?,
        notice_id: column(row, "notice_id")?,
        run_id: column(row, "run_id")?,
        debtor_id: column(row, "debtor_id")?,
        part: column(row, "part")?,
        state: state_of(&column::<String>(row, "state")?)?,
        content: from_json(&column::<String>(row, "content")?)?,
        procedure: ProcedureRef {
            id: column(row, "procedure_id")?,
            revision: u32::try_from(revision)
                .map_err(|_| Error::internal("revision out of range"))?,
        },
        notice_date: from_day(column(row, "notice_date")?)?,
        language: column(row, "language")?,
        attempt: column(row, "attempt")?,
        message_id: column(row, "message_id")?,
        reason: column(row, "reason")?,
        findings: from_json(&column::<String>(row, "findings")?)?,
        before: from_json(&column::<String>(row, "before")?)?,
        tried: from_json(&column::<String>(row, "tried")?)?,
        sent_at: column(row, "sent_at")?,
        version: column(row, "version")?,
        hold: 0,
        wait: 0,
    })
}

fn notice_rows(rows: &[QueryResult]) -> Result<Vec<NoticeRow>> {
    rows.iter().map(notice_row).collect()
}

/// States as text, in stored answers.
mod named {
    use mahnwerk_proto::dunning::v1::NoticeState;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(state: &NoticeState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(super::state_name(*state))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<NoticeState, D::Error> {
        super::state_of(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

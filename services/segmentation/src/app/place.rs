//! Placing debtors: a chunk at a time, in all schemes of the creditor at once, one statement per table whatever its size.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_feed::{NewEvent, WriteTx, partition};
use mahnwerk_runtime::error::Result;
use segmentation_core::{
    assign::{Decision, Reason, Source, assign},
    facts::build::next_date,
};

use super::{
    chunk::{Chunk, Subject},
    schemes::{Active, Schemes},
};
use crate::{
    feed::{MEMBERSHIP, membership_message},
    storage::{
        day_number, history,
        membership::{self as stored, Hold, MembershipRow, Placed, Standing},
        pin::PinRow,
    },
};

/// Of a debtor that time alone never moves.
const NEVER: i64 = i64::MAX;

/// Places debtors of a creditor as of its business date, and tells the feed of those whose membership differs. What is
/// known of debtors that are gone is removed; debtors of which not everything is known yet are left alone. The debtors
/// must be locked. `lifted` names the scheme in which a pin was just lifted. Answers how many moved in each scheme.
///
/// # Errors
/// Those of the database.
pub async fn place(
    tx: &mut WriteTx,
    schemes: &Schemes,
    creditor_id: &str,
    debtor_ids: &[String],
    lifted: Option<&str>,
) -> Result<BTreeMap<String, i64>> {
    let chunk = Chunk::load(tx, creditor_id, debtor_ids, None).await?;
    let mut events = removed(&chunk);
    stored::remove(tx, creditor_id, &chunk.gone).await?;
    let mut placing = Placing {
        creditor_id,
        active: schemes.active(tx, creditor_id).await?,
        last_versions: last_versions(tx, creditor_id, &chunk).await?,
        chunk: &chunk,
        lifted,
        changed: Vec::new(),
        due: Vec::new(),
    };
    if let Some(day) = chunk.day {
        for (debtor_id, subject) in &chunk.subjects {
            placing.place(debtor_id, subject, day)?;
        }
    }
    let Placing { changed, due, .. } = placing;
    let moved: Vec<_> = changed.iter().filter(|each| each.moved).collect();
    let rows: Vec<_> = moved.iter().map(|each| &each.row).collect();
    history::save(tx, &rows).await?;
    let mut counts = BTreeMap::new();
    for each in moved {
        *counts.entry(each.row.scheme_id.clone()).or_insert(0) += 1;
    }
    events.extend(changed.iter().map(|each| told(each, chunk.day)));
    let rows: Vec<_> = changed.into_iter().map(|each| each.row).collect();
    stored::save(tx, &rows).await?;
    stored::save_due(tx, creditor_id, &due).await?;
    tx.append(events)?;
    Ok(counts)
}

/// A membership that differs from the one before.
struct Changed {
    row: MembershipRow,
    /// Whether the segment is another.
    moved: bool,
    is_new: bool,
}

struct Placing<'a> {
    creditor_id: &'a str,
    active: Vec<Active>,
    /// Of debtors that have no membership.
    last_versions: BTreeMap<String, i64>,
    chunk: &'a Chunk,
    lifted: Option<&'a str>,
    changed: Vec<Changed>,
    /// Debtor, partition, day number.
    due: Vec<(String, i64, i64)>,
}

impl Placing<'_> {
    /// Places one debtor in all schemes.
    fn place(&mut self, debtor_id: &str, subject: &Subject, day: NaiveDate) -> Result<()> {
        let part = partition(self.creditor_id, debtor_id);
        let mut due = subject.next_rate;
        for active in &self.active {
            let scheme_id = active.scheme_id.as_str();
            let mut situation = self.chunk.situation(debtor_id, scheme_id)?;
            if self.lifted == Some(scheme_id) {
                situation.forget_stay();
            }
            let input = situation.input(&subject.facts, day);
            let decision = assign(&active.compiled, &input);
            let pin = self.chunk.pin(debtor_id, scheme_id);
            let pin = pin.filter(|pin| pin.until.is_none_or(|until| day <= until));
            let expiry = pin.and_then(|pin| pin.until?.succ_opt());
            let ages = next_date(&subject.registry, decision.fields, day);
            let dates = [due, decision.next_date, expiry, ages];
            due = dates.into_iter().flatten().min();
            let standing = standing(active, &decision, pin);
            let before = self.chunk.membership(debtor_id, scheme_id);
            let moved = decision.moves(situation.current());
            let row = if moved {
                Some(MembershipRow {
                    creditor_id: self.creditor_id.to_owned(),
                    debtor_id: debtor_id.to_owned(),
                    scheme_id: scheme_id.to_owned(),
                    part,
                    segment_id: decision.segment_id.to_owned(),
                    since: day_number(day),
                    source: decision.reason.source().unwrap_or(Source::Rule),
                    version: self.version(debtor_id, before) + 1,
                    placed: placed(active, &decision, subject),
                    standing,
                })
            } else {
                let before = before.filter(|before| before.standing != standing);
                before.map(|before| MembershipRow {
                    version: before.version + 1,
                    standing,
                    ..before.clone()
                })
            };
            self.changed.extend(row.map(|row| Changed {
                row,
                moved,
                is_new: before.is_none(),
            }));
        }
        let due = due.map_or(NEVER, day_number);
        if subject.due_on != Some(due) {
            self.due.push((debtor_id.to_owned(), part, due));
        }
        Ok(())
    }

    /// The version last told.
    fn version(&self, debtor_id: &str, before: Option<&MembershipRow>) -> i64 {
        let last = || self.last_versions.get(debtor_id).copied().unwrap_or(0);
        before.map_or_else(last, |before| before.version)
    }
}

fn standing(active: &Active, decision: &Decision<'_>, pin: Option<&PinRow>) -> Standing {
    let hold = match decision.reason {
        Reason::MinimumStay { .. } => Some(Hold::MinimumStay),
        Reason::HeldByError { .. } => Some(Hold::HeldByError),
        _ => None,
    };
    let rule = decision.reason.rule().unwrap_or_default();
    let error = decision.reason.error();
    Standing {
        hold,
        error: error.map_or_else(String::new, |error| {
            format!("segments[{rule}].condition: {error}")
        }),
        pin: pin.cloned(),
        policy: active.compiled.policy(decision.segment_id).cloned(),
    }
}

fn placed(active: &Active, decision: &Decision<'_>, subject: &Subject) -> Placed {
    let values = decision.fields.values(&subject.facts);
    Placed {
        revision: active.revision,
        rule: decision
            .reason
            .rule()
            .and_then(|rule| i32::try_from(rule).ok()),
        values: values
            .into_iter()
            .map(|(field, value)| (field.to_owned(), value))
            .collect(),
    }
}

async fn last_versions(
    tx: &WriteTx,
    creditor_id: &str,
    chunk: &Chunk,
) -> Result<BTreeMap<String, i64>> {
    let is_new = |debtor_id: &&String| !chunk.memberships.contains_key(*debtor_id);
    let new: Vec<_> = chunk.subjects.keys().filter(is_new).cloned().collect();
    stored::last_versions(tx, creditor_id, &new).await
}

fn told(changed: &Changed, day: Option<NaiveDate>) -> NewEvent {
    let row = &changed.row;
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: MEMBERSHIP,
        entity_id: format!("{}/{}", row.debtor_id, row.scheme_id),
        version: row.version,
        action: match (changed.is_new, changed.moved) {
            (true, _) => "placed",
            (false, true) => "moved",
            (false, false) => "changed",
        },
        business_date: day.map(day_number),
        state: NewEvent::encode(&membership_message(row)),
    }
}

/// The memberships of debtors that are gone.
fn removed(chunk: &Chunk) -> Vec<NewEvent> {
    let rows = chunk.gone.iter().filter_map(|id| chunk.memberships.get(id));
    rows.flat_map(BTreeMap::values)
        .map(|row| NewEvent {
            creditor_id: row.creditor_id.clone(),
            debtor_id: row.debtor_id.clone(),
            entity: MEMBERSHIP,
            entity_id: format!("{}/{}", row.debtor_id, row.scheme_id),
            version: row.version + 1,
            action: "removed",
            business_date: chunk.day.map(day_number),
            state: None,
        })
        .collect()
}

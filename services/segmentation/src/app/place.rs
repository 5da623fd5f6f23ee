//! Placing debtors: a chunk at a time, in all schemes of the creditor at once, one statement per table whatever its size.

use std::collections::BTreeMap;

use mahnwerk_feed::{NewEvent, WriteTx, partition};
use mahnwerk_runtime::{
    error::Result,
    telemetry::{self, KeyValue, names},
};
use segmentation_core::{
    assign::{Decision, Reason, Source, assign},
    facts::build::next_date,
    opening::Record,
};

use super::{
    chunk::{Chunk, Subject},
    schemes::{Active, Schemes},
};
use crate::{
    feed::{MEMBERSHIP, membership_message},
    storage::{
        day_number, history,
        membership::{self as stored, Hold, MembershipRow, Placed, Standing, Stay},
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
    place_in(tx, schemes, creditor_id, chunk, (lifted, None)).await
}

/// As [`place`], for a scheme whose active revision is another: in that scheme alone, where the debtors are placed in the
/// others already.
///
/// # Errors
/// Those of the database.
pub async fn place_anew(
    tx: &mut WriteTx,
    schemes: &Schemes,
    creditor_id: &str,
    debtor_ids: &[String],
    scheme_id: &str,
) -> Result<BTreeMap<String, i64>> {
    let chunk = Chunk::load(tx, creditor_id, debtor_ids, Some(scheme_id)).await?;
    let placed = chunk.subjects.values().all(|it| it.due_on.is_some());
    if placed && chunk.gone.is_empty() {
        return place_in(tx, schemes, creditor_id, chunk, (None, Some(scheme_id))).await;
    }
    place(tx, schemes, creditor_id, debtor_ids, None).await
}

async fn place_in(
    tx: &mut WriteTx,
    schemes: &Schemes,
    creditor_id: &str,
    chunk: Chunk,
    (lifted, only): (Option<&str>, Option<&str>),
) -> Result<BTreeMap<String, i64>> {
    let mut events = removed(&chunk);
    stored::remove(tx, creditor_id, &chunk.gone).await?;
    let mut placing = Placing {
        creditor_id,
        active: schemes.active(tx, creditor_id).await?,
        only,
        last_versions: last_versions(tx, creditor_id, &chunk).await?,
        chunk: &chunk,
        lifted,
        changed: Vec::new(),
        due: Vec::new(),
    };
    for (debtor_id, subject) in &chunk.subjects {
        placing.place(debtor_id, subject);
    }
    let Placing { changed, due, .. } = placing;
    let begun = changed.iter().filter(|each| each.begins_stay);
    let begun: Vec<_> = begun.map(|each| (&each.row, each.day)).collect();
    history::save(tx, &begun).await?;
    let mut counts = BTreeMap::new();
    for each in changed.iter().filter(|each| each.moved) {
        *counts.entry(each.row.scheme_id.clone()).or_insert(0) += 1;
    }
    count_moves(tx, &changed);
    events.extend(changed.iter().map(told));
    let rows: Vec<_> = changed.into_iter().map(|each| each.row).collect();
    stored::save(tx, &rows).await?;
    stored::save_due(tx, creditor_id, &due).await?;
    tx.append(events)?;
    Ok(counts)
}

/// A membership that differs from the one before.
struct Changed {
    row: MembershipRow,
    /// Day number.
    day: i64,
    /// Whether the segment is another.
    moved: bool,
    /// Whether the stay is another: by another way, or from another date, even in the same segment.
    begins_stay: bool,
    is_new: bool,
}

struct Placing<'a> {
    creditor_id: &'a str,
    active: Vec<Active>,
    /// Of debtors that have no membership.
    last_versions: BTreeMap<String, i64>,
    chunk: &'a Chunk,
    lifted: Option<&'a str>,
    /// The one scheme that is looked at, if it is not all.
    only: Option<&'a str>,
    changed: Vec<Changed>,
    /// Debtor, partition, day number.
    due: Vec<(String, i64, i64)>,
}

impl Placing<'_> {
    /// Places one debtor in all schemes.
    fn place(&mut self, debtor_id: &str, subject: &Subject) {
        let day = subject.day;
        let part = partition(self.creditor_id, debtor_id);
        let mut due = subject.next_rate;
        let only = self.only;
        let looked_at = |active: &&Active| only.is_none_or(|only| active.scheme_id == only);
        for active in self.active.iter().filter(looked_at) {
            let scheme_id = active.scheme_id.as_str();
            let mut situation = self.chunk.situation(debtor_id, scheme_id, day);
            if self.lifted == Some(scheme_id) {
                situation.lift_pin();
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
            let entered = decision.entered(situation.current(), day).map(|at| Stay {
                at,
                placed: placed(active, &decision, subject),
            });
            let record = before.map(|before| &before.record);
            let lifted = situation.pin_lifted();
            let Some(record) = Record::decided(record, day, entered, lifted) else {
                continue;
            };
            let row = MembershipRow {
                creditor_id: self.creditor_id.to_owned(),
                debtor_id: debtor_id.to_owned(),
                scheme_id: scheme_id.to_owned(),
                part,
                record,
                version: self.version(debtor_id, before) + 1,
                standing,
            };
            self.changed.extend(changed(row, before, day_number(day)));
        }
        let mut due = due.map_or(NEVER, day_number);
        if only.is_some() {
            // What the others wait for counts on.
            due = due.min(subject.due_on.unwrap_or(due));
        }
        if subject.due_on != Some(due) {
            self.due.push((debtor_id.to_owned(), part, due));
        }
    }

    /// The version last told.
    fn version(&self, debtor_id: &str, before: Option<&MembershipRow>) -> i64 {
        let last = || self.last_versions.get(debtor_id).copied().unwrap_or(0);
        before.map_or_else(last, |before| before.version)
    }
}

/// What differs from the row before, if anything does. A stay that was entered before on the same date, in the same way,
/// goes on as it was told.
fn changed(mut row: MembershipRow, before: Option<&MembershipRow>, day: i64) -> Option<Changed> {
    let begins_stay = before.is_none_or(|before| before.at() != row.at());
    if let Some(before) = before.filter(|_| !begins_stay) {
        row.record.stay = before.record.stay.clone();
        let knows_opening =
            row.record.opening.is_none() || row.record.opening == before.record.opening;
        if knows_opening && row.standing == before.standing {
            return None;
        }
    }
    Some(Changed {
        moved: before.is_none_or(|before| before.at().segment_id != row.at().segment_id),
        is_new: before.is_none(),
        begins_stay,
        day,
        row,
    })
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

/// Shows the counter before anybody moves.
pub fn announce() {
    use Source::{Migration, Pin, Rule, Unclassified};
    for action in ["placed", "moved"] {
        for source in [Rule, Pin, Unclassified, Migration] {
            telemetry::count(&names::MOVES, 0, &labels(action, source));
        }
    }
}

fn count_moves(tx: &mut WriteTx, changed: &[Changed]) {
    let mut moves: BTreeMap<_, usize> = BTreeMap::new();
    for each in changed.iter().filter(|each| each.moved) {
        let source = each.row.at().source;
        *moves.entry((action(each), source)).or_default() += 1;
    }
    for ((action, source), number) in moves {
        tx.count(names::MOVES, number, labels(action, source).to_vec());
    }
}

fn labels(action: &'static str, source: Source) -> [KeyValue; 2] {
    [
        KeyValue::new(names::ACTION, action),
        KeyValue::new(names::SOURCE, stored::source_name(source)),
    ]
}

fn action(changed: &Changed) -> &'static str {
    match (changed.is_new, changed.moved) {
        (true, _) => "placed",
        (false, true) => "moved",
        (false, false) => "changed",
    }
}

fn told(changed: &Changed) -> NewEvent {
    let row = &changed.row;
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: MEMBERSHIP,
        entity_id: format!("{}/{}", row.debtor_id, row.scheme_id),
        version: row.version,
        action: action(changed),
        business_date: Some(changed.day),
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

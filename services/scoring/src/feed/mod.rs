//! What scoring makes of the registry's facts, and what it tells others.

mod projection;
mod snapshot;
mod state;

use mahnwerk_feed::{EntityType, timestamp};
use mahnwerk_proto::scoring::v1;
use mahnwerk_runtime::validate::from_date;
use scoring_core::text::{Language, reason_sentence};

use crate::storage::{from_day, score::ScoreRow};

pub use projection::Registry;
pub use snapshot::Snapshot;
pub use state::score_state;

/// Entity name of scores, told with features and amounts.
pub const SCORE: &str = "score";

/// Entity name of credit decisions. They are in the audit trail, not on the feed: nobody's state follows from them.
pub const CREDIT_DECISION: &str = "credit_decision";

/// Everything on the feed of scoring.
pub const ENTITIES: &[EntityType] = &[EntityType {
    entity: SCORE,
    type_url: "type.googleapis.com/mahnwerk.scoring.v1.ScoreState",
}];

/// A score on the wire; sentences only if a language is asked for.
#[must_use]
pub fn score_message(row: &ScoreRow, language: Option<Language>) -> v1::Score {
    let reasons = row.reasons.iter().map(|reason| v1::ScoreReason {
        characteristic: reason.characteristic.clone(),
        bin: reason.bin.clone(),
        value: reason.value,
        points_lost: reason.points_lost,
        text: language.map_or_else(String::new, |language| {
            reason_sentence(&reason.characteristic, reason.value, language)
        }),
    });
    v1::Score {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        score: row.score,
        pd_ppm: row.pd_ppm,
        risk_class: class_to_wire(&row.class).into(),
        reasons: reasons.collect(),
        scorecard_kind: kind_to_wire(&row.kind).into(),
        scorecard_revision: row.revision,
        observation_date: from_day(row.observation_date).ok().map(from_date),
        settled_items: row.settled_items,
        version: row.version,
        score_time: Some(timestamp(row.scored_at)),
    }
}

/// A class on the wire.
#[must_use]
pub fn class_to_wire(class: &str) -> v1::RiskClass {
    match class {
        "A" => v1::RiskClass::A,
        "B" => v1::RiskClass::B,
        "C" => v1::RiskClass::C,
        "D" => v1::RiskClass::D,
        "E" => v1::RiskClass::E,
        _ => v1::RiskClass::X,
    }
}

/// A kind of scorecard on the wire.
#[must_use]
pub fn kind_to_wire(kind: &str) -> v1::ScorecardKind {
    match kind {
        "person" => v1::ScorecardKind::Person,
        "prospect" => v1::ScorecardKind::Prospect,
        _ => v1::ScorecardKind::Organisation,
    }
}

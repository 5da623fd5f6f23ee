//! `mahnwerk score`.

use mahnwerk_proto::scoring::v1::{
    ExplainScoreRequest, ExplainedFeature, GetScoreRequest, RiskClass, Score, ScorecardKind,
};
use serde_json::json;

use super::Context;
use crate::{
    cli::ScoreArgs,
    client::{Result, call},
    json,
    output::{count_text, date_text, facts, ppm_text, print_json, proto_date, right, table},
};

/// Shows the current score.
pub(super) async fn show(context: &Context, args: &ScoreArgs) -> Result<()> {
    let request = GetScoreRequest {
        creditor_id: args.debtor.creditor.clone(),
        debtor_id: args.debtor.debtor.clone(),
        at_least: args.debtor.read.at_least.clone(),
        language: context.language.clone(),
    };
    let score = context
        .clients
        .scores()
        .get_score(call(request))
        .await?
        .into_inner()
        .score
        .unwrap_or_default();
    if context.json {
        print_json(&json!({ "score": json::message("mahnwerk.scoring.v1.Score", &score) }));
    } else {
        print_score(&score);
    }
    Ok(())
}

/// Shows a score, current or as of a date, with all features.
pub(super) async fn explain(context: &Context, args: &ScoreArgs) -> Result<()> {
    let request = ExplainScoreRequest {
        creditor_id: args.debtor.creditor.clone(),
        debtor_id: args.debtor.debtor.clone(),
        as_of: args.as_of.map(proto_date),
        at_least: args.debtor.read.at_least.clone(),
        language: context.language.clone(),
    };
    let answer = context
        .clients
        .scores()
        .explain_score(call(request))
        .await?
        .into_inner();
    let score = answer.score.unwrap_or_default();
    if context.json {
        print_json(&json!({
            "score": json::message("mahnwerk.scoring.v1.Score", &score),
            "features": json::messages("mahnwerk.scoring.v1.ExplainedFeature", &answer.features),
            "base_score": answer.base_score,
        }));
        return Ok(());
    }
    print_score(&score);
    if args.explain {
        say!(
            "\nBase score {}\n{}",
            answer.base_score,
            features(&answer.features)
        );
    }
    Ok(())
}

/// The class as one letter; empty if there is none.
pub(crate) fn class_text(class: RiskClass) -> &'static str {
    match class {
        RiskClass::Unspecified => "",
        RiskClass::A => "A",
        RiskClass::B => "B",
        RiskClass::C => "C",
        RiskClass::D => "D",
        RiskClass::E => "E",
        RiskClass::X => "X",
    }
}

fn print_score(score: &Score) {
    let card = match score.scorecard_kind() {
        ScorecardKind::Unspecified => String::new(),
        ScorecardKind::Organisation => {
            format!("organisation, revision {}", score.scorecard_revision)
        }
        ScorecardKind::Person => format!("person, revision {}", score.scorecard_revision),
        ScorecardKind::Prospect => format!("prospect, revision {}", score.scorecard_revision),
    };
    let scored = !matches!(score.risk_class(), RiskClass::X | RiskClass::Unspecified);
    let if_scored = |text: String| if scored { text } else { String::new() };
    let shown = facts(&[
        ("Debtor", score.debtor_id.clone()),
        ("Class", class_text(score.risk_class()).to_owned()),
        ("Score", if_scored(score.score.to_string())),
        (
            "Probability of default",
            if_scored(ppm_text(score.pd_ppm.into())),
        ),
        ("As of", date_text(score.observation_date.as_ref())),
        ("Settled invoices", count_text(score.settled_items)),
        ("Scorecard", card),
    ]);
    say!("{shown}");
    if !score.reasons.is_empty() {
        let mut reasons = table(&["Points lost", "Why the score is not better"]);
        for reason in &score.reasons {
            reasons.add_row([reason.points_lost.to_string(), reason.text.clone()]);
        }
        right(&mut reasons, [0]);
        say!("\n{reasons}");
    }
}

fn features(features: &[ExplainedFeature]) -> comfy_table::Table {
    let mut shown = table(&["Characteristic", "Value", "Unit", "Bin", "Points", "Best"]);
    for feature in features {
        let used = !feature.bin.is_empty();
        let points = |points: i32| {
            if used {
                points.to_string()
            } else {
                String::new()
            }
        };
        shown.add_row([
            feature.characteristic.clone(),
            feature
                .value
                .map_or_else(|| "missing".to_owned(), count_text),
            feature.unit.clone(),
            feature.bin.clone(),
            points(feature.points),
            points(feature.best_points),
        ]);
    }
    right(&mut shown, [1, 4, 5]);
    shown
}

//! The scores: whether they were right, and of some debtors why they are what they are.

use mahnwerk_proto::scoring::v1::RiskClass;

use super::{
    super::{
        calendar::OUTCOME_MONTHS,
        collect::Facts,
        drive::Driven,
        examples::Example,
        ledger::Story,
        statistics::{self, BAD_DAYS, ClassOutcome, Outcome},
    },
    Section,
    chart::{Chart, Form},
    size,
};
use crate::{
    commands::{
        credit::{outcome_text, terms_text},
        score::class_text,
    },
    output::{count_text, date_text, money_text, ppm_text},
};

const CLASSES: [RiskClass; 6] = [
    RiskClass::A,
    RiskClass::B,
    RiskClass::C,
    RiskClass::D,
    RiskClass::E,
    RiskClass::X,
];

pub(super) fn right_or_wrong(
    story: &Story,
    driven: &Driven,
    facts: &Facts,
    outcomes: &[Outcome],
) -> Section {
    let (cut, last) = (story.period.cut, story.period.last());
    let check = statistics::check(&driven.predicted, outcomes, cut, last);
    let mut section = Section::new("Scores, and whether they were right");
    section.say(format!(
        "The scores of {cut} were put aside. A debtor turned bad if an invoice issued in the {OUTCOME_MONTHS} months \
         from then on was settled {BAD_DAYS} days or more after it was due, is still open so late, or was written off."
    ));
    let mut chart = Chart::new(
        "Debtors that turned bad, and how many were predicted, by class",
        Form::Grouped,
        &["bad rate", "predicted"],
    );
    let mut all = ClassOutcome::default();
    let mut rows = Vec::new();
    for class in CLASSES {
        let outcome = check.classes.get(&i32::from(class));
        let outcome = outcome.copied().unwrap_or_default();
        all.debtors += outcome.debtors;
        all.bad += outcome.bad;
        all.pd_ppm += outcome.pd_ppm;
        let scored_now = facts.scores.iter().filter(|it| it.risk_class() == class);
        let row = class_row(class_text(class), scored_now.count(), outcome);
        if outcome.debtors > 0 {
            let rates = [outcome.bad * 1_000_000, outcome.pd_ppm].map(|it| it / outcome.debtors);
            chart.worded_row(class_text(class), &rates, row.get(4..).unwrap_or_default());
        }
        rows.push(row);
    }
    rows.push(class_row("all", facts.scores.len(), all));
    section.chart(chart);
    let head = [
        "class",
        "debtors now",
        "scored then",
        "turned bad",
        "bad rate",
        "predicted",
    ];
    section.table("Scores and outcomes by class", &head, rows);
    let auc = check.auc_permille.map_or_else(
        || "-".to_owned(),
        |auc| format!("{}.{:03}", auc / 1_000, auc % 1_000),
    );
    section.say(format!(
        "Area under the curve: {auc} (1 is perfect, 0.5 is chance)."
    ));
    section.say(format!(
        "{} debtors scored then were not invoiced afterwards. Predicted is the mean probability of being 90 days late \
         within 12 months.",
        count_text(check.without_invoice)
    ));
    section
}

fn class_row(name: &str, now: usize, outcome: ClassOutcome) -> Vec<String> {
    let share = |part: i64| match outcome.debtors {
        0 => "-".to_owned(),
        debtors => ppm_text(part / debtors),
    };
    vec![
        name.to_owned(),
        size(now),
        count_text(outcome.debtors),
        count_text(outcome.bad),
        share(outcome.bad * 1_000_000),
        share(outcome.pd_ppm),
    ]
}

pub(super) fn example(example: &Example) -> Section {
    let Example {
        title,
        debtor,
        score,
        decision,
    } = example;
    let mut section = Section::new(format!(
        "{title}: {} {}, {}",
        debtor.debtor_id, debtor.display_name, debtor.country
    ));
    if let Some(since) = &debtor.insolvent_since {
        section.say(format!("Insolvent since {}.", date_text(Some(since))));
    }
    match score.risk_class() {
        RiskClass::X | RiskClass::Unspecified => section.say("Not scored."),
        class => section.say(format!(
            "Class {}, score {}, probability of default {}, {} invoices settled.",
            class_text(class),
            score.score,
            ppm_text(score.pd_ppm.into()),
            count_text(score.settled_items)
        )),
    }
    for reason in &score.reasons {
        section.point(format!("-{:>3}", reason.points_lost), &reason.text);
    }
    let terms = match terms_text(decision) {
        terms if terms.is_empty() => terms,
        terms => format!(", {terms}"),
    };
    section.say(format!(
        "An order of {}: {}{terms}.",
        money_text(decision.amount.as_ref()),
        outcome_text(decision.outcome())
    ));
    for reason in &decision.reasons {
        section.point("", &reason.text);
    }
    if decision.limit.is_some() {
        let figures = format!(
            "limit {}, exposure {}, free {}",
            money_text(decision.limit.as_ref()),
            money_text(decision.exposure.as_ref()),
            money_text(decision.free_limit.as_ref())
        );
        section.point("", &figures);
    }
    section
}

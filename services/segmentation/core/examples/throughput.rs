//! How many debtors a second one core places by a scheme of seven rules: `cargo run -p segmentation-core --example
//! throughput`. Prints the time of the bare `cel` evaluation of the same conditions beside it.

use std::time::{Duration, Instant};

use segmentation_core::assign::{Input, assign};
use segmentation_core::facts::{DebtorFacts, RiskClass};
use segmentation_core::scheme::{CompiledScheme, Scheme};

const DEBTORS: usize = 100_000;

/// Seven conditions; most debtors come to the last ones.
const CONDITIONS: [&str; 7] = [
    "debtor.insolvent",
    "debtor.credit_hold",
    "debtor.risk_class == 'E'",
    "has(debtor.oldest_overdue_days) && debtor.oldest_overdue_days > 90",
    "has(debtor.turnover_12m_minor) && debtor.turnover_12m_minor >= 10000000",
    "!has(debtor.months_since_first_item) || debtor.months_since_first_item < 6",
    "has(debtor.avg_days_to_pay_12m_days) && debtor.avg_days_to_pay_12m_days <= 30",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheme = scheme()?;
    let portfolio = portfolio()?;
    let business_date = "2026-06-15".parse()?;
    let mut counts = std::collections::BTreeMap::new();
    let placing = timed(|| {
        for facts in &portfolio {
            let input = Input {
                facts,
                current: None,
                pin: None,
                business_date,
            };
            *counts
                .entry(assign(&scheme, &input).segment_id)
                .or_insert(0) += 1;
        }
    });
    println!("placed by segment: {counts:?}");
    report("assign", placing);
    let programs: Vec<cel::Program> = CONDITIONS
        .iter()
        .map(|condition| cel::Program::compile(condition))
        .collect::<Result<_, _>>()?;
    let environment = std::sync::Arc::new(cel::Env::stdlib());
    let mut held = 0;
    let raw = timed(|| {
        for facts in &portfolio {
            let mut context = cel::Context::with_env(std::sync::Arc::clone(&environment));
            context.add_variable_from_value("debtor", map_of(facts));
            let holds = |program: &cel::Program| program.execute(&context) == Ok(true.into());
            held += usize::from(programs.iter().any(holds));
        }
    });
    println!("held by a condition, raw: {held}");
    report("raw cel over a map of the same fields", raw);
    Ok(())
}

fn timed(work: impl FnOnce()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this program measures real time")]
    let start = Instant::now();
    work();
    start.elapsed()
}

fn report(what: &str, took: Duration) {
    let rate = DEBTORS as u128 * 1_000_000 / took.as_micros().max(1);
    println!("{what}: {DEBTORS} debtors in {took:?}, {rate} per second");
}

fn scheme() -> Result<CompiledScheme, Box<dyn std::error::Error>> {
    let mut text = "id = 's'\ndisplay_name = 'S'\ntreatment = false\nminimum_stay_days = 0\n\
         default = { id = 'rest', display_name = 'Rest' }\n\
         unclassified = { id = 'unclassified', display_name = 'None' }\n"
        .to_owned();
    for (number, condition) in CONDITIONS.iter().enumerate() {
        text += &format!(
            "[[segments]]\nid = 's{number}'\ndisplay_name = 'S'\ncondition = \"{condition}\"\n"
        );
    }
    Ok(Scheme::from_toml(&text)?.compile()?)
}

fn portfolio() -> Result<Vec<DebtorFacts>, Box<dyn std::error::Error>> {
    let blank: DebtorFacts = serde_json::from_str(
        r#"{"kind":"organisation","relationship":"customer","language":"de","billing_method":"paper",
            "insolvent":false,"deceased":false,"credit_hold":false,"open_disputes":0,"broken_promises_12m":0,
            "broken_plans_12m":0,"settled_items":0,"written_off_items_24m":0,"overdue_items":0,"risk_class":"B"}"#,
    )?;
    let debtor = |number: usize| {
        let spread = |factor: usize, size: usize| (number * factor % size) as i64;
        DebtorFacts {
            insolvent: spread(7, 101) == 0,
            credit_hold: spread(11, 97) == 0,
            risk_class: RiskClass::ALL[number % 6],
            oldest_overdue_days: number.is_multiple_of(3).then_some(spread(13, 120)),
            turnover_12m_minor: Some(spread(7_919, 12_000_000)),
            months_since_first_item: Some(spread(17, 48)),
            avg_days_to_pay_12m_days: Some(spread(19, 60)),
            ..blank.clone()
        }
    };
    Ok((0..DEBTORS).map(debtor).collect())
}

/// The fields that the conditions name, as a map for the evaluator.
fn map_of(facts: &DebtorFacts) -> std::collections::HashMap<String, cel::Value> {
    let optional = [
        ("oldest_overdue_days", facts.oldest_overdue_days),
        ("turnover_12m_minor", facts.turnover_12m_minor),
        ("months_since_first_item", facts.months_since_first_item),
        ("avg_days_to_pay_12m_days", facts.avg_days_to_pay_12m_days),
    ];
    let mut map: std::collections::HashMap<String, cel::Value> = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    map.insert("insolvent".to_owned(), facts.insolvent.into());
    map.insert("credit_hold".to_owned(), facts.credit_hold.into());
    map.insert("risk_class".to_owned(), facts.risk_class.name().into());
    map
}

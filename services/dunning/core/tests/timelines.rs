//! Ladders played day by day: `timelines/*.txt`.
//!
//! `from DATE` and `play DAYS` say when; `at DATE FACT` changes the facts on the morning of a day; `outage FROM..TO` are
//! days without a run. Each business day is evaluated and everything is sent; a day is printed when something is sent
//! or the reason of an item changes. Evaluating again after sending must send nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

mod support;

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use dunning_core::Plan;
use support::world::{World, day};
use support::{golden, text};

#[derive(Default)]
struct Script {
    from: Option<NaiveDate>,
    days: u64,
    events: Vec<(NaiveDate, String)>,
    outages: Vec<(NaiveDate, NaiveDate)>,
}

fn read<'l>(lines: &[&'l str]) -> (Script, Vec<&'l str>) {
    let mut script = Script::default();
    let mut facts = Vec::new();
    for line in lines {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("from", date) => script.from = Some(day(date)),
            ("play", days) => script.days = days.parse().unwrap(),
            ("at", event) => {
                let (date, fact) = event.split_once(' ').unwrap();
                script.events.push((day(date), fact.to_owned()));
            }
            ("outage", span) => {
                let (from, to) = span.split_once("..").unwrap();
                script.outages.push((day(from), day(to)));
            }
            _ => facts.push(*line),
        }
    }
    (script, facts)
}

fn play(lines: &[&str]) -> String {
    let (script, facts) = read(lines);
    let mut world = World::new();
    facts.iter().for_each(|fact| world.line(fact));
    let from = script.from.expect("from");
    let calendar = world.calendar();
    let mut reasons: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut events = script.events.iter().peekable();
    let mut printed = String::new();
    for today in (0..script.days).map(|days| from + Days::new(days)) {
        world.input.business_date = today;
        while let Some((_, fact)) = events.next_if(|(date, _)| *date <= today) {
            world.line(fact);
            printed += &format!("{today}   | {fact}\n");
        }
        let out = script
            .outages
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&today));
        if out || !calendar.is_business_day(today) {
            continue;
        }
        let plan = world.evaluate();
        printed += &print_day(&plan, &mut reasons);
        world.dispatch(&plan);
        let again = world.evaluate();
        assert!(again.notices.is_empty(), "sent twice on {today}");
    }
    assert!(events.next().is_none(), "an event after the end");
    printed
}

fn print_day(plan: &Plan, reasons: &mut BTreeMap<String, &'static str>) -> String {
    let today = plan.business_date;
    let mut printed = String::new();
    for notice in &plan.notices {
        let items: Vec<_> = notice
            .items
            .iter()
            .map(|it| format!("{} {} -> {}", it.item_id, it.sent, it.level))
            .collect();
        let (head, items) = (text::headline(notice), items.join(", "));
        let total = text::money(notice.total);
        printed += &format!("{today} {head}: {items}, {total} {}\n", notice.currency);
    }
    for task in &plan.tasks {
        printed += &format!("{today} task {:?}: {}\n", task.kind, task.items.join(" "));
    }
    for finding in &plan.findings {
        let name = finding.reason.name();
        let known = reasons.insert(finding.item_id.clone(), name);
        if known != Some(name) && !finding.reason.is_dunned() {
            printed += &format!("{today}   {}", text::finding(finding));
        }
    }
    printed
}

#[test]
fn ladders_played_for_200_days_are_those_of_the_golden_files() {
    let cases = golden::check("timelines", play);
    assert!(cases >= 10, "only {cases} timelines");
}

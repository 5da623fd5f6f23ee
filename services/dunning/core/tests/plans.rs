//! Plans that read like a specification: `golden/*.txt`.
//!
//! After the situation may stand `review KEY EDIT` lines, applied one after another, and `later`, after which lines
//! change the facts before the released notices are checked again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

mod support;

use dunning_core::Plan;
use dunning_core::review::{Edit, review};
use dunning_core::withdraw::recheck;
use support::world::World;
use support::{golden, text};

fn edit(words: &[&str]) -> Edit {
    match words {
        ["exclude"] => Edit::ExcludeAll,
        ["exclude", item] => Edit::ExcludeItem((*item).to_owned()),
        ["lower"] => Edit::Lower,
        ["raise"] => Edit::Raise,
        ["channel", name] => Edit::Channel(serde_json::from_str(&format!("\"{name}\"")).unwrap()),
        ["comment", rest @ ..] => Edit::Comment(rest.join(" ")),
        _ => panic!("no edit: {words:?}"),
    }
}

fn reviewed(world: &World, plan: Plan, line: &str, printed: &mut String) -> Plan {
    let words: Vec<&str> = line.split_whitespace().collect();
    let edit = edit(&words[2..]);
    let answer = world.with_rules(|rules| review(&plan, &world.input, rules, words[1], &edit));
    answer.unwrap_or_else(|refusal| {
        *printed += &format!("refused: {refusal}\n");
        plan
    })
}

fn decide(lines: &[&str]) -> String {
    let mut world = World::new();
    let mut lines = lines.iter().copied().peekable();
    let is_fact = |line: &&str| !line.starts_with("review ") && *line != "later";
    while let Some(line) = lines.next_if(is_fact) {
        world.line(line);
    }
    let mut printed = String::new();
    let mut plan = world.evaluate();
    while let Some(line) = lines.next_if(|line| line.starts_with("review ")) {
        plan = reviewed(&world, plan, line, &mut printed);
    }
    printed += &text::plan(&plan);
    if lines.next().is_some() {
        lines.for_each(|line| world.line(line));
        printed += "later\n";
        for notice in &plan.notices {
            let now = world.with_rules(|rules| recheck(notice, &world.input, rules).unwrap());
            printed += &text::recheck(&now);
        }
    }
    printed
}

#[test]
fn plans_are_those_of_the_golden_files() {
    let cases = golden::check("golden", decide);
    assert!(cases >= 40, "only {cases} cases");
}

//! The report: plain text of at most 100 columns. All but its last block depends on the seed alone.

use std::{collections::BTreeMap, time::Duration};

use mahnwerk_proto::{
    registry::v1::{Balance, DebtorKind, Relationship},
    scoring::v1::{RiskClass, Score},
};

use super::{
    CREDITOR,
    behaviour::{PUBLISHED_LATE_PERCENT, PUBLISHED_MEDIAN_DAYS, PUBLISHED_SOURCE},
    calendar::OUTCOME_MONTHS,
    collect::Facts,
    drive::{CURRENCY, Driven},
    examples::Example,
    ledger::{Event, Story},
    page::Page,
    report_dunning::{self, Reminders},
    statistics::{self, BAD_DAYS, Check, ClassOutcome, Outcome},
    traffic::Counts,
};
use crate::{
    cli::DemoArgs,
    commands::{
        credit::{outcome_text, terms_text},
        score::class_text,
    },
    output::{amount_text, count_text, date_text, money_text, ppm_text},
};

const CURRENCIES: [&str; 3] = ["EUR", "CHF", "USD"];
const CLASSES: [RiskClass; 6] = [
    RiskClass::A,
    RiskClass::B,
    RiskClass::C,
    RiskClass::D,
    RiskClass::E,
    RiskClass::X,
];

/// What depends on the machine.
pub(crate) struct Machine {
    /// Time to play the story.
    pub(crate) driving_took: Duration,
    /// Time from the start to the report.
    pub(crate) took: Duration,
    /// Changes seen on the feeds.
    pub(crate) counts: Counts,
}

/// The whole report.
pub(crate) fn text(
    args: &DemoArgs,
    story: &Story,
    driven: &Driven,
    facts: &Facts,
    examples: &[Example],
    machine: &Machine,
) -> String {
    let outcomes: Vec<Outcome> = facts.invoices.iter().filter_map(Outcome::of).collect();
    let mut page = Page::default();
    page.line(&format!(
        "Mahnwerk demo, seed {}: {} debtors, {} months up to {}; reporting currency {CURRENCY}",
        args.seed,
        count_text(args.debtors),
        args.months,
        story.period.last()
    ));
    portfolio(&mut page, facts);
    ageing(&mut page, story, &facts.balances);
    days_sales_outstanding(&mut page, facts, &outcomes);
    payment_practice(&mut page, story, &outcomes);
    let check = statistics::check(
        &driven.predicted,
        &outcomes,
        story.period.cut,
        story.period.last(),
    );
    scores(&mut page, story, &facts.scores, &check);
    for example in examples {
        one_example(&mut page, example);
    }
    report_dunning::write(&mut page, &reminders(driven, facts));
    what_was_done(&mut page, story, driven);
    how_to_go_on(&mut page, args, examples);
    this_machine(&mut page, driven, machine);
    page.text
}

fn reminders<'a>(driven: &'a Driven, facts: &'a Facts) -> Reminders<'a> {
    Reminders {
        segments: &driven.segments,
        movements: &facts.movements,
        dunned: &driven.dunned,
        tasks: &facts.tasks,
        letters: &facts.letters,
        effects: (&facts.with_reminders, &facts.without_reminders),
    }
}

fn portfolio(page: &mut Page, facts: &Facts) {
    page.title("Portfolio");
    page.row(
        "country",
        12,
        &["organisations", "persons", "prospects", "all"],
        15,
    );
    let mut countries: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut total = [0; 4];
    for debtor in &facts.debtors {
        let column = match (debtor.relationship(), debtor.kind()) {
            (Relationship::Prospect, _) => 2,
            (_, DebtorKind::Person) => 1,
            _ => 0,
        };
        let counts = countries.entry(&debtor.country).or_default();
        for counts in [counts, &mut total] {
            for (index, count) in counts.iter_mut().enumerate() {
                *count += usize::from(index == column || index == 3);
            }
        }
    }
    let mut rows: Vec<_> = countries.into_iter().collect();
    rows.sort_by_key(|(country, counts)| (std::cmp::Reverse(counts[3]), *country));
    for (country, counts) in rows.into_iter().chain([("all", total)]) {
        page.row(country, 12, &counts.map(size), 15);
    }
    let insolvent = facts
        .debtors
        .iter()
        .filter(|debtor| debtor.insolvent_since.is_some())
        .count();
    let held = facts
        .debtors
        .iter()
        .filter(|debtor| debtor.credit_hold)
        .count();
    page.line(&format!(
        "{} are insolvent, {} on credit hold.",
        size(insolvent),
        size(held)
    ));
}

fn size(count: usize) -> String {
    count_text(i64::try_from(count).unwrap_or(i64::MAX))
}

fn ageing(page: &mut Page, story: &Story, balances: &[Balance]) {
    page.title(&format!(
        "What is owed on {}, by days overdue",
        story.period.last()
    ));
    page.row(
        "",
        4,
        &[
            "owed", "not due", "1 to 30", "31 to 60", "61 to 90", "over 90",
        ],
        14,
    );
    for balance in balances {
        let buckets = [
            &balance.receivable,
            &balance.not_due,
            &balance.overdue_1_30,
            &balance.overdue_31_60,
            &balance.overdue_61_90,
            &balance.overdue_over_90,
        ];
        let currency = balance
            .receivable
            .as_ref()
            .map_or("", |money| money.currency_code.as_str());
        let amounts = buckets.map(|bucket| bucket.as_ref().map_or(0, |money| money.minor_units));
        page.row(
            currency,
            4,
            &amounts.map(|amount| amount_text(currency, amount)),
            14,
        );
    }
    let open: i64 = balances.iter().map(|balance| balance.open_items).sum();
    page.line(&format!("{} invoices are open.", count_text(open)));
}

fn days_sales_outstanding(page: &mut Page, facts: &Facts, outcomes: &[Outcome]) {
    page.title("Days sales outstanding at the end of the month (count-back)");
    let sales = statistics::sales(outcomes);
    page.row("", 12, &CURRENCIES, 8);
    for (day, balances) in &facts.month_ends {
        let cells = CURRENCIES.map(|currency| {
            let owed = statistics::owed(balances, currency);
            statistics::count_back(owed, currency, *day, &sales)
                .map_or_else(|| "-".to_owned(), |days| days.to_string())
        });
        page.row(&day.format("%Y-%m").to_string(), 12, &cells, 8);
    }
}

fn payment_practice(page: &mut Page, story: &Story, outcomes: &[Outcome]) {
    let practice = statistics::practice(outcomes, story.period.last());
    page.title("How the debtors pay, and how companies pay by published statistics");
    page.row("", 44, &["here", "published"], 16);
    let (low, high) = PUBLISHED_MEDIAN_DAYS;
    page.row(
        "median days from invoice to payment",
        44,
        &[practice.median_days.to_string(), format!("{low} to {high}")],
        16,
    );
    let (low, high) = PUBLISHED_LATE_PERCENT;
    let late = format!(
        "{}.{} %",
        practice.late_permille / 10,
        practice.late_permille % 10
    );
    page.row(
        "invoices not paid when due",
        44,
        &[late, format!("{low} to {high} %")],
        16,
    );
    let counted = format!(
        "{} invoices paid, {} fallen due.",
        size(practice.paid),
        size(practice.due)
    );
    page.wrapped("", &format!("{counted} Source: {PUBLISHED_SOURCE}."));
}

fn scores(page: &mut Page, story: &Story, now: &[Score], check: &Check) {
    page.title("Scores, and whether they were right");
    let cut = story.period.cut;
    page.wrapped(
        "",
        &format!(
            "The scores of {cut} were put aside. A debtor turned bad if an invoice issued in the {OUTCOME_MONTHS} months \
             from then on was settled {BAD_DAYS} days or more after it was due, is still open so late, or was written off."
        ),
    );
    page.line("");
    page.row(
        "class",
        8,
        &[
            "debtors now",
            "scored then",
            "turned bad",
            "bad rate",
            "predicted",
        ],
        15,
    );
    let mut all = ClassOutcome::default();
    for class in CLASSES {
        let outcome = check
            .classes
            .get(&i32::from(class))
            .copied()
            .unwrap_or_default();
        all.debtors += outcome.debtors;
        all.bad += outcome.bad;
        all.pd_ppm += outcome.pd_ppm;
        let scored_now = now
            .iter()
            .filter(|score| score.risk_class() == class)
            .count();
        class_row(page, class_text(class), scored_now, outcome);
    }
    class_row(page, "all", now.len(), all);
    page.line("");
    let auc = check.auc_permille.map_or_else(
        || "-".to_owned(),
        |auc| format!("{}.{:03}", auc / 1_000, auc % 1_000),
    );
    page.line(&format!(
        "Area under the curve: {auc} (1 is perfect, 0.5 is chance)."
    ));
    page.wrapped(
        "",
        &format!(
            "{} debtors scored then were not invoiced afterwards. Predicted is the mean probability of being 90 days \
             late within 12 months.",
            count_text(check.without_invoice)
        ),
    );
}

fn class_row(page: &mut Page, name: &str, now: usize, outcome: ClassOutcome) {
    let share = |part: i64| match outcome.debtors {
        0 => "-".to_owned(),
        debtors => ppm_text(part / debtors),
    };
    let cells = [
        size(now),
        count_text(outcome.debtors),
        count_text(outcome.bad),
        share(outcome.bad * 1_000_000),
        share(outcome.pd_ppm),
    ];
    page.row(name, 8, &cells, 15);
}

fn one_example(page: &mut Page, example: &Example) {
    let Example {
        title,
        debtor,
        score,
        decision,
    } = example;
    page.title(&format!(
        "{title}: {} {}, {}",
        debtor.debtor_id, debtor.display_name, debtor.country
    ));
    if let Some(since) = &debtor.insolvent_since {
        page.line(&format!("Insolvent since {}.", date_text(Some(since))));
    }
    match score.risk_class() {
        RiskClass::X | RiskClass::Unspecified => page.line("Not scored."),
        class => page.line(&format!(
            "Class {}, score {}, probability of default {}, {} invoices settled.",
            class_text(class),
            score.score,
            ppm_text(score.pd_ppm.into()),
            count_text(score.settled_items)
        )),
    }
    for reason in &score.reasons {
        page.wrapped(&format!("  -{:>3}  ", reason.points_lost), &reason.text);
    }
    let terms = match terms_text(decision) {
        terms if terms.is_empty() => terms,
        terms => format!(", {terms}"),
    };
    page.line(&format!(
        "An order of {}: {}{terms}.",
        money_text(decision.amount.as_ref()),
        outcome_text(decision.outcome())
    ));
    for reason in &decision.reasons {
        page.wrapped("  ", &reason.text);
    }
    if decision.limit.is_some() {
        page.line(&format!(
            "  limit {}, exposure {}, free {}",
            money_text(decision.limit.as_ref()),
            money_text(decision.exposure.as_ref()),
            money_text(decision.free_limit.as_ref())
        ));
    }
}

fn what_was_done(page: &mut Page, story: &Story, driven: &Driven) {
    page.title("What was done");
    let count = |holds: fn(&Event) -> bool| {
        let number = story
            .events
            .iter()
            .filter(|dated| holds(&dated.event))
            .count();
        size(number)
    };
    page.line(&format!(
        "{} business days, {} records imported, {} single calls:",
        size(story.period.days.len()),
        count_text(driven.imported),
        count_text(driven.calls)
    ));
    let done = [
        ("invoices", count(|it| matches!(it, Event::Invoice(_)))),
        ("payments", count(|it| matches!(it, Event::Payment { .. }))),
        (
            "  for several invoices at once",
            count(|it| matches!(it, Event::Payment { parts, .. } if parts.len() > 1)),
        ),
        (
            "  with early-payment discount",
            count(
                |it| matches!(it, Event::Payment { parts, .. } if parts.iter().any(|part| part.discount > 0)),
            ),
        ),
        (
            "credit notes",
            count(|it| matches!(it, Event::CreditNote { .. })),
        ),
        (
            "returned direct debits",
            count(|it| matches!(it, Event::Returned { .. })),
        ),
        (
            "write-offs",
            count(|it| matches!(it, Event::WrittenOff { .. })),
        ),
        (
            "credit holds set",
            count(|it| matches!(it, Event::Hold(true))),
        ),
        ("insolvencies", count(|it| matches!(it, Event::Insolvent))),
        (
            "promises to pay",
            count(|it| matches!(it, Event::Promised { .. })),
        ),
        ("disputes", count(|it| matches!(it, Event::Disputed { .. }))),
    ];
    for (what, times) in done {
        page.row(what, 34, &[times], 10);
    }
}

fn how_to_go_on(page: &mut Page, args: &DemoArgs, examples: &[Example]) {
    page.title("How to look further");
    let kept = args
        .keep
        .as_deref()
        .map_or_else(|| "DIR".to_owned(), |path| path.display().to_string());
    if args.keep.is_none() {
        page.line("  mahnwerk demo --keep DIR");
    }
    page.line(&format!("  mahnwerk up --data {kept}"));
    let debtor = examples
        .first()
        .map_or("D-00001", |example| example.debtor.debtor_id.as_str());
    page.line(&format!("  mahnwerk debtor show {CREDITOR} {debtor}"));
    page.line(&format!("  mahnwerk score {CREDITOR} {debtor} --explain"));
    page.line(&format!(
        "  mahnwerk check-credit {CREDITOR} {debtor} --amount 120.00 --currency EUR --order A-1"
    ));
    page.line(&format!("  mahnwerk segment show {CREDITOR} {debtor}"));
    page.line(&format!("  mahnwerk why {CREDITOR} {debtor}"));
    page.line(&format!("  mahnwerk run list {CREDITOR}"));
    page.line("  mahnwerk feed status --service dunning");
}

fn this_machine(page: &mut Page, driven: &Driven, machine: &Machine) {
    page.title("On this machine");
    let seconds = machine.driving_took.as_secs_f64().max(0.001);
    let written = driven.imported + driven.calls;
    // Precise enough for a rate.
    let per_second = |count: u64| {
        count_text(u128::from(count) * 1_000 / machine.driving_took.as_millis().max(1))
    };
    let count = |entity: &str| machine.counts.get(entity).copied().unwrap_or_default();
    let events: u64 = machine.counts.values().sum();
    page.line(&format!(
        "{seconds:.1} s to play it, {:.1} s in all",
        machine.took.as_secs_f64()
    ));
    page.line(&format!(
        "{} records and calls written, {} a second",
        count_text(written),
        per_second(written)
    ));
    page.line(&format!(
        "{} changes on the feeds, {} a second",
        count_text(events),
        per_second(events)
    ));
    page.line(&format!("{} scores changed", count_text(count("score"))));
}

#[cfg(test)]
mod tests {
    use super::{super::page::WIDTH, *};

    #[test]
    fn no_line_of_the_fixed_tables_is_too_wide() {
        let mut page = Page::default();
        ageing(&mut page, &Story::undisturbed(1, 20, 9), &[]);
        scores(
            &mut page,
            &Story::undisturbed(1, 20, 9),
            &[],
            &statistics::check(&[], &[], chrono::NaiveDate::MIN, chrono::NaiveDate::MIN),
        );
        assert!(
            page.text.lines().all(|line| line.chars().count() <= WIDTH),
            "{}",
            page.text
        );
    }
}

//! The portfolio, what is owed, how it is paid, and what was done.

use std::collections::BTreeMap;

use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{Balance, Debtor, DebtorKind, Relationship},
};

use super::{
    super::{
        CREDITOR,
        behaviour::{PUBLISHED_LATE_PERCENT, PUBLISHED_MEDIAN_DAYS, PUBLISHED_SOURCE},
        collect::Facts,
        drive::Driven,
        examples::Example,
        ledger::{Event, Story},
        statistics::{self, Outcome},
    },
    Block, Machine, Section,
    chart::{Chart, Form},
    signed, size,
};
use crate::{
    cli::DemoArgs,
    output::{amount_text, count_text},
};

const CURRENCIES: [&str; 3] = ["EUR", "CHF", "USD"];
const KINDS: [&str; 3] = ["organisations", "persons", "prospects"];
const BUCKETS: [&str; 5] = ["not due", "1 to 30", "31 to 60", "61 to 90", "over 90"];

pub(super) fn portfolio(debtors: &[Debtor]) -> Section {
    let mut section = Section::new("Portfolio");
    let mut countries: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut total = [0; 4];
    for debtor in debtors {
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
    let mut chart = Chart::new("Debtors by country", Form::Stacked, &KINDS);
    for (country, counts) in &rows {
        let [organisations, persons, prospects, _] = counts.map(signed);
        chart.row(country, &[organisations, persons, prospects]);
    }
    section.chart(chart);
    let cells = |(country, counts): (&str, [usize; 4])| {
        let first = std::iter::once(country.to_owned());
        first.chain(counts.map(size)).collect()
    };
    let rows = rows.into_iter().chain([("all", total)]).map(cells);
    let head = ["country", KINDS[0], KINDS[1], KINDS[2], "all"];
    section.table("Debtors by country and kind", &head, rows.collect());
    let insolvent = debtors.iter().filter(|it| it.insolvent_since.is_some());
    let held = debtors.iter().filter(|debtor| debtor.credit_hold);
    section.say(format!(
        "{} are insolvent, {} on credit hold.",
        size(insolvent.count()),
        size(held.count())
    ));
    section
}

pub(super) fn ageing(story: &Story, balances: &[Balance]) -> Section {
    let mut section = Section::new(format!(
        "What is owed on {}, by days overdue",
        story.period.last()
    ));
    let mut chart = Chart::new(
        "Shares of what is owed in a currency, by days overdue",
        Form::Shares,
        &BUCKETS,
    );
    let mut rows = Vec::new();
    for balance in balances {
        let minor = |money: &Option<Money>| money.as_ref().map_or(0, |money| money.minor_units);
        let buckets = [
            &balance.not_due,
            &balance.overdue_1_30,
            &balance.overdue_31_60,
            &balance.overdue_61_90,
            &balance.overdue_over_90,
        ]
        .map(minor);
        let owed = balance.receivable.as_ref();
        let currency = owed.map_or("", |money| money.currency_code.as_str());
        let amounts = [minor(&balance.receivable)].into_iter().chain(buckets);
        let texts = amounts.map(|amount| amount_text(currency, amount));
        let row: Vec<String> = [currency.to_owned()].into_iter().chain(texts).collect();
        chart.worded_row(currency, &buckets, row.get(2..).unwrap_or_default());
        rows.push(row);
    }
    section.chart(chart);
    let head: Vec<&str> = ["currency", "owed"].into_iter().chain(BUCKETS).collect();
    section.table("Receivables by currency and days overdue", &head, rows);
    let open: i64 = balances.iter().map(|balance| balance.open_items).sum();
    section.say(format!("{} invoices are open.", count_text(open)));
    section
}

pub(super) fn days_sales_outstanding(facts: &Facts, outcomes: &[Outcome]) -> Section {
    let mut section = Section::new("Days sales outstanding at the end of the month (count-back)");
    let sales = statistics::sales(outcomes);
    let rows = facts.month_ends.iter().map(|(day, balances)| {
        let cells = CURRENCIES.map(|currency| {
            let owed = statistics::owed(balances, currency);
            statistics::count_back(owed, currency, *day, &sales)
                .map_or_else(|| "-".to_owned(), |days| days.to_string())
        });
        let month = [day.format("%Y-%m").to_string()];
        month.into_iter().chain(cells).collect()
    });
    let head: Vec<&str> = ["month"].into_iter().chain(CURRENCIES).collect();
    section.table("Days by month and currency", &head, rows.collect());
    section
}

pub(super) fn payment_practice(story: &Story, outcomes: &[Outcome]) -> Section {
    let practice = statistics::practice(outcomes, story.period.last());
    let mut section =
        Section::new("How the debtors pay, and how companies pay by published statistics");
    let (low, high) = PUBLISHED_MEDIAN_DAYS;
    let days = [
        "median days from invoice to payment".to_owned(),
        practice.median_days.to_string(),
        format!("{low} to {high}"),
    ];
    let (low, high) = PUBLISHED_LATE_PERCENT;
    let late = [
        "invoices not paid when due".to_owned(),
        format!(
            "{}.{} %",
            practice.late_permille / 10,
            practice.late_permille % 10
        ),
        format!("{low} to {high} %"),
    ];
    let rows = vec![days.to_vec(), late.to_vec()];
    section.table("Payment practice", &["", "here", "published"], rows);
    section.say(format!(
        "{} invoices paid, {} fallen due. Source: {PUBLISHED_SOURCE}.",
        size(practice.paid),
        size(practice.due)
    ));
    section
}

pub(super) fn what_was_done(story: &Story, driven: &Driven) -> Section {
    let mut section = Section::new("What was done");
    section.say(format!(
        "{} business days, {} records imported, {} single calls:",
        size(story.period.days.len()),
        count_text(driven.imported),
        count_text(driven.calls)
    ));
    let count = |holds: fn(&Event) -> bool| {
        let events = story.events.iter();
        size(events.filter(|dated| holds(&dated.event)).count())
    };
    let done = [
        ("invoices", count(|it| matches!(it, Event::Invoice(_)))),
        ("payments", count(|it| matches!(it, Event::Payment { .. }))),
        (
            "for several invoices at once",
            count(|it| matches!(it, Event::Payment { parts, .. } if parts.len() > 1)),
        ),
        (
            "with early-payment discount",
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
    let rows = done.map(|(what, times)| vec![what.to_owned(), times]);
    section.table("What happened", &["", "times"], rows.to_vec());
    section
}

pub(super) fn how_to_go_on(args: &DemoArgs, examples: &[Example]) -> Section {
    let mut section = Section::new("How to look further");
    let kept = args
        .keep
        .as_deref()
        .map_or_else(|| "DIR".to_owned(), |path| path.display().to_string());
    let debtor = examples
        .first()
        .map_or("D-00001", |example| example.debtor.debtor_id.as_str());
    let keep = args.keep.is_none();
    let keep = keep.then(|| "mahnwerk demo --keep DIR".to_owned());
    let commands = [
        format!("mahnwerk up --data {kept}"),
        format!("mahnwerk debtor show {CREDITOR} {debtor}"),
        format!("mahnwerk score {CREDITOR} {debtor} --explain"),
        format!(
            "mahnwerk check-credit {CREDITOR} {debtor} --amount 120.00 --currency EUR --order A-1"
        ),
        format!("mahnwerk segment show {CREDITOR} {debtor}"),
        format!("mahnwerk why {CREDITOR} {debtor}"),
        format!("mahnwerk run list {CREDITOR}"),
        "mahnwerk feed status --service dunning".to_owned(),
    ];
    let commands = keep.into_iter().chain(commands).collect();
    section.blocks.push(Block::Commands(commands));
    section
}

pub(super) fn this_machine(driven: &Driven, machine: &Machine) -> Section {
    let mut section = Section::new("On this machine");
    let written = driven.imported + driven.calls;
    // Precise enough for a rate.
    let per_second = |count: u64| {
        count_text(u128::from(count) * 1_000 / machine.driving_took.as_millis().max(1))
    };
    let events: u64 = machine.counts.values().sum();
    section.say(format!(
        "{:.1} s to play it, {:.1} s in all",
        machine.driving_took.as_secs_f64(),
        machine.took.as_secs_f64()
    ));
    section.say(format!(
        "{} records and calls written, {} a second",
        count_text(written),
        per_second(written)
    ));
    section.say(format!(
        "{} changes on the feeds, {} a second",
        count_text(events),
        per_second(events)
    ));
    let scores = machine.counts.get("score").copied().unwrap_or_default();
    section.say(format!("{} scores changed", count_text(scores)));
    section
}

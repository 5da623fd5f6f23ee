use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SEED: u64 = 1;

/// An invoice replayed from the events alone.
struct Replayed {
    debtor: usize,
    issued: NaiveDate,
    due: NaiveDate,
    open: i64,
    settled: Option<NaiveDate>,
    paid: bool,
}

/// Replays all events and fails on the first that does not fit.
fn replay(story: &Story) -> BTreeMap<String, Replayed> {
    let mut invoices: BTreeMap<String, Replayed> = BTreeMap::new();
    let mut payments: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for Dated {
        date,
        debtor,
        event,
    } in &story.events
    {
        let mut settle = |invoice: &str, amount: i64, paid: bool| {
            let item = invoices.get_mut(invoice).unwrap();
            assert_eq!(item.debtor, *debtor, "{invoice}");
            assert!(
                amount > 0 && amount <= item.open,
                "{invoice}: {amount} of {}",
                item.open
            );
            item.open -= amount;
            item.settled = (item.open == 0).then_some(*date);
            item.paid |= paid;
        };
        match event {
            Event::Invoice(invoice) => {
                assert!(!story.debtors[*debtor].prospect);
                let new = Replayed {
                    debtor: *debtor,
                    issued: *date,
                    due: invoice.due,
                    open: invoice.amount,
                    settled: None,
                    paid: false,
                };
                assert!(
                    invoices.insert(invoice.id.clone(), new).is_none(),
                    "{} twice",
                    invoice.id
                );
            }
            Event::CreditNote {
                invoice, amount, ..
            } => settle(invoice, *amount, false),
            Event::Payment { id, parts } => {
                for part in parts {
                    settle(&part.invoice, part.amount + part.discount, true);
                }
                assert!(
                    payments.insert(id.clone(), parts.clone()).is_none(),
                    "{id} twice"
                );
            }
            Event::Returned { payment } => {
                for part in payments.remove(payment).unwrap() {
                    let item = invoices.get_mut(&part.invoice).unwrap();
                    item.open += part.amount + part.discount;
                    item.settled = None;
                }
            }
            Event::WrittenOff { invoice } => {
                let item = invoices.get_mut(invoice).unwrap();
                assert!(item.open > 0);
                item.open = 0;
            }
            Event::Registered
            | Event::Hold(_)
            | Event::Insolvent
            | Event::Promised { .. }
            | Event::Disputed { .. }
            | Event::Decided { .. } => {}
        }
    }
    invoices
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let (one, same, other) = (
        Story::undisturbed(7, 60, 12),
        Story::undisturbed(7, 60, 12),
        Story::undisturbed(8, 60, 12),
    );
    assert_eq!(one.events, same.events);
    assert_eq!(one.debtors, same.debtors);
    assert_ne!(one.events, other.events);
}

#[test]
fn more_debtors_do_not_change_the_lives_of_the_others() {
    let (few, many) = (Story::undisturbed(7, 20, 12), Story::undisturbed(7, 40, 12));
    assert_eq!(few.debtors[..], many.debtors[..20]);
    let of_few: Vec<_> = many
        .events
        .into_iter()
        .filter(|dated| dated.debtor < 20)
        .collect();
    assert_eq!(few.events, of_few);
}

#[test]
fn nothing_settles_more_than_is_open() {
    for seed in [SEED, 2, 3] {
        let invoices = replay(&Story::undisturbed(seed, 400, 18));
        assert!(invoices.len() > 3_000, "{}", invoices.len());
    }
}

#[test]
fn days_to_pay_and_the_share_of_late_payers_are_those_of_published_statistics() {
    for seed in [SEED, 2, 3] {
        let story = Story::undisturbed(seed, 800, 18);
        let invoices = replay(&story);
        let end = story.period.last();
        let mut days: Vec<i64> = invoices
            .values()
            .filter(|invoice| invoice.paid)
            .filter_map(|invoice| Some((invoice.settled? - invoice.issued).num_days()))
            .collect();
        days.sort_unstable();
        let median = days[days.len() / 2];
        let fell_due: Vec<_> = invoices
            .values()
            .filter(|invoice| invoice.due < end)
            .collect();
        let late = fell_due
            .iter()
            .filter(|it| it.settled.is_none_or(|settled| settled > it.due))
            .count();
        let percent = late * 100 / fell_due.len();
        println!(
            "seed {seed}: {} invoices, {} events, median {median}, late {percent} %",
            invoices.len(),
            story.events.len()
        );
        assert!((28..=38).contains(&median), "median days to pay: {median}");
        assert!((12..=30).contains(&percent), "late: {percent} %");
    }
}

#[test]
fn everything_that_the_demo_promises_happens() {
    let story = Story::undisturbed(SEED, 800, 18);
    let count = |holds: fn(&Event) -> bool| {
        story
            .events
            .iter()
            .filter(|dated| holds(&dated.event))
            .count()
    };
    let counts = [
        ("invoices", count(|it| matches!(it, Event::Invoice(_)))),
        (
            "discounts",
            count(
                |it| matches!(it, Event::Payment { parts, .. } if parts.iter().any(|part| part.discount > 0)),
            ),
        ),
        (
            "bulk payments",
            count(|it| matches!(it, Event::Payment { parts, .. } if parts.len() > 1)),
        ),
        (
            "credit notes",
            count(|it| matches!(it, Event::CreditNote { .. })),
        ),
        (
            "returned debits",
            count(|it| matches!(it, Event::Returned { .. })),
        ),
        (
            "write-offs",
            count(|it| matches!(it, Event::WrittenOff { .. })),
        ),
        ("holds", count(|it| matches!(it, Event::Hold(true)))),
        ("lifted holds", count(|it| matches!(it, Event::Hold(false)))),
        ("insolvencies", count(|it| matches!(it, Event::Insolvent))),
    ];
    println!("{counts:?}");
    for (what, times) in counts {
        assert!(times >= 3, "{what}: {times}");
    }
    let currencies: BTreeSet<_> = story.debtors.iter().map(|debtor| debtor.currency).collect();
    assert_eq!(
        currencies.into_iter().collect::<Vec<_>>(),
        ["CHF", "EUR", "USD"]
    );
    let prospects = story
        .debtors
        .iter()
        .filter(|debtor| debtor.prospect)
        .count();
    assert!((50..=110).contains(&prospects), "{prospects} prospects");
}

#[test]
fn everything_happens_on_business_days_in_order() {
    let story = Story::undisturbed(SEED, 200, 18);
    let days: BTreeSet<_> = story.period.days.iter().collect();
    assert!(story.events.iter().all(|dated| days.contains(&dated.date)));
    assert!(
        story
            .events
            .is_sorted_by_key(|dated| (dated.date, !dated.event.is_importable()))
    );
}

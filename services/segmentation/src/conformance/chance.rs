//! Chance: whatever is told, in whatever order and however often, everybody is where the last states say.

use std::collections::BTreeMap;

use mahnwerk_feed::Change;
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{Debtor, Relationship},
    scoring::v1::{RiskClass, ScoreState},
};
use mahnwerk_runtime::db::Db;
use prost::Message;

use super::{
    Outcome, World, date,
    feed::{events, snapshot},
    told::{self, account},
    world::Feed,
};

/// Debtors; few, so that much happens to each.
const DEBTORS: u64 = 12;

/// Changes between two looks.
const STEPS: u64 = 60;

/// Numbers that look like chance and are the same for the same seed: splitmix64 by Steele, Lea and Flood (2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// The last states.
#[derive(Default)]
struct States {
    day: i32,
    debtors: BTreeMap<String, Debtor>,
    scores: BTreeMap<String, ScoreState>,
    /// Of the dollar, by day of the month.
    rates: BTreeMap<i32, i64>,
    past: Vec<(Feed, Change)>,
}

impl States {
    /// Something happens; answers how it is told.
    fn step(&mut self, dice: &mut Dice, version: i64) -> (Feed, Change) {
        let debtor_id = format!("d{}", dice.below(DEBTORS));
        let told = match dice.below(12) {
            0 => {
                self.day += 1;
                let state = told::creditor("acme", Some(day(self.day)));
                let change = told::change("acme", "", "creditor", "acme", version, Some(state));
                (Feed::Registry, change)
            }
            1 => {
                let on = self.day + i32::try_from(dice.below(4)).unwrap_or(0);
                let percent = 50 + dice.below(100).cast_signed();
                self.rates.insert(on, percent);
                let date = day(on);
                let key = format!("USD/EUR/{:04}-{:02}-{:02}", date.year, date.month, date.day);
                let state = told::rate("USD", date, percent, 100);
                let change = told::change("acme", "", "fx_rate", &key, version, Some(state));
                (Feed::Registry, change)
            }
            2..=5 => {
                let debtor = (!dice.one_in(6)).then(|| self.some_debtor(dice, &debtor_id));
                let state = debtor.as_ref().map(Message::encode_to_vec);
                keep(&mut self.debtors, &debtor_id, debtor);
                let change = told::change("acme", &debtor_id, "debtor", &debtor_id, version, state);
                (Feed::Registry, change)
            }
            _ => {
                let score = (!dice.one_in(8)).then(|| some_score(dice, &debtor_id));
                let state = score.as_ref().map(Message::encode_to_vec);
                keep(&mut self.scores, &debtor_id, score);
                let change = told::change("acme", &debtor_id, "score", &debtor_id, version, state);
                (Feed::Scoring, change)
            }
        };
        self.past.push(told.clone());
        told
    }

    fn some_debtor(&self, dice: &mut Dice, debtor_id: &str) -> Debtor {
        let mut debtor = told::debtor("acme", debtor_id);
        let around = |dice: &mut Dice| {
            let days = i32::try_from(dice.below(8)).unwrap_or(0);
            dice.one_in(3).then(|| day((self.day + days - 4).max(1)))
        };
        if dice.one_in(4) {
            debtor.relationship = Relationship::Prospect.into();
        }
        debtor.insolvent_since = around(dice);
        debtor.deceased_since = around(dice);
        debtor.customer_since = around(dice);
        debtor
    }

    /// Where a debtor belongs in the schemes without a minimum stay, by hand; `None` if it is not known.
    fn expected(&self, debtor_id: &str) -> Option<[&'static str; 3]> {
        let debtor = self.debtors.get(debtor_id)?;
        let score = self.scores.get(debtor_id);
        let has_come = |date: Option<Date>| date.is_some_and(|date| number(date) <= self.day);
        let class = score
            .and_then(|state| state.score.as_ref())
            .map(|it| it.risk_class());
        let risk = match class {
            _ if has_come(debtor.insolvent_since) => "insolvent",
            None | Some(RiskClass::X | RiskClass::Unspecified) => "not_scored",
            Some(RiskClass::A | RiskClass::B) => "low",
            Some(RiskClass::C) => "medium",
            Some(RiskClass::D | RiskClass::E) => "high",
        };
        let first = score
            .and_then(|state| state.features.as_ref())
            .and_then(|features| features.months_since_first_item);
        let lifecycle = match first {
            _ if debtor.relationship() == Relationship::Prospect => "prospect",
            None => "prospect",
            Some(months) if months < 6 => "new",
            Some(_) => "active",
        };
        Some([risk, lifecycle, self.mine(debtor, score)])
    }

    fn mine(&self, debtor: &Debtor, score: Option<&ScoreState>) -> &'static str {
        let since = debtor.customer_since.map(|first| self.day - number(first));
        if since.is_some_and(|days| (0..3).contains(&days)) {
            return "fresh";
        }
        let rate = self
            .rates
            .range(..=self.day)
            .next_back()
            .map(|each| *each.1);
        let open = score.and_then(|state| {
            let amounts = state.accounts.iter().map(|account| {
                let euro = account.currency_code == "EUR";
                let percent = if euro { Some(100) } else { rate };
                // Half away from zero; amounts are not negative here.
                percent.map(|percent| (account.open_minor * percent * 2 + 100) / 200)
            });
            amounts.sum::<Option<i64>>()
        });
        match open {
            None => "unknown",
            Some(open) if open >= 1_000 => "much",
            Some(_) => "rest",
        }
    }
}

/// A day of March or April 2026.
fn day(number: i32) -> Date {
    if number <= 31 {
        date(2026, 3, number)
    } else {
        date(2026, 4, (number - 31).min(30))
    }
}

fn number(date: Date) -> i32 {
    date.day + if date.month == 4 { 31 } else { 0 }
}

fn keep<T>(states: &mut BTreeMap<String, T>, key: &str, state: Option<T>) {
    match state {
        Some(state) => states.insert(key.to_owned(), state),
        None => states.remove(key),
    };
}

fn some_score(dice: &mut Dice, debtor_id: &str) -> ScoreState {
    let mut state = told::score("acme", debtor_id);
    if let Some(score) = &mut state.score {
        score.risk_class = i32::try_from(dice.below(6) + 1).unwrap_or(1);
    }
    if let Some(features) = &mut state.features {
        features.months_since_first_item = (!dice.one_in(4)).then(|| dice.below(12).cast_signed());
    }
    let currencies = [&[][..], &["EUR"], &["USD"], &["EUR", "USD"]];
    let which = usize::try_from(dice.below(4)).unwrap_or(0);
    let mut amount = || dice.below(1_500).cast_signed();
    state.accounts = currencies[which]
        .iter()
        .map(|currency| account(currency, amount(), 0))
        .collect();
    state
}

/// Random changes of both feeds, repeated, late and mixed: everybody is where a hand-made computation from the last states
/// says, and whoever reads the feed of segmentation knows the same.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn memberships_follow_from_the_last_states(db: Db, seed: u64) -> Outcome {
    let mut dice = Dice(seed);
    let mut world = World::open(&db, day(1)).await?;
    let rules = [
        (
            "fresh",
            "has(debtor.days_as_customer) && debtor.days_as_customer < 3",
        ),
        ("unknown", "!has(debtor.open_amount_minor)"),
        ("much", "debtor.open_amount_minor >= 1000"),
    ];
    world.activate(world.scheme("mine", &rules)).await?;
    let mut states = States {
        day: 1,
        ..States::default()
    };
    for round in 0..4 {
        for _ in 0..STEPS {
            let version = world.next_version();
            let (feed, change) = states.step(&mut dice, version);
            if dice.one_in(4) {
                world.tell(feed, std::slice::from_ref(&change)).await?;
            }
            world.tell(feed, &[change]).await?;
            if dice.one_in(4) {
                let which = dice.below(states.past.len() as u64);
                let (feed, old) = states.past[usize::try_from(which).unwrap_or(0)].clone();
                // A deletion leaves nothing to compare with: told late, what was before it comes back.
                if still_known(&states, &old) {
                    world.tell(feed, &[old]).await?;
                }
            }
        }
        let known = snapshot(&db, 50).await?;
        assert_eq!(events(&db).await?, known, "seed {seed}, round {round}");
        for number in 0..DEBTORS {
            let debtor_id = format!("d{number}");
            let schemes = ["risk", "lifecycle", "mine"];
            let found = schemes.map(|scheme_id| {
                let membership = known.get(&(debtor_id.clone(), scheme_id.to_owned()));
                membership.map(|it| it.segment_id.as_str())
            });
            let expected = states.expected(&debtor_id);
            let expected = expected.map_or([None; 3], |it| it.map(Some));
            assert_eq!(found, expected, "seed {seed}, round {round}: {debtor_id}");
        }
    }
    world.close().await
}

fn still_known(states: &States, change: &Change) -> bool {
    match change.entity.as_str() {
        "debtor" => states.debtors.contains_key(&change.debtor_id),
        "score" => states.scores.contains_key(&change.debtor_id),
        _ => true,
    }
}

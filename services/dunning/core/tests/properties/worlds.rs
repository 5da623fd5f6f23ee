//! Random debtors under random procedures.

use chrono::{Days, NaiveDate};
use dunning_core::Input;
use dunning_core::calendar::BusinessCalendar;
use dunning_core::input::*;
use dunning_core::pause::{Pause, PauseKind, PauseScope};
use dunning_core::procedure::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub fn date(number: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(number)
}

pub fn calendar() -> BusinessCalendar {
    BusinessCalendar::weekdays("test", [date(92), date(95), date(120)])
}

/// A starter procedure with every choice drawn.
pub fn procedure() -> impl Strategy<Value = Procedure> {
    let choices = (
        0_usize..4,
        prop_oneof![Just(Credits::Net), Just(Credits::Ignore)],
        prop_oneof![Just(Escalation::ByAge), Just(Escalation::StepByStep)],
        prop_oneof![Just(Entry::FirstLevel), Just(Entry::LevelByAge)],
        prop_oneof![
            Just(Grouping::Debtor),
            Just(Grouping::Level),
            Just(Grouping::Item)
        ],
        any::<bool>(),
        prop_oneof![
            Just(FeePosting::NoticeOnly),
            Just(FeePosting::Memo),
            Just(FeePosting::Receivable)
        ],
        prop_oneof![
            Just(InFlight::Keep),
            Just(InFlight::Map),
            Just(InFlight::Restart),
            Just(InFlight::Manual)
        ],
        (0_u16..6, 0_u16..10, 0_i64..60, 0_u16..2_000),
    );
    choices.prop_map(
        |(
            starter,
            credits,
            escalation,
            entry,
            grouping,
            by_account,
            posting,
            in_flight,
            numbers,
        )| {
            let (grace, interval, minimum, share) = numbers;
            let mut procedure = starter_procedures().unwrap().swap_remove(starter);
            procedure.credits = credits;
            procedure.escalation = escalation;
            procedure.entry = entry;
            procedure.grouping = grouping;
            procedure.level_mode = LevelMode::Item;
            if by_account {
                procedure.grouping = Grouping::Debtor;
                procedure.level_mode = LevelMode::Account;
            }
            procedure.fee_posting = posting;
            procedure.in_flight = in_flight;
            procedure.grace_days = grace;
            procedure.contact_interval_days = interval;
            for step in &mut procedure.steps {
                let level = i64::from(step.level);
                step.minimum = [("EUR".to_owned(), minimum * level)].into();
                step.minimum_share_bps = share * u16::from(step.level) / 5;
            }
            procedure.steps[1].fee = FeeRule::Flat([("EUR".to_owned(), 250)].into());
            procedure.validate().unwrap();
            procedure
        },
    )
}

/// Small amounts, so that minimums, nettings and disputes often meet exactly.
fn item() -> impl Strategy<Value = Item> {
    let parts = (0_i64..=100, 0_i64..=100, 0_i64..=100, 0_u8..20);
    (0_u64..100, 0_i64..=100, any::<bool>(), 0_u8..10, parts).prop_map(
        |(due, open, euro, kind, (disputed, promised, planned, special))| {
            // Most items have no special part, or nothing would ever be dunned.
            let part = |minor: i64, one_in: u8| {
                if special % one_in == 0 {
                    minor.min(open)
                } else {
                    0
                }
            };
            Item {
                id: String::new(),
                kind: if kind == 0 {
                    ItemKind::Charge
                } else {
                    ItemKind::Invoice
                },
                currency: if euro { "EUR" } else { "CHF" }.to_owned(),
                document_date: date(due),
                due_date: date(due + 14),
                open,
                disputed: part(disputed, 5),
                promised: part(promised, 7),
                planned: part(planned, 9),
                collection_pending: special == 13,
                history: Vec::new(),
                state: DunningState::default(),
                taken: None,
            }
        },
    )
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    vec(item(), 1..7).prop_map(|mut items| {
        for (index, item) in items.iter_mut().enumerate() {
            item.id = format!("R{index}");
        }
        items
    })
}

fn credit() -> impl Strategy<Value = Credit> {
    (0_u32..1_000, 1_i64..80, any::<bool>(), option::of(0_u32..8)).prop_map(
        |(id, minor, euro, named)| Credit {
            id: format!("Z{id}"),
            currency: if euro { "EUR" } else { "CHF" }.to_owned(),
            minor,
            item_id: named.map(|index| format!("R{index}")),
        },
    )
}

fn pause() -> impl Strategy<Value = Pause> {
    (0_u32..1_000, 0_u64..160, 0_u64..25, any::<bool>(), 0_u32..8).prop_map(
        |(id, from, length, stops, scope)| Pause {
            id: format!("p{id}"),
            scope: match scope {
                0 => PauseScope::Creditor,
                1 => PauseScope::Segment("b".to_owned()),
                2 => PauseScope::Segment("other".to_owned()),
                3 => PauseScope::Debtor,
                index => PauseScope::Item(format!("R{}", index - 4)),
            },
            kind: if stops {
                PauseKind::StopClock
            } else {
                PauseKind::Suppress
            },
            from: date(from),
            until: (length < 24).then(|| date(from + length)),
        },
    )
}

fn debtor() -> impl Strategy<Value = DebtorFacts> {
    let country = prop_oneof![Just("DE"), Just("NL"), Just("BE"), Just("AT")];
    (any::<bool>(), country, option::weighted(0.1, 60_u64..120)).prop_map(
        |(person, country, manual)| DebtorFacts {
            kind: if person {
                DebtorKind::Person
            } else {
                DebtorKind::Organisation
            },
            country: country.to_owned(),
            language: "de".to_owned(),
            segment: "b".to_owned(),
            insolvent_since: None,
            deceased: false,
            restricted: false,
            manual_until: manual.map(date),
            preferred_channel: None,
            waive_fees: false,
            waive_interest: false,
        },
    )
}

pub fn input() -> impl Strategy<Value = Input> {
    (debtor(), items(), vec(credit(), 0..3), vec(pause(), 0..3)).prop_map(
        |(debtor, items, credits, pauses)| Input {
            business_date: date(0),
            calendar: "test".to_owned(),
            procedure: ProcedureRef {
                id: String::new(),
                revision: 1,
            },
            ledger: LedgerState {
                feed_behind: false,
                last_bank_import: None,
                max_age_days: None,
                when_stale: WhenStale::Withhold,
            },
            debtor,
            contact_points: [Channel::Email, Channel::Post, Channel::Phone]
                .map(|channel| ContactPoint {
                    id: channel.name().to_owned(),
                    channel,
                    state: ContactState::Verified,
                })
                .into(),
            items,
            credits,
            pauses,
            recent_contacts: Vec::new(),
        },
    )
}

/// What happens before a run.
#[derive(Debug, Clone)]
pub enum Event {
    Pays { item: usize, minor: i64 },
    Disputes { item: usize, minor: i64 },
    Promises { item: usize, minor: i64 },
    CallsMade,
    ProcedureChanges,
    NewCycle { item: usize },
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    let amount = || (0_usize..7, 0_i64..60);
    prop_oneof![
        amount().prop_map(|(item, minor)| Event::Pays { item, minor }),
        amount().prop_map(|(item, minor)| Event::Disputes { item, minor }),
        amount().prop_map(|(item, minor)| Event::Promises { item, minor }),
        Just(Event::CallsMade),
        Just(Event::ProcedureChanges),
        (0_usize..7).prop_map(|item| Event::NewCycle { item }),
        Just(Event::Nothing),
        Just(Event::Nothing),
        Just(Event::Nothing),
    ]
}

/// A debtor, two procedures it may move between, and runs: days since the last one, with what happened before.
#[derive(Debug, Clone)]
pub struct Story {
    pub input: Input,
    pub procedures: [Procedure; 2],
    pub runs: Vec<(u64, Event)>,
}

pub fn story() -> impl Strategy<Value = Story> {
    let runs = vec((prop_oneof![3 => 1_u64..4, 1 => 8_u64..20], event()), 5..25);
    (input(), procedure(), procedure(), 30_u64..120, runs).prop_map(
        |(mut input, first, mut second, start, runs)| {
            if second.id == first.id {
                second.id = "another".to_owned();
            }
            input.business_date = date(start);
            input.procedure.id.clone_from(&first.id);
            input.validate().unwrap();
            Story {
                input,
                procedures: [first, second],
                runs,
            }
        },
    )
}

impl Event {
    pub fn happen(&self, input: &mut Input, procedures: &[Procedure; 2]) {
        let at = |input: &mut Input, index: usize, change: &dyn Fn(&mut Item)| {
            if let Some(item) = input.items.get_mut(index) {
                change(item);
                item.disputed = item.disputed.min(item.open);
                item.promised = item.promised.min(item.open);
                item.planned = item.planned.min(item.open);
            }
        };
        match *self {
            Self::Pays { item, minor } => at(input, item, &|it| it.open -= minor.min(it.open)),
            Self::Disputes { item, minor } => at(input, item, &|it| it.disputed = minor),
            Self::Promises { item, minor } => at(input, item, &|it| it.promised = minor),
            Self::NewCycle { item } => at(input, item, &|it| it.state = it.state.next_cycle()),
            Self::CallsMade => input.items.iter_mut().for_each(|it| it.state.done = true),
            Self::ProcedureChanges => {
                let other = procedures.iter().find(|it| it.id != input.procedure.id);
                input.procedure.id.clone_from(&other.unwrap().id);
            }
            Self::Nothing => {}
        }
    }
}

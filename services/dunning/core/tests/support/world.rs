//! Reads situations.

use super::charges::SimpleCharges;
use chrono::{Days, NaiveDate};
use dunning_core::calendar::BusinessCalendar;
use dunning_core::evaluate::Rules;
use dunning_core::input::*;
use dunning_core::pause::{Pause, PauseKind, PauseScope};
use dunning_core::plan::Plan;
use dunning_core::procedure::{FeePosting, Procedure};
use dunning_core::{Input, evaluate, record};

pub struct World {
    procedure: toml::Table,
    holidays: Vec<NaiveDate>,
    pub input: Input,
}

const PROCEDURES: [(&str, &str); 4] = [
    ("courteous", include_str!("../../data/courteous.toml")),
    ("standard", include_str!("../../data/standard.toml")),
    ("strict", include_str!("../../data/strict.toml")),
    ("new_customer", include_str!("../../data/new_customer.toml")),
];

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|_| panic!("no date: {text}"))
}

pub fn minor(text: &str) -> i64 {
    let (major, cents) = text.split_once('.').expect("an amount has two digits");
    assert_eq!(cents.len(), 2, "{text}");
    format!("{major}{cents}").parse().unwrap()
}

fn point(id: &str, channel: Channel, state: ContactState) -> ContactPoint {
    ContactPoint {
        id: id.to_owned(),
        channel,
        state,
    }
}

fn channel(name: &str) -> Channel {
    use Channel::*;
    [Post, Registered, Email, Phone, Sms, Fax, Chat, Portal]
        .into_iter()
        .find(|it| it.name() == name)
        .unwrap_or_else(|| panic!("no channel: {name}"))
}

impl World {
    /// A German company that can be written to and called, under the standard procedure.
    pub fn new() -> Self {
        let state = ContactState::Verified;
        let mut world = Self {
            procedure: toml::Table::new(),
            holidays: Vec::new(),
            input: Input {
                business_date: day("2026-03-10"),
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
                debtor: DebtorFacts {
                    kind: DebtorKind::Organisation,
                    country: "DE".to_owned(),
                    language: "de".to_owned(),
                    segment: "b".to_owned(),
                    insolvent_since: None,
                    deceased: false,
                    restricted: false,
                    manual_until: None,
                    preferred_channel: None,
                    waive_fees: false,
                    waive_interest: false,
                },
                contact_points: vec![
                    point("e1", Channel::Email, state),
                    point("p1", Channel::Post, state),
                    point("t1", Channel::Phone, state),
                ],
                items: Vec::new(),
                credits: Vec::new(),
                pauses: Vec::new(),
                recent_contacts: Vec::new(),
            },
        };
        world.line("procedure standard");
        world
    }

    pub fn procedure(&self) -> Procedure {
        let text = toml::to_string(&self.procedure).unwrap();
        Procedure::from_toml(&text).unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub fn calendar(&self) -> BusinessCalendar {
        BusinessCalendar::weekdays("test", self.holidays.iter().copied())
    }

    pub fn with_rules<T>(&self, work: impl FnOnce(&Rules<'_>) -> T) -> T {
        work(&Rules {
            procedure: &self.procedure(),
            calendar: &self.calendar(),
            charges: &SimpleCharges,
        })
    }

    pub fn evaluate(&self) -> Plan {
        self.input.validate().expect("valid input");
        self.with_rules(|rules| evaluate(&self.input, rules).unwrap())
    }

    pub fn dispatch(&mut self, plan: &Plan) {
        self.input = record::dispatched(plan, &self.input);
    }

    pub fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let debtor = &mut self.input.debtor;
        match words[..] {
            ["procedure", name] => {
                let (_, text) = PROCEDURES.iter().find(|(id, _)| *id == name).unwrap();
                self.procedure = text.parse().unwrap();
                self.input.procedure.id = name.to_owned();
            }
            ["set", ..] => self.set(line),
            ["today", date] => self.input.business_date = day(date),
            ["holiday", date] => self.holidays.push(day(date)),
            ["debtor", kind, country] => {
                debtor.country = country.trim_matches('-').to_owned();
                debtor.kind = match kind {
                    "person" => DebtorKind::Person,
                    _ => DebtorKind::Organisation,
                };
            }
            ["segment", name] => debtor.segment = name.to_owned(),
            ["prefers", name] => debtor.preferred_channel = Some(channel(name)),
            ["insolvent", date] => debtor.insolvent_since = Some(day(date)),
            ["manual", "until", date] => debtor.manual_until = Some(day(date)),
            ["deceased"] => debtor.deceased = true,
            ["restricted"] => debtor.restricted = true,
            ["waives", "fees"] => debtor.waive_fees = true,
            ["waives", "interest"] => debtor.waive_interest = true,
            ["unreachable"] => self.input.contact_points.clear(),
            ["contact", id, name, state] => self.contact_point(id, channel(name), state),
            ["contacted", date, name] => self.input.recent_contacts.push(Contact {
                on: day(date),
                channel: channel(name),
            }),
            ["ledger", "behind", when] => {
                self.input.ledger.feed_behind = true;
                self.input.ledger.when_stale = when_stale(when);
            }
            ["ledger", "imported", date, "limit", days, when] => {
                self.input.ledger.last_bank_import = Some(day(date));
                self.input.ledger.max_age_days = Some(days.parse().unwrap());
                self.input.ledger.when_stale = when_stale(when);
            }
            ["credit", id, amount, currency, ref named @ ..] => self.input.credits.push(Credit {
                id: id.to_owned(),
                currency: currency.to_owned(),
                minor: minor(amount),
                item_id: named.get(1).map(|it| (*it).to_owned()),
            }),
            ["pause", id, kind, span, ref scope @ ..] => self.pause(id, kind, span, scope),
            ["item", id, ref rest @ ..] => {
                let item = read_item(id, rest);
                self.input.items.push(item);
            }
            ["by", "hand", name] => {
                let after = self.with_rules(|rules| {
                    record::contacted_by_hand(&self.input, rules, channel(name)).unwrap()
                });
                self.input = after;
            }
            [word, id, ref rest @ ..] => self.change(word, id, rest),
            _ => panic!("not understood: {line}"),
        }
    }

    fn change(&mut self, word: &str, id: &str, rest: &[&str]) {
        let today = self.input.business_date;
        let item = self.input.items.iter_mut().find(|it| it.id == id);
        let item = item.unwrap_or_else(|| panic!("{word}: no item {id}"));
        let amount = || minor(rest[0]);
        match word {
            "pays" => {
                if item.history.is_empty() {
                    let (on, open) = (item.document_date, item.open);
                    item.history.push(PrincipalPoint { on, open });
                }
                item.open -= amount();
                item.promised = item.promised.min(item.open);
                item.disputed = item.disputed.min(item.open);
                item.history.push(PrincipalPoint {
                    on: today,
                    open: item.open,
                });
            }
            "dispute" => item.disputed = amount(),
            "promise" => item.promised = amount(),
            "plan" => item.planned = amount(),
            "done" => item.state.done = true,
            "new-cycle" => item.state = item.state.next_cycle(),
            _ => panic!("not understood: {word}"),
        }
        self.input.items.retain(|it| it.open > 0 || word != "pays");
    }

    fn contact_point(&mut self, id: &str, channel: Channel, state: &str) {
        let state = match state {
            "verified" => ContactState::Verified,
            "unverified" => ContactState::Unverified,
            "bounced" => ContactState::Bounced,
            "moved" => ContactState::MovedUnknown,
            _ => panic!("no state: {state}"),
        };
        self.input.contact_points.retain(|it| it.id != id);
        self.input.contact_points.push(point(id, channel, state));
    }

    fn pause(&mut self, id: &str, kind: &str, span: &str, scope: &[&str]) {
        let (from, until) = span.split_once("..").unwrap();
        self.input.pauses.push(Pause {
            id: id.to_owned(),
            kind: match kind {
                "stop" => PauseKind::StopClock,
                _ => PauseKind::Suppress,
            },
            from: day(from),
            until: (!until.is_empty()).then(|| day(until)),
            scope: match scope {
                ["creditor"] => PauseScope::Creditor,
                ["segment", name] => PauseScope::Segment((*name).to_owned()),
                ["item", item] => PauseScope::Item((*item).to_owned()),
                _ => PauseScope::Debtor,
            },
        });
    }

    /// `set grouping = "LEVEL"`, or for a step `set 2 interest = true`.
    fn set(&mut self, line: &str) {
        let text = line.trim_start_matches("set ").trim();
        let (first, rest) = text.split_once(' ').unwrap();
        match first.parse::<usize>() {
            Ok(level) => {
                let steps = self.procedure.get_mut("steps").unwrap();
                let step = steps.as_array_mut().unwrap()[level - 1].as_table_mut();
                step.unwrap().extend(rest.parse::<toml::Table>().unwrap());
            }
            Err(_) => self.procedure.extend(text.parse::<toml::Table>().unwrap()),
        }
    }
}

fn when_stale(text: &str) -> WhenStale {
    match text {
        "mark" => WhenStale::Mark,
        _ => WhenStale::Withhold,
    }
}

/// `100.00 EUR due 2026-03-01 [disputed 30.00] … [sent 2 on DATE pay-by DATE by PROCEDURE] …`
fn read_item(id: &str, words: &[&str]) -> Item {
    let open = minor(words[0]);
    let mut item = Item {
        id: id.to_owned(),
        kind: ItemKind::Invoice,
        currency: words[1].to_owned(),
        document_date: day("2025-12-02"),
        due_date: day("2026-01-01"),
        open,
        disputed: 0,
        promised: 0,
        planned: 0,
        collection_pending: false,
        history: Vec::new(),
        state: DunningState::default(),
        taken: None,
    };
    let mut rest = words[2..].iter().copied();
    while let Some(word) = rest.next() {
        let mut next = || rest.next().unwrap_or_else(|| panic!("{word}: no value"));
        match word {
            "due" => {
                item.due_date = day(next());
                item.document_date = item.due_date - Days::new(30);
            }
            "disputed" => item.disputed = minor(next()),
            "promised" => item.promised = minor(next()),
            "planned" => item.planned = minor(next()),
            "pending" => item.collection_pending = true,
            "charge" => item.kind = ItemKind::Charge,
            "instalment" => item.kind = ItemKind::Instalment,
            "sent" => {
                item.state.level = next().parse().unwrap();
                item.state.cycle = item.state.cycle.max(1);
                item.state.done = true;
            }
            "on" => item.state.notice_on = Some(day(next())),
            "pay-by" => item.state.pay_by = Some(day(next())),
            "by" => item.state.procedure = next().to_owned(),
            "cycle" => item.state.cycle = next().parse().unwrap(),
            "undone" => item.state.done = false,
            "statute-served" => item.state.statutory_sent = true,
            "fees" => item.state.fees = minor(next()),
            "flat-sum" => {
                item.state.flat_sum = Some(match next() {
                    "posted" => FeePosting::Receivable,
                    _ => FeePosting::NoticeOnly,
                });
            }
            "taken" => {
                let (cycle, level) = next().split_once('.').unwrap();
                item.taken = Some(TakenStep {
                    cycle: cycle.parse().unwrap(),
                    level: level.parse().unwrap(),
                    notice: next().to_owned(),
                });
            }
            "left" => item.state.left_on = Some(day(next())),
            _ => panic!("not understood: {word}"),
        }
    }
    item
}

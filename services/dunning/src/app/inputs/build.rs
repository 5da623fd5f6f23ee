//! From what is stored of a debtor to its subject: a pure function.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use dunning_core::{
    Input,
    input::{
        Channel, Contact, ContactPoint, ContactState, Credit, DebtorFacts, DebtorKind,
        DunningState, Item, ItemKind, PrincipalPoint, ProcedureRef,
    },
    pause::{Pause, PauseScope},
};
use mahnwerk_feed::partition;
use mahnwerk_proto::registry::v1 as wire;
use mahnwerk_runtime::error::Result;

use super::{AddressedPoint, Addressee, CreditorFacts, Subject};
use crate::storage::{
    facts::{
        CONTACT_DAYS, Fact, FactRow, INVOICE, StoredArrangement, StoredContactPoint, StoredDebtor,
        StoredInvoice, StoredMembership,
    },
    from_day, opt_day,
    pause::PauseRow,
};

/// The procedure of debtors whose treatment is not known.
const STANDARD: &str = "standard";

/// Most points of a principal's history: what the core takes.
const MAX_HISTORY: usize = 1_000;

/// What is known of a chunk of debtors beside the facts of other services.
pub(super) struct Sources<'a> {
    pub creditor: &'a CreditorFacts,
    pub today: NaiveDate,
    /// By debtor and item.
    pub states: BTreeMap<(String, String), DunningState>,
    /// Those that name one of the debtors, or none.
    pub pauses: Vec<PauseRow>,
    pub manual: BTreeMap<String, NaiveDate>,
    /// Made by notices.
    pub contacts: BTreeMap<String, Vec<(NaiveDate, Channel)>>,
}

/// What the arrangements of a debtor say about one invoice.
#[derive(Default)]
struct Arranged {
    disputed: Covered,
    promised: Covered,
    planned: Covered,
    broken_on: Option<NaiveDate>,
}

/// A part of an open amount.
#[derive(Default)]
struct Covered {
    minor: i64,
    all: bool,
}

impl Covered {
    fn add(&mut self, minor: Option<i64>) {
        match minor {
            Some(minor) => self.minor = self.minor.saturating_add(minor),
            None => self.all = true,
        }
    }

    fn of(&self, open: i64) -> i64 {
        if self.all {
            open
        } else {
            self.minor.clamp(0, open)
        }
    }
}

impl Sources<'_> {
    /// The subject of a debtor; `None` if the debtor itself is not known.
    pub(super) fn subject(&self, debtor_id: &str, facts: &[FactRow]) -> Result<Option<Subject>> {
        let debtor = facts.iter().find_map(|row| match &row.fact {
            Fact::Debtor(debtor) => Some(debtor),
            _ => None,
        });
        let Some(debtor) = debtor else {
            return Ok(None);
        };
        let treatment = facts.iter().find_map(|row| match &row.fact {
            Fact::Membership(treatment) => Some(treatment.clone()),
            _ => None,
        });
        // Nobody is left without reminders because nobody has placed it yet; a person reviews what leaves.
        let treatment = treatment.unwrap_or_else(|| StoredMembership {
            procedure_id: STANDARD.to_owned(),
            ..StoredMembership::default()
        });
        let creditor_id = &self.creditor.creditor_id;
        let (contact_points, addressed) = contact_points(facts);
        let items = self.items(debtor_id, facts)?;
        let mut input = Input {
            business_date: self.today,
            calendar: self.creditor.calendar.clone(),
            procedure: ProcedureRef {
                revision: self.revision(&treatment.procedure_id),
                id: treatment.procedure_id,
            },
            ledger: self.creditor.ledger.clone(),
            debtor: DebtorFacts {
                segment: treatment.segment_id.clone(),
                manual_until: self.manual.get(debtor_id).copied(),
                waive_fees: treatment.waive_fees,
                waive_interest: treatment.waive_fees,
                ..self.debtor(debtor)?
            },
            contact_points,
            pauses: self.pauses(debtor_id, &treatment.segment_id, &items),
            items,
            credits: credits(facts),
            recent_contacts: self.recent_contacts(debtor_id, facts)?,
        };
        input.canonicalise();
        Ok(Some(Subject {
            debtor_id: debtor_id.to_owned(),
            part: partition(creditor_id, debtor_id),
            input,
            addressee: Addressee {
                display_name: debtor.display_name.clone(),
                language: debtor.language.clone(),
                person: debtor.person,
                contact_points: addressed,
                pd_ppm: facts.iter().find_map(|row| match row.fact {
                    Fact::Score(score) => Some(score.pd_ppm),
                    _ => None,
                }),
                portfolio: treatment.portfolio,
                autopilot: treatment.autopilot,
            },
        }))
    }

    /// The latest revision; 0 if there is no such procedure.
    fn revision(&self, procedure_id: &str) -> u32 {
        let latest = &self.creditor.procedures;
        latest.get(procedure_id).copied().unwrap_or(0)
    }

    /// What the registry knows of the debtor.
    fn debtor(&self, debtor: &StoredDebtor) -> Result<DebtorFacts> {
        let deceased_since = opt_day(debtor.deceased_since)?;
        Ok(DebtorFacts {
            kind: if debtor.person {
                DebtorKind::Person
            } else {
                DebtorKind::Organisation
            },
            country: debtor.country.clone(),
            language: debtor.language.clone(),
            segment: String::new(),
            insolvent_since: opt_day(debtor.insolvent_since)?,
            deceased: deceased_since.is_some_and(|since| since <= self.today),
            restricted: false,
            manual_until: None,
            preferred_channel: channel(debtor.preferred_channel),
            waive_fees: false,
            waive_interest: false,
        })
    }

    fn items(&self, debtor_id: &str, facts: &[FactRow]) -> Result<Vec<Item>> {
        let mut arranged = arranged(facts)?;
        let mut items = Vec::new();
        for row in facts {
            let (Fact::Invoice(invoice), Some(item_id)) =
                (&row.fact, row.entity_id.strip_prefix(INVOICE))
            else {
                continue;
            };
            let arranged = arranged.remove(item_id).unwrap_or_default();
            let key = (debtor_id.to_owned(), item_id.to_owned());
            let state = self.states.get(&key).cloned().unwrap_or_default();
            items.push(Item {
                kind: ItemKind::Invoice,
                currency: invoice.currency.clone(),
                document_date: from_day(invoice.document_date)?,
                due_date: from_day(invoice.due_date)?,
                open: invoice.open,
                disputed: arranged.disputed.of(invoice.open),
                promised: arranged.promised.of(invoice.open),
                planned: arranged.planned.of(invoice.open),
                collection_pending: false,
                history: history(invoice)?,
                state: continued(state, arranged.broken_on),
                taken: None,
                id: key.1,
            });
        }
        Ok(items)
    }

    /// The pauses that cover the debtor, its segment, one of its open items or everybody; an ended one that never took
    /// effect covers nothing.
    fn pauses(&self, debtor_id: &str, segment_id: &str, items: &[Item]) -> Vec<Pause> {
        self.pauses
            .iter()
            .filter(|row| row.until.is_none_or(|until| row.from <= until))
            .filter_map(|row| {
                let of_debtor = row.debtor_id == debtor_id;
                let scope = if !row.item_id.is_empty() {
                    let open = items.iter().any(|item| item.id == row.item_id);
                    (of_debtor && open).then(|| PauseScope::Item(row.item_id.clone()))?
                } else if !row.debtor_id.is_empty() {
                    of_debtor.then_some(PauseScope::Debtor)?
                } else if !row.segment_id.is_empty() {
                    (row.segment_id == segment_id)
                        .then(|| PauseScope::Segment(row.segment_id.clone()))?
                } else {
                    PauseScope::Creditor
                };
                Some(Pause {
                    id: row.pause_id.clone(),
                    scope,
                    kind: row.kind,
                    from: row.from,
                    until: row.until,
                })
            })
            .collect()
    }

    /// Reminders of the last 90 days, whoever made them.
    fn recent_contacts(&self, debtor_id: &str, facts: &[FactRow]) -> Result<Vec<Contact>> {
        let own = self.contacts.get(debtor_id).into_iter().flatten();
        let mut contacts: Vec<Contact> = own
            .map(|(on, channel)| Contact {
                on: *on,
                channel: *channel,
            })
            .collect();
        for row in facts {
            if let Fact::Contact(contact) = row.fact
                && let Some(channel) = channel(contact.channel)
            {
                contacts.push(Contact {
                    on: from_day(contact.on)?,
                    channel,
                });
            }
        }
        let days = Days::new(CONTACT_DAYS.unsigned_abs());
        contacts.retain(|it| {
            it.on <= self.today
                && it
                    .on
                    .checked_add_days(days)
                    .is_some_and(|last| last >= self.today)
        });
        Ok(contacts)
    }
}

/// What arrangements say, by invoice.
fn arranged(facts: &[FactRow]) -> Result<BTreeMap<&str, Arranged>> {
    type Part = fn(&mut Arranged) -> &mut Covered;
    let mut by_item: BTreeMap<&str, Arranged> = BTreeMap::new();
    for row in facts {
        let (arrangement, part): (&StoredArrangement, Part) = match &row.fact {
            Fact::Dispute(stored) => (stored, |it| &mut it.disputed),
            Fact::Promise(stored) => (stored, |it| &mut it.promised),
            Fact::Plan(stored) => (stored, |it| &mut it.planned),
            _ => continue,
        };
        let broken_on = opt_day(arrangement.broken_on)?;
        for cover in &arrangement.covered {
            let arranged = by_item.entry(&cover.item_id).or_default();
            arranged.broken_on = arranged.broken_on.max(broken_on);
            part(arranged).add(cover.minor);
        }
    }
    Ok(by_item)
}

/// A plan that broke after the last notice begins a new cycle. The notice of that day came after it, because plans break
/// when the day opens.
fn continued(state: DunningState, broken_on: Option<NaiveDate>) -> DunningState {
    let notice_on = state.notice_on.filter(|_| state.level > 0);
    match (notice_on, broken_on) {
        (Some(notice_on), Some(broken_on)) if notice_on < broken_on => state.next_cycle(),
        _ => state,
    }
}

/// Where there are more points than can be looked at, the latest: the earlier ones would only make interest dearer.
fn history(invoice: &StoredInvoice) -> Result<Vec<PrincipalPoint>> {
    let beyond = invoice.history.len().saturating_sub(MAX_HISTORY);
    let points = invoice.history.iter().skip(beyond);
    points
        .map(|point| {
            Ok(PrincipalPoint {
                on: from_day(point.on)?,
                open: point.open,
            })
        })
        .collect()
}

fn credits(facts: &[FactRow]) -> Vec<Credit> {
    let credits = facts.iter().filter_map(|row| match &row.fact {
        Fact::Credit(credit) => Some(Credit {
            id: row.entity_id.clone(),
            currency: credit.currency.clone(),
            minor: credit.open,
            item_id: None,
        }),
        _ => None,
    });
    credits.collect()
}

/// The ways to reach a debtor, for evaluation and for sending.
fn contact_points(facts: &[FactRow]) -> (Vec<ContactPoint>, Vec<AddressedPoint>) {
    let points = facts.iter().filter_map(|row| match &row.fact {
        Fact::ContactPoint(point) => Some((row.version, point, channel(point.channel)?)),
        _ => None,
    });
    let both = points.map(|(version, point, channel)| {
        let seen = ContactPoint {
            id: point.id.clone(),
            channel,
            state: contact_state(point),
        };
        let addressed = AddressedPoint {
            id: point.id.clone(),
            channel,
            address: point.address.clone(),
            version,
        };
        (seen, addressed)
    });
    let (seen, mut addressed): (Vec<_>, Vec<AddressedPoint>) = both.unzip();
    addressed.sort_unstable_by(|left, right| left.id.cmp(&right.id));
    (seen, addressed)
}

fn contact_state(point: &StoredContactPoint) -> ContactState {
    match wire::ContactState::try_from(point.state) {
        Ok(wire::ContactState::Verified) => ContactState::Verified,
        Ok(wire::ContactState::Bounced) => ContactState::Bounced,
        Ok(wire::ContactState::MovedUnknown) => ContactState::MovedUnknown,
        Ok(wire::ContactState::Unverified | wire::ContactState::Unspecified) | Err(_) => {
            ContactState::Unverified
        }
    }
}

/// The channel of the registry's number for it; `None` for none, and for one that is not known here.
fn channel(number: i32) -> Option<Channel> {
    Some(match wire::Channel::try_from(number).ok()? {
        wire::Channel::Unspecified => return None,
        wire::Channel::Post => Channel::Post,
        wire::Channel::Email => Channel::Email,
        wire::Channel::Phone => Channel::Phone,
        wire::Channel::Sms => Channel::Sms,
        wire::Channel::Fax => Channel::Fax,
        wire::Channel::Chat => Channel::Chat,
        wire::Channel::Portal => Channel::Portal,
    })
}

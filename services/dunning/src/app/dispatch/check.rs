//! The check of a notice before it is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use chrono::NaiveDate;
use dunning_channel::Message;
use dunning_core::{
    Input, Rules,
    input::{Channel, ContactState, WhenStale},
    plan,
    withdraw::{Recheck, rechannel, recheck},
};
use mahnwerk_proto::dunning::v1::NoticeState;
use mahnwerk_runtime::error::{Error, Result};

use super::Outgoing;
use crate::{
    app::{
        deliver::{Effects, States, Way},
        inputs::{Addressee, Configuration, CreditorFacts, Subject},
        letter::{self, Paper},
        release::fail,
    },
    storage::{
        delivery::Attempt,
        notice::{NoticeRow, Text},
        settings::DunningSettings,
    },
};

/// How long a notice waits that cannot be looked at now, in microseconds.
const WAIT: i64 = 60_000_000;

/// How long an e-mail waits that has no way out, in microseconds. Whoever sets the sender, or switches sending on, ends
/// the wait.
const NO_WAY_OUT: i64 = 600_000_000;

/// What checks have in common.
pub(super) struct Checking<'a> {
    pub(super) facts: &'a CreditorFacts,
    pub(super) today: NaiveDate,
    pub(super) at: i64,
    pub(super) rules: Configuration,
    pub(super) subjects: BTreeMap<String, Subject>,
    pub(super) states: States,
    pub(super) texts: BTreeMap<String, Text>,
    pub(super) settings: DunningSettings,
    /// Whether e-mails have a way out.
    pub(super) email: bool,
    pub(super) lease: i64,
    /// Notices that nothing is decided on, and for how many microseconds.
    pub(super) put_off: Vec<(String, i64)>,
    /// Texts to be stored, by notice.
    pub(super) rendered: Vec<(String, Text)>,
    pub(super) effects: Effects,
}

/// What is left of a notice.
enum Left {
    Nothing,
    NoChannel,
    Notice(Box<plan::Notice>, bool),
}

impl Checking<'_> {
    /// Decides on a notice; answers the message if it is to be sent now.
    pub(super) fn check(&mut self, row: &mut NoticeRow) -> Result<Option<Outgoing>> {
        let subject = self.subjects.get(&row.debtor_id).cloned();
        let Some(subject) = subject.filter(|it| !is_unknown(&it.input)) else {
            self.put_off.push((row.notice_id.clone(), WAIT));
            return Ok(None);
        };
        let input = current_input(row, &subject.input);
        if self.rules.rules(&input).is_err() {
            // A newer program stored a procedure that this one cannot read.
            self.put_off.push((row.notice_id.clone(), WAIT));
            return Ok(None);
        }
        let (findings, left) = self.what_is_left(row, &input)?;
        if let Left::Notice(content, false) = &left
            && **content == row.content
            && content.channel.channel == Channel::Email
            && !self.has_way_out()
        {
            self.put_off.push((row.notice_id.clone(), NO_WAY_OUT));
            return Ok(None);
        }
        if !matches!(left, Left::Notice(..)) {
            self.effects.take_back(row, &self.states);
        }
        if !findings.is_empty() {
            let reasons: BTreeSet<&str> = findings.iter().map(|it| it.reason.name()).collect();
            row.reason = reasons.into_iter().collect::<Vec<_>>().join(", ");
            row.findings = findings;
        }
        let addressee = &subject.addressee;
        let changed = match left {
            Left::Nothing => {
                row.state = NoticeState::Withdrawn;
                return Ok(None);
            }
            Left::NoChannel => {
                let task = fail(row, Some(addressee), "NO_CHANNEL".to_owned(), self.at);
                self.effects.tasks.push(task);
                return Ok(None);
            }
            Left::Notice(content, changed) => {
                row.content = *content;
                changed
            }
        };
        let stale = changed || row.notice_date != self.today;
        row.notice_date = self.today;
        let text = match self.texts.get(&row.notice_id).filter(|_| !stale) {
            Some(text) => text.clone(),
            None => match self.render(row, addressee, &input) {
                Ok(text) => text,
                Err(reason) => {
                    self.effects.take_back(row, &self.states);
                    let task = fail(row, Some(addressee), reason, self.at);
                    self.effects.tasks.push(task);
                    return Ok(None);
                }
            },
        };
        Ok(self.leave(row, addressee, text))
    }

    /// Whether an e-mail can be sent.
    fn has_way_out(&self) -> bool {
        self.email && !self.settings.email_from.is_empty()
    }

    fn render(
        &mut self,
        row: &NoticeRow,
        addressee: &Addressee,
        input: &Input,
    ) -> Result<Text, String> {
        let paper = Paper {
            creditor_name: &self.facts.display_name,
            settings: &self.settings,
            addressee,
            input,
        };
        let text = letter::render(&paper, row)?;
        self.rendered.push((row.notice_id.clone(), text.clone()));
        Ok(text)
    }

    /// What falls out of a notice and what is left, over a channel that works.
    fn what_is_left(&self, row: &NoticeRow, input: &Input) -> Result<(Vec<plan::Finding>, Left)> {
        let rules = self.rules.rules(input)?;
        let first = check(&row.content, input, &rules)?;
        let Some(remaining) = first.remaining else {
            return Ok((first.withdrawn, Left::Nothing));
        };
        if works(&remaining.channel, input) {
            let left = Left::Notice(Box::new(remaining), first.changed);
            return Ok((first.withdrawn, left));
        }
        let channel = rechannel(&remaining, input, &rules)
            .map_err(|error| Error::Internal(Box::new(error)))?;
        let Some(channel) = channel else {
            return Ok((first.withdrawn, Left::NoChannel));
        };
        // The period of a statute depends on the channel.
        let elsewhere = plan::Notice {
            channel,
            ..remaining
        };
        let second = check(&elsewhere, input, &rules)?;
        let mut withdrawn = first.withdrawn;
        withdrawn.extend(second.withdrawn);
        let left = match second.remaining {
            Some(remaining) => Left::Notice(Box::new(remaining), true),
            None => Left::Nothing,
        };
        Ok((withdrawn, left))
    }

    /// Sends a notice on its way: by e-mail as a message, otherwise by a person.
    fn leave(
        &mut self,
        row: &mut NoticeRow,
        addressee: &Addressee,
        text: Text,
    ) -> Option<Outgoing> {
        let chosen = &row.content.channel;
        let channel = chosen.channel;
        let from = self.settings.email_from.as_str();
        if channel == Channel::Email && !self.has_way_out() {
            row.wait = NO_WAY_OUT;
            return None;
        }
        let points = addressee.contact_points.iter();
        let point = points.clone().find(|it| it.id == chosen.contact_point);
        row.attempt += 1;
        row.reason.clear();
        let domain = from.rsplit_once('@').map_or("localhost", |(_, it)| it);
        row.message_id = match channel {
            Channel::Email => format!("{}.{}@{domain}", row.notice_id, row.attempt),
            _ => String::new(),
        };
        let attempt = Attempt {
            notice_id: row.notice_id.clone(),
            attempt: row.attempt,
            channel: channel.name().to_owned(),
            contact_point_id: chosen.contact_point.clone(),
            contact_version: point.map_or(0, |it| it.version),
            message_id: row.message_id.clone(),
            outcome: String::new(),
            reason: String::new(),
            begun_at: self.at,
            ended_at: None,
        };
        self.effects.attempts.push(attempt.clone());
        if channel != Channel::Email {
            let when = (self.today, self.at);
            let to = Some(addressee);
            self.effects.left(row, Way::ByHand, &self.states, to, when);
            return None;
        }
        row.state = NoticeState::Sending;
        row.hold = self.lease;
        Some(Outgoing {
            notice_id: row.notice_id.clone(),
            debtor_id: row.debtor_id.clone(),
            addressee: addressee.clone(),
            attempt,
            message: Message {
                message_id: row.message_id.clone(),
                date: UNIX_EPOCH + Duration::from_micros(self.at.unsigned_abs()),
                from: from.to_owned(),
                to: point.map_or_else(String::new, |it| it.address.clone()),
                reply_to: None,
                subject: text.subject,
                text: text.text,
                html: text.html,
                language: row.language.clone(),
            },
        })
    }
}

/// Whether nobody knows now how the debtor stands, but will: then nothing is withdrawn for it.
fn is_unknown(input: &Input) -> bool {
    input.ledger.feed_behind && input.ledger.when_stale == WhenStale::Withhold
}

/// The current input as this notice is to be checked by: by its own procedure, without contact points that did not take
/// it, and, if it was sent before and came back, with its items as they were before that.
fn current_input(row: &NoticeRow, now: &Input) -> Input {
    let mut input = now.clone();
    input.procedure = row.procedure.clone();
    input
        .contact_points
        .retain(|point| !row.tried.contains(&point.id));
    let steps: BTreeMap<&str, _> = row
        .content
        .items
        .iter()
        .map(|it| (it.item_id.as_str(), (it.cycle, it.level)))
        .collect();
    for item in &mut input.items {
        let step = steps.get(item.id.as_str());
        if step == Some(&(item.state.cycle, item.state.level))
            && let Some(before) = row.before.get(&item.id)
        {
            item.state = before.clone();
        }
    }
    input
}

fn check(notice: &plan::Notice, input: &Input, rules: &Rules<'_>) -> Result<Recheck> {
    recheck(notice, input, rules).map_err(|error| Error::Internal(Box::new(error)))
}

/// Whether the contact point of a choice still works.
fn works(choice: &plan::ChannelChoice, input: &Input) -> bool {
    input.contact_points.iter().any(|point| {
        point.id == choice.contact_point
            && point.channel == choice.channel.reached_by()
            && matches!(
                point.state,
                ContactState::Verified | ContactState::Unverified
            )
    })
}

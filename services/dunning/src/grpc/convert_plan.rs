//! Plans on the wire.

use dunning_core::{
    input::{Channel, ProcedureRef},
    plan::{Finding, LineKind, Notice, TaskKind},
    procedure::Tone,
};
use mahnwerk_proto::dunning::v1::{self, NoticeChannel};
use mahnwerk_runtime::validate::from_date;

/// A channel.
#[must_use]
pub fn channel(channel: Channel) -> NoticeChannel {
    match channel {
        Channel::Post => NoticeChannel::Post,
        Channel::Registered => NoticeChannel::Registered,
        Channel::Email => NoticeChannel::Email,
        Channel::Phone => NoticeChannel::Phone,
        Channel::Sms => NoticeChannel::Sms,
        Channel::Fax => NoticeChannel::Fax,
        Channel::Chat => NoticeChannel::Chat,
        Channel::Portal => NoticeChannel::Portal,
    }
}

/// A revision of a procedure: `standard@1`.
#[must_use]
pub fn procedure(procedure: &ProcedureRef) -> String {
    format!("{}@{}", procedure.id, procedure.revision)
}

/// What a person would have to do.
#[must_use]
pub fn task_kind(kind: TaskKind) -> v1::TaskKind {
    match kind {
        TaskKind::ResearchContact => v1::TaskKind::ResearchContact,
        TaskKind::DecideProcedureChange => v1::TaskKind::DecideProcedureChange,
        TaskKind::StatutoryNoticeMissing => v1::TaskKind::StatutoryNoticeMissing,
        TaskKind::SupplyRate => v1::TaskKind::SupplyRate,
    }
}

/// The content of a notice, without what only its run knows: ids, state, date, language and procedure.
#[must_use]
pub fn notice(notice: &Notice) -> v1::Notice {
    let items = notice.items.iter().map(|item| v1::NoticeItem {
        item_id: item.item_id.clone(),
        due_date: Some(from_date(item.due_date)),
        age_days: item.age,
        cycle: i32::try_from(item.cycle).unwrap_or(i32::MAX),
        level: item.level.into(),
        dunned_minor: item.amounts.dunned,
    });
    let lines = notice.lines.iter().map(|line| v1::AmountLine {
        kind: line_kind(line.kind).into(),
        item_id: line.item_id.clone().unwrap_or_default(),
        minor_units: line.minor,
        basis: line.basis.clone(),
    });
    v1::Notice {
        currency_code: notice.currency.clone(),
        level: notice.level.into(),
        items: items.collect(),
        lines: lines.collect(),
        total_minor: notice.total,
        channel: channel(notice.channel.channel).into(),
        contact_point_id: notice.channel.contact_point.clone(),
        tone: tone(notice.tone).to_owned(),
        template_id: notice.template.clone(),
        pay_by: Some(from_date(notice.pay_by)),
        costs_after_period_minor: notice.costs_after_period,
        approval_needed: notice.approval_needed,
        statutory: notice.statutory,
        comment: notice.comment.clone(),
        ..v1::Notice::default()
    }
}

fn line_kind(kind: LineKind) -> v1::LineKind {
    match kind {
        LineKind::Principal => v1::LineKind::Principal,
        LineKind::Interest => v1::LineKind::Interest,
        LineKind::FlatSum => v1::LineKind::FlatSum,
        LineKind::EarlierFees => v1::LineKind::EarlierFees,
        LineKind::Fee => v1::LineKind::Fee,
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Friendly => "friendly",
        Tone::Firm => "firm",
        Tone::Final => "final",
    }
}

/// Why an item is dunned, or why not.
#[must_use]
pub fn finding(finding: &Finding) -> v1::Finding {
    let values = &finding.values;
    v1::Finding {
        item_id: finding.item_id.clone(),
        currency_code: finding.currency.clone(),
        reason: finding.reason.name().to_owned(),
        dunned: finding.reason.is_dunned(),
        open_minor: values.amounts.open,
        dunned_minor: values.amounts.dunned,
        age_days: values.age,
        sent_level: values.sent.into(),
        level: values.level.map_or(0, i32::from),
        deciding_date: values.date.map(from_date),
        next_date: values.next.map(from_date),
        reference: values.reference.clone().unwrap_or_default(),
        text: finding.sentence(),
    }
}

//! Notices and tasks on the wire.

use dunning_core::{input::Channel, review::Edit};
use mahnwerk_feed::timestamp;
use mahnwerk_proto::dunning::v1::{self, NoticeChannel, notice_edit};
use mahnwerk_runtime::validate::{Checker, from_date};

use super::convert_plan;
use crate::storage::{
    notice::{NoticeRow, Text},
    task::TaskRow,
};

/// Longest comment of a reviewer, in characters.
const MAX_COMMENT: usize = 500;

/// A notice; with its text where it is asked for and rendered.
#[must_use]
pub fn notice_message(row: &NoticeRow, text: Option<&Text>) -> v1::Notice {
    v1::Notice {
        creditor_id: row.creditor_id.clone(),
        notice_id: row.notice_id.clone(),
        run_id: row.run_id.clone(),
        debtor_id: row.debtor_id.clone(),
        state: row.state.into(),
        language: row.language.clone(),
        procedure: convert_plan::procedure(&row.procedure),
        notice_date: Some(from_date(row.notice_date)),
        subject: text.map_or_else(String::new, |it| it.subject.clone()),
        text: text.map_or_else(String::new, |it| it.text.clone()),
        message_id: row.message_id.clone(),
        reason: row.reason.clone(),
        sent_time: row.sent_at.map(timestamp),
        version: row.version,
        ..convert_plan::notice(&row.content)
    }
}

/// A task; with its note where it is asked for.
#[must_use]
pub fn task_message(row: &TaskRow, note: bool) -> v1::Task {
    v1::Task {
        creditor_id: row.creditor_id.clone(),
        task_id: row.task_id.clone(),
        kind: row.kind.into(),
        debtor_id: row.debtor_id.clone(),
        notice_id: row.notice_id.clone(),
        portfolio: row.portfolio.clone(),
        due_date: Some(from_date(row.due_date)),
        priority: row.priority,
        item_ids: row.item_ids.clone(),
        reference: row.reference.clone(),
        claimed_by: row.claimed_by.clone(),
        claimed_until: row.claimed_until.map(timestamp),
        outcome: row.outcome.map_or(0, i32::from),
        note: if note {
            row.note.clone()
        } else {
            String::new()
        },
        create_time: Some(timestamp(row.created_at)),
        version: row.version,
    }
}

/// The edit of a request; `None` if something is wrong with it.
pub(super) fn edit(check: &mut Checker, given: Option<v1::NoticeEdit>) -> Option<Edit> {
    let Some(given) = given.and_then(|it| it.edit) else {
        check.refuse("edit", "must be given");
        return None;
    };
    Some(match given {
        notice_edit::Edit::ExcludeItemId(item_id) => {
            check.key("edit.exclude_item_id", &item_id);
            Edit::ExcludeItem(item_id)
        }
        notice_edit::Edit::ExcludeAll(set) => {
            chosen(check, "edit.exclude_all", set, Edit::ExcludeAll)
        }
        notice_edit::Edit::Lower(set) => chosen(check, "edit.lower", set, Edit::Lower),
        notice_edit::Edit::Raise(set) => chosen(check, "edit.raise", set, Edit::Raise),
        notice_edit::Edit::Channel(value) => {
            Edit::Channel(channel(check.enum_value("edit.channel", value)?))
        }
        notice_edit::Edit::Comment(text) => {
            check.text("edit.comment", &text, 0, MAX_COMMENT);
            Edit::Comment(text)
        }
    })
}

fn chosen(check: &mut Checker, field: &str, set: bool, edit: Edit) -> Edit {
    if !set {
        check.refuse(field, "must be true");
    }
    edit
}

fn channel(channel: NoticeChannel) -> Channel {
    match channel {
        NoticeChannel::Post | NoticeChannel::Unspecified => Channel::Post,
        NoticeChannel::Registered => Channel::Registered,
        NoticeChannel::Email => Channel::Email,
        NoticeChannel::Phone => Channel::Phone,
        NoticeChannel::Sms => Channel::Sms,
        NoticeChannel::Fax => Channel::Fax,
        NoticeChannel::Chat => Channel::Chat,
        NoticeChannel::Portal => Channel::Portal,
    }
}

//! The part of the report about segments and reminders.

use std::collections::BTreeMap;

use mahnwerk_proto::dunning::v1::{Notice, NoticeChannel, NoticeState, Task, TaskKind};

use super::{
    behaviour::{DISPUTES_PERMILLE, PAYS_PERMILLE, PROMISES_PERMILLE},
    effect::Effect,
    page::Page,
    remind::Dunned,
    segments::{MonthEnd, Movements},
};
use crate::output::{amount_text, count_text, date_text};

/// Most ways of one month.
const WAYS: usize = 3;
/// Tasks shown.
const TASKS: usize = 8;

/// What the report is about.
pub(crate) struct Reminders<'a> {
    pub(crate) segments: &'a [MonthEnd],
    pub(crate) movements: &'a Movements,
    pub(crate) dunned: &'a Dunned,
    pub(crate) tasks: &'a [Task],
    /// One notice with its text for each language.
    pub(crate) letters: &'a [Notice],
    /// With and without reminders.
    pub(crate) effects: (&'a Effect, &'a Effect),
}

/// Writes all of it.
pub(crate) fn write(page: &mut Page, reminders: &Reminders<'_>) {
    segments(page, reminders.segments);
    movements(page, reminders.movements);
    notices(page, reminders.dunned);
    reasons(page, reminders.dunned);
    effect(page, reminders.effects);
    tasks(page, reminders.tasks);
    for letter in reminders.letters {
        one_letter(page, letter);
    }
}

fn segments(page: &mut Page, months: &[MonthEnd]) {
    page.title("Debtors by treatment segment at the end of the month");
    let Some(last) = months.last() else { return };
    let names: Vec<&str> = last.sizes.iter().map(|it| it.segment_id.as_str()).collect();
    page.row("", 9, &names, 13);
    for month in months {
        let counts = last.sizes.iter().map(|named| {
            let same = month
                .sizes
                .iter()
                .find(|it| it.segment_id == named.segment_id);
            count_text(same.map_or(0, |it| it.debtors))
        });
        let counts: Vec<_> = counts.collect();
        page.row(&month.day.format("%Y-%m").to_string(), 9, &counts, 13);
    }
}

fn movements(page: &mut Page, movements: &Movements) {
    page.title("Who moved, month by month");
    for (month, ways) in movements {
        let mut ways: Vec<_> = ways.iter().collect();
        ways.sort_by_key(|(way, debtors)| (std::cmp::Reverse(**debtors), *way));
        let all: usize = ways.iter().map(|(_, debtors)| **debtors).sum();
        let most: Vec<_> = ways
            .iter()
            .take(WAYS)
            .map(|((from, to), debtors)| format!("{debtors} {from} to {to}"))
            .collect();
        let first = format!("{}  {all:>4}  ", month.format("%Y-%m"));
        page.wrapped(&first, &most.join(", "));
    }
}

fn notices(page: &mut Page, dunned: &Dunned) {
    page.title("Notices by level and channel");
    let sent = || {
        dunned
            .notices
            .iter()
            .filter(|it| it.state() != NoticeState::Withdrawn)
    };
    let channels = [
        ("e-mail", NoticeChannel::Email),
        ("letter", NoticeChannel::Post),
        ("registered", NoticeChannel::Registered),
        ("call", NoticeChannel::Phone),
    ];
    let heads: Vec<_> = channels
        .iter()
        .map(|(name, _)| *name)
        .chain(["all"])
        .collect();
    page.row("level", 8, &heads, 12);
    let highest = sent().map(|it| it.level).max().unwrap_or(0);
    for level in 1..=highest {
        let of_level = || sent().filter(|it| it.level == level);
        let mut cells: Vec<_> = channels
            .iter()
            .map(|(_, channel)| {
                count_text(of_level().filter(|it| it.channel() == *channel).count() as i64)
            })
            .collect();
        cells.push(count_text(of_level().count() as i64));
        page.row(&level.to_string(), 8, &cells, 12);
    }
    let mut languages: BTreeMap<&str, i64> = BTreeMap::new();
    for notice in sent() {
        *languages.entry(&notice.language).or_default() += 1;
    }
    let languages: Vec<_> = languages
        .iter()
        .map(|(language, count)| format!("{} in {language}", count_text(*count)))
        .collect();
    let withdrawn = dunned.notices.len() - sent().count();
    page.wrapped(
        "",
        &format!(
            "{} runs; {}; {} calls made; {withdrawn} notices withdrawn before sending.",
            count_text(dunned.runs as i64),
            languages.join(", "),
            count_text(dunned.calls as i64),
        ),
    );
}

fn reasons(page: &mut Page, dunned: &Dunned) {
    page.title("Why, and why not: every open invoice in the last run");
    let mut reasons: Vec<_> = dunned.reasons.iter().collect();
    reasons.sort_by_key(|it| (std::cmp::Reverse(it.items), &it.reason));
    for reason in reasons {
        page.row(&reason.reason, 34, &[count_text(reason.items)], 10);
    }
}

fn effect(page: &mut Page, (with, without): (&Effect, &Effect)) {
    page.title("What the reminders did to payment");
    page.row("", 44, &["with", "without"], 16);
    let tenths = |it: i64| format!("{}.{}", it / 10, it % 10);
    let percent = |permille: i64| format!("{} %", tenths(permille));
    let rows = [
        (
            "invoices fallen due",
            count_text(with.due as i64),
            count_text(without.due as i64),
        ),
        (
            "paid late",
            percent(with.late_permille),
            percent(without.late_permille),
        ),
        (
            "more than 30 days late",
            percent(with.late_over_30_permille),
            percent(without.late_over_30_permille),
        ),
        (
            "days late on average",
            tenths(with.late_tenths),
            tenths(without.late_tenths),
        ),
        (
            "overdue at the end",
            count_text(with.overdue as i64),
            count_text(without.overdue as i64),
        ),
        (
            "written off",
            count_text(with.written_off as i64),
            count_text(without.written_off as i64),
        ),
    ];
    for (what, with, without) in rows {
        page.row(what, 44, &[with, without], 16);
    }
    let payers: Vec<_> = PAYS_PERMILLE
        .iter()
        .map(|(payer, [first, second, later])| {
            let name = format!("{payer:?}").to_lowercase();
            format!("{name} {}/{}/{}", first / 10, second / 10, later / 10)
        })
        .collect();
    page.wrapped(
        "",
        &format!(
            "The debtors are made up, and so is how they react: of a hundred reminders of level 1, 2 and above so many \
             are paid within days: {}. A call makes it ten more. {} % promise, {} % dispute. Without: the same debtors \
             in a world that reminds nobody.",
            payers.join(", "),
            tenths(PROMISES_PERMILLE),
            tenths(DISPUTES_PERMILLE),
        ),
    );
}

fn tasks(page: &mut Page, tasks: &[Task]) {
    page.title("Open tasks, the most urgent first");
    let mut kinds: BTreeMap<&str, i64> = BTreeMap::new();
    for task in tasks {
        *kinds.entry(kind_text(task.kind())).or_default() += 1;
    }
    for task in tasks.iter().take(TASKS) {
        let cells = [
            task.debtor_id.clone(),
            date_text(task.due_date.as_ref()),
            count_text(task.priority),
        ];
        page.row(kind_text(task.kind()), 34, &cells, 14);
    }
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(kind, count)| format!("{} {kind}", count_text(*count)))
        .collect();
    page.wrapped("", &format!("In all: {}.", kinds.join(", ")));
}

fn kind_text(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Unspecified => "",
        TaskKind::Call => "call",
        TaskKind::ResearchContact => "find a way to reach the debtor",
        TaskKind::DecideProcedureChange => "decide on a change of procedure",
        TaskKind::StatutoryNoticeMissing => "statutory notice missing",
        TaskKind::SupplyRate => "supply a rate",
        TaskKind::UncertainDelivery => "uncertain delivery",
        TaskKind::FailedDelivery => "failed delivery",
        TaskKind::RefusedCommand => "refused command",
        TaskKind::Handover => "handover",
        TaskKind::BrokenPromise => "broken promise",
        TaskKind::SendByHand => "print and post",
    }
}

fn one_letter(page: &mut Page, notice: &Notice) {
    page.title(&format!(
        "A notice in {}: level {}, {} by {}",
        notice.language,
        notice.level,
        amount_text(&notice.currency_code, notice.total_minor),
        date_text(notice.pay_by.as_ref())
    ));
    page.line(&format!("| {}", notice.subject));
    page.line("|");
    for line in notice.text.lines() {
        page.line(&format!("| {line}"));
    }
}

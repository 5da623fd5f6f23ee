//! Segments and reminders.

use std::collections::BTreeMap;

use mahnwerk_proto::dunning::v1::{Notice, NoticeChannel, NoticeState, Task, TaskKind};

use super::{
    super::{
        behaviour::{DISPUTES_PERMILLE, PAYS_PERMILLE, PROMISES_PERMILLE},
        effect::Effect,
        remind::Dunned,
        segments::{MonthEnd, Movements},
    },
    Block, Section, Table,
    chart::{Chart, Form},
    signed, size,
};
use crate::output::{amount_text, count_text, date_text};

/// Most ways of one month.
const WAYS: usize = 3;
/// Tasks shown.
const TASKS: usize = 8;

const CHANNELS: [(&str, NoticeChannel); 4] = [
    ("e-mail", NoticeChannel::Email),
    ("letter", NoticeChannel::Post),
    ("registered", NoticeChannel::Registered),
    ("call", NoticeChannel::Phone),
];

pub(super) fn segments(months: &[MonthEnd]) -> Section {
    let mut section = Section::new("Debtors by treatment segment at the end of the month");
    let Some(last) = months.last() else {
        return section;
    };
    let names: Vec<&str> = last.sizes.iter().map(|it| it.segment_id.as_str()).collect();
    let mut chart = Chart::new("Debtors by treatment segment", Form::Columns, &names);
    let mut rows = Vec::new();
    for month in months {
        let count = |name: &&str| {
            let same = month.sizes.iter().find(|it| it.segment_id == **name);
            same.map_or(0, |it| it.debtors)
        };
        let counts: Vec<i64> = names.iter().map(count).collect();
        let label = month.day.format("%Y-%m").to_string();
        chart.row(&label, &counts);
        let cells = counts.into_iter().map(count_text);
        rows.push([label].into_iter().chain(cells).collect());
    }
    section.chart(chart);
    let head: Vec<&str> = ["month"].into_iter().chain(names).collect();
    section.table("Debtors by month and segment", &head, rows);
    section
}

pub(super) fn movements(movements: &Movements) -> Section {
    let mut section = Section::new("Who moved, month by month");
    let mut chart = Chart::new("Movements between segments", Form::Columns, &["debtors"]);
    let mut rows = Vec::new();
    for (month, ways) in movements {
        let mut ways: Vec<_> = ways.iter().collect();
        ways.sort_by_key(|(way, debtors)| (std::cmp::Reverse(**debtors), *way));
        let all: usize = ways.iter().map(|(_, debtors)| **debtors).sum();
        let most: Vec<_> = ways
            .iter()
            .take(WAYS)
            .map(|((from, to), debtors)| format!("{debtors} {from} to {to}"))
            .collect();
        let label = month.format("%Y-%m").to_string();
        chart.row(&label, &[signed(all)]);
        rows.push(vec![label, size(all), most.join(", ")]);
    }
    section.chart(chart);
    let head = ["month", "moved", "the most frequent ways"];
    section.blocks.push(Block::Table(Table {
        caption: "Movements between segments by month".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        ends_with_words: true,
    }));
    section
}

pub(super) fn notices(dunned: &Dunned) -> Section {
    let mut section = Section::new("Notices by level, channel and language");
    let sent = || {
        dunned
            .notices
            .iter()
            .filter(|it| it.state() != NoticeState::Withdrawn)
    };
    let highest = sent().map(|it| it.level).max().unwrap_or(0);
    let names = CHANNELS.map(|(name, _)| name);
    let mut chart = Chart::new("Notices by level and channel", Form::Stacked, &names);
    let mut rows = Vec::new();
    for level in 1..=highest {
        let of_level = || sent().filter(|it| it.level == level);
        let counts = CHANNELS
            .map(|(_, channel)| signed(of_level().filter(|it| it.channel() == channel).count()));
        chart.row(&format!("level {level}"), &counts);
        let cells = counts.map(count_text).into_iter();
        let cells = [level.to_string()].into_iter().chain(cells);
        rows.push(cells.chain([size(of_level().count())]).collect());
    }
    section.chart(chart);
    let head: Vec<&str> = ["level"].into_iter().chain(names).chain(["all"]).collect();
    section.table("Notices by level and channel", &head, rows);
    let mut languages: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for notice in sent() {
        let levels = usize::try_from(highest).unwrap_or(0);
        let counts = languages.entry(&notice.language);
        let counts = counts.or_insert_with(|| vec![0; levels]);
        let place = usize::try_from(notice.level - 1).ok();
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    let levels: Vec<String> = (1..=highest)
        .map(|level| format!("level {level}"))
        .collect();
    let rows = languages.into_iter().map(|(language, counts)| {
        let all: i64 = counts.iter().sum();
        let cells = counts.into_iter().chain([all]).map(count_text);
        [language.to_owned()].into_iter().chain(cells).collect()
    });
    let middle = levels.iter().map(String::as_str);
    let head: Vec<&str> = ["language"]
        .into_iter()
        .chain(middle)
        .chain(["all"])
        .collect();
    section.table("Notices by language and level", &head, rows.collect());
    section.say(format!(
        "{} runs; {} calls made; {} notices withdrawn before sending.",
        count_text(dunned.runs),
        count_text(dunned.calls),
        size(dunned.notices.len() - sent().count()),
    ));
    section
}

pub(super) fn reasons(dunned: &Dunned) -> Section {
    let mut section = Section::new("Why, and why not: every open invoice in the last run");
    let mut reasons: Vec<_> = dunned.reasons.iter().collect();
    reasons.sort_by_key(|it| (std::cmp::Reverse(it.items), &it.reason));
    let mut chart = Chart::new("Open invoices by reason", Form::Stacked, &["invoices"]);
    let mut rows = Vec::new();
    for reason in reasons {
        chart.row(&reason.reason, &[reason.items]);
        rows.push(vec![reason.reason.clone(), count_text(reason.items)]);
    }
    section.chart(chart);
    section.table("Open invoices by reason", &["reason", "invoices"], rows);
    section
}

pub(super) fn effect(with: &Effect, without: &Effect) -> Section {
    let mut section = Section::new("What the reminders did to payment");
    let tenths = |it: i64| format!("{}.{}", it / 10, it % 10);
    let percent = |permille: i64| format!("{} %", tenths(permille));
    let count = |count: usize| (signed(count), size(count));
    let share = |permille: i64| (permille, percent(permille));
    let figures = |it: &Effect| {
        [
            ("invoices fallen due", count(it.due)),
            ("paid late", share(it.late_permille)),
            ("more than 30 days late", share(it.late_over_30_permille)),
            (
                "days late on average",
                (it.late_tenths, tenths(it.late_tenths)),
            ),
            ("overdue at the end", count(it.overdue)),
            ("written off", count(it.written_off)),
        ]
    };
    let series = ["with reminders", "without"];
    let mut chart = Chart::new(
        "Payment with and without reminders, each row by its own scale",
        Form::Contrasts,
        &series,
    );
    let mut rows = Vec::new();
    for ((what, with), (_, without)) in figures(with).into_iter().zip(figures(without)) {
        let texts = [with.1, without.1];
        if what != "invoices fallen due" {
            chart.worded_row(what, &[with.0, without.0], &texts);
        }
        rows.push([what.to_owned()].into_iter().chain(texts).collect());
    }
    section.chart(chart);
    let head = ["", "with", "without"];
    section.table("Payment with and without reminders", &head, rows);
    let payers: Vec<_> = PAYS_PERMILLE
        .iter()
        .map(|(payer, [first, second, later])| {
            let name = format!("{payer:?}").to_lowercase();
            format!("{name} {}/{}/{}", first / 10, second / 10, later / 10)
        })
        .collect();
    section.say(format!(
        "The debtors are made up, and so is how they react: of a hundred reminders of level 1, 2 and above so many are \
         paid within days: {}. A call makes it ten more. {} % promise, {} % dispute. Without: the same debtors in a \
         world that reminds nobody.",
        payers.join(", "),
        tenths(PROMISES_PERMILLE),
        tenths(DISPUTES_PERMILLE),
    ));
    section
}

pub(super) fn tasks(tasks: &[Task]) -> Section {
    let mut section = Section::new("Open tasks, the most urgent first");
    let rows = tasks.iter().take(TASKS).map(|task| {
        vec![
            kind_text(task.kind()).to_owned(),
            task.debtor_id.clone(),
            date_text(task.due_date.as_ref()),
            count_text(task.priority),
        ]
    });
    let head = ["task", "debtor", "due", "priority"];
    section.table("The most urgent tasks", &head, rows.collect());
    let mut kinds: BTreeMap<&str, i64> = BTreeMap::new();
    for task in tasks {
        *kinds.entry(kind_text(task.kind())).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    let mut chart = Chart::new("Open tasks by kind", Form::Stacked, &["tasks"]);
    for (kind, count) in &kinds {
        chart.row(kind, &[*count]);
    }
    section.chart(chart);
    let rows = kinds
        .into_iter()
        .map(|(kind, count)| vec![kind.to_owned(), count_text(count)]);
    section.table("Open tasks by kind", &["task", "open"], rows.collect());
    section
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

pub(super) fn letter(notice: &Notice) -> Section {
    let mut section = Section::new(format!(
        "A notice in {}: level {}, {} {} by {}",
        notice.language,
        notice.level,
        amount_text(&notice.currency_code, notice.total_minor),
        notice.currency_code,
        date_text(notice.pay_by.as_ref())
    ));
    section.blocks.push(Block::Letter {
        language: notice.language.clone(),
        subject: notice.subject.clone(),
        text: notice.text.clone(),
    });
    section
}

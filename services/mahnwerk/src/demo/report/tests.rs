use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_proto::{
    common::v1::{Date, Money},
    dunning::v1::{Notice, NoticeChannel, NoticeState, ReasonCount, Task, TaskKind},
    registry::v1::Balance,
    scoring::v1::{RiskClass, Score},
    segmentation::v1::SegmentSize,
};

use super::{
    super::{effect::effect, remind::Dunned, segments::MonthEnd},
    text::WIDTH,
    *,
};

/// A letter that would be more than text if it could.
const HOSTILE: &str =
    "<script>alert('1')</script> & \"https://elsewhere.example/\"</pre>\n    Zahlbar bis 5. März";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn euro(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    })
}

fn notice(level: i32, channel: NoticeChannel, language: &str) -> Notice {
    Notice {
        level,
        channel: channel.into(),
        language: language.to_owned(),
        state: NoticeState::Sent.into(),
        currency_code: "EUR".to_owned(),
        total_minor: 123_456,
        pay_by: Some(Date {
            year: 2025,
            month: 12,
            day: 19,
        }),
        subject: format!("Reminder <{language}>"),
        text: HOSTILE.to_owned(),
        ..Notice::default()
    }
}

/// The report of a story that no service was told of, with something in every section.
fn report() -> Report {
    let args = DemoArgs {
        seed: 1,
        debtors: 40,
        months: 9,
        keep: None,
        html: None,
    };
    let story = Story::undisturbed(1, 40, 9);
    let sizes = |strict| {
        let named = [("strict", strict), ("good_payer", 1_234), ("standard", 7)];
        let size = |(name, debtors): (&str, i64)| SegmentSize {
            segment_id: name.to_owned(),
            debtors,
            ..SegmentSize::default()
        };
        named.map(size).to_vec()
    };
    let month = |text, strict| MonthEnd {
        day: day(text),
        sizes: sizes(strict),
    };
    let ways = BTreeMap::from([
        (("standard".to_owned(), "strict".to_owned()), 17),
        (("new_customer".to_owned(), "good_payer".to_owned()), 4),
    ]);
    let driven = Driven {
        dunned: Dunned {
            notices: vec![
                notice(1, NoticeChannel::Email, "de"),
                notice(1, NoticeChannel::Post, "nl"),
                notice(3, NoticeChannel::Phone, "en"),
            ],
            reasons: vec![ReasonCount {
                reason: "WAITING_PAY_BY".to_owned(),
                items: 3_210,
            }],
            runs: 40,
            ..Dunned::default()
        },
        segments: vec![month("2025-11-28", 12), month("2025-12-31", 19)],
        imported: 9_876,
        ..Driven::default()
    };
    let score = Score {
        risk_class: RiskClass::B.into(),
        ..Score::default()
    };
    let facts = Facts {
        balances: vec![Balance {
            receivable: euro(98_765_432),
            not_due: euro(90_000_000),
            overdue_1_30: euro(8_765_432),
            open_items: 321,
            ..Balance::default()
        }],
        scores: vec![score],
        movements: BTreeMap::from([(day("2025-12-01"), ways)]),
        tasks: vec![Task {
            kind: TaskKind::Handover.into(),
            debtor_id: "D-00017".to_owned(),
            priority: 44_321,
            ..Task::default()
        }],
        letters: vec![notice(3, NoticeChannel::Email, "de")],
        with_reminders: effect(&story),
        without_reminders: effect(&story),
        ..Facts::default()
    };
    let machine = Machine {
        driving_took: std::time::Duration::from_secs(2),
        took: std::time::Duration::from_secs(3),
        counts: BTreeMap::from([("score".to_owned(), 777)]),
    };
    Report::of(&args, &story, &driven, &facts, &[], &machine)
}

/// What a reader sees of a piece of HTML.
fn visible(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ];
    named
        .iter()
        .fold(text, |text, (name, sign)| text.replace(name, sign))
}

/// The tags of a page in order, without their attributes; panics where they do not nest.
fn nested_tags(html: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let body = html.strip_prefix("<!doctype html>").unwrap();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        assert!(!text.contains('>') || tag == "style", "{piece}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{all:?}");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        all.push(name.to_owned());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

#[test]
fn no_line_of_the_text_is_too_wide_but_those_of_letters() {
    let text = lines(&report());
    let too_wide = |line: &&str| line.chars().count() > WIDTH && !line.starts_with('|');
    assert_eq!(text.lines().find(too_wide), None, "{text}");
}

#[test]
fn the_page_says_what_the_text_says() {
    let report = report();
    let (text, html) = (lines(&report), page(&report).unwrap());
    let seen = visible(&html);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, seen) = (words(&text), words(&seen));
    let mut figures = 0;
    for section in &report.sections {
        assert!(text.contains(&section.title) && seen.contains(&section.title));
        for block in &section.blocks {
            let said: Vec<&String> = match block {
                Block::Paragraph(text) | Block::Point { text, .. } => vec![text],
                Block::Table(table) => table
                    .head
                    .iter()
                    .chain(table.rows.iter().flatten())
                    .collect(),
                Block::Commands(lines) => lines.iter().collect(),
                Block::Letter { subject, .. } => vec![subject],
                Block::Chart(_) => Vec::new(),
            };
            for piece in said {
                figures += 1;
                let piece = words(piece);
                assert!(text.contains(&piece), "{piece} is not in the text");
                assert!(seen.contains(&piece), "{piece} is not on the page");
            }
        }
    }
    assert!(figures > 100, "{figures}");
    assert!(visible(&html).contains(HOSTILE), "letters are as written");
}

#[test]
fn the_page_stands_by_itself_and_nothing_in_it_runs() {
    let html = page(&report()).unwrap();
    let tags = nested_tags(&html);
    for foreign in [
        "script", "link", "img", "iframe", "object", "embed", "base", "form",
    ] {
        assert!(!tags.iter().any(|tag| tag == foreign), "{foreign}");
    }
    for (attribute, _) in html.match_indices(" href=\"") {
        assert!(html[attribute..].starts_with(" href=\"#section-"));
    }
    for foreign in [" src=", "http:", "https:", "url(", "@import", "javascript:"] {
        let seen = html.contains(foreign);
        let in_letter = foreign == "https:" && html.matches(foreign).count() == 1;
        assert!(!seen || in_letter, "{foreign}");
    }
    let charts = tags.iter().filter(|tag| *tag == "svg").count();
    assert!(charts >= 7, "{charts} charts");
    assert_eq!(
        html.matches("role=\"img\" aria-labelledby=").count(),
        charts
    );
    assert_eq!(html.matches("<desc id=").count(), charts);
    let tables = tags.iter().filter(|tag| *tag == "table").count();
    assert_eq!(html.matches("<caption>").count(), tables);
    assert!(tables >= 10, "{tables} tables");
}

#[test]
fn every_target_and_every_name_of_a_chart_is_there_once() {
    let html = page(&report()).unwrap();
    let ids = html.split(" id=\"").skip(1);
    let ids: Vec<&str> = ids.filter_map(|rest| rest.split('"').next()).collect();
    let distinct: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len());
    for target in html.split(" href=\"#").skip(1) {
        assert!(distinct.contains(target.split('"').next().unwrap()));
    }
    for names in html.split("aria-labelledby=\"").skip(1) {
        for name in names.split('"').next().unwrap().split(' ') {
            assert!(distinct.contains(name), "{name}");
        }
    }
}

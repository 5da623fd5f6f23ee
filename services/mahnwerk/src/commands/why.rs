//! `mahnwerk why`: the next step of a debtor and the reason for it, or why nothing happens.

use mahnwerk_proto::dunning::v1::{ExplainDebtorRequest, ExplainDebtorResponse, Finding, Notice};

use super::{
    Context,
    notice::{channel_text, notices},
};
use crate::{
    cli::DebtorArgs,
    client::{Result, call},
    json, names,
    output::{count_text, date_text, minor_text, print_json, right, table},
};

/// Explains a debtor.
pub(super) async fn run(context: &Context, args: DebtorArgs) -> Result<()> {
    let debtor_id = args.debtor.clone();
    let request = ExplainDebtorRequest {
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        at_least: args.read.at_least,
    };
    let mut work = context.clients.work();
    let answer = work.explain_debtor(call(request)).await?.into_inner();
    if context.json {
        let name = "mahnwerk.dunning.v1.ExplainDebtorResponse";
        print_json(&json::message(name, &answer));
    } else {
        say!("{}", explained(&debtor_id, &answer));
    }
    Ok(())
}

/// Everything in one block: treatment, next step, every item with its reason, and what is under way.
fn explained(debtor_id: &str, answer: &ExplainDebtorResponse) -> String {
    let mut text = format!("{}\n{}", treatment(debtor_id, answer), next_step(answer));
    if !answer.tasks.is_empty() {
        let kinds: Vec<_> = answer
            .tasks
            .iter()
            .map(|kind| names::word("mahnwerk.dunning.v1.TaskKind", *kind))
            .collect();
        text = format!("{text}\nA person has to act first: {}.", kinds.join(", "));
    }
    if answer.findings.is_empty() {
        text = format!("{text}\n\nNothing is open.");
    } else {
        text = format!("{text}\n\nOpen items\n{}", findings(&answer.findings));
    }
    if !answer.current_notices.is_empty() {
        let under_way = notices(&answer.current_notices);
        text = format!("{text}\n\nNotices under way\n{under_way}");
    }
    text
}

fn treatment(debtor_id: &str, answer: &ExplainDebtorResponse) -> String {
    let or =
        |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
    format!(
        "{debtor_id} on {}: segment {}, procedure {}.",
        or(
            &date_text(answer.business_date.as_ref()),
            "no business day yet"
        ),
        or(&answer.segment_id, "none"),
        or(&answer.procedure, "none"),
    )
}

/// What a run would send today, or when anything may change.
fn next_step(answer: &ExplainDebtorResponse) -> String {
    if !answer.notices.is_empty() {
        let steps: Vec<_> = answer.notices.iter().map(step).collect();
        return steps.join("\n");
    }
    let next = date_text(answer.next_evaluation.as_ref());
    if next.is_empty() {
        "Next step: none; only new facts can change that.".to_owned()
    } else {
        format!("Next step: none today; time alone may change that on {next}.")
    }
}

fn step(notice: &Notice) -> String {
    let items: Vec<_> = notice.items.iter().map(|it| it.item_id.as_str()).collect();
    let approval = if notice.approval_needed {
        ", after approval"
    } else {
        ""
    };
    let statutory = if notice.statutory {
        ", as the law demands"
    } else {
        ""
    };
    format!(
        "Next step: a {} notice of level {} by {} in the next run{approval}{statutory}: {} to pay by {} for {}.",
        notice.tone,
        notice.level,
        channel_text(notice),
        minor_text(&notice.currency_code, notice.total_minor),
        date_text(notice.pay_by.as_ref()),
        items.join(", "),
    )
}

fn findings(findings: &[Finding]) -> comfy_table::Table {
    let header = [
        "Item",
        "Open",
        "May be dunned",
        "Days",
        "Sent",
        "Level",
        "Reason",
        "Since or on",
        "Next look",
        "In words",
    ];
    let mut shown = table(&header);
    let level = |level: i32| {
        if level > 0 {
            level.to_string()
        } else {
            String::new()
        }
    };
    for it in findings {
        shown.add_row([
            it.item_id.clone(),
            minor_text(&it.currency_code, it.open_minor),
            minor_text(&it.currency_code, it.dunned_minor),
            count_text(it.age_days),
            level(it.sent_level),
            level(it.level),
            it.reason.clone(),
            date_text(it.deciding_date.as_ref()),
            date_text(it.next_date.as_ref()),
            it.text.clone(),
        ]);
    }
    right(&mut shown, 1..6);
    shown
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::{
        common::v1::Date,
        dunning::v1::{NoticeChannel, NoticeItem, NoticeState, TaskKind},
    };

    use super::*;

    fn date(year: i32, month: i32, day: i32) -> Option<Date> {
        Some(Date { year, month, day })
    }

    fn finding(item: &str, reason: &str, next_date: Option<Date>) -> Finding {
        Finding {
            item_id: item.to_owned(),
            currency_code: "EUR".to_owned(),
            reason: reason.to_owned(),
            open_minor: 120_050,
            dunned_minor: 20_050,
            age_days: 12,
            level: 2,
            next_date,
            text: format!("{item} in words"),
            ..Finding::default()
        }
    }

    fn answer() -> ExplainDebtorResponse {
        ExplainDebtorResponse {
            business_date: date(2026, 1, 5),
            segment_id: "standard".to_owned(),
            procedure: "standard@1".to_owned(),
            findings: vec![
                finding("R-1", "DUNNED_NEXT", None),
                finding("R-2", "PROMISED", date(2026, 1, 20)),
            ],
            ..ExplainDebtorResponse::default()
        }
    }

    #[test]
    fn the_next_step_is_told_in_one_sentence() {
        let mut answer = answer();
        answer.notices.push(Notice {
            currency_code: "EUR".to_owned(),
            level: 2,
            items: vec![NoticeItem {
                item_id: "R-1".to_owned(),
                ..NoticeItem::default()
            }],
            total_minor: 20_050,
            channel: NoticeChannel::Email.into(),
            tone: "firm".to_owned(),
            pay_by: date(2026, 1, 19),
            approval_needed: true,
            ..Notice::default()
        });
        let text = explained("C-1", &answer);
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("C-1 on 2026-01-05: segment standard, procedure standard@1.")
        );
        assert_eq!(
            lines.next(),
            Some(
                "Next step: a firm notice of level 2 by email in the next run, after approval: \
                 200.50 EUR to pay by 2026-01-19 for R-1."
            )
        );
        let promised = text
            .lines()
            .find(|line| line.contains("PROMISED"))
            .expect("R-2");
        for part in [
            "R-2",
            "1,200.50 EUR",
            "200.50 EUR",
            "2026-01-20",
            "R-2 in words",
        ] {
            assert!(promised.contains(part), "{promised}");
        }
        assert!(!text.contains("under way"));
    }

    #[test]
    fn where_nothing_happens_the_text_says_when_it_may() {
        let mut answer = answer();
        assert!(explained("C-1", &answer).contains("Next step: none; only new facts can"));
        answer.next_evaluation = date(2026, 1, 12);
        assert!(
            explained("C-1", &answer)
                .contains("none today; time alone may change that on 2026-01-12.")
        );
        answer.tasks = vec![
            TaskKind::SupplyRate.into(),
            TaskKind::ResearchContact.into(),
        ];
        assert!(
            explained("C-1", &answer)
                .contains("A person has to act first: supply-rate, research-contact.")
        );
        answer.current_notices.push(Notice {
            notice_id: "N-7".to_owned(),
            state: NoticeState::Sent.into(),
            ..Notice::default()
        });
        let text = explained("C-1", &answer);
        let under_way = text.split("Notices under way").nth(1).expect("notices");
        assert!(
            under_way.contains("N-7") && under_way.contains("sent"),
            "{text}"
        );
    }

    #[test]
    fn a_debtor_without_anything_is_explained_too() {
        let text = explained("C-1", &ExplainDebtorResponse::default());
        assert!(text.starts_with("C-1 on no business day yet: segment none, procedure none."));
        assert!(text.ends_with("Nothing is open."));
    }
}

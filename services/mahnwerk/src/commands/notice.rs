//! `mahnwerk notice`.

use mahnwerk_proto::dunning::v1::{
    GetNoticeRequest, ListNoticesRequest, Notice, PreviewNoticeRequest, PreviewNoticeResponse,
    ReportDeliveryRequest,
};

use super::{Context, listing::pages};
use crate::{
    cli::dunning::{NoticeCommand, NoticeListArgs},
    client::{Result, call, new_request_id},
    json, names,
    output::{
        count_text, date_text, facts, joined, minor_text, print_json, right, table, time_text, yes,
    },
};

pub(super) const NOTICE: &str = "mahnwerk.dunning.v1.Notice";
const STATE: &str = "mahnwerk.dunning.v1.NoticeState";
const CHANNEL: &str = "mahnwerk.dunning.v1.NoticeChannel";

/// Runs the command.
pub(super) async fn run(context: &Context, command: NoticeCommand) -> Result<()> {
    match command {
        NoticeCommand::Show {
            creditor,
            notice,
            text,
            read,
        } => {
            let request = GetNoticeRequest {
                creditor_id: creditor,
                notice_id: notice,
                at_least: read.at_least,
            };
            let mut runs = context.clients.runs();
            let answer = runs.get_notice(call(request)).await?.into_inner();
            let notice = answer.notice.unwrap_or_default();
            context.print_read(("notice", NOTICE), &notice, |notice| {
                let rendered = if text {
                    rendered_text(notice)
                } else {
                    String::new()
                };
                joined(&[notice_text(notice), rendered], "\n\n")
            });
            Ok(())
        }
        NoticeCommand::List(args) => list_notices(context, args).await,
        NoticeCommand::Preview {
            creditor,
            notice,
            language,
            html,
        } => {
            let request = PreviewNoticeRequest {
                creditor_id: creditor,
                notice_id: notice,
                language,
            };
            preview(context, request, html).await
        }
        NoticeCommand::Report {
            creditor,
            notice,
            outcome,
        } => {
            let request = ReportDeliveryRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                notice_id: notice,
                outcome,
            };
            let mut work = context.clients.work();
            let answer = work.report_delivery(call(request)).await?.into_inner();
            let (notice, token) = (answer.notice.unwrap_or_default(), answer.consistency_token);
            context.print_written(("notice", NOTICE), &notice, &token, notice_text);
            Ok(())
        }
    }
}

async fn list_notices(context: &Context, args: NoticeListArgs) -> Result<()> {
    let mut runs = context.clients.runs();
    let listed = pages(args.list.limit, async |page| {
        let request = ListNoticesRequest {
            creditor_id: args.creditor.clone(),
            run_id: args.run.clone().unwrap_or_default(),
            debtor_id: args.debtor.clone().unwrap_or_default(),
            state: args.state.unwrap_or_default(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = runs.list_notices(call(request)).await?.into_inner();
        Ok((answer.notices, answer.next_page_token))
    })
    .await?;
    context.print_list(("notices", NOTICE), &listed, "no notices", notices);
    Ok(())
}

async fn preview(context: &Context, request: PreviewNoticeRequest, html: bool) -> Result<()> {
    let mut runs = context.clients.runs();
    let answer = runs.preview_notice(call(request)).await?.into_inner();
    let PreviewNoticeResponse {
        subject,
        text,
        html: page,
    } = &answer;
    if context.json {
        let name = "mahnwerk.dunning.v1.PreviewNoticeResponse";
        print_json(&json::message(name, &answer));
    } else if html {
        say!("{}", page.trim_end());
    } else {
        say!("Subject: {subject}\n\n{}", text.trim_end());
    }
    Ok(())
}

/// How a notice goes out.
pub(super) fn channel_text(notice: &Notice) -> String {
    names::word(CHANNEL, notice.channel)
}

/// One line for every notice.
pub(super) fn notices(notices: &[Notice]) -> comfy_table::Table {
    let header = [
        "Notice", "Debtor", "State", "Level", "Channel", "Tone", "Total", "Items", "Pay by",
        "Remarks",
    ];
    let mut shown = table(&header);
    for it in notices {
        let approval = if it.approval_needed {
            "needs approval"
        } else {
            ""
        };
        shown.add_row([
            it.notice_id.clone(),
            it.debtor_id.clone(),
            names::word(STATE, it.state),
            it.level.to_string(),
            channel_text(it),
            it.tone.clone(),
            minor_text(&it.currency_code, it.total_minor),
            count_text(i64::try_from(it.items.len()).unwrap_or(i64::MAX)),
            date_text(it.pay_by.as_ref()),
            joined(
                &[approval.to_owned(), it.reason.clone(), it.comment.clone()],
                "; ",
            ),
        ]);
    }
    right(&mut shown, [3, 6, 7]);
    shown
}

/// A notice in full, without its text.
pub(super) fn notice_text(notice: &Notice) -> String {
    let head = facts(&[
        ("Notice", notice.notice_id.clone()),
        ("Run", notice.run_id.clone()),
        ("Debtor", notice.debtor_id.clone()),
        ("State", names::word(STATE, notice.state)),
        ("Reason", notice.reason.clone()),
        ("Procedure", notice.procedure.clone()),
        ("Level", notice.level.to_string()),
        ("Date", date_text(notice.notice_date.as_ref())),
        ("Pay by", date_text(notice.pay_by.as_ref())),
        (
            "Total",
            minor_text(&notice.currency_code, notice.total_minor),
        ),
        ("Channel", channel_text(notice)),
        ("Contact point", notice.contact_point_id.clone()),
        ("Template", notice.template_id.clone()),
        ("Tone", notice.tone.clone()),
        ("Language", notice.language.clone()),
        ("Needs approval", yes(notice.approval_needed).to_owned()),
        ("Demanded by law", yes(notice.statutory).to_owned()),
        ("Comment", notice.comment.clone()),
        ("Message-ID", notice.message_id.clone()),
        ("Sent", time_text(notice.sent_time.as_ref())),
    ]);
    let mut items = table(&["Item", "Due", "Days", "Cycle", "Level", "Dunned"]);
    for it in &notice.items {
        items.add_row([
            it.item_id.clone(),
            date_text(it.due_date.as_ref()),
            count_text(it.age_days),
            it.cycle.to_string(),
            it.level.to_string(),
            minor_text(&notice.currency_code, it.dunned_minor),
        ]);
    }
    right(&mut items, 2..6);
    let mut lines = table(&["Line", "Item", "Amount", "Basis"]);
    for it in &notice.lines {
        lines.add_row([
            names::word("mahnwerk.dunning.v1.LineKind", it.kind),
            it.item_id.clone(),
            minor_text(&notice.currency_code, it.minor_units),
            it.basis.clone(),
        ]);
    }
    right(&mut lines, [2]);
    format!("{head}\n\n{items}\n\n{lines}")
}

/// Subject and text; before the release there are none.
fn rendered_text(notice: &Notice) -> String {
    if notice.text.is_empty() {
        return "It is rendered when its run is released; `notice preview` shows it before."
            .to_owned();
    }
    format!("Subject: {}\n\n{}", notice.subject, notice.text.trim_end())
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::{
        common::v1::Date,
        dunning::v1::{AmountLine, LineKind, NoticeChannel, NoticeItem, NoticeState},
    };

    use super::*;

    #[test]
    fn a_notice_shows_what_it_claims_line_by_line() {
        let notice = Notice {
            notice_id: "N-1".to_owned(),
            debtor_id: "C-1".to_owned(),
            state: NoticeState::Proposed.into(),
            currency_code: "EUR".to_owned(),
            level: 3,
            items: vec![NoticeItem {
                item_id: "R-1".to_owned(),
                due_date: Some(Date {
                    year: 2025,
                    month: 11,
                    day: 3,
                }),
                age_days: 42,
                cycle: 1,
                level: 3,
                dunned_minor: 120_000,
            }],
            lines: vec![
                AmountLine {
                    kind: LineKind::Principal.into(),
                    item_id: "R-1".to_owned(),
                    minor_units: 120_000,
                    basis: "open amount".to_owned(),
                },
                AmountLine {
                    kind: LineKind::FlatSum.into(),
                    item_id: "R-1".to_owned(),
                    minor_units: 4_000,
                    basis: "§ 288 Abs. 5 BGB".to_owned(),
                },
            ],
            total_minor: 124_000,
            channel: NoticeChannel::Email.into(),
            approval_needed: true,
            ..Notice::default()
        };
        let text = notice_text(&notice);
        let line = |part: &str| {
            let found = text.lines().find(|line| line.contains(part));
            found
                .unwrap_or_else(|| panic!("{part} in\n{text}"))
                .to_owned()
        };
        assert!(line("Total").contains("1,240.00 EUR"));
        assert!(line("flat-sum").contains("40.00 EUR"));
        assert!(line("flat-sum").contains("§ 288 Abs. 5 BGB"));
        assert!(line("2025-11-03").contains("42"));
        let row = notices(std::slice::from_ref(&notice)).to_string();
        for part in ["N-1", "proposed", "email", "1,240.00 EUR", "needs approval"] {
            assert!(row.contains(part), "{part} in\n{row}");
        }
        assert!(rendered_text(&notice).contains("preview"));
    }
}

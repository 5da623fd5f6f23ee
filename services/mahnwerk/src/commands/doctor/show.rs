//! What was seen and found, for people.

use comfy_table::Table;

use super::{
    is_well,
    judge::Finding,
    seen::{CreditorSeen, DispatchSeen, FeedSeen, RateSeen, Seen, ServiceSeen},
};
use crate::output::{count_text, right, table};

/// Prints tables of what was seen, and the findings last, where they are read.
pub(super) fn show(seen: &Seen, findings: &[Finding]) {
    say!("{}", services(&seen.services));
    if !seen.feeds.is_empty() {
        say!("\n{}", feeds(&seen.feeds));
    }
    if !seen.creditors.is_empty() {
        say!("\n{}", creditors(&seen.creditors));
    }
    say!("\n{}", rates(&seen.rates));
    for finding in findings {
        say!("\n{}", text(finding));
    }
    let needs = findings.iter().filter(|it| it.needs_attention()).count();
    match is_well(findings) {
        true => say!("\nall is well"),
        false if needs == 1 => say!("\n1 finding needs attention"),
        false => say!("\n{needs} findings need attention"),
    }
}

/// A finding in three lines.
pub(super) fn text(finding: &Finding) -> String {
    format!(
        "{} {}: {}\n  means: {}\n  next:  {}",
        finding.severity.text(),
        finding.about,
        finding.what,
        finding.meaning,
        finding.next
    )
}

fn services(services: &[ServiceSeen]) -> Table {
    let mut shown = table(&[
        "Service",
        "Address",
        "Health",
        "Version",
        "Clock ahead",
        "Oldest writer",
        "Parked",
        "Certificate left",
    ]);
    for it in services {
        let is_seen = it.horizon.is_some();
        let if_seen = |text: String| if is_seen { text } else { String::new() };
        let clock = it.clock_ms.map_or_else(String::new, |ahead| {
            format!(
                "{} ms ± {}",
                count_text(ahead),
                count_text(it.clock_error_ms)
            )
        });
        shown.add_row([
            it.service.clone(),
            it.url.clone(),
            it.health.text().to_owned(),
            it.version.clone(),
            clock,
            if_seen(format!("{} ms", count_text(it.oldest_writer_ms))),
            if_seen(count_text(i64::try_from(it.parked).unwrap_or(i64::MAX))),
            it.certificate_left_s.map_or_else(String::new, |left| {
                format!("{} days", count_text(left / 86_400))
            }),
        ]);
    }
    right(&mut shown, 4..8);
    shown
}

fn feeds(feeds: &[FeedSeen]) -> Table {
    let mut shown = table(&[
        "Consumer",
        "Feed",
        "Partitions",
        "Ready",
        "Worked on",
        "Open sweeps",
        "Caught up after",
    ]);
    for it in feeds {
        shown.add_row([
            it.consumer.clone(),
            it.feed.clone(),
            it.partitions.to_string(),
            it.ready.to_string(),
            (it.partitions - it.unowned).to_string(),
            count_text(it.open_sweeps),
            it.lag_ms
                .map_or_else(String::new, |lag| format!("{} ms", count_text(lag))),
        ]);
    }
    right(&mut shown, 2..7);
    shown
}

fn creditors(creditors: &[CreditorSeen]) -> Table {
    let mut shown = table(&[
        "Creditor",
        "Business day",
        "Dispatch",
        "Notices waiting",
        "Uncertain",
        "Commands waiting",
    ]);
    for it in creditors {
        let count = |of: fn(&DispatchSeen) -> i64| {
            let dispatch = it.dispatch.as_ref();
            dispatch.map_or_else(String::new, |dispatch| count_text(of(dispatch)))
        };
        let state = it
            .dispatch
            .as_ref()
            .map_or("", |dispatch| if dispatch.enabled { "on" } else { "off" });
        shown.add_row([
            it.creditor_id.clone(),
            it.business_date
                .map_or_else(String::new, |date| date.to_string()),
            state.to_owned(),
            count(|it| it.waiting_notices),
            count(|it| it.uncertain_notices),
            count(|it| it.waiting_commands),
        ]);
    }
    right(&mut shown, 3..6);
    shown
}

fn rates(rates: &[RateSeen]) -> Table {
    let mut shown = table(&["Law", "Table", "Half-year", "Rate"]);
    for it in rates {
        let state = match (it.published, it.unconfirmed.is_empty()) {
            (false, _) => "missing",
            (true, false) => "not confirmed",
            (true, true) => "there",
        };
        shown.add_row([
            it.country.as_str(),
            it.table.as_str(),
            it.half_year.as_str(),
            state,
        ]);
    }
    shown
}

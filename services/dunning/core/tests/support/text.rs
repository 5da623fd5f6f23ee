//! Prints plans.

use dunning_core::plan::{Amounts, Deciding, Finding, Notice, Plan};
use dunning_core::procedure::FollowUp;
use dunning_core::withdraw::Recheck;
use std::fmt::Write;

pub fn money(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn stable(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap();
    text.trim_matches('"').to_owned()
}

pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.stale_ledger {
        text.push_str("stale ledger\n");
    }
    for it in &plan.notices {
        text.push_str(&notice(it));
    }
    for task in &plan.tasks {
        let amounts = task.amounts.iter();
        let amounts: Vec<_> = amounts
            .map(|(currency, minor)| format!("{} {currency}", money(*minor)))
            .collect();
        let (kind, items) = (stable(&task.kind), task.items.join(" "));
        writeln!(text, "task {kind}: {items}, {}", amounts.join(", ")).unwrap();
    }
    for it in &plan.findings {
        text.push_str(&finding(it));
    }
    match plan.next_evaluation {
        Some(date) => writeln!(text, "next evaluation {date}").unwrap(),
        None => text.push_str("next evaluation when facts change\n"),
    }
    text
}

pub fn headline(notice: &Notice) -> String {
    let mut text = format!(
        "notice {}: level {}, {} {}, by {} to {} ({}",
        notice.key,
        notice.level,
        stable(&notice.tone),
        notice.template,
        notice.channel.channel.name(),
        notice.channel.contact_point,
        stable(&notice.channel.reason),
    );
    for skipped in &notice.channel.skipped {
        let name = skipped.channel.name();
        write!(text, "; {name} {}", skipped.reason.name()).unwrap();
    }
    write!(text, "), pay by {}", notice.pay_by).unwrap();
    if notice.statutory {
        text.push_str(", statutory");
    }
    if let Some(costs) = notice.costs_after_period {
        write!(text, ", costs {} after that", money(costs)).unwrap();
    }
    if notice.approval_needed {
        text.push_str(", needs approval");
    }
    if notice.follow_up != FollowUp::None {
        let follow_up = stable(&notice.follow_up);
        write!(text, ", then {follow_up} on {}", notice.follow_up_on).unwrap();
    }
    if !notice.comment.is_empty() {
        write!(text, ", \"{}\"", notice.comment).unwrap();
    }
    text
}

pub fn notice(notice: &Notice) -> String {
    let mut text = headline(notice) + "\n";
    for it in &notice.items {
        let lead = if it.item_id == notice.leading_item {
            "*"
        } else {
            " "
        };
        writeln!(
            text,
            " {lead}{}{} level {} -> {}, {} days past due {}{}",
            it.item_id,
            if it.cycle > 1 {
                format!(" cycle {}", it.cycle)
            } else {
                String::new()
            },
            it.sent,
            it.level,
            it.age,
            it.due_date,
            parts(&it.amounts),
        )
        .unwrap();
    }
    for line in &notice.lines {
        let item = line.item_id.as_deref().unwrap_or("-");
        let (kind, amount) = (stable(&line.kind), money(line.minor));
        writeln!(text, "  {amount:>10} {kind} {item} ({})", line.basis).unwrap();
    }
    let increment = match notice.fee_increment {
        0 => String::new(),
        minor => format!(
            ", new fees {} {}",
            money(minor),
            stable(&notice.fee_posting)
        ),
    };
    let currency = &notice.currency;
    writeln!(
        text,
        "  {:>10} {currency} in all{increment}",
        money(notice.total)
    )
    .unwrap();
    text
}

fn parts(amounts: &Amounts) -> String {
    let mut text = String::new();
    for (name, part) in [
        ("netted", amounts.netted),
        ("disputed", amounts.disputed),
        ("in plan", amounts.planned),
        ("promised", amounts.promised),
    ] {
        if part > 0 {
            write!(text, ", {name} {}", money(part)).unwrap();
        }
    }
    text
}

pub fn finding(finding: &Finding) -> String {
    let Deciding {
        amounts,
        age,
        sent,
        level,
        needed_days,
        limit,
        tested,
        date,
        next,
        reference,
    } = &finding.values;
    let mut text = format!("{} {}:", finding.item_id, finding.reason.name());
    write!(
        text,
        " {} of {}",
        money(amounts.dunned),
        money(amounts.open)
    )
    .unwrap();
    text.push_str(&parts(amounts));
    write!(text, ", {age} days past due").unwrap();
    if let Some(needed) = needed_days {
        write!(text, ", needs {needed} days").unwrap();
    }
    match level {
        Some(level) => write!(text, ", level {sent} -> {level}").unwrap(),
        None if *sent > 0 => write!(text, ", level {sent}").unwrap(),
        None => {}
    }
    if let (Some(limit), Some(tested)) = (limit, tested) {
        write!(text, ", {} below {}", money(*tested), money(*limit)).unwrap();
    }
    if let Some(reference) = reference {
        write!(text, ", {reference}").unwrap();
    }
    if let Some(date) = date {
        write!(text, ", {date}").unwrap();
    }
    if let Some(next) = next {
        write!(text, ", next {next}").unwrap();
    }
    text + "\n"
}

pub fn recheck(recheck: &Recheck) -> String {
    let mut text = String::new();
    for it in &recheck.withdrawn {
        write!(text, "withdrawn {}", finding(it)).unwrap();
    }
    match &recheck.remaining {
        Some(remaining) if recheck.changed => {
            write!(text, "changed {}", notice(remaining)).unwrap();
        }
        Some(remaining) => writeln!(text, "unchanged {}", remaining.key).unwrap(),
        None => text.push_str("nothing left\n"),
    }
    text
}

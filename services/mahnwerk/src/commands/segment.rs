//! `mahnwerk segment`.

use mahnwerk_proto::segmentation::v1::{
    ExplainMembershipRequest, ExplainMembershipResponse, FieldValue, GetMembershipsRequest,
    ListMembershipHistoryRequest, ListMembershipsRequest, ListSegmentSizesRequest, Membership,
    MembershipPeriod, Pin, PinDebtorRequest, Policy, SegmentSize, UnpinDebtorRequest,
    field_value::Value,
};

use super::{
    Context,
    listing::{Listed, pages},
};
use crate::{
    cli::{
        DebtorArgs, ReadArgs,
        segments::{HistoryArgs, MemberArgs, PinArgs, SegmentCommand},
    },
    client::{Result, call, new_request_id},
    json, names,
    output::{count_text, date_text, facts, joined, print_json, proto_date, right, table},
};

const MEMBERSHIP: &str = "mahnwerk.segmentation.v1.Membership";
const OUTCOME: &str = "mahnwerk.segmentation.v1.ConditionOutcome";
const SOURCE: &str = "mahnwerk.segmentation.v1.MembershipSource";

/// Runs the command.
pub(super) async fn run(context: &Context, command: SegmentCommand) -> Result<()> {
    match command {
        SegmentCommand::Show(args) => show(context, args).await,
        SegmentCommand::Why { debtor, scheme } => why(context, debtor, scheme).await,
        SegmentCommand::History(args) => list_history(context, args).await,
        SegmentCommand::List(args) => list_members(context, args).await,
        SegmentCommand::Sizes {
            creditor,
            scheme,
            read,
        } => list_sizes(context, creditor, scheme, read).await,
        SegmentCommand::Pin(args) => pin(context, args).await,
        SegmentCommand::Unpin {
            creditor,
            debtor,
            scheme,
        } => {
            let request = UnpinDebtorRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                debtor_id: debtor,
                scheme_id: scheme,
            };
            let mut memberships = context.clients.memberships();
            let answer = memberships.unpin_debtor(call(request)).await?.into_inner();
            print_placed(context, answer.membership, &answer.consistency_token);
            Ok(())
        }
    }
}

async fn show(context: &Context, args: DebtorArgs) -> Result<()> {
    let request = GetMembershipsRequest {
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        at_least: args.read.at_least,
    };
    let mut memberships = context.clients.memberships();
    let answer = memberships.get_memberships(call(request)).await?;
    let listed = Listed {
        rows: answer.into_inner().memberships,
        more: false,
    };
    let name = ("memberships", MEMBERSHIP);
    context.print_list(name, &listed, "in no segment yet", members_in_schemes);
    let policy = listed.rows.iter().find_map(|it| it.policy.as_ref());
    if let Some(policy) = policy.filter(|_| !context.json) {
        say!("\nTreatment\n{}", facts(&policy_facts(policy)));
    }
    Ok(())
}

async fn why(context: &Context, args: DebtorArgs, scheme: String) -> Result<()> {
    let request = ExplainMembershipRequest {
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        scheme_id: scheme,
        at_least: args.read.at_least,
    };
    let mut memberships = context.clients.memberships();
    let answer = memberships.explain_membership(call(request)).await?;
    let answer = answer.into_inner();
    if context.json {
        let name = "mahnwerk.segmentation.v1.ExplainMembershipResponse";
        print_json(&json::message(name, &answer));
    } else {
        say!("{}", explained(&answer));
    }
    Ok(())
}

async fn list_history(context: &Context, args: HistoryArgs) -> Result<()> {
    let mut memberships = context.clients.memberships();
    let listed = pages(args.list.limit, async |page| {
        let request = ListMembershipHistoryRequest {
            creditor_id: args.creditor.clone(),
            debtor_id: args.debtor.clone(),
            scheme_id: args.scheme.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = memberships.list_membership_history(call(request)).await?;
        let answer = answer.into_inner();
        Ok((answer.periods, answer.next_page_token))
    })
    .await?;
    let name = ("periods", "mahnwerk.segmentation.v1.MembershipPeriod");
    context.print_list(name, &listed, "never in any segment", history);
    Ok(())
}

async fn list_members(context: &Context, args: MemberArgs) -> Result<()> {
    let mut memberships = context.clients.memberships();
    let listed = pages(args.list.limit, async |page| {
        let request = ListMembershipsRequest {
            creditor_id: args.creditor.clone(),
            scheme_id: args.scheme.clone(),
            segment_id: args.segment.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = memberships.list_memberships(call(request)).await?;
        let answer = answer.into_inner();
        Ok((answer.memberships, answer.next_page_token))
    })
    .await?;
    context.print_list(("memberships", MEMBERSHIP), &listed, "nobody", members);
    Ok(())
}

async fn list_sizes(
    context: &Context,
    creditor: String,
    scheme: String,
    read: ReadArgs,
) -> Result<()> {
    let request = ListSegmentSizesRequest {
        creditor_id: creditor,
        scheme_id: scheme,
        at_least: read.at_least,
    };
    let mut memberships = context.clients.memberships();
    let answer = memberships.list_segment_sizes(call(request)).await?;
    let listed = Listed {
        rows: answer.into_inner().segments,
        more: false,
    };
    let name = ("segments", "mahnwerk.segmentation.v1.SegmentSize");
    context.print_list(name, &listed, "no segments", sizes);
    Ok(())
}

async fn pin(context: &Context, args: PinArgs) -> Result<()> {
    let request = PinDebtorRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        scheme_id: args.scheme,
        pin: Some(Pin {
            segment_id: args.segment,
            until: args.until.map(proto_date),
            reason: args.reason,
            principal: String::new(),
        }),
    };
    let mut memberships = context.clients.memberships();
    let answer = memberships.pin_debtor(call(request)).await?.into_inner();
    print_placed(context, answer.membership, &answer.consistency_token);
    Ok(())
}

fn print_placed(context: &Context, membership: Option<Membership>, token: &str) {
    let membership = membership.unwrap_or_default();
    let shown = |it: &Membership| facts(&membership_facts(it));
    context.print_written(("membership", MEMBERSHIP), &membership, token, shown);
}

/// The place of the rule that decided, from 1, as people count.
fn rule_text(rule: Option<i32>) -> String {
    rule.map_or_else(String::new, |rule| format!("{}", rule + 1))
}

/// What keeps a debtor where a rule would not put it; empty if nothing does.
fn hold_text(membership: &Membership) -> String {
    let hold = names::word("mahnwerk.segmentation.v1.Hold", membership.hold);
    joined(&[hold, membership.error.clone()], ": ")
}

fn pin_text(pin: &Pin) -> String {
    let until = date_text(pin.until.as_ref());
    let until = if until.is_empty() {
        "without end".to_owned()
    } else {
        format!("until {until}")
    };
    format!(
        "to {} {until} by {}: {}",
        pin.segment_id, pin.principal, pin.reason
    )
}

fn membership_facts(membership: &Membership) -> Vec<(&'static str, String)> {
    vec![
        ("Debtor", membership.debtor_id.clone()),
        ("Scheme", membership.scheme_id.clone()),
        ("Segment", membership.segment_id.clone()),
        ("Since", date_text(membership.since.as_ref())),
        ("Source", names::word(SOURCE, membership.source)),
        ("Rule", rule_text(membership.rule)),
        ("Decided by", values_text(&membership.deciding_values)),
        ("Revision", membership.revision.to_string()),
        ("Held", hold_text(membership)),
        (
            "Pinned",
            membership.pin.as_ref().map_or_else(String::new, pin_text),
        ),
    ]
}

/// How a segment is treated.
pub(super) fn policy_facts(policy: &Policy) -> Vec<(&'static str, String)> {
    let credit = if policy.credit_refused {
        "refused".to_owned()
    } else {
        format!("{} days", policy.payment_term_days)
    };
    let discount = policy
        .early_payment_discount
        .as_ref()
        .map_or_else(String::new, |discount| {
            let percent = f64::from(discount.discount_bps) / 100.0;
            format!("{percent} % within {} days", discount.days)
        });
    let fees = names::word(
        "mahnwerk.segmentation.v1.ReminderFees",
        policy.reminder_fees,
    );
    let handling = names::word("mahnwerk.segmentation.v1.Handling", policy.handling);
    vec![
        ("Credit", credit),
        ("Discount", discount),
        ("Reminder fees", fees),
        ("Handling", handling),
        ("Portfolio", policy.portfolio.clone()),
        ("Procedure", policy.procedure_id.clone()),
    ]
}

/// Fields with their values in one line.
fn values_text(values: &[FieldValue]) -> String {
    let shown: Vec<_> = values
        .iter()
        .map(|value| format!("{} = {}", value.field, value_text(value)))
        .collect();
    shown.join(", ")
}

fn value_text(value: &FieldValue) -> String {
    match &value.value {
        Some(Value::Integer(number)) => count_text(*number),
        Some(Value::Flag(flag)) => flag.to_string(),
        Some(Value::Text(text)) => text.clone(),
        None => String::new(),
    }
}

/// One debtor in every scheme.
fn members_in_schemes(memberships: &[Membership]) -> comfy_table::Table {
    let mut shown = table(&["Scheme", "Segment", "Since", "Source", "Held", "Pinned"]);
    for it in memberships {
        shown.add_row([
            it.scheme_id.clone(),
            it.segment_id.clone(),
            date_text(it.since.as_ref()),
            names::word(SOURCE, it.source),
            hold_text(it),
            it.pin.as_ref().map_or_else(String::new, pin_text),
        ]);
    }
    shown
}

/// Many debtors in one scheme.
fn members(memberships: &[Membership]) -> comfy_table::Table {
    let mut shown = table(&["Debtor", "Segment", "Since", "Source", "Held"]);
    for it in memberships {
        shown.add_row([
            it.debtor_id.clone(),
            it.segment_id.clone(),
            date_text(it.since.as_ref()),
            names::word(SOURCE, it.source),
            hold_text(it),
        ]);
    }
    shown
}

fn history(periods: &[MembershipPeriod]) -> comfy_table::Table {
    let mut shown = table(&[
        "From",
        "To",
        "Segment",
        "Source",
        "Rule",
        "Revision",
        "Decided by",
    ]);
    for it in periods {
        shown.add_row([
            date_text(it.valid_from.as_ref()),
            date_text(it.valid_to.as_ref()),
            it.segment_id.clone(),
            names::word(SOURCE, it.source),
            rule_text(it.rule),
            it.revision.to_string(),
            values_text(&it.deciding_values),
        ]);
    }
    right(&mut shown, 4..6);
    shown
}

fn sizes(sizes: &[SegmentSize]) -> comfy_table::Table {
    let mut shown = table(&["Segment", "Name", "Debtors", "Held by an error"]);
    for it in sizes {
        shown.add_row([
            it.segment_id.clone(),
            it.display_name.clone(),
            count_text(it.debtors),
            count_text(it.held_by_error),
        ]);
    }
    right(&mut shown, 2..4);
    shown
}

/// Where the debtor is and what every rule says, as one text.
fn explained(answer: &ExplainMembershipResponse) -> String {
    let membership = answer.membership.clone().unwrap_or_default();
    let mut place = membership_facts(&membership);
    place.push(("May move on", date_text(answer.next_date.as_ref())));
    let mut rules = table(&["Rule", "Segment", "Outcome", "Values", "Condition"]);
    for (rule, it) in (0..).zip(&answer.segments) {
        let condition = if it.condition.is_empty() {
            "(default)".to_owned()
        } else {
            it.condition
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        let outcome = names::word(OUTCOME, it.outcome);
        rules.add_row([
            rule_text(Some(rule)),
            it.segment_id.clone(),
            joined(&[outcome, it.error.clone()], ": "),
            values_text(&it.values),
            condition,
        ]);
    }
    right(&mut rules, [0]);
    format!("{}\n\nWhat the rules say\n{rules}", facts(&place))
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::segmentation::v1::{ConditionOutcome, ExplainedSegment, MembershipSource};

    use super::*;

    fn value(field: &str, value: Value) -> FieldValue {
        FieldValue {
            field: field.to_owned(),
            value: Some(value),
        }
    }

    #[test]
    fn an_explanation_shows_each_rule_with_its_values_and_outcome() {
        let rule =
            |id: &str, condition: &str, outcome: ConditionOutcome, values| ExplainedSegment {
                segment_id: id.to_owned(),
                condition: condition.to_owned(),
                outcome: outcome.into(),
                values,
                error: String::new(),
            };
        let answer = ExplainMembershipResponse {
            membership: Some(Membership {
                debtor_id: "C-1".to_owned(),
                scheme_id: "payer_speed".to_owned(),
                segment_id: "slow".to_owned(),
                source: MembershipSource::Rule.into(),
                rule: Some(1),
                ..Membership::default()
            }),
            segments: vec![
                rule(
                    "fast",
                    "debtor.avg_days <= 30\n  && !debtor.insolvent",
                    ConditionOutcome::DoesNotHold,
                    vec![
                        value("avg_days", Value::Integer(1_041)),
                        value("insolvent", Value::Flag(false)),
                    ],
                ),
                rule("slow", "", ConditionOutcome::Holds, Vec::new()),
            ],
            ..ExplainMembershipResponse::default()
        };
        let text = explained(&answer);
        let line = |part: &str| {
            let found = text.lines().find(|line| line.contains(part));
            found
                .unwrap_or_else(|| panic!("{part} in\n{text}"))
                .to_owned()
        };
        let fast = line("debtor.avg_days <= 30 && !debtor.insolvent");
        assert!(fast.contains("does-not-hold"), "{fast}");
        assert!(
            fast.contains("avg_days = 1,041, insolvent = false"),
            "{fast}"
        );
        assert!(line("(default)").contains("holds"));
        assert!(!text.contains("May move on"));
    }

    #[test]
    fn a_policy_says_what_it_means() {
        let policy = Policy {
            payment_term_days: 30,
            early_payment_discount: Some(mahnwerk_proto::segmentation::v1::EarlyPaymentDiscount {
                discount_bps: 250,
                days: 10,
            }),
            procedure_id: "courteous".to_owned(),
            ..Policy::default()
        };
        let text = facts(&policy_facts(&policy)).to_string();
        for part in ["30 days", "2.5 % within 10 days", "courteous"] {
            assert!(text.contains(part), "{text}");
        }
        let refused = Policy {
            credit_refused: true,
            ..Policy::default()
        };
        assert!(
            facts(&policy_facts(&refused))
                .to_string()
                .contains("refused")
        );
    }
}

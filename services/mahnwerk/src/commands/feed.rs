//! `mahnwerk feed`.

use std::collections::BTreeMap;

use mahnwerk_proto::common::v1::{
    ConsumedPartition, DiscardParkedRequest, GetFeedStatusRequest, ListParkedRequest, Parked,
    Position, ResetFeedRequest, RetryParkedRequest,
};
use serde_json::json;

use super::Context;
use crate::{
    cli::{FeedCommand, ParkedArgs, ParkedCommand, Service},
    client::{Failure, Result, call, new_request_id},
    json,
    output::{count_text, facts, print_json, right, table},
};

const PAGE: i32 = 1_000;

/// Runs the command.
pub(super) async fn run(context: &Context, command: FeedCommand) -> Result<()> {
    match command {
        FeedCommand::Status(args) => status(context, args.service).await,
        FeedCommand::Reset(args) => reset(context, args.service).await,
        FeedCommand::Parked(ParkedCommand::List(args)) => list_parked(context, args.service).await,
        FeedCommand::Parked(ParkedCommand::Retry(args)) => retry_parked(context, args).await,
        FeedCommand::Parked(ParkedCommand::Discard(args)) => discard_parked(context, args).await,
    }
}

/// Shows the published feed and the consumed ones.
async fn status(context: &Context, service: Service) -> Result<()> {
    let mut admin = context.clients.feed_admin(service);
    let status = admin
        .get_feed_status(call(GetFeedStatusRequest {}))
        .await?
        .into_inner();
    if context.json {
        print_json(&json::message(
            "mahnwerk.common.v1.GetFeedStatusResponse",
            &status,
        ));
        return Ok(());
    }
    let shown = facts(&[
        (
            "Incarnation",
            status
                .horizon
                .as_ref()
                .map(|it| it.incarnation.clone())
                .unwrap_or_default(),
        ),
        (
            "Readable from",
            position_text(status.retained_from.as_ref()),
        ),
        ("Readable before", position_text(status.horizon.as_ref())),
        (
            "Oldest open writer",
            format!("{} ms", count_text(status.oldest_writer_ms)),
        ),
    ]);
    say!("{shown}");
    if !status.consumed.is_empty() {
        say!("\nConsumed\n{}", consumed(&status.consumed));
    }
    Ok(())
}

fn position_text(position: Option<&Position>) -> String {
    position.map_or_else(String::new, |position| count_text(position.tx))
}

/// One line for every feed and owner: 64 partitions would hide what matters.
fn consumed(partitions: &[ConsumedPartition]) -> comfy_table::Table {
    let mut groups: BTreeMap<(&str, &str), Vec<&ConsumedPartition>> = BTreeMap::new();
    for partition in partitions {
        groups
            .entry((&partition.feed, &partition.owner))
            .or_default()
            .push(partition);
    }
    let mut shown = table(&[
        "Feed",
        "Worked on by",
        "Partitions",
        "Ready",
        "Applied before (least)",
        "Open sweeps",
    ]);
    for ((feed, owner), members) in groups {
        let least = members
            .iter()
            .filter_map(|it| it.applied.as_ref())
            .map(|position| position.tx)
            .min();
        shown.add_row([
            feed.to_owned(),
            if owner.is_empty() {
                "nobody".to_owned()
            } else {
                owner.to_owned()
            },
            count_text(i64::try_from(members.len()).unwrap_or(i64::MAX)),
            count_text(
                i64::try_from(members.iter().filter(|it| it.ready).count()).unwrap_or(i64::MAX),
            ),
            least.map_or_else(String::new, count_text),
            count_text(
                members
                    .iter()
                    .map(|it| i64::from(it.open_sweeps))
                    .sum::<i64>(),
            ),
        ]);
    }
    right(&mut shown, 2..6);
    shown
}

/// Lists all parked debtors.
async fn list_parked(context: &Context, service: Service) -> Result<()> {
    let mut admin = context.clients.feed_admin(service);
    let (mut parked, mut page_token) = (Vec::<Parked>::new(), String::new());
    loop {
        let page = admin
            .list_parked(call(ListParkedRequest {
                page_size: PAGE,
                page_token,
            }))
            .await?
            .into_inner();
        parked.extend(page.parked);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if context.json {
        print_json(&json!({ "parked": json::messages("mahnwerk.common.v1.Parked", &parked) }));
        return Ok(());
    }
    if parked.is_empty() {
        say!("nothing is parked");
        return Ok(());
    }
    let mut shown = table(&[
        "Feed", "Creditor", "Debtor", "Entity", "Key", "Queued", "Why",
    ]);
    for Parked {
        feed,
        creditor_id,
        debtor_id,
        error,
        entity,
        entity_id,
        queued,
        ..
    } in parked
    {
        shown.add_row([
            feed,
            creditor_id,
            debtor_id,
            entity,
            entity_id,
            count_text(queued),
            error,
        ]);
    }
    right(&mut shown, [5]);
    say!("{shown}");
    Ok(())
}

/// Applies the queued changes of a parked debtor again.
async fn retry_parked(context: &Context, args: ParkedArgs) -> Result<()> {
    let request = RetryParkedRequest {
        request_id: new_request_id(),
        feed: args.feed,
        creditor_id: args.creditor,
        debtor_id: args.debtor,
    };
    let mut admin = context.clients.feed_admin(args.service.service);
    let answer = admin.retry_parked(call(request)).await?.into_inner();
    released(context, answer.applied, answer.released, &answer.error)
}

/// Drops the change of a parked debtor that failed.
async fn discard_parked(context: &Context, args: ParkedArgs) -> Result<()> {
    let request = DiscardParkedRequest {
        request_id: new_request_id(),
        feed: args.feed,
        creditor_id: args.creditor,
        debtor_id: args.debtor,
    };
    let mut admin = context.clients.feed_admin(args.service.service);
    let answer = admin.discard_parked(call(request)).await?.into_inner();
    released(context, answer.applied, answer.released, &answer.error)
}

fn released(context: &Context, applied: i32, released: bool, error: &str) -> Result<()> {
    if context.json {
        print_json(&json!({ "applied": applied, "released": released, "error": error }));
    } else {
        say!("{} changes applied", count_text(applied));
    }
    if released {
        return Ok(());
    }
    Err(Failure::Unexpected(format!("still parked: {error}")))
}

/// Gives the published feed a new incarnation.
async fn reset(context: &Context, service: Service) -> Result<()> {
    let mut admin = context.clients.feed_admin(service);
    let request = ResetFeedRequest {
        request_id: new_request_id(),
    };
    let answer = admin.reset_feed(call(request)).await?.into_inner();
    if context.json {
        print_json(&json!({ "incarnation": answer.incarnation }));
    } else {
        say!("the feed begins anew as incarnation {}", answer.incarnation);
    }
    Ok(())
}

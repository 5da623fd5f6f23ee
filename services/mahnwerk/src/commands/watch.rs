//! `mahnwerk watch`.

use mahnwerk_proto::common::v1::{Change, GetFeedStatusRequest, Position, WatchRequest};
use tonic::Status;

use super::Context;
use crate::{
    cli::Service,
    client::{Failure, Result, call, reason},
    json,
};

/// All partitions of a feed.
pub(crate) const PARTITIONS: std::ops::Range<i32> = 0..64;

/// Streams that end without having brought anything, one after the other, before it is given up.
const EMPTY_STREAMS: usize = 5;

/// Prints changes from now on, one line each, until interrupted.
pub(super) async fn run(context: &Context, service: Service) -> Result<()> {
    tokio::select! {
        ended = follow(context, service) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::Unexpected(format!("cannot wait for an interrupt: {error}")))
        }
    }
}

async fn follow(context: &Context, service: Service) -> Result<()> {
    let mut from = horizon(context, service).await?;
    let mut empty_streams = 0;
    loop {
        let before = from.clone();
        let ended = stream(context, service, &mut from).await;
        empty_streams = if from == before { empty_streams + 1 } else { 0 };
        let Err(status) = ended else { continue };
        if reason(&status) == "CURSOR_EXPIRED" {
            eprintln!("changes were missed: the feed begins anew");
            from = horizon(context, service).await?;
        } else if status.code() != tonic::Code::Unavailable || empty_streams >= EMPTY_STREAMS {
            return Err(status.into());
        }
    }
}

async fn horizon(context: &Context, service: Service) -> Result<Position> {
    let status = context
        .clients
        .feed_admin(service)
        .get_feed_status(call(GetFeedStatusRequest {}))
        .await?;
    Ok(status.into_inner().horizon.unwrap_or_default())
}

async fn stream(context: &Context, service: Service, from: &mut Position) -> Result<(), Status> {
    let request = WatchRequest {
        consumer: "cli".to_owned(),
        partitions: PARTITIONS.collect(),
        from: Some(from.clone()),
    };
    let mut messages = context
        .clients
        .feed(service)
        .watch(request)
        .await?
        .into_inner();
    while let Some(message) = messages.message().await? {
        for change in &message.changes {
            print(context, change);
        }
        if let Some(position) = message.position {
            *from = position;
        }
    }
    Err(Status::unavailable("the stream ended"))
}

fn print(context: &Context, change: &Change) {
    if context.json {
        say!("{}", json::message("mahnwerk.common.v1.Change", change));
        return;
    }
    let debtor = if change.debtor_id.is_empty() {
        "-"
    } else {
        &change.debtor_id
    };
    let what = if change.state.is_some() {
        ""
    } else {
        " deleted"
    };
    say!(
        "{:>10}  {}  {}  {} {} v{}{what}",
        change.seq,
        change.creditor_id,
        debtor,
        change.entity,
        change.entity_id,
        change.version
    );
}

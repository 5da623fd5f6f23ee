//! What other services are told of disputes and arrangements.

use mahnwerk_proto::registry::v1::{DisputeState, InstalmentPlan};
use prost::Message;
use tonic::transport::Channel;

use super::agreements::{Agreements, dispute, plan, promise};
use crate::conformance::{
    Outcome,
    account::{eur, part},
    date,
    feed::{States, snapshot, watch},
};

const CREDITOR: &str = "arrangements-told";

/// The last event of everything, the snapshot and the lists are the same.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn stream_snapshot_and_lists_agree(channel: Channel) -> Outcome {
    let mut made = Agreements::open(channel.clone(), CREDITOR).await?;
    let (_, start, _) = snapshot(&channel, CREDITOR, 1_000).await?;
    write(&mut made).await?;
    let (found, _, end) = snapshot(&channel, CREDITOR, 3).await?;
    let streamed = watch(&channel, CREDITOR, start, &end).await?;
    let ours = |states: States| -> States {
        let ours = ["dispute", "promise", "instalment_plan"];
        states
            .into_iter()
            .filter(|((entity, _), _)| ours.contains(&entity.as_str()))
            .collect()
    };
    let mut listed = States::new();
    let mut list = |entity: &str, id: &str, version, state| {
        listed.insert((entity.to_owned(), id.to_owned()), (version, state));
    };
    for each in made.disputes().await? {
        list(
            "dispute",
            &each.dispute_id,
            each.version,
            each.encode_to_vec(),
        );
    }
    for each in made.promises().await? {
        list(
            "promise",
            &each.promise_id,
            each.version,
            each.encode_to_vec(),
        );
    }
    for each in made.plans().await? {
        list(
            "instalment_plan",
            &each.plan_id,
            each.version,
            each.encode_to_vec(),
        );
    }
    assert_eq!(listed.len(), 4 + 4 + 4);
    assert_eq!(ours(found), listed, "the snapshot");
    assert_eq!(ours(streamed), listed, "the last events");
    Ok(())
}

/// Four of each, in every state that takes no time to reach.
async fn write(made: &mut Agreements) -> Outcome {
    let day = date(2026, 3, 2);
    for number in 1..=4 {
        let (kept, planned) = (format!("i{number}"), format!("j{number}"));
        for id in [&kept, &planned] {
            made.books.invoice(id, 1_000, date(2026, 2, 14)).await?;
        }
        let id = number.to_string();
        made.dispute(dispute(CREDITOR, &id, &kept, eur(number)))
            .await?;
        made.promise(promise(CREDITOR, &id, &[&kept], day)).await?;
        let instalments = [(day, 400), (date(2026, 4, 2), 600)];
        let wanted: InstalmentPlan = plan(CREDITOR, &id, &[&planned], &instalments);
        made.plan(wanted).await?;
    }
    made.close("2", DisputeState::Upheld).await?;
    let parts = vec![
        part("i1", 1_000),
        part("j1", 1_000),
        part("i2", 300),
        part("j2", 500),
    ];
    made.books.pay("p1", 2_800, day, parts).await?;
    made.cancel_promise("3").await?;
    made.cancel_plan("3").await?;
    made.books.open_day(date(2026, 3, 3)).await
}

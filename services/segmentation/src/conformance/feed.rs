//! The feed: what is told is what is stored.

use std::collections::BTreeMap;

use mahnwerk_feed::{PARTITIONS, SnapshotSource};
use mahnwerk_proto::{
    registry::v1::Relationship,
    segmentation::v1::{Membership, Scheme},
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::{Error, Result},
};
use prost::Message;

use super::{Outcome, World, date, told, world::Feed};
use crate::feed::{MEMBERSHIP, Snapshot};

/// Debtor and scheme.
type Key = (String, String);

/// What a reader of the snapshot knows.
pub async fn snapshot(db: &Db, limit: u64) -> Result<BTreeMap<Key, Membership>> {
    let parts: Vec<i64> = (0..PARTITIONS).collect();
    let mut after: Option<Vec<String>> = None;
    let mut found = BTreeMap::new();
    loop {
        let page = Snapshot
            .page(db, MEMBERSHIP, &parts, after.as_deref(), limit)
            .await?;
        for row in &page {
            let membership = decode(&row.state)?;
            assert_eq!(
                row.entity_id,
                format!("{}/{}", membership.debtor_id, membership.scheme_id)
            );
            assert_eq!(
                (row.version, &row.debtor_id),
                (membership.version, &membership.debtor_id)
            );
            let key = (membership.debtor_id.clone(), membership.scheme_id.clone());
            assert!(found.insert(key, membership).is_none());
        }
        match page.last() {
            Some(last) if page.len() as u64 == limit => after = Some(last.key.clone()),
            _ => return Ok(found),
        }
    }
}

/// What a reader of all events knows; versions of each membership grow.
pub async fn events(db: &Db) -> Result<BTreeMap<Key, Membership>> {
    let sql =
        "SELECT entity_id, version, state FROM event WHERE entity = 'membership' ORDER BY seq";
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for row in &db.query(sql, vec![]).await? {
        let entity_id: String = column(row, "entity_id")?;
        let version: i64 = column(row, "version")?;
        let before = versions.insert(entity_id.clone(), version);
        assert!(before.is_none_or(|before| before < version), "{entity_id}");
        let state: Option<Vec<u8>> = column(row, "state")?;
        let (debtor_id, scheme_id) = entity_id.split_once('/').unwrap_or_default();
        let key = (debtor_id.to_owned(), scheme_id.to_owned());
        match state {
            Some(state) => found.insert(key, decode(&state)?),
            None => found.remove(&key),
        };
    }
    Ok(found)
}

fn decode(state: &[u8]) -> Result<Membership> {
    Membership::decode(state).map_err(|error| Error::Internal(Box::new(error)))
}

/// Snapshot and events tell what reads answer, through moves, pins and debtors that go and come back.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn the_feed_tells_what_is_stored(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    for number in 0..7 {
        world.customer(&format!("d{number}"), |_| ()).await?;
    }
    world
        .debtor("d1", |debtor| debtor.credit_hold = true)
        .await?;
    let known = snapshot(&db, 3).await?;
    assert_eq!(known.len(), 7 * 5);
    assert_eq!(events(&db).await?, known);
    for ((debtor_id, scheme_id), membership) in &known {
        assert_eq!(&world.membership(debtor_id, scheme_id).await?, membership);
    }
    let version = world.next_version();
    let gone = told::change("acme", "d1", "debtor", "d1", version, None);
    world.tell(Feed::Registry, &[gone]).await?;
    let without = snapshot(&db, 100).await?;
    assert_eq!(without.len(), 6 * 5);
    assert_eq!(events(&db).await?, without);
    world.debtor("d1", |_| ()).await?;
    let again = snapshot(&db, 100).await?;
    assert_eq!(events(&db).await?, again);
    for ((debtor_id, scheme_id), before) in known.iter().filter(|(key, _)| key.0 == "d1") {
        let now = world.membership(debtor_id, scheme_id).await?;
        assert!(now.version > before.version, "{now:?}");
    }
    world.close().await
}

/// A revision with other policies in the same segments is told to all whom it concerns, and moves nobody.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn another_policy_is_told(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.customer("d1", |_| ()).await?;
    world
        .debtor("d2", |debtor| {
            debtor.relationship = Relationship::Prospect.into()
        })
        .await?;
    let request = mahnwerk_proto::segmentation::v1::GetSchemeRequest {
        creditor_id: "acme".to_owned(),
        scheme_id: "treatment".to_owned(),
        ..Default::default()
    };
    let current = world
        .schemes
        .clone()
        .get_scheme(request)
        .await?
        .into_inner();
    let mut scheme: Scheme = current.scheme.unwrap_or_default();
    let changed = scheme
        .segments
        .iter_mut()
        .find(|it| it.segment_id == "good_payer");
    if let Some(policy) = changed.and_then(|segment| segment.policy.as_mut()) {
        policy.payment_term_days = 60;
    }
    let before = snapshot(&db, 100).await?;
    let activation = world.activate(scheme).await?;
    assert_eq!(activation.moved, 0);
    let after = snapshot(&db, 100).await?;
    assert_eq!(events(&db).await?, after);
    let differ: Vec<_> = after
        .keys()
        .filter(|key| before.get(*key) != after.get(*key))
        .collect();
    assert_eq!(differ, [&("d1".to_owned(), "treatment".to_owned())]);
    let policy = world
        .membership("d1", "treatment")
        .await?
        .policy
        .unwrap_or_default();
    assert_eq!(policy.payment_term_days, 60);
    world.close().await
}

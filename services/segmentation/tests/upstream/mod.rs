//! A service that has a feed and nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use mahnwerk_feed::{
    Cause, EntityType, Locks, NewEvent, PARTITIONS, Publisher, Service, SnapshotRow,
    SnapshotSource, WriteTx, partition,
};
use mahnwerk_runtime::{
    config::{CommonSettings, DatabaseSettings},
    db::{Db, Migrations, Rows, Sql as _},
    error::Result,
    idempotency,
    server::{Running, Shutdown},
};
use prost::Message;
use tempfile::TempDir;
use tonic::service::Routes;

const ENTITIES: &[EntityType] = &[entity("creditor"), entity("debtor"), entity("score")];

const fn entity(entity: &'static str) -> EntityType {
    EntityType {
        entity,
        type_url: "type.googleapis.com/forged",
    }
}

/// By entity and key.
type States = Arc<Mutex<BTreeMap<(String, String), SnapshotRow>>>;

struct Snapshot(States);

#[async_trait::async_trait]
impl SnapshotSource for Snapshot {
    fn entities(&self) -> &'static [&'static str] {
        &["creditor", "debtor", "score"]
    }

    async fn page(
        &self,
        _db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let after = after.and_then(|key| key.first().cloned());
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = states.iter().filter(|((of, key), row)| {
            let part = partition(&row.creditor_id, &row.debtor_id);
            of == entity
                && after.as_ref().is_none_or(|after| key > after)
                && (part < 0 || partitions.contains(&part))
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(rows.map(|(_, row)| row.clone()).take(limit).collect())
    }
}

pub struct Upstream {
    pub url: String,
    publisher: Publisher,
    states: States,
    version: Mutex<i64>,
    running: Running,
    shutdown: Shutdown,
}

impl Upstream {
    pub async fn start(directory: &TempDir, name: &'static str) -> Self {
        let mut common = CommonSettings::default();
        listen_anywhere(&mut common, directory, name);
        let migrations = Migrations(vec![mahnwerk_feed::MIGRATION, idempotency::MIGRATION]);
        let service = Service::open(name, &common, true, migrations, ENTITIES)
            .await
            .unwrap();
        let publisher = service.publisher().clone();
        let states = States::default();
        let snapshot = Arc::new(Snapshot(states.clone()));
        let shutdown = Shutdown::new();
        let running = service
            .serve(Routes::default(), &[], snapshot, &common, shutdown.clone())
            .await
            .unwrap();
        Self {
            url: format!("http://{}", running.api),
            publisher,
            states,
            version: Mutex::new(0),
            running,
            shutdown,
        }
    }

    /// States from now on that it contains everything of another service: what is told here is made up, not derived.
    pub async fn has_seen_all_of(&self, other: &Self, feed: &'static str) {
        let txn = self.publisher.db().begin_write().await.unwrap();
        txn.execute_rows(
            Rows::new().int("part", 0..PARTITIONS),
            vec![
                feed.into(),
                other.publisher.incarnation_id().to_string().into(),
            ],
            |table, n| {
                format!(
                    "INSERT INTO feed_cursor (feed, part, incarnation, tx, row_tx, generation, projection_version, \
                     state, ready) SELECT ${n}, r.part, ${}, 1000000000, 0, 0, 0, 'live', 1 FROM {table} AS r \
                     WHERE true",
                    n + 1
                )
            },
        )
        .await
        .unwrap();
        txn.commit().await.unwrap();
    }

    /// Tells of an entity; answers the consistency token.
    pub async fn put(
        &self,
        entity: &'static str,
        debtor: &str,
        key: &str,
        state: &impl Message,
    ) -> String {
        let version = {
            let mut version = self.version.lock().unwrap();
            *version += 1;
            *version
        };
        let locks = match debtor {
            "" => Locks::creditor("acme"),
            debtor => Locks::debtor("acme", debtor),
        };
        let mut tx = WriteTx::begin(&self.publisher, locks, Cause::default())
            .await
            .unwrap();
        let row = SnapshotRow {
            creditor_id: "acme".to_owned(),
            debtor_id: debtor.to_owned(),
            entity_id: key.to_owned(),
            version,
            state: state.encode_to_vec(),
            key: vec![key.to_owned()],
        };
        // Before the commit: a snapshot may be ahead of its position, never behind.
        let place = (entity.to_owned(), key.to_owned());
        self.states.lock().unwrap().insert(place, row);
        tx.append(vec![NewEvent {
            creditor_id: "acme".to_owned(),
            debtor_id: debtor.to_owned(),
            entity,
            entity_id: key.to_owned(),
            version,
            action: "told",
            business_date: None,
            state: NewEvent::encode(state),
        }])
        .unwrap();
        tx.commit().await.unwrap()
    }

    pub async fn stop(self) {
        self.shutdown.begin();
        self.shutdown.stop.cancel();
        self.running.stopped().await.unwrap();
    }
}

pub fn listen_anywhere(settings: &mut CommonSettings, directory: &TempDir, name: &str) {
    settings.database = DatabaseSettings {
        url: format!("sqlite://{}/{name}.db?mode=rwc", directory.path().display()),
        ..DatabaseSettings::default()
    };
    settings.api.listen.set_port(0);
    settings.ops.listen.set_port(0);
}

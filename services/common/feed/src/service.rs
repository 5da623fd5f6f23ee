//! What every service that keeps a feed does to start, in the one order that works.

use std::{sync::Arc, time::Duration};

use mahnwerk_client::Channel;
use mahnwerk_proto::common::v1::{
    audit_service_server::{self, AuditServiceServer},
    feed_admin_service_server::{self, FeedAdminServiceServer},
    feed_service_server::{self, FeedServiceServer},
};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    config::CommonSettings,
    db::{Db, Migrations},
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
    server::{self, Running, ServiceSpec, Shutdown},
};
use tokio::sync::watch;
use tonic::service::Routes;

use crate::{
    Audit, Consumer, ConsumerSettings, EntityType, FeedAdmin, FeedServer, Freshness, Measure,
    Projection, Publisher, SnapshotSource, Tailer, freshness, keep_retention,
    measure::keep_measuring,
};

/// A service on its way up.
pub struct Service {
    name: &'static str,
    db: Db,
    migrations: Migrations,
    publisher: Publisher,
    tailer: Tailer,
    consumers: Vec<Arc<Consumer>>,
    feeds: Vec<freshness::Feed>,
    progress: watch::Sender<u64>,
    bookmark: Duration,
    measure: Option<Arc<dyn Measure>>,
}

impl Service {
    /// Connects to the database, checks its schema (or changes it, with `migrate`), and opens the feed of `entities`.
    ///
    /// # Errors
    /// If the database cannot be reached or its schema is not up to date.
    pub async fn open(
        name: &'static str,
        settings: &CommonSettings,
        migrate: bool,
        migrations: Migrations,
        entities: &'static [EntityType],
    ) -> Result<Self> {
        let db = Db::connect(&settings.database).await?;
        if migrate {
            migrations.apply(&db).await?;
        }
        let missing = migrations.missing(&db).await?;
        if !missing.is_empty() {
            return Err(Error::internal(format!(
                "the schema lacks {}; run `mahnwerk-{name} migrate`",
                missing.join(", ")
            )));
        }
        let clock: SharedClock = Arc::new(SystemClock);
        let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
        let publisher = Publisher::open(db.clone(), name, entities, clock, ids).await?;
        let tailer = Tailer::open(publisher.clone()).await?;
        let (progress, _) = watch::channel(0);
        Ok(Self {
            name,
            db,
            migrations,
            publisher,
            tailer,
            consumers: Vec::new(),
            feeds: Vec::new(),
            progress,
            bookmark: Duration::from_millis(settings.feed.bookmark_ms),
            measure: None,
        })
    }

    /// The writing side of the feed, with database, clock and ids.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Keeps `projection` of the feed of the service behind `url`, which is called with what `peers` says.
    ///
    /// # Errors
    /// If the address, or a file to call it with, cannot be used.
    pub fn consume(
        &mut self,
        projection: Arc<dyn Projection>,
        url: &str,
        peers: &mahnwerk_client::Settings,
        settings: ConsumerSettings,
    ) -> Result<()> {
        self.feeds.push((projection.feed(), projection.origins()));
        self.consumers.push(Arc::new(Consumer::new(
            self.publisher.clone(),
            projection,
            connect(url, peers)?,
            ConsumerSettings {
                bookmark: self.bookmark,
                ..settings
            },
            self.progress.clone(),
        )));
        Ok(())
    }

    /// Waits for states of this service and of all that are consumed.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        Freshness::new(
            self.publisher.clone(),
            &self.feeds,
            self.progress.subscribe(),
        )
    }

    /// Tells these figures as metrics.
    pub fn measure(&mut self, measure: Arc<dyn Measure>) {
        self.measure = Some(measure);
    }

    /// Serves `routes`, the feed with snapshots from `snapshot`, its administration and the audit trail, until `shutdown`.
    /// `names` are the full names of the services in `routes`.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn serve(
        self,
        routes: Routes,
        names: &[&'static str],
        snapshot: Arc<dyn SnapshotSource>,
        settings: &CommonSettings,
        shutdown: Shutdown,
    ) -> Result<Running> {
        let limit = settings.api.max_message_bytes;
        let feed = FeedServer::new(
            self.tailer.clone(),
            snapshot,
            self.bookmark,
            shutdown.draining.clone(),
        );
        let admin = FeedAdmin::new(self.tailer.clone(), self.consumers.iter().cloned());
        let audit = Audit::new(self.publisher.clone());
        let routes = routes
            .add_service(FeedServiceServer::new(feed).max_decoding_message_size(limit))
            .add_service(FeedAdminServiceServer::new(admin).max_decoding_message_size(limit))
            .add_service(AuditServiceServer::new(audit).max_decoding_message_size(limit));
        let feed_names = [
            feed_service_server::SERVICE_NAME,
            feed_admin_service_server::SERVICE_NAME,
            audit_service_server::SERVICE_NAME,
        ];
        let spec = ServiceSpec {
            name: self.name,
            routes,
            migrations: self.migrations,
            db: self.db,
            grpc_names: names.iter().copied().chain(feed_names).collect(),
        };
        let mut running = server::start(spec, settings, shutdown.clone()).await?;
        tokio::spawn(self.tailer.run(shutdown.stop.clone()));
        tokio::spawn(keep_measuring(
            self.publisher.clone(),
            self.feeds.iter().map(|(feed, _)| *feed).collect(),
            self.measure,
            shutdown.draining.clone(),
        ));
        tokio::spawn(keep_retention(self.publisher, shutdown.draining));
        for consumer in self.consumers {
            let stop = shutdown.stop.clone();
            let consuming = tokio::spawn(async move { consumer.run(stop).await });
            // It gives its partitions up for others to take.
            running = running.with_background(consuming);
        }
        Ok(running)
    }
}

/// A channel to another service.
///
/// # Errors
/// If the address, or a file to call it with, cannot be used.
pub fn connect(url: &str, peers: &mahnwerk_client::Settings) -> Result<Channel> {
    mahnwerk_client::connect(url, peers).map_err(|error| Error::internal(error.to_string()))
}

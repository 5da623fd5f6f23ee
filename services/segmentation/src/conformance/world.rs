//! A creditor, the service that answers about it, and hands that tell what registry and scoring would.

use std::sync::Arc;

use mahnwerk_feed::{
    Batch, Cause, Change, Freshness, Locks, PARTITIONS, Projection, Publisher, WriteTx,
};
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::Debtor,
    scoring::v1::ScoreState,
    segmentation::v1::{
        self, ActivateSchemeRequest, Activation, ActivationState, CreateSchemeRevisionRequest,
        GetActivationRequest, GetMembershipsRequest, Membership, Policy, Scheme, Segment,
        SimulateSchemeRequest, SimulationResult,
        membership_service_client::MembershipServiceClient,
        scheme_service_client::SchemeServiceClient,
    },
};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    config::CommonSettings,
    db::{Db, Rows, Sql},
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
    server::{self, Running, ServiceSpec, Shutdown},
};
use prost::Message;
use tokio::sync::watch;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use super::told;
use crate::{
    SERVICE,
    app::{App, schemes::Schemes},
    feed::{ENTITIES, Registry, Scoring},
    grpc::{self, Api},
    migrations,
};

/// Debtors of a sweep visited at once; few, so that sweeps have several pages.
const SWEEP_PAGE: u64 = 16;

pub struct World {
    pub creditor_id: String,
    pub db: Db,
    pub app: App,
    pub schemes: SchemeServiceClient<Channel>,
    pub members: MembershipServiceClient<Channel>,
    publisher: Publisher,
    registry: Registry,
    scoring: Scoring,
    generations: std::collections::BTreeMap<i64, i64>,
    version: i64,
    shutdown: Shutdown,
    running: Running,
}

impl World {
    /// A creditor on its first business day, all snapshots taken.
    pub async fn open(db: &Db, day: Date) -> Result<Self, Status> {
        let mut world = Self::unready(db).await?;
        world.ready("registry").await?;
        world.ready("scoring").await?;
        world.open_day(Some(day)).await?;
        Ok(world)
    }

    /// Nothing has been told yet.
    pub async fn unready(db: &Db) -> Result<Self, Status> {
        let clock: SharedClock = Arc::new(SystemClock);
        let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
        let publisher = Publisher::open(db.clone(), SERVICE, ENTITIES, clock, ids).await?;
        let schemes = Schemes::new()?;
        let (_, progress) = watch::channel(0);
        let feeds = [("registry", &[][..]), ("scoring", &[])];
        let freshness = Freshness::new(publisher.clone(), &feeds, progress);
        let app = App::new(freshness, publisher.clone(), schemes.clone());
        let shutdown = Shutdown::new();
        let running = serve(db, &app, &shutdown).await?;
        let channel = Endpoint::from_shared(format!("http://{}", running.api))
            .map_err(|error| Error::Internal(Box::new(error)))?
            .connect_lazy();
        Ok(Self {
            creditor_id: "acme".to_owned(),
            db: db.clone(),
            app,
            schemes: SchemeServiceClient::new(channel.clone()),
            members: MembershipServiceClient::new(channel),
            publisher,
            registry: Registry::new(schemes.clone()),
            scoring: Scoring::new(schemes),
            generations: (-1..PARTITIONS).map(|part| (part, 1)).collect(),
            version: 0,
            shutdown,
            running,
        })
    }

    /// Stops answering.
    pub async fn close(self) -> Result<(), Status> {
        let Self {
            shutdown, running, ..
        } = self;
        shutdown.begin();
        shutdown.stop.cancel();
        running.stopped().await?;
        Ok(())
    }

    /// The first snapshot of a feed is complete.
    pub async fn ready(&self, feed: &str) -> Result<()> {
        let txn = self.db.begin_write().await?;
        txn.execute_rows(
            Rows::new().int("part", 0..PARTITIONS),
            vec![feed.into()],
            |table, n| {
                format!(
                    "INSERT INTO feed_cursor (feed, part, incarnation, tx, row_tx, generation, projection_version, \
                     state, ready) SELECT ${n}, r.part, 'forged', 1, 0, 1, 1, 'live', 1 FROM {table} AS r \
                     WHERE true ON CONFLICT (feed, part) DO NOTHING"
                )
            },
        )
        .await?;
        txn.commit().await
    }

    /// The next version of anything.
    pub fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version
    }

    /// The registry tells of a business day, and what follows is worked through.
    pub async fn open_day(&mut self, day: Option<Date>) -> Result<()> {
        let id = self.creditor_id.clone();
        let version = self.next_version();
        let state = told::creditor(&id, day);
        let change = told::change(&id, "", "creditor", &id, version, Some(state));
        self.tell(Feed::Registry, &[change]).await
    }

    /// The registry tells of a rate to euro.
    pub async fn rate(
        &mut self,
        base: &str,
        on: Date,
        numerator: i64,
        denominator: i64,
    ) -> Result<()> {
        let id = self.creditor_id.clone();
        let version = self.next_version();
        let key = format!("{base}/EUR/{:04}-{:02}-{:02}", on.year, on.month, on.day);
        let state = told::rate(base, on, numerator, denominator);
        let change = told::change(&id, "", "fx_rate", &key, version, Some(state));
        self.tell(Feed::Registry, &[change]).await
    }

    /// The registry tells of a debtor.
    pub async fn debtor(
        &mut self,
        debtor_id: &str,
        differ: impl FnOnce(&mut Debtor),
    ) -> Result<()> {
        let id = self.creditor_id.clone();
        let version = self.next_version();
        let mut debtor = told::debtor(&id, debtor_id);
        differ(&mut debtor);
        let state = Some(debtor.encode_to_vec());
        let change = told::change(&id, debtor_id, "debtor", debtor_id, version, state);
        self.tell(Feed::Registry, &[change]).await
    }

    /// Scoring tells of a debtor.
    pub async fn score(
        &mut self,
        debtor_id: &str,
        differ: impl FnOnce(&mut ScoreState),
    ) -> Result<()> {
        let id = self.creditor_id.clone();
        let version = self.next_version();
        let mut score = told::score(&id, debtor_id);
        differ(&mut score);
        let state = Some(score.encode_to_vec());
        let change = told::change(&id, debtor_id, "score", debtor_id, version, state);
        self.tell(Feed::Scoring, &[change]).await
    }

    /// Both tell of a debtor.
    pub async fn customer(
        &mut self,
        debtor_id: &str,
        differ: impl FnOnce(&mut ScoreState),
    ) -> Result<()> {
        self.score(debtor_id, differ).await?;
        self.debtor(debtor_id, |_| ()).await
    }

    /// Applies changes as a consumer would, and works through what follows.
    pub async fn tell(&mut self, feed: Feed, changes: &[Change]) -> Result<()> {
        self.apply(feed, changes, true).await?;
        for change in changes {
            if let Some(kind) = self.projection(feed).sweep_of(change) {
                self.sweep(feed, kind, &change.creditor_id).await?;
            }
        }
        Ok(())
    }

    /// Applies changes in one transaction.
    pub async fn apply(&self, feed: Feed, changes: &[Change], consequences: bool) -> Result<()> {
        let mut locks = Locks::none();
        for change in changes {
            match change.debtor_id.as_str() {
                "" => locks.add_creditor(&change.creditor_id),
                debtor_id => locks.add_debtor(&change.creditor_id, debtor_id),
            }
        }
        let mut tx = WriteTx::begin(&self.publisher, locks, Cause::default()).await?;
        let batch = Batch {
            generations: &self.generations,
            consequences,
            changes,
        };
        self.projection(feed).apply(&mut tx, batch).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Works through a sweep, page by page.
    pub async fn sweep(&self, feed: Feed, kind: &str, creditor_id: &str) -> Result<()> {
        let projection = self.projection(feed);
        let mut parts: Vec<i64> = (0..PARTITIONS).collect();
        let mut after = String::new();
        loop {
            let page = projection
                .sweep_candidates(&self.db, kind, creditor_id, &parts, &after, SWEEP_PAGE)
                .await?;
            let debtors: Vec<_> = page.iter().map(|(_, id)| id.clone()).collect();
            let locks = Locks::debtors(creditor_id, debtors.iter().map(String::as_str));
            let mut tx = WriteTx::begin(&self.publisher, locks, Cause::default()).await?;
            projection
                .sweep(&mut tx, kind, creditor_id, &debtors)
                .await?;
            tx.commit().await?;
            match page.last() {
                Some((part, debtor_id)) if page.len() as u64 == SWEEP_PAGE => {
                    parts.retain(|each| each >= part);
                    after.clone_from(debtor_id);
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn projection(&self, feed: Feed) -> &dyn Projection {
        match feed {
            Feed::Registry => &self.registry,
            Feed::Scoring => &self.scoring,
        }
    }

    /// A scheme of two segments, with default `rest`.
    pub fn scheme(&self, scheme_id: &str, conditions: &[(&str, &str)]) -> Scheme {
        let segment = |segment_id: &str, condition: &str| Segment {
            segment_id: segment_id.to_owned(),
            display_name: segment_id.to_uppercase(),
            condition: condition.to_owned(),
            policy: (scheme_id == "treatment").then(policy),
        };
        Scheme {
            creditor_id: self.creditor_id.clone(),
            scheme_id: scheme_id.to_owned(),
            display_name: "Sample".to_owned(),
            segments: conditions
                .iter()
                .map(|each| segment(each.0, each.1))
                .collect(),
            default_segment: Some(segment("rest", "")),
            unclassified_segment: Some(segment("unclassified", "")),
            ..Scheme::default()
        }
    }

    /// Asks for a revision to be created.
    pub fn creation(&self, scheme: Scheme) -> CreateSchemeRevisionRequest {
        CreateSchemeRevisionRequest {
            request_id: self.app.publisher.ids().next().to_string(),
            scheme: Some(scheme),
            validate_only: false,
        }
    }

    /// Creates a revision; answers its number.
    pub async fn create(&self, scheme: Scheme) -> Result<i32, Status> {
        let request = self.creation(scheme);
        let created = self.schemes.clone().create_scheme_revision(request).await?;
        Ok(created.into_inner().scheme.unwrap_or_default().revision)
    }

    /// Begins an activation.
    pub async fn begin(
        &self,
        scheme_id: &str,
        revision: i32,
        max_error_ppm: i32,
    ) -> Result<Activation, Status> {
        let request = ActivateSchemeRequest {
            request_id: self.app.publisher.ids().next().to_string(),
            creditor_id: self.creditor_id.clone(),
            scheme_id: scheme_id.to_owned(),
            revision,
            max_error_ppm,
        };
        let begun = self.schemes.clone().activate_scheme(request).await?;
        Ok(begun.into_inner().activation.unwrap_or_default())
    }

    /// The latest activation of a scheme.
    pub async fn activation(&self, scheme_id: &str) -> Result<Activation, Status> {
        let request = GetActivationRequest {
            creditor_id: self.creditor_id.clone(),
            scheme_id: scheme_id.to_owned(),
            at_least: String::new(),
        };
        let found = self.schemes.clone().get_activation(request).await?;
        Ok(found.into_inner().activation.unwrap_or_default())
    }

    /// Creates a revision and makes it the active one.
    pub async fn activate(&self, scheme: Scheme) -> Result<Activation, Status> {
        let scheme_id = scheme.scheme_id.clone();
        let revision = self.create(scheme).await?;
        self.begin(&scheme_id, revision, 1_000_000).await?;
        while self.app.advance_activations().await? {}
        let activation = self.activation(&scheme_id).await?;
        assert_eq!(activation.state(), ActivationState::Done);
        Ok(activation)
    }

    /// The result of a simulation, whose messages count up.
    pub async fn simulate(
        &self,
        scheme_id: &str,
        revision: i32,
    ) -> Result<SimulationResult, Status> {
        let request = SimulateSchemeRequest {
            creditor_id: self.creditor_id.clone(),
            scheme_id: scheme_id.to_owned(),
            revision,
            at_least: String::new(),
        };
        let mut stream = self
            .schemes
            .clone()
            .simulate_scheme(request)
            .await?
            .into_inner();
        let mut visited = 0;
        while let Some(message) = stream.message().await? {
            assert!(message.visited >= visited);
            visited = message.visited;
            if let Some(result) = message.result {
                assert_eq!(message.visited, message.total);
                assert!(stream.message().await?.is_none());
                return Ok(result);
            }
        }
        Err(Status::internal("a simulation without a result"))
    }

    /// The membership of a debtor in a scheme.
    pub async fn membership(&self, debtor_id: &str, scheme_id: &str) -> Result<Membership, Status> {
        let request = GetMembershipsRequest {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            at_least: String::new(),
        };
        let found = self.members.clone().get_memberships(request).await?;
        let mut found = found.into_inner().memberships.into_iter();
        let found = found.find(|membership| membership.scheme_id == scheme_id);
        found.ok_or_else(|| Status::not_found(format!("{debtor_id} is not in {scheme_id}")))
    }

    /// The segment of a debtor in a scheme.
    pub async fn segment(&self, debtor_id: &str, scheme_id: &str) -> Result<String, Status> {
        Ok(self.membership(debtor_id, scheme_id).await?.segment_id)
    }
}

/// Who tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    Registry,
    Scoring,
}

pub fn policy() -> Policy {
    Policy {
        payment_term_days: 30,
        reminder_fees: v1::ReminderFees::Waived.into(),
        handling: v1::Handling::Autopilot.into(),
        procedure_id: "standard".to_owned(),
        ..Policy::default()
    }
}

async fn serve(db: &Db, app: &App, shutdown: &Shutdown) -> Result<Running> {
    let mut settings = CommonSettings::default();
    settings.api.listen.set_port(0);
    settings.ops.listen.set_port(0);
    let api = Api {
        app: app.clone(),
        draining: shutdown.draining.clone(),
    };
    let spec = ServiceSpec {
        name: SERVICE,
        routes: grpc::routes(&api, settings.api.max_message_bytes),
        migrations: migrations(),
        db: db.clone(),
        grpc_names: grpc::SERVICE_NAMES.to_vec(),
    };
    server::start(spec, &settings, shutdown.clone()).await
}

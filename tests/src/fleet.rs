//! Services as processes, in as many replicas as a test wants, and somebody who kills them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use dunning_channel::testing::Server;
use tokio::sync::Mutex;
use tonic::{Code, Status, transport::Channel};

use crate::{
    process::{Process, Program},
    suite::{
        Clients, Databases, DunningClients, SegmentationClients, Service, channel, is_not_now,
    },
};

/// Between two kills.
const PAUSE: Duration = Duration::from_millis(900);

struct Replica {
    program: Program,
    url: String,
    process: Mutex<Option<Process>>,
}

/// Processes, by service and number of the replica.
pub struct Fleet(BTreeMap<(Service, usize), Replica>);

impl Fleet {
    /// `last` and all that it depends on, each in as many replicas as `replicas` says, with these environment variables.
    /// A replica consumes from the upstream replicas of its number.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn start(
        databases: &Databases,
        last: Service,
        replicas: impl Fn(Service) -> usize,
        environment: &[(String, String)],
    ) -> Self {
        let mut fleet = Self(BTreeMap::new());
        for service in last.with_upstreams() {
            for number in 0..replicas(service) {
                let mut program = Program::new(service, databases.url(service));
                for upstream in service.with_upstreams().filter(|each| *each != service) {
                    program = program.knowing(upstream, &fleet.replica(upstream, number).url);
                }
                for (key, value) in environment {
                    program = program.env(key, value);
                }
                let process = program.start().await;
                let replica = Replica {
                    program,
                    url: process.url.clone(),
                    process: Mutex::new(Some(process)),
                };
                fleet.0.insert((service, number), replica);
            }
        }
        fleet
    }

    fn replicas(&self, service: Service) -> usize {
        self.0.range((service, 0)..=(service, usize::MAX)).count()
    }

    fn replica(&self, service: Service, number: usize) -> &Replica {
        &self.0[&(service, number % self.replicas(service))]
    }

    /// Kills a replica and starts it again; waits until it listens.
    pub async fn kill(&self, service: Service, number: usize) {
        let replica = self.replica(service, number);
        let mut slot = replica.process.lock().await;
        if let Some(process) = slot.take() {
            process.kill().await;
        }
        *slot = Some(replica.program.start_again(&replica.url).await);
    }

    /// Kills one process after the other, at random, until `done`. Answers of which services.
    pub async fn kill_at_random(&self, done: &AtomicBool) -> Vec<Service> {
        let all: Vec<_> = self.0.keys().copied().collect();
        let mut dice = Dice(20_261_121);
        let mut killed = Vec::new();
        let mut pause = tokio::time::interval(PAUSE);
        while !done.load(Ordering::SeqCst) {
            pause.tick().await;
            let (service, number) = all[dice.below(all.len())];
            self.kill(service, number).await;
            killed.push(service);
        }
        killed
    }

    /// To a replica of a service.
    #[must_use]
    pub fn channel(&self, service: Service, number: usize) -> Channel {
        channel(&self.replica(service, number).url)
    }

    /// Clients of one registry and one scoring replica.
    #[must_use]
    pub fn clients(&self, number: usize) -> Clients {
        Clients::new(
            &self.channel(Service::Registry, number),
            &self.channel(Service::Scoring, number),
        )
    }

    /// Clients of one segmentation replica.
    #[must_use]
    pub fn segmentation(&self, number: usize) -> SegmentationClients {
        SegmentationClients::new(&self.channel(Service::Segmentation, number))
    }

    /// Clients of one dunning replica.
    #[must_use]
    pub fn dunning(&self, number: usize) -> DunningClients {
        DunningClients::new(&self.channel(Service::Dunning, number))
    }
}

/// Lets dunning send by a mail server, and give up what nobody tells of as early as its settings allow.
#[must_use]
pub fn sending_by(server: &Server) -> Vec<(String, String)> {
    let address = server.address();
    [
        ("SMTP__HOST", address.ip().to_string()),
        ("SMTP__PORT", address.port().to_string()),
        ("SMTP__TLS", "none".to_owned()),
        ("LEASE_S", "30".to_owned()),
    ]
    .map(|(key, value)| (format!("DUNNING__DISPATCH__{key}"), value))
    .to_vec()
}

/// A small generator of numbers that anybody can repeat.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Calls until there is an answer, whatever happens to the replicas; the call is told how often it was repeated. Returns
/// the answer and that number.
///
/// # Panics
/// If a replica answers with a verdict.
pub async fn insist<T>(call: impl AsyncFn(usize) -> Result<T, Status>) -> (T, usize) {
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    pause.tick().await;
    let mut tries = 0;
    loop {
        match call(tries).await {
            Ok(answer) => return (answer, tries),
            Err(status) => {
                assert!(is_of_a_killed_replica(&status), "a verdict: {status:?}");
                tries += 1;
                pause.tick().await;
            }
        }
    }
}

/// A killed replica's calls fail in many ways, but never with a verdict.
fn is_of_a_killed_replica(status: &Status) -> bool {
    is_not_now(status)
        || matches!(
            status.code(),
            Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded
        )
}

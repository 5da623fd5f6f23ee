//! Two replicas of each service as processes, and somebody who kills them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use e2e::{
    process::{Process, Program},
    suite::{Clients, Databases, SegmentationClients, Service, channel},
};
use tokio::sync::Mutex;
use tonic::{Code, Status, transport::Channel};

/// Replicas of each service.
pub const REPLICAS: usize = 2;
/// Between two kills.
const PAUSE: Duration = Duration::from_millis(900);

type Slot = Arc<Mutex<Option<Process>>>;

/// Processes in the order of the services, the replicas of one beside each other.
pub struct Fleet {
    programs: Vec<Program>,
    slots: Vec<Slot>,
    urls: Vec<String>,
}

impl Fleet {
    /// `last` and all that it depends on. Each replica consumes from the upstream replicas of its number.
    pub async fn start(databases: &Databases, last: Service) -> Self {
        let mut fleet = Self {
            programs: Vec::new(),
            slots: Vec::new(),
            urls: Vec::new(),
        };
        for service in last.with_upstreams() {
            for replica in 0..REPLICAS {
                let mut program = Program::new(service, databases.url(service));
                for upstream in service.with_upstreams().filter(|each| *each != service) {
                    program = program.knowing(upstream, fleet.url(upstream, replica));
                }
                fleet.add(program).await;
            }
        }
        fleet
    }

    async fn add(&mut self, program: Program) {
        let program = program.set("ops.listen", "127.0.0.1:0");
        let process = program.start().await;
        self.urls.push(process.url.clone());
        self.programs.push(program);
        self.slots.push(Arc::new(Mutex::new(Some(process))));
    }

    async fn kill_and_restart(&self, victim: usize) {
        let mut slot = self.slots[victim].lock().await;
        if let Some(process) = slot.take() {
            process.kill().await;
        }
        *slot = Some(self.programs[victim].start_again(&self.urls[victim]).await);
    }

    fn url(&self, service: Service, replica: usize) -> &str {
        &self.urls[service as usize * REPLICAS + replica % REPLICAS]
    }

    /// To a replica of a service.
    pub fn channel(&self, service: Service, replica: usize) -> Channel {
        channel(self.url(service, replica))
    }

    /// Clients of one registry and one scoring replica.
    pub fn clients(&self, replica: usize) -> Clients {
        Clients::new(
            &self.channel(Service::Registry, replica),
            &self.channel(Service::Scoring, replica),
        )
    }

    /// Clients of one segmentation replica.
    pub fn segmentation(&self, replica: usize) -> SegmentationClients {
        SegmentationClients::new(&self.channel(Service::Segmentation, replica))
    }

    /// Kills one process after the other, at random, until `done`. Answers how many.
    pub async fn kill_at_random(&self, done: &AtomicBool) -> usize {
        let mut dice = Dice(20_261_121);
        let mut kills = 0;
        let mut pause = tokio::time::interval(PAUSE);
        while !done.load(Ordering::SeqCst) {
            pause.tick().await;
            let processes = u64::try_from(self.programs.len()).expect("few processes");
            let victim = usize::try_from(dice.below(processes)).expect("one of them");
            self.kill_and_restart(victim).await;
            kills += 1;
        }
        kills
    }
}

/// A small generator of numbers that anybody can repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Calls until there is an answer, whatever happens to the replicas; the call is told how often it was repeated. Returns
/// the answer and that number.
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
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

//! What goes on in the background.

pub mod dispatch;
pub mod measure;
pub mod outbox;
pub mod propose;
mod retention;

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use dunning_channel::{Channel, Guard, Maildir, Smtp};
use mahnwerk_runtime::{
    error::{Error, Result},
    server::Running,
    status::chain,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, dispatch::Dispatcher, outbox::Registry},
    config::DispatchSettings,
};

/// For how long, in microseconds, work that nobody tells of is kept from other workers.
const LEASE: i64 = 30_000_000;

/// Workers on runs in a process: one evaluates while another waits for the database.
const RUN_WORKERS: usize = 2;

/// How long to wait for work of which nobody here tells, right after there was some, and at most.
const SOON: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(200);

/// How long to wait after something went wrong.
const TROUBLE: Duration = Duration::from_secs(2);

/// What a step of background work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was work, and there may be more.
    Work,
    /// There is nothing to do now.
    Nothing,
    /// There is work that cannot be done now.
    Trouble,
}

/// Work that is done step by step.
#[async_trait::async_trait]
trait Steps: Send + Sync {
    async fn step(&self) -> Result<Found>;
}

struct Runs(App);

#[async_trait::async_trait]
impl Steps for Runs {
    async fn step(&self) -> Result<Found> {
        propose::step(&self.0, LEASE).await
    }
}

struct Sending(Dispatcher, CancellationToken);

#[async_trait::async_trait]
impl Steps for Sending {
    async fn step(&self) -> Result<Found> {
        dispatch::step(&self.0, &self.1).await
    }
}

struct Outbox(App, Arc<dyn Registry>);

#[async_trait::async_trait]
impl Steps for Outbox {
    async fn step(&self) -> Result<Found> {
        outbox::step(&self.0, &*self.1, LEASE).await
    }
}

/// Repeats a step until `stop`. What a step has begun it ends. Whoever did something wakes the others: one piece of work
/// often leads to another.
async fn repeat(name: &'static str, work: impl Steps, wake: Arc<Notify>, stop: CancellationToken) {
    let mut idle = SOON;
    while !stop.is_cancelled() {
        let mut woken = pin!(wake.notified());
        // What comes while it looks is not missed.
        woken.as_mut().enable();
        let (pause, wakes) = match work.step().await {
            Ok(Found::Work) => {
                idle = SOON;
                wake.notify_waiters();
                continue;
            }
            Ok(Found::Nothing) => {
                idle = (idle * 2).min(IDLE);
                (idle, true)
            }
            Ok(Found::Trouble) => (TROUBLE, false),
            Err(error) if error.is_transient() => (IDLE, false),
            Err(error) => {
                // Not its debug form: that of a database error holds the row.
                tracing::error!(
                    worker = name,
                    error = chain(&error),
                    "background work failed"
                );
                (TROUBLE, false)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken, if wakes => idle = SOON,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Everything that works in the background.
pub struct Work {
    /// The use cases.
    pub app: App,
    /// Sends notices.
    pub dispatcher: Dispatcher,
    /// Carries commands out.
    pub registry: Arc<dyn Registry>,
}

impl Work {
    /// Begins to work, until `stop`; a service that stops waits for what has begun.
    #[must_use]
    pub fn spawn(self, mut running: Running, stop: &CancellationToken) -> Running {
        let (wake, stop) = (|| self.app.wake.clone(), || stop.clone());
        for _ in 0..RUN_WORKERS {
            let work = repeat("runs", Runs(self.app.clone()), wake(), stop());
            running = running.with_background(tokio::spawn(work));
        }
        let sending = repeat("dispatch", Sending(self.dispatcher, stop()), wake(), stop());
        let outbox = Outbox(self.app.clone(), self.registry);
        let outbox = repeat("outbox", outbox, wake(), stop());
        // Has nothing to hand over when it is stopped.
        tokio::spawn(retention::keep(self.app.clone(), stop()));
        running
            .with_background(tokio::spawn(sending))
            .with_background(tokio::spawn(outbox))
    }
}

/// The way out of e-mails, if one is configured, with the guard in front of it.
///
/// # Errors
/// If the settings cannot be used.
pub async fn way_out(settings: &DispatchSettings) -> Result<Option<Arc<dyn Channel>>> {
    let channel: Arc<dyn Channel> = if settings.smtp.is_set() {
        let smtp = Smtp::new(&settings.smtp);
        Arc::new(smtp.map_err(|error| Error::Internal(Box::new(error)))?)
    } else if settings.maildir.is_empty() {
        return Ok(None);
    } else {
        let opened = Maildir::open(Path::new(&settings.maildir)).await;
        Arc::new(opened.map_err(|error| Error::Internal(Box::new(error)))?)
    };
    let guard = Guard::new(channel, &settings.guard);
    Ok(Some(Arc::new(
        guard.map_err(|error| Error::Internal(Box::new(error)))?,
    )))
}

//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// How a process tells its parts to stop. Clones share the tokens.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// No new work: health says "not serving", streams end, workers finish what they hold.
    pub draining: CancellationToken,
    /// Nothing is accepted any more. Follows `draining` after the drain delay.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// Not stopping yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to stop.
    pub fn begin(&self) {
        self.draining.cancel();
    }
}

/// Stops on SIGTERM and SIGINT; a second signal skips the drain delay. Must be called within a tokio runtime.
///
/// # Errors
/// If the signals cannot be listened for.
pub fn shutdown_on_signals() -> Result<Shutdown> {
    let listen = |kind| signal(kind).map_err(|error| Error::Internal(Box::new(error)));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        for token in [&told.draining, &told.stop] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(shutdown)
}

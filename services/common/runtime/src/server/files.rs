//! Files that may change while the service runs: certificates, keys, the table of callers.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, Result},
    status::chain,
};

/// How often files are read again.
const REFRESH: Duration = Duration::from_secs(5);
/// Shortest time between two looks: tokens that name keys at random must not keep anybody busy.
const PAUSE: Duration = Duration::from_millis(200);
/// Largest file read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The contents of files, in the order of their paths.
pub(super) type Contents = Vec<Vec<u8>>;

/// Something made of files, and made again when they change.
pub(super) trait Source: Send + 'static {
    /// What is made.
    type Made: Send + Sync + 'static;

    /// What is made of what is there now; `None` if that is as it was.
    fn read(&mut self) -> impl Future<Output = Result<Option<Self::Made>>> + Send;
}

/// What a source makes, at first and whenever it changed, until `stop`. It is looked at every five seconds, and when
/// somebody is in a `hurry`. What cannot be made is reported, and what was made before is kept.
///
/// # Errors
/// If it cannot be made at first.
pub(super) async fn follow<S: Source>(
    what: &'static str,
    mut source: S,
    hurry: Arc<Notify>,
    stop: CancellationToken,
) -> Result<watch::Receiver<Arc<S::Made>>> {
    let first = source.read().await?;
    let first = first.ok_or_else(|| Error::internal(format!("{what}: nothing to read")))?;
    let (sender, receiver) = watch::channel(Arc::new(first));
    tokio::spawn(async move {
        loop {
            let looked = Instant::now();
            tokio::select! {
                () = stop.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(REFRESH) => {}
                () = hurry.notified() => tokio::time::sleep_until(looked + PAUSE).await,
            }
            match source.read().await {
                Ok(Some(made)) => {
                    tracing::info!(what, "read again");
                    sender.send_replace(Arc::new(made));
                }
                Ok(None) => {}
                // Said again and again until somebody mends it.
                Err(error) => {
                    tracing::error!(what, error = chain(&error), "keeping what was read before");
                }
            }
        }
    });
    Ok(receiver)
}

type Make<T> = Box<dyn Fn(&Contents) -> Result<T> + Send>;

/// What is made of the contents of files whose paths stay the same.
pub(super) struct Files<T> {
    paths: Vec<String>,
    /// From which something could be made the last time.
    contents: Option<Contents>,
    make: Make<T>,
}

impl<T> Files<T> {
    pub(super) fn new(
        paths: Vec<String>,
        make: impl Fn(&Contents) -> Result<T> + Send + 'static,
    ) -> Self {
        Self {
            paths,
            contents: None,
            make: Box::new(make),
        }
    }
}

impl<T: Send + Sync + 'static> Source for Files<T> {
    type Made = T;

    async fn read(&mut self) -> Result<Option<T>> {
        let paths = self.paths.clone();
        let read = move || paths.iter().map(|path| read_file(path)).collect();
        let found: Contents = blocking(read).await?;
        if self.contents.as_ref() == Some(&found) {
            return Ok(None);
        }
        let made = (self.make)(&found)?;
        self.contents = Some(found);
        Ok(Some(made))
    }
}

/// Does what would keep others waiting on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(Box::new(error)))?
}

/// Reads a file. It waits for the disk: call it within [`blocking`].
pub(super) fn read_file(path: &str) -> Result<Vec<u8>> {
    let read = || {
        if std::fs::metadata(path)?.len() > MAX_BYTES {
            return Err(io::Error::other(format!("has more than {MAX_BYTES} bytes")));
        }
        std::fs::read(path)
    };
    read().map_err(|error| Error::internal(format!("{path}: {error}")))
}

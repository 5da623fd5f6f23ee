//! Files that may change while the service runs: certificates, keys, the table of callers.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, Result},
    status::chain,
};

/// How often files are read again.
const REFRESH: Duration = Duration::from_secs(5);
/// Largest file read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The contents of files, in the order of their paths.
pub(super) type Contents = Vec<Vec<u8>>;

fn read(paths: &[String]) -> Result<Contents> {
    paths.iter().map(|path| read_file(path)).collect()
}

/// Reads a file.
pub(super) fn read_file(path: &str) -> Result<Vec<u8>> {
    let read = || {
        if std::fs::metadata(path)?.len() > MAX_BYTES {
            return Err(io::Error::other(format!("has more than {MAX_BYTES} bytes")));
        }
        std::fs::read(path)
    };
    read().map_err(|error| Error::internal(format!("{path}: {error}")))
}

/// What `make` makes of the files, made again when they change, until `stop`. What cannot be made is reported, and what
/// was made before is kept.
///
/// # Errors
/// If it cannot be made at first.
pub(super) fn follow<T: Send + Sync + 'static>(
    what: &'static str,
    paths: Vec<String>,
    stop: CancellationToken,
    make: impl Fn(&Contents) -> Result<T> + Send + 'static,
) -> Result<watch::Receiver<Arc<T>>> {
    let mut contents = read(&paths)?;
    let (sender, receiver) = watch::channel(Arc::new(make(&contents)?));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(REFRESH) => {}
            }
            let wanted = paths.clone();
            let found = match tokio::task::spawn_blocking(move || read(&wanted)).await {
                Ok(Ok(found)) if found != contents => found,
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => {
                    tracing::error!(what, error = chain(&error), "keeping what was read before");
                    continue;
                }
                Err(_) => continue,
            };
            match make(&found) {
                Ok(made) => {
                    tracing::info!(what, "read again");
                    sender.send_replace(Arc::new(made));
                    contents = found;
                }
                // Said again and again until somebody mends it.
                Err(error) => {
                    tracing::error!(what, error = chain(&error), "keeping what was read before");
                }
            }
        }
    });
    Ok(receiver)
}

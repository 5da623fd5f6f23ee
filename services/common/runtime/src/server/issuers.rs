//! The table of callers and the keys of the issuers in it, kept up to date.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mahnwerk_access::{
    Table,
    keys::{Keys, MAX_KEY_SET_BYTES},
    table::Issuer,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{access::State, files};
use crate::{
    error::{Error, Result},
    status::chain,
};

/// Shortest time between two looks: tokens that name keys at random must not keep anybody busy.
const PAUSE: Duration = Duration::from_secs(1);
/// How often files are read again.
const REFRESH: Duration = Duration::from_secs(5);
/// How often keys are fetched again that nobody missed.
const FETCH: Duration = Duration::from_secs(600);
/// Shortest time between two fetches from one issuer: callers that name keys at random must not become its load.
const FETCH_AGAIN: Duration = Duration::from_secs(15);
/// Longest time for a fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells that a token named a key that is not known.
#[derive(Clone, Default)]
pub(super) struct Refetch(Arc<Wanted>);

#[derive(Default)]
struct Wanted {
    issuers: Mutex<Vec<usize>>,
    notify: Notify,
}

impl Refetch {
    pub(super) fn wanted(&self, issuer: usize) {
        let mut issuers = self.issuers();
        if !issuers.contains(&issuer) {
            issuers.push(issuer);
            self.0.notify.notify_one();
        }
    }

    fn issuers(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.0
            .issuers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.issuers())
    }
}

/// The table and keys in use.
#[derive(Default)]
struct Source {
    path: String,
    text: Vec<u8>,
    table: Arc<Table>,
    /// In the order of the table's issuers.
    issuers: Vec<IssuerKeys>,
}

/// The keys of an issuer, what they were read from, and when they were fetched.
#[derive(Clone, Default)]
struct IssuerKeys {
    text: Option<Vec<u8>>,
    keys: Arc<Keys>,
    fetched: Option<Instant>,
}

/// Reads the table and follows it, with the keys of its issuers, until `stop`.
///
/// # Errors
/// If the table or a file with keys cannot be used. Keys that cannot be fetched are fetched later.
pub(super) async fn follow(
    path: &str,
    stop: CancellationToken,
) -> Result<(watch::Receiver<Arc<State>>, Refetch)> {
    let mut source = Source {
        path: path.to_owned(),
        ..Source::default()
    };
    source.read_table()?;
    source.refresh_keys(&[], true).await?;
    let (sender, receiver) = watch::channel(Arc::new(source.state()));
    let refetch = Refetch::default();
    let wanted = refetch.clone();
    tokio::spawn(async move {
        loop {
            let looked = Instant::now();
            tokio::select! {
                () = stop.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(REFRESH) => {}
                () = wanted.0.notify.notified() => tokio::time::sleep_until(looked + PAUSE).await,
            }
            let is_new = source.read_table().unwrap_or_else(|error| {
                tracing::error!(
                    error = chain(&error),
                    "keeping the table of callers read before"
                );
                false
            });
            match source.refresh_keys(&wanted.take(), false).await {
                Ok(changed) if changed || is_new => {
                    tracing::info!("table of callers or keys of issuers read again");
                    sender.send_replace(Arc::new(source.state()));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = chain(&error), "keys of issuers not refreshed")
                }
            }
        }
    });
    Ok((receiver, refetch))
}

impl Source {
    fn state(&self) -> State {
        let keys = self.issuers.iter().map(|issuer| issuer.keys.clone());
        State::new(self.table.clone(), keys.collect())
    }

    /// Whether the file changed since it was read the last time.
    fn read_table(&mut self) -> Result<bool> {
        let text = files::read_file(&self.path)?;
        if text == self.text {
            return Ok(false);
        }
        let table = std::str::from_utf8(&text)
            .map_err(|error| vec![error.to_string()])
            .and_then(Table::parse)
            .map_err(|wrong| Error::internal(format!("{}: {}", self.path, wrong.join("; "))))?;
        // An issuer that stays keeps its keys, in case they cannot be read just now.
        let place = |issuer: &Issuer| {
            [
                issuer.name.clone(),
                issuer.jwks_file.clone(),
                issuer.jwks_url.clone(),
            ]
        };
        let kept = |issuer: &Issuer| {
            let before = self.table.issuers.iter().zip(&self.issuers);
            before
                .filter(|(known, _)| place(known) == place(issuer))
                .map(|(_, keys)| keys.clone())
                .next()
                .unwrap_or_default()
        };
        self.issuers = table.issuers.iter().map(kept).collect();
        self.table = Arc::new(table);
        self.text = text;
        Ok(true)
    }

    /// Whether any keys changed. Of an issuer whose keys cannot be read the last good ones are kept; at `first` a file
    /// that cannot be used is an error.
    async fn refresh_keys(&mut self, missed: &[usize], first: bool) -> Result<bool> {
        let mut changed = false;
        let table = self.table.clone();
        for (index, (issuer, known)) in table.issuers.iter().zip(&mut self.issuers).enumerate() {
            let is_remote = !issuer.jwks_url.is_empty();
            if is_remote && !known.is_due(missed.contains(&index)) {
                continue;
            }
            known.fetched = Some(Instant::now());
            let wanted = issuer.clone();
            let read = tokio::task::spawn_blocking(move || read_keys(&wanted))
                .await
                .map_err(|error| Error::Internal(Box::new(error)))?;
            match read.and_then(|text| known.take(text)) {
                Ok(is_new) => changed |= is_new,
                Err(error) if first && !is_remote => return Err(error),
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(issuer = issuer.name, error, "keeping the keys read before");
                }
            }
        }
        Ok(changed)
    }
}

impl IssuerKeys {
    /// Whether it is time to fetch them again.
    fn is_due(&self, is_missed: bool) -> bool {
        let is_wanted = is_missed || self.text.is_none();
        let wait = if is_wanted { FETCH_AGAIN } else { FETCH };
        self.fetched.is_none_or(|at| at.elapsed() >= wait)
    }

    /// Whether they are others than before.
    fn take(&mut self, text: Vec<u8>) -> Result<bool> {
        if self.text.as_ref() == Some(&text) {
            return Ok(false);
        }
        let keys = std::str::from_utf8(&text)
            .map_err(|error| error.to_string())
            .and_then(Keys::parse)
            .map_err(Error::internal)?;
        self.keys = Arc::new(keys);
        self.text = Some(text);
        Ok(true)
    }
}

fn read_keys(issuer: &Issuer) -> Result<Vec<u8>> {
    if !issuer.jwks_file.is_empty() {
        return files::read_file(&issuer.jwks_file);
    }
    let failed = |error: ureq::Error| Error::internal(format!("{}: {error}", issuer.jwks_url));
    let mut request = agent(issuer)?.get(&issuer.jwks_url);
    if !issuer.jwks_token_file.is_empty() {
        let token = files::read_file(&issuer.jwks_token_file)?;
        let token = String::from_utf8_lossy(&token);
        request = request.header("authorization", format!("Bearer {}", token.trim()));
    }
    let mut response = request.call().map_err(failed)?;
    let limit = u64::try_from(MAX_KEY_SET_BYTES).unwrap_or(u64::MAX);
    response
        .body_mut()
        .with_config()
        .limit(limit)
        .read_to_vec()
        .map_err(failed)
}

fn agent(issuer: &Issuer) -> Result<ureq::Agent> {
    let mut tls = TlsConfig::builder();
    if !issuer.jwks_ca_file.is_empty() {
        let pem = files::read_file(&issuer.jwks_ca_file)?;
        let roots: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if roots.is_empty() {
            return Err(Error::internal(format!(
                "{}: no certificate",
                issuer.jwks_ca_file
            )));
        }
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    }
    Ok(ureq::Agent::config_builder()
        .timeout_global(Some(FETCH_TIMEOUT))
        .https_only(true)
        .tls_config(tls.build())
        .build()
        .into())
}

//! The table of callers and the keys of the issuers in it, kept up to date.
//!
//! What files give is there from the start. Keys behind URLs are fetched beside it, each issuer for itself: one that does
//! not answer keeps neither the service nor another issuer waiting, and [`Lacking`] says whose keys are not there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mahnwerk_access::{Table, keys::Keys, table::Issuer};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{access::State, fetch, files};
use crate::{
    error::{Error, Result},
    status::chain,
};

/// How often keys are fetched again that nobody missed.
const FETCH: Duration = Duration::from_secs(600);
/// Shortest time between two fetches from one issuer: callers that name keys at random must not become its load. Longer than
/// a fetch may take, so that none begins before the last one ended.
const FETCH_AGAIN: Duration = Duration::from_secs(15);

/// Tells that a token named a key that is not known.
#[derive(Clone, Default)]
pub(super) struct Refetch(Arc<News>);

/// What the source has not looked at yet.
#[derive(Default)]
struct News {
    /// Issuers whose keys were missed, by their place in the table.
    missed: Mutex<Vec<usize>>,
    /// What came of fetches.
    fetched: Mutex<Vec<(Place, Result<Vec<u8>>)>>,
    notify: Arc<Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Refetch {
    pub(super) fn wanted(&self, issuer: usize) {
        let mut missed = lock(&self.0.missed);
        if !missed.contains(&issuer) {
            missed.push(issuer);
            self.0.notify.notify_one();
        }
    }
}

/// Whose keys a table needs and does not have, by their names in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Nobody knows yet whether they can be had.
    pub(super) untried: Vec<String>,
    /// They could not be had so far.
    pub(super) failed: Vec<String>,
}

/// Where an issuer's keys come from: its name, file and URL.
type Place = [String; 3];

fn place(issuer: &Issuer) -> Place {
    [&issuer.name, &issuer.jwks_file, &issuer.jwks_url].map(Clone::clone)
}

/// The table and keys in use.
#[derive(Default)]
struct Source {
    path: String,
    /// Empty until the table was read for the first time.
    text: Vec<u8>,
    table: Arc<Table>,
    /// In the order of the table's issuers.
    issuers: Vec<IssuerKeys>,
    news: Arc<News>,
}

/// The keys of an issuer, what they were read from, and when they were fetched.
#[derive(Clone, Default)]
struct IssuerKeys {
    text: Option<Vec<u8>>,
    keys: Arc<Keys>,
    is_tried: bool,
    fetched: Option<Instant>,
}

/// Reads the table and follows it, with the keys of its issuers, until `stop`.
///
/// # Errors
/// If the table or a file with keys cannot be used. Keys behind URLs come later.
pub(super) async fn follow(
    path: &str,
    stop: CancellationToken,
) -> Result<(watch::Receiver<Arc<State>>, Refetch)> {
    let source = Source {
        path: path.to_owned(),
        ..Source::default()
    };
    let news = source.news.clone();
    let hurry = news.notify.clone();
    let state = files::follow("table of callers and keys of issuers", source, hurry, stop).await?;
    Ok((state, Refetch(news)))
}

impl files::Source for Source {
    type Made = State;

    async fn read(&mut self) -> Result<Option<State>> {
        let is_first = self.text.is_empty();
        let mut has_changed = match self.read_table().await {
            Ok(has_changed) => has_changed,
            Err(error) if is_first => return Err(error),
            // Keys are read all the same: they have to end in time, whatever the table looks like.
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "keeping the table of callers read before");
                false
            }
        };
        has_changed |= self.read_key_files(is_first).await?;
        has_changed |= self.take_fetched();
        self.fetch();
        Ok(has_changed.then(|| self.state()))
    }
}

impl Source {
    fn state(&self) -> State {
        let keys = self.issuers.iter().map(|issuer| issuer.keys.clone());
        let mut lacking = Lacking::default();
        for (issuer, known) in self.table.issuers.iter().zip(&self.issuers) {
            match (&known.text, known.is_tried) {
                (Some(_), _) => {}
                (None, false) => lacking.untried.push(issuer.name.clone()),
                (None, true) => lacking.failed.push(issuer.name.clone()),
            }
        }
        State::new(self.table.clone(), keys.collect(), lacking)
    }

    /// Whether the file changed since it was read the last time.
    async fn read_table(&mut self) -> Result<bool> {
        let path = self.path.clone();
        let text = files::blocking(move || files::read_file(&path)).await?;
        if text == self.text {
            return Ok(false);
        }
        let path = self.path.clone();
        // Large tables take a while.
        let parse = move || {
            std::str::from_utf8(&text)
                .map_err(|error| vec![error.to_string()])
                .and_then(Table::parse)
                .map(|table| (text, table))
                .map_err(|wrong| Error::internal(format!("{path}: {}", wrong.join("; "))))
        };
        let (text, table) = files::blocking(parse).await?;
        // An issuer that stays keeps its keys, in case they cannot be read just now.
        let kept = |issuer: &Issuer| {
            let mut before = self.table.issuers.iter().zip(&self.issuers);
            before
                .find(|(known, _)| place(known) == place(issuer))
                .map(|(_, keys)| keys.clone())
                .unwrap_or_default()
        };
        self.issuers = table.issuers.iter().map(kept).collect();
        self.table = Arc::new(table);
        self.text = text;
        Ok(true)
    }

    /// Whether any keys in files changed. Of an issuer whose file cannot be used the last good ones are kept; at `first`
    /// that is an error.
    async fn read_key_files(&mut self, is_first: bool) -> Result<bool> {
        let table = self.table.clone();
        let mut has_changed = false;
        for (issuer, known) in table.issuers.iter().zip(&mut self.issuers) {
            if issuer.jwks_file.is_empty() {
                continue;
            }
            let path = issuer.jwks_file.clone();
            let read = files::blocking(move || files::read_file(&path)).await;
            match known.take(read) {
                Ok(is_new) => has_changed |= is_new,
                Err(error) if is_first => return Err(error),
                Err(error) => has_changed |= known.failed(issuer, &error),
            }
        }
        Ok(has_changed)
    }

    /// Whether what was fetched changes anything.
    fn take_fetched(&mut self) -> bool {
        let fetched = std::mem::take(&mut *lock(&self.news.fetched));
        let table = self.table.clone();
        let mut has_changed = false;
        for (from, read) in fetched {
            let mut all = table.issuers.iter().zip(&mut self.issuers);
            // Not there if the table changed meanwhile.
            let Some((issuer, known)) = all.find(|(issuer, _)| place(issuer) == from) else {
                continue;
            };
            has_changed |= match known.take(read) {
                Ok(is_new) => is_new,
                Err(error) => known.failed(issuer, &error),
            };
        }
        has_changed
    }

    /// Sets out for the keys that are due, without waiting for them.
    fn fetch(&mut self) {
        let missed = std::mem::take(&mut *lock(&self.news.missed));
        let table = self.table.clone();
        for (index, (issuer, known)) in table.issuers.iter().zip(&mut self.issuers).enumerate() {
            if issuer.jwks_url.is_empty() || !known.is_due(missed.contains(&index)) {
                continue;
            }
            known.fetched = Some(Instant::now());
            let (asked, news) = (issuer.clone(), self.news.clone());
            let work = move || {
                let read = fetch::fetch(&asked);
                lock(&news.fetched).push((place(&asked), read));
                news.notify.notify_one();
            };
            // Not a thread of the runtime, which would wait for it when the service stops.
            let thread = std::thread::Builder::new().name("issuer-keys".to_owned());
            if let Err(error) = thread.spawn(work) {
                let error = error.to_string();
                tracing::error!(issuer = issuer.name, error, "keys not asked for");
            }
        }
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
    fn take(&mut self, read: Result<Vec<u8>>) -> Result<bool> {
        let text = read?;
        if self.text.as_ref() == Some(&text) {
            return Ok(false);
        }
        let keys = std::str::from_utf8(&text)
            .map_err(|error| error.to_string())
            .and_then(Keys::parse)
            .map_err(Error::internal)?;
        self.keys = Arc::new(keys);
        self.text = Some(text);
        self.is_tried = true;
        Ok(true)
    }

    /// They could not be read. Whether that is news.
    fn failed(&mut self, issuer: &Issuer, error: &Error) -> bool {
        let (name, error) = (&issuer.name, chain(error));
        if self.text.is_some() {
            tracing::error!(issuer = name, error, "keeping the keys read before");
        } else {
            tracing::error!(issuer = name, error, "no keys: its tokens are not accepted");
        }
        !std::mem::replace(&mut self.is_tried, true)
    }
}

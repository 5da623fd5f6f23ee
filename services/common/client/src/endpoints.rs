//! The addresses of a service, kept up to date, and which of them is next.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tonic::transport::{self, Endpoint};

use crate::settings::{ConnectError, Files, PATIENCE, Settings, Target};

/// How often addresses are looked up and files are read again.
const REFRESH: Duration = Duration::from_secs(5);
/// How long an address rests after it failed.
const REST: Duration = Duration::from_secs(1);

/// A replica.
pub(crate) struct Member {
    /// Which of the targets it belongs to, and where it is.
    place: (usize, SocketAddr),
    pub(crate) channel: transport::Channel,
    /// Milliseconds since the endpoints were made.
    rests_until: AtomicU64,
}

/// All replicas of a service, as far as known.
pub(crate) struct Endpoints {
    targets: Vec<Target>,
    settings: Settings,
    began: Instant,
    next: AtomicUsize,
    files: Mutex<Files>,
    members: watch::Sender<Arc<Vec<Arc<Member>>>>,
}

impl Endpoints {
    /// The replicas behind URLs with commas between them. Names are looked up in the background, until nobody needs them
    /// any more.
    ///
    /// # Errors
    /// If the address or a file cannot be used.
    pub(crate) fn new(urls: &str, settings: &Settings) -> Result<Arc<Self>, ConnectError> {
        let targets = Target::parse_all(urls, settings)?;
        let files = Files::read(settings)?;
        let endpoints = Arc::new(Self {
            settings: settings.clone(),
            began: Instant::now(),
            next: AtomicUsize::new(0),
            files: Mutex::new(files.clone()),
            members: watch::Sender::default(),
            targets,
        });
        // Proves that the certificates can be read.
        endpoints.endpoint((0, SocketAddr::from(([127, 0, 0, 1], 0))), &files)?;
        let known = endpoints
            .targets
            .iter()
            .enumerate()
            .filter_map(|(index, target)| {
                let address = target.host.parse::<IpAddr>().ok()?;
                Some((index, SocketAddr::new(address, target.port)))
            });
        endpoints.update(&known.collect::<Vec<_>>(), &files, false);
        tokio::spawn(keep(Arc::downgrade(&endpoints)));
        Ok(endpoints)
    }

    /// The token to show.
    pub(crate) fn token(&self) -> Option<String> {
        self.files().token.clone()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next replica, one that does not rest if there is one, and not `but` if there is another. Waits for the first
    /// address; `None` if there is none for too long.
    pub(crate) async fn next(&self, but: Option<&Arc<Member>>) -> Option<Arc<Member>> {
        let mut members = self.members.subscribe();
        let known = tokio::time::timeout(PATIENCE, members.wait_for(|members| !members.is_empty()))
            .await
            .ok()?
            .ok()?
            .clone();
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let in_turn =
            || (0..known.len()).map(|step| &known[(start.wrapping_add(step)) % known.len()]);
        let is_other = |member: &&Arc<Member>| but.is_none_or(|but| !Arc::ptr_eq(but, member));
        in_turn()
            .filter(is_other)
            .find(|member| member.rests_until.load(Ordering::Relaxed) <= now)
            .or_else(|| in_turn().find(is_other))
            .or_else(|| known.first())
            .cloned()
    }

    /// Lets a replica rest that could not be reached.
    pub(crate) fn rest(&self, member: &Member) {
        let until = self.now().saturating_add(millis(REST));
        member.rests_until.store(until, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// Takes over what addresses there are; connections that stay are kept, unless they have to be made `anew`.
    fn update(&self, places: &[(usize, SocketAddr)], files: &Files, anew: bool) {
        let before = self.members.borrow().clone();
        let is_same = !anew
            && before.len() == places.len()
            && before.iter().all(|member| places.contains(&member.place));
        if is_same {
            return;
        }
        let mut members = Vec::with_capacity(places.len());
        for &place in places {
            let kept = before
                .iter()
                .find(|member| !anew && member.place == place)
                .cloned();
            let member = kept.map(Ok).unwrap_or_else(|| {
                self.endpoint(place, files).map(|endpoint| {
                    Arc::new(Member {
                        place,
                        channel: endpoint.connect_lazy(),
                        rests_until: AtomicU64::new(0),
                    })
                })
            });
            match member {
                Ok(member) => members.push(member),
                Err(error) => tracing::warn!(error = %error, "a replica cannot be connected to"),
            }
        }
        // What is known stays until there is something better.
        if !members.is_empty() {
            self.members.send_replace(Arc::new(members));
        }
    }

    fn endpoint(
        &self,
        (target, address): (usize, SocketAddr),
        files: &Files,
    ) -> Result<Endpoint, ConnectError> {
        let target = &self.targets[target];
        let scheme = if target.is_tls { "https" } else { "http" };
        let unusable = |error: transport::Error| ConnectError::File {
            path: self.settings.ca_file.clone(),
            message: error.to_string(),
        };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|_| ConnectError::Address(target.uri.to_string()))?
            .origin(target.uri.clone())
            .tcp_nodelay(true)
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(PATIENCE)
            .keep_alive_timeout(PATIENCE)
            .keep_alive_while_idle(true);
        if target.is_tls {
            endpoint = endpoint
                .tls_config(files.tls(&target.host))
                .map_err(unusable)?;
        }
        Ok(endpoint)
    }

    async fn refresh(&self) {
        let settings = self.settings.clone();
        let read = tokio::task::spawn_blocking(move || Files::read(&settings)).await;
        let before = self.files().clone();
        let files = match read {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "keeping the credentials read before");
                before.clone()
            }
            Err(_) => before.clone(),
        };
        let anew = !files.connect_alike(&before);
        *self.files() = files.clone();
        let mut places = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            match look_up(target).await {
                Ok(addresses) => {
                    places.extend(addresses.into_iter().map(|address| (index, address)))
                }
                Err(error) => {
                    tracing::warn!(host = target.host, error = %error, "address not found");
                    // What was known goes on.
                    let before = self.members.borrow().clone();
                    let known = before.iter().map(|member| member.place);
                    places.extend(known.filter(|(known, _)| *known == index));
                }
            }
        }
        self.update(&places, &files, anew);
    }
}

async fn look_up(Target { host, port, .. }: &Target) -> std::io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, *port)]);
    }
    let mut addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), *port))
        .await?
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Ends when the last channel is gone.
async fn keep(endpoints: Weak<Endpoints>) {
    loop {
        match endpoints.upgrade() {
            Some(endpoints) => endpoints.refresh().await,
            None => return,
        }
        tokio::time::sleep(REFRESH).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ports: &[u16]) -> Vec<(usize, SocketAddr)> {
        ports
            .iter()
            .map(|port| (0, SocketAddr::from(([127, 0, 0, 1], *port))))
            .collect()
    }

    async fn ports(endpoints: &Endpoints, calls: usize) -> Vec<u16> {
        let mut seen = Vec::new();
        for _ in 0..calls {
            seen.push(endpoints.next(None).await.unwrap().place.1.port());
        }
        seen
    }

    #[tokio::test]
    async fn calls_go_round_and_pass_by_what_rests() {
        let endpoints = Endpoints::new("http://127.0.0.1:1", &Settings::default()).unwrap();
        let files = Files::default();
        endpoints.update(&places(&[1, 2, 3]), &files, false);
        let mut seen = ports(&endpoints, 3).await;
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
        let resting = endpoints.next(None).await.unwrap();
        endpoints.rest(&resting);
        assert!(!ports(&endpoints, 6).await.contains(&resting.place.1.port()));
        // With all at rest somebody has to do it, but not the one that just failed.
        for member in endpoints.members.borrow().iter() {
            endpoints.rest(member);
        }
        let other = endpoints.next(Some(&resting)).await.unwrap();
        assert_ne!(other.place, resting.place);
    }

    #[tokio::test]
    async fn connections_that_stay_are_kept_and_an_empty_answer_changes_nothing() {
        let endpoints = Endpoints::new("http://127.0.0.1:1", &Settings::default()).unwrap();
        let files = Files::default();
        let first = endpoints.members.borrow()[0].clone();
        endpoints.update(&places(&[1, 2]), &files, false);
        assert!(Arc::ptr_eq(&first, &endpoints.members.borrow()[0]));
        endpoints.update(&[], &files, false);
        assert_eq!(endpoints.members.borrow().len(), 2);
        endpoints.update(&places(&[1, 2]), &files, true);
        assert!(!Arc::ptr_eq(&first, &endpoints.members.borrow()[0]));
    }
}

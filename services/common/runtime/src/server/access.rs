//! Who calls: by token or certificate, against the table of callers; and what that caller may do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Request, header::AUTHORIZATION};
use mahnwerk_access::{
    Caller, Refusal, Table,
    caller::{Creditors, Scope},
    keys::Keys,
    limit::{Bucket, Limits},
    token::{self, Refused, Verified},
};
use mahnwerk_proto::{common::v1::ErrorReason, policy::Policy};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tonic::{
    body::Body,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

use super::issuers::{self, Refetch};
use crate::{
    clock::{Clock as _, SystemClock},
    config::ApiSettings,
    context::LOCAL_PRINCIPAL,
    error::{Error, Result},
};

/// Most tokens remembered as good: checking a signature costs more than most calls.
const MAX_REMEMBERED: usize = 10_000;
/// Most callers whose use is counted.
const MAX_COUNTED: usize = 10_000;
/// When to come again after too many calls at once.
const RETRY_CONCURRENT: Duration = Duration::from_millis(100);

/// What was read: the table, the keys of its issuers, and the tokens found good by them.
pub(super) struct State {
    table: Arc<Table>,
    keys: Vec<Arc<Keys>>,
    good: Mutex<HashMap<[u8; 32], Arc<Verified>>>,
}

impl State {
    pub(super) fn new(table: Arc<Table>, keys: Vec<Arc<Keys>>) -> Self {
        Self {
            table,
            keys,
            good: Mutex::default(),
        }
    }
}

/// Who may call.
pub(super) enum Access {
    /// Everybody: on loopback, or as somebody wished for development.
    Open(Arc<Caller>),
    /// Those in the table.
    Table(Guard),
}

/// Keeps the gate.
pub(super) struct Guard {
    state: watch::Receiver<Arc<State>>,
    refetch: Refetch,
    used: Mutex<HashMap<String, Arc<Used>>>,
    began: Instant,
}

/// Who calls, and until when that holds.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) caller: Arc<Caller>,
    pub(super) until: Option<Instant>,
}

/// How much a caller has used of its limits.
struct Used {
    limits: Limits,
    bucket: Mutex<Option<Bucket>>,
    places: Option<Arc<Semaphore>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Reads the table, if there is one, and follows it until `stop`.
    ///
    /// # Errors
    /// If the table or a file that it names cannot be used.
    pub(super) async fn open(
        settings: &ApiSettings,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Result<Self> {
        if settings.access_file.is_empty() {
            let everything = Scope::parse("*").map_err(Error::internal)?;
            return Ok(Self::Open(Arc::new(Caller {
                name: LOCAL_PRINCIPAL.to_owned(),
                scopes: vec![everything],
                creditors: Creditors::All,
                limits: Limits::default(),
            })));
        }
        let (state, refetch) = issuers::follow(&settings.access_file, stop.clone()).await?;
        if state.borrow().table.knows_certificates() && settings.tls.client_ca_file.is_empty() {
            tracing::warn!(
                "callers are known by certificates, but `api.tls.client_ca_file` is empty"
            );
        }
        Ok(Self::Table(Guard {
            state,
            refetch,
            used: Mutex::default(),
            began: Instant::now(),
        }))
    }

    /// Who makes this call.
    pub(super) fn identify(&self, request: &Request<Body>) -> Result<Identity> {
        match self {
            Self::Open(caller) => Ok(Identity {
                caller: caller.clone(),
                until: None,
            }),
            Self::Table(guard) => guard.identify(request),
        }
    }

    /// Counts a call against the caller's limits. What is returned holds its place among those at once.
    pub(super) fn count(&self, caller: &Caller) -> Result<Option<OwnedSemaphorePermit>> {
        match self {
            Self::Open(_) => Ok(None),
            Self::Table(guard) => guard.count(caller),
        }
    }
}

/// Whether the caller may call a method at all.
pub(super) fn may_call(
    caller: &Caller,
    policy: Option<&'static Policy>,
    names_creditor: bool,
) -> Result<()> {
    caller.may_call(policy, names_creditor).map_err(|refusal| {
        let (reason, scope) = match refusal {
            Refusal::ScopeMissing => (
                ErrorReason::ScopeMissing,
                policy.map_or("", |policy| policy.scope.as_str()),
            ),
            Refusal::CreditorNotAllowed => (ErrorReason::CreditorNotAllowed, ""),
        };
        Error::Denied { reason, scope }
    })
}

impl Guard {
    fn identify(&self, request: &Request<Body>) -> Result<Identity> {
        let state = self.state.borrow().clone();
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        if let Some(header) = headers.next() {
            if headers.next().is_some() {
                // A proxy may have looked at the other one.
                return Err(Error::Unauthenticated(ErrorReason::CredentialsInvalid));
            }
            let token = header
                .to_str()
                .ok()
                .and_then(|text| text.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim())
                .ok_or(Error::Unauthenticated(ErrorReason::CredentialsInvalid))?;
            return self.by_token(&state, token);
        }
        let certificates = request
            .extensions()
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs)
            .ok_or(Error::Unauthenticated(ErrorReason::CredentialsMissing))?;
        // The handshake proved that it leads up to an authority, and that the client has its key.
        let own = certificates
            .first()
            .and_then(|der| webpki::EndEntityCert::try_from(der).ok())
            .ok_or(Error::Unauthenticated(ErrorReason::CredentialsInvalid))?;
        let names = own.valid_uri_names().chain(own.valid_dns_names());
        let caller = state.table.by_certificate(names).ok_or(Error::Denied {
            reason: ErrorReason::CallerUnknown,
            scope: "",
        })?;
        Ok(Identity {
            caller: Arc::new(caller.clone()),
            until: None,
        })
    }

    fn by_token(&self, state: &State, token: &str) -> Result<Identity> {
        let now = u64::try_from(SystemClock.now() / 1_000_000).unwrap_or(0);
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = lock(&state.good).get(&digest).cloned();
        let verified = match known.filter(|verified| verified.until > now) {
            Some(verified) => verified,
            None => {
                let keys: Vec<&Keys> = state.keys.iter().map(AsRef::as_ref).collect();
                let verified = token::verify(token, &state.table, &keys, now)
                    .map_err(|refused| self.refused(&refused))?;
                let verified = Arc::new(verified);
                let mut good = lock(&state.good);
                if good.len() >= MAX_REMEMBERED {
                    good.clear();
                }
                good.insert(digest, verified.clone());
                verified
            }
        };
        let left = Duration::from_secs(verified.until.saturating_sub(now));
        Ok(Identity {
            caller: Arc::new(verified.caller.clone()),
            until: Instant::now().checked_add(left),
        })
    }

    fn refused(&self, refused: &Refused) -> Error {
        tracing::debug!(reason = %refused, "token refused");
        match refused {
            Refused::Invalid(_) => Error::Unauthenticated(ErrorReason::CredentialsInvalid),
            Refused::UnknownKey(issuer) => {
                self.refetch.wanted(*issuer);
                Error::Unauthenticated(ErrorReason::CredentialsInvalid)
            }
            Refused::Expired(_) => Error::Unauthenticated(ErrorReason::CredentialsExpired),
            Refused::Unknown => Error::Denied {
                reason: ErrorReason::CallerUnknown,
                scope: "",
            },
        }
    }

    fn count(&self, caller: &Caller) -> Result<Option<OwnedSemaphorePermit>> {
        if caller.limits == Limits::default() {
            return Ok(None);
        }
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let used = self.used(caller, now);
        if let Some(bucket) = &mut *lock(&used.bucket) {
            bucket.take(now).map_err(|micros| Error::CallerLimited {
                retry_after: Duration::from_micros(micros),
            })?;
        }
        let Some(places) = &used.places else {
            return Ok(None);
        };
        let place = places.clone().try_acquire_owned();
        place.map(Some).map_err(|_| Error::CallerLimited {
            retry_after: RETRY_CONCURRENT,
        })
    }

    fn used(&self, caller: &Caller, now: u64) -> Arc<Used> {
        let mut all = lock(&self.used);
        if let Some(used) = all.get(&caller.name)
            && used.limits == caller.limits
        {
            return used.clone();
        }
        if all.len() >= MAX_COUNTED {
            all.clear();
        }
        let limits = caller.limits;
        let places = (limits.concurrent > 0)
            .then(|| Arc::new(Semaphore::new(limits.concurrent.try_into().unwrap_or(1))));
        let used = Arc::new(Used {
            limits,
            bucket: Mutex::new(Bucket::new(limits, now)),
            places,
        });
        all.insert(caller.name.clone(), used.clone());
        used
    }
}

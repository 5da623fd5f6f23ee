//! Who calls: by token or certificate, against the table of callers; what that caller may do, and until when that holds.

use std::{
    collections::HashMap,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Request, header::AUTHORIZATION};
use mahnwerk_access::{
    Caller, Refusal, Table,
    caller::{Creditors, Scope},
    certificate,
    keys::Keys,
    limit::Limits,
    token::{self, Refused, Verified},
};
use mahnwerk_proto::{common::v1::ErrorReason, policy::Policy};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use tonic::{
    body::Body,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

use super::{
    deadline::passed,
    issuers::{self, Lacking, Refetch},
    usage::Usage,
};
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
/// When to come again while the keys that a token needs are missing.
const RETRY_KEYS: Duration = Duration::from_secs(1);

/// What was read: the table, the keys of its issuers, and the tokens found good by them.
pub(super) struct State {
    table: Arc<Table>,
    keys: Vec<Arc<Keys>>,
    lacking: Lacking,
    good: Mutex<HashMap<[u8; 32], Arc<Verified>>>,
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
    usage: Usage,
}

/// Who calls, by what that was seen, and until when it holds.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) caller: Arc<Caller>,
    credentials: Option<Credentials>,
    until: Option<Instant>,
}

/// What a call shows to say who makes it.
#[derive(Clone)]
enum Credentials {
    /// The header `authorization`.
    Token(HeaderValue),
    /// Those of the connection, the client's own first. The handshake proved that it leads up to an authority, and that
    /// the client has its key.
    Certificates(Arc<Vec<CertificateDer<'static>>>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> u64 {
    u64::try_from(SystemClock.now() / 1_000_000).unwrap_or(0)
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
            usage: Usage::of_at_most(MAX_COUNTED),
        }))
    }

    /// What the table needs and does not have, as it changes.
    pub(super) fn lacks(&self) -> Lacks {
        Lacks(match self {
            Self::Open(_) => None,
            Self::Table(guard) => Some(guard.state.clone()),
        })
    }

    /// Who makes this call.
    pub(super) fn identify(&self, request: &Request<Body>) -> Result<Identity> {
        match self {
            Self::Open(caller) => Ok(Identity {
                caller: caller.clone(),
                credentials: None,
                until: None,
            }),
            Self::Table(guard) => guard.identify(request),
        }
    }

    /// Counts a call against the caller's limits. What is returned holds its place among those at once.
    pub(super) fn count(&self, caller: &Caller) -> Result<Option<OwnedSemaphorePermit>> {
        match self {
            Self::Open(_) => Ok(None),
            Self::Table(guard) => guard.usage.count(caller),
        }
    }

    /// Ends when the credentials do, or when they stand for nobody any more, or for a caller that may do something else.
    pub(super) fn lapse(
        &self,
        identity: Identity,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        let state = match self {
            Self::Open(_) => None,
            // It has not seen any change since the start: one that came after the call was let in is not missed.
            Self::Table(guard) => Some(guard.state.clone()),
        };
        async move {
            match state {
                Some(state) => lapsed(identity, state).await,
                None => pending().await,
            }
        }
    }
}

async fn lapsed(identity: Identity, mut state: watch::Receiver<Arc<State>>) {
    let mut expired = pin!(passed(identity.until));
    loop {
        tokio::select! {
            () = &mut expired => return,
            changed = state.changed() => if changed.is_err() {
                // Nothing is read any more: the service stops.
                return expired.await;
            },
        }
        let current = state.borrow_and_update().clone();
        if !identity.holds(&current) {
            return;
        }
    }
}

/// What the table of callers needs and does not have, as it changes.
pub(super) struct Lacks(Option<watch::Receiver<Arc<State>>>);

impl Lacks {
    /// Now.
    pub(super) fn now(&self) -> Lacking {
        let state = self.0.as_ref();
        state.map_or_else(Lacking::default, |state| state.borrow().lacking.clone())
    }

    /// Waits for a change.
    pub(super) async fn changed(&mut self) {
        if let Some(state) = &mut self.0
            && state.changed().await.is_ok()
        {
            return;
        }
        // There is no table, or nothing is read any more.
        pending().await
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

impl Identity {
    /// Whether the credentials would still be let in, as the same caller.
    fn holds(&self, state: &State) -> bool {
        let found = self.credentials.as_ref().map(|it| state.who(it, now()));
        match found {
            None => true,
            Some(Ok((caller, _))) => caller == self.caller,
            Some(Err(_)) => false,
        }
    }
}

impl Credentials {
    fn of(request: &Request<Body>) -> Result<Self> {
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        if let Some(header) = headers.next() {
            if headers.next().is_some() {
                // A proxy may have looked at the other one.
                return Err(Error::Unauthenticated(ErrorReason::CredentialsInvalid));
            }
            return Ok(Self::Token(header.clone()));
        }
        request
            .extensions()
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs)
            .map(Self::Certificates)
            .ok_or(Error::Unauthenticated(ErrorReason::CredentialsMissing))
    }
}

impl State {
    pub(super) fn new(table: Arc<Table>, keys: Vec<Arc<Keys>>, lacking: Lacking) -> Self {
        Self {
            table,
            keys,
            lacking,
            good: Mutex::default(),
        }
    }

    /// Who shows these credentials at `now`, and until when they hold, both in seconds since 1970.
    fn who(&self, credentials: &Credentials, now: u64) -> Result<(Arc<Caller>, u64), Refused> {
        match credentials {
            Credentials::Token(header) => {
                let token = header
                    .to_str()
                    .ok()
                    .and_then(|text| text.split_once(' '))
                    .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                    .map(|(_, token)| token.trim())
                    .ok_or_else(|| Refused::Invalid("it is no bearer token".to_owned()))?;
                let verified = self.verified(token, now)?;
                Ok((verified.caller.clone(), verified.until))
            }
            Credentials::Certificates(all) => {
                let unreadable = || Refused::Invalid("the certificate cannot be read".to_owned());
                let der = all.first().ok_or_else(unreadable)?;
                let own = webpki::EndEntityCert::try_from(der).map_err(|_| unreadable())?;
                let until = certificate::not_after(der).ok_or_else(unreadable)?;
                // Connections outlive their handshake.
                if until <= now {
                    return Err(Refused::Expired("the certificate is expired"));
                }
                let names = own.valid_uri_names().chain(own.valid_dns_names());
                let caller = self.table.by_certificate(names).ok_or(Refused::Unknown)?;
                Ok((caller.clone(), until))
            }
        }
    }

    fn verified(&self, token: &str, now: u64) -> Result<Arc<Verified>, Refused> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = lock(&self.good).get(&digest).cloned();
        if let Some(verified) = known.filter(|verified| verified.until > now) {
            return Ok(verified);
        }
        let keys: Vec<&Keys> = self.keys.iter().map(AsRef::as_ref).collect();
        let verified = Arc::new(token::verify(token, &self.table, &keys, now)?);
        let mut good = lock(&self.good);
        if good.len() >= MAX_REMEMBERED {
            good.clear();
        }
        good.insert(digest, verified.clone());
        Ok(verified)
    }

    /// Whether there never were any keys of this issuer.
    fn lacks(&self, issuer: usize) -> bool {
        let Lacking { untried, failed } = &self.lacking;
        let issuer = self.table.issuers.get(issuer);
        issuer.is_some_and(|it| untried.contains(&it.name) || failed.contains(&it.name))
    }
}

impl Guard {
    fn identify(&self, request: &Request<Body>) -> Result<Identity> {
        let credentials = Credentials::of(request)?;
        let state = self.state.borrow().clone();
        let now = now();
        let (caller, until) = state
            .who(&credentials, now)
            .map_err(|refused| self.refused(&state, &refused))?;
        let left = Duration::from_secs(until.saturating_sub(now));
        Ok(Identity {
            caller,
            credentials: Some(credentials),
            until: Instant::now().checked_add(left),
        })
    }

    fn refused(&self, state: &State, refused: &Refused) -> Error {
        tracing::debug!(reason = %refused, "credentials refused");
        match refused {
            Refused::Invalid(_) => Error::Unauthenticated(ErrorReason::CredentialsInvalid),
            Refused::UnknownKey(issuer) => {
                self.refetch.wanted(*issuer);
                // Without any keys it says nothing about the token.
                if state.lacks(*issuer) {
                    return Error::Unavailable {
                        reason: ErrorReason::KeysMissing,
                        message: "the keys of the token's issuer are not known yet".to_owned(),
                        retry_after: RETRY_KEYS,
                    };
                }
                Error::Unauthenticated(ErrorReason::CredentialsInvalid)
            }
            Refused::Expired(_) => Error::Unauthenticated(ErrorReason::CredentialsExpired),
            Refused::Unknown => Error::Denied {
                reason: ErrorReason::CallerUnknown,
                scope: "",
            },
        }
    }
}

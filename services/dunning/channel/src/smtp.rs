//! By SMTP, command by command: only who knows at which one a send failed knows whether it may be repeated.
//!
//! lettre's connection is used, not its transport, which answers the same error for a lost greeting and a lost receipt.

mod config;
mod reply;
mod session;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;

pub use config::{SmtpConfig, SmtpError, Tls};
use session::{Failure, Session, Stage};

use crate::message::Wire;
use crate::{Channel, Message, Refusal, SendError};

/// A mail server. Connections are kept and used again; at most as many messages are on their way at the same time as
/// there may be connections, others wait for one.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello_name: ClientId,
    timeout: Duration,
    connections: u16,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
}

impl Smtp {
    /// A mail server by its settings. Nothing connects before the first message.
    ///
    /// # Errors
    ///
    /// See [`SmtpError`].
    pub fn new(config: &SmtpConfig) -> Result<Self, SmtpError> {
        config.check()?;
        let hello_name = config.hello_name.clone();
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls: config.tls,
            parameters: config.tls_parameters()?,
            credentials: config.credentials(),
            hello_name: hello_name.map_or_else(ClientId::default, ClientId::Domain),
            timeout: Duration::from_secs(config.timeout_seconds),
            connections: config.connections,
            permits: Semaphore::new(usize::from(config.connections)),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Takes leave on the connections that no send is using.
    pub async fn close(&self) {
        while let Some(session) = self.take_idle() {
            session.quit().await;
        }
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn put_back(&self, session: Session) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }

    /// A session on which the server waits for the text of the message.
    ///
    /// The server may have closed a kept connection meanwhile. As nothing was said on it yet, a new one takes its place.
    async fn announced(&self, wire: &Wire) -> Result<Session, SendError> {
        if let Some(session) = self.take_idle() {
            match self.announce(session, wire).await {
                Err((
                    Failure::Lost {
                        stage: Stage::Mail, ..
                    },
                    _,
                )) => {}
                Err((failure, refused)) => return Err(self.settle(failure, refused).await),
                Ok(session) => return Ok(session),
            }
        }
        let session = Session::open(self).await?;
        match self.announce(session, wire).await {
            Ok(session) => Ok(session),
            Err((failure, refused)) => Err(self.settle(failure, refused).await),
        }
    }

    /// Names sender and recipient; hands the session back with a failure that leaves it usable.
    async fn announce(
        &self,
        mut session: Session,
        wire: &Wire,
    ) -> Result<Session, (Failure, Option<Session>)> {
        match session.announce(&wire.envelope).await {
            Ok(()) => Ok(session),
            Err(failure @ Failure::Lost { .. }) => Err((failure, None)),
            Err(failure @ Failure::Reply { .. }) => Err((failure, Some(session))),
        }
    }

    /// Keeps the session of a failure, if it is one that leaves it usable.
    async fn settle(&self, failure: Failure, session: Option<Session>) -> SendError {
        if let Some(mut session) = session
            && session.reset().await
        {
            self.put_back(session);
        }
        before_text(failure)
    }
}

#[async_trait]
impl Channel for Smtp {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let wire = message.wire()?;
        let permit = self.permits.acquire().await;
        let _permit = permit.map_err(|_| SendError::NotSent("channel is closed".to_owned()))?;
        let mut session = self.announced(&wire).await?;
        let sent = session.text(&wire.text).await;
        match &sent {
            // What the server has taken stays sent, whatever becomes of the connection.
            Ok(()) if session.is_worn() => session.quit().await,
            Ok(()) | Err(Failure::Reply { .. }) => self.put_back(session),
            Err(Failure::Lost { .. }) => {}
        }
        sent.map_err(after_text)
    }

    fn at_once(&self) -> u16 {
        self.connections
    }
}

/// Nothing of the text went out, so the server cannot have judged it: what is not about the recipient is ours or the
/// server's.
fn before_text(failure: Failure) -> SendError {
    let reason = failure.to_string();
    match failure {
        Failure::Reply {
            stage: Stage::Rcpt,
            reply,
        } if reply.refuses_recipient() => SendError::refused(Refusal::Address, reason),
        Failure::Reply { .. } | Failure::Lost { .. } => SendError::NotSent(reason),
    }
}

/// The text, or a part of it, went out.
fn after_text(failure: Failure) -> SendError {
    let reason = failure.to_string();
    match failure {
        Failure::Lost { .. } => SendError::Uncertain(reason),
        Failure::Reply { reply, .. } if reply.refuses_text() => {
            SendError::refused(Refusal::Message, reason)
        }
        Failure::Reply { .. } => SendError::NotSent(reason),
    }
}

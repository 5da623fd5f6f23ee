//! A mail server for tests: it takes everything, counts by Message-ID, and fails where it is told to.

mod connection;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Message, SmtpConfig, Tls};

/// What a client has just done when the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Connected.
    Connect,
    /// Said EHLO.
    Hello,
    /// Logged in.
    Auth,
    /// Named the sender.
    Mail,
    /// Named the recipient.
    Rcpt,
    /// Asked to send the text.
    Data,
    /// Sent the first line of the text.
    Begun,
    /// Sent the whole text.
    Text,
}

/// How the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It answers this code, and goes on.
    Reply(u16),
    /// It answers this, and goes on.
    Says(&'static str),
    /// It closes the connection.
    Drop,
    /// It takes the message, and closes the connection before the receipt. Only for [`At::Text`].
    KeepAndDrop,
    /// It never answers.
    Hang,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// When.
    pub at: At,
    /// How.
    pub how: Failing,
    /// How often; the next faults in the list have their turn afterwards.
    pub times: u32,
}

/// A running server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    /// Messages taken.
    taken: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// How often each Message-ID was taken.
    ids: BTreeMap<String, u32>,
    /// The last text of each, if they are kept.
    texts: BTreeMap<String, Vec<u8>>,
    keep_texts: bool,
    faults: Vec<Fault>,
    delay: Option<Duration>,
    connections: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that is due here, which is then used up once.
    fn fault(&self, at: At) -> Option<Failing> {
        let mut state = self.state();
        let fault = state
            .faults
            .iter_mut()
            .find(|fault| fault.at == at && fault.times > 0)?;
        fault.times -= 1;
        Some(fault.how)
    }

    fn take(&self, id: String, text: Vec<u8>) {
        let mut state = self.state();
        *state.ids.entry(id.clone()).or_default() += 1;
        if state.keep_texts {
            state.texts.insert(id, text);
        }
        drop(state);
        self.taken.send_modify(|taken| *taken += 1);
    }
}

impl Server {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    ///
    /// No port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            taken: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Settings of a client: no TLS, half a minute of patience.
    #[must_use]
    pub fn config(&self) -> SmtpConfig {
        SmtpConfig {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            tls: Tls::None,
            timeout_seconds: 30,
            ..SmtpConfig::default()
        }
    }

    /// What goes wrong from now on; replaces what was to go wrong.
    pub fn fail(&self, faults: &[Fault]) {
        self.shared.state().faults = faults.to_vec();
    }

    /// How long it thinks over each receipt; not at all at first.
    pub fn delay(&self, delay: Option<Duration>) {
        self.shared.state().delay = delay;
    }

    /// Keeps the texts of messages from now on.
    pub fn keep_texts(&self) {
        self.shared.state().keep_texts = true;
    }

    /// How often each Message-ID was taken.
    #[must_use]
    pub fn ids(&self) -> BTreeMap<String, u32> {
        self.shared.state().ids.clone()
    }

    /// The last text of a message as it came over the wire, dots undone, if texts were kept.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<Vec<u8>> {
        self.shared.state().texts.get(id).cloned()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Waits until it has taken so many messages, repeated ones included.
    pub async fn taken(&self, count: u64) {
        let mut taken = self.shared.taken.subscribe();
        // The sender lives as long as the server.
        let _ = taken.wait_for(|taken| *taken >= count).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Its connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.state().connections += 1;
        connections.spawn(connection::serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// A message to somebody, with an id.
#[must_use]
pub fn message(message_id: &str) -> Message {
    Message {
        message_id: message_id.to_owned(),
        date: SystemTime::UNIX_EPOCH,
        from: "creditor@example.com".to_owned(),
        to: "debtor@example.com".to_owned(),
        reply_to: None,
        subject: "Mahnung".to_owned(),
        text: "Grüße\n".to_owned(),
        html: "<p>Grüße</p>\n".to_owned(),
        language: "de".to_owned(),
    }
}

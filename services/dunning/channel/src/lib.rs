//! How notices leave: SMTP and maildir.
//!
//! A [`Channel`] sends one [`Message`] at most once per call, and its error says what a second call would risk:
//! [`SendError::NotSent`] nothing, [`SendError::Refused`] another refusal, [`SendError::Uncertain`] a second copy in the
//! debtor's mailbox. Nothing here repeats a send on its own.
//!
//! [`Guard`] stands in front of a channel and keeps messages from people who should not get any.

mod guard;
mod maildir;
mod message;
mod smtp;
#[doc(hidden)]
pub mod testing;

use async_trait::async_trait;
use thiserror::Error;

pub use guard::{Guard, GuardConfig, GuardError};
pub use maildir::Maildir;
pub use message::{Message, is_sender};
pub use smtp::{Smtp, SmtpConfig, SmtpError, Tls};

/// A way for messages to leave.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends a message, and answers once the other side has taken responsibility for it.
    ///
    /// A caller that does not see the answer, because it stops waiting or ends, has to take it for
    /// [`SendError::Uncertain`].
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// How many messages it can have on their way at the same time. A caller that begins no more of them has no more in
    /// doubt when it dies.
    fn at_once(&self) -> u16 {
        8
    }
}

/// Why a message was not sent, or may not have been. Reasons name no person and no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// It certainly was not, and nothing speaks against a later try: no connection, a temporary refusal, or something
    /// that our side has to mend.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It certainly was not, and the same message would be refused again.
    #[error("refused: {reason}")]
    Refused {
        /// What was refused.
        cause: Refusal,
        /// Where and how.
        reason: String,
    },
    /// The connection was lost after the text had begun to go out, and before the server said whether it has it.
    #[error("uncertain: {0}")]
    Uncertain(String),
}

/// What of a message was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The recipient's address: it is not one, or the server says that it takes no mail for it.
    Address,
    /// The message: a field is unusable, or the server does not take such text.
    Message,
    /// Our own [`Guard`] held it back. This says nothing about the address.
    Guard,
}

impl SendError {
    pub(crate) fn refused(cause: Refusal, reason: impl Into<String>) -> Self {
        Self::Refused {
            cause,
            reason: reason.into(),
        }
    }
}

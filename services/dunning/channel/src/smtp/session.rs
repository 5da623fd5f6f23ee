//! One connection to a mail server.

use std::fmt;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use super::reply::Reply;
use super::{Smtp, Tls};
use crate::SendError;

/// Messages after which a connection is given up, as many servers limit them.
const MOST_MESSAGES: u32 = 100;

/// An open connection, between messages.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    timeout: Duration,
    messages: u32,
}

/// How far a message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Mail,
    Rcpt,
    Data,
    Text,
}

/// Why it got no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server said no.
    Reply { stage: Stage, reply: Reply },
    /// No answer, none in time, one that makes no sense, or the word that the server is closing.
    Lost { stage: Stage, how: &'static str },
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Reply { stage, .. } | Self::Lost { stage, .. }) = self;
        let stage = match stage {
            Stage::Mail => "sender",
            Stage::Rcpt => "recipient",
            Stage::Data => "data",
            Stage::Text => "text",
        };
        match self {
            Self::Reply { reply, .. } => write!(formatter, "{stage}: {reply}"),
            Self::Lost { how, .. } => write!(formatter, "{stage}: {how}"),
        }
    }
}

impl Session {
    /// Connects, protects the connection as the settings say, and logs in. Whatever fails here is ours or the server's,
    /// and nothing was sent.
    pub(super) async fn open(smtp: &Smtp) -> Result<Self, SendError> {
        let not_sent = |how: String| SendError::NotSent(format!("connection: {how}"));
        match timeout(smtp.timeout, connect(smtp)).await {
            Ok(Ok(connection)) => Ok(Self {
                connection,
                timeout: smtp.timeout,
                messages: 0,
            }),
            Ok(Err(error)) => Err(not_sent(match Reply::of(&error) {
                // Not its text, which may repeat the user.
                Some(reply) => reply.to_string(),
                None => root_cause(&error),
            })),
            Err(_) => Err(not_sent("no answer in time".to_owned())),
        }
    }

    /// Names sender and recipient, until the server waits for the text.
    pub(super) async fn announce(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        let mail = Mail::new(envelope.from().cloned(), Vec::new());
        self.command(Stage::Mail, mail).await?;
        for to in envelope.to() {
            self.command(Stage::Rcpt, Rcpt::new(to.clone(), Vec::new()))
                .await?;
        }
        let answer = self.command(Stage::Data, Data).await?;
        if answer.has_code(354) {
            Ok(())
        } else {
            // A server that takes no text now would take it for commands.
            Err(Failure::Lost {
                stage: Stage::Data,
                how: "senseless answer",
            })
        }
    }

    /// Sends the text and waits for the receipt.
    pub(super) async fn text(&mut self, text: &str) -> Result<(), Failure> {
        let stage = Stage::Text;
        let answer = timeout(self.timeout, self.connection.command(Text(text))).await;
        let answer = answer.map_err(|_| Failure::Lost {
            stage,
            how: "no answer in time",
        })?;
        let answer = answer.map_err(|error| failure(stage, &error))?;
        if answer.code().severity != Severity::PositiveCompletion {
            return Err(Failure::Lost {
                stage,
                how: "senseless answer",
            });
        }
        self.messages += 1;
        Ok(())
    }

    /// Forgets a message that was refused; `false` if the connection is of no more use.
    pub(super) async fn reset(&mut self) -> bool {
        let answer = timeout(self.timeout, self.connection.command(Rset)).await;
        matches!(answer, Ok(Ok(_)))
    }

    /// Whether the next message should take another connection.
    pub(super) fn is_worn(&self) -> bool {
        self.messages >= MOST_MESSAGES
    }

    /// Takes leave; how that ends does not matter.
    pub(super) async fn quit(mut self) {
        let _ = timeout(self.timeout, self.connection.quit()).await;
    }

    async fn command<C: fmt::Display>(
        &mut self,
        stage: Stage,
        command: C,
    ) -> Result<Response, Failure> {
        match timeout(self.timeout, self.connection.command(command)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(stage, &error)),
            Err(_) => Err(Failure::Lost {
                stage,
                how: "no answer in time",
            }),
        }
    }
}

/// The text of a message, CRLF at its end, with its dots doubled and the final one.
///
/// lettre's own way to send it is two writes, and the second waits for the receipt of the first: 40 ms a message.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.split_inclusive("\r\n") {
            if line.starts_with('.') {
                formatter.write_str(".")?;
            }
            formatter.write_str(line)?;
        }
        formatter.write_str(".\r\n")
    }
}

async fn connect(smtp: &Smtp) -> Result<AsyncSmtpConnection, Error> {
    let at_once = smtp.parameters.clone().filter(|_| smtp.tls == Tls::Tls);
    let server = (smtp.host.as_str(), smtp.port);
    let name = &smtp.hello_name;
    let mut connection =
        AsyncSmtpConnection::connect_tokio1(server, Some(smtp.timeout), name, at_once, None)
            .await?;
    if smtp.tls == Tls::Starttls
        && let Some(parameters) = smtp.parameters.clone()
    {
        connection.starttls(parameters, name).await?;
    }
    if let Some(credentials) = &smtp.credentials {
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        connection.auth(&mechanisms, credentials).await?;
    }
    Ok(connection)
}

/// The innermost error: those around it say no more than that there was one.
fn root_cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn failure(stage: Stage, error: &Error) -> Failure {
    match Reply::of(error) {
        // The server closes the connection after it: RFC 5321, section 3.8. After the text it is an answer to it.
        Some(reply) if reply.code() == 421 && stage != Stage::Text => Failure::Lost {
            stage,
            how: "server is closing",
        },
        Some(reply) => Failure::Reply { stage, reply },
        None => Failure::Lost {
            stage,
            how: "connection lost",
        },
    }
}

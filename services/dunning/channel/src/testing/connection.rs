//! The server's side of a conversation.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{At, Failing, Shared};

/// What becomes of the connection.
enum Next {
    GoOn,
    Close,
}

struct Connection {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
}

/// Talks until either side closes.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let stream = BufReader::with_capacity(1 << 16, stream);
    let mut connection = Connection { stream, shared };
    // A client that goes away is what many tests are about.
    let _ = connection.talk().await;
}

impl Connection {
    async fn talk(&mut self) -> io::Result<()> {
        if matches!(
            self.answer(At::Connect, "220 test ESMTP").await?,
            Next::Close
        ) {
            return Ok(());
        }
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let next = match verb.as_str() {
                "EHLO" => {
                    let extensions = "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN";
                    self.answer(At::Hello, extensions).await?
                }
                "AUTH" => self.answer(At::Auth, "235 welcome").await?,
                "MAIL" => self.answer(At::Mail, "250 sender ok").await?,
                "RCPT" => self.answer(At::Rcpt, "250 recipient ok").await?,
                "DATA" => self.data().await?,
                "RSET" | "NOOP" => self.say("250 ok").await?,
                "QUIT" => {
                    self.say("221 bye").await?;
                    Next::Close
                }
                _ => self.say("500 what").await?,
            };
            if matches!(next, Next::Close) {
                return Ok(());
            }
        }
    }

    async fn say(&mut self, answer: &str) -> io::Result<Next> {
        let answer = format!("{answer}\r\n");
        self.stream.get_mut().write_all(answer.as_bytes()).await?;
        Ok(Next::GoOn)
    }

    /// The usual answer, or the fault that is due.
    async fn answer(&mut self, at: At, usual: &str) -> io::Result<Next> {
        match self.shared.fault(at) {
            None => self.say(usual).await,
            Some(how) => self.fail(how).await,
        }
    }

    async fn fail(&mut self, how: Failing) -> io::Result<Next> {
        match how {
            Failing::Reply(code) => {
                self.say(&format!("{code} debtor@example.com is refused"))
                    .await
            }
            Failing::Says(answer) => self.say(answer).await,
            Failing::Drop | Failing::KeepAndDrop => Ok(Next::Close),
            Failing::Hang => {
                // Until the client has had enough.
                let mut rest = Vec::new();
                self.stream.read_to_end(&mut rest).await?;
                Ok(Next::Close)
            }
        }
    }

    async fn data(&mut self) -> io::Result<Next> {
        if let Some(how) = self.shared.fault(At::Data) {
            return self.fail(how).await;
        }
        self.say("354 go on").await?;
        let keep = self.shared.state().keep_texts;
        let mut id = None;
        let mut text = Vec::new();
        let mut line = Vec::new();
        let mut first = true;
        loop {
            line.clear();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Ok(Next::Close);
            }
            if std::mem::take(&mut first)
                && let Some(how) = self.shared.fault(At::Begun)
            {
                return self.fail(how).await;
            }
            if line == b".\r\n" {
                break;
            }
            if id.is_none() {
                id = message_id(&line);
            }
            if keep {
                text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
        self.receipt(id.unwrap_or_default(), text).await
    }

    async fn receipt(&mut self, id: String, text: Vec<u8>) -> io::Result<Next> {
        let fault = self.shared.fault(At::Text);
        if matches!(fault, None | Some(Failing::KeepAndDrop)) {
            self.shared.take(id, text);
        }
        let delay = self.shared.state().delay;
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        match fault {
            None => self.say("250 taken").await,
            Some(how) => self.fail(how).await,
        }
    }
}

fn message_id(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.split_once(':')?;
    let value = value.trim().strip_prefix('<')?.strip_suffix('>')?;
    name.eq_ignore_ascii_case("message-id")
        .then(|| value.to_owned())
}

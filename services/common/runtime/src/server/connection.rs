//! Connections that are cut when nobody speaks on them, or when the peer may not be connected any more.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::Sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Longest time until the peer has said as much as the preface of HTTP/2 (RFC 9113, 3.4). Before, nobody pings it, and a
/// service that stops would wait for it. Whoever says less in HTTP/1 is answered, and cut off afterwards.
const SILENCE: Duration = Duration::from_secs(5);
const FIRST_BYTES: usize = 24;
/// Pause after a connection could not be accepted, for example because there are no file handles left.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection.
pub(super) struct Connection<S> {
    stream: S,
    /// How much the peer has yet to say at first, and until when.
    silence: Option<(usize, Pin<Box<Sleep>>)>,
    cut: Option<Cut>,
}

/// When it is cut. Whoever would do so is told when the connection is gone.
struct Cut {
    now: Pin<Box<WaitForCancellationFutureOwned>>,
    _gone: DropGuard,
}

impl<S> Connection<S> {
    /// From now on.
    pub(super) fn new(stream: S) -> Self {
        Self::silent_for(SILENCE, stream)
    }

    fn silent_for(silence: Duration, stream: S) -> Self {
        let silence = Box::pin(tokio::time::sleep(silence));
        Self {
            stream,
            silence: Some((FIRST_BYTES, silence)),
            cut: None,
        }
    }

    /// Until it is cut. The token is cancelled as well when the connection is gone.
    pub(super) fn until(mut self, cut: CancellationToken) -> Self {
        self.cut = Some(Cut {
            now: Box::pin(cut.clone().cancelled_owned()),
            _gone: cut.drop_guard(),
        });
        self
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(cut) = &mut self.cut
            && cut.now.as_mut().poll(context).is_ready()
        {
            self.cut = None;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some((missing, until)) = &mut self.silence else {
            return read;
        };
        if read.is_pending() {
            ready!(until.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        *missing = missing.saturating_sub(buffer.filled().len() - before);
        if *missing == 0 {
            self.silence = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Connection<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

/// Listens for such connections, for axum.
pub(super) struct Listener(pub(super) TcpListener);

impl axum::serve::Listener for Listener {
    type Io = Connection<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => return (Connection::new(stream), address),
                Err(error) => {
                    tracing::warn!(error = %error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn whoever_says_too_little_at_first_is_cut_off() {
        let (mut peer, own) = duplex(64);
        let mut connection = Connection::silent_for(Duration::ZERO, own);
        peer.write_all(&[b'x'; FIRST_BYTES - 1]).await.unwrap();
        let mut said = [0; 64];
        assert_eq!(connection.read(&mut said).await.unwrap(), FIRST_BYTES - 1);
        let silence = connection.read(&mut said).await.unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn whoever_has_said_enough_may_be_silent_until_it_is_cut() {
        let (mut peer, own) = duplex(64);
        let cut = CancellationToken::new();
        let mut connection = Connection::silent_for(Duration::ZERO, own).until(cut.clone());
        peer.write_all(&[b'x'; FIRST_BYTES]).await.unwrap();
        let mut said = [0; 64];
        assert_eq!(connection.read(&mut said).await.unwrap(), FIRST_BYTES);
        let reading = tokio::spawn(async move { connection.read(&mut [0; 64]).await });
        tokio::task::yield_now().await;
        assert!(!reading.is_finished());
        cut.cancel();
        let aborted = reading.await.unwrap().unwrap_err();
        assert_eq!(aborted.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn whoever_could_cut_it_learns_that_it_is_gone() {
        let (_peer, own) = duplex(64);
        let cut = CancellationToken::new();
        drop(Connection::new(own).until(cut.clone()));
        assert!(cut.is_cancelled());
    }
}

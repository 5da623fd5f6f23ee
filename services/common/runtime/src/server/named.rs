//! Holds the creditors that a request names against those that the caller may see, message by message, before anybody
//! works on it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body::Frame;
use http_body_util::{BodyExt as _, Full, Limited};
use mahnwerk_access::{Caller, creditor::Places};
use mahnwerk_proto::common::v1::ErrorReason;
use tonic::{Code, Status, body::Body};

use crate::error::{Error, Violation};

/// What precedes each message on the wire: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Whose things a caller may see, and where requests say whose they are about.
#[derive(Clone)]
pub(super) struct Check {
    caller: Arc<Caller>,
    places: &'static Places,
    max_message: usize,
    /// A message named a creditor; those that follow in a stream need not name it again.
    has_named: bool,
}

impl Check {
    pub(super) fn new(caller: Arc<Caller>, places: &'static Places, max_message: usize) -> Self {
        Self {
            caller,
            places,
            max_message,
            has_named: false,
        }
    }

    fn message(&mut self, message: &[u8]) -> Result<(), Error> {
        let creditors = &self.caller.creditors;
        let mut is_allowed = true;
        let found = self
            .places
            .visit(message, &mut |id| is_allowed &= creditors.contain(id))
            .map_err(|error| Error::Invalid(vec![Violation::new("", error.to_string())]))?;
        self.has_named |= found;
        if is_allowed && self.has_named {
            return Ok(());
        }
        Err(Error::Denied {
            reason: ErrorReason::CreditorNotAllowed,
            scope: "",
        })
    }

    /// Checks the complete messages at the beginning of `bytes`; how many bytes they have.
    fn complete(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut checked = 0;
        while let Some((prefix, rest)) = bytes[checked..].split_first_chunk::<PREFIX>() {
            let [is_compressed, length @ ..] = prefix;
            if *is_compressed != 0 {
                let rule = "compressed messages are not accepted";
                return Err(Error::Invalid(vec![Violation::new("", rule)]));
            }
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > self.max_message {
                let rule = format!("has more than {} bytes", self.max_message);
                return Err(Error::Invalid(vec![Violation::new("", rule)]));
            }
            let Some(message) = rest.get(..length) else {
                break;
            };
            self.message(message)?;
            checked += PREFIX + length;
        }
        Ok(checked)
    }

    /// Reads the one message of a request, and gives it back once it was checked.
    pub(super) async fn one(mut self, body: Body) -> Result<Body, Error> {
        let read = Limited::new(body, self.max_message + PREFIX)
            .collect()
            .await;
        let bytes = read.map_err(|error| unread(&*error))?.to_bytes();
        let checked = self.complete(&bytes)?;
        if checked == 0 || checked != bytes.len() {
            return Err(Error::Invalid(vec![Violation::new("", "is no message")]));
        }
        Ok(Body::new(Full::new(bytes)))
    }

    /// A stream that hands on each message once it was checked, and ends with an error at the first that is refused.
    pub(super) fn each(self, body: Body) -> Body {
        Body::new(Checked {
            inner: body,
            check: self,
            held: Vec::new(),
        })
    }
}

/// Why a request could not be read: it came too late, or not as it should.
fn unread(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    let status = error.downcast_ref::<Status>();
    if status.is_some_and(|status| status.code() == Code::DeadlineExceeded) {
        return Error::Deadline;
    }
    Error::Invalid(vec![Violation::new("", "could not be read")])
}

struct Checked {
    inner: Body,
    check: Check,
    /// What came of a message that is not complete.
    held: Vec<u8>,
}

impl http_body::Body for Checked {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = &mut *self;
        loop {
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                // A message that breaks off must not look like the end of the stream.
                None if !this.held.is_empty() => {
                    this.held.clear();
                    let rule = "ends within a message";
                    let error = Error::Invalid(vec![Violation::new("", rule)]);
                    return Poll::Ready(Some(Err(Status::from(error))));
                }
                other => return Poll::Ready(other),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            this.held.extend(data);
            let checked = match this.check.complete(&this.held) {
                Ok(checked) => checked,
                Err(error) => return Poll::Ready(Some(Err(Status::from(error)))),
            };
            if checked > 0 {
                let passed: Vec<u8> = this.held.drain(..checked).collect();
                return Poll::Ready(Some(Ok(Frame::data(passed.into()))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.is_end_stream()
    }
}

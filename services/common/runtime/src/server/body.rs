//! The body of an answer, observed to its end and ended at the deadline.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};
use tonic::{Status, body::Body};

use super::observe::Observation;
use crate::error::Error;

/// What a call occupies: a place among all calls, and one among its caller's if those are limited.
pub(super) struct Place {
    pub(super) _of_all: OwnedSemaphorePermit,
    pub(super) _of_caller: Option<OwnedSemaphorePermit>,
}

/// When an answer that is still being given is cut off, and why.
pub(super) struct End {
    pub(super) at: Instant,
    pub(super) why: fn() -> Error,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    why: fn() -> Error,
}

/// Keeps a call's place and its observation until the last byte was handed over.
pub(super) struct ObservedBody {
    inner: Body,
    observation: Observation,
    end: Option<Timer>,
    is_over: bool,
    _place: Option<Place>,
}

impl ObservedBody {
    pub(super) fn new(
        inner: Body,
        observation: Observation,
        end: Option<End>,
        place: Option<Place>,
    ) -> Self {
        Self {
            inner,
            observation,
            end: end.map(|End { at, why }| Timer {
                sleep: Box::pin(tokio::time::sleep_until(at)),
                why,
            }),
            is_over: false,
            _place: place,
        }
    }

    /// Ends the stream with an error.
    fn cut(&mut self, error: Error) -> Frame<<Body as http_body::Body>::Data> {
        self.is_over = true;
        let mut trailers = http::HeaderMap::new();
        // Fails only for texts that are no header values; then the code alone is sent.
        let status = Status::from(error);
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, i32::from(status.code()).into());
        }
        self.observation.read_code(&trailers);
        Frame::trailers(trailers)
    }
}

impl http_body::Body for ObservedBody {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let span = this.observation.span.clone();
        let _entered = span.enter();
        // First, so that a stream that is never idle ends as well.
        if let Some(Timer { sleep, why }) = &mut this.end
            && sleep.as_mut().poll(context).is_ready()
        {
            let error = why();
            return Poll::Ready(Some(Ok(this.cut(error))));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            this.observation.read_code(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

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

/// Keeps a call's place and its observation until the last byte was handed over.
pub(super) struct ObservedBody {
    inner: Body,
    observation: Observation,
    deadline: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl ObservedBody {
    pub(super) fn new(
        inner: Body,
        observation: Observation,
        deadline: Option<Instant>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            inner,
            observation,
            deadline: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))),
            is_over: false,
            _place: place,
        }
    }

    /// Ends the stream with `DEADLINE_EXCEEDED`.
    fn cut(&mut self) -> Frame<<Body as http_body::Body>::Data> {
        self.is_over = true;
        let mut trailers = http::HeaderMap::new();
        // Fails only for texts that are no header values; then the code alone is sent.
        if Status::from(Error::Deadline)
            .add_header(&mut trailers)
            .is_err()
        {
            trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from_static("4"));
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
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        if polled.is_pending()
            && let Some(deadline) = &mut this.deadline
        {
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Some(Ok(this.cut())));
        }
        let frame = ready!(polled);
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

//! The bodies of requests and answers, each with its end: an answer is observed to it, and whatever should have ended by
//! now is cut off.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::DropGuard;
use tonic::{Status, body::Body};

use super::observe::Observation;
use crate::error::Error;

/// What a call occupies: a place among all calls, and one among its caller's if those are limited.
pub(super) struct Place {
    pub(super) _of_all: OwnedSemaphorePermit,
    pub(super) _of_caller: Option<OwnedSemaphorePermit>,
}

/// When something is to be over, and why. It comes once.
pub(super) struct End(Option<Pin<Box<dyn Future<Output = Error> + Send>>>);

impl End {
    /// With the error that the future comes to.
    pub(super) fn when(over: impl Future<Output = Error> + Send + 'static) -> Self {
        Self(Some(Box::pin(over)))
    }

    /// Not before it is over by itself.
    pub(super) fn never() -> Self {
        Self(None)
    }
}

impl Future for End {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Error> {
        let Some(over) = &mut self.0 else {
            return Poll::Pending;
        };
        let error = ready!(over.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(error)
    }
}

/// A request that fails to be read on at its end.
pub(super) fn asked_until(end: End, inner: Body) -> Body {
    Body::new(Asked { inner, end })
}

struct Asked {
    inner: Body,
    end: End,
}

impl http_body::Body for Asked {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        // First, so that a sender who is never idle comes to it as well.
        if let Poll::Ready(error) = Pin::new(&mut self.end).poll(context) {
            self.inner = Body::empty();
            return Poll::Ready(Some(Err(Status::from(error))));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer that keeps a place until it is over.
pub(super) fn keeping(place: OwnedSemaphorePermit, inner: Body) -> Body {
    Body::new(Keeping {
        inner,
        _place: place,
    })
}

struct Keeping {
    inner: Body,
    _place: OwnedSemaphorePermit,
}

impl http_body::Body for Keeping {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Keeps a call's place and its observation until the last byte was handed over.
pub(super) struct ObservedBody {
    inner: Body,
    observation: Observation,
    end: End,
    is_over: bool,
    _place: Option<Place>,
    /// Ends the reading of the request with the answer.
    _asking: Option<DropGuard>,
}

impl ObservedBody {
    pub(super) fn new(
        inner: Body,
        observation: Observation,
        end: End,
        place: Option<Place>,
        asking: Option<DropGuard>,
    ) -> Self {
        Self {
            inner,
            observation,
            end,
            is_over: false,
            _place: place,
            _asking: asking,
        }
    }

    /// Ends the stream with an error.
    fn cut(&mut self, error: Error) -> Frame<<Body as http_body::Body>::Data> {
        self.is_over = true;
        // The handler need not go on until the last byte was sent.
        self.inner = Body::empty();
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
        if let Poll::Ready(error) = Pin::new(&mut this.end).poll(context) {
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

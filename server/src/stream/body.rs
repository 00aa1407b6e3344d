//! The ordinary lane: a stream as a response body, for any server.
//!
//! What is ready together goes out together, in one piece.

use super::takeover::Slot;
use super::{EventStream, Takeover, script};
use crate::coding::Coding;
use crate::limits::Permit;
use crate::subscription::{Delivery, Ended, STREAM_BATCH, Subscription};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

type Bytestream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// A body that says all that the stream says, and the way to take the stream out of it.
pub(super) fn of(stream: EventStream) -> (Body, Takeover) {
    let opening = stream.opening.content();
    let slot: Slot = Arc::new(Mutex::new(Some(Box::new(stream))));
    let takeover = Takeover::new(&slot, opening.clone());
    (Body::from_stream(Lane { slot, progress: Progress::Opening(opening) }), takeover)
}

/// Puts back in front what was read of a body.
pub(super) fn with_first_frame(first: Option<Result<Frame<Bytes>, axum::Error>>, rest: Body) -> Body {
    Body::new(StreamBody::new(stream::iter(first).chain(BodyStream::new(rest))))
}

/// The stream of bytes in a body. It is small, since an empty one stays behind a stream that was
/// taken over.
struct Lane {
    slot: Slot,
    progress: Progress,
}

enum Progress {
    Opening(Bytes),
    Opened,
    GoingOn(Bytestream),
}

impl Stream for Lane {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Progress::Opening(opening) = &mut self.progress {
            let opening = std::mem::take(opening);
            self.progress = Progress::Opened;
            return Poll::Ready(Some(Ok(opening)));
        }
        if let Progress::Opened = self.progress {
            let Some(stream) = self.slot.lock().take() else { return Poll::Ready(None) };
            let writer = Writer::new(*stream);
            let bytes = stream::unfold(writer, async |mut writer| Some((writer.next_bytes().await?, writer)));
            self.progress = Progress::GoingOn(Box::pin(bytes));
        }
        let Progress::GoingOn(bytes) = &mut self.progress else { unreachable!("both others went on") };
        bytes.poll_next_unpin(context).map(|bytes| bytes.map(Ok))
    }
}

/// A stream behind its opening.
struct Writer {
    subscription: Subscription,
    frames: bool,
    heartbeat: Option<Interval>,
    rotate: Option<Pin<Box<Sleep>>>,
    closed: bool,
    _permit: Permit,
}

/// What wakes a stream.
enum Happening {
    Rotation,
    Heartbeat,
    Delivery(Delivery),
}

impl Writer {
    fn new(stream: EventStream) -> Self {
        let EventStream { subscription, opening: _, frames, permit } = stream;
        let config = subscription.hub().config();
        let heartbeat = config.heartbeat_interval.map(|period| {
            let mut interval = tokio::time::interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        let rotate = script::lifetime(config).map(|lifetime| Box::pin(tokio::time::sleep(lifetime)));
        Self { subscription, frames, heartbeat, rotate, closed: false, _permit: permit }
    }

    async fn next_bytes(&mut self) -> Option<Bytes> {
        if self.closed {
            return None;
        }
        let Self { heartbeat, rotate, subscription, .. } = self;
        let happening = tokio::select! {
            biased;
            () = due(rotate) => Happening::Rotation,
            () = tick(heartbeat) => Happening::Heartbeat,
            delivery = subscription.next() => Happening::Delivery(delivery),
        };
        Some(match happening {
            Happening::Rotation => self.closing(Ended::Rotated).await,
            Happening::Heartbeat => self.heartbeat().await,
            Happening::Delivery(delivery) => self.delivery(delivery).await,
        })
    }

    async fn delivery(&mut self, delivery: Delivery) -> Bytes {
        match delivery {
            Delivery::Events(entries) => script::events(&entries, self.frames, Coding::Identity),
            Delivery::Gap(gap) => script::gap(gap, self.subscription.cursor()).into(),
            Delivery::Ended(ended) => self.closing(ended).await,
        }
    }

    /// What is ready anyway, then the heartbeat at the position after it: so its id moves past the
    /// events of other topics, and the reader of a quiet topic never resumes from an evicted point.
    async fn heartbeat(&mut self) -> Bytes {
        let events = match self.subscription.read(STREAM_BATCH) {
            None => Bytes::new(),
            Some(delivery) => self.delivery(delivery).await,
        };
        if self.closed {
            return events;
        }
        let heartbeat = script::heartbeat(self.subscription.cursor());
        [events.as_ref(), &heartbeat].concat().into()
    }

    /// The last word. When the server drains, it waits for this stream's turn.
    async fn closing(&mut self, ended: Ended) -> Bytes {
        self.closed = true;
        let hub = self.subscription.hub();
        tokio::time::sleep(script::delay_before_closing(ended, hub)).await;
        script::closing(ended, self.subscription.cursor(), hub).into()
    }
}

async fn due(sleep: &mut Option<Pin<Box<Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

//! A subscription and its heartbeat as a response.
//!
//! This owns what a stream says and when: the opening, events, heartbeats, the last word. What is
//! ready together goes out together, in one piece.

use crate::entry::Entry;
use crate::environment;
use crate::hub::Hub;
use crate::limits::Permit;
use crate::subscription::{Delivery, Ended, STREAM_BATCH, Subscription};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use heartwire_protocol::control::{Closing, Connected, Heartbeat};
use heartwire_protocol::{Control, Cursor, PROTOCOL_VERSION, Retry, encode};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

/// How long a client stays away at most after an end that concerns it alone.
const SHORT_RETRY: Duration = Duration::from_secs(1);

/// One stream, ready to be answered with.
pub(crate) struct EventStream {
    subscription: Subscription,
    writer: Writer,
}

struct Writer {
    hub: Hub,
    frames: bool,
    heartbeat: Option<Interval>,
    rotate: Option<Pin<Box<Sleep>>>,
    progress: Progress,
    /// Held for as long as the stream lives.
    _permit: Permit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Opening,
    Open,
    Closed,
}

/// What wakes a stream.
enum Happening {
    Rotation,
    Heartbeat,
    Delivery(Delivery),
}

impl EventStream {
    /// `frames`: the reader asked for compressed frames.
    pub(crate) fn new(hub: Hub, subscription: Subscription, frames: bool, permit: Permit) -> Self {
        let heartbeat = hub.config().heartbeat_interval.map(|period| {
            let mut interval = tokio::time::interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        let rotate = hub.config().connection_timeout.map(|longest| {
            // Streams that were opened in one moment must not end in one.
            Box::pin(tokio::time::sleep(longest - environment::random_part(longest / 10)))
        });
        let writer = Writer { hub, frames, heartbeat, rotate, progress: Progress::Opening, _permit: permit };
        Self { subscription: subscription.ending_with_the_switch(), writer }
    }

    async fn next_bytes(&mut self) -> Option<Bytes> {
        match self.writer.progress {
            Progress::Opening => {
                self.writer.progress = Progress::Open;
                return Some(self.opening());
            }
            Progress::Open => {}
            Progress::Closed => return None,
        }
        let Writer { heartbeat, rotate, .. } = &mut self.writer;
        let happening = tokio::select! {
            biased;
            () = due(rotate) => Happening::Rotation,
            () = tick(heartbeat) => Happening::Heartbeat,
            delivery = self.subscription.next() => Happening::Delivery(delivery),
        };
        Some(match happening {
            Happening::Rotation => self.closing(Ended::Rotated).await,
            Happening::Heartbeat => self.heartbeat().await,
            Happening::Delivery(Delivery::Events(entries)) => self.writer.events(&entries),
            Happening::Delivery(Delivery::Gap(gap)) => {
                self.writer.control(Control::Gap(gap), self.subscription.cursor())
            }
            Happening::Delivery(Delivery::Ended(ended)) => self.closing(ended).await,
        })
    }

    /// The first bytes of every stream. The comment is what makes proxies let the head through.
    fn opening(&mut self) -> Bytes {
        let cursor = self.subscription.cursor();
        let gap = self.subscription.take_gap();
        let heartbeat_interval = self.writer.hub.config().heartbeat_interval;
        let connected = Control::Connected(Connected {
            protocol: PROTOCOL_VERSION,
            heartbeat_interval_ms: heartbeat_interval.map(whole_millis),
            resumed: self.subscription.resumed(),
            time_ms: environment::wall_clock_ms(),
        });
        let mut out = Vec::new();
        encode::comment("heartwire", &mut out);
        // With an id here, a link that is cut before the gap arrives would resume behind the gap.
        let id = gap.is_none().then(|| cursor.into());
        encode::event(&connected.to_event(id), &mut out);
        if let Some(gap) = gap {
            encode::event(&Control::Gap(gap).to_event(Some(cursor.into())), &mut out);
        }
        out.into()
    }

    /// What is ready anyway, then the heartbeat at the position after it: so its id moves past the
    /// events of other topics, and the reader of a quiet topic never resumes from an evicted point.
    async fn heartbeat(&mut self) -> Bytes {
        let events = match self.subscription.read(STREAM_BATCH) {
            None => Bytes::new(),
            Some(Delivery::Events(entries)) => self.writer.events(&entries),
            Some(Delivery::Gap(gap)) => self.writer.control(Control::Gap(gap), self.subscription.cursor()),
            Some(Delivery::Ended(ended)) => return self.closing(ended).await,
        };
        let heartbeat = Control::Heartbeat(Heartbeat { time_ms: environment::wall_clock_ms() });
        let heartbeat = self.writer.control(heartbeat, self.subscription.cursor());
        if events.is_empty() { heartbeat } else { [events, heartbeat].concat().into() }
    }

    /// The last word. When the server drains, it waits for this stream's turn.
    async fn closing(&mut self, ended: Ended) -> Bytes {
        self.writer.progress = Progress::Closed;
        let hub = &self.writer.hub;
        let away = match ended {
            Ended::Draining => {
                tokio::time::sleep(environment::random_part(hub.drain_span().unwrap_or_default())).await;
                hub.config().drain_window
            }
            Ended::Lagged | Ended::Rotated | Ended::Disabled => SHORT_RETRY,
        };
        let retry = environment::random_part(away);
        let reason = ended.closing_reason();
        tracing::debug!(?reason, position = %self.subscription.cursor(), "stream ends");
        let closing = Control::Closing(Closing { reason, retry_ms: whole_millis(retry) });
        let mut out = Vec::new();
        // For a bare EventSource, which does not read what `closing` says.
        encode::retry(Retry::new(retry), &mut out);
        encode::event(&closing.to_event(Some(self.subscription.cursor().into())), &mut out);
        out.into()
    }
}

impl Writer {
    fn events(&self, entries: &[Arc<Entry>]) -> Bytes {
        let bytes = |entry: &Arc<Entry>| if self.frames { entry.framed().clone() } else { entry.plain().clone() };
        match entries {
            // The common case on a live stream: the bytes that all readers share, not copied.
            [entry] => bytes(entry),
            _ => entries.iter().map(bytes).collect::<Vec<_>>().concat().into(),
        }
    }

    fn control(&self, control: Control, position: Cursor) -> Bytes {
        let mut out = Vec::new();
        encode::event(&control.to_event(Some(position.into())), &mut out);
        out.into()
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        const HEADERS: [(HeaderName, HeaderValue); 3] = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // nginx collects a response before it passes it on, unless it is told not to.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        let bytes = stream::unfold(self, |mut stream| async move {
            let bytes = stream.next_bytes().await?;
            Some((Ok::<_, Infallible>(bytes), stream))
        });
        (HEADERS, Body::from_stream(bytes)).into_response()
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

fn whole_millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

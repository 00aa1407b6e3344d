//! The ordinary lane: a stream as a response body, for any server.
//!
//! What is ready together goes out together, in one piece.

use super::script::{self, Life};
use super::takeover::Slot;
use super::{EventStream, Next, Packing, StreamPlace, Takeover};
use crate::coding::Coding;
use crate::hub::Hub;
use crate::membership::Membership;
use crate::metrics::{Count, Counts, OpenStream, Told};
use crate::stream_permits::StreamPermit;
use crate::subscription::{Ended, Subscription, called_off};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

/// What a stream says, and why it ends if these are its last words.
type Words = (Bytes, Option<Ended>);
type Wordstream = Pin<Box<dyn Stream<Item = Words> + Send>>;

/// A stream that goes on. `None` inside once it has ended, or its reader was given up.
type Going = Arc<Mutex<Option<Watched>>>;

struct Watched {
    words: Wordstream,
    counted: OpenStream,
    hub: Hub,
    /// Since when the server has not come back for more: its reader takes nothing. `None` while it waits
    /// for us.
    idle_since: Option<Instant>,
}

/// A body that says all that the stream says, and the way to take the stream out of it.
pub(super) fn of(stream: EventStream) -> (Body, Takeover) {
    let (opening, content_encoding) = (stream.opening.content(), stream.packing.content_encoding());
    let slot: Slot = Arc::new(Mutex::new(Some(Box::new(stream))));
    let takeover = Takeover::new(&slot, opening.clone(), content_encoding);
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
    GoingOn(Going),
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
            let hub = stream.subscription.hub().clone();
            let max_idle_time = hub.config().max_subscriber_idle_time;
            let (writer, counted) = Writer::new(*stream);
            let words = stream::unfold(writer, async |mut writer| Some((writer.next_words().await?, writer)));
            let going = Arc::new(Mutex::new(Some(Watched { words: Box::pin(words), counted, hub, idle_since: None })));
            if let Some(max_idle_time) = max_idle_time {
                tokio::spawn(give_up_when_idle(Arc::downgrade(&going), max_idle_time));
            }
            self.progress = Progress::GoingOn(going);
        }
        let Progress::GoingOn(going) = &self.progress else { unreachable!("both others went on") };
        let mut going = going.lock();
        let Some(watched) = going.as_mut() else { return Poll::Ready(None) };
        let polled = watched.words.poll_next_unpin(context);
        watched.idles(polled.is_ready());
        polled.map(|words| {
            let (bytes, ended) = words?;
            if let Some(ended) = ended {
                watched.counted.ends(ended);
            }
            Some(Ok(bytes))
        })
    }
}

impl Watched {
    /// The server has what there is, and comes back for more when the reader took it; or it waits for us.
    fn idles(&mut self, idles: bool) {
        self.idle_since = idles.then(Instant::now);
        let mut counts = Counts::default();
        self.counted.blocked(idles, &mut counts);
        self.hub.metrics().add(&counts);
    }
}

/// Ends a stream whose reader takes nothing for too long. Nobody would ask for its next bytes, so it cannot
/// end itself.
async fn give_up_when_idle(going: Weak<Mutex<Option<Watched>>>, max_idle_time: Duration) {
    let mut look_at = Instant::now() + max_idle_time;
    loop {
        tokio::time::sleep_until(look_at).await;
        let Some(going) = going.upgrade() else { return };
        let mut watched = going.lock();
        let Some(idle_since) = watched.as_ref().map(|watched| watched.idle_since) else { return };
        look_at = idle_since.unwrap_or_else(Instant::now) + max_idle_time;
        if look_at <= Instant::now() {
            tracing::debug!("a client reads nothing");
            let mut given_up = watched.take();
            if let Some(given_up) = &mut given_up {
                given_up.counted.is_stuck();
            }
            // Outside the lock, since it leaves its topics.
            drop(watched);
            drop(given_up);
            return;
        }
    }
}

/// A stream behind its opening.
struct Writer {
    reader: Reader,
    heartbeat: Option<Interval>,
    warning: Option<Pin<Box<Sleep>>>,
    end: Option<(Pin<Box<Sleep>>, Ended)>,
    closed: bool,
    _permit: StreamPermit,
}

/// What wakes a stream.
enum Happening {
    End(Ended),
    Warning,
    Heartbeat,
    News(News),
}

impl Writer {
    fn new(stream: EventStream) -> (Self, OpenStream) {
        let EventStream { subscription, opening: _, packing, expires_in, permit, counted } = stream;
        let config = subscription.hub().config();
        let heartbeat = config.heartbeat_interval.map(|period| {
            let mut interval = tokio::time::interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        let sleep = |span| Box::pin(tokio::time::sleep(span));
        let life = script::life(config, expires_in);
        let warning = life.and_then(|life| life.warn_after).map(sleep);
        let end = life.map(|Life { end_after, ended, .. }| (sleep(end_after), ended));
        let reader = Reader::new(subscription, packing);
        (Self { reader, heartbeat, warning, end, closed: false, _permit: permit }, counted)
    }

    async fn next_words(&mut self) -> Option<Words> {
        if self.closed {
            return None;
        }
        let Self { heartbeat, warning, end, reader, .. } = self;
        let happening = tokio::select! {
            biased;
            ended = over(end) => Happening::End(ended),
            () = due(warning) => Happening::Warning,
            () = tick(heartbeat) => Happening::Heartbeat,
            news = reader.next() => Happening::News(news),
        };
        Some(match happening {
            Happening::End(ended) => self.closing(ended).await,
            Happening::Warning => (self.warning(), None),
            Happening::Heartbeat => self.heartbeat().await,
            Happening::News(news) => self.tell(news).await,
        })
    }

    async fn tell(&mut self, news: News) -> Words {
        match news {
            News::Bytes { bytes, told } => {
                if let Some(interval) = self.heartbeat.as_mut().filter(|_| told.heartbeat) {
                    interval.reset();
                }
                self.reader.count(&told);
                (bytes, None)
            }
            News::Ended(ended) => self.closing(ended).await,
        }
    }

    /// The token of the reader expires soon.
    fn warning(&mut self) -> Bytes {
        self.warning = None;
        let end = self.end.as_ref().map(|(end, _)| end.deadline().saturating_duration_since(Instant::now()));
        self.reader.expiring(end.unwrap_or_default())
    }

    /// What is ready anyway, then the heartbeat at the position after it: so its id moves past the
    /// events of other topics, and the reader of a quiet topic never resumes from an evicted point.
    async fn heartbeat(&mut self) -> Words {
        if let Some(news) = self.reader.read() {
            // The next tick is a whole interval away, but what is told here is life as well.
            let is_heartbeat = matches!(&news, News::Bytes { told, .. } if told.heartbeat);
            let (events, ended) = self.tell(news).await;
            if self.closed || is_heartbeat || self.reader.is_along() {
                return (events, ended);
            }
            return ([events, self.reader.heartbeat()].concat().into(), None);
        }
        self.reader.beat_for_all();
        match self.reader.read() {
            Some(news) => self.tell(news).await,
            None => (self.reader.heartbeat(), None),
        }
    }

    /// The last word. When the server drains, it waits for this stream's turn.
    async fn closing(&mut self, ended: Ended) -> Words {
        self.closed = true;
        tokio::time::sleep(script::delay_before_closing(ended, self.reader.hub())).await;
        (self.reader.closing(ended), Some(ended))
    }
}

/// The place of a stream in its topics, and the way to what comes next.
struct Reader {
    membership: Membership,
    wake: Arc<Notify>,
    packing: Packing,
    place: StreamPlace,
    switched_off_total: Option<u64>,
}

/// What is ready for a reader.
enum News {
    Bytes { bytes: Bytes, told: Told },
    Ended(Ended),
}

impl Reader {
    fn new(subscription: Subscription, packing: Packing) -> Self {
        let switched_off_total = subscription.switched_off_total();
        let (membership, standing) = subscription.into_parts();
        Self { membership, wake: Arc::default(), packing, place: StreamPlace::new(standing), switched_off_total }
    }

    fn hub(&self) -> &Hub {
        self.membership.hub()
    }

    /// Waits for what comes next. Nothing is lost when this is dropped before it is ready.
    async fn next(&mut self) -> News {
        loop {
            if let Some(news) = self.read() {
                return news;
            }
            self.membership.moved(&self.wake).await;
        }
    }

    /// What is ready; `None` when the reader has everything, up to the head.
    fn read(&mut self) -> Option<News> {
        loop {
            if let Some(ended) = called_off(self.hub(), self.place.standing, self.switched_off_total) {
                return Some(News::Ended(ended));
            }
            match self.packing.next(self.place, self.hub(), self.membership.keys(), Coding::Identity) {
                Next::Lagged => return Some(News::Ended(Ended::Lagged)),
                Next::Bytes { bytes, place, more, told } => {
                    self.place = place;
                    if !bytes.is_empty() {
                        return Some(News::Bytes { bytes, told });
                    }
                    if !more {
                        // It may have reached the place that it had to reach.
                        let ended = called_off(self.hub(), place.standing, self.switched_off_total);
                        return ended.map(News::Ended);
                    }
                }
            }
        }
    }

    fn count(&self, told: &Told) {
        let metrics = self.hub().metrics();
        let mut counts = Counts::default();
        counts.wrote(told, self.packing.form(), Instant::now);
        metrics.add(&counts);
        if let Some(reason) = told.gap {
            metrics.told_gap(reason);
        }
    }

    /// Whether it gets the bytes that others get, and a heartbeat when they do.
    fn is_along(&self) -> bool {
        self.place.is_along()
    }

    fn beat_for_all(&self) {
        self.packing.beat_for_all(self.place, self.hub(), self.membership.keys());
    }

    fn heartbeat(&mut self) -> Bytes {
        let mut counts = Counts::default();
        counts.add(Count::Heartbeats, 1);
        self.hub().metrics().add(&counts);
        let text = script::heartbeat(self.hub().cursor(self.place.standing.position()));
        self.words(text)
    }

    fn words(&mut self, text: Vec<u8>) -> Bytes {
        self.place = self.place.after_private_words();
        self.packing.words(text, Coding::Identity)
    }

    fn expiring(&mut self, expires_in: Duration) -> Bytes {
        let text = script::expiring(expires_in, self.hub().cursor(self.place.standing.position()));
        self.words(text)
    }

    fn closing(&mut self, ended: Ended) -> Bytes {
        let position = self.hub().cursor(self.place.standing.position());
        let text = script::closing(ended, position, self.hub());
        self.words(text)
    }
}

async fn over(end: &mut Option<(Pin<Box<Sleep>>, Ended)>) -> Ended {
    match end {
        Some((sleep, ended)) => {
            sleep.as_mut().await;
            *ended
        }
        None => std::future::pending().await,
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

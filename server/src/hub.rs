//! Topics by name: publish, subscribe, switch off, drain.
//!
//! The hub owns the recent part of the log in memory and everything its readers have in common: the
//! settings, the switch, the permits. Publishing goes to the log; what the log then delivers comes
//! in through its tail, and only there. The hub never touches HTTP.

use crate::config::{ConfigError, HubConfig};
use crate::entry::{self, Entry};
use crate::gzip::{Contexts, SharedContext};
use crate::log::{Log, LogError, LoggedEvent, MemoryLog, NewEvent, Tail};
use crate::memory::Memory;
use crate::metrics::{Metrics, OpenStream};
use crate::rollout;
use crate::stream_permits::{Full, Holder, StreamPermit, StreamPermits};
use crate::subscription::{Resume, Subscription};
use crate::topics::{Bounds, TopicKey, Topics};
use heartwire_protocol::{Cursor, Data, Epoch, EventType, Topic};
use parking_lot::RwLock;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// The pace at which a draining hub lets streams go: 200 a second, or faster where that would take
/// longer than the drain window.
const DRAIN_PACE: Duration = Duration::from_millis(5);
/// So many events are given up, and topics dropped, under one hold of the lock, so that readers get their turn.
const CLEANUP_STEP: usize = 1_000;

/// A hub. Clones are handles to the same one.
///
/// ```
/// use heartwire::{EventType, Hub, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::default();
/// let app: axum::Router = axum::Router::new().nest("/live", heartwire::router(hub.clone()));
/// let cursor = hub.publish(&Topic::parse("orders/42")?, &EventType::parse("paid")?, "{}").await?;
/// assert_eq!(cursor.sequence, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    config: HubConfig,
    log: Arc<dyn Log>,
    recent: Arc<Recent>,
    gzip_contexts: Contexts,
    streams: StreamPermits,
    metrics: Arc<Metrics>,
    enabled: AtomicBool,
    rollout_percent: AtomicUsize,
    /// A stream compares this with what it was when it began, so that it ends even if streaming is
    /// on again by the time it looks.
    switched_off_total: AtomicU64,
    /// Set once, when draining begins.
    drain: OnceLock<Drain>,
}

/// How streams end when the hub lets them go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Over which span they end.
    pub(crate) span: Duration,
    /// The last event when it began: each reader gets everything up to it first.
    pub(crate) head: u64,
}

/// The events were not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// One event would take more memory than a whole topic may, so nobody could ever read it.
    TooLarge {
        /// The most bytes that a topic may take: `max_bytes_per_topic`.
        limit_bytes: usize,
    },
    /// The readers take so much of `memory_critical_mb` that one event does not fit beside them, even
    /// when all history is given up for it. Trying again may help.
    OutOfMemory,
    /// The hub keeps `max_topics` topics, and these would be more. Trying again may help.
    TooManyTopics,
    /// The log did not take them.
    Log(LogError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => {
                write!(f, "an event takes more than the {limit_bytes} bytes that a topic may hold")
            }
            Self::OutOfMemory => f.write_str("the readers leave no memory for an event"),
            Self::TooManyTopics => f.write_str("the hub keeps as many topics as it may"),
            Self::Log(err) => err.fmt(f),
        }
    }
}

impl std::error::Error for PublishError {}

impl Default for Hub {
    /// A hub with the default settings, over a log in memory.
    ///
    /// # Panics
    /// Outside a tokio runtime, like [`Hub::new`].
    fn default() -> Self {
        Self::start(HubConfig::default(), Arc::new(MemoryLog::new()))
    }
}

impl Hub {
    /// A hub over a log in memory: what was published is gone when the process ends.
    ///
    /// # Errors
    /// A setting has a value that cannot be meant.
    ///
    /// # Panics
    /// Outside a tokio runtime, since the hub starts its clean-up task. The task ends with the last
    /// handle to the hub.
    pub fn new(config: HubConfig) -> Result<Self, ConfigError> {
        Self::with_log(config, Arc::new(MemoryLog::new()))
    }

    /// A hub over a log of the caller's choice, which must have no other listener in this process.
    ///
    /// # Errors
    /// A setting has a value that cannot be meant.
    ///
    /// # Panics
    /// Outside a tokio runtime, like [`Hub::new`].
    pub fn with_log(config: HubConfig, log: Arc<dyn Log>) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::start(config, log))
    }

    fn start(config: HubConfig, log: Arc<dyn Log>) -> Self {
        let streams = StreamPermits::new(&config);
        let metrics = Arc::new(Metrics::new(&config.watch));
        let recent = Arc::new(Recent {
            epoch: log.epoch(),
            compress_min_bytes: config.compress_min_bytes,
            memory: Memory::new(&config, Arc::clone(streams.in_all())),
            topics: RwLock::new(Topics::new(Bounds::from(&config), config.slow_readers_per_topic())),
            metrics: Arc::clone(&metrics),
        });
        // The log holds the recent part and not the hub, so that the two do not keep each other alive.
        log.attach(Arc::clone(&recent) as Arc<dyn Tail>);
        tokio::spawn(clean_up(Arc::downgrade(&recent), config.cleanup_interval));
        let enabled = AtomicBool::new(config.enable_sse);
        let rollout_percent = AtomicUsize::new(config.rollout_percent);
        let (switched_off_total, drain) = (AtomicU64::new(0), OnceLock::new());
        let gzip_contexts = Contexts::new();
        let inner = Inner {
            config,
            log,
            recent,
            gzip_contexts,
            streams,
            metrics,
            enabled,
            rollout_percent,
            switched_off_total,
            drain,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The settings that the hub was made with.
    #[must_use]
    pub fn config(&self) -> &HubConfig {
        &self.inner.config
    }

    /// The position of the last event of all topics.
    #[must_use]
    pub fn head(&self) -> Cursor {
        self.cursor(self.inner.recent.topics.read().head())
    }

    /// What the history takes at most, in bytes: never much more than `max_bytes_total`.
    #[must_use]
    pub fn history_bytes(&self) -> usize {
        self.inner.recent.topics.read().cost_bytes()
    }

    /// What the history and its readers take, as `memory_critical_mb` counts them.
    pub(crate) fn used_bytes(&self) -> usize {
        self.inner.recent.memory.used_bytes(self.history_bytes())
    }

    /// Publishes one event. Returns its cursor once the log has it.
    ///
    /// # Errors
    /// The event is too large to be kept, there is no room for it or for its topic, or the log did not take it. Nothing is
    /// published then.
    pub async fn publish(&self, topic: &Topic, event_type: &EventType, data: &str) -> Result<Cursor, PublishError> {
        self.publish_event(NewEvent::new(topic.clone(), event_type.clone(), Data::new(data))).await
    }

    /// Publishes one event with all that can be said about it. Returns its cursor once the log has it.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub async fn publish_event(&self, event: NewEvent) -> Result<Cursor, PublishError> {
        let cursors = self.publish_all(vec![event]).await?;
        Ok(cursors.into_iter().next().expect("the log answers with one cursor for each event"))
    }

    /// Publishes events next to each other and in this order, or none of them. Returns their cursors
    /// once the log has them.
    ///
    /// # Errors
    /// An event is too large to be kept, there is no room for it or for its topic, or the log did not take them. Nothing is
    /// published then.
    pub async fn publish_all(&self, events: Vec<NewEvent>) -> Result<Vec<Cursor>, PublishError> {
        let HubConfig { max_bytes_per_topic: limit_bytes, compress_min_bytes, .. } = *self.config();
        let cost = |event: &NewEvent| entry::cost_bytes(event, compress_min_bytes);
        let largest = events.iter().map(cost).max().unwrap_or(0);
        if largest > limit_bytes {
            return Err(PublishError::TooLarge { limit_bytes });
        }
        if !self.inner.recent.memory.has_room_for(largest) {
            return Err(PublishError::OutOfMemory);
        }
        if !self.has_room_for_topics(events.iter().map(|event| &event.topic)) {
            return Err(PublishError::TooManyTopics);
        }
        self.inner.log.append(events).await.map_err(PublishError::Log)
    }

    /// Whether these topics would be no more, with those that are kept, than may be. Looked at before
    /// they are added, so those that come at the same time may make it a few more.
    pub(crate) fn has_room_for_topics<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> bool {
        let Some(max) = self.config().max_topics else { return true };
        self.topics().read().has_room_for(topics, max)
    }

    /// Reads some topics from a point on. Topics need not exist yet; naming one twice changes nothing.
    ///
    /// In-process subscriptions know no switch: they go on when streaming is switched off.
    #[must_use]
    pub fn subscribe(&self, topics: &[Topic], resume: Resume) -> Subscription {
        Subscription::new(self.clone(), topics, resume)
    }

    /// Whether streaming is switched on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::SeqCst)
    }

    /// Throws the switch. Off ends all streams with `closing: disabled` and refuses new ones with
    /// 503; clients go on by polling, and come back by themselves when it is on again.
    pub fn set_enabled(&self, enabled: bool) {
        let was_enabled = self.inner.enabled.swap(enabled, Ordering::SeqCst);
        if was_enabled && !enabled {
            self.inner.switched_off_total.fetch_add(1, Ordering::SeqCst);
            self.wake_all();
        }
    }

    /// Changes how many of a hundred clients get streams. Those who have one keep it.
    ///
    /// More than 100 is 100.
    pub fn set_rollout_percent(&self, percent: usize) {
        self.inner.rollout_percent.store(percent.min(100), Ordering::Relaxed);
    }

    /// Whether streaming is switched on for this client.
    pub(crate) fn is_enabled_for(&self, client_id: Option<&str>, holder: &Holder) -> bool {
        self.is_enabled() && rollout::includes(self.inner.rollout_percent.load(Ordering::Relaxed), client_id, holder)
    }

    /// How many streams are open.
    #[must_use]
    pub fn active_connections(&self) -> usize {
        self.inner.streams.in_all().held()
    }

    /// Begins to let all readers go, for good. Streams get `closing: draining` with a moment to come
    /// back at, spread over the drain window; long polls are answered at once. Publishing goes on.
    pub fn drain(&self) {
        let n_streams = u32::try_from(self.active_connections()).unwrap_or(u32::MAX);
        let span = DRAIN_PACE.saturating_mul(n_streams).min(self.config().drain_window);
        if self.inner.drain.set(Drain { span, head: self.head().sequence }).is_ok() {
            self.wake_all();
        }
    }

    /// Whether it lets all readers go, for good: the server that it is part of is not ready for more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining().is_some()
    }

    /// How streams end; `None` while nothing is drained.
    pub(crate) fn draining(&self) -> Option<Drain> {
        self.inner.drain.get().copied()
    }

    pub(crate) fn switched_off_total(&self) -> u64 {
        self.inner.switched_off_total.load(Ordering::SeqCst)
    }

    pub(crate) fn stream_permit(&self, holder: &Holder) -> Result<StreamPermit, Full> {
        let permit = self.inner.streams.acquire(holder)?;
        self.inner.recent.shed();
        Ok(permit)
    }

    /// What it counts about itself.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// Counts a stream of some topics while what is returned lives.
    pub(crate) fn count_stream(&self, keys: &[TopicKey], address: Option<IpAddr>) -> OpenStream {
        OpenStream::new(Arc::clone(&self.inner.metrics), self.topics().read().audiences(keys), address)
    }

    /// Whether a load balancer should send clients here: it takes events, and does not let its readers go.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // A little one: when not even that fits, readers have taken all the memory.
        const EVENT_BYTES: usize = 4 * 1024;
        self.draining().is_none() && self.inner.recent.memory.has_room_for(EVENT_BYTES) && self.inner.log.is_available()
    }

    /// Tells hubs apart, for as long as there is a handle to this one.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    pub(crate) fn topics(&self) -> &RwLock<Topics> {
        &self.inner.recent.topics
    }

    /// The one gzip context for readers of these topics.
    pub(crate) fn gzip_context(&self, topics: &[Topic]) -> Arc<SharedContext> {
        self.inner.gzip_contexts.of(topics, self.head().sequence)
    }

    /// Wakes whoever reads all of these topics, for something that is no event.
    pub(crate) fn ring(&self, keys: &[TopicKey]) {
        let first = keys.first().map(|key| Arc::clone(self.topics().read().bell(*key)));
        if let Some(bell) = first {
            bell.ring();
        }
    }

    pub(crate) fn cursor(&self, sequence: u64) -> Cursor {
        Cursor { epoch: self.inner.recent.epoch, sequence }
    }

    fn wake_all(&self) {
        for bell in self.topics().read().bells() {
            bell.ring();
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("head", &format_args!("{}", self.head())).finish_non_exhaustive()
    }
}

/// The recent part of the log, in memory.
struct Recent {
    epoch: Epoch,
    compress_min_bytes: Option<usize>,
    memory: Memory,
    topics: RwLock<Topics>,
    metrics: Arc<Metrics>,
}

impl Recent {
    /// Gives up the oldest events when the history has come to take more than the readers leave it.
    fn shed(&self) {
        let Some(room) = self.memory.room() else { return };
        let history_bytes = self.topics.read().cost_bytes();
        self.memory.watch(history_bytes);
        if history_bytes > room {
            self.topics.write().set_bytes_total(room);
        }
    }
}

impl Tail for Recent {
    fn begin(&self, sequence: u64) {
        self.topics.write().begin(sequence);
    }

    fn deliver(&self, events: Vec<LoggedEvent>) {
        let now = Instant::now();
        let entries: Vec<Arc<Entry>> = events
            .into_iter()
            .map(|logged| Arc::new(Entry::new(self.epoch, logged, self.compress_min_bytes, now)))
            .collect();
        let new_bytes: usize = entries.iter().map(|entry| entry.cost_bytes()).sum();
        let published = entries.iter().filter(|entry| !entry.topic().is_reserved());
        self.metrics.published(published.map(|entry| (entry.event_type().as_str(), entry.topic().as_str())));
        let mut bells = Vec::new();
        let mut topics = self.topics.write();
        let wanted_bytes = topics.cost_bytes() + new_bytes;
        if let Some(room) = self.memory.room() {
            topics.set_bytes_total(room);
        }
        for entry in entries {
            let bell = topics.append(entry, now);
            if bells.last().is_none_or(|last| !Arc::ptr_eq(last, &bell)) {
                bells.push(bell);
            }
        }
        drop(topics);
        // After the lock, like the bells: a log may take its time.
        self.memory.watch(wanted_bytes);
        // After the lock, so that the first reader to wake does not run into it.
        for bell in bells {
            bell.ring();
        }
    }
}

async fn clean_up(recent: Weak<Recent>, interval: Duration) {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(recent) = recent.upgrade() else { return };
        let now = Instant::now();
        while recent.topics.write().evict_expired(now, CLEANUP_STEP) {
            tokio::task::yield_now().await;
        }
        while recent.topics.write().drop_idle(now, CLEANUP_STEP) {
            tokio::task::yield_now().await;
        }
        // What went has made room, so that the next time is told of again.
        let history_bytes = recent.topics.read().cost_bytes();
        recent.memory.watch(history_bytes);
    }
}

//! What the bytes of a stream look like, and what a reader gets next in that look.

use crate::coding::{Chunk, Coding};
use crate::gzip::{self, Found, SharedContext, Track};
use crate::hub::Hub;
use crate::metrics::{Form, Told};
use crate::standing::{Standing, Step};
use crate::stream::script;
use crate::subscription::STREAM_BATCH;
use crate::topics::{BatchLimit, TopicKey};
use axum::http::HeaderValue;
use bytes::Bytes;
use std::sync::Arc;

/// How a reader gets its events.
#[derive(Clone)]
pub(crate) enum Packing {
    /// As they are.
    Plain,
    /// Large payloads as compressed frames.
    Frames,
    /// All as one gzip stream, with the context that its readers share.
    Gzip(Arc<SharedContext>),
}

/// Where a reader of a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPlace {
    pub(crate) standing: Standing,
    /// What is in the window of its decoder, if it has one.
    pub(crate) track: Track,
}

/// What a reader gets next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// The bytes of one batch, none if there is nothing; the place behind it; whether there is more.
    Bytes {
        bytes: Bytes,
        place: StreamPlace,
        more: bool,
        told: Told,
    },
    Lagged,
}

impl StreamPlace {
    pub(crate) fn new(standing: Standing) -> Self {
        Self { standing, track: Track::Alone }
    }

    /// Where the reader stands when it was told something that others were not.
    pub(crate) fn after_private_words(self) -> Self {
        Self { track: self.track.after_private_words(), ..self }
    }

    /// Whether the reader gets the pieces of a shared context, heartbeats among them.
    pub(crate) fn is_along(self) -> bool {
        matches!(self.track, Track::Along { .. })
    }
}

impl Packing {
    /// Tells packings apart whose readers get different bytes.
    pub(crate) fn kind(&self) -> PackingKind {
        match self {
            Self::Plain => PackingKind::Plain,
            Self::Frames => PackingKind::Frames,
            Self::Gzip(context) => PackingKind::Gzip { context: Arc::as_ptr(context).addr() },
        }
    }

    /// What it is counted as.
    pub(crate) fn form(&self) -> Form {
        match self {
            Self::Plain => Form::Plain,
            Self::Frames => Form::Frames,
            Self::Gzip(_) => Form::Gzip,
        }
    }

    /// What the head of the answer says about it.
    pub(super) fn content_encoding(&self) -> Option<HeaderValue> {
        match self {
            Self::Plain | Self::Frames => None,
            Self::Gzip(_) => Some(HeaderValue::from_static("gzip")),
        }
    }

    /// The next batch for a reader at some place.
    pub(crate) fn next(&self, place: StreamPlace, hub: &Hub, keys: &[TopicKey], coding: Coding) -> Next {
        let next = self.next_for_anyone(place, hub, keys, coding);
        match next {
            Next::Bytes { bytes, place: after, more, told } if !place.standing.has_caught_up() => {
                Next::Bytes { bytes, place: after, more, told: told.as_history() }
            }
            next => next,
        }
    }

    fn next_for_anyone(&self, place: StreamPlace, hub: &Hub, keys: &[TopicKey], coding: Coding) -> Next {
        let Self::Gzip(context) = self else { return self.read_log(place.standing, hub, keys, STREAM_BATCH, coding) };
        let StreamPlace { standing, track } = place;
        if standing.leaves_out_events() {
            // What it gets is not what others get.
            return self.read_log(standing, hub, keys, STREAM_BATCH, coding);
        }
        match context.next(track, standing.position(), hub, keys, STREAM_BATCH) {
            Found::Nothing { through } => {
                self.read_log(standing, hub, keys, BatchLimit { through, ..STREAM_BATCH }, coding)
            }
            Found::Pieces { chunks, track, position, more, told } => {
                if more && let Some(step) = standing.lagging(hub, keys) {
                    return self.next_of(step, hub, coding);
                }
                let place = StreamPlace { standing: standing.moved_on(position, more), track };
                Next::Bytes { bytes: joined(chunks.iter().map(|chunk| coding.of(chunk))), place, more, told }
            }
        }
    }

    /// Words that are not for all readers of a shared context. They [set apart](StreamPlace::after_private_words)
    /// who gets them.
    pub(crate) fn words(&self, text: Vec<u8>, coding: Coding) -> Bytes {
        match self {
            Self::Plain | Self::Frames => coding.encode(text),
            Self::Gzip(_) => coding.encode(gzip::standing_alone(&text)),
        }
    }

    /// The first words of a stream.
    pub(super) fn opening(&self, text: &[u8]) -> Chunk {
        match self {
            Self::Plain | Self::Frames => Chunk::new(text),
            Self::Gzip(_) => Chunk::new(&[&gzip::HEADER[..], &gzip::standing_alone(text)].concat()),
        }
    }

    /// Has all readers of a shared context get a heartbeat, if this reader is one of them. Whether it
    /// does is for the next batch to tell.
    pub(crate) fn beat_for_all(&self, place: StreamPlace, hub: &Hub, keys: &[TopicKey]) {
        if let Self::Gzip(context) = self
            && place.is_along()
            && context.beat(hub, keys, STREAM_BATCH, |position| script::heartbeat(hub.cursor(position)))
        {
            hub.ring(keys);
        }
    }

    fn read_log(&self, standing: Standing, hub: &Hub, keys: &[TopicKey], limit: BatchLimit, coding: Coding) -> Next {
        self.next_of(standing.step(hub, keys, limit), hub, coding)
    }

    fn next_of(&self, step: Step, hub: &Hub, coding: Coding) -> Next {
        match step {
            Step::Lagged => Next::Lagged,
            Step::Moved { gap, standing } => {
                let reason = gap.reason;
                let text = script::gap(gap, hub.cursor(standing.position()));
                let told = Told { gap: Some(reason), ..Told::default() };
                let bytes = self.words(text, coding);
                Next::Bytes { bytes, place: StreamPlace::new(standing), more: true, told }
            }
            Step::Read { entries, standing, more } => {
                let mut told = Told::default();
                let bytes = joined(entries.iter().map(|entry| {
                    let (chunk, plain_bytes) = match self {
                        Self::Plain => (entry.plain(), entry.plain().content_bytes()),
                        Self::Frames => entry.framed(),
                        Self::Gzip(_) => (entry.standing_alone(), entry.plain().content_bytes()),
                    };
                    told = told.and(Told::event(entry.appended_at(), plain_bytes, chunk.content_bytes()));
                    coding.of(chunk)
                }));
                Next::Bytes { bytes, place: StreamPlace::new(standing), more, told }
            }
        }
    }
}

/// See [`Packing::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PackingKind {
    Plain,
    Frames,
    Gzip {
        /// The address of the context, which its readers keep alive.
        context: usize,
    },
}

/// Some bytes in one piece.
fn joined(mut parts: impl ExactSizeIterator<Item = Bytes>) -> Bytes {
    match parts.len() {
        // The common case on a live stream: the bytes that all readers share, not copied.
        0 | 1 => parts.next().unwrap_or_default(),
        _ => parts.collect::<Vec<_>>().concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{MemoryLog, NewEvent};
    use crate::membership::Membership;
    use crate::subscription::Resume;
    use crate::{Data, Epoch, EventType, HubConfig, Topic};
    use flate2::{Decompress, FlushDecompress};

    /// A source of numbers that is the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit
        }
    }

    /// A reader with its decoder, which checks what comes out.
    struct Reader {
        membership: Membership,
        packing: Packing,
        place: StreamPlace,
        gunzip: Decompress,
        text: Vec<u8>,
        /// The sequence of the last event that came out.
        last: u64,
        topics: Vec<Topic>,
        /// It has had a window of the text that all readers get, and so their blocks.
        had_window: bool,
    }

    impl Reader {
        fn join(hub: &Hub, topics: &[Topic], resume: Resume) -> Self {
            let mut subscription = hub.subscribe(topics, resume);
            subscription.take_gap();
            let last = subscription.cursor().sequence;
            let (membership, standing) = subscription.into_parts();
            let mut reader = Self {
                membership,
                packing: Packing::Gzip(hub.gzip_context(topics)),
                place: StreamPlace::new(standing),
                gunzip: Decompress::new_gzip(15),
                text: Vec::new(),
                last,
                topics: topics.to_vec(),
                had_window: false,
            };
            let opening = reader.packing.opening(b": hello\n\n");
            reader.open(&opening.content());
            reader
        }

        /// Returns whether there is more, or `None` when it lags.
        fn step(&mut self, hub: &Hub) -> Option<bool> {
            match self.packing.next(self.place, hub, self.membership.keys(), Coding::Identity) {
                Next::Lagged => None,
                Next::Bytes { bytes, place, more, .. } => {
                    self.place = place;
                    let window = gzip::WINDOW_BYTES;
                    self.had_window |=
                        matches!(place.track, Track::Along { common_bytes, .. } if common_bytes == window);
                    self.open(&bytes);
                    Some(more)
                }
            }
        }

        fn private_words(&mut self) {
            self.place = self.place.after_private_words();
            let words = self.packing.words(b": between us\n\n".to_vec(), Coding::Identity);
            self.open(&words);
        }

        fn open(&mut self, bytes: &[u8]) {
            self.text.reserve(bytes.len() * 50 + 1_024);
            let before = self.gunzip.total_in();
            self.gunzip.decompress_vec(bytes, &mut self.text, FlushDecompress::Sync).expect("the blocks fit together");
            assert_eq!((self.gunzip.total_in() - before) as usize, bytes.len());
        }

        /// Compares what came out since the last time with what was published.
        fn check(&mut self, published: &[(Topic, String)]) {
            for block in std::str::from_utf8(&self.text).unwrap().split_terminator("\n\n") {
                if block.starts_with(':') || block.contains("event: heartbeat") {
                    continue;
                }
                let ours = |(topic, _): &&(Topic, String)| self.topics.contains(topic);
                let skipped = published[self.last as usize..].iter().take_while(|event| !ours(event)).count();
                let sequence = self.last as usize + skipped + 1;
                assert_eq!(block, format!("id: abc-{sequence}\ndata: {}", published[sequence - 1].1));
                self.last = sequence as u64;
            }
            self.text.clear();
        }
    }

    #[tokio::test]
    async fn whatever_readers_do_each_gets_every_event_once() {
        let topics = ["a", "b"].map(|name| Topic::parse(name).unwrap());
        let sets = [&topics[..1], &topics[..1], &topics[1..], &topics[..]];
        let mut n_shared = 0;
        for seed in 0..60 {
            let mut numbers = Numbers(seed);
            let config = HubConfig { max_history_per_topic: 50 + numbers.below(2_000), ..HubConfig::default() };
            let hub = Hub::with_log(config, Arc::new(MemoryLog::with_epoch(Epoch(0xabc)))).unwrap();
            let mut published = Vec::new();
            let mut readers: Vec<Reader> = Vec::new();
            for _ in 0..numbers.below(200) {
                match numbers.below(10) {
                    0..3 => {
                        let n_events = if numbers.below(8) == 0 { 400 } else { 1 + numbers.below(20) };
                        let events: Vec<(Topic, String)> = (0..n_events)
                            .map(|n| {
                                let text = format!("{{\"n\":{n},\"of\":\"{}\"}}", numbers.below(1 << 20));
                                (topics[numbers.below(2)].clone(), text.repeat(1 + numbers.below(3)))
                            })
                            .collect();
                        published.extend(events.iter().cloned());
                        let new = |(topic, data): (Topic, String)| {
                            NewEvent::new(topic, EventType::default(), Data::new(&data))
                        };
                        hub.publish_all(events.into_iter().map(new).collect()).await.unwrap();
                    }
                    3 => {
                        let after = hub.cursor(numbers.below(published.len() + 1) as u64);
                        let resume = if numbers.below(2) == 0 { Resume::Live } else { Resume::After(after) };
                        readers.push(Reader::join(&hub, sets[numbers.below(4)], resume));
                    }
                    4 if readers.len() > 5 => drop(readers.swap_remove(numbers.below(readers.len()))),
                    5 if !readers.is_empty() => {
                        let reader = &readers[numbers.below(readers.len())];
                        reader.packing.beat_for_all(reader.place, &hub, reader.membership.keys());
                    }
                    6 if !readers.is_empty() => {
                        let number = numbers.below(readers.len());
                        readers[number].private_words();
                    }
                    _ => readers.retain_mut(|reader| numbers.below(3) == 0 || reader.step(&hub).is_some()),
                }
            }
            let head = hub.head().sequence;
            readers.retain_mut(|reader| {
                loop {
                    match reader.step(&hub) {
                        None => return false,
                        Some(true) => {}
                        Some(false) => return true,
                    }
                }
            });
            for reader in &mut readers {
                n_shared += u32::from(reader.had_window);
                // A lane waits for the bell once there is no more.
                assert_eq!(reader.place.standing.position(), head, "seed {seed}");
                reader.check(&published);
                let rest = published[reader.last as usize..].iter();
                assert!(!rest.into_iter().any(|(topic, _)| reader.topics.contains(topic)), "seed {seed}");
            }
        }
        assert!(n_shared > 60, "{n_shared} readers got the blocks of a shared context");
    }
}

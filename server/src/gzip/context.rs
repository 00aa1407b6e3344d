//! One deflate context for all gzip readers of the same topics.
//!
//! It compresses each event once, in the order of the log, and keeps the last pieces for readers who
//! are not quite there yet. It is pulled by its readers and knows none of them: whoever finds nothing
//! more among the pieces has the context read the log on.

use super::deflater::{self, Lent, WINDOW_BYTES};
use super::standing_alone;
use crate::coding::Chunk;
use crate::entry::Entry;
use crate::hub::Hub;
use crate::limits::Permits;
use crate::metrics::Told;
use crate::topics::{BatchLimit, Place, Reading, TopicKey};
use heartwire_protocol::Topic;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// How much text is kept as pieces for readers who are behind. Most of it the history has anyway.
const KEPT_BYTES: usize = 256 * 1024;
/// After so much text a context gives its compressor back if others wait for one.
const TERM_BYTES: usize = 256 * 1024;
/// From so many readers on a context is worth its memory. Below, they read the log by themselves, in
/// blocks that stand alone.
const MIN_READERS: usize = 4;
/// So few contexts are not worth a search for dead ones.
const MIN_SWEEP: usize = 64;

/// The context of some topics, held by each of its readers.
pub(crate) struct SharedContext {
    state: Mutex<State>,
}

/// What a reader's decoder has seen, as far as a context cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Track {
    /// It reads the log by itself.
    #[default]
    Alone,
    /// It gets one piece after another.
    Along {
        /// The number of the piece that comes next.
        next: u64,
        /// The last so many bytes of its text are those of the pieces before that one, and nothing came in
        /// between. More than a window of them make no difference, and count as a window.
        common_bytes: usize,
    },
}

impl Track {
    /// What it is once the reader was told something that others were not.
    pub(crate) fn after_private_words(self) -> Self {
        match self {
            Self::Alone => Self::Alone,
            Self::Along { next, .. } => Self::Along { next, common_bytes: 0 },
        }
    }
}

/// What a context has for a reader.
pub(crate) enum Found {
    /// The next pieces, and where the reader stands once it has them.
    Pieces { chunks: Vec<Chunk>, track: Track, position: u64, more: bool, told: Told },
    /// Nothing that follows on what it has. It reads the log by itself, and looks here again when it has
    /// everything up to this sequence.
    Nothing { through: u64 },
}

impl SharedContext {
    fn new(permits: Arc<Permits>, begin: u64) -> Self {
        let state = State {
            permits,
            begin,
            position: begin,
            pieces: VecDeque::new(),
            first: 0,
            kept_bytes: 0,
            compressor: None,
            last_heartbeat: None,
            has_events_since_heartbeat: false,
        };
        Self { state: Mutex::new(state) }
    }

    /// What comes next for a reader of the topics `keys` that has everything up to `position`.
    pub(crate) fn next(
        self: &Arc<Self>,
        track: Track,
        position: u64,
        hub: &Hub,
        keys: &[TopicKey],
        limit: BatchLimit,
    ) -> Found {
        let mut state = self.state.lock();
        if !self.is_worth_it() {
            if state.is_in_use() {
                let begin = state.position;
                state.begin_anew(begin);
            }
            return Found::Nothing { through: u64::MAX };
        }
        let has_all_pieces = match state.seat(track) {
            Some((next, _)) => next == state.end(),
            None => position >= state.position,
        };
        let more = if has_all_pieces {
            state.read_on(hub, keys, limit)
        } else {
            // Somebody else had it read on, perhaps not to the end.
            state.position < hub.head().sequence
        };
        // Once more, since reading on may have dropped the piece that it stood before.
        let seat = state.seat(track).or_else(|| {
            if position > state.position {
                // Whoever needs what lies in between is far behind, and can read it alone.
                state.begin_anew(position);
            }
            Some((state.entrance(position)?, 0))
        });
        match seat {
            Some((next, common_bytes)) => state.pieces_from(next, common_bytes, limit, more),
            None => Found::Nothing { through: state.begin },
        }
    }

    /// Puts a heartbeat among the pieces, for all readers to get, unless there was one a moment ago.
    /// `text` makes the heartbeat at a position. Returns whether there may be something new to read.
    pub(crate) fn beat(
        self: &Arc<Self>,
        hub: &Hub,
        keys: &[TopicKey],
        limit: BatchLimit,
        text: impl FnOnce(u64) -> Vec<u8>,
    ) -> bool {
        let (interval, now) = (hub.config().heartbeat_interval.unwrap_or_default(), Instant::now());
        let mut state = self.state.lock();
        if state.last_heartbeat.is_some_and(|last| now.duration_since(last) < interval / 2) {
            return false;
        }
        if state.read_on(hub, keys, limit) {
            // What is there to be read tells as much as a heartbeat.
            return true;
        }
        state.last_heartbeat = Some(now);
        let was_idle = !std::mem::take(&mut state.has_events_since_heartbeat);
        let position = state.position;
        let text = text(position);
        state.append(&text, Kind::Heartbeat(Chunk::new(&standing_alone(&text))), position);
        if was_idle {
            state.rest();
        }
        true
    }

    /// Whether there are readers enough for a compressor. Each of them holds the context.
    fn is_worth_it(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) >= MIN_READERS
    }
}

struct State {
    permits: Arc<Permits>,
    /// The pieces are all that the topics have after this sequence,
    begin: u64,
    /// and up to this one.
    position: u64,
    pieces: VecDeque<Piece>,
    /// The number of the first piece that is kept.
    first: u64,
    /// Of text.
    kept_bytes: usize,
    /// `None` until there is something to compress, and while others have all of them.
    compressor: Option<Compressor>,
    last_heartbeat: Option<Instant>,
    has_events_since_heartbeat: bool,
}

struct Compressor {
    deflater: Lent,
    /// It has seen so much text.
    n_bytes: usize,
}

/// One event or a heartbeat.
struct Piece {
    kind: Kind,
    text_bytes: usize,
    block: Option<SharedBlock>,
    /// With it a reader has everything up to this sequence.
    through: u64,
}

enum Kind {
    Event(Arc<Entry>),
    /// As a block that stands alone.
    Heartbeat(Chunk),
}

/// A piece as the shared compressor makes it.
struct SharedBlock {
    chunk: Chunk,
    /// It may refer to so many bytes of text before it.
    reach_bytes: usize,
}

impl Piece {
    /// As a decoder understands it whose text ends in so many bytes of the pieces before.
    fn after(&self, common_bytes: usize) -> &Chunk {
        match (&self.block, &self.kind) {
            (Some(block), _) if block.reach_bytes <= common_bytes => &block.chunk,
            (_, Kind::Event(entry)) => entry.standing_alone(),
            (_, Kind::Heartbeat(alone)) => alone,
        }
    }

    /// What it tells as a chunk of the compressed stream.
    fn told(&self, chunk: &Chunk) -> Told {
        match &self.kind {
            Kind::Event(entry) => Told::event(entry.appended_at(), self.text_bytes, chunk.content_bytes()),
            Kind::Heartbeat(_) => Told { heartbeat: true, ..Told::default() },
        }
    }
}

impl State {
    /// The number of the piece that comes next.
    fn end(&self) -> u64 {
        self.first + self.pieces.len() as u64
    }

    fn is_in_use(&self) -> bool {
        !self.pieces.is_empty() || self.compressor.is_some()
    }

    /// Drops all pieces. The next one is about what comes after this sequence.
    fn begin_anew(&mut self, begin: u64) {
        // Nobody stands at the new beginning: who stood at the end may lack events before it.
        self.first = self.end() + 1;
        self.pieces.clear();
        self.kept_bytes = 0;
        self.compressor = None;
        (self.begin, self.position) = (begin, begin);
    }

    /// Gives back what is too large to be kept for events that may never come. The last piece stays.
    fn rest(&mut self) {
        self.compressor = None;
        while self.pieces.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.kept_bytes -= piece.text_bytes;
            self.first += 1;
            self.begin = piece.through;
        }
    }

    /// Makes the next events of the log into pieces. Returns whether there are more.
    fn read_on(&mut self, hub: &Hub, keys: &[TopicKey], limit: BatchLimit) -> bool {
        let topics = hub.topics().read();
        let (reading, head) = (topics.read(keys, Place::at(self.position), limit), topics.head());
        // Nobody who publishes waits while this compresses.
        drop(topics);
        let Reading::Batch { entries, position, more } = reading else {
            self.begin_anew(head);
            return false;
        };
        for entry in entries {
            let (text, sequence) = (entry.plain().content(), entry.sequence());
            self.append(&text, Kind::Event(entry), sequence);
            self.has_events_since_heartbeat = true;
        }
        self.position = position;
        more
    }

    /// Makes the next piece.
    fn append(&mut self, text: &[u8], kind: Kind, through: u64) {
        if self.compressor.is_none() {
            self.compressor = deflater::lend(&self.permits).map(|deflater| Compressor { deflater, n_bytes: 0 });
        }
        let block = self.compressor.as_mut().map(|compressor| {
            let reach_bytes = compressor.n_bytes.min(WINDOW_BYTES);
            compressor.n_bytes += text.len();
            SharedBlock { chunk: Chunk::new(&compressor.deflater.block(text)), reach_bytes }
        });
        if self.compressor.as_ref().is_some_and(|compressor| compressor.n_bytes >= TERM_BYTES)
            && self.permits.are_all_held()
        {
            self.compressor = None;
        }
        self.kept_bytes += text.len();
        self.pieces.push_back(Piece { kind, text_bytes: text.len(), block, through });
        self.position = through;
        while self.kept_bytes > KEPT_BYTES && self.pieces.len() > 1 {
            self.drop_oldest();
        }
    }

    /// The next piece of a reader that gets them one after another, unless that is gone.
    fn seat(&self, track: Track) -> Option<(u64, usize)> {
        match track {
            Track::Along { next, common_bytes } if next >= self.first => Some((next, common_bytes)),
            Track::Along { .. } | Track::Alone => None,
        }
    }

    /// The piece with which a reader goes on that has everything up to `position`.
    fn entrance(&self, position: u64) -> Option<u64> {
        let n_passed = self.pieces.partition_point(|piece| piece.through <= position);
        (position >= self.begin).then(|| self.first + n_passed as u64)
    }

    fn pieces_from(&self, first: u64, mut common_bytes: usize, limit: BatchLimit, more: bool) -> Found {
        let from = (first - self.first) as usize;
        let (mut chunks, mut n_bytes, mut told) = (Vec::new(), 0, Told::default());
        let mut position = None;
        for piece in self.pieces.range(from..) {
            if chunks.len() >= limit.events || n_bytes >= limit.bytes {
                break;
            }
            let chunk = piece.after(common_bytes);
            n_bytes += chunk.coded().len();
            common_bytes = (common_bytes + piece.text_bytes).min(WINDOW_BYTES);
            told = told.and(piece.told(chunk));
            position = Some(piece.through);
            chunks.push(chunk.clone());
        }
        let next = first + chunks.len() as u64;
        let has_all = next == self.end();
        Found::Pieces {
            track: Track::Along { next, common_bytes },
            // Behind the last piece it has passed what other topics had meanwhile.
            position: position.filter(|_| !has_all).unwrap_or(self.position),
            more: more || !has_all,
            told,
            chunks,
        }
    }
}

/// The contexts of one hub.
pub(crate) struct Contexts {
    permits: Arc<Permits>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_topics: HashMap<Box<[Topic]>, Weak<SharedContext>>,
    /// From so many on it looks for those that nobody has any more.
    sweep_at: usize,
}

impl Contexts {
    pub(crate) fn new() -> Self {
        Self { permits: deflater::permits(), known: Mutex::default() }
    }

    /// The one context of some topics, in whatever order they are named. `head`: where a new one begins.
    pub(crate) fn of(&self, topics: &[Topic], head: u64) -> Arc<SharedContext> {
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let mut known = self.known.lock();
        if let Some(context) = known.by_topics.get(&*topics).and_then(Weak::upgrade) {
            return context;
        }
        if known.by_topics.len() >= known.sweep_at {
            known.by_topics.retain(|_, context| context.strong_count() > 0);
            known.sweep_at = 2 * known.by_topics.len() + MIN_SWEEP;
        }
        let context = Arc::new(SharedContext::new(Arc::clone(&self.permits), head));
        known.by_topics.insert(topics.into(), Arc::downgrade(&context));
        context
    }
}

//! What both ends of Heartwire agree on.
//!
//! The server and the browser client share this crate, so the two cannot drift apart. Nothing in
//! here does I/O, reads a clock or draws a random number: bytes, moments and seeds come in as
//! arguments, decisions come out as values. That is why the same tests run natively and as
//! WebAssembly, and why a story of ten minutes is tested in microseconds.
//!
//! A map, in the order in which an event travels:
//!
//! - [`event`]: an event and its checked parts. What has one of these types is fit for the wire.
//! - [`encode`]: events to bytes. The one place that writes `data:`.
//! - [`frame`]: large payloads as gzip in base64, and the bounded way back, for which `inflate` has the part that
//!   every page downloads.
//! - [`decode`]: bytes, in slices of any size, to events, to the letter of the HTML standard.
//! - [`cursor`]: where a reader stands in the log, as the text of an event id.
//! - [`control`]: the events that Heartwire itself sends: `connected`, `heartbeat`, `gap`, `closing`.
//! - [`answer`]: the JSON answers beside the stream: a poll, the health of the switch, a refusal.
//! - [`connection`]: the client's state machine. It alone decides when to connect, wait, poll or
//!   give up; [`heartbeat`] tells it that the peer is silent, [`backoff`] how long to wait, and
//!   [`time`] is its idea of a moment.
//!
//! The bytes are specified in `docs/protocol.md`.

pub mod answer;
pub mod backoff;
pub mod connection;
pub mod control;
pub mod cursor;
pub mod decode;
pub mod encode;
pub mod event;
pub mod frame;
pub mod heartbeat;
mod inflate;
pub mod time;

pub use connection::Connection;
pub use control::Control;
pub use cursor::{Cursor, Epoch};
pub use decode::Decoder;
pub use event::{Data, Event, EventId, EventKey, EventType, FieldError, Retry, Topic};
pub use time::Moment;

/// The version of the wire format, told to every reader in its `connected` event.
///
/// It grows when an old client could misread a new server; new fields and new control events do
/// not change it, since readers ignore what they do not know.
pub const PROTOCOL_VERSION: u32 = 1;

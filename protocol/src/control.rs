//! The events that Heartwire itself sends, and their data on the wire.
//!
//! Nobody can publish under these names. Their data is one JSON object; readers ignore members
//! that they do not know, and writers never drop one, so that both ends can be upgraded alone.

use crate::event::EventType;
use serde::{Deserialize, Serialize};

/// A control event: the event type says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// The first event of every stream.
    Connected(Connected),
    /// A sign of life on a quiet stream.
    Heartbeat(Heartbeat),
    /// Events between two cursors are gone.
    Gap(Gap),
    /// The token that the reader came with expires soon.
    Expiring(Expiring),
    /// The server is about to end the stream.
    Closing(Closing),
}

/// The first event of every stream: what to expect of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The version of the wire format: [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
    pub protocol: u32,
    /// The longest silence on a healthy link, in milliseconds; `null` when the server sends no heartbeats.
    pub heartbeat_interval_ms: Option<u64>,
    /// Whether the reader goes on exactly where it said it had left off. When it named no resume
    /// point this is `false`; when it named one that could not be honoured, a `gap` follows.
    pub resumed: bool,
    /// The server's wall clock, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
}

/// A sign of life. Its id is the reader's position, so that a reader of a quiet topic never
/// resumes from a point that has been evicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The server's wall clock, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
}

/// Events between two cursors are gone for this reader. What follows is complete again.
///
/// Its id is the reader's place from here on. Where that lies before `to`, the reader is a slow one that
/// gets some events of the gap after all: see section 4.3.1 of `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last cursor before the gap, as the reader named it; `null` when that was not a cursor.
    pub from: Option<String>,
    /// The last cursor of the gap: what comes after it is complete again.
    pub to: String,
    /// Why the events are gone.
    pub reason: GapReason,
}

/// Why events are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The history no longer reaches back that far.
    Evicted,
    /// The log has begun a new life: what the old one held is unknown to this server. Everything
    /// that the new log still holds follows.
    OtherEpoch,
    /// The reader was too slow, and was moved forward.
    Lagged,
    /// The resume point is not a cursor of this server. The reader goes on with new events.
    BadCursor,
    /// A reason of a newer server.
    #[serde(other)]
    Unknown,
}

/// The token that the reader came with expires soon, and the stream ends then. A reader that comes back
/// with a fresh one before that notices nothing of the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// How long the token is still good for, in milliseconds.
    pub expires_in_ms: u64,
}

/// The server is about to end the stream, and when to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Why the stream ends.
    pub reason: ClosingReason,
    /// How long to stay away, in milliseconds. Servers spread it, so that a fleet does not come
    /// back in one moment.
    pub retry_ms: u64,
}

/// Why a server ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosingReason {
    /// The server shuts down.
    Draining,
    /// The stream has reached the longest life that the server gives one.
    Rotated,
    /// The reader was too slow: it may resume, and is told what it missed.
    Lagged,
    /// The token that the reader came with has expired.
    TokenExpired,
    /// Streaming was switched off: poll instead.
    Disabled,
    /// No stream was begun: the server holds as many as it may.
    TooManyConnections,
    /// No stream was begun: the client's address holds as many as one may.
    TooManyFromAddress,
    /// No stream was begun: the client's identity holds as many as one may.
    TooManyOfIdentity,
    /// No stream was begun: the client asks too often.
    TooManyRequests,
    /// No stream was begun: the server keeps as many topics as it may.
    NoRoomForTopic,
    /// A reason of a newer server.
    #[serde(other)]
    Unknown,
}

impl GapReason {
    /// Reads the word on the wire; one of a newer server is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let known = [Self::Evicted, Self::OtherEpoch, Self::Lagged, Self::BadCursor];
        known.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// The word for it, on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::OtherEpoch => "other-epoch",
            Self::Lagged => "lagged",
            Self::BadCursor => "bad-cursor",
            Self::Unknown => "unknown",
        }
    }
}

impl ClosingReason {
    /// Reads the word on the wire; one of a newer server is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let known = [
            Self::Draining,
            Self::Rotated,
            Self::Lagged,
            Self::TokenExpired,
            Self::Disabled,
            Self::TooManyConnections,
            Self::TooManyFromAddress,
            Self::TooManyOfIdentity,
            Self::TooManyRequests,
            Self::NoRoomForTopic,
        ];
        known.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// The word for it, on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Rotated => "rotated",
            Self::Lagged => "lagged",
            Self::TokenExpired => "token-expired",
            Self::Disabled => "disabled",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyFromAddress => "too-many-from-address",
            Self::TooManyOfIdentity => "too-many-of-identity",
            Self::TooManyRequests => "too-many-requests",
            Self::NoRoomForTopic => "no-room-for-topic",
            Self::Unknown => "unknown",
        }
    }
}

impl Control {
    /// Whether events of this type are control events.
    ///
    /// ```
    /// use heartwire_protocol::Control;
    ///
    /// assert!(Control::is_control_type("gap"));
    /// assert!(!Control::is_control_type("progress"));
    /// ```
    #[must_use]
    pub fn is_control_type(event_type: &str) -> bool {
        matches!(event_type, "connected" | "heartbeat" | "gap" | "expiring" | "closing")
    }

    /// The type under which this event is sent.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        EventType::control(match self {
            Self::Connected(_) => "connected",
            Self::Heartbeat(_) => "heartbeat",
            Self::Gap(_) => "gap",
            Self::Expiring(_) => "expiring",
            Self::Closing(_) => "closing",
        })
    }
}

#[cfg(feature = "json")]
impl Control {
    /// The data of this event, as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Connected(data) => serde_json::to_string(data),
            Self::Heartbeat(data) => serde_json::to_string(data),
            Self::Gap(data) => serde_json::to_string(data),
            Self::Expiring(data) => serde_json::to_string(data),
            Self::Closing(data) => serde_json::to_string(data),
        }
        .expect("plain structs of numbers and strings always have a JSON form")
    }

    /// Reads the data of a control event; `None` when `event_type` is not the type of one.
    ///
    /// # Errors
    /// The data is not what the protocol says it is.
    pub fn from_json(event_type: &str, data: &str) -> Option<Result<Self, serde_json::Error>> {
        Some(match event_type {
            "connected" => serde_json::from_str(data).map(Self::Connected),
            "heartbeat" => serde_json::from_str(data).map(Self::Heartbeat),
            "gap" => serde_json::from_str(data).map(Self::Gap),
            "expiring" => serde_json::from_str(data).map(Self::Expiring),
            "closing" => serde_json::from_str(data).map(Self::Closing),
            _ => return None,
        })
    }

    /// This event as the server sends it, at the reader's position `id`.
    #[must_use]
    pub fn to_event(&self, id: Option<crate::EventId>) -> crate::Event {
        crate::Event { id, event_type: self.event_type(), data: crate::Data::new(&self.to_json()) }
    }
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn control_data_is_the_json_of_the_protocol_document() {
        let check = |control: Control, event_type: &str, json: &str| {
            assert_eq!(control.event_type().as_str(), event_type);
            assert_eq!(control.to_json(), json);
            assert_eq!(Control::from_json(event_type, json).unwrap().unwrap(), control);
        };
        check(
            Control::Connected(Connected {
                protocol: 1,
                heartbeat_interval_ms: Some(30_000),
                resumed: true,
                time_ms: 5,
            }),
            "connected",
            r#"{"protocol":1,"heartbeat_interval_ms":30000,"resumed":true,"time_ms":5}"#,
        );
        check(Control::Heartbeat(Heartbeat { time_ms: 5 }), "heartbeat", r#"{"time_ms":5}"#);
        check(
            Control::Gap(Gap { from: Some("a-1".into()), to: "b-0".into(), reason: GapReason::OtherEpoch }),
            "gap",
            r#"{"from":"a-1","to":"b-0","reason":"other-epoch"}"#,
        );
        check(Control::Expiring(Expiring { expires_in_ms: 30_000 }), "expiring", r#"{"expires_in_ms":30000}"#);
        check(
            Control::Closing(Closing { reason: ClosingReason::TokenExpired, retry_ms: 250 }),
            "closing",
            r#"{"reason":"token-expired","retry_ms":250}"#,
        );
    }

    #[test]
    fn every_reason_has_the_same_word_on_the_wire_and_for_people() {
        use {ClosingReason as C, GapReason as G};
        for reason in [G::Evicted, G::OtherEpoch, G::Lagged, G::BadCursor, G::Unknown] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(reason, G::from_word(reason.as_str()));
        }
        for reason in [
            C::Draining,
            C::Rotated,
            C::Lagged,
            C::TokenExpired,
            C::Disabled,
            C::TooManyConnections,
            C::TooManyFromAddress,
            C::TooManyOfIdentity,
            C::TooManyRequests,
            C::NoRoomForTopic,
            C::Unknown,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(reason, C::from_word(reason.as_str()));
        }
    }

    #[test]
    fn a_reader_survives_what_a_newer_server_adds() {
        let newer = Control::from_json("closing", r#"{"reason":"eclipse","retry_ms":1,"moon":true}"#).unwrap().unwrap();
        assert_eq!(newer, Control::Closing(Closing { reason: ClosingReason::Unknown, retry_ms: 1 }));
        assert!(Control::from_json("progress", "{}").is_none());
        assert!(Control::from_json("gap", "not json").unwrap().is_err());
    }
}

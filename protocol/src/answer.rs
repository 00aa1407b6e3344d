//! The JSON answers beside the stream: a poll, the health of the switch, a ticket, a refusal.

use crate::control::{ClosingReason, Gap};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What `GET /events/poll` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollAnswer {
    /// The events after the cursor, oldest first.
    pub events: Vec<PolledEvent>,
    /// Where to go on: the next poll's cursor, and just as good as a stream's resume point.
    pub cursor: String,
    /// What was missed before `events`, or `null`.
    pub gap: Option<Gap>,
}

/// One event of a [`PollAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolledEvent {
    /// The same id as on the stream.
    pub id: String,
    /// The event type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The payload, never compressed: the answer itself may be.
    pub data: String,
    /// The topic it was published under.
    pub topic: String,
}

/// What `GET /events/health` answers: may a client open a stream here, and what would it find?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthAnswer {
    /// Whether streaming is switched on.
    pub enabled: bool,
    /// How many streams are open.
    pub active_connections: u64,
    /// How many may be; `null` when there is no limit.
    pub max_connections: Option<u64>,
    /// The heartbeat interval in seconds; `null` when no heartbeats are sent.
    pub heartbeat_interval: Option<f64>,
}

/// What `POST /events/ticket` answers.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketAnswer {
    /// Opens one stream, as the parameter `ticket` of its URL.
    pub ticket: String,
    /// For how many seconds it is good.
    pub expires_in: f64,
}

impl fmt::Debug for TicketAnswer {
    /// Leaves the ticket out: it must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// The [`code`](RefusalAnswer::code) of a server whose half of the one switch is off.
pub const DISABLED_CODE: &str = "sse-disabled";

/// What every refusal answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalAnswer {
    /// One helpful sentence.
    pub detail: String,
    /// A stable word for programs.
    pub code: String,
}

impl RefusalAnswer {
    /// Why a stream was refused, where the reason is one that ends by waiting.
    #[must_use]
    pub fn closing_reason(&self) -> Option<ClosingReason> {
        use ClosingReason::{
            NoRoomForTopic, TooManyConnections, TooManyFromAddress, TooManyOfIdentity, TooManyRequests,
        };
        if self.code == DISABLED_CODE {
            return Some(ClosingReason::Disabled);
        }
        // On a stream it is the same word.
        let reasons = [TooManyConnections, TooManyFromAddress, TooManyOfIdentity, TooManyRequests, NoRoomForTopic];
        reasons.into_iter().find(|reason| reason.as_str() == self.code)
    }
}

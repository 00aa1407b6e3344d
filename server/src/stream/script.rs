//! What a stream says, and when it goes.
//!
//! Whoever writes a stream, as a response body or straight to a socket, takes its words from here,
//! so that the bytes are the same.

use crate::config::HubConfig;
use crate::environment;
use crate::hub::Hub;
use crate::subscription::{Ended, Subscription};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Gap, Heartbeat};
use heartwire_protocol::{Control, Cursor, PROTOCOL_VERSION, Retry, encode};
use std::time::Duration;

/// How long a client stays away at most after an end that concerns it alone.
const SHORT_RETRY: Duration = Duration::from_secs(1);

/// The first words of every stream. The comment is what makes proxies let the head through.
pub(super) fn opening(subscription: &mut Subscription) -> Vec<u8> {
    let cursor = subscription.cursor();
    let gap = subscription.take_gap();
    let connected = Control::Connected(Connected {
        protocol: PROTOCOL_VERSION,
        heartbeat_interval_ms: subscription.hub().config().heartbeat_interval.map(whole_millis),
        resumed: subscription.resumed(),
        time_ms: environment::wall_clock_ms(),
    });
    let mut out = Vec::new();
    encode::comment("heartwire", &mut out);
    // With an id here, a link that is cut before the gap arrives would resume behind the gap.
    let id = gap.is_none().then(|| cursor.into());
    encode::event(&connected.to_event(id), &mut out);
    if let Some(gap) = gap {
        subscription.hub().metrics().told_gap(gap.reason);
        out.extend(self::gap(gap, cursor));
    }
    out
}

/// What the reader missed, and where it goes on.
pub(crate) fn gap(gap: Gap, position: Cursor) -> Vec<u8> {
    let mut out = Vec::new();
    encode::event(&Control::Gap(gap).to_event(Some(position.into())), &mut out);
    out
}

pub(crate) fn heartbeat(position: Cursor) -> Vec<u8> {
    let heartbeat = Control::Heartbeat(Heartbeat { time_ms: environment::wall_clock_ms() });
    let mut out = Vec::new();
    encode::event(&heartbeat.to_event(Some(position.into())), &mut out);
    out
}

/// The last words of a stream.
pub(crate) fn closing(ended: Ended, position: Cursor, hub: &Hub) -> Vec<u8> {
    let away = match ended {
        Ended::Draining => hub.config().drain_window,
        Ended::Lagged | Ended::Rotated | Ended::Disabled => SHORT_RETRY,
    };
    let retry = environment::random_part(away);
    let reason = ended.closing_reason();
    tracing::debug!(?reason, %position, "stream ends");
    last_words(reason, retry, Some(position))
}

/// All that a stream says to a reader who is refused one. `resume_point`: what the reader came with.
pub(crate) fn refusal(reason: ClosingReason, retry: Duration, resume_point: Option<Cursor>) -> Vec<u8> {
    let mut out = Vec::new();
    encode::comment("heartwire", &mut out);
    out.extend(last_words(reason, retry, resume_point));
    out
}

fn last_words(reason: ClosingReason, retry: Duration, position: Option<Cursor>) -> Vec<u8> {
    let closing = Control::Closing(Closing { reason, retry_ms: whole_millis(retry) });
    let mut out = Vec::new();
    // For a bare EventSource, which does not read what `closing` says.
    encode::retry(Retry::new(retry), &mut out);
    encode::event(&closing.to_event(position.map(Into::into)), &mut out);
    out
}

/// How long a stream waits for its turn before it says its last words. Draws anew at each call.
pub(crate) fn delay_before_closing(ended: Ended, hub: &Hub) -> Duration {
    match ended {
        Ended::Draining => environment::random_part(hub.draining().map_or(Duration::ZERO, |drain| drain.span)),
        Ended::Lagged | Ended::Rotated | Ended::Disabled => Duration::ZERO,
    }
}

/// How long a stream may live. Draws anew at each call: streams that were opened in one moment must
/// not end in one.
pub(crate) fn lifetime(config: &HubConfig) -> Option<Duration> {
    config.connection_timeout.map(|longest| longest - environment::random_part(longest / 10))
}

fn whole_millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

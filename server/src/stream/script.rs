//! What a stream says, and when it goes.
//!
//! Whoever writes a stream, as a response body or straight to a socket, takes its words from here,
//! so that the bytes are the same.

use crate::config::HubConfig;
use crate::environment;
use crate::hub::Hub;
use crate::subscription::{Ended, Subscription};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Expiring, Gap, Heartbeat};
use heartwire_protocol::{Control, Cursor, PROTOCOL_VERSION, Retry, encode};
use std::time::Duration;

/// How long a client stays away at most after an end that concerns it alone.
const SHORT_RETRY: Duration = Duration::from_secs(1);

/// A warning that leaves less time than this helps nobody.
const LEAST_WARNING: Duration = Duration::from_secs(1);

/// How a stream ends by itself, if nothing else ends it before. Spans count from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// When its reader is told that its token expires soon.
    pub(crate) warn_after: Option<Duration>,
    pub(crate) end_after: Duration,
    pub(crate) ended: Ended,
}

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
    // A link may be cut before the gap arrives, and the reader must not resume behind it. So it is told the place that
    // it came with; [spec] without any id a bare `EventSource` would forget that.
    let place = match &gap {
        Some(gap) => gap.from.as_deref().and_then(|from| from.parse().ok()),
        None => Some(cursor),
    };
    encode::event(&connected.to_event(place.map(Cursor::into)), &mut out);
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

/// The token that the reader came with expires soon.
pub(crate) fn expiring(expires_in: Duration, position: Cursor) -> Vec<u8> {
    let expiring = Control::Expiring(Expiring { expires_in_ms: whole_millis(expires_in) });
    let mut out = Vec::new();
    encode::event(&expiring.to_event(Some(position.into())), &mut out);
    out
}

/// The last words of a stream.
pub(crate) fn closing(ended: Ended, position: Cursor, hub: &Hub) -> Vec<u8> {
    let away = match ended {
        Ended::Draining => hub.config().drain_window,
        Ended::Lagged | Ended::Rotated | Ended::TokenExpired | Ended::Disabled => SHORT_RETRY,
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
        Ended::Lagged | Ended::Rotated | Ended::TokenExpired | Ended::Disabled => Duration::ZERO,
    }
}

/// How a stream ends whose reader's token is good for so long; `None` when it lives as long as its reader.
/// Draws anew at each call: streams that were opened in one moment must not end in one.
pub(crate) fn life(config: &HubConfig, expires_in: Option<Duration>) -> Option<Life> {
    let rotation = config.connection_timeout.map(|longest| longest - environment::random_part(longest / 10));
    match (rotation, expires_in) {
        // The next stream is opened with the same token, and warns of its end.
        (Some(end_after), expires_in) if expires_in.is_none_or(|expires_in| end_after < expires_in) => {
            Some(Life { warn_after: None, end_after, ended: Ended::Rotated })
        }
        (_, Some(end_after)) => {
            let warning = config.token_warning.map(|warning| warning.min(end_after / 2));
            let warn_after = warning.filter(|warning| *warning >= LEAST_WARNING).map(|warning| end_after - warning);
            Some(Life { warn_after, end_after, ended: Ended::TokenExpired })
        }
        (_, None) => None,
    }
}

fn whole_millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_with_its_token_or_before() {
        let seconds = Duration::from_secs;
        let check = |timeout: Option<u64>, warning: Option<u64>, expires_in: Option<u64>, expected: Option<Life>| {
            let (connection_timeout, token_warning) = (timeout.map(seconds), warning.map(seconds));
            let config = HubConfig { connection_timeout, token_warning, ..HubConfig::default() };
            assert_eq!(life(&config, expires_in.map(seconds)), expected, "{timeout:?} {warning:?} {expires_in:?}");
        };
        let expiring = |warn_after: Option<u64>, end_after| {
            Some(Life {
                warn_after: warn_after.map(seconds),
                end_after: seconds(end_after),
                ended: Ended::TokenExpired,
            })
        };
        check(None, Some(30), None, None);
        check(None, Some(30), Some(1_800), expiring(Some(1_770), 1_800));
        check(None, None, Some(1_800), expiring(None, 1_800));
        check(None, Some(30), Some(20), expiring(Some(10), 20));
        check(None, Some(30), Some(1), expiring(None, 1));
        check(None, Some(30), Some(0), expiring(None, 0));
        check(Some(3_600), Some(30), Some(1_800), expiring(Some(1_770), 1_800));

        let config = HubConfig { connection_timeout: Some(seconds(100)), ..HubConfig::default() };
        for expires_in in [None, Some(seconds(1_800))] {
            let Life { warn_after, end_after, ended } = life(&config, expires_in).unwrap();
            assert_eq!((warn_after, ended), (None, Ended::Rotated));
            assert!((seconds(90)..=seconds(100)).contains(&end_after), "{end_after:?}");
        }
    }
}

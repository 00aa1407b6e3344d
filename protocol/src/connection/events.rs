//! What a stream or a poll brings: whether the page has had it, and where the next one begins.

use super::{Action, Connection, Link, Loss, Notice, Plan, PollRequest, Polling, Settings, SilenceLimit};
use crate::backoff::Backoff;
use crate::control::{Closing, Connected, Control, Expiring, Gap, Heartbeat};
use crate::cursor::Cursor;
use crate::heartbeat::silence_limit;
use crate::time::{Moment, part};
use core::time::Duration;

impl Connection {
    #[inline]
    pub(super) fn event(&mut self, link: Link, id: &[u8], now: Moment) {
        if !self.heard(link, now) && !self.is_poll(link) {
            return;
        }
        if let Plan::Polling(Polling { request: PollRequest::Sent { n_events, .. }, .. }) = &mut self.plan {
            *n_events += 1;
        }
        // An event without an id of its own comes with the last one, be it that of a control event.
        if self.advance(id) || (self.moved_by_control && self.last_event_id == id) {
            self.counters.delivered_total += 1;
            self.actions.push_back(Action::Deliver);
        } else {
            self.counters.duplicates_total += 1;
        }
    }

    pub(super) fn control(&mut self, link: Link, id: &str, control: Control, now: Moment) {
        if let Control::Closing(Closing { reason, retry_ms }) = control
            && self.stream(link).is_some_and(|stream| stream.first_event_by.is_some())
        {
            // A stream that begins with its end is a refusal, in words that a browser lets a page hear.
            self.lost(Loss::Closing(reason), None, Some(Duration::from_millis(retry_ms)), now);
            return;
        }
        if !self.heard(link, now) && !self.is_poll(link) {
            return;
        }
        match control {
            Control::Connected(Connected { heartbeat_interval_ms, time_ms, .. }) => {
                self.advance_by_control(id);
                let from_server = self.settings.silence == SilenceLimit::FromServer;
                if let Some(stream) = self.stream(link) {
                    if from_server {
                        let interval = heartbeat_interval_ms.map(Duration::from_millis);
                        stream.watchdog.set_limit(interval.map(silence_limit));
                    }
                    stream.latency(time_ms, now);
                }
            }
            Control::Heartbeat(Heartbeat { time_ms }) => {
                self.advance_by_control(id);
                self.counters.heartbeats_total += 1;
                if let Some(stream) = self.stream(link) {
                    let latency = stream.latency(time_ms, now);
                    self.tell(Notice::Heartbeat { latency });
                }
            }
            // By the other transport the page has come past it already.
            Control::Gap(gap) if self.has_passed(&gap) => {}
            Control::Gap(gap) => {
                if leads_back(&gap) {
                    // Not `advance`: the place to go on lies before the one we thought.
                    self.go_on_after(gap.to.as_bytes(), gap.to.parse().ok());
                } else {
                    // The id and not `to`: a slow reader may get some events of the gap after all.
                    self.advance_by_control(if id.is_empty() { &gap.to } else { id });
                }
                self.counters.gaps_total += 1;
                self.tell(Notice::Gap(gap));
            }
            Control::Expiring(Expiring { expires_in_ms }) => {
                self.advance_by_control(id);
                let expires_in = Duration::from_millis(expires_in_ms);
                // Not all clients at once that were given their tokens in one moment, and all in the first half,
                // since to get another may take its time.
                let drawn = now + part(expires_in, self.rng.f64() / 2.0);
                let Settings { renews_token, backoff: Backoff { base_delay, .. }, .. } = self.settings;
                if let Some(stream) = self.stream(link) {
                    // A server that never finds a token fresh enough must not be asked without a pause.
                    let renew_at = drawn.max(stream.since + base_delay);
                    stream.renew_at = renews_token.then_some(renew_at);
                    self.tell(Notice::Expiring { expires_in });
                }
            }
            Control::Closing(closing) => {
                self.advance_by_control(id);
                let retry = Duration::from_millis(closing.retry_ms);
                self.lost(Loss::Closing(closing.reason), None, Some(retry), now);
            }
        }
    }

    fn advance_by_control(&mut self, id: &str) {
        if !id.is_empty() && self.advance(id.as_bytes()) {
            self.moved_by_control = true;
        }
    }

    /// Moves the resume point forward; `false` when it has been there already.
    #[inline]
    pub(super) fn advance(&mut self, id: &[u8]) -> bool {
        if id.is_empty() {
            return true;
        }
        let cursor = Cursor::from_bytes(id).ok();
        if let (Some(new), Some(last)) = (cursor, self.cursor)
            && new.is_behind_or_at(last)
        {
            return false;
        }
        self.go_on_after(id, cursor);
        true
    }

    #[inline]
    fn go_on_after(&mut self, id: &[u8], cursor: Option<Cursor>) {
        self.cursor = cursor;
        self.moved_by_control = false;
        id.clone_into(&mut self.last_event_id);
    }

    /// Whether the whole of a gap lies behind the resume point. A gap that leads back never does.
    fn has_passed(&self, gap: &Gap) -> bool {
        let (Ok(to), Some(last)) = (gap.to.parse::<Cursor>(), self.cursor) else { return false };
        to.is_behind_or_at(last) && !leads_back(gap)
    }
}

/// Whether a gap ends before it begins, since the server does not know the place that it was asked for.
fn leads_back(gap: &Gap) -> bool {
    let from = gap.from.as_deref().and_then(|from| from.parse::<Cursor>().ok());
    let (Some(from), Ok(to)) = (from, gap.to.parse::<Cursor>()) else { return false };
    from.epoch == to.epoch && !from.is_behind_or_at(to)
}

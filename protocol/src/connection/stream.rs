//! From the first try of a stream to its loss, and what comes then.

use super::life::{GRACE, OFFLINE_DELAY};
use super::{Action, ClosedReason, Connection, Link, Loss, Plan, PollReason, Polling, SilenceLimit, State, earliest};
use crate::control::ClosingReason;
use crate::heartbeat::Watchdog;
use crate::time::Moment;
use core::time::Duration;

/// The longest time that a server can make a client stay away: ten minutes. Asked for more, the
/// client comes back after that long.
pub const MAX_HINT: Duration = Duration::from_secs(600);
/// So many silent links in a row, none of them healthy before, and the way is taken for blocked.
const SILENCES_UNTIL_BLOCKED: u32 = 2;
/// So many refused streams in a row, by something between the two or from a server that is well, and the way is taken for blocked.
const REFUSALS_UNTIL_BLOCKED: u32 = 3;
/// A timer that fires so late was held back: by a browser that throttles a hidden page, or by whatever kept the
/// page busy. What came from the peer meanwhile may still be waiting behind it.
const LATE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) link: Link,
    pub(super) since: Moment,
    /// When the first event must have come; `None` once it has.
    pub(super) first_event_by: Option<Moment>,
    pub(super) watchdog: Watchdog,
    /// The peer should have been heard by now, but perhaps only we were away. Any sound clears it.
    pub(super) last_chance: Option<LastChance>,
    /// When another stream, with a fresh token, takes its place.
    pub(super) renew_at: Option<Moment>,
    /// The smallest difference seen between our clock and the server's, in ms.
    pub(super) clock_offset_ms: Option<i64>,
}

/// Until when a stream is given to be heard, and what it is lost to otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastChance {
    pub(super) until: Moment,
    pub(super) loss: Loss,
}

impl Connection {
    pub(super) fn connect(&mut self, now: Moment) {
        let stream = self.open_stream(now);
        self.plan = Plan::Streaming(stream);
        self.tell_state(State::Connecting { attempt: self.attempt });
    }

    pub(super) fn open_stream(&mut self, now: Moment) -> Stream {
        self.counters.attempts_total += 1;
        let link = self.new_link();
        self.actions.push_back(Action::OpenStream { link, resume: self.resume() });
        Stream {
            link,
            since: now,
            first_event_by: Some(now + self.settings.connect_timeout),
            watchdog: Watchdog::new(None, now),
            last_chance: None,
            renew_at: None,
            clock_offset_ms: None,
        }
    }

    /// The open stream, if it is this one.
    #[inline]
    pub(super) fn stream(&mut self, link: Link) -> Option<&mut Stream> {
        self.any_stream().filter(|stream| stream.link == link)
    }

    #[inline]
    pub(super) fn any_stream(&mut self) -> Option<&mut Stream> {
        match &mut self.plan {
            Plan::Streaming(stream) => Some(stream),
            Plan::Polling(polling) => polling.probe.as_mut(),
            _ => None,
        }
    }

    /// Some bytes came: the peer lives. Whether the stream works is still for its first event to show,
    /// since a proxy may pass on the first bytes alone.
    pub(super) fn bytes(&mut self, link: Link, now: Moment) {
        let connect_timeout = self.settings.connect_timeout;
        let Some(stream) = self.stream(link) else { return };
        stream.heard(now);
        if let Some(deadline) = &mut stream.first_event_by {
            *deadline = now + connect_timeout;
        }
        self.offline = false;
    }

    /// An event came by stream: the peer lives, and if it is the first one, the stream works.
    #[inline]
    pub(super) fn heard(&mut self, link: Link, now: Moment) -> bool {
        let silence = self.settings.silence;
        let Some(stream) = self.stream(link) else { return false };
        stream.heard(now);
        if stream.first_event_by.take().is_some() {
            if let SilenceLimit::Fixed(limit) = silence {
                stream.watchdog.set_limit(Some(limit));
            }
            self.stream_works();
        }
        self.offline = false;
        true
    }

    /// Another stream takes the place of one whose token expires soon, and begins where that one ends. The page
    /// is told nothing: for all that it can see, the link goes on.
    fn renew(&mut self, now: Moment) {
        let Plan::Streaming(stream) = &self.plan else { return };
        self.actions.push_back(Action::CloseStream { link: stream.link });
        if stream.heard_for() >= self.settings.healthy_after {
            self.count_afresh();
        }
        let stream = self.open_stream(now);
        self.plan = Plan::Streaming(stream);
    }

    /// Whatever went wrong before counts no more.
    pub(super) fn count_afresh(&mut self) {
        self.attempt = 0;
        self.silences_in_a_row = 0;
        self.refusals_in_a_row = 0;
    }

    fn stream_works(&mut self) {
        self.counters.opened_total += 1;
        self.refusals_in_a_row = 0;
        self.plan = match core::mem::replace(&mut self.plan, Plan::Closed) {
            Plan::Polling(Polling { probe: Some(stream), request, .. }) => {
                self.cancel(request);
                Plan::Streaming(stream)
            }
            plan => plan,
        };
        self.health = None;
        self.tell_state(State::Open);
    }

    pub(super) fn stream_lost(&mut self, link: Link, status: Option<u16>, retry_after: Option<Duration>, now: Moment) {
        let Some(stream) = self.stream(link) else { return };
        // [spec] 204 is the standard's way to say stop.
        if status == Some(204) {
            self.close(ClosedReason::Stopped);
            return;
        }
        let loss = if stream.first_event_by.is_some() { Loss::Refused } else { Loss::Cut };
        self.lost(loss, status, retry_after, now);
    }

    /// The stream is over. The one place that decides what comes next.
    pub(super) fn lost(&mut self, loss: Loss, status: Option<u16>, hint: Option<Duration>, now: Moment) {
        let disabled = loss == Loss::Closing(ClosingReason::Disabled);
        let is_told = matches!(loss, Loss::Closing(_));
        self.counters.losses_total += 1;
        if loss == Loss::Silent {
            self.counters.silences_total += 1;
        }
        if let Plan::Polling(polling) = &mut self.plan {
            // It was only tried out: polling goes on.
            if let Some(stream) = polling.probe.take() {
                self.actions.push_back(Action::CloseStream { link: stream.link });
                if disabled {
                    self.polls_since_disabled(now);
                    return;
                }
                self.schedule_probe(now);
                if status.is_none() && !is_told {
                    self.ask_health(now);
                }
            }
            return;
        }
        let Plan::Streaming(stream) = core::mem::replace(&mut self.plan, Plan::NotStarted) else { return };
        self.actions.push_back(Action::CloseStream { link: stream.link });
        let worked = stream.first_event_by.is_none();

        if stream.heard_for() >= self.settings.healthy_after {
            self.count_afresh();
        }
        if matches!(loss, Loss::Silent | Loss::ConnectTimeout) {
            self.silences_in_a_row += 1;
        }
        if self.settings.polling {
            if disabled {
                self.start_polling(PollReason::ServerDisabled, now);
                return;
            }
            if self.silences_in_a_row >= SILENCES_UNTIL_BLOCKED {
                self.start_polling(PollReason::StreamBlocked, now);
                return;
            }
        }
        self.wait(loss, hint, now);
        if worked || is_told {
            return;
        }
        match status {
            None => self.ask_health(now),
            // The server's own word, which a poll would get as well.
            Some(400..=499) => {}
            Some(_) if hint.is_some() => {}
            Some(_) => {
                // The delays go on where they are: no poll has shown yet that the server is well.
                let attempt = self.attempt;
                self.refused(now);
                self.attempt = attempt;
            }
        }
    }

    /// A stream was refused, by something that is not the server's own will.
    pub(super) fn refused(&mut self, now: Moment) {
        self.refusals_in_a_row += 1;
        let may_poll = self.settings.polling && matches!(self.plan, Plan::Waiting { .. });
        if may_poll && self.refusals_in_a_row >= REFUSALS_UNTIL_BLOCKED {
            self.start_polling(PollReason::StreamBlocked, now);
        }
    }

    pub(super) fn wait(&mut self, reason: Loss, hint: Option<Duration>, now: Moment) {
        self.plan = Plan::NotStarted;
        if let Some(mut delay) = self.next_delay(hint, now) {
            if matches!(reason, Loss::Slept | Loss::Offline) && !self.offline {
                // It was our side that was away: the server has not been asked in vain.
                delay = self.soon(now) - now;
            }
            self.plan = Plan::Waiting { until: now + delay };
            self.tell_state(State::Waiting { attempt: self.attempt, delay, reason });
        }
    }

    /// The delay before the next attempt, or `None` and the end when all are used up.
    pub(super) fn next_delay(&mut self, hint: Option<Duration>, now: Moment) -> Option<Duration> {
        let hint = hint.unwrap_or_default().min(MAX_HINT);
        self.not_before = now + hint;
        if self.offline {
            // It costs no attempt: the server has nothing to do with it.
            self.attempt = self.attempt.max(1);
            return Some(OFFLINE_DELAY.max(hint));
        }
        if self.settings.max_attempts.is_some_and(|most| self.attempt >= most) {
            self.close(ClosedReason::GaveUp);
            return None;
        }
        if self.attempt == 0 {
            self.place = self.rng.f64();
        }
        self.attempt = self.attempt.saturating_add(1);
        // On top of the hint: a server may have given many clients the same one.
        Some(hint + self.settings.backoff.delay(self.attempt, self.place))
    }

    pub(super) fn check_stream(&mut self, now: Moment) {
        let Some(stream) = self.any_stream() else { return };
        if stream.renew_at.is_some_and(|at| now >= at) {
            // Also when it was not heard for too long: the next one shows whether the peer is there.
            return self.renew(now);
        }
        let Some((deadline, loss)) = stream.judgement().filter(|(deadline, _)| now >= *deadline) else { return };
        if stream.last_chance.is_none() && now - deadline >= LATE {
            stream.last_chance = Some(LastChance { until: now + GRACE, loss });
        } else {
            self.lost(loss, None, None, now);
        }
    }
}

impl Stream {
    pub(super) fn deadline(&self) -> Option<Moment> {
        earliest([self.judgement().map(|(deadline, _)| deadline), self.renew_at])
    }

    /// When the stream is lost unless it is heard before, and to what.
    fn judgement(&self) -> Option<(Moment, Loss)> {
        if let Some(LastChance { until, loss }) = self.last_chance {
            return Some((until, loss));
        }
        match self.first_event_by {
            Some(deadline) => Some((deadline, Loss::ConnectTimeout)),
            None => self.watchdog.deadline().map(|deadline| (deadline, Loss::Silent)),
        }
    }

    /// When a stream that is well has been heard.
    pub(super) fn expected_by(&self) -> Option<Moment> {
        self.first_event_by.or_else(|| self.watchdog.expected_by())
    }

    pub(super) fn heard(&mut self, now: Moment) {
        self.watchdog.heard(now);
        self.last_chance = None;
    }

    /// For how long something was heard. A proxy that lets the first bytes through and swallows the
    /// rest makes a stream that is open for long and heard for a moment.
    fn heard_for(&self) -> Duration {
        self.watchdog.last_heard() - self.since
    }

    pub(super) fn latency(&mut self, server_time_ms: u64, now: Moment) -> Duration {
        // What is beyond 300 million years is a server's nonsense, and costs nothing but the figure.
        let offset = now.since_origin_ms().wrapping_sub(server_time_ms).cast_signed();
        let fastest = self.clock_offset_ms.map_or(offset, |fastest| fastest.min(offset));
        self.clock_offset_ms = Some(fastest);
        Duration::from_millis(offset.wrapping_sub(fastest).cast_unsigned())
    }
}

//! Polling in the place of a stream, and how it finds back to one.

use super::{Action, Connection, Link, Loss, Plan, PollReason, Resume, State, Stream, earliest};
use crate::time::{Moment, part};
use core::time::Duration;

/// So many failed polls in a row and a stream is worth another try.
const FAILED_POLLS_UNTIL_STREAM: u32 = 3;
/// So many events in one answer, and more may wait behind its cursor: the next poll follows at once.
const FULL_POLL: u32 = 100;
/// A blocked way is probed ever more rarely, down to a probe in so many intervals.
const MAX_PROBE_DOUBLINGS: u32 = 3;

#[derive(Debug)]
pub(super) struct Polling {
    pub(super) _is_compiled_in: CompiledIn,
    pub(super) reason: PollReason,
    pub(super) request: PollRequest,
    pub(super) failures_in_a_row: u32,
    /// The stream that is tried out beside polling.
    pub(super) probe: Option<Stream>,
    /// When to look next whether a stream works again.
    pub(super) probe_at: Option<Moment>,
    pub(super) probes: u32,
}

/// A value of this exists only where polling is compiled in. Otherwise there can be no `Polling` either, and the
/// compiler leaves out whatever is done with one.
#[cfg(feature = "polling")]
#[derive(Debug, Clone, Copy)]
pub(super) struct CompiledIn;

#[cfg(not(feature = "polling"))]
#[derive(Debug, Clone, Copy)]
pub(super) enum CompiledIn {}

impl CompiledIn {
    #[cfg(feature = "polling")]
    pub(super) const PROOF: Option<Self> = Some(Self);
    #[cfg(not(feature = "polling"))]
    pub(super) const PROOF: Option<Self> = None;
}

#[derive(Debug, Clone, Copy)]
pub(super) enum PollRequest {
    Sent { link: Link, sent_at: Moment, give_up_at: Moment, n_events: u32 },
    Next { at: Moment },
}

impl Connection {
    pub(super) fn start_polling(&mut self, reason: PollReason, now: Moment) {
        let Some(_is_compiled_in) = CompiledIn::PROOF else { return };
        self.count_afresh();
        self.health = None;
        let request = self.send_poll(now);
        self.plan = Plan::Polling(Polling {
            _is_compiled_in,
            reason,
            request,
            failures_in_a_row: 0,
            probe: None,
            probe_at: None,
            probes: 0,
        });
        self.schedule_probe(now);
        self.tell_state(State::Polling { reason });
    }

    fn send_poll(&mut self, now: Moment) -> PollRequest {
        let link = self.new_link();
        let wait = self.settings.poll_wait;
        self.actions.push_back(Action::Poll { link, resume: self.resume(), wait });
        PollRequest::Sent { link, sent_at: now, give_up_at: now + wait + self.settings.connect_timeout, n_events: 0 }
    }

    pub(super) fn is_poll(&self, link: Link) -> bool {
        match &self.plan {
            Plan::Polling(polling) => matches!(polling.request, PollRequest::Sent { link: sent, .. } if sent == link),
            _ => false,
        }
    }

    pub(super) fn poll_done(&mut self, link: Link, cursor: &str, now: Moment) {
        if !self.is_poll(link) {
            return;
        }
        self.advance(cursor.as_bytes());
        self.attempt = 0;
        self.offline = false;
        self.counters.polls_total += 1;
        let interval = self.settings.poll_interval;
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.failures_in_a_row = 0;
        if let PollRequest::Sent { sent_at, n_events, .. } = polling.request {
            let at = if n_events < FULL_POLL { (sent_at + interval).max(now) } else { now };
            polling.request = PollRequest::Next { at };
        }
        let reason = polling.reason;
        self.tell_state(State::Polling { reason });
    }

    pub(super) fn poll_failed(&mut self, hint: Option<Duration>, now: Moment) {
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.failures_in_a_row += 1;
        if polling.reason != PollReason::SwitchedOff && polling.failures_in_a_row >= FAILED_POLLS_UNTIL_STREAM {
            self.leave_polling();
            self.wait(Loss::PollFailed, hint, now);
            return;
        }
        let Some(delay) = self.next_delay(hint, now) else { return };
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.request = PollRequest::Next { at: now + delay };
        self.tell_state(State::Waiting { attempt: self.attempt, delay, reason: Loss::PollFailed });
    }

    pub(super) fn schedule_probe(&mut self, now: Moment) {
        let jitter = 0.5 + self.rng.f64() / 2.0;
        let interval = part(self.settings.probe_interval, jitter);
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.probe_at = match polling.reason {
            PollReason::SwitchedOff => None,
            PollReason::ServerDisabled => Some(now + interval),
            PollReason::StreamBlocked => {
                let doublings = polling.probes.min(MAX_PROBE_DOUBLINGS);
                Some(now + interval.saturating_mul(1 << doublings))
            }
        };
    }

    /// Looks whether a stream works again: by a cheap question where the server said no, by trying
    /// where the way is blocked.
    pub(super) fn probe(&mut self, now: Moment) {
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.probe_at = None;
        if self.offline {
            self.schedule_probe(now);
            return;
        }
        match polling.reason {
            PollReason::SwitchedOff => {}
            PollReason::ServerDisabled => {
                self.schedule_probe(now);
                self.ask_health(now);
            }
            PollReason::StreamBlocked => self.try_stream(now),
        }
    }

    pub(super) fn try_stream(&mut self, now: Moment) {
        if !matches!(self.resume(), Resume::After(_)) {
            // No poll has said yet where to begin. Beside one, the stream would begin elsewhere, and what
            // lies between the two would be left out without a word.
            self.leave_polling();
            self.connect(now);
            return;
        }
        let stream = self.open_stream(now);
        if let Plan::Polling(polling) = &mut self.plan {
            polling.probes += 1;
            polling.probe_at = None;
            polling.probe = Some(stream);
        }
    }

    pub(super) fn cancel(&mut self, request: PollRequest) {
        if let PollRequest::Sent { link, .. } = request {
            self.actions.push_back(Action::CancelPoll { link });
        }
    }

    pub(super) fn leave_polling(&mut self) {
        if let Plan::Polling(polling) = core::mem::replace(&mut self.plan, Plan::NotStarted) {
            self.cancel(polling.request);
            if let Some(stream) = polling.probe {
                self.actions.push_back(Action::CloseStream { link: stream.link });
            }
        }
    }

    // The server's health.

    pub(super) fn ask_health(&mut self, now: Moment) {
        // Without polling the answer would change nothing.
        let matters = self.settings.polling && !self.offline && !matches!(self.plan, Plan::Closed);
        if matters && self.health.is_none() {
            let link = self.new_link();
            self.health = Some((link, now + self.settings.connect_timeout));
            self.actions.push_back(Action::AskHealth { link });
        }
    }

    pub(super) fn take_health(&mut self, link: Link) -> bool {
        self.health.take_if(|(asked, _)| *asked == link).is_some()
    }

    pub(super) fn health(&mut self, enabled: bool, now: Moment) {
        match &mut self.plan {
            Plan::Waiting { .. } if self.settings.polling => {
                if !enabled {
                    self.start_polling(PollReason::ServerDisabled, now);
                } else {
                    self.refused(now);
                }
            }
            Plan::Polling(polling) => match (polling.reason, enabled) {
                (PollReason::ServerDisabled, true) if polling.probe.is_none() => self.try_stream(now),
                (PollReason::StreamBlocked, false) => self.polls_since_disabled(now),
                _ => {}
            },
            _ => {}
        }
    }

    /// Polling goes on, and the server's switch is why.
    pub(super) fn polls_since_disabled(&mut self, now: Moment) {
        if let Plan::Polling(polling) = &mut self.plan {
            polling.reason = PollReason::ServerDisabled;
            self.schedule_probe(now);
            self.tell_state(State::Polling { reason: PollReason::ServerDisabled });
        }
    }

    pub(super) fn check_poll(&mut self, now: Moment) {
        let Plan::Polling(polling) = &self.plan else { return };
        match polling.request {
            PollRequest::Sent { link, give_up_at, .. } if now >= give_up_at => {
                self.actions.push_back(Action::CancelPoll { link });
                self.poll_failed(None, now);
            }
            PollRequest::Next { at } if now >= at => {
                let request = self.send_poll(now);
                if let Plan::Polling(polling) = &mut self.plan {
                    polling.request = request;
                }
            }
            _ => {}
        }
    }
}

impl Polling {
    pub(super) fn deadline(&self) -> Option<Moment> {
        let request = match self.request {
            PollRequest::Sent { give_up_at, .. } => give_up_at,
            PollRequest::Next { at } => at,
        };
        earliest([Some(request), self.probe_at, self.probe.as_ref().and_then(Stream::deadline)])
    }
}

//! What the life of a page does to its connection: the network goes and comes, the page is put aside,
//! the machine sleeps.
//!
//! Two things are never done. A stream is not given up merely because a page is not looked at: only
//! silence does that. And a silence is not believed right after we were away ourselves: what the peer sent
//! meanwhile may still wait to be handed in, so the stream gets a last chance to be heard.

use super::{Action, Connection, LastChance, Loss, Plan, PollReason, PollRequest};
use crate::time::{Moment, part};
use core::time::Duration;

/// So long may a peer that seems silent still be heard when perhaps only we were away.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// Without a network, so far apart are the tries that are made in case the host is wrong about it.
pub(super) const OFFLINE_DELAY: Duration = Duration::from_secs(60);
/// Within so long the next try is made when what kept us from it is over. Not quite at once: an office full
/// of pages gets its network back in one moment.
const SOON: Duration = Duration::from_millis(250);

impl Connection {
    pub(super) fn go_offline(&mut self, now: Moment) {
        self.offline = true;
        let later = now + OFFLINE_DELAY;
        match &mut self.plan {
            Plan::Waiting { until } => *until = later.max(*until),
            Plan::Polling(polling) => {
                if let PollRequest::Next { at } = &mut polling.request {
                    *at = later.max(*at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn go_online(&mut self, now: Moment) {
        let was_offline = core::mem::take(&mut self.offline);
        if let (true, Some(stream)) = (was_offline, self.any_stream()) {
            // It was not heard since. Another network means another address, and few links outlive that.
            stream.last_chance = Some(LastChance { until: now + GRACE, loss: Loss::Offline });
        }
        // The tries so far were made without a network and tell nothing about the server.
        self.attempt = self.attempt.min(1);
        self.hurry(now);
    }

    pub(super) fn pause(&mut self, now: Moment) {
        self.paused = true;
        match &mut self.plan {
            Plan::Streaming(stream) => self.actions.push_back(Action::CloseStream { link: stream.link }),
            Plan::Polling(polling) => {
                let probe = polling.probe.take();
                let request = core::mem::replace(&mut polling.request, PollRequest::Next { at: now });
                if let Some(stream) = probe {
                    self.actions.push_back(Action::CloseStream { link: stream.link });
                }
                self.cancel(request);
                self.schedule_probe(now);
            }
            _ => {}
        }
    }

    pub(super) fn wake(&mut self, now: Moment) {
        if core::mem::take(&mut self.paused) {
            if matches!(self.plan, Plan::Streaming(_)) {
                self.lost(Loss::Slept, None, None, now);
            }
        } else if let Some(stream) = self.any_stream()
            && stream.expected_by().is_some_and(|expected_by| now >= expected_by)
        {
            // Not in place of a last chance that it has already: it could be put off for ever.
            stream.last_chance.get_or_insert(LastChance { until: now + GRACE, loss: Loss::Slept });
        }
        self.hurry(now);
        self.due(now);
    }

    /// Whatever is waited for is tried soon: what kept us from it may be over.
    fn hurry(&mut self, now: Moment) {
        let soon = self.soon(now);
        match &mut self.plan {
            Plan::Waiting { until } => *until = soon.min(*until),
            Plan::Polling(polling) => {
                if polling.reason == PollReason::StreamBlocked && polling.probe.is_none() {
                    // Another network may have no such proxy.
                    polling.probe_at = Some(soon);
                    polling.probes = 0;
                }
                let at = match polling.request {
                    PollRequest::Sent { .. } => soon,
                    PollRequest::Next { at } => soon.min(at),
                };
                // An answer to what was asked before may never come.
                let request = core::mem::replace(&mut polling.request, PollRequest::Next { at });
                self.cancel(request);
            }
            _ => {}
        }
    }

    /// In a moment, but not before the server wants it.
    pub(super) fn soon(&mut self, now: Moment) -> Moment {
        (now + part(SOON, self.rng.f64())).max(self.not_before)
    }
}

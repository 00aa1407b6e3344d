//! What was refused, by whom it was asked for and why. All refusals are counted here, whoever made them.

use super::Metrics;
use crate::client_address::ClientAddress;
use crate::environment;
use crate::hub::Hub;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// So many of the last ones are kept for whoever looks.
const N_RECENT: usize = 20;

/// What a refused answer carries in its extensions, to be counted once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    code: &'static str,
    status: StatusCode,
    is_counted: bool,
}

impl Refusal {
    /// `code`: the stable word that the client was given. `status`: what it was given with it, or would have
    /// been if it did not need a softer word.
    pub(crate) fn new(code: &'static str, status: StatusCode) -> Self {
        Self { code, status, is_counted: false }
    }

    #[cfg(feature = "cli")]
    pub(crate) fn code(self) -> &'static str {
        self.code
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Stream,
    Poll,
    Publish,
    Other,
}

impl Asked {
    fn of(request: &Request) -> Self {
        // By the end of the path, since the routes may be mounted anywhere.
        let path = request.uri().path();
        match *request.method() {
            Method::GET if path.ends_with("/events") => Self::Stream,
            Method::GET if path.ends_with("/events/poll") => Self::Poll,
            Method::POST if path.ends_with("/events") => Self::Publish,
            _ => Self::Other,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Poll => "poll",
            Self::Publish => "publish",
            Self::Other => "other",
        }
    }
}

/// One of the last refusals. There is nothing in it that a client wrote.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RecentRefusal {
    time_ms: u64,
    status: u16,
    code: &'static str,
    asked: &'static str,
    /// `None` where nobody knows it, as in a test.
    address: Option<IpAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Refusals {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    counts: BTreeMap<(Asked, &'static str), u64>,
    recent: VecDeque<RecentRefusal>,
}

impl Refusals {
    fn add(&self, asked: Asked, code: &'static str, status: StatusCode, address: Option<IpAddr>) {
        let time_ms = environment::wall_clock_ms();
        let mut known = self.known.lock();
        *known.counts.entry((asked, code)).or_default() += 1;
        if known.recent.len() == N_RECENT {
            known.recent.pop_front();
        }
        let (status, asked) = (status.as_u16(), asked.as_str());
        known.recent.push_back(RecentRefusal { time_ms, status, code, asked, address });
    }

    /// By what was asked for, and the code.
    pub(super) fn counts(&self) -> BTreeMap<(Asked, &'static str), u64> {
        self.known.lock().counts.clone()
    }

    pub(super) fn total(&self) -> u64 {
        self.known.lock().counts.values().sum()
    }

    /// The newest first.
    pub(super) fn recent(&self) -> Vec<RecentRefusal> {
        self.known.lock().recent.iter().rev().cloned().collect()
    }
}

impl Metrics {
    fn count_refusal(&self, asked: Asked, response: &mut Response, address: Option<IpAddr>) {
        let Some(refusal) = response.extensions_mut().get_mut::<Refusal>() else { return };
        if !std::mem::replace(&mut refusal.is_counted, true) && self.is_on() {
            self.refusals.add(asked, refusal.code, refusal.status, address);
        }
    }
}

/// The middleware. It may stand in the way of an answer more than once: at the routes, and in front of
/// whatever refuses before them.
pub(crate) async fn count(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    let (asked, client) = (Asked::of(&request), ClientAddress::of(request.extensions()));
    let mut response = next.run(request).await;
    hub.metrics().count_refusal(asked, &mut response, client.map(|ClientAddress(address)| address));
    response
}

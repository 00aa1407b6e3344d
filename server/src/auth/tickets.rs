//! Tickets: each opens one stream, once and soon, for whoever got it.
//!
//! A page that opens a stream with an `EventSource` can send nothing but a URL, and a token must never stand in
//! one: URLs are written to logs. A ticket may, since by then it is worthless.
//!
//! Tickets are known by their hashes, which is also how they are looked up: how long that takes tells nothing
//! about any ticket.

use super::Identity;
use crate::environment;
use crate::problem::Problem;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So many tickets can be waiting to be used, of all together.
const MAX_TICKETS: usize = 10_000;
/// So many of one identity, so that it does not take those of the others.
const MAX_OF_ONE: usize = 100;

/// The tickets that were given out and not used yet. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Tickets {
    ttl: Duration,
    waiting: Arc<Mutex<HashMap<Hash, Ticket>>>,
}

type Hash = [u8; 32];

struct Ticket {
    identity: Identity,
    expires_at: Instant,
}

impl Tickets {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, waiting: Arc::default() }
    }

    /// How long a ticket is good for.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Makes one for somebody.
    pub(crate) fn issue(&self, identity: Identity) -> Result<String, Problem> {
        let ticket = environment::unguessable().map_err(|err| {
            tracing::error!(%err, "a ticket cannot be made");
            Problem::NoTicket
        })?;
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        // Most are used at once, so there are few to look at.
        waiting.retain(|_, ticket| ticket.expires_at > now);
        let is_same = |ticket: &&Ticket| ticket.identity.subject() == identity.subject();
        if waiting.len() >= MAX_TICKETS || waiting.values().filter(is_same).count() >= MAX_OF_ONE {
            return Err(Problem::NoTicket);
        }
        waiting.insert(hash(&ticket), Ticket { identity, expires_at: now + self.ttl });
        Ok(ticket)
    }

    /// Uses one up.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Identity> {
        let Ticket { identity, expires_at } = self.waiting.lock().remove(&hash(ticket))?;
        (expires_at > Instant::now()).then_some(identity)
    }
}

fn hash(ticket: &str) -> Hash {
    Sha256::digest(ticket).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rights;

    fn named(name: &str) -> Identity {
        Identity::new(Rights::default()).with_subject(name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = Tickets::new(Duration::from_secs(30));
        let ticket = tickets.issue(named("7")).unwrap();
        assert_eq!(tickets.redeem(&ticket).unwrap().subject(), Some("7"));
        assert!(tickets.redeem(&ticket).is_none());
        let ticket = tickets.issue(named("7")).unwrap();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(tickets.redeem(&ticket).is_none());
        assert!(tickets.redeem("").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_takes_the_tickets_of_the_others() {
        let tickets = Tickets::new(Duration::from_secs(30));
        for _ in 0..MAX_OF_ONE {
            tickets.issue(named("greedy")).unwrap();
        }
        assert_eq!(tickets.issue(named("greedy")), Err(Problem::NoTicket));
        for n in MAX_OF_ONE..MAX_TICKETS - 1 {
            let ticket = Ticket { identity: named(""), expires_at: Instant::now() + tickets.ttl };
            tickets.waiting.lock().insert(hash(&n.to_string()), ticket);
        }
        tickets.issue(named("the last")).unwrap();
        assert_eq!(tickets.issue(named("one too many")), Err(Problem::NoTicket));
        tokio::time::advance(Duration::from_secs(30)).await;
        tickets.issue(named("greedy")).unwrap();
        assert_eq!(tickets.waiting.lock().len(), 1, "what has expired is forgotten");
    }
}

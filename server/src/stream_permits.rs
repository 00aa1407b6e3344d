//! Who may hold a stream open: permits in all, and of one client.

use crate::auth::Identity;
use crate::client_address::ClientAddress;
use crate::config::HubConfig;
use crate::limits::{Permit, Permits};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks for a stream, as far as anybody knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holder {
    pub(crate) address: Option<ClientAddress>,
    /// The subject of its identity.
    pub(crate) subject: Option<Arc<str>>,
}

impl<S: Sync> FromRequestParts<S> for Holder {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let subject = parts.extensions.get::<Identity>().and_then(|identity| identity.subject().map(Into::into));
        Ok(Self { address: ClientAddress::of(&parts.extensions), subject })
    }
}

/// The permits of a hub's streams.
#[derive(Debug)]
pub(crate) struct StreamPermits {
    in_all: Arc<Permits>,
    per_address: Option<Arc<Shares<IpAddr>>>,
    per_identity: Option<Arc<Shares<Arc<str>>>>,
}

/// Leave to hold one stream open. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    _of_all: Permit,
    _of_address: Option<Share<IpAddr>>,
    _of_identity: Option<Share<Arc<str>>>,
}

/// Which limit there is no room under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    InAll,
    Address,
    Identity,
}

impl StreamPermits {
    pub(crate) fn new(config: &HubConfig) -> Self {
        Self {
            in_all: Permits::new(config.max_connections),
            per_address: config.max_connections_per_ip.map(Shares::new),
            per_identity: config.max_connections_per_identity.map(Shares::new),
        }
    }

    pub(crate) fn in_all(&self) -> &Arc<Permits> {
        &self.in_all
    }

    /// The limits on a single client come first: that is what it can do something about.
    pub(crate) fn acquire(&self, holder: &Holder) -> Result<StreamPermit, Full> {
        let address = holder.address.map(|address| address.network());
        Ok(StreamPermit {
            _of_address: share(&self.per_address, address).ok_or(Full::Address)?,
            _of_identity: share(&self.per_identity, holder.subject.clone()).ok_or(Full::Identity)?,
            _of_all: self.in_all.acquire().ok_or(Full::InAll)?,
        })
    }
}

/// `None`: the client has all that it may have. A client that nobody knows has no limit of its own.
fn share<K: Eq + Hash + Clone>(shares: &Option<Arc<Shares<K>>>, key: Option<K>) -> Option<Option<Share<K>>> {
    match (shares, key) {
        (Some(shares), Some(key)) => shares.acquire(key).map(Some),
        (None, _) | (_, None) => Some(None),
    }
}

/// How many permits each client has out. Knows only those who have some.
#[derive(Debug)]
struct Shares<K> {
    max: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One permit of a client. Dropping it gives it back.
#[derive(Debug)]
struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default() })
    }

    fn acquire(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let mut held = self.held.lock();
        let n_held = held.get(&key).copied().unwrap_or(0);
        if n_held >= self.max {
            return None;
        }
        held.insert(key.clone(), n_held + 1);
        Some(Share { shares: Arc::clone(self), key })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock();
        if let Some(n_held) = held.get_mut(&self.key) {
            *n_held -= 1;
            if *n_held == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A permit of a hub without limits.
    pub(crate) fn permit() -> StreamPermit {
        StreamPermits::new(&HubConfig::default()).acquire(&Holder::default()).expect("there are no limits")
    }

    #[test]
    fn each_client_has_its_own_share_and_gets_it_back() {
        let permits = StreamPermits::new(&HubConfig {
            max_connections: Some(3),
            max_connections_per_ip: Some(2),
            max_connections_per_identity: Some(1),
            ..HubConfig::default()
        });
        let acquire = |address: &str, subject: &str| {
            let address = Some(address).filter(|text| !text.is_empty());
            let address = address.map(|text| ClientAddress(text.parse().unwrap()));
            permits.acquire(&Holder { address, subject: (!subject.is_empty()).then(|| subject.into()) })
        };
        let one = acquire("2001:db8::1", "").unwrap();
        let two = acquire("2001:db8::2", "ada").unwrap();
        assert_eq!(acquire("2001:db8::3", "").unwrap_err(), Full::Address, "of the same network");
        assert_eq!(acquire("192.0.2.1", "ada").unwrap_err(), Full::Identity);
        let three = acquire("192.0.2.1", "bob").unwrap();
        assert_eq!(acquire("192.0.2.2", "").unwrap_err(), Full::InAll);
        assert_eq!(acquire("", "").unwrap_err(), Full::InAll);
        drop(two);
        let four = acquire("192.0.2.1", "ada").unwrap();
        drop((one, three, four));
        assert_eq!(permits.in_all.held(), 0);
        assert!(permits.per_address.unwrap().held.lock().is_empty(), "nobody is remembered");
        assert!(permits.per_identity.unwrap().held.lock().is_empty());
    }
}

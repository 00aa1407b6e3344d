//! Which client a request comes from.
//!
//! The server that accepted the connection knows its peer, and says so in the request's extensions, as
//! axum does with [`ConnectInfo`]. Behind a proxy that peer is the proxy; the middleware in here finds the
//! client in what [trusted proxies](crate::ServeConfig) wrote. Whoever limits something by client asks
//! [`ClientAddress::of`] and nothing else.

use axum::extract::ConnectInfo;
use axum::http::Extensions;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

#[cfg(feature = "cli")]
pub(crate) use layer::find;

/// The address of the client that a request comes from, in the request's extensions.
///
/// `heartwire serve` puts it there. A service that mounts [`router`](crate::router) behind a proxy puts it
/// there by its own middleware; without it the peer of the connection counts, where the server tells it by
/// axum's `ConnectInfo<SocketAddr>`. Limits by address do not see a client whose address nobody tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The client behind a request, as far as anybody has told.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied().or_else(|| peer(extensions).map(Self))
    }

    /// What its limits are counted under: an IPv4 address itself, of an IPv6 address the network of 64
    /// bits. A subscriber is given that many, and would otherwise be as many clients.
    pub(crate) fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

/// The other end of the connection. An IPv4 address that came by a socket for IPv6 is told as what it is.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip().to_canonical())
}

#[cfg(feature = "cli")]
mod layer {
    use super::{ClientAddress, peer};
    use crate::config::TrustedProxy;
    use crate::forwarding;
    use axum::extract::{Request, State};
    use axum::middleware::Next;
    use axum::response::Response;
    use std::sync::Arc;

    /// The middleware: finds the client of each request, once.
    pub(crate) async fn find(
        State(trusted_proxies): State<Arc<[TrustedProxy]>>,
        mut request: Request,
        next: Next,
    ) -> Response {
        if let Some(peer) = peer(request.extensions()) {
            let is_trusted = |address| trusted_proxies.iter().any(|proxy| proxy.contains(address));
            let client = forwarding::client(peer, request.headers(), is_trusted);
            request.extensions_mut().insert(ClientAddress(client));
        }
        next.run(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_counted_by_what_one_subscriber_is_given() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::1"), "::");
    }

    #[test]
    fn the_peer_counts_where_nobody_says_better() {
        let mut extensions = Extensions::new();
        assert_eq!(ClientAddress::of(&extensions), None);
        let peer: SocketAddr = "[::ffff:192.0.2.7]:4000".parse().unwrap();
        extensions.insert(ConnectInfo(peer));
        assert_eq!(ClientAddress::of(&extensions), Some(ClientAddress([192, 0, 2, 7].into())));
        extensions.insert(ClientAddress([198, 51, 100, 1].into()));
        assert_eq!(ClientAddress::of(&extensions), Some(ClientAddress([198, 51, 100, 1].into())));
    }
}

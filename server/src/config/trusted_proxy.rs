//! A proxy, or a network of them, whose word about its clients is believed.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The address of a proxy, or a network of proxies: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrustedProxy(IpNet);

impl TrustedProxy {
    /// Whether this address is one of them.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for TrustedProxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network = text.parse().or_else(|_| address());
        network.map(Self).map_err(|_| "must be addresses or networks such as 10.0.0.1, 10.0.0.0/8 or fd00::/8")
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let check = |proxy: &str, address: &str, expected: bool| {
            let proxy: TrustedProxy = proxy.parse().unwrap();
            assert_eq!(proxy.contains(address.parse().unwrap()), expected, "{proxy} {address}");
            assert_eq!(proxy.to_string().parse(), Ok(proxy), "it is read as it is written");
        };
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.7/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "2001:db8::1", false);
        check("::1", "::1", true);
        check("0.0.0.0/0", "::1", false);
        for nonsense in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.1:80", "*"] {
            assert!(nonsense.parse::<TrustedProxy>().is_err(), "{nonsense}");
        }
    }
}

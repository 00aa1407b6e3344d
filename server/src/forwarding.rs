//! What proxies write about whom they speak for: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Anybody can send these headers. Each proxy adds the address of its own peer at the end, so they are read
//! from there, for as long as the one who wrote is trusted; what stands further left was written by the
//! client, or by somebody whom it has paid.

#![cfg_attr(not(feature = "cli"), allow(dead_code))]

use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom a proxy spoke for; `None` when it did not say, or in no way that can be read.
type Hop = Option<IpAddr>;

/// The client: the first address, from our peer on, that is not a trusted proxy. Where a proxy hides whom
/// it speaks for, that proxy.
///
/// A proxy that knows one of the two headers passes on the other as the client sent it. So where both are
/// there and do not lead to the same client, neither is believed.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    if !is_trusted(peer) {
        return peer;
    }
    let follow = |hops: Vec<Hop>| follow(peer, &hops, &is_trusted);
    match (forwarded(headers).map(follow), x_forwarded_for(headers).map(follow)) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

fn follow(peer: IpAddr, hops: &[Hop], is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev() {
        match hop {
            Some(address) if is_trusted(client) => client = *address,
            _ => break,
        }
    }
    client
}

/// `None`: there is no such header.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
    hops(headers, &X_FORWARDED_FOR, |value| value.split(',').map(|node| address(node.trim())).collect())
}

// [spec] RFC 7239, section 4: elements are separated by commas, the pairs of one by semicolons.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    hops(headers, &header::FORWARDED, |value| {
        unquoted_parts(value, ',').map(|element| unquoted_parts(element, ';').find_map(spoken_for).flatten()).collect()
    })
}

/// All lines of a header are one list, in their order.
fn hops(headers: &HeaderMap, name: &HeaderName, parse: impl Fn(&str) -> Vec<Hop>) -> Option<Vec<Hop>> {
    headers.contains_key(name).then(|| {
        let lines = headers.get_all(name).iter();
        lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], &parse)).collect()
    })
}

/// Of a pair `for=node`, the node's address if it is one. `None`: it is another pair.
fn spoken_for(pair: &str) -> Option<Hop> {
    let (name, value) = pair.split_once('=')?;
    name.trim().eq_ignore_ascii_case("for").then(|| address(&unquoted(value.trim())))
}

/// Splits at a separator that stands outside quotes. A quote that never closes takes the rest along.
fn unquoted_parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c: char| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' => is_escaped = is_quoted,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

/// What a quoted string says. Other text, and a quote that does not close, as it is: no address has quotes.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.into() };
    let mut characters = inner.chars();
    let mut out = String::with_capacity(inner.len());
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

/// The address of a node, which may have a port. An obfuscated one (`_hidden`, `unknown`) has none, and
/// IPv6 stands in brackets, except that some proxies leave them out where there is no port.
fn address(node: &str) -> Hop {
    let with_port = || node.parse::<SocketAddr>().ok().map(|node| node.ip());
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    // [spec] RFC 7239, section 6: a port may be obfuscated as well.
    let with_hidden_port = || {
        let (node, port) = node.rsplit_once(':')?;
        if port.starts_with('_') { address(node) } else { None }
    };
    node.parse()
        .ok()
        .or_else(with_port)
        .or_else(bracketed)
        .or_else(with_hidden_port)
        .map(|node: IpAddr| node.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Everything in 10.0.0.0/8 and in fd00::/8 is a trusted proxy.
    fn found(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.as_bytes().try_into().unwrap());
        }
        let is_trusted = |address| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        };
        client(peer.parse().unwrap(), &headers, is_trusted).to_string()
    }

    #[test]
    fn whoever_is_not_trusted_speaks_for_itself_alone() {
        for name in ["forwarded", "x-forwarded-for"] {
            for value in ["192.0.2.1", "for=192.0.2.1", "10.0.0.2", "for=10.0.0.2, for=10.0.0.3"] {
                assert_eq!(found("203.0.113.9", &[(name, value)]), "203.0.113.9", "{name}: {value}");
            }
        }
    }

    #[test]
    fn the_first_that_is_not_trusted_from_the_right_is_the_client() {
        let check = |value: &str, expected: &str| {
            assert_eq!(found(PROXY, &[("x-forwarded-for", value)]), expected, "{value}");
            let forwarded: Vec<String> = value.split(',').map(|node| format!("for=\"{}\"", node.trim())).collect();
            assert_eq!(found(PROXY, &[("forwarded", &forwarded.join(", "))]), expected, "{forwarded:?}");
        };
        check("192.0.2.1", "192.0.2.1");
        check("192.0.2.66, 192.0.2.1", "192.0.2.1");
        check("192.0.2.66, 192.0.2.1, 10.0.0.2, 10.0.0.3", "192.0.2.1");
        check("10.0.0.9, 10.0.0.2", "10.0.0.9");
        check("192.0.2.1:4711", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("[2001:db8::1]", "2001:db8::1");
        check("[2001:db8::1]:4711, [fd00::1]:80", "2001:db8::1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("192.0.2.1:_port", "192.0.2.1");
    }

    #[test]
    fn where_a_proxy_hides_its_client_it_is_the_client() {
        let check = |value: &str, expected: &str| {
            assert_eq!(found(PROXY, &[("forwarded", value)]), expected, "{value}");
        };
        check("for=192.0.2.1, for=unknown", PROXY);
        check("for=192.0.2.1, for=_hidden, for=10.0.0.2", "10.0.0.2");
        check("for=192.0.2.1, proto=https", PROXY);
        check("for=192.0.2.1, for=", PROXY);
        check("for=192.0.2.1,", PROXY);
        check("", PROXY);
        check("for=\"192.0.2.1", PROXY);
        check("for=\"192.0.2.1, for=192.0.2.2", PROXY);
        check("for=999.0.2.1", PROXY);
        assert_eq!(found(PROXY, &[("x-forwarded-for", "192.0.2.1, nonsense")]), PROXY);
        assert_eq!(found(PROXY, &[("x-forwarded-for", "192.0.2.1, \u{fc}")]), PROXY);
    }

    #[test]
    fn the_grammar_of_forwarded_is_read_as_it_is_written() {
        let check = |value: &str, expected: &str| {
            assert_eq!(found(PROXY, &[("forwarded", value)]), expected, "{value}");
        };
        check("proto=http;by=\"_a,b;for=192.0.2.9\";For=192.0.2.1", "192.0.2.1");
        check("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check(r#"for="192.0.\2.1""#, "192.0.2.1");
        check(r#"by="\",for=192.0.2.9"; for=192.0.2.1"#, "192.0.2.1");
        check("for = 192.0.2.1 ;proto=https", "192.0.2.1");
    }

    #[test]
    fn lines_of_one_header_are_one_list_and_two_headers_that_disagree_are_none() {
        let one = ("x-forwarded-for", "192.0.2.66");
        assert_eq!(found(PROXY, &[one, ("x-forwarded-for", "192.0.2.1, 10.0.0.2")]), "192.0.2.1");
        // Only one of them comes from a proxy, and nobody knows which.
        assert_eq!(found(PROXY, &[one, ("forwarded", "for=192.0.2.1")]), PROXY);
        assert_eq!(found(PROXY, &[one, ("forwarded", "for=192.0.2.66")]), "192.0.2.66");
    }
}

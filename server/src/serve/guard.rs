//! Keeps the pages of other origins out of an open server.
//!
//! A server on loopback is within reach of every page that a browser on that machine shows: a page
//! can post to it across origins, and by a name that it makes resolve to 127.0.0.1 it can even read
//! from it as if it were its own origin. Programs such as curl send no `Origin` and are not affected.

use crate::config::{HostName, Origin};
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// What is refused, and what is let in all the same.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// The listener is on loopback, so whoever calls it by another name means no good.
    pub(crate) loopback_only: bool,
    /// Names that are as good as this machine's own.
    pub(crate) hosts: Vec<HostName>,
    /// Origins whose pages may publish.
    pub(crate) origins: Vec<Origin>,
}

impl Guard {
    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = host(uri, headers);
        // A request without any name does not come from a browser.
        let is_ours = |host: &Authority| is_loopback(host) || self.hosts.iter().any(|name| name.is(host.host()));
        if self.loopback_only && host.as_ref().is_some_and(|host| !host.as_ref().is_ok_and(is_ours)) {
            return Err(Problem::ForeignHost);
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        if self.origins.iter().any(|allowed| allowed.as_str() == origin) {
            return Ok(());
        }
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")?.1.parse::<Authority>().ok());
        match (origin, host) {
            // Authorities compare without regard to case.
            (Some(origin), Some(Ok(host))) if origin == host => Ok(()),
            _ => Err(Problem::ForeignOrigin),
        }
    }
}

/// The middleware.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.judge(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The name that the client calls the server by; `Err` when it makes no sense.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Result<Authority, ()>> {
    if let Some(authority) = uri.authority() {
        return Some(Ok(authority.clone()));
    }
    let host = headers.get(header::HOST)?;
    Some(host.to_str().ok().and_then(|host| host.parse().ok()).ok_or(()))
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(loopback_only: bool, method: Method, host: &str, origin: &str) -> Result<(), Problem> {
        judge_by(Guard { loopback_only, hosts: Vec::new(), origins: Vec::new() }, method, host, origin)
    }

    fn judge_by(guard: Guard, method: Method, host: &str, origin: &str) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        guard.judge(&method, &Uri::from_static("/events?topic=t"), &headers)
    }

    #[test]
    fn a_server_on_loopback_answers_to_this_machines_names_only() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", ""] {
            assert_eq!(judge(true, Method::GET, host, ""), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "192.0.2.1", "a b", "@"] {
            assert_eq!(judge(true, Method::GET, host, ""), Err(Problem::ForeignHost), "{host}");
        }
        assert_eq!(judge(false, Method::GET, "hub.example", ""), Ok(()));
    }

    #[test]
    fn only_pages_of_the_same_origin_publish() {
        let check = |host: &str, origin: &str, expected: Result<(), Problem>| {
            assert_eq!(judge(false, Method::POST, host, origin), expected, "{host} {origin}");
        };
        check("hub.example", "", Ok(()));
        check("hub.example", "https://hub.example", Ok(()));
        check("localhost:8080", "http://LocalHost:8080", Ok(()));
        check("hub.example", "null", Err(Problem::ForeignOrigin));
        check("hub.example", "https://evil.example", Err(Problem::ForeignOrigin));
        check("hub.example", "https://hub.example:444", Err(Problem::ForeignOrigin));
        check("hub.example", "https://hub.example.evil.example", Err(Problem::ForeignOrigin));
        check("", "https://hub.example", Err(Problem::ForeignOrigin));
        assert_eq!(judge(false, Method::GET, "hub.example", "https://evil.example"), Ok(()));
        assert_eq!(judge(true, Method::PUT, "localhost", "http://evil.example"), Err(Problem::ForeignOrigin));
    }

    #[test]
    fn names_and_origins_that_the_operator_allows_are_let_in_and_no_others() {
        let guard = || Guard {
            loopback_only: true,
            hosts: vec!["hub.example".parse().unwrap()],
            origins: vec!["https://app.example".parse().unwrap()],
        };
        let check = |host: &str, origin: &str, expected: Result<(), Problem>| {
            assert_eq!(judge_by(guard(), Method::POST, host, origin), expected, "{host} {origin}");
        };
        check("Hub.example:8443", "", Ok(()));
        check("localhost:8080", "https://app.example", Ok(()));
        check("hub.example", "https://app.example", Ok(()));
        check("other.example", "https://app.example", Err(Problem::ForeignHost));
        check("hub.example.evil.example", "", Err(Problem::ForeignHost));
        for origin in ["http://app.example", "https://app.example:8443", "https://app.example.evil.example", "null"] {
            check("localhost", origin, Err(Problem::ForeignOrigin));
        }
    }
}

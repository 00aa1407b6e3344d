//! What a request brings to say who it comes from.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

/// The first of these that a request has; the others are not looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// From `Authorization: Bearer`, or a cookie: a JSON Web Token or the key of a program.
    Token(&'a str),
    /// From the query of a request for a stream.
    Ticket(&'a str),
}

/// Looks for it: in the header, in the query, in the cookie. What was sent on purpose comes before what a
/// browser sends by itself.
pub(super) fn find<'a>(parts: &'a Parts, cookie_name: Option<&str>) -> Option<Credential<'a>> {
    let bearer = bearer(&parts.headers).map(Credential::Token);
    let cookie = || cookie(&parts.headers, cookie_name?).map(Credential::Token);
    bearer.or_else(|| ticket(parts).map(Credential::Ticket)).or_else(cookie)
}

// [spec] RFC 9110, section 11.1: the name of a scheme is matched without regard to case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers.get(header::AUTHORIZATION)?.as_bytes()).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A ticket opens a stream and nothing else.
fn ticket(parts: &Parts) -> Option<&str> {
    let is_for_a_stream = parts.method == Method::GET && parts.uri.path().ends_with("/events");
    let mut pairs = parts.uri.query().filter(|_| is_for_a_stream)?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("ticket="))
}

// [spec] RFC 6265, section 4.2.1.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().flat_map(|value| text(value.as_bytes()).split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('=').filter(|(this, _)| *this == name));
    named.next().map(|(_, value)| value.trim_matches('"')).filter(|value| !value.is_empty())
}

/// The text of a header. One that is no text has no token in it.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[test]
    fn the_first_that_was_sent_on_purpose_counts() {
        use Credential::{Ticket, Token};
        let check = |uri: &str, headers: &[(&str, &str)], expected: Option<Credential<'_>>| {
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(find(&parts, Some("access_token")), expected, "{uri} {headers:?}");
        };
        let cookie = ("cookie", "theme=dark; access_token=c");
        check("/events?topic=a", &[], None);
        check("/events", &[("authorization", "Bearer t")], Some(Token("t")));
        check("/events", &[("authorization", "bEARER   t ")], Some(Token("t")));
        check("/events", &[("authorization", "Bearer")], None);
        check("/events", &[("authorization", "Basic eDp5"), cookie], Some(Token("c")));
        check("/events", &[("authorization", "\u{fc}"), cookie], Some(Token("c")));
        check("/events", &[cookie], Some(Token("c")));
        check("/events", &[("cookie", "access_token=\"c\"")], Some(Token("c")));
        check("/events", &[("cookie", "a=b"), cookie], Some(Token("c")));
        check("/events", &[("cookie", "xaccess_token=c;access_token;access_token=")], None);
        check("/live/events?topic=a&ticket=7", &[cookie], Some(Ticket("7")));
        check("/events?ticket=7", &[("authorization", "Bearer t")], Some(Token("t")));
        check("/events?xticket=7", &[], None);
        check("/events/poll?ticket=7", &[], None);
    }

    #[test]
    fn a_cookie_is_looked_for_by_its_name_alone() {
        let (parts, ()) = Request::get("/events").header("cookie", "access_token=c").body(()).unwrap().into_parts();
        assert_eq!(find(&parts, None), None);
        assert_eq!(find(&parts, Some("session")), None);
        let (parts, ()) = Request::post("/events?ticket=7").body(()).unwrap().into_parts();
        assert_eq!(find(&parts, None), None);
    }
}

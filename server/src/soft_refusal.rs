//! Refusals that a bare `EventSource` understands.
//!
//! [spec] To a browser's `EventSource` any status but 200 is the end: it never comes back, and its page
//! never learns why. So a client that takes nothing but a stream gets one which says why it is refused and
//! when to come back, and ends. Whoever takes JSON as well, as our own clients over `fetch` and on the
//! command line do, gets the plain refusal. Only refusals that end by waiting are softened.

use crate::environment;
use crate::hub::Hub;
use crate::problem::Problem;
use crate::stream::{STREAM_HEADERS, script};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use heartwire_protocol::Cursor;
use std::time::Duration;

/// The middleware.
pub(crate) async fn soften(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    let is_bare = hub.config().soft_refusals && wants_nothing_but_a_stream(&request);
    let resume_point = is_bare.then(|| resume_point(&request));
    let mut response = next.run(request).await;
    let Some(resume_point) = resume_point else { return response };
    let problem = response.extensions_mut().remove::<Problem>();
    let Some(mut softened) = problem.and_then(|problem| softened(&problem, resume_point)) else { return response };
    // What else is known of the refusal, for whoever counts them.
    *softened.extensions_mut() = std::mem::take(response.extensions_mut());
    softened
}

fn softened(problem: &Problem, resume_point: Option<Cursor>) -> Option<Response> {
    let (reason, seconds) = (problem.closing_reason()?, problem.retry_after_s()?);
    let wait = Duration::from_secs(seconds.into());
    // A browser adds no jitter of its own, and many may be refused in one moment.
    let text = script::refusal(reason, wait + environment::random_part(wait), resume_point);
    Some((STREAM_HEADERS, text).into_response())
}

fn wants_nothing_but_a_stream(request: &Request) -> bool {
    request.method() == Method::GET && accepts_streams_alone(request.headers())
}

// [spec] RFC 9110, section 12.5.1. An `EventSource` names this one type; whoever names none takes all.
fn accepts_streams_alone(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut types = lines.flat_map(|line| line.to_str().unwrap_or("*/*").split(',')).peekable();
    let is_stream = |media_type: &str| {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("text/event-stream")
    };
    types.peek().is_some() && types.all(is_stream)
}

/// Where the reader stands. It is told again, since [spec] what is dispatched without an id takes away the
/// one that the reader had.
fn resume_point(request: &Request) -> Option<Cursor> {
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let in_query = || request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("last_event_id="));
    header.filter(|id| !id.is_empty()).or_else(in_query)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn only_who_takes_nothing_else_is_taken_for_an_event_source() {
        let check = |method: Method, accept: &[&str], expected: bool| {
            let mut request = Request::builder().method(method).uri("/events?topic=t");
            for line in accept {
                request = request.header(header::ACCEPT, *line);
            }
            assert_eq!(wants_nothing_but_a_stream(&request.body(Body::empty()).unwrap()), expected, "{accept:?}");
        };
        check(Method::GET, &["text/event-stream"], true);
        check(Method::GET, &["Text/Event-Stream;charset=utf-8"], true);
        check(Method::GET, &["text/event-stream", "text/event-stream"], true);
        check(Method::POST, &["text/event-stream"], false);
        check(Method::GET, &[], false);
        check(Method::GET, &["*/*"], false);
        check(Method::GET, &["text/event-stream, application/json"], false);
        check(Method::GET, &["text/event-stream", "application/json;q=0.1"], false);
        check(Method::GET, &[""], false);
    }
}

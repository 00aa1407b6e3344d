//! Each request by its id, and a line of the log for its answer.
//!
//! The id is the client's own `x-request-id` where it makes sense, else a new one. It goes back with the
//! answer and stands in every line that is logged on behalf of the request. Lines have the path and never
//! the query, where tickets stand, and nothing of any body.

use crate::client_address::ClientAddress;
use crate::metrics::Refusal;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;
use tower_http::request_id::RequestId;
use tracing::{Instrument, error_span};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ones are taken for an attempt to fill somebody's log.
const MAX_ID_BYTES: usize = 128;
/// To be named in `log_level`.
const TARGET: &str = "heartwire::access";

/// A client may bring an id of its own for a request, if it makes sense.
pub(super) async fn drop_senseless_id(mut request: Request) -> Request {
    let is_senseless = request.headers().get(X_REQUEST_ID).is_some_and(|id| !makes_sense(id.as_bytes()));
    if is_senseless {
        request.headers_mut().remove(X_REQUEST_ID);
    }
    request
}

fn makes_sense(id: &[u8]) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/=+@".contains(byte))
}

/// Writes a line about an answer, where it is worth one. What else is logged on the way has the request's id.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    // At the highest level, so that no choice of `log_level` takes the id out of the lines that are left.
    let span = error_span!("request", request_id = id, method = %request.method(), path = request.uri().path());
    #[cfg(feature = "otlp")]
    super::otlp::join_trace(&span, request.headers());
    let client = ClientAddress::of(request.extensions());
    let began_at = Instant::now();
    async {
        let response = next.run(request).await;
        tell(&response, client, began_at);
        response
    }
    .instrument(span)
    .await
}

/// What was answered as it should be is worth a line only to whoever asks for it: a busy hub would write
/// little else. Refusals are worth one, and what is wrong with the server a warning.
fn tell(response: &Response, client: Option<ClientAddress>, began_at: Instant) {
    let status = response.status();
    // To a microsecond: a log needs no more digits.
    let took_ms = (began_at.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let code = response.extensions().get::<Refusal>().map(|refusal| refusal.code());
    let client = client.map(|ClientAddress(address)| address.to_string());
    let status_code = status.as_u16();
    // A level must be known when this is compiled.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(target: TARGET, status = status_code, code, client, took_ms, "answered")
        };
    }
    // That streaming is switched off, or that all places are taken, is the operator's own will.
    if status.is_server_error() && code.is_none_or(|code| code == "log-unavailable" || code == "out-of-memory") {
        line!(warn);
    } else if code.is_some() || status.is_client_error() || status.is_server_error() {
        line!(info);
    } else {
        line!(debug);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_makes_sense_when_it_is_short_and_plain() {
        for id in ["1", "0af7651916cd43dd8448eb211c80319c", "a-b_c.d:e/f=g+h@i", &"x".repeat(128)] {
            assert!(makes_sense(id.as_bytes()), "{id}");
        }
        for id in ["", " ", "a b", "a\"b", "a\nb", "ü", "{}", &"x".repeat(129)] {
            assert!(!makes_sense(id.as_bytes()), "{id:?}");
        }
    }
}

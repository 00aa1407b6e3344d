//! Gzip for answers that are not streams.

use crate::coding::KeepAsIs;
use crate::stream::Takeover;
use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::future::ready;
use tower::{Service, service_fn};
use tower_http::compression::Compression;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// A smaller answer fits into one packet as it is.
const MIN_BYTES: u64 = 1_024;

/// Middleware that compresses an answer of some size. A stream passes it as it is, for as long as it lives:
/// what a compressing body weighs would be more than all else that a stream takes.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let mut asked = Request::new(());
    for accepted in request.headers().get_all(header::ACCEPT_ENCODING) {
        asked.headers_mut().append(header::ACCEPT_ENCODING, accepted.clone());
    }
    let answer = next.run(request).await;
    if answer.extensions().get::<Takeover>().is_some() {
        return answer;
    }
    let mut answer = Some(answer);
    let answered = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap_or_default())));
    let compressed = Compression::new(answered).compress_when(SizeAbove::new(MIN_BYTES).and(is_text)).call(asked).await;
    compressed.into_response()
}

fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = match media_type {
        // It has a compression of its own.
        "text/event-stream" => false,
        "application/json"
        | "application/javascript"
        | "application/manifest+json"
        | "application/wasm"
        | "application/xml"
        | "image/svg+xml" => true,
        _ => media_type.starts_with("text/"),
    };
    is_text && extensions.get::<KeepAsIs>().is_none()
}

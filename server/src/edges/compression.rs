//! Gzip for answers that are not streams.

use crate::coding::KeepAsIs;
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

/// A smaller answer fits into one packet as it is.
const MIN_BYTES: u64 = 1_024;

type Compressible = And<SizeAbove, fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool>;

/// The layer. A stream passes it untouched, to the very buffer.
pub(crate) fn compression() -> CompressionLayer<Compressible> {
    CompressionLayer::new().compress_when(SizeAbove::new(MIN_BYTES).and(is_text as _))
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

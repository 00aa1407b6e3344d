//! The folder of files that `serve --www` shows.

use crate::routes::not_found;
use axum::Router;
use axum::handler::HandlerWithoutStateExt;
use axum::http::{HeaderValue, header};
use std::path::Path;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Serves a folder. Browsers ask again each time, so that a page that was built anew is seen at
/// once; what has not changed is answered by 304.
pub(super) fn files(folder: &Path) -> Router {
    let files = ServeDir::new(folder).call_fallback_on_method_not_allowed(true).fallback(not_found.into_service());
    let no_cache = HeaderValue::from_static("no-cache");
    Router::new().fallback_service(files).layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_cache))
}

//! The files of `www`. tower-http's `ServeDir` does the work: types, ranges, `ETag` and 304, and the `.br` or
//! `.gz` beside a file. This decides which paths it gets to see, and what browsers may keep.

use crate::config::{EdgesConfig, PathPrefix};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback, TokioBackend};

/// What the first part of a path of ours can be. A mistyped one must not be answered by a page.
const API: [&str; 3] = ["events", "health", "metrics"];
/// The only name with a dot in front that is meant for everybody (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Kept, but asked for again each time, so that a page that was built anew is seen at once; what has not
/// changed is answered by 304.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Serves a folder.
pub(crate) fn files(folder: &Path, config: &EdgesConfig) -> Router {
    let backend = Within(folder.into());
    let files = Files {
        folder: ServeDir::with_backend(folder, backend).precompressed_br().precompressed_gzip(),
        single_page_app: config.single_page_app,
        immutable_paths: config.immutable_paths.clone(),
        policy: config.content_security_policy.clone(),
    };
    Router::new().fallback(serve).with_state(Arc::new(files))
}

struct Files {
    folder: ServeDir<DefaultServeDirFallback, Within>,
    single_page_app: bool,
    immutable_paths: Vec<PathPrefix>,
    policy: Option<HeaderValue>,
}

async fn serve(State(files): State<Arc<Files>>, request: Request) -> Result<Response, Problem> {
    let path = request.uri().path().to_owned();
    if !matches!(*request.method(), Method::GET | Method::HEAD) || !is_plain(&path) {
        return Err(Problem::NotFound);
    }
    let page = (files.single_page_app && is_of_an_app(&path)).then(|| the_page_instead_of(&request));
    let mut never_changes = files.immutable_paths.iter().any(|prefix| prefix.covers(&path));
    let mut response = match (files.find(request).await, page) {
        (Some(response), _) => response,
        (None, Some(page)) => {
            never_changes = false;
            files.find(page).await.ok_or(Problem::NotFound)?
        }
        (None, None) => return Err(Problem::NotFound),
    };
    let headers = response.headers_mut();
    if let Some(policy) = &files.policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    headers.insert(header::CACHE_CONTROL, if never_changes { FOR_A_YEAR } else { NO_CACHE });
    Ok(response)
}

impl Files {
    async fn find(&self, request: Request) -> Option<Response> {
        match self.folder.clone().try_call(request).await {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => None,
            Ok(response) => Some(response.into_response()),
            Err(err) => {
                // Mostly the path's own fault: a name that is too long, a file in the place of a folder.
                tracing::debug!(%err, "a file cannot be served");
                None
            }
        }
    }
}

/// Whether a path can be that of a file to show: escaped no more than once, and with no part that climbs,
/// that hides, or that a file system would read in another way than the one who wrote the link.
fn is_plain(path: &str) -> bool {
    let Ok(decoded) = percent_decode_str(path).decode_utf8() else { return false };
    let has_escaped_slash = decoded.matches('/').count() != path.matches('/').count();
    if has_escaped_slash || decoded.contains('\\') || decoded.contains(char::is_control) {
        return false;
    }
    let Some(parts) = decoded.strip_prefix('/') else { return false };
    let last = parts.matches('/').count();
    parts.split('/').enumerate().all(|(index, part)| match part {
        // `//` begins the name of another host, in a redirect.
        "" => index == last,
        WELL_KNOWN => index == 0,
        part => !part.starts_with('.'),
    })
}

/// Whether a page with routes of its own may have a path.
fn is_of_an_app(path: &str) -> bool {
    let path = path.trim_matches('/');
    let is_api = path.split('/').next().is_some_and(|first| API.contains(&first));
    !is_api && path.rsplit('/').next().is_some_and(|last| !last.contains('.'))
}

fn the_page_instead_of(request: &Request) -> Request {
    let mut page = Request::default();
    *page.method_mut() = request.method().clone();
    *page.headers_mut() = request.headers().clone();
    *page.uri_mut() = Uri::from_static("/");
    page
}

/// The files of a folder, and nothing to which a link leads out of it.
#[derive(Debug, Clone)]
struct Within(Arc<Path>);

impl Within {
    /// Where a path really leads. The folder is looked up each time, too: it may itself be a link that a
    /// deployment turns to another release.
    async fn resolve(self, path: PathBuf) -> io::Result<PathBuf> {
        let (folder, path) = tokio::try_join!(tokio::fs::canonicalize(self.0), tokio::fs::canonicalize(path))?;
        if path.starts_with(folder) { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl Backend for Within {
    type File = <TokioBackend as Backend>::File;
    type Metadata = <TokioBackend as Backend>::Metadata;
    type OpenFuture = <TokioBackend as Backend>::OpenFuture;
    type MetadataFuture = <TokioBackend as Backend>::MetadataFuture;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let within = self.clone();
        Box::pin(async move { TokioBackend.open(within.resolve(path).await?).await })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let within = self.clone();
        Box::pin(async move { TokioBackend.metadata(within.resolve(path).await?).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_looked_up() {
        for path in ["/", "/index.html", "/a/b/", "/a%20b.txt", "/%C3%BC", "/a..b", "/.well-known/security.txt", "/~x"]
        {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "",
            "*",
            "/..",
            "/../x",
            "/a/../x",
            "/./x",
            "/%2e%2e/x",
            "/%2E%2E/x",
            "/.%2e/x",
            "/..%2fx",
            "/a%2fb",
            "/a%2Fb",
            "/%2fx",
            "/a%5cb",
            "/a\\b",
            "/a%00.html",
            "/a%0d%0ab",
            "/%7f",
            "/%ff",
            "/%c0%ae%c0%ae/x",
            "/.git/config",
            "/a/.env",
            "/%2egit/config",
            "/a/.well-known/x",
            "//evil.example/",
            "/a//b",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn an_app_has_paths_that_are_neither_ours_nor_a_files() {
        for path in ["/settings", "/users/7", "/users/", "/eventsource", "/a.b/c"] {
            assert!(is_of_an_app(path), "{path}");
        }
        for path in
            ["/app.js", "/a/b.c", "/app.js/", "/events", "/events/", "/events/nothing", "/health/nothing", "/metrics"]
        {
            assert!(!is_of_an_app(path), "{path}");
        }
    }
}

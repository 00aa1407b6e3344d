//! The headers that every answer carries, so that a browser does nothing with it that was not meant.

use crate::config::EdgesConfig;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// What is put on answers that do not say it themselves.
#[derive(Debug, Clone)]
pub(crate) struct SecurityHeaders(Arc<[(HeaderName, HeaderValue)]>);

impl SecurityHeaders {
    /// A server that speaks TLS tells browsers to stay with it. On a loopback address it does not,
    /// since they would remember it for whatever else runs under that name on any port.
    pub(crate) fn new(config: &EdgesConfig, is_loopback: bool) -> Self {
        let always = [
            // A payload is never taken for a script or a page.
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // For browsers that do not know `frame-ancestors`.
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
            // URLs name topics and resume points. Not `no-referrer`: forms would then post without an origin.
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        let tells_of_tls = config.tls_cert.is_some() && !is_loopback;
        let hsts = config.hsts_max_age.filter(|_| tells_of_tls).and_then(|max_age| {
            let value = HeaderValue::from_str(&format!("max-age={}", max_age.as_secs())).ok()?;
            Some((header::STRICT_TRANSPORT_SECURITY, value))
        });
        Self(always.into_iter().chain(hsts).collect())
    }

    /// The middleware.
    pub(crate) async fn add(State(Self(headers)): State<Self>, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        for (name, value) in headers.iter() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_to_stay_with_tls_only_where_it_is_spoken_and_not_on_loopback() {
        let check = |tls: bool, is_loopback: bool, expected: Option<&str>| {
            let config = EdgesConfig { tls_cert: tls.then(|| "cert.pem".into()), ..EdgesConfig::default() };
            let headers = SecurityHeaders::new(&config, is_loopback);
            let hsts = headers.0.iter().find(|(name, _)| name == header::STRICT_TRANSPORT_SECURITY);
            assert_eq!(hsts.map(|(_, value)| value.to_str().unwrap()), expected);
        };
        check(true, false, Some("max-age=31536000"));
        check(true, true, None);
        check(false, false, None);
    }
}

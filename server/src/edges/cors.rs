//! Which pages of other origins may call, and with what.

use crate::config::Origin;
use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may remember what it was allowed.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// What scripts of other origins may read besides the few that the standard allows.
const EXPOSED: [HeaderName; 2] = [header::RETRY_AFTER, HeaderName::from_static("x-request-id")];

/// The layer; `None` when no other origin is allowed, so that nothing tells of it.
pub(crate) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    let known: Vec<_> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()).collect();
    if known.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(known))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        // Whatever a page asks for, since it can give our client headers of its own choice. Only the pages of
        // the origins above can use it.
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{HeaderMap, Request};
    use axum::{Router, routing};
    use tower::ServiceExt;

    async fn answer(method: Method, origin: &str) -> HeaderMap {
        let origins = ["https://app.example".parse().unwrap(), "http://localhost:3000".parse().unwrap()];
        let app = Router::new().route("/", routing::get(async || "x")).layer(cors(&origins).unwrap());
        let request = Request::builder()
            .method(method)
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "authorization,content-type,last-event-id,x-tenant");
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().headers().clone()
    }

    #[tokio::test]
    async fn a_preflight_of_an_allowed_origin_is_told_what_it_may_do() {
        let headers = answer(Method::OPTIONS, "https://app.example").await;
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST,PUT,DELETE,OPTIONS"),
            ("access-control-allow-headers", "authorization,content-type,last-event-id,x-tenant"),
            ("access-control-max-age", "3600"),
        ] {
            assert_eq!(headers[name], value);
        }
    }

    #[tokio::test]
    async fn an_answer_names_the_origin_that_asked_and_varies_with_it() {
        for origin in ["https://app.example", "http://localhost:3000"] {
            let headers = answer(Method::GET, origin).await;
            assert_eq!(headers["access-control-allow-origin"], origin);
            assert_eq!(headers["access-control-expose-headers"], "retry-after,x-request-id");
            assert!(headers["vary"].to_str().unwrap().contains("origin"));
        }
    }

    #[tokio::test]
    async fn any_other_origin_is_told_nothing_that_lets_it_read() {
        for origin in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null", "*"] {
            for method in [Method::OPTIONS, Method::GET] {
                assert!(!answer(method, origin).await.contains_key("access-control-allow-origin"), "{origin}");
            }
        }
    }

    #[test]
    fn without_origins_there_is_no_layer() {
        assert!(cors(&[]).is_none());
    }
}

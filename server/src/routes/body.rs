//! The body of a request, whole: within its limit of bytes, and in time.

use crate::config::HubConfig;
use crate::hub::Hub;
use crate::problem::Problem;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// All bytes of a body.
pub(super) struct Whole(pub(super) Bytes);

impl FromRequest<Hub> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, hub: &Hub) -> Result<Self, Problem> {
        let HubConfig { max_body_bytes, body_timeout, .. } = *hub.config();
        let body = read(request.into_body(), max_body_bytes);
        let bytes = match body_timeout {
            Some(limit) => tokio::time::timeout(limit, body).await.unwrap_or(Err(Problem::BodyTooSlow { limit }))?,
            None => body.await?,
        };
        Ok(Self(bytes))
    }
}

async fn read(body: Body, limit_bytes: usize) -> Result<Bytes, Problem> {
    let too_large = Problem::BodyTooLarge { limit_bytes };
    // A body that announces too much is not even begun.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(too_large);
    }
    match Limited::new(body, limit_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(err) if err.is::<LengthLimitError>() => Err(too_large),
        Err(err) => {
            tracing::debug!(%err, "a body broke off");
            Err(Problem::BodyUnreadable)
        }
    }
}

//! `PUT /events/switch`: throws the hub's switch.

use super::begins_an_object;
use crate::auth::Caller;
use crate::hub::Hub;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    enabled: bool,
}

/// Any content type will do, so that `curl -X PUT -d` works as it is.
pub(super) async fn switch(
    caller: Caller,
    State(hub): State<Hub>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Switch>, Problem> {
    caller.check_is_admin()?;
    // As bytes, whatever they are: a body that is too long or no text is refused in our own words, too.
    let body = body.ok().filter(|body| begins_an_object(body)).ok_or(Problem::BadSwitch)?;
    let Switch { enabled } = serde_json::from_slice(&body).map_err(|_| Problem::BadSwitch)?;
    hub.set_enabled(enabled);
    tracing::info!(enabled, "streaming was switched");
    Ok(Json(Switch { enabled }))
}

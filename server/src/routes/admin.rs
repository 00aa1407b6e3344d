//! `PUT /events/switch`: throws the hub's switch.

use crate::hub::Hub;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    enabled: bool,
}

/// Any content type will do, so that `curl -X PUT -d` works as it is.
pub(super) async fn switch(State(hub): State<Hub>, body: String) -> Result<Json<Switch>, Problem> {
    let Switch { enabled } = serde_json::from_str(&body).map_err(|_| Problem::BadSwitch)?;
    hub.set_enabled(enabled);
    tracing::info!(enabled, "streaming was switched");
    Ok(Json(Switch { enabled }))
}

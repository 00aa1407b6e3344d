//! `PUT /events/switch`: throws the hub's switch.

use super::begins_an_object;
use super::body::Whole;
use crate::auth::Caller;
use crate::hub::Hub;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    enabled: bool,
}

/// Any content type will do, so that `curl -X PUT -d` works as it is.
pub(super) async fn switch(caller: Caller, State(hub): State<Hub>, request: Request) -> Result<Json<Switch>, Problem> {
    caller.check_is_admin()?;
    // Not before: whoever may not do this need not send anything.
    let Whole(body) = Whole::from_request(request, &hub).await?;
    if !begins_an_object(&body) {
        return Err(Problem::BadSwitch);
    }
    let Switch { enabled } = serde_json::from_slice(&body).map_err(|_| Problem::BadSwitch)?;
    hub.set_enabled(enabled);
    tracing::info!(enabled, "streaming was switched");
    Ok(Json(Switch { enabled }))
}

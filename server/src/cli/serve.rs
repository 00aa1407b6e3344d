//! `heartwire serve`: a hub of its own.

use super::settings::{Effective, SettingArgs};
use super::{Failure, access_log, host_stats, log, reload, www};
use crate::client_address;
use crate::config::ServeConfig;
use crate::metrics::{feed, refusals};
use crate::rate_limit::{self, RateLimit};
use crate::routes::{admin_router, not_found, router, watch_router};
use crate::serve::guard::{self, Guard};
use crate::soft_refusal;
use crate::{Hub, Shutdown};
use axum::Router;
use axum::middleware::from_fn_with_state;
use clap::Args;
use std::io::Write;
use std::sync::Arc;

/// Run a hub.
///
/// Prints one line when it is ready, with the address that it really bound. Each setting has one name
/// everywhere: --heartbeat-interval is HEARTWIRE_HEARTBEAT_INTERVAL in the environment and
/// heartbeat_interval in the file of --config (or HEARTWIRE_CONFIG). A flag wins over the environment, the
/// environment over the file, the file over the preset. Spans are seconds, fractions allowed. What can be
/// switched off takes `off`. `heartwire config` shows what is in force.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let effective = Effective::load(&args.settings, std::env::vars_os())?;
    let config = effective.config();
    let _traces = log::begin(config)?;

    let hub = Hub::new(config.hub.clone())?;
    // Before the ready line, so that whoever waits for it can stop the server from then on.
    let shutdown = Shutdown::on_signals(hub.clone()).map_err(|err| Failure::new("cannot listen to signals", &err))?;
    let hangups = reload::on_hangup(args.settings, config.clone(), hub.clone());
    hangups.map_err(|err| Failure::new("cannot listen to signals", &err))?;
    let cannot_listen = |err| Failure::new(&format!("cannot listen on {}", config.listen), &err);
    let listener = crate::listen(config.listen).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    if let Some(interval) = config.host_stats_interval {
        host_stats::spawn(hub.clone(), interval)?;
    }
    // A reader of the line may have gone; the server is ready all the same.
    let _ = writeln!(std::io::stdout(), "heartwire is listening on http://{address}/");
    crate::serve(listener, app(config, hub), shutdown).await;
    Ok(())
}

fn app(config: &ServeConfig, hub: Hub) -> Router {
    let guard = Guard { loopback_only: config.listen.ip().is_loopback() };
    let mut app = router(hub.clone());
    if guard.loopback_only {
        // There are no identities yet: on this machine alone is the protection that it needs.
        app = app.merge(admin_router(hub.clone())).merge(watch_router(hub.clone()));
        if hub.config().watch.metrics {
            feed::start(hub.clone());
        }
    }
    let app = match &config.www {
        Some(folder) => app.fallback_service(www::files(folder)),
        None => app.fallback(not_found),
    };
    // From the inside out: the last of these is the first that a request passes.
    let app = match config.limits.rate_limit() {
        Some((calls, period)) => app.layer(from_fn_with_state(RateLimit::new(calls, period), rate_limit::check)),
        None => app,
    };
    let trusted_proxies: Arc<[_]> = config.limits.trusted_proxies.as_slice().into();
    let app = app
        .layer(from_fn_with_state(hub.clone(), soft_refusal::soften))
        .layer(from_fn_with_state(guard, guard::check))
        .layer(from_fn_with_state(hub, refusals::count));
    // Outermost, since the log and the figures tell who the client is.
    access_log::layered(app).layer(from_fn_with_state(trusted_proxies, client_address::find))
}

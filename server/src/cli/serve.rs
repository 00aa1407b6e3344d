//! `heartwire serve`: a hub of its own.

use super::settings::{Effective, SettingArgs};
use super::{Failure, access_log, host_stats, log, reload};
use crate::auth::Authenticator;
use crate::client_address;
use crate::config::ServeConfig;
use crate::edges::{self, SecurityHeaders};
use crate::metrics::{feed, refusals};
use crate::rate_limit::{self, RateLimit};
use crate::routes::{admin_router, bare_router, metrics_router, not_found, watch_router};
use crate::serve::guard::{self, Guard};
use crate::soft_refusal;
use crate::{Hub, Shutdown};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use clap::Args;
use std::io::Write;
use std::sync::Arc;
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

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

    let tls = effective.tls()?;
    let hub = Hub::new(config.hub.clone())?;
    let auth = authenticator(config)?;
    // Before the ready line, so that whoever waits for it can stop the server from then on.
    let shutdown = Shutdown::on_signals(hub.clone()).map_err(|err| Failure::new("cannot listen to signals", &err))?;
    let hangups = reload::on_hangup(args.settings, config.clone(), hub.clone(), tls.clone());
    hangups.map_err(|err| Failure::new("cannot listen to signals", &err))?;
    let cannot_listen = |err| Failure::new(&format!("cannot listen on {}", config.listen), &err);
    let listener = crate::listen(config.listen).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    if let Some(interval) = config.host_stats_interval {
        host_stats::spawn(hub.clone(), interval)?;
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    // A reader of the line may have gone; the server is ready all the same.
    let _ = writeln!(std::io::stdout(), "heartwire is listening on {scheme}://{address}/");
    let app = app(config, hub, auth);
    match tls {
        None => crate::serve(listener, app, shutdown).await,
        Some(tls) => {
            if let Some(interval) = config.edges.tls_check_interval {
                let tls = tls.clone();
                tokio::spawn(async move { tls.reload_when_changed(interval).await });
            }
            crate::serve_tls(listener, tls, app, shutdown).await;
        }
    }
    Ok(())
}

/// `None`: access is open.
fn authenticator(config: &ServeConfig) -> Result<Option<Authenticator>, Failure> {
    if config.requires_auth() {
        let auth = Authenticator::new(&config.auth);
        return auth.map(Some).map_err(|err| Failure::new("nobody can be known", &err));
    }
    if !config.listen.ip().is_loopback() {
        tracing::warn!("everybody who reaches this address can read and publish: require_auth is false");
    }
    Ok(None)
}

fn app(config: &ServeConfig, hub: Hub, auth: Option<Authenticator>) -> Router {
    let is_loopback = config.listen.ip().is_loopback();
    let mut app = bare_router(hub.clone());
    if is_loopback || auth.is_some() {
        // Where access is open, only this machine may run the hub.
        app = app.merge(admin_router(hub.clone())).merge(watch_router(hub.clone()));
        if hub.config().watch.metrics {
            feed::start(hub.clone());
        }
    } else if hub.config().watch.metrics_public {
        app = app.merge(metrics_router(hub.clone()));
    }
    let edges = &config.edges;
    app = match &config.www {
        Some(folder) => app.fallback_service(edges::files(folder, edges)),
        None => app.fallback(not_found),
    };
    app = match auth {
        Some(auth) => auth.protect(app),
        None => app,
    };
    let guard =
        Guard { loopback_only: is_loopback, hosts: edges.allow_hosts.clone(), origins: edges.allow_origins.clone() };
    let trusted_proxies: Arc<[_]> = config.limits.trusted_proxies.as_slice().into();
    let security_headers = edges.security_headers.then(|| SecurityHeaders::new(edges, is_loopback));
    let rate_limit = config.limits.rate_limit().map(|(calls, period)| RateLimit::new(calls, period));
    // In the order in which a request passes them. All in one, since a router boxes what it is given, and makes
    // a copy of each box with each request.
    app.layer(
        ServiceBuilder::new()
            // Outermost, since the log and the figures tell who the client is.
            .layer(from_fn_with_state(trusted_proxies, client_address::find))
            .layer(map_request(access_log::drop_senseless_id))
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn(access_log::log))
            .layer(from_fn_with_state(hub.clone(), refusals::count))
            .option_layer(security_headers.map(|headers| from_fn_with_state(headers, SecurityHeaders::add)))
            .layer(from_fn_with_state(Arc::new(guard), guard::check))
            .option_layer(edges::cors(&edges.allow_origins))
            .option_layer(edges.compress_answers.then(|| from_fn(edges::compress)))
            .layer(from_fn_with_state(hub, soft_refusal::soften))
            .option_layer(rate_limit.map(|limit| from_fn_with_state(limit, rate_limit::check))),
    )
}

//! SIGHUP: reads the configuration and the certificate again, and puts in force what a running server can take.

use super::settings::{Effective, SettingArgs, changed};
use crate::config::ServeConfig;
use crate::{Hub, Tls};
use std::io;

/// The settings that take effect without a restart.
const RELOADED: [&str; 2] = ["enable_sse", "rollout_percent"];

/// Listens from now on, in a task that ends with the process. `config`: what the server was started with.
#[cfg(unix)]
pub(super) fn on_hangup(args: SettingArgs, config: ServeConfig, hub: Hub, tls: Option<Tls>) -> io::Result<()> {
    let mut hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reload(&args, &config, &hub);
            if let Some(tls) = &tls {
                tls.reload_and_tell();
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn on_hangup(_: SettingArgs, _: ServeConfig, _: Hub, _: Option<Tls>) -> io::Result<()> {
    Ok(())
}

fn reload(args: &SettingArgs, running: &ServeConfig, hub: &Hub) {
    let read = match Effective::load(args, std::env::vars_os()) {
        Ok(read) => read,
        Err(refusal) => return tracing::error!(%refusal, "the configuration stays as it is"),
    };
    let config = read.config();
    hub.set_enabled(config.hub.enable_sse);
    hub.set_rollout_percent(config.hub.rollout_percent);
    tracing::info!(
        enable_sse = config.hub.enable_sse,
        rollout_percent = config.hub.rollout_percent,
        "the configuration was read again"
    );
    // By name alone: a value may be a secret.
    for setting in changed(running, config).filter(|name| !RELOADED.contains(name)) {
        tracing::warn!(setting, "a changed setting takes effect at the next start");
    }
}

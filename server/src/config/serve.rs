//! The settings of the binary around its hub.

use super::{AuthConfig, ConfigError, EdgesConfig, HubConfig, LimitsConfig, LogConfig, Preset, span_problem};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How `heartwire serve` behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct ServeConfig {
    /// The address to listen on. Port 0 takes a free one. Default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// Values that go together, for whatever is not set by name. `development`, `production`,
    /// `high-traffic`, `low-memory`, or `auto`, which sizes them from the memory and the processors of
    /// the machine or container. Default: off.
    pub preset: Option<Preset>,
    /// Whether readers and publishers must say who they are. `auto`: yes where `jwt_secret_key`, `jwks_file` or
    /// `api_keys` says how anybody is known; otherwise no on a loopback address, while on any other and with the
    /// preset `production` the server does not start. Default: auto.
    pub require_auth: Option<bool>,
    /// A folder of files to serve at `/`. Default: off.
    pub www: Option<PathBuf>,
    /// How often to publish the machine's own figures under the topic `host`. Default: off.
    pub host_stats_interval: Option<Duration>,
    /// How somebody is known.
    pub auth: AuthConfig,
    /// What a client may take.
    pub limits: LimitsConfig,
    /// The log that it writes.
    pub log: LogConfig,
    /// What browsers meet.
    pub edges: EdgesConfig,
    /// The hub.
    pub hub: HubConfig,
}

impl Default for ServeConfig {
    /// Listens on this machine alone, lets everybody on it read and publish, and serves no files.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            preset: None,
            require_auth: None,
            www: None,
            host_stats_interval: None,
            auth: AuthConfig::default(),
            limits: LimitsConfig::default(),
            log: LogConfig::default(),
            edges: EdgesConfig::default(),
            hub: HubConfig::default(),
        }
    }
}

impl ServeConfig {
    /// Whether a request must say who it comes from, for all that is not public.
    #[must_use]
    pub fn requires_auth(&self) -> bool {
        self.require_auth.unwrap_or_else(|| self.auth.knows_anybody())
    }

    /// Refuses values that cannot be meant, and open access where nobody asked for it.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.hub.check()?;
        self.auth.check()?;
        self.limits.check()?;
        self.log.check()?;
        self.edges.check()?;
        let refuse = |setting, problem| Err(ConfigError { setting, problem });
        if let Some(problem) = span_problem(self.host_stats_interval) {
            return refuse("host_stats_interval", problem);
        }
        let is_reachable = !self.listen.ip().is_loopback();
        match self.require_auth {
            _ if self.auth.knows_anybody() => Ok(()),
            Some(true) => refuse(
                "require_auth",
                "cannot be true while nobody can be known: set HEARTWIRE_JWT_SECRET_KEY, as docs/identity.md tells",
            ),
            None if is_reachable => refuse(
                "require_auth",
                "must be set to false by name to listen beyond this machine while nobody can be known: \
                 everybody who reaches the address could read and publish; \
                 better, set HEARTWIRE_JWT_SECRET_KEY, as docs/identity.md tells",
            ),
            None if self.preset == Some(Preset::Production) => refuse(
                "require_auth",
                "must be set to false by name with the preset production while nobody can be known: \
                 everybody who reaches the address could read and publish; \
                 better, set HEARTWIRE_JWT_SECRET_KEY, as docs/identity.md tells",
            ),
            Some(false) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_access_beyond_this_machine_is_asked_for_by_name() {
        let check_with = |preset, listen: &str, require_auth: Option<bool>, expected: Option<&str>| {
            let listen = listen.parse().unwrap();
            let config = ServeConfig { listen, preset, require_auth, ..ServeConfig::default() };
            assert_eq!(config.check().err().map(|err| err.setting), expected, "{listen} {require_auth:?}");
        };
        let check = |listen, require_auth, expected| check_with(None, listen, require_auth, expected);
        check("127.0.0.1:0", None, None);
        check("[::1]:0", None, None);
        check("0.0.0.0:0", None, Some("require_auth"));
        check("[::]:0", None, Some("require_auth"));
        check("192.0.2.1:80", None, Some("require_auth"));
        check("0.0.0.0:0", Some(false), None);
        check("127.0.0.1:0", Some(true), Some("require_auth"));
        check_with(Some(Preset::Production), "127.0.0.1:0", None, Some("require_auth"));
        check_with(Some(Preset::Production), "127.0.0.1:0", Some(false), None);
        check_with(Some(Preset::Development), "127.0.0.1:0", None, None);
    }

    #[test]
    fn where_somebody_can_be_known_everybody_must_be() {
        let check = |listen: &str, require_auth: Option<bool>, requires: bool| {
            let auth = AuthConfig { jwks_file: Some("keys.json".into()), ..AuthConfig::default() };
            let preset = Some(Preset::Production);
            let config =
                ServeConfig { listen: listen.parse().unwrap(), preset, require_auth, auth, ..ServeConfig::default() };
            assert_eq!((config.check(), config.requires_auth()), (Ok(()), requires), "{listen} {require_auth:?}");
        };
        check("0.0.0.0:80", None, true);
        check("0.0.0.0:80", Some(true), true);
        check("0.0.0.0:80", Some(false), false);
        check("127.0.0.1:80", None, true);
        assert!(!ServeConfig::default().requires_auth());
    }
}

//! The one list of settings.
//!
//! A setting is a field of [`ServeConfig`] or of a configuration in it, with its text and its default there, and a row
//! here. The name of the field is its name in a file, as a flag and in the environment.

use super::value::Field;
use crate::config::{AuthConfig, EdgesConfig, HubConfig, LimitsConfig, LogConfig, ServeConfig, WatchConfig};
use documented::DocumentedFields;
use std::sync::LazyLock;

/// One setting of a configuration.
pub(super) struct Setting<C> {
    /// As it stands in a file.
    pub(super) name: &'static str,
    pub(super) heading: &'static str,
    /// What stands for its value in the help.
    pub(super) value_name: &'static str,
    /// What the help, `heartwire config` and the documentation say about it: whole sentences, the first
    /// of which can stand alone.
    pub(super) text: &'static str,
    pub(super) field: fn(&mut C) -> &mut dyn Field,
}

impl<C> Setting<C> {
    /// As a flag, without its dashes.
    pub(super) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// All settings, in the order in which they are shown.
pub(super) static SETTINGS: LazyLock<Vec<Setting<ServeConfig>>> = LazyLock::new(|| {
    macro_rules! serve {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<ServeConfig>(stringify!($name)), |c| &mut c.$name)
        };
    }
    macro_rules! auth {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<AuthConfig>(stringify!($name)), |c| &mut c.auth.$name)
        };
    }
    macro_rules! edges {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<EdgesConfig>(stringify!($name)), |c| &mut c.edges.$name)
        };
    }
    macro_rules! hub {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<HubConfig>(stringify!($name)), |c| &mut c.hub.$name)
        };
    }
    macro_rules! watch {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<WatchConfig>(stringify!($name)), |c| &mut c.hub.watch.$name)
        };
    }
    macro_rules! log {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<LogConfig>(stringify!($name)), |c| &mut c.log.$name)
        };
    }
    macro_rules! limits {
        ($name:ident, $value_name:literal) => {
            (stringify!($name), $value_name, text::<LimitsConfig>(stringify!($name)), |c| &mut c.limits.$name)
        };
    }
    let server = under(
        "Server",
        [
            serve!(listen, "ADDR"),
            serve!(preset, "NAME"),
            serve!(require_auth, "BOOL"),
            serve!(www, "DIR"),
            serve!(host_stats_interval, "SECONDS"),
            hub!(drain_window, "SECONDS"),
        ],
    );
    let identity = under(
        "Identity",
        [
            auth!(jwt_secret_key, "SECRET"),
            auth!(jwks_file, "FILE"),
            auth!(jwt_issuer, "NAME"),
            auth!(jwt_audience, "NAME"),
            auth!(jwt_leeway, "SECONDS"),
            auth!(cookie_name, "NAME"),
            auth!(public_topics, "PATTERNS"),
            auth!(api_keys, "TABLES"),
            auth!(ticket_ttl, "SECONDS"),
            hub!(token_warning, "SECONDS"),
            auth!(lockout_failures, "COUNT"),
            auth!(lockout_window, "SECONDS"),
            auth!(lockout_duration, "SECONDS"),
        ],
    );
    let edges = under(
        "Edges",
        [
            edges!(tls_cert, "FILE"),
            edges!(tls_key, "FILE"),
            edges!(tls_check_interval, "SECONDS"),
            edges!(allow_origins, "LIST"),
            edges!(allow_hosts, "LIST"),
            edges!(security_headers, "BOOL"),
            edges!(hsts_max_age, "SECONDS"),
            edges!(content_security_policy, "POLICY"),
            edges!(single_page_app, "BOOL"),
            edges!(immutable_paths, "LIST"),
            edges!(compress_answers, "BOOL"),
        ],
    );
    let streams = under(
        "Streams",
        [
            hub!(enable_sse, "BOOL"),
            hub!(rollout_percent, "PERCENT"),
            hub!(heartbeat_interval, "SECONDS"),
            hub!(max_connections, "COUNT"),
            hub!(connection_timeout, "SECONDS"),
            hub!(max_queue_size, "EVENTS"),
            hub!(slow_readers, "WORD"),
            hub!(max_subscriber_idle_time, "SECONDS"),
            hub!(stream_compression, "BOOL"),
            hub!(compress_min_bytes, "BYTES"),
            hub!(topic_rules, "TABLES"),
        ],
    );
    let history = under(
        "History",
        [
            hub!(max_history_per_topic, "EVENTS"),
            hub!(max_bytes_per_topic, "BYTES"),
            hub!(max_bytes_total, "BYTES"),
            hub!(memory_warning_mb, "MB"),
            hub!(memory_critical_mb, "MB"),
            hub!(event_ttl, "SECONDS"),
            hub!(topic_ttl, "SECONDS"),
            hub!(cleanup_interval, "SECONDS"),
        ],
    );
    let limits = under(
        "Limits",
        [
            hub!(soft_refusals, "BOOL"),
            hub!(max_connections_per_ip, "COUNT"),
            hub!(max_connections_per_identity, "COUNT"),
            limits!(rate_limit_calls, "COUNT"),
            limits!(rate_limit_period, "SECONDS"),
            limits!(trusted_proxies, "NETWORKS"),
            hub!(max_topics, "COUNT"),
            hub!(max_topics_per_request, "COUNT"),
            hub!(max_body_bytes, "BYTES"),
            hub!(body_timeout, "SECONDS"),
        ],
    );
    let watching = under(
        "Watching",
        [
            watch!(metrics, "BOOL"),
            watch!(metrics_public, "BOOL"),
            watch!(metrics_topic_label, "BOOL"),
            watch!(metrics_max_labels, "COUNT"),
            watch!(health_memory_mb, "MB"),
            watch!(health_topics, "COUNT"),
            log!(log_format, "WORD"),
            log!(log_level, "LEVELS"),
            log!(otlp_endpoint, "URL"),
        ],
    );
    server.chain(identity).chain(edges).chain(streams).chain(limits).chain(history).chain(watching).collect()
});

type Row = (&'static str, &'static str, &'static str, fn(&mut ServeConfig) -> &mut dyn Field);

fn under<const N: usize>(heading: &'static str, rows: [Row; N]) -> impl Iterator<Item = Setting<ServeConfig>> {
    rows.into_iter().map(move |(name, value_name, text, field)| Setting { name, heading, value_name, text, field })
}

fn text<C: DocumentedFields>(name: &'static str) -> &'static str {
    C::get_field_docs(name).expect("the macros above name fields, and a field without a text does not compile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Machine, Preset};
    use std::collections::BTreeSet;

    #[test]
    fn every_field_is_a_setting() {
        const PARTS: [&str; 6] = ["auth", "edges", "hub", "limits", "log", "watch"];
        let fields = [
            AuthConfig::FIELD_NAMES,
            EdgesConfig::FIELD_NAMES,
            HubConfig::FIELD_NAMES,
            LimitsConfig::FIELD_NAMES,
            LogConfig::FIELD_NAMES,
            ServeConfig::FIELD_NAMES,
            WatchConfig::FIELD_NAMES,
        ]
        .concat();
        let fields: BTreeSet<&str> = fields.into_iter().filter(|field| !PARTS.contains(field)).collect();
        let settings: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(fields, settings);
        assert_eq!(settings.len(), SETTINGS.len());
    }

    #[test]
    fn whatever_a_preset_sets_is_a_setting() {
        let machine = Machine { available_bytes: 0, n_cores: 1 };
        for (name, _) in Preset::ALL.into_iter().flat_map(|preset| preset.settings(machine)) {
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name}");
        }
    }
}

//! The settings of what lies between the hub and the network: TLS, other origins, headers, files.

use super::{ConfigError, HostName, Origin, PathPrefix, span_problem};
use axum::http::HeaderValue;
use std::path::PathBuf;
use std::time::Duration;

/// How `heartwire serve` meets browsers. `None` switches a thing off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct EdgesConfig {
    /// A PEM file with the certificate to speak TLS with, the intermediate ones behind it. With it, every
    /// connection is TLS, and clients may choose HTTP/2. SIGHUP reads it again, too. Default: off.
    pub tls_cert: Option<PathBuf>,
    /// The PEM file with the private key of `tls_cert`. Default: off.
    pub tls_key: Option<PathBuf>,
    /// How often to look whether the files of `tls_cert` and `tls_key` have changed. New ones hold for the
    /// connections that come from then on; ones that cannot be used are told to the log. Default 60 s.
    pub tls_check_interval: Option<Duration>,
    /// The origins whose pages may use this server besides its own, such as `https://app.example`. Exactly
    /// as browsers send them: scheme, host and, unless it is the usual one, port. Their pages may send
    /// cookies. Default: none.
    pub allow_origins: Vec<Origin>,
    /// The names that a server on a loopback address answers to besides localhost and its address. Name
    /// those by which a proxy in front is called, if it passes them on. On any other address each name
    /// will do. Default: none.
    pub allow_hosts: Vec<HostName>,
    /// Whether every answer carries headers that keep browsers from misusing it. They guess no types, show no
    /// page in a frame elsewhere, and tell no other site of URLs. Switch it off where a proxy in front says so
    /// already. Default: true.
    pub security_headers: bool,
    /// For how long browsers remember to reach this host by TLS alone. They are told so by a server that
    /// speaks TLS itself and does not listen on a loopback address. Default 31,536,000 s.
    pub hsts_max_age: Option<Duration>,
    /// The policy that the files of `www` are served with, which says what their pages may load and run.
    /// WebAssembly needs `'wasm-unsafe-eval'`; pages without inline scripts can do without
    /// `'unsafe-inline'` among theirs.
    /// Default: default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval';
    /// style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; base-uri 'self';
    /// frame-ancestors 'self'.
    pub content_security_policy: Option<HeaderValue>,
    /// Whether a path that names no file, and has no dot in its last part, shows `index.html` of `www`. So a
    /// page that has routes of its own can be opened at any of them. Default: false.
    pub single_page_app: bool,
    /// The paths below which a file of `www` never changes under the same name, such as `/assets/`. Browsers
    /// keep these for a year; for all others they ask each time whether they have changed. Default: none.
    pub immutable_paths: Vec<PathPrefix>,
    /// Whether polls and other answers of some size go out as gzip to clients that accept it. So do files of
    /// `www` that have no `.br` or `.gz` beside them. Streams have `stream_compression`, and polls of the
    /// topics for which that is off are not compressed either. Default: true.
    pub compress_answers: bool,
}

const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; \
     frame-ancestors 'self'";

impl Default for EdgesConfig {
    /// Speaks plain HTTP, for pages of its own origin alone; answers carry the usual headers, and are
    /// compressed.
    fn default() -> Self {
        Self {
            tls_cert: None,
            tls_key: None,
            tls_check_interval: Some(Duration::from_secs(60)),
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            security_headers: true,
            hsts_max_age: Some(Duration::from_secs(365 * 24 * 3_600)),
            content_security_policy: Some(HeaderValue::from_static(PAGE_POLICY)),
            single_page_app: false,
            immutable_paths: Vec::new(),
            compress_answers: true,
        }
    }
}

impl EdgesConfig {
    /// Refuses values that cannot be meant.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let verdicts = [
            ("tls_key", (self.tls_cert.is_some() && self.tls_key.is_none()).then_some("must be set as tls_cert is")),
            ("tls_cert", (self.tls_key.is_some() && self.tls_cert.is_none()).then_some("must be set as tls_key is")),
            ("tls_check_interval", span_problem(self.tls_check_interval)),
            ("hsts_max_age", span_problem(self.hsts_max_age)),
        ];
        match verdicts.into_iter().find_map(|(setting, problem)| Some(ConfigError { setting, problem: problem? })) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let check = |cert: Option<&str>, key: Option<&str>, expected: Option<&str>| {
            let config = EdgesConfig {
                tls_cert: cert.map(PathBuf::from),
                tls_key: key.map(PathBuf::from),
                ..EdgesConfig::default()
            };
            assert_eq!(config.check().err().map(|err| err.setting), expected);
        };
        check(None, None, None);
        check(Some("cert.pem"), Some("key.pem"), None);
        check(Some("cert.pem"), None, Some("tls_key"));
        check(None, Some("key.pem"), Some("tls_cert"));
    }
}

//! The settings that say how somebody is known.

use super::{ApiKey, ConfigError, Secret, TopicPattern, ZERO, span_problem};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// A shorter secret can be found by trying, with any token at hand.
const MIN_SECRET_CHARS: usize = 32;
/// Clocks differ by seconds. More would only make tokens live longer than they say.
const MAX_LEEWAY: Duration = Duration::from_secs(300);
/// A ticket stands in a URL, so it may be seen: it must be worthless soon.
const MAX_TICKET_TTL: Duration = Duration::from_secs(300);

/// How somebody is known, and what happens to whoever only pretends. `None` switches a thing off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct AuthConfig {
    /// The secret of tokens that are signed by HS256. At least 32 characters; not a flag, since others on the
    /// machine can see those. JWT_SECRET_KEY and AUTH_SECRET_KEY are read too. Default: off.
    pub jwt_secret_key: Option<Secret>,
    /// A file with the keys of tokens, as a JSON Web Key Set. For RS256, ES256, EdDSA and HS256; a token is
    /// checked by the key whose `kid` it names. Read again when it changes. Default: off.
    pub jwks_file: Option<PathBuf>,
    /// The issuer that tokens must be from, as their claim `iss`. Default: off.
    pub jwt_issuer: Option<String>,
    /// The audience that tokens must be for, as one in their claim `aud`. Off, a token that names an audience
    /// is refused. Default: off.
    pub jwt_audience: Option<String>,
    /// How far the clocks of whoever makes tokens may differ from ours. A token is good for so much longer.
    /// At most 300 s. Default 30 s.
    pub jwt_leeway: Duration,
    /// The cookie that may hold a token, for pages that cannot send a header. Default: access_token.
    pub cookie_name: Option<String>,
    /// Topics that everybody may read, without a token. Patterns, such as `news/*`. Default: none.
    pub public_topics: Vec<TopicPattern>,
    /// The keys of programs, sent like tokens: `name`, `hash`, `read`, `publish`, `admin`. `heartwire key`
    /// makes one and prints its lines. Default: none.
    pub api_keys: Vec<ApiKey>,
    /// How long a ticket from `POST /events/ticket` is good for. It opens one stream, with what its owner may
    /// read. At most 300 s. Default 30 s.
    pub ticket_ttl: Duration,
    /// How many times an address may fail to say who it is, within `lockout_window`. Then what it says is not
    /// looked at for `lockout_duration`, and it gets 429. Old but real tokens are no failures. Default 20.
    pub lockout_failures: Option<usize>,
    /// The time within which the failures of an address are counted. Default 60 s.
    pub lockout_window: Duration,
    /// How long an address stays locked out. Default 300 s.
    pub lockout_duration: Duration,
}

impl Default for AuthConfig {
    /// Nobody is known and nothing is public. Once there is a way to know somebody, a token may also come in the
    /// cookie `access_token`, a ticket is good for 30 s, and an address that fails twenty times in a minute is
    /// locked out for five.
    fn default() -> Self {
        Self {
            jwt_secret_key: None,
            jwks_file: None,
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway: Duration::from_secs(30),
            cookie_name: Some("access_token".into()),
            public_topics: Vec::new(),
            api_keys: Vec::new(),
            ticket_ttl: Duration::from_secs(30),
            lockout_failures: Some(20),
            lockout_window: Duration::from_secs(60),
            lockout_duration: Duration::from_secs(300),
        }
    }
}

impl AuthConfig {
    /// Whether there is a way to know anybody.
    #[must_use]
    pub fn knows_anybody(&self) -> bool {
        self.jwt_secret_key.is_some() || self.jwks_file.is_some() || !self.api_keys.is_empty()
    }

    /// Refuses values that cannot be meant.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_short = |secret: &Secret| secret.reveal().chars().count() < MIN_SECRET_CHARS;
        let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
        let is_twice = |key: &ApiKey| !names.insert(key.name.clone()) || !hashes.insert(key.hash);
        let verdicts = [
            (
                "jwt_secret_key",
                self.jwt_secret_key.as_ref().is_some_and(is_short).then_some("must have at least 32 characters"),
            ),
            ("jwt_issuer", self.jwt_issuer.as_ref().is_some_and(String::is_empty).then_some(EMPTY)),
            ("jwt_audience", self.jwt_audience.as_ref().is_some_and(String::is_empty).then_some(EMPTY)),
            ("jwt_leeway", (self.jwt_leeway > MAX_LEEWAY).then_some("must be at most 300 s")),
            ("cookie_name", self.cookie_name.as_deref().and_then(cookie_problem)),
            ("api_keys", self.api_keys.iter().any(|key| key.name.is_empty()).then_some("must all have a name")),
            ("api_keys", self.api_keys.iter().any(is_twice).then_some("must not have a name or a hash twice")),
            ("ticket_ttl", self.ticket_ttl.is_zero().then_some(ZERO)),
            ("ticket_ttl", (self.ticket_ttl > MAX_TICKET_TTL).then_some("must be at most 300 s")),
            ("lockout_failures", (self.lockout_failures == Some(0)).then_some(super::ZERO_OR_OFF)),
            ("lockout_window", self.lockout_window.is_zero().then_some(ZERO)),
            ("lockout_window", span_problem(Some(self.lockout_window))),
            ("lockout_duration", self.lockout_duration.is_zero().then_some(ZERO)),
            ("lockout_duration", span_problem(Some(self.lockout_duration))),
        ];
        match verdicts.into_iter().find_map(|(setting, problem)| Some(ConfigError { setting, problem: problem? })) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }
}

const EMPTY: &str = "must not be empty; `off` switches it off";

// [spec] RFC 6265, section 4.1.1: the name of a cookie is a token.
fn cookie_problem(name: &str) -> Option<&'static str> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    (!is_name).then_some("must be the name of a cookie, such as access_token; `off` switches it off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rights;
    use crate::config::KeyHash;

    #[test]
    fn impossible_values_are_refused_by_name() {
        let check = |change: fn(&mut AuthConfig), expected: Option<&str>| {
            let mut config = AuthConfig::default();
            change(&mut config);
            assert_eq!(config.check().err().map(|err| err.setting), expected);
        };
        check(|_| {}, None);
        check(|c| c.jwt_secret_key = Some(Secret::new("x".repeat(31))), Some("jwt_secret_key"));
        check(|c| c.jwt_secret_key = Some(Secret::new("ü".repeat(31))), Some("jwt_secret_key"));
        check(|c| c.jwt_secret_key = Some(Secret::new("x".repeat(32))), None);
        check(|c| c.jwt_leeway = Duration::ZERO, None);
        check(|c| c.jwt_leeway = Duration::from_secs(301), Some("jwt_leeway"));
        check(|c| c.cookie_name = None, None);
        check(|c| c.cookie_name = Some(String::new()), Some("cookie_name"));
        check(|c| c.cookie_name = Some("a=b".into()), Some("cookie_name"));
        check(|c| c.cookie_name = Some("__Host-token".into()), None);
        check(|c| c.ticket_ttl = Duration::ZERO, Some("ticket_ttl"));
        check(|c| c.ticket_ttl = Duration::from_secs(3_600), Some("ticket_ttl"));
        check(|c| c.lockout_failures = Some(0), Some("lockout_failures"));
        check(|c| c.lockout_window = Duration::MAX, Some("lockout_window"));
        check(|c| c.jwt_audience = Some(String::new()), Some("jwt_audience"));
    }

    #[test]
    fn each_key_has_a_name_of_its_own() {
        let check = |keys: &[(&str, u8)], is_fine: bool| {
            let key = |(name, byte): &(&str, u8)| ApiKey {
                name: (*name).into(),
                hash: KeyHash([*byte; 32]),
                rights: Rights::default(),
            };
            let config = AuthConfig { api_keys: keys.iter().map(key).collect(), ..AuthConfig::default() };
            assert_eq!(config.check().is_ok(), is_fine, "{keys:?}");
        };
        check(&[("a", 1), ("b", 2)], true);
        check(&[("", 1)], false);
        check(&[("a", 1), ("a", 2)], false);
        check(&[("a", 1), ("b", 1)], false);
    }
}

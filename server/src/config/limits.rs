//! Limits on single clients.

use super::{ConfigError, TrustedProxy, ZERO, ZERO_OR_OFF, too_long};
use std::num::NonZeroU32;
use std::time::Duration;

/// What a client may take, and how a server knows one client from another. `None` switches a limit off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct LimitsConfig {
    /// The proxies in front of this server, as addresses or networks such as 10.0.0.0/8. Only what they
    /// say in `Forwarded` or `X-Forwarded-For` about their client's address is believed, and only where
    /// one of the two is there or both agree. Default: none.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The most requests of one address in `rate_limit_period`; of IPv6, of one network of 64 bits. All at
    /// once or one by one; then one more as each part of the period passes. More get 429 with
    /// `Retry-After`. `/health` and `/metrics` are not counted. A back end that publishes counts as well.
    /// Default: off.
    pub rate_limit_calls: Option<usize>,
    /// The span in which a client has `rate_limit_calls`. Default 60 s.
    pub rate_limit_period: Duration,
}

impl Default for LimitsConfig {
    /// Trusts no proxy, and lets everybody ask as often as they like.
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), rate_limit_calls: None, rate_limit_period: Duration::from_secs(60) }
    }
}

impl LimitsConfig {
    /// Refuses values that cannot be meant.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let verdicts = [
            ("rate_limit_calls", (self.rate_limit_calls == Some(0)).then_some(ZERO_OR_OFF)),
            ("rate_limit_calls", self.rate_limit_calls.and_then(too_many)),
            ("rate_limit_period", self.rate_limit_period.is_zero().then_some(ZERO)),
            ("rate_limit_period", too_long(self.rate_limit_period)),
        ];
        match verdicts.into_iter().find_map(|(setting, problem)| Some(ConfigError { setting, problem: problem? })) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }

    /// The requests that a client has, and in which span; `None`: as many as it likes.
    #[cfg_attr(not(feature = "cli"), expect(dead_code))]
    pub(crate) fn rate_limit(&self) -> Option<(NonZeroU32, Duration)> {
        let calls = self.rate_limit_calls?.try_into().ok().and_then(NonZeroU32::new)?;
        Some((calls, self.rate_limit_period))
    }
}

fn too_many(calls: usize) -> Option<&'static str> {
    /// More than any server answers, and a number that fits.
    const A_BILLION: usize = 1_000_000_000;
    (calls > A_BILLION).then_some("must be at most a billion; `off` switches it off")
}

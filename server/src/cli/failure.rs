//! What a command says when it fails.

use crate::config::ConfigError;
use std::fmt;

/// One sentence for the person at the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A sentence that says all.
    pub(crate) fn of(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// What could not be done, and the cause.
    pub(crate) fn new(what: &str, cause: &dyn std::error::Error) -> Self {
        let mut sentence = format!("{what}: {cause}");
        // An HTTP client's first cause says as much as "error sending request".
        let mut deeper = cause.source();
        while let Some(cause) = deeper {
            sentence.push_str(&format!(": {cause}"));
            deeper = cause.source();
        }
        Self(sentence)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(err: ConfigError) -> Self {
        Self(err.to_string())
    }
}

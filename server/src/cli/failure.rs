//! What a command says when it fails.

use crate::causes;
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

    /// What could not be done, and its causes.
    pub(crate) fn new(what: &str, cause: &dyn std::error::Error) -> Self {
        Self(format!("{what}: {}", causes::told(cause)))
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

//! An error in one sentence, with what lies behind it.

use std::error::Error;

/// What an error says, and all its causes. An HTTP client's own words say as much as "error sending request".
pub(crate) fn told(err: &dyn Error) -> String {
    let mut sentence = err.to_string();
    let mut deeper = err.source();
    while let Some(cause) = deeper {
        sentence.push_str(&format!(": {cause}"));
        deeper = cause.source();
    }
    sentence
}

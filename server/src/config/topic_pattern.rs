//! Which topics a rule is about.

use heartwire_protocol::{FieldError, Topic};
use std::fmt;
use std::str::FromStr;

/// One topic, or all topics that begin alike.
///
/// A star at the end stands for any rest, the empty one included; a star alone for every topic. A star
/// anywhere else is refused, since it would look as if it stood for something.
///
/// ```
/// use heartwire::{Topic, TopicPattern};
///
/// let prices = TopicPattern::parse("prices/*")?;
/// assert!(prices.matches(&Topic::parse("prices/gold")?));
/// assert!(!prices.matches(&Topic::parse("orders")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicPattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pattern {
    Is(Topic),
    BeginsWith(Box<str>),
}

/// Why a text is no pattern of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicPatternError {
    /// No topic looks like this, or begins like this.
    Topic(FieldError),
    /// A star stands elsewhere than at the end.
    Star {
        /// Where in the text, in bytes from its start.
        at: usize,
    },
}

impl fmt::Display for TopicPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(err) => err.fmt(f),
            Self::Star { at } => write!(f, "has a star at byte {at}, where only its end may have one"),
        }
    }
}

impl std::error::Error for TopicPatternError {}

impl TopicPattern {
    /// Checks a pattern that came from outside.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, TopicPatternError> {
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
        if let Some(at) = name.find('*') {
            return Err(TopicPatternError::Star { at });
        }
        if is_prefix && name.is_empty() {
            return Ok(Self(Pattern::BeginsWith("".into())));
        }
        let topic = Topic::parse(name).map_err(TopicPatternError::Topic)?;
        Ok(Self(if is_prefix { Pattern::BeginsWith(topic.as_str().into()) } else { Pattern::Is(topic) }))
    }

    /// Whether a topic is one of those meant.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match &self.0 {
            Pattern::Is(this) => this == topic,
            Pattern::BeginsWith(prefix) => topic.as_str().starts_with(&**prefix),
        }
    }
}

impl FromStr for TopicPattern {
    type Err = TopicPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for TopicPattern {
    /// Writes what [`parse`](Self::parse) reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Is(topic) => topic.fmt(f),
            Pattern::BeginsWith(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_stands_for_any_rest() {
        let check = |pattern: &str, topic: &str, expected: bool| {
            let parsed = TopicPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(&Topic::parse(topic).unwrap()), expected, "{pattern} {topic}");
            assert_eq!(parsed.to_string(), pattern);
        };
        check("a", "a", true);
        check("a", "ab", false);
        check("ab", "a", false);
        check("a/*", "a/b", true);
        check("a/*", "a/b/c", true);
        check("a/*", "a/", true);
        check("a/*", "a", false);
        check("a*", "a", true);
        check("a*", "A", false);
        check("ü*", "über", true);
        check("*", "anything", true);
        check("a*", "a*", true);
    }

    #[test]
    fn a_pattern_that_no_topic_can_match_as_meant_is_refused() {
        let check = |text: &str, expected| assert_eq!(TopicPattern::parse(text), Err(expected), "{text:?}");
        check("", TopicPatternError::Topic(FieldError::Empty));
        check("**", TopicPatternError::Star { at: 0 });
        check("a/*/b", TopicPatternError::Star { at: 2 });
        check("*b", TopicPatternError::Star { at: 0 });
        check("$stats", TopicPatternError::Topic(FieldError::Reserved));
        check("$*", TopicPatternError::Topic(FieldError::Reserved));
        check("a\n*", TopicPatternError::Topic(FieldError::ControlCharacter { at: 1 }));
        check(&"x".repeat(257), TopicPatternError::Topic(FieldError::TooLong { limit_bytes: 256 }));
        assert!(TopicPattern::parse(&format!("{}*", "x".repeat(256))).is_ok());
    }
}

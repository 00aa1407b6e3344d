//! What is set for some topics apart from the rest.

use super::TopicPattern;
use heartwire_protocol::Topic;
use std::fmt;
use std::str::FromStr;

/// Settings for the topics of a pattern. `None` leaves a setting to the next rule that matches, and to
/// the hub where none says anything about it.
///
/// ```
/// use heartwire::{HubConfig, SlowReaders, TopicPattern, TopicRule};
///
/// let pattern = TopicPattern::parse("prices/*")?;
/// let rule = TopicRule { slow_readers: Some(SlowReaders::Newest), ..TopicRule::new(pattern) };
/// let config = HubConfig { topic_rules: vec![rule], ..HubConfig::default() };
/// # Ok::<(), heartwire::TopicPatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRule {
    /// Which topics this is about.
    pub pattern: TopicPattern,
    /// See [`HubConfig::slow_readers`](super::HubConfig::slow_readers).
    pub slow_readers: Option<SlowReaders>,
    /// See [`HubConfig::stream_compression`](super::HubConfig::stream_compression).
    pub stream_compression: Option<bool>,
}

impl TopicRule {
    /// A rule that says nothing yet.
    #[must_use]
    pub fn new(pattern: TopicPattern) -> Self {
        Self { pattern, slow_readers: None, stream_compression: None }
    }
}

/// A setting of a hub as it is for each topic.
#[derive(Debug, Clone)]
pub(crate) struct PerTopic<T> {
    rules: Vec<(TopicPattern, T)>,
    otherwise: T,
}

impl<T: Copy> PerTopic<T> {
    pub(super) fn new(rules: &[TopicRule], says: impl Fn(&TopicRule) -> Option<T>, otherwise: T) -> Self {
        let rules = rules.iter().filter_map(|rule| Some((rule.pattern.clone(), says(rule)?)));
        Self { rules: rules.collect(), otherwise }
    }

    /// What the first rule says that matches the topic, or else the hub.
    pub(crate) fn of(&self, topic: &Topic) -> T {
        self.rules.iter().find(|(pattern, _)| pattern.matches(topic)).map_or(self.otherwise, |(_, value)| *value)
    }
}

/// What happens to a reader that was live and then fell too far behind, or off the end of the history.
///
/// Ordered from the most careful one, which leaves least to the reader's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SlowReaders {
    /// Its stream ends with `closing: lagged`. The client resumes where it was, gets what is still kept
    /// and is told what is not.
    #[default]
    Close,
    /// Its stream goes on with what is published from then on, behind a `gap` that tells what it missed.
    Skip,
    /// As [`Skip`](Self::Skip), and of the events in the gap that are still kept it gets the newest of
    /// each key.
    Newest,
}

impl SlowReaders {
    /// The word for it in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Skip => "skip",
            Self::Newest => "newest",
        }
    }
}

impl fmt::Display for SlowReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SlowReaders {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = [Self::Close, Self::Skip, Self::Newest];
        known.into_iter().find(|policy| policy.as_str() == word).ok_or("must be close, skip or newest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_says_something_wins() {
        let rule = |pattern: &str, slow_readers| TopicRule {
            slow_readers,
            ..TopicRule::new(TopicPattern::parse(pattern).unwrap())
        };
        let rules = [
            rule("prices/gold", None),
            rule("prices/oil", Some(SlowReaders::Skip)),
            rule("prices/*", Some(SlowReaders::Newest)),
            rule("*", None),
        ];
        let check = |topic: &str, expected: SlowReaders| {
            let per_topic = PerTopic::new(&rules, |rule| rule.slow_readers, SlowReaders::Close);
            assert_eq!(per_topic.of(&Topic::parse(topic).unwrap()), expected, "{topic}");
        };
        check("prices/gold", SlowReaders::Newest);
        check("prices/oil", SlowReaders::Skip);
        check("prices/tin", SlowReaders::Newest);
        check("orders", SlowReaders::Close);
    }

    #[test]
    fn each_word_is_read_as_it_is_written() {
        for policy in [SlowReaders::Close, SlowReaders::Skip, SlowReaders::Newest] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert!("drop".parse::<SlowReaders>().is_err());
    }
}

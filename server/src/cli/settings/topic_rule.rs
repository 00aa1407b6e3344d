//! Rules for some topics as tables of a file.

use super::value::Content;
use crate::config::{TopicPattern, TopicRule};
use config::Value;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    pattern: String,
    slow_readers: Option<String>,
    stream_compression: Option<bool>,
}

impl Content for TopicRule {
    const FILE_ONLY: bool = true;

    fn read(given: &Value) -> Result<Self, String> {
        let table: Table = given.clone().try_deserialize().map_err(|err| format!("has a bad rule: {err}"))?;
        let bad = |what: &str, problem: String| format!("has a rule for {:?} whose {what} {problem}", table.pattern);
        let pattern = TopicPattern::parse(&table.pattern).map_err(|err| bad("pattern", err.to_string()))?;
        let word = |word: &String| word.parse().map_err(|err: &str| bad("slow_readers", err.to_owned()));
        Ok(Self {
            slow_readers: table.slow_readers.as_ref().map(word).transpose()?,
            stream_compression: table.stream_compression,
            ..Self::new(pattern)
        })
    }

    fn write(&self) -> toml::Value {
        let Self { pattern, slow_readers, stream_compression } = self;
        let mut table = toml::Table::new();
        table.insert("pattern".to_owned(), pattern.to_string().into());
        if let Some(policy) = slow_readers {
            table.insert("slow_readers".to_owned(), policy.as_str().into());
        }
        if let Some(on) = stream_compression {
            table.insert("stream_compression".to_owned(), (*on).into());
        }
        table.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Result<TopicRule, String> {
        let source = config::Config::builder().set_override("rule", given(file.parse().unwrap())).unwrap();
        TopicRule::read(&source.build().unwrap().get("rule").unwrap())
    }

    fn given(table: toml::Table) -> Value {
        let pairs = table.into_iter().map(|(name, value)| {
            let value = match value {
                toml::Value::Boolean(on) => Value::from(on),
                toml::Value::String(text) => Value::from(text),
                other => Value::from(other.to_string()),
            };
            (name, value)
        });
        Value::from(pairs.collect::<std::collections::HashMap<String, Value>>())
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        let text = "pattern = \"prices/*\"\nslow_readers = \"newest\"\nstream_compression = false\n";
        let rule = read(text).unwrap();
        assert_eq!(rule.write().as_table().unwrap().to_string(), text);
    }

    #[test]
    fn a_bad_rule_says_what_is_wrong_with_it() {
        let check = |file: &str, expected: &str| {
            let refusal = read(file).unwrap_err();
            assert!(refusal.contains(expected), "{file}: {refusal}");
        };
        check("slow_readers = \"skip\"", "pattern");
        check("pattern = \"a\"\nslow_reader = \"skip\"", "slow_reader");
        check("pattern = \"a\"\nslow_readers = \"drop\"", "must be close, skip or newest");
        check("pattern = \"a*b\"", "pattern");
    }
}

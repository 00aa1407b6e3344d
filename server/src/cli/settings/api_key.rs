//! The keys of programs as tables of a file.

use super::value::Content;
use crate::auth::Rights;
use crate::config::{ApiKey, TopicPattern};
use config::Value;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    hash: String,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    admin: bool,
}

impl Content for ApiKey {
    const FILE_ONLY: bool = true;

    fn read(given: &Value) -> Result<Self, String> {
        let table: Table = given.clone().try_deserialize().map_err(|err| format!("has a bad key: {err}"))?;
        let bad = |what: &str, problem: String| format!("has a key {:?} whose {what} {problem}", table.name);
        let patterns = |what: &str, texts: &[String]| -> Result<Vec<TopicPattern>, String> {
            let parse = |text: &String| TopicPattern::parse(text).map_err(|err| bad(what, err.to_string()));
            texts.iter().map(parse).collect()
        };
        let rights = Rights {
            read: patterns("read", &table.read)?,
            publish: patterns("publish", &table.publish)?,
            admin: table.admin,
        };
        let hash = table.hash.parse().map_err(|err: &str| bad("hash", err.to_owned()))?;
        Ok(Self { name: table.name, hash, rights })
    }

    fn write(&self) -> toml::Value {
        let Self { name, hash, rights: Rights { read, publish, admin } } = self;
        let patterns = |patterns: &[TopicPattern]| -> Vec<toml::Value> {
            patterns.iter().map(|pattern| pattern.to_string().into()).collect()
        };
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), name.as_str().into());
        table.insert("hash".to_owned(), hash.to_string().into());
        table.insert("read".to_owned(), patterns(read).into());
        table.insert("publish".to_owned(), patterns(publish).into());
        table.insert("admin".to_owned(), (*admin).into());
        table.into()
    }
}

/// A key as a settings file has it.
pub(in crate::cli) fn lines_of_key(key: &ApiKey) -> String {
    toml::Table::from_iter([("api_keys".to_owned(), vec![key.clone()].write())]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(file: &str) -> Result<ApiKey, String> {
        let table: BTreeMap<String, Value> = toml::from_str(file).unwrap();
        ApiKey::read(&Value::from(table.into_iter().collect::<std::collections::HashMap<_, _>>()))
    }

    const HASH: &str = "sha256:ce1494df04ccb20fd9dd0c0abf31264f2757b6d69b9a90bce06d0784c9088f3c";

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let text = format!(
            "admin = true\nhash = \"{HASH}\"\nname = \"worker\"\npublish = [\"jobs/*\"]\nread = [\"a\", \"*\"]\n"
        );
        assert_eq!(read(&text).unwrap().write().as_table().unwrap().to_string(), text);
        assert_eq!(read(&format!("name = \"x\"\nhash = \"{HASH}\"")).unwrap().rights, Rights::default());
    }

    #[test]
    fn a_bad_key_says_what_is_wrong_with_it() {
        let check = |file: &str, expected: &str| {
            let refusal = read(file).unwrap_err();
            assert!(refusal.contains(expected), "{file}: {refusal}");
        };
        check("name = \"x\"", "hash");
        check("name = \"x\"\nhash = \"hwk_0\"", "whose hash must be sha256:");
        check(&format!("name = \"x\"\nhash = \"{HASH}\"\nread = [\"a*b\"]"), "whose read has a star at byte 1");
        check(&format!("name = \"x\"\nhash = \"{HASH}\"\nreed = []"), "reed");
    }
}

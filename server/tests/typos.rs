//! A configuration file with a typo in every place, one at a time.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::binary::{heartwire, run};

/// Texts that may be any: one more letter in them can be meant.
const FREE_TEXTS: &[&str] = &["content_security_policy", "cookie_name", "jwt_audience", "jwt_issuer"];

/// A line with a typo, and what the refusal must name.
struct Typo {
    line: String,
    names: String,
}

/// All the typos that a line `key = value` is tried with.
fn typos(key: &str, value: &str) -> Vec<Typo> {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let of_the_value = [
        Some(format!("{key} = {value}x")),
        Some(format!("{key} = {{ typo = 1 }}")),
        quoted.map(|text| format!("{key} = \"{text}")),
        quoted.filter(|_| !FREE_TEXTS.contains(&key)).map(|text| format!("{key} = \"{text}x\"")),
    ];
    let of_the_key = [key[..key.len() - 1].to_owned(), format!("{key}x"), key.to_uppercase()];
    let names_the_key = of_the_value.into_iter().flatten().map(|line| Typo { line, names: key.to_owned() });
    let names_the_typo = of_the_key.map(|typo| Typo { line: format!("{typo} = {value}"), names: typo });
    names_the_key.chain(names_the_typo).collect()
}

#[test]
fn a_typo_in_any_place_is_refused_in_one_sentence_that_names_the_key() {
    let shown = String::from_utf8(run(&["config"]).stdout).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typo.toml");
    let mut n_settings = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((key, rest)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        n_settings += 1;
        let (value, _origin) = rest.rsplit_once("  # ").unwrap();
        for Typo { line, names } in typos(key, value) {
            let mut changed = lines.clone();
            changed[index] = &line;
            std::fs::write(&path, changed.join("\n")).unwrap();
            let output = heartwire(&["config"]).env("HEARTWIRE_CONFIG", &path).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && output.stdout.is_empty(), "{line} is taken");
            assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
            assert!(stderr.contains(&names), "{line}: {stderr}");
        }
    }
    assert!(n_settings > 30, "{n_settings} settings in {shown}");
}

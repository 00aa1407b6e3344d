//! `wasm-pack.toml` at the root, as types. Unknown keys are refused.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::tree;

/// How the client is built and how large it may get.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) cargo: Cargo,
    pub(crate) wasm_opt: WasmOpt,
    /// By the name of what a page downloads.
    pub(crate) budget: BTreeMap<String, Budget>,
}

/// What is compiled, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cargo {
    pub(crate) package: String,
    /// The package of what opens frames.
    pub(crate) frames: String,
    pub(crate) profile: String,
}

/// How the module is made smaller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WasmOpt {
    pub(crate) flags: Vec<String>,
    /// What the module may make use of: each becomes `--enable-…`.
    pub(crate) features: Vec<String>,
}

/// The most that a set of files may weigh.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Paths from `client-wasm/js/dist`.
    pub(crate) files: Vec<String>,
    pub(crate) most: Weight,
}

/// What some files weigh, or may weigh, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weight {
    pub(crate) raw: u64,
    pub(crate) gzip: u64,
    pub(crate) brotli: u64,
}

impl Settings {
    /// Reads the file at the root.
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(tree::at("wasm-pack.toml")).context("cannot read wasm-pack.toml")?;
        Self::parse(&text).context("wasm-pack.toml")
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_this_repository_is_understood() {
        let settings = Settings::read().expect("wasm-pack.toml is right");
        assert!(!settings.budget.is_empty());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = fs::read_to_string(tree::at("wasm-pack.toml")).expect("it is there");
        let refused = Settings::parse(&format!("{text}\nsurprise = 1\n"));
        assert!(refused.is_err_and(|err| format!("{err:#}").contains("surprise")));
    }
}

//! The examples of the papers, so that tests can run them.

use anyhow::{Context, Result};

const README: &str = include_str!("../../README.md");
const IDENTITY: &str = include_str!("../../docs/identity.md");

/// The README's first block of code in this language.
///
/// # Errors
/// It has none.
pub fn of_readme(language: &str) -> Result<&'static str> {
    block(README, language, "")
}

/// The first block of docs/identity.md in this language that has this text in it.
///
/// # Errors
/// There is none.
pub fn of_identity(language: &str, text: &str) -> Result<&'static str> {
    block(IDENTITY, language, text)
}

fn block(document: &'static str, language: &str, text: &str) -> Result<&'static str> {
    let fence = format!("\n```{language}\n");
    let blocks = document.split(&fence).skip(1).filter_map(|rest| rest.split_once("```").map(|(code, _)| code));
    blocks
        .into_iter()
        .find(|code| code.contains(text))
        .with_context(|| format!("an example in {language} with {text:?}"))
}

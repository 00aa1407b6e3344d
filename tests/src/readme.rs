//! The examples of the README, so that tests can run them.

use anyhow::{Context, Result};

const README: &str = include_str!("../../README.md");

/// The first block of code in this language.
///
/// # Errors
/// The README has none.
pub fn example(language: &str) -> Result<&'static str> {
    let fence = format!("\n```{language}\n");
    let (_, rest) = README.split_once(&fence).with_context(|| format!("the README has an example in {language}"))?;
    let (code, _) = rest.split_once("```").context("the example ends")?;
    Ok(code)
}

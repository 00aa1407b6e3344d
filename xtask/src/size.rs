//! Weighs what a page downloads and holds it against the budgets of `wasm-pack.toml`.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::settings::{Budget, Settings, Weight};
use crate::toolchain::Toolchain;
use crate::{client, shell, tree};

/// Node's own zlib and brotli: the very code that many servers compress with.
const WEIGH: &str = include_str!("weigh.mjs");

/// `cargo xtask size`.
pub(crate) fn size() -> Result<()> {
    client::build()?;
    let weighed = weigh_all(&Settings::read()?)?;
    print!("{}", table(&weighed));
    let too_heavy: Vec<_> = weighed.iter().filter(|one| !one.is_within_budget()).collect();
    if !is_release_build()? {
        println!("{NO_BUDGET}");
        return Ok(());
    }
    if let [first, ..] = too_heavy.as_slice() {
        bail!("{} is over its budget: make it smaller, or raise the budget in wasm-pack.toml", first.name);
    }
    Ok(())
}

/// Why a build was weighed but not judged.
pub(crate) const NO_BUDGET: &str = "not held against the budget: without the source of the standard library \
                                    (`rustup component add rust-src`) the module is larger than the released one";

/// Whether the module was built as it is for a release, which is what the budget is about.
pub(crate) fn is_release_build() -> Result<bool> {
    Ok(Toolchain::for_client()?.has_library_source())
}

/// What one budget is about, and how much of it is used.
pub(crate) struct Weighed {
    pub(crate) name: String,
    is: Weight,
    most: Weight,
}

impl Weighed {
    pub(crate) fn is_within_budget(&self) -> bool {
        let Self { is, most, .. } = self;
        is.raw <= most.raw && is.gzip <= most.gzip && is.brotli <= most.brotli
    }
}

/// Weighs every budget's files, which must have been built.
pub(crate) fn weigh_all(settings: &Settings) -> Result<Vec<Weighed>> {
    settings
        .budget
        .iter()
        .map(|(name, budget)| {
            let is = weigh(budget).with_context(|| format!("cannot weigh {name}"))?;
            Ok(Weighed { name: name.clone(), is, most: budget.most })
        })
        .collect()
}

/// One line for each budget: what it weighs, then what it may weigh.
pub(crate) fn table(weighed: &[Weighed]) -> String {
    let mut text = format!("{:12}{:>18}{:>18}{:>18}\n", "bytes / most", "raw", "gzip", "brotli");
    for Weighed { name, is, most } in weighed {
        let [raw, gzip, brotli] = [(is.raw, most.raw), (is.gzip, most.gzip), (is.brotli, most.brotli)]
            .map(|(is, most)| format!("{is}{}/ {most:>7}", if is > most { "!" } else { " " }));
        text += &format!("{name:12}{raw:>18}{gzip:>18}{brotli:>18}\n");
    }
    text
}

fn weigh(budget: &Budget) -> Result<Weight> {
    let dist = tree::at("client-wasm/js/dist");
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", WEIGH, "--"]);
    node.args(budget.files.iter().map(|file| dist.join(file)));
    let lines = shell::run("weighing the npm package", &mut node)?;
    ensure!(lines.lines().count() == budget.files.len(), "some file was not weighed");
    sum(&lines)
}

/// Adds up the lines that the script prints: raw, gzip, brotli.
fn sum(lines: &str) -> Result<Weight> {
    let mut total = Weight::default();
    for line in lines.lines() {
        let numbers: Vec<u64> = line
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("unexpected line {line:?}"))?;
        let [raw, gzip, brotli] = numbers[..] else { bail!("unexpected line {line:?}") };
        total.raw += raw;
        total.gzip += gzip;
        total.brotli += brotli;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_budget_are_added_up() {
        let total = sum("10 5 4\n20 6 5\n").expect("two good lines");
        assert_eq!(total, Weight { raw: 30, gzip: 11, brotli: 9 });
        assert!(sum("10 5\n").is_err());
    }

    #[test]
    fn each_of_the_three_numbers_is_a_limit_of_its_own() {
        let most = Weight { raw: 3, gzip: 2, brotli: 1 };
        let check = |is: Weight, expected: bool| {
            let weighed = Weighed { name: "esm".to_owned(), is, most };
            assert_eq!(weighed.is_within_budget(), expected, "{is:?}");
        };
        check(most, true);
        check(Weight { raw: 4, ..most }, false);
        check(Weight { gzip: 3, ..most }, false);
        check(Weight { brotli: 2, ..most }, false);
    }
}

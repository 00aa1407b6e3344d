//! Every test of the repository, in stages: `cargo xtask test [stage]...`.
//!
//! A stage that fails does not keep the later ones from running. The last line printed is the sum,
//! `N passed, N failed`.

use std::iter::Sum;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::settings::Settings;
use crate::toolchain::{self, Toolchain};
use crate::{client, packaging, setup, shell, size, start, tree};

/// How long each fuzz target runs: a check that it still holds, not a search.
const FUZZ_SECONDS: u32 = 5;

/// A part of the tests that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Every crate on this machine, less the end-to-end tests
    Native,
    /// The protocol and what of the client runs there, as wasm in Node
    Wasm,
    /// The client as wasm in Chromium and in Firefox
    Browser,
    /// The npm package and the test vectors in Node
    Js,
    /// Both ends together, in real browsers
    E2e,
    /// Each fuzz target for some seconds
    Fuzz,
    /// The npm package against its budget
    Size,
}

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self) -> Result<Tally> {
        match self {
            Self::Native => native(),
            Self::Wasm => wasm(),
            Self::Browser => browser(),
            Self::Js => js(),
            Self::E2e => end_to_end(),
            Self::Fuzz => fuzz(),
            Self::Size => weigh(),
        }
    }
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies
            .fold(Self::default(), |sum, one| Self { passed: sum.passed + one.passed, failed: sum.failed + one.failed })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs `stages`, or all of them when none is named.
pub(crate) fn test(stages: &[Stage]) -> Result<()> {
    let stages = if stages.is_empty() { Stage::value_variants() } else { stages };
    let mut results = Vec::new();
    for &stage in stages {
        println!("{}:", stage.name());
        let started = Instant::now();
        let tally = stage.run().unwrap_or_else(|err| {
            eprintln!("error: {err:#}");
            Tally { passed: 0, failed: 1 }
        });
        results.push((stage, tally, started.elapsed()));
    }

    println!("\n{:10}{:>8}{:>8}{:>10}", "stage", "passed", "failed", "time");
    for (stage, tally, took) in &results {
        println!("{:10}{:>8}{:>8}{:>10}", stage.name(), tally.passed, tally.failed, seconds(*took));
    }
    let total: Tally = results.iter().map(|(_, tally, _)| *tally).sum();
    if total.failed > 0 {
        // Before the sum, which is to be the last line.
        eprintln!("\nsomething failed: what it printed is above, under the name of its stage");
    }
    println!("\n{total}");
    if total.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn native() -> Result<Tally> {
    let mut cargo = toolchain::cargo("test");
    cargo.args(["--workspace", "--exclude", "heartwire-tests", "--no-fail-fast"]);
    suite("testing every crate on this machine", &mut cargo)
}

fn wasm() -> Result<Tally> {
    let mut cargo = wasm_tests()?;
    cargo.args(["--package", "heartwire-protocol", "--package", "heartwire-client-wasm"]);
    cargo.args(["--package", "heartwire-client-frames"]);
    suite("testing as wasm in Node", cargo.env("WASM_BINDGEN_TEST_ONLY_NODE", "1"))
}

fn browser() -> Result<Tally> {
    let browsers = setup::browsers()?;
    let run = |what: &str, driver: &str, path| {
        let mut cargo = wasm_tests()?;
        cargo.args(["--package", "heartwire-client-wasm"]);
        // The runner reads the browsers' flags from client-wasm/webdriver.json.
        suite(what, cargo.env("WASM_BINDGEN_TEST_ONLY_WEB", "1").env(driver, path))
    };
    let chromium = run("testing in Chromium", "CHROMEDRIVER", &browsers.chromedriver)?;
    let firefox = run("testing in Firefox", "GECKODRIVER", &browsers.geckodriver)?;
    Ok([chromium, firefox].into_iter().sum())
}

/// `cargo test` for wasm32, without the doc tests: those would each start a Node of their own.
fn wasm_tests() -> Result<Command> {
    let toolchain = Toolchain::for_wasm()?;
    setup::wasm_bindgen()?;
    let mut cargo = toolchain.cargo("test");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tree::tool("wasm-bindgen-test-runner")).args([
        "--lib",
        "--tests",
        "--no-fail-fast",
    ]);
    Ok(cargo)
}

fn js() -> Result<Tally> {
    client::build()?;
    let mut npm = Command::new("npm");
    npm.current_dir(tree::root()).args(["test", "--workspaces", "--if-present"]);
    suite("testing the npm package in Node", &mut npm)
}

fn end_to_end() -> Result<Tally> {
    let browsers = setup::browsers()?;
    setup::programs()?;
    client::build()?;
    packaging::build_all(&client::tarball())?;
    start::build_server()?;
    let mut cargo = toolchain::cargo("test");
    cargo
        .env("HEARTWIRE_BIN", tree::server_binary())
        .env("HEARTWIRE_WWW", tree::www())
        .env("HEARTWIRE_PACKAGING", tree::target("packaging"))
        .args(["--package", "heartwire-tests", "--no-fail-fast"]);
    browsers.name_in(&mut cargo);
    suite("testing both ends together, in browsers too", &mut cargo)
}

fn fuzz() -> Result<Tally> {
    setup::cargo_fuzz()?;
    let listed = shell::run("looking for fuzz targets", &mut cargo_fuzz("list"))?;
    listed
        .lines()
        .map(|target| {
            let mut run = cargo_fuzz("run");
            // The code is free of `unsafe`, so a sanitizer would only slow it down.
            run.args(["--sanitizer", "none", target, "--", &format!("-max_total_time={FUZZ_SECONDS}")]);
            let what = format!("fuzzing {target} for {FUZZ_SECONDS} s");
            let ended = shell::attempt(&what, &mut run, None)?;
            let tally = one(ended.succeeded, &ended.output);
            println!("  {what}: {tally} in {}", seconds(ended.took));
            Ok(tally)
        })
        .sum()
}

fn cargo_fuzz(chore: &str) -> Command {
    let mut command = Command::new(tree::tool("cargo-fuzz"));
    command
        .current_dir(tree::at("protocol"))
        .env("CARGO_TARGET_DIR", tree::target("fuzz"))
        // cargo-fuzz passes `-Z` flags to whatever compiler there is.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", chore]);
    command
}

fn weigh() -> Result<Tally> {
    client::build()?;
    let weighed = size::weigh_all(&Settings::read()?)?;
    print!("{}", size::table(&weighed));
    if !size::is_release_build()? {
        println!("{}", size::NO_BUDGET);
        return Ok(Tally::default());
    }
    Ok(weighed.iter().map(|weighed| one(weighed.is_within_budget(), &format!("{} is too heavy", weighed.name))).sum())
}

/// A check that counts as one test; a failure prints `output`.
fn one(succeeded: bool, output: &str) -> Tally {
    if succeeded {
        return Tally { passed: 1, failed: 0 };
    }
    eprintln!("{}", output.trim_end());
    Tally { passed: 0, failed: 1 }
}

/// Runs a test runner and counts what its closing lines say.
fn suite(what: &str, command: &mut Command) -> Result<Tally> {
    let ended = shell::attempt(what, command, None)?;
    let mut tally = count(&ended.output);
    if !ended.succeeded {
        eprintln!("{}", ended.output.trim_end());
        // It may have failed without a test having failed: in compiling, or in starting a browser.
        tally.failed = tally.failed.max(1);
    } else if tally == Tally::default() {
        eprintln!("{}\nno test ran", ended.output.trim_end());
        tally.failed = 1;
    }
    println!("  {what}: {tally} in {}", seconds(ended.took));
    Ok(tally)
}

/// The sum of all closing lines, cargo's and Node's.
fn count(output: &str) -> Tally {
    output.lines().map(|line| closing_line(line).unwrap_or_default()).sum()
}

/// `test result: ok. 3 passed; 0 failed; …` of cargo test and of wasm-bindgen's runner; `# pass 3`
/// and `# fail 0` of Node's runner, where `#` is `ℹ` on a terminal.
fn closing_line(line: &str) -> Option<Tally> {
    if let Some(result) = line.trim().strip_prefix("test result: ") {
        let (_, counts) = result.split_once(". ")?;
        let mut counts = counts.split("; ");
        let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
        let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
        return Some(Tally { passed, failed });
    }
    let count = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    match count.split_once(' ')? {
        ("pass", n) => Some(Tally { passed: n.parse().ok()?, failed: 0 }),
        ("fail", n) => Some(Tally { passed: 0, failed: n.parse().ok()? }),
        _ => None,
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_every_runner_are_counted() {
        let check = |output: &str, passed, failed| {
            assert_eq!(count(output), Tally { passed, failed }, "{output:?}");
        };
        check("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; finished in 0.00s", 3, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out", 3, 2);
        let two =
            "test result: ok. 1 passed; 0 failed; 0 ignored\nnoise\ntest result: ok. 2 passed; 0 failed; 0 ignored";
        check(two, 3, 0);
        check("# tests 9\n# pass 7\n# fail 2\n# skipped 0", 7, 2);
        check("ℹ tests 9\nℹ pass 9\nℹ fail 0", 9, 0);
        check("test test_result ... ok\n# passing by\nno tests to run!", 0, 0);
    }
}

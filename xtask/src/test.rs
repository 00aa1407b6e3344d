//! Every test of the repository, in stages: `cargo xtask test [stage]...`.
//!
//! First everything that the stages need is brought and built, and then they run beside each other: most tests wait
//! nearly all the time, and what they wait for would come late while compilers are at work. A stage that fails does
//! not keep the others from running. The last line printed is the sum, `N passed, N failed`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::programs::{self, Job, Program};
use crate::report::{Report, Tally, seconds, suite};
use crate::settings::Settings;
use crate::toolchain::{self, Toolchain};
use crate::{client, packaging, setup, shell, size, tree};

/// How long each fuzz target runs: a check that it still holds, not a search.
const FUZZ_SECONDS: u32 = 5;

/// So many test programs run at any moment beside those with both ends: with more, what they wait for comes late.
const NATIVE_AT_ONCE: usize = 2;
/// So many of those with both ends, of which the longest has four browsers at work.
const E2E_AT_ONCE: usize = 1;

/// The stages of a lane run one after another, and the lanes beside each other. Both take about as long.
const LANES: [&[Stage]; 2] =
    [&[Stage::E2e], &[Stage::Native, Stage::Js, Stage::Wasm, Stage::Browser, Stage::Fuzz, Stage::Size]];

/// A part of the tests that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
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

    /// In the order in which they are to be met.
    fn needs(self) -> &'static [Need] {
        match self {
            Self::Native => &[Need::TestPrograms],
            Self::Wasm => &[Need::WasmTests],
            Self::Browser => &[Need::WasmTests, Need::Browsers],
            Self::Js | Self::Size => &[Need::Package],
            Self::E2e => &[Need::TestPrograms, Need::Browsers, Need::Commands, Need::Package, Need::Projects],
            Self::Fuzz => &[Need::FuzzTargets],
        }
    }

    fn run(self) -> Result<Report> {
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

/// What must be there before a stage can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    TestPrograms,
    WasmTests,
    Browsers,
    Commands,
    Package,
    Projects,
    FuzzTargets,
}

impl Need {
    fn meet(self) -> Result<()> {
        match self {
            Self::TestPrograms => programs::build(),
            Self::WasmTests => build_wasm_tests(),
            Self::Browsers => setup::browsers().map(drop),
            Self::Commands => setup::programs(),
            Self::Package => client::build(),
            Self::Projects => packaging::build_all(&client::tarball()),
            Self::FuzzTargets => build_fuzz_targets(),
        }
    }
}

/// Runs `stages`, or all of them when none is named.
pub(crate) fn test(stages: &[Stage]) -> Result<()> {
    let stages = if stages.is_empty() { Stage::value_variants() } else { stages };
    let started = Instant::now();
    let unmet = prepare(stages);
    println!("everything is built, after {}", seconds(started.elapsed()));

    let results = run(stages, &unmet);
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

/// Meets the needs of all stages; those that could not be met.
fn prepare(stages: &[Stage]) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for need in stages.iter().flat_map(|stage| stage.needs()) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    // The compiler alone would leave cores idle while something is fetched, linked or bundled.
    let (compiled, others): (Vec<_>, Vec<_>) = needs.into_iter().partition(|need| *need == Need::TestPrograms);
    thread::scope(|scope| {
        let compiling = scope.spawn(|| meet(compiled));
        let mut unmet = meet(others);
        unmet.extend(compiling.join().expect("no need panics"));
        unmet
    })
}

/// Meets `needs` in turn; those that could not be met.
fn meet(mut needs: Vec<Need>) -> Vec<Need> {
    needs.retain(|need| need.meet().inspect_err(|err| eprintln!("error: {err:#}")).is_err());
    needs
}

/// Runs the stages whose needs are met. In the order of the stages: what each came to, and how long it took.
fn run(stages: &[Stage], unmet: &[Need]) -> Vec<(Stage, Tally, Duration)> {
    let run = |stage: Stage| {
        let started = Instant::now();
        let report = if stage.needs().iter().any(|need| unmet.contains(need)) {
            Report::failure("not run: the error above tells what it lacks")
        } else {
            stage.run().unwrap_or_else(|err| Report::failure(&format!("error: {err:#}")))
        };
        // In one piece, since other stages print, too.
        print!("{}:\n{}", stage.name(), report.text);
        (stage, report.tally, started.elapsed())
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let lane = |lane: &'static [Stage]| {
            let wanted = lane.iter().filter(|stage| stages.contains(stage));
            scope.spawn(move || wanted.map(|stage| run(*stage)).collect::<Vec<_>>())
        };
        let lanes = LANES.map(lane);
        lanes.into_iter().flat_map(|lane| lane.join().expect("no stage panics")).collect()
    });
    results.sort_by_key(|(stage, ..)| *stage);
    results
}

fn native() -> Result<Report> {
    let programs = programs::built().iter().filter(|program| !is_end_to_end(program));
    let mut doc_tests = toolchain::cargo("test");
    doc_tests.args(["--workspace", "--doc", "--no-fail-fast"]);
    let doc_tests = Job { what: "testing the examples in the documentation".to_owned(), command: doc_tests };
    let jobs = programs.map(Program::job).chain([doc_tests]).collect();
    programs::run("testing every crate on this machine", jobs, NATIVE_AT_ONCE)
}

fn is_end_to_end(program: &Program) -> bool {
    program.folder == tree::at("tests")
}

/// What is tested as wasm in Node, and what in browsers.
const IN_NODE: [&str; 6] =
    ["--package", "heartwire-protocol", "--package", "heartwire-client-wasm", "--package", "heartwire-client-frames"];
const IN_BROWSERS: [&str; 2] = ["--package", "heartwire-client-wasm"];

fn wasm() -> Result<Report> {
    suite("testing as wasm in Node", wasm_tests()?.args(IN_NODE).env("WASM_BINDGEN_TEST_ONLY_NODE", "1"))
}

fn browser() -> Result<Report> {
    let browsers = setup::browsers()?;
    let run = |what: &str, driver: &str, path| {
        // The runner reads the browsers' flags from client-wasm/webdriver.json.
        suite(what, wasm_tests()?.args(IN_BROWSERS).env("WASM_BINDGEN_TEST_ONLY_WEB", "1").env(driver, path))
    };
    let chromium = run("testing in Chromium", "CHROMEDRIVER", &browsers.chromedriver)?;
    let firefox = run("testing in Firefox", "GECKODRIVER", &browsers.geckodriver)?;
    Ok([chromium, firefox].into_iter().collect())
}

fn build_wasm_tests() -> Result<()> {
    setup::wasm_bindgen()?;
    for packages in [&IN_NODE[..], &IN_BROWSERS] {
        let what = "building the tests as wasm (a minute the first time)";
        shell::run(what, wasm_tests()?.arg("--no-run").args(packages))?;
    }
    Ok(())
}

/// `cargo test` for wasm32, without the doc tests: those would each start a Node of their own.
fn wasm_tests() -> Result<Command> {
    let mut cargo = Toolchain::for_wasm()?.cargo("test");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tree::tool("wasm-bindgen-test-runner")).args([
        "--lib",
        "--tests",
        "--no-fail-fast",
    ]);
    Ok(cargo)
}

fn js() -> Result<Report> {
    let mut npm = Command::new("npm");
    npm.current_dir(tree::root()).args(["test", "--workspaces", "--if-present"]);
    suite("testing the npm package in Node", &mut npm)
}

fn end_to_end() -> Result<Report> {
    let browsers = setup::browsers()?;
    let programs = programs::built().iter().filter(|program| is_end_to_end(program));
    let jobs = programs.map(|program| {
        let mut job = program.job();
        job.command
            .env("HEARTWIRE_BIN", tree::debug_binary("heartwire"))
            .env("HEARTWIRE_EXAMPLES", tree::target("debug/examples"))
            .env("HEARTWIRE_WWW", tree::www())
            .env("HEARTWIRE_PACKAGING", tree::target("packaging"));
        browsers.name_in(&mut job.command);
        job
    });
    programs::run("testing both ends together, in browsers too", jobs.collect(), E2E_AT_ONCE)
}

/// The code is free of `unsafe`, so a sanitizer would only slow it down.
const NO_SANITIZER: [&str; 2] = ["--sanitizer", "none"];

fn build_fuzz_targets() -> Result<()> {
    setup::cargo_fuzz()?;
    shell::run("building the fuzz targets (a minute the first time)", cargo_fuzz("build").args(NO_SANITIZER))?;
    Ok(())
}

fn fuzz() -> Result<Report> {
    let listed = shell::run("looking for fuzz targets", &mut cargo_fuzz("list"))?;
    listed
        .lines()
        .map(|target| {
            let mut run = cargo_fuzz("run");
            run.args(NO_SANITIZER).args([target, "--", &format!("-max_total_time={FUZZ_SECONDS}")]);
            let what = format!("fuzzing {target} for {FUZZ_SECONDS} s");
            let ended = shell::attempt(&what, &mut run, None)?;
            Ok(Report::check(ended.succeeded, &ended.output).close(&what, ended.took))
        })
        .collect()
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

fn weigh() -> Result<Report> {
    let weighed = size::weigh_all(&Settings::read()?)?;
    let text = size::table(&weighed);
    if !size::is_release_build()? {
        return Ok(Report { text: text + size::NO_BUDGET + "\n", ..Report::default() });
    }
    let is_kept =
        weighed.iter().map(|one| Report::check(one.is_within_budget(), &format!("{} is too heavy", one.name)));
    Ok([Report { text, ..Report::default() }].into_iter().chain(is_kept).collect())
}

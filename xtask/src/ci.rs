//! What a change must pass besides the tests: `cargo xtask ci`.

use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::toolchain::{Toolchain, cargo};
use crate::{shell, tree};

/// A check and its name.
type Check = (&'static str, Command);

/// Runs every check, also after one has failed.
pub(crate) fn ci() -> Result<()> {
    // The other compiler may have to be fetched first, which leaves the cores to the native one.
    let failed = thread::scope(|scope| {
        let native = scope.spawn(|| run(native_checks()));
        let wasm = wasm_checks().and_then(run);
        Ok::<_, anyhow::Error>([native.join().expect("no check panics")?, wasm?].concat())
    })?;
    if !failed.is_empty() {
        bail!("these checks failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs the checks in turn; the names of those that failed.
fn run(checks: Vec<Check>) -> Result<Vec<&'static str>> {
    let mut failed = Vec::new();
    for (what, mut command) in checks {
        let ended = shell::attempt(what, &mut command, None)?;
        println!("{what}: {} in {:.1} s", if ended.succeeded { "ok" } else { "failed" }, ended.took.as_secs_f64());
        if !ended.succeeded {
            eprintln!("{}", ended.output.trim_end());
            failed.push(what);
        }
    }
    Ok(failed)
}

/// By the compiler that built xtask, or by none.
fn native_checks() -> Vec<Check> {
    let mut checks = vec![
        ("formatting", formatting()),
        ("lints", lints(cargo("clippy"), &["--workspace", "--all-targets"])),
        ("documentation", documentation()),
    ];
    if shell::find("cargo-deny", &[]).is_some() {
        checks.push(("licences and sources", licences()));
    } else {
        println!("licences and sources: not checked, since cargo-deny is not installed");
    }
    if shell::find("promtool", &[]).is_some() {
        checks.push(("alert rules", alert_rules()));
    } else {
        // A test compares their names with what a hub exposes, so only their grammar goes unchecked.
        println!("alert rules: not checked, since promtool is not installed");
    }
    checks
}

fn wasm_checks() -> Result<Vec<Check>> {
    let toolchain = Toolchain::for_wasm()?;
    let packages = ["--package", "heartwire-client-wasm", "--package", "heartwire-client-frames", "--all-targets"];
    Ok(vec![("lints of the client for wasm32", lints(toolchain.cargo("clippy"), &packages))])
}

fn formatting() -> Command {
    let mut fmt = cargo("fmt");
    fmt.args(["--all", "--check"]);
    fmt
}

fn lints(mut clippy: Command, what: &[&str]) -> Command {
    clippy.args(what).args(["--", "--deny", "warnings"]);
    clippy
}

fn documentation() -> Command {
    let mut doc = cargo("doc");
    doc.args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    doc
}

/// The advisories are left out: reading them takes the network.
fn licences() -> Command {
    let mut deny = cargo("deny");
    deny.args(["check", "bans", "licenses", "sources"]);
    deny
}

fn alert_rules() -> Command {
    let mut promtool = Command::new("promtool");
    promtool.current_dir(tree::root()).args(["check", "rules", "deploy/prometheus/heartwire.rules.yml"]);
    promtool
}

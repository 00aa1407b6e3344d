//! Sets up the peers, builds what is Rust, and becomes the benchmark: `cargo xtask bench`. The soak, the
//! count of requests and the thousand streams are parts of the same program and need no peer:
//! `cargo xtask soak`, `cargo xtask requests`, `cargo xtask thousand`.
//!
//! A peer that this machine cannot have is left out by the benchmark itself, with a sentence; the
//! reason why it could not be set up is told here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{client, fresh, setup, shell, start, toolchain, tree};

const REQUIREMENTS: &str = "bench/peers/sse-starlette/requirements.txt";

/// Measures the server beside its peers; `flags` go to the benchmark as they are.
pub(crate) fn bench(flags: &[String]) -> Result<()> {
    let peers = [("better-sse", setup::node_modules()), ("sse-starlette", sse_starlette()), ("nchan", nchan())];
    for (peer, set_up) in peers {
        if let Err(err) = set_up {
            println!("{peer} cannot be set up: {err:#}");
        }
    }
    start::become_program(built()?.args(flags))
}

/// What the program can do beside; `flags` go there as they are.
pub(crate) fn chore(name: &str, flags: &[String]) -> Result<()> {
    start::become_program(built()?.arg(name).args(flags))
}

/// Races the client against its rivals, its parts and the whole: in Node, then in Chromium and Firefox.
/// `flags` go to the race of the whole clients.
pub(crate) fn speed(flags: &[String]) -> Result<()> {
    let browsers = setup::browsers()?;
    client::build()?;
    let clients = tree::at("bench/clients");
    setup::node_modules_of(&clients)?;
    let folder = tree::target("xtask/speed");
    let parts = |more: &[&str]| {
        let mut npm = Command::new("npm");
        npm.current_dir(tree::root())
            .args(["run", "--silent", "bench", "--workspace", "client-wasm/js", "--"])
            .args(more);
        npm
    };
    println!("{}", shell::run("racing the parts in Node (half a minute)", &mut parts(&[]))?.trim_end());
    shell::run("writing their page for the browsers", parts(&["--page"]).arg(&folder))?;
    let mut whole = Command::new("node");
    whole.arg(clients.join("race.mjs")).arg(&folder).args(flags);
    println!("{}", shell::run("racing whole clients in Node (some seconds)", &mut whole)?.trim_end());

    let mut cargo = toolchain::cargo("run");
    cargo.args(["--quiet", "--package", "heartwire-tests", "--bin", "heartwire-speed", "--"]).arg(&folder);
    browsers.name_in(&mut cargo);
    start::become_program(&mut cargo)
}

/// The benchmark, built together with the server.
fn built() -> Result<Command> {
    let mut build = toolchain::cargo("build");
    build.args(["--release", "--package", "heartwire", "--package", "heartwire-bench"]);
    shell::run("building the server and the benchmark (some minutes the first time)", &mut build)?;
    Ok(Command::new(tree::release_binary("heartwire-bench")))
}

/// Into an environment of its own, so that no Python of the system changes.
fn sse_starlette() -> Result<()> {
    let (venv, requirements) = (tree::target("bench/venv"), tree::at(REQUIREMENTS));
    let python = venv.join("bin/python");
    fresh::when_changed("bench-venv", std::slice::from_ref(&requirements), std::slice::from_ref(&python), || {
        let python3 = shell::find("python3", &[]).context("python3 is missing")?;
        shell::run("making a Python environment", Command::new(python3).args(["-m", "venv", "--clear"]).arg(&venv))?;
        shell::run("fetching sse-starlette (some seconds)", &mut pip_install(&python, &requirements))?;
        Ok(())
    })
}

fn pip_install(python: &Path, requirements: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    pip
}

/// Debian starts an nginx of its own after installing it, unless a policy forbids that: it is nothing
/// to us, since the benchmark starts one with a configuration of its own on a free port.
fn nchan() -> Result<()> {
    setup::apt_install("installing nginx with its nchan module (some seconds)", &["nginx", "libnginx-mod-nchan"])
}

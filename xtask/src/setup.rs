//! Brings the tools that a chore needs and the machine lacks. Every step looks first, is silent when
//! it finds what it needs, and otherwise either installs it or says in one sentence who can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{shell, tree};

const GECKODRIVER_VERSION: &str = "0.37.1";
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// The browsers that the client is tested in, and the programs that drive them.
pub(crate) struct Browsers {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
    pub(crate) firefox: PathBuf,
    pub(crate) geckodriver: PathBuf,
}

impl Browsers {
    /// Tells a program of the tests where they are.
    pub(crate) fn name_in(&self, command: &mut Command) {
        command
            .env("CHROMIUM", &self.chromium)
            .env("CHROMEDRIVER", &self.chromedriver)
            .env("FIREFOX", &self.firefox)
            .env("GECKODRIVER", &self.geckodriver);
    }
}

/// The npm packages of the workspace, exactly as the lock file has them.
pub(crate) fn node_modules() -> Result<()> {
    node_modules_of(tree::root())
}

/// Those of a folder that has a lock file of its own.
pub(crate) fn node_modules_of(folder: &Path) -> Result<()> {
    let installed = folder.join("node_modules/.package-lock.json");
    let lock = folder.join("package-lock.json");
    if installed.exists() && !is_newer(&lock, &installed)? {
        return Ok(());
    }
    let npm = shell::find("npm", &[]).context("npm is missing: install Node.js 20 or newer")?;
    let chore = if lock.exists() { "ci" } else { "install" };
    let mut command = Command::new(npm);
    command.current_dir(folder).arg(chore);
    shell::run("fetching the npm packages (some seconds)", &mut command)?;
    Ok(())
}

/// The runner of tests as wasm, of the very version that Cargo.lock has: any other refuses
/// to work with the crate.
pub(crate) fn wasm_bindgen() -> Result<()> {
    let version = locked_version("wasm-bindgen")?;
    // It takes whole modules apart.
    cargo_tool("wasm-bindgen-cli", "wasm-bindgen-test-runner", &version, Optimised(true), "two minutes, once")
}

/// cargo-fuzz, which builds and runs the fuzz targets.
pub(crate) fn cargo_fuzz() -> Result<()> {
    cargo_tool("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ_VERSION, Optimised(false), "half a minute, once")
}

/// Chromium and Firefox with their drivers.
pub(crate) fn browsers() -> Result<Browsers> {
    if find_chromium().is_none() || find_chromedriver().is_none() || find_firefox().is_none() {
        apt_install(
            "installing Chromium and Firefox (about two minutes)",
            &["chromium", "chromium-driver", "firefox-esr"],
        )?;
    }
    Ok(Browsers {
        chromium: find_chromium().context("Chromium is missing: install it, then run this again")?,
        chromedriver: find_chromedriver()
            .context("chromedriver is missing: install the one of your Chromium's version and put it on PATH")?,
        firefox: find_firefox().context("Firefox is missing: install it, then run this again")?,
        geckodriver: geckodriver()?,
    })
}

/// What the end-to-end tests use beside browsers and Node: curl and Python, which decode compressed streams, and
/// OpenSSL, by which an example makes a secret.
pub(crate) fn programs() -> Result<()> {
    if ["curl", "openssl", "python3"].iter().any(|program| shell::find(program, &[]).is_none()) {
        apt_install("installing curl, OpenSSL and Python (some seconds)", &["curl", "openssl", "python3"])?;
    }
    Ok(())
}

/// Installs Debian packages, or says that someone must.
pub(crate) fn apt_install(what: &str, packages: &[&str]) -> Result<()> {
    if shell::ask(Command::new("dpkg").arg("-s").args(packages)).is_some() {
        return Ok(());
    }
    if !is_debian_root() {
        bail!("cannot go on without {}: install what is missing, then run this again", packages.join(", "));
    }
    shell::run("refreshing Debian's package lists", apt_get().arg("update"))?;
    shell::run(what, apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    Ok(())
}

/// Whether `apt-get install` is ours to call and knows Debian's package names.
pub(crate) fn is_debian_root() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_root = shell::ask(Command::new("id").arg("-u")).as_deref() == Some("0");
    is_root && release.lines().any(|line| line == "ID=debian")
}

fn apt_get() -> Command {
    let mut apt_get = Command::new("apt-get");
    // Another apt at work is waited for, in seconds.
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--option", "DPkg::Lock::Timeout=120"]);
    apt_get
}

fn find_chromium() -> Option<PathBuf> {
    let mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    ["chromium", "chromium-browser", "google-chrome", "chrome"]
        .iter()
        .find_map(|name| shell::find(name, &[]))
        .or_else(|| shell::find("chrome", &[mac]))
}

fn find_chromedriver() -> Option<PathBuf> {
    shell::find("chromedriver", &["/usr/lib/chromium/chromedriver"])
}

fn find_firefox() -> Option<PathBuf> {
    let mac = "/Applications/Firefox.app/Contents/MacOS/firefox";
    shell::find("firefox-esr", &[]).or_else(|| shell::find("firefox", &[mac]))
}

fn geckodriver() -> Result<PathBuf> {
    if let Some(found) = shell::find("geckodriver", &[]) {
        return Ok(found);
    }
    cargo_tool("geckodriver", "geckodriver", GECKODRIVER_VERSION, Optimised(false), "a minute, once")?;
    Ok(tree::tool("geckodriver"))
}

/// Whether a tool has so much to compute that it pays to optimise it, a little.
struct Optimised(bool);

/// A program from a crate, of one exact version, in `target/tools`.
fn cargo_tool(package: &str, program: &str, version: &str, optimised: Optimised, patience: &str) -> Result<()> {
    let answer = shell::ask(Command::new(tree::tool(program)).arg("--version"));
    if answer.is_some_and(|answer| answer.split_whitespace().any(|word| word == version)) {
        return Ok(());
    }
    // Not --locked: a registry mirror may lag behind the lock file in the crate.
    let mut install = crate::toolchain::cargo("install");
    install
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", if optimised.0 { "1" } else { "0" })
        .args([package, "--bin", program, "--version", version, "--debug", "--force", "--root"])
        .arg(tree::target("tools"));
    shell::run(&format!("installing {package} {version} ({patience})"), &mut install)?;
    Ok(())
}

/// The version of a crate in Cargo.lock.
fn locked_version(package: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let text = fs::read_to_string(tree::at("Cargo.lock")).context("cannot read Cargo.lock")?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock")?;
    let found = lock.package.into_iter().find(|found| found.name == package);
    Ok(found.with_context(|| format!("{package} is not in Cargo.lock"))?.version)
}

/// Whether `one` was written after `other`; a file that is not there is not newer.
fn is_newer(one: &Path, other: &Path) -> Result<bool> {
    if !one.exists() {
        return Ok(false);
    }
    let written = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    Ok(written(one)? > written(other)?)
}

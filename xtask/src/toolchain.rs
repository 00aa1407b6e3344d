//! The compiler for wasm32. Where rustup has the target, or can fetch it, that is the one; on a
//! Debian machine that cannot reach rustup's servers, Debian's own compiler with a standard library
//! built here. Each builds into a folder of its own under `target`.
//!
//! The client itself is best built by a compiler that has the source of its library, whichever it is:
//! a library rebuilt without panic messages takes a third off a small module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::files::{make_folder, remove_folder};
use crate::{setup, shell, tree};

/// The one target of the client.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// What makes the client's module small: a panic aborts without a word, and nothing that would be
/// said in one is kept, nor the paths of this machine that it would name.
const SMALL_FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

/// Of the library, what runs with every event is compiled for speed, which makes the module no larger: it is inlined
/// where it is used once.
const FAST_PACKAGES: [&str; 3] = ["alloc", "compiler_builtins", "core"];

/// Long enough for the download on a slow line to show itself, short enough for a machine that has none.
const RUSTUP_LIMIT: Duration = Duration::from_secs(20);

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBRARY: &str = "/usr/lib/rustlib/wasm32-unknown-unknown/lib";
/// Beside the library: which compiler it was built with, as `rustc -vV` puts it.
const DEBIAN_MARKER: &str = "/usr/lib/rustlib/wasm32-unknown-unknown/built-with";
/// The compiler, its library's source, and the linker that its `rust-lld` points at.
const DEBIAN_PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "rust-web-clippy", "lld-22"];
const DEBIAN_INSTALLS: &str = "installing Debian's Rust compiler (about a minute)";

/// Which compiler builds for wasm32 on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one that built xtask.
    Ours,
    /// Debian's, in /usr/bin.
    Debian,
}

impl Toolchain {
    /// Finds one that can build for wasm32, or brings one.
    pub(crate) fn for_wasm() -> Result<Self> {
        if ours_has_the_target() {
            return Ok(Self::Ours);
        }
        if debian_is_ready() {
            return Ok(Self::Debian);
        }
        if rustup_adds_the_target()? {
            return Ok(Self::Ours);
        }
        if !setup::is_debian_root() {
            bail!(
                "the Rust target {TARGET} is missing and `rustup target add {TARGET}` did not bring it: \
                 add it by hand, then run this again"
            );
        }
        install_on_debian()?;
        Ok(Self::Debian)
    }

    /// The one that makes the smallest client; one that can build it at all where the library's
    /// source is not to be had.
    pub(crate) fn for_client() -> Result<Self> {
        if ours_has_the_target() && Self::Ours.has_library_source() {
            return Ok(Self::Ours);
        }
        if setup::is_debian_root()
            && let Err(err) = setup::apt_install(DEBIAN_INSTALLS, &DEBIAN_PACKAGES)
        {
            println!("  the client comes out larger than it might: {err:#}");
        }
        if Self::Debian.has_library_source() && debian_rustc_version().is_some() {
            return Ok(Self::Debian);
        }
        Self::for_wasm()
    }

    fn rustc(self) -> Command {
        match self {
            Self::Ours => our_rustc(),
            Self::Debian => debian_rustc(),
        }
    }

    /// What the compiler says of itself, in one line.
    pub(crate) fn rustc_version(self) -> Option<String> {
        shell::ask(self.rustc().arg("--version"))
    }

    /// Whether the compiler came with the source of its standard library.
    pub(crate) fn has_library_source(self) -> bool {
        let sysroot = shell::ask(self.rustc().args(["--print", "sysroot"]));
        sysroot.is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock").exists())
    }

    /// `cargo <chore>` for wasm32, at the root.
    pub(crate) fn cargo(self, chore: &str) -> Command {
        let mut cargo = match self {
            Self::Ours => cargo(chore),
            Self::Debian => debian_cargo(chore),
        };
        cargo.env("CARGO_TARGET_DIR", self.target_folder()).args(["--target", TARGET]);
        cargo
    }

    /// `cargo build` with a standard library made small, which aborts without a word, where that can be had.
    pub(crate) fn cargo_build_small(self, profile: &str) -> Command {
        let mut cargo = self.cargo("build");
        cargo.args(["--profile", profile]);
        if self.has_library_source() {
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", SMALL_FLAGS).args([
                "-Z",
                "build-std=std",
                "-Z",
                "build-std-features=optimize_for_size",
            ]);
            // Here, since cargo would warn of them wherever the library is not built.
            for package in FAST_PACKAGES {
                cargo.arg("--config").arg(format!("profile.{profile}.package.{package}.opt-level=3"));
            }
        }
        cargo
    }

    /// Where [`Self::cargo`] puts what it built with `profile`.
    pub(crate) fn output(self, profile: &str) -> PathBuf {
        self.target_folder().join(TARGET).join(profile)
    }

    /// One each: a compiler throws away what another has built.
    fn target_folder(self) -> PathBuf {
        match self {
            Self::Ours => tree::target("wasm"),
            Self::Debian => tree::target("wasm-debian"),
        }
    }
}

/// `cargo <chore>` of the toolchain that built xtask, at the root, into `target`.
pub(crate) fn cargo(chore: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_the_package(&mut cargo);
    cargo.current_dir(tree::root()).env("CARGO_TARGET_DIR", tree::target("")).arg(chore);
    cargo
}

/// The outer `cargo xtask` tells its children which package they belong to. A build script that looks at that would
/// run again, and what depends on it be built again, whenever cargo is called from here and then by hand.
fn forget_the_package(cargo: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
}

/// The outer `cargo xtask` tells its children which toolchain they belong to; this one must not hear it.
fn debian_cargo(chore: &str) -> Command {
    // cargo looks for its subcommands on PATH, where rustup's come first.
    let mut cargo = match chore {
        "clippy" => Command::new("/usr/bin/cargo-clippy"),
        _ => Command::new("/usr/bin/cargo"),
    };
    forget_the_package(&mut cargo);
    cargo
        .current_dir(tree::root())
        .env("CARGO", "/usr/bin/cargo")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("LD_LIBRARY_PATH")
        .arg(chore);
    cargo
}

fn our_rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn debian_rustc() -> Command {
    let mut rustc = Command::new(DEBIAN_RUSTC);
    rustc.env_remove("LD_LIBRARY_PATH");
    rustc
}

fn ours_has_the_target() -> bool {
    let library = shell::ask(our_rustc().args(["--print", "target-libdir", "--target", TARGET]));
    library.is_some_and(|folder| has_std(Path::new(&folder)))
}

fn has_std(library: &Path) -> bool {
    let Ok(entries) = fs::read_dir(library) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn rustup_adds_the_target() -> Result<bool> {
    if shell::find("rustup", &[]).is_none() {
        return Ok(false);
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    let ended = shell::attempt("adding the wasm32 target with rustup", &mut rustup, Some(RUSTUP_LIMIT))?;
    Ok(ended.succeeded && ours_has_the_target())
}

fn debian_rustc_version() -> Option<String> {
    shell::ask(debian_rustc().arg("-vV"))
}

fn debian_is_ready() -> bool {
    let built_with = fs::read_to_string(DEBIAN_MARKER).ok();
    built_with.is_some() && built_with == debian_rustc_version()
}

/// Debian has no wasm32 library for this compiler, but its source: build it, then put it where the
/// compiler looks.
fn install_on_debian() -> Result<()> {
    setup::apt_install(DEBIAN_INSTALLS, &DEBIAN_PACKAGES)?;
    let version = debian_rustc_version().context("Debian's rustc was installed but does not answer")?;

    let seed = tree::target("xtask/wasm-std");
    write_seed_crate(&seed)?;
    let mut build = debian_cargo("build");
    build
        .current_dir(&seed)
        .env("CARGO_TARGET_DIR", seed.join("target"))
        // What makes `-Z` work on a released compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without it a later build with link-time optimisation finds no bitcode.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .args(["-Z", "build-std=std,panic_abort,test", "--release", "--target", TARGET]);
    shell::run("building the standard library for wasm32 (about a minute, once)", &mut build)?;

    let built = seed.join("target").join(TARGET).join("release/deps");
    put_library(&built, Path::new(DEBIAN_LIBRARY))?;
    fs::write(DEBIAN_MARKER, version).with_context(|| format!("cannot write {DEBIAN_MARKER}"))?;

    // Artefacts made with another library answer "can't find crate".
    remove_folder(&Toolchain::Debian.target_folder().join(TARGET))
}

/// An empty crate: building it builds the library below it.
fn write_seed_crate(folder: &Path) -> Result<()> {
    let manifest = "[package]\nname = \"seed\"\nedition = \"2024\"\n\n\
                    [profile.release]\npanic = \"abort\"\n\n[workspace]\n";
    remove_folder(folder)?;
    make_folder(&folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest)
        .and_then(|()| fs::write(folder.join("src/lib.rs"), ""))
        .with_context(|| format!("cannot write {}", folder.display()))
}

fn put_library(built: &Path, library: &Path) -> Result<()> {
    // Two builds side by side would be two candidates for `core`.
    remove_folder(library)?;
    make_folder(library)?;
    for entry in fs::read_dir(built).with_context(|| format!("cannot read {}", built.display()))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("lib") && text.ends_with(".rlib") && !text.starts_with("libseed-") {
            fs::copy(built.join(&name), library.join(&name)).with_context(|| format!("cannot copy {text}"))?;
        }
    }
    Ok(())
}

//! The npm package and the demo pages: Rust to wasm, wasm to a small module, that into the package, and
//! the package, packed and unpacked as a stranger would get it, under the pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::files::{children, copy_folder, make_folder, remove_folder};
use crate::fresh::when_changed;
use crate::settings::Settings;
use crate::toolchain::Toolchain;
use crate::{setup, shell, tree};

/// `cargo xtask build`.
pub(crate) fn build() -> Result<()> {
    let settings = Settings::read()?;
    setup::node_modules()?;
    let toolchain = Toolchain::for_client()?;

    for module in [Module::Client, Module::LeanClient, Module::Frames] {
        let compiled = compile(toolchain, &settings, module)?;
        shrink(&compiled, &settings, module)?;
    }
    tell_compiler(toolchain)?;
    let tarball = package()?;
    assemble_pages(&tarball)
}

/// The packed package.
pub(crate) fn tarball() -> PathBuf {
    tree::target("npm/heartwire.tgz")
}

/// Where the npm package lives.
fn package_folder() -> PathBuf {
    tree::at("client-wasm/js")
}

/// The modules in the package.
#[derive(Clone, Copy)]
enum Module {
    Client,
    /// That of `heartwire/lean`.
    LeanClient,
    /// What opens frames.
    Frames,
}

impl Module {
    fn file_name(self) -> &'static str {
        match self {
            Self::Client => "heartwire.wasm",
            Self::LeanClient => "heartwire.lean.wasm",
            Self::Frames => "heartwire.frames.wasm",
        }
    }
}

/// The module as rustc makes it.
fn compile(toolchain: Toolchain, settings: &Settings, module: Module) -> Result<PathBuf> {
    let Settings { cargo: what, .. } = settings;
    let (package, features): (_, &[&str]) = match module {
        Module::Client => (&what.package, &[]),
        Module::LeanClient => (&what.package, &["--no-default-features"]),
        Module::Frames => (&what.frames, &[]),
    };
    let mut cargo = toolchain.cargo_build_small(&what.profile);
    cargo.args(["--lib", "--package", package]).args(features);
    shell::run("building the client (a minute the first time)", &mut cargo)?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(toolchain.output(&what.profile).join(file))
}

/// The small module, into the package's `generated/`.
fn shrink(compiled: &Path, settings: &Settings, module: Module) -> Result<()> {
    let generated = package_folder().join("generated");
    let inputs = [compiled.to_owned(), tree::at("wasm-pack.toml"), tree::at("package-lock.json")];
    let output = generated.join(module.file_name());
    when_changed(module.file_name(), &inputs, std::slice::from_ref(&output), || {
        make_folder(&generated)?;
        let mut shrink = Command::new(tree::node_tool("wasm-opt"));
        shrink
            .args(&settings.wasm_opt.flags)
            .args(settings.wasm_opt.features.iter().map(|feature| format!("--enable-{feature}")))
            .arg(compiled)
            .arg("-o")
            .arg(&output);
        shell::run("making the module smaller", &mut shrink).map(drop)
    })
}

/// Which compiler it was, for the package's `provenance.json`.
fn tell_compiler(toolchain: Toolchain) -> Result<()> {
    let version = toolchain.rustc_version().context("rustc does not tell its version")?;
    let path = package_folder().join("generated/rustc.txt");
    fs::write(&path, version).with_context(|| format!("cannot write {}", path.display()))
}

/// Bundles the package and packs it; the answer is the tarball.
fn package() -> Result<PathBuf> {
    let folder = package_folder();
    let tarball = tarball();
    let inputs = [folder.clone(), tree::at("package-lock.json")];
    when_changed("package", &inputs, &[folder.join("dist"), tarball.clone()], || {
        shell::run("bundling the npm package", npm().args(["run", "build"]))?;

        let destination = tree::target("npm");
        remove_folder(&destination)?;
        make_folder(&destination)?;
        let mut pack = npm();
        pack.args(["pack", "--ignore-scripts", "--pack-destination"]).arg(&destination);
        shell::run("packing the npm package", &mut pack)?;
        // npm puts the version into the name; there is exactly one.
        let packed = children(&destination)?.pop().context("npm packed nothing")?;
        fs::rename(packed, &tarball).context("cannot rename the tarball")
    })?;
    Ok(tarball)
}

/// `target/www`: the pages of `www/`, with the packaged client as their folder `heartwire`.
fn assemble_pages(tarball: &Path) -> Result<()> {
    let www = tree::www();
    let inputs = [tree::at("www"), tarball.to_owned()];
    when_changed("pages", &inputs, &[www.join("heartwire")], || {
        remove_folder(&www)?;
        copy_folder(&tree::at("www"), &www)?;
        let client = www.join("heartwire");
        make_folder(&client)?;
        let mut unpack = Command::new("tar");
        // npm wraps everything in a folder called `package`.
        unpack.args(["--strip-components", "1", "-xzf"]).arg(tarball).arg("-C").arg(&client);
        shell::run("unpacking the npm package under the pages", &mut unpack)?;
        Ok(())
    })
}

/// npm at work on the package. By the workspace's name: from a folder, npm would climb to the root,
/// whose `build` is this very program.
fn npm() -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(tree::root()).args(["--workspace", "client-wasm/js"]);
    npm
}

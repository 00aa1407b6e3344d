//! The npm package and the demo pages: Rust to wasm, wasm to a small module with its glue, both into
//! the package, and the package, packed and unpacked as a stranger would get it, under the pages.

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
    setup::wasm_bindgen()?;

    let module = compile(toolchain, &settings)?;
    bind(&module, &settings)?;
    let tarball = package()?;
    assemble_pages(&tarball)
}

/// Where the npm package lives.
fn package_folder() -> PathBuf {
    tree::at("client-wasm/js")
}

/// The module as rustc makes it.
fn compile(toolchain: Toolchain, settings: &Settings) -> Result<PathBuf> {
    let Settings { cargo: what, .. } = settings;
    let mut cargo = toolchain.cargo_build_small();
    cargo.args(["--lib", "--package", &what.package, "--profile", &what.profile]);
    shell::run("building the client (a minute the first time)", &mut cargo)?;
    let file = format!("{}.wasm", what.package.replace('-', "_"));
    Ok(toolchain.output(&what.profile).join(file))
}

/// The glue and the small module, into the package's `generated/`.
fn bind(module: &Path, settings: &Settings) -> Result<()> {
    let generated = package_folder().join("generated");
    let inputs = [module.to_owned(), tree::at("wasm-pack.toml"), tree::tool("wasm-bindgen")];
    let output = generated.join("heartwire_bg.wasm");
    when_changed("glue", &inputs, std::slice::from_ref(&output), || {
        remove_folder(&generated)?;
        let mut bindgen = Command::new(tree::tool("wasm-bindgen"));
        bindgen.args(&settings.wasm_bindgen.flags).arg("--out-dir").arg(&generated).arg(module);
        shell::run("writing the glue", &mut bindgen)?;

        let mut shrink = Command::new(tree::node_tool("wasm-opt"));
        shrink
            .args(&settings.wasm_opt.flags)
            .args(settings.wasm_opt.features.iter().map(|feature| format!("--enable-{feature}")))
            .arg(&output)
            .arg("-o")
            .arg(&output);
        shell::run("making the module smaller", &mut shrink)?;
        number_imports(&generated.join("heartwire.js"), &output)
    })
}

/// Puts plain numbers in the place of the hashes in the names of what the module imports. Some fifty
/// of them, of 16 digits, stand in both files, and random digits do not compress.
fn number_imports(glue: &Path, module: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (mut glue_bytes, mut module_bytes) = (read(glue)?, read(module)?);
    let hashes = hashes(&glue_bytes);
    for bytes in [&mut glue_bytes, &mut module_bytes] {
        for at in 0..bytes.len().saturating_sub(HASH_DIGITS) {
            let place = at..at + HASH_DIGITS;
            if let Some(number) = hashes.iter().position(|hash| *hash == bytes[place.clone()]) {
                // Of the same length, so that nothing in the module moves.
                bytes[place].copy_from_slice(format!("{number:0HASH_DIGITS$}").as_bytes());
            }
        }
    }
    for (path, bytes) in [(glue, glue_bytes), (module, module_bytes)] {
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

const HASH_DIGITS: usize = 16;

/// The different hashes in the glue's names, such as the one of `__wbg_now_28ce2224e1725333`.
fn hashes(glue: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(glue);
    let names = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let mut hashes: Vec<Vec<u8>> = names
        .filter(|name| name.starts_with("__wb"))
        .filter_map(|name| name.rsplit('_').next())
        .filter(|hash| hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .map(|hash| hash.as_bytes().to_owned())
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Bundles the package and packs it; the answer is the tarball.
fn package() -> Result<PathBuf> {
    let folder = package_folder();
    let tarball = tree::target("npm/heartwire.tgz");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_at_the_end_of_the_glues_names() {
        let glue =
            b"__wbg_now_28ce2224e1725333: function() {}, __wbg_get_1d33d8d1c6cefa41() __wbg_ptr wasm.client_chunk; \
                     a.__wbg_now_28ce2224e1725333; 28ce2224e1725334; other_28ce2224e1725335";
        let found: Vec<_> = hashes(glue).into_iter().map(|hash| String::from_utf8(hash).expect("digits")).collect();
        assert_eq!(found, ["1d33d8d1c6cefa41", "28ce2224e1725333"]);
    }
}

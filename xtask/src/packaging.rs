//! The packed package in the hands of strangers: for each folder of `tests/packaging` a bare project in
//! `target/packaging`, with its own tool, the package installed from the tarball, and built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::files::{children, copy_folder, make_folder, remove_folder};
use crate::fresh::when_changed;
use crate::{shell, tree};

/// Makes and builds all projects.
pub(crate) fn build_all(tarball: &Path) -> Result<()> {
    for source in projects()? {
        build(&source, tarball)?;
    }
    Ok(())
}

/// Makes and builds one project; the answer is where it is.
pub(crate) fn build_one(name: &str, tarball: &Path) -> Result<PathBuf> {
    build(&tree::at("tests/packaging").join(name), tarball)?;
    Ok(tree::target("packaging").join(name))
}

/// The folders with a project in them.
fn projects() -> Result<Vec<PathBuf>> {
    let mut folders = children(&tree::at("tests/packaging"))?;
    folders.retain(|folder| folder.join("package.json").exists());
    Ok(folders)
}

/// Makes and builds one project.
fn build(source: &Path, tarball: &Path) -> Result<()> {
    let name = source.file_name().context("a project has a name")?.to_string_lossy();
    let project = tree::target("packaging").join(&*name);

    let lock = source.join("package-lock.json");
    let modules = project.join("node_modules");
    when_changed(
        &format!("packaging-{name}-tools"),
        std::slice::from_ref(&lock),
        std::slice::from_ref(&modules),
        || {
            remove_folder(&project)?;
            copy_folder(source, &project)?;
            let mut install = npm(&project);
            // No scripts: what these packages need of them is in their optional dependencies already.
            install.args(["ci", "--ignore-scripts"]);
            shell::run(&format!("fetching the tools of the packaging test {name} (some seconds, once)"), &mut install)?;
            // A tool may be all that there is.
            make_folder(&modules)
        },
    )?;

    let installed = modules.join("heartwire/package.json");
    when_changed(&format!("packaging-{name}"), &[source.to_owned(), tarball.to_owned()], &[installed], || {
        for file in children(source)? {
            copy(&file, &project)?;
        }
        let mut install = npm(&project);
        install.args(["install", "--no-save", "--ignore-scripts", "--no-package-lock"]).arg(tarball);
        shell::run(&format!("installing the package into {name}"), &mut install)?;
        remove_folder(&project.join("dist"))?;
        shell::run(&format!("building {name}"), npm(&project).args(["run", "build", "--if-present"]))?;
        Ok(())
    })
}

fn copy(file: &Path, project: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    if file.is_dir() {
        return copy_folder(file, &project.join(name));
    }
    fs::copy(file, project.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

fn npm(project: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(project).env("NEXT_TELEMETRY_DISABLED", "1").args(["--no-audit", "--no-fund", "--prefer-offline"]);
    npm
}

//! Where things lie. Whatever xtask makes or fetches is under `target/`, so that deleting that
//! folder undoes it; the exceptions are `node_modules`, the folders inside the npm package that
//! bundlers expect there, and on Debian the system's own packages.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A path given from the root, with `/` between its parts.
pub(crate) fn at(path: &str) -> PathBuf {
    root().join(path)
}

/// A file in `target/`, given by its path from there.
pub(crate) fn target(path: &str) -> PathBuf {
    root().join("target").join(path)
}

/// A program that `setup` installed.
pub(crate) fn tool(name: &str) -> PathBuf {
    target("tools/bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// A program of an npm package that the root `package.json` names.
pub(crate) fn node_tool(name: &str) -> PathBuf {
    at("node_modules/.bin").join(name)
}

/// The release build of the server.
pub(crate) fn server_binary() -> PathBuf {
    release_binary("heartwire")
}

/// The release build of a program of this workspace.
pub(crate) fn release_binary(name: &str) -> PathBuf {
    target("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The debug build of a program of this workspace, which cargo makes for the tests.
pub(crate) fn debug_binary(name: &str) -> PathBuf {
    target("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The demo pages with the packaged client beside them, as the server is to serve them.
pub(crate) fn www() -> PathBuf {
    target("www")
}

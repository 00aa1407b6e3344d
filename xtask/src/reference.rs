//! The API reference of the npm package, from its declarations: `cargo xtask reference`.

use std::process::Command;

use anyhow::Result;

use crate::{client, packaging, shell, tree};

/// Writes it into `target/reference`. A public item without a text is an error: a test sees to that, too.
pub(crate) fn reference() -> Result<()> {
    client::build()?;
    let checks = packaging::build_one("check", &client::tarball())?;
    let mut typedoc = Command::new("npm");
    typedoc.current_dir(checks).args(["run", "reference"]);
    shell::run("writing the API reference", &mut typedoc)?;
    println!("{}", tree::target("reference/index.html").display());
    Ok(())
}

//! Whole folders: listing, copying and removing them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The entries of a folder in a fixed order, less what npm and the bundler put there.
pub(crate) fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name() != "node_modules" && entry.file_name() != "dist" {
            children.push(entry.path());
        }
    }
    children.sort();
    Ok(children)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Copies all that is in `from` into `to`.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    for child in children(from)? {
        let Some(name) = child.file_name() else { continue };
        if child.is_dir() {
            copy_folder(&child, &to.join(name))?;
        } else {
            fs::copy(&child, to.join(name)).with_context(|| format!("cannot copy {}", child.display()))?;
        }
    }
    Ok(())
}

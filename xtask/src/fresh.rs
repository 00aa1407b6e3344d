//! Skips work whose inputs did not change. Cargo looks after Rust; this looks after the rest.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::files::{children, make_folder};
use crate::tree;

/// Runs `work` unless every output is there and the inputs are, byte for byte, those of its last
/// success. An input may be a folder, whose files then all count, or missing.
pub(crate) fn when_changed(
    name: &str,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let folder = tree::target("xtask/fresh");
    let stamp = folder.join(name);
    let now = fingerprint(inputs)?;
    let before = fs::read_to_string(&stamp).ok();
    if before.as_ref() == Some(&now) && outputs.iter().all(|output| output.exists()) {
        return Ok(());
    }
    work()?;
    make_folder(&folder)?;
    fs::write(&stamp, now).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The hash of the standard library may change with the compiler: the cost is one build too many.
fn fingerprint(inputs: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        add(&mut hasher, input)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(hasher: &mut DefaultHasher, path: &Path) -> Result<()> {
    hasher.write(path.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        for child in children(path)? {
            add(hasher, &child)?;
        }
    } else if path.exists() {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_at_first_rests_then_works_again_when_an_input_or_output_changes() {
        let folder = tree::target("xtask/test-of-fresh");
        let (input, output) = (folder.join("in/file"), folder.join("out"));
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::remove_file(tree::target("xtask/fresh/test-of-fresh"));
        fs::create_dir_all(folder.join("in")).expect("target/ can be written");

        let mut runs = 0;
        let mut check = |expected: u32| {
            when_changed("test-of-fresh", &[folder.join("in")], std::slice::from_ref(&output), || {
                runs += 1;
                fs::write(&output, "made").context("cannot write")
            })
            .expect("the work succeeds");
            assert_eq!(runs, expected);
        };

        fs::write(&input, "a").expect("target/ can be written");
        check(1);
        check(1);
        fs::write(&input, "b").expect("target/ can be written");
        check(2);
        fs::remove_file(&output).expect("it is there");
        check(3);
    }
}

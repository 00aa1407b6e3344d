//! Holds docs/requirements.md against the tree: whatever test it names must be there.

use std::fs;

use crate::tree;

/// What a line names in backticks that begins like a file of this tree: its path, and the test in it.
fn named(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    const FOLDERS: [&str; 8] =
        ["bench/", "client-wasm/", "deploy/", "docs/", "protocol/", "server/", "tests/", "xtask/"];
    let in_backticks = line.split('`').skip(1).step_by(2);
    let files = in_backticks.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    files.map(|word| word.split_once("::").map_or((word, None), |(path, test)| (path, Some(test))))
}

/// Whether a file has a test of this name: a function of Rust, or a title of JavaScript.
fn has_test(source: &str, name: &str) -> bool {
    [format!("fn {name}("), format!("'{name}'"), format!("`{name}`")].iter().any(|form| source.contains(form))
}

/// What is wrong with a row of a table; `None` if nothing is, or it is no row.
fn fault(line: &str) -> Option<String> {
    let cells: Vec<&str> = line.strip_prefix('|')?.trim_end_matches('|').split(" | ").map(str::trim).collect();
    let [_, shown] = cells[..] else { return line.starts_with("| ").then(|| format!("not two cells: {line}")) };
    if shown == "shown by" {
        return None;
    }
    if !shown.contains('`') && !shown.contains("not yet") {
        return Some(format!("neither a test, a command nor `not yet`: {line}"));
    }
    named(line).find_map(|(path, test)| {
        let Ok(source) = fs::read_to_string(tree::at(path)) else { return Some(format!("there is no {path}")) };
        if test.is_none() && [".rs", ".mjs"].iter().any(|extension| path.ends_with(extension)) {
            return Some(format!("{path} has many tests, and none is named: {line}"));
        }
        let test = test.filter(|test| !has_test(&source, test))?;
        Some(format!("there is no {test} in {path}"))
    })
}

#[test]
fn every_requirement_names_a_test_that_exists_or_says_that_there_is_none_yet() {
    let page = fs::read_to_string(tree::at("docs/requirements.md")).expect("the page is there");
    let faults: Vec<String> = page.lines().filter_map(fault).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(page.lines().flat_map(named).count() > 50, "the page names tests");
}

#[test]
fn what_does_not_exist_is_found_out() {
    let own = "`xtask/src/requirements.rs::what_does_not_exist_is_found_out`";
    assert_eq!(fault(&format!("| a need | {own} |")), None);
    assert_eq!(fault("| a need | not yet: somebody must do it |"), None);
    assert_eq!(fault("| a need | shown by |"), None);
    assert_eq!(fault("|---|---|"), None);
    assert_eq!(fault("prose"), None);
    assert!(fault("| a need | by hand |").is_some());
    assert!(fault("| a need |").is_some());
    assert!(fault("| a need | `xtask/src/nothing.rs::x` |").is_some());
    assert!(fault("| a need | `xtask/src/requirements.rs` |").is_some());
    assert_eq!(fault("| a need | `docs/requirements.md` |"), None);
    assert!(fault(&format!("| a need | {own}, `xtask/src/main.rs::no_such_test` |")).is_some());
}

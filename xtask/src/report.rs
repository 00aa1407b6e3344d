//! What a runner of tests said: how many passed and failed, and the text that a person is shown.

use std::iter::Sum;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::shell::{self, Ended};

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies
            .fold(Self::default(), |sum, one| Self { passed: sum.passed + one.passed, failed: sum.failed + one.failed })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// What a part of the tests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// The whole output of what failed, and then one line.
    pub(crate) text: String,
}

impl Report {
    /// A failure that no test's count tells of.
    pub(crate) fn failure(text: &str) -> Self {
        Self { tally: Tally { passed: 0, failed: 1 }, text: format!("{}\n", text.trim_end()) }
    }

    /// A check that counts as one test; a failure shows `output`.
    pub(crate) fn check(succeeded: bool, output: &str) -> Self {
        if succeeded {
            return Self { tally: Tally { passed: 1, failed: 0 }, text: String::new() };
        }
        Self::failure(output)
    }

    /// What a runner's closing lines say.
    pub(crate) fn of(ended: &Ended) -> Self {
        let mut tally = count(&ended.output);
        if ended.succeeded {
            return Self { tally, text: String::new() };
        }
        // It may have failed without a test having failed: in compiling, or in starting a browser.
        tally.failed = tally.failed.max(1);
        Self { tally, text: format!("{}\n", ended.output.trim_end()) }
    }

    /// Adds the line about all of it. Where no test ran, something is wrong.
    pub(crate) fn close(mut self, what: &str, took: Duration) -> Self {
        if self.tally == Tally::default() {
            self.tally.failed = 1;
            self.text += "no test ran\n";
        }
        self.text += &format!("  {what}: {} in {}\n", self.tally, seconds(took));
        self
    }
}

impl FromIterator<Report> for Report {
    fn from_iter<I: IntoIterator<Item = Self>>(reports: I) -> Self {
        reports.into_iter().fold(Self::default(), |all, one| Self {
            tally: [all.tally, one.tally].into_iter().sum(),
            text: all.text + &one.text,
        })
    }
}

/// Runs a runner of tests to its end.
pub(crate) fn suite(what: &str, command: &mut Command) -> Result<Report> {
    let ended = shell::attempt(what, command, None)?;
    Ok(Report::of(&ended).close(what, ended.took))
}

/// The sum of all closing lines, cargo's and Node's.
fn count(output: &str) -> Tally {
    output.lines().map(|line| closing_line(line).unwrap_or_default()).sum()
}

/// `test result: ok. 3 passed; 0 failed; …` of cargo test and of wasm-bindgen's runner; `# pass 3`
/// and `# fail 0` of Node's runner, where `#` is `ℹ` on a terminal.
fn closing_line(line: &str) -> Option<Tally> {
    if let Some(result) = line.trim().strip_prefix("test result: ") {
        let (_, counts) = result.split_once(". ")?;
        let mut counts = counts.split("; ");
        let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
        let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
        return Some(Tally { passed, failed });
    }
    let count = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    match count.split_once(' ')? {
        ("pass", n) => Some(Tally { passed: n.parse().ok()?, failed: 0 }),
        ("fail", n) => Some(Tally { passed: 0, failed: n.parse().ok()? }),
        _ => None,
    }
}

pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_every_runner_are_counted() {
        let check = |output: &str, passed, failed| {
            assert_eq!(count(output), Tally { passed, failed }, "{output:?}");
        };
        check("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; finished in 0.00s", 3, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out", 3, 2);
        let two =
            "test result: ok. 1 passed; 0 failed; 0 ignored\nnoise\ntest result: ok. 2 passed; 0 failed; 0 ignored";
        check(two, 3, 0);
        check("# tests 9\n# pass 7\n# fail 2\n# skipped 0", 7, 2);
        check("ℹ tests 9\nℹ pass 9\nℹ fail 0", 9, 0);
        check("test test_result ... ok\n# passing by\nno tests to run!", 0, 0);
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_counts_as_one() {
        let ended = |succeeded, output: &str| Ended { succeeded, output: output.to_owned(), took: Duration::ZERO };
        let crashed = Report::of(&ended(false, "test result: ok. 3 passed; 0 failed\nSegmentation fault\n"));
        assert_eq!(crashed.tally, Tally { passed: 3, failed: 1 });
        assert!(crashed.text.contains("Segmentation fault"));
        let empty = Report::of(&ended(true, "running 0 tests\n"));
        assert_eq!(empty.tally, Tally::default());
        assert_eq!(empty.close("testing nothing", Duration::ZERO).tally, Tally { passed: 0, failed: 1 });
    }
}

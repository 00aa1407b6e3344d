//! What the figures were measured on: they mean little without it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The machine and the state of the code.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// The commit, with `+` when files differ from it.
    pub(crate) commit: String,
    /// Seconds since 1970, UTC.
    pub(crate) measured_at: u64,
}

impl Machine {
    pub(crate) fn look(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kib = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.strip_suffix(" kB")?.parse().ok());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".into()),
            memory_gib: kib.unwrap_or(0.0) / (1024.0 * 1024.0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: commit(root).unwrap_or_else(|| "unknown".into()),
            measured_at: seconds,
        }
    }

    /// The day of the measurement, as `2026-03-01`.
    pub(crate) fn day(&self) -> String {
        let (year, month, day) = civil(self.measured_at / 86_400);
        format!("{year}-{month:02}-{day:02}")
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let answer = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What is being measured is code: results saved in docs/ do not change it.
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    Some(if changes.is_empty() { commit } else { commit + "+" })
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_names_that_people_use() {
        let check = |days, expected| assert_eq!(civil(days), expected);
        check(0, (1970, 1, 1));
        check(59, (1970, 3, 1));
        check(11_016, (2000, 2, 29));
        check(20_454, (2026, 1, 1));
        check(20_818, (2026, 12, 31));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemTotalish: 1 kB\nMemTotal:       24576 kB\nmodel name\t: A: B\n";
        assert_eq!(field(text, "MemTotal").as_deref(), Some("24576 kB"));
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "MemFree"), None);
    }
}

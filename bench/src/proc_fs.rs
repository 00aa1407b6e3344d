//! What Linux tells about processes in `/proc`: processor time, memory, children.
//!
//! A server may be several processes. Each figure is the sum over the one that was started and all
//! that descend from it.

use std::fs;
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What a process and its descendants have used so far, or hold now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In user space and in the kernel on its behalf.
    pub(crate) cpu: Duration,
    /// Resident memory in user space; a page shared by several processes counts once in all.
    pub(crate) memory_bytes: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory_bytes += other.memory_bytes;
    }
}

impl Usage {
    /// Of a process and its descendants.
    pub(crate) fn of_tree(root: u32) -> Result<Self> {
        let mut sum = Self::of(root).with_context(|| format!("process {root} has ended"))?;
        for pid in descendants(root)? {
            // One that has ended in the meantime uses nothing.
            sum += Self::of(pid).unwrap_or_default();
        }
        Ok(sum)
    }

    fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let cpu = Duration::from_millis(stat.cpu_ticks * 1_000 / ticks_per_second);
        Some(Self { cpu, memory_bytes: Memory::of(pid)?.proportional_bytes })
    }
}

/// The memory of one process in user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All that is in physical memory.
    pub(crate) resident_bytes: u64,
    /// The same, with pages that several processes share counted by the share.
    pub(crate) proportional_bytes: u64,
    /// The part that is behind no file: heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
    }

    fn parse(rollup: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib * 1024)
        };
        Some(Self {
            resident_bytes: bytes("Rss")?,
            proportional_bytes: bytes("Pss")?,
            anonymous_bytes: bytes("Anonymous")?,
        })
    }
}

/// How many files a process has open, sockets among them.
pub(crate) fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).with_context(|| format!("process {pid} has ended"))?.count())
}

/// The processor time of this process.
pub(crate) fn own_cpu() -> Duration {
    let ticks = Stat::read(std::process::id()).map_or(0, |stat| stat.cpu_ticks);
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// The children of `root`, theirs, and so on.
pub(crate) fn descendants(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = Stat::read(pid) {
            parents.push((pid, stat.parent));
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// What we need of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name stands in parentheses and may itself hold spaces and parentheses.
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let number = |nth: usize| fields.get(nth)?.parse::<u64>().ok();
        // The fields proc(5) numbers 4, 14 and 15; the first one here is its third.
        let (parent, user, system) = (number(1)?, number(11)?, number(12)?);
        Some(Self { parent: u32::try_from(parent).ok()?, cpu_ticks: user + system })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let fields = "S 17 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 7 1 2 3";
        for name in ["nginx", "a b", "x) R 1 (", ") 1 2 3"] {
            let text = format!("42 ({name}) {fields}\n");
            assert_eq!(Stat::parse(&text), Some(Stat { parent: 17, cpu_ticks: 300 }), "{name}");
        }
        for broken in ["", "42", "42 (nginx", "42 (nginx) S", "42 (nginx) S x 1"] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn memory_is_read_line_by_line() {
        let rollup =
            "00400000-7ff [rollup]\nRss:      9000 kB\nPss:      1234 kB\nPss_Anon:   1 kB\nAnonymous:  800 kB\n";
        let memory =
            Memory { resident_bytes: 9000 * 1024, proportional_bytes: 1234 * 1024, anonymous_bytes: 800 * 1024 };
        assert_eq!(Memory::parse(rollup), Some(memory));
        assert_eq!(Memory::parse("Rss: 1 kB\nPss: many kB\nAnonymous: 1 kB"), None);
    }

    #[test]
    fn the_files_of_this_process_can_be_counted() {
        assert!(open_files(std::process::id()).expect("we run") > 2);
    }

    #[test]
    fn this_process_can_be_read_and_is_seen_by_its_parent() {
        let pid = std::process::id();
        assert!(Usage::of_tree(pid).expect("we run").memory_bytes > 100_000);
        let parent = Stat::read(pid).expect("we run").parent;
        assert!(descendants(parent).expect("/proc can be read").contains(&pid));
    }
}

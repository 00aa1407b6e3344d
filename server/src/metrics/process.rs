//! What the operating system says about this process.

/// The memory that the process has in use, in bytes: its resident set. `None` where nobody tells.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `None`: only Linux tells by a file.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_found() {
        assert_eq!(
            resident_in("Name:\theartwire\nVmHWM:\t   20 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n"),
            Some(12_641_280)
        );
        assert_eq!(resident_in("Name:\theartwire\n"), None);
        assert_eq!(resident_in("VmRSS:\tmuch\n"), None);
        #[cfg(target_os = "linux")]
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1_000_000));
    }
}

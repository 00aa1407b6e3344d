//! What a soak has found out, as one table, and the verdict.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::account::Tally;
use super::flock::Moves;
use super::watch::Sample;
use crate::metric::count;
use crate::proc_fs::Memory;

/// Memory may differ by so much from what it was at the mark, in per cent.
const MEMORY_GOAL: f64 = 2.0;
const MIB: f64 = 1024.0 * 1024.0;

/// All of a run.
#[derive(Debug)]
pub(super) struct Report {
    /// The sizes and settings of this run, in words.
    pub(super) circumstances: String,
    pub(super) n_events: u64,
    pub(super) moves: Moves,
    pub(super) tally: Tally,
    /// Once a second, from the beginning of the load to its end.
    pub(super) samples: Vec<Sample>,
    /// From when on memory is to stay what it is.
    pub(super) mark: Duration,
    pub(super) before: Places,
    /// Once every reader had everything.
    pub(super) settled: Places,
    /// Once every reader had left.
    pub(super) after: Places,
    /// In per cent of a core.
    pub(super) generator_cpu: f64,
}

/// Who has a place at the server, at a quiet moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) n_connected: u64,
    pub(super) active_connections: u64,
    pub(super) open_files: u64,
}

impl Report {
    /// Whether nothing was lost, doubled or leaked. Memory has a verdict of its own.
    pub(super) fn is_good(&self) -> bool {
        self.tally.is_clean() && !self.leaks()
    }

    fn leaks(&self) -> bool {
        let is_even = |places: &Places| places.active_connections == places.n_connected;
        !is_even(&self.settled) || !is_even(&self.after) || self.after.open_files > self.before.open_files
    }

    /// How memory moved, by one way of counting it; `None` when the run was too short to tell.
    fn drift(&self, bytes: impl Fn(&Memory) -> u64) -> Option<Drift> {
        let mib = |sample: &Sample| bytes(&sample.memory) as f64 / MIB;
        let from = self.samples.iter().position(|sample| sample.at >= self.mark)?;
        let later: Vec<f64> = self.samples[from..].iter().map(mib).collect();
        Some(Drift {
            mark: *later.first()?,
            lowest: later.iter().copied().fold(f64::INFINITY, f64::min),
            highest: later.iter().copied().fold(0.0, f64::max),
            last: *later.last()?,
        })
    }

    /// The server's processor time over the load, in per cent of a core.
    fn server_cpu(&self) -> Option<f64> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        Some((last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64() * 100.0)
    }

    fn memory_rows(&self, text: &mut String) -> fmt::Result {
        let mark = self.mark.as_secs();
        let resident = self.drift(|memory| memory.resident_bytes);
        let proportional = self.drift(|memory| memory.proportional_bytes);
        let anonymous = self.drift(|memory| memory.anonymous_bytes);
        for (name, drift) in [("resident", resident), ("proportional", proportional), ("anonymous", anonymous)] {
            let Some(drift) = drift else { continue };
            let Drift { mark: at_mark, lowest, highest, last } = drift;
            writeln!(text, "| memory, {name}, after {mark} s | {at_mark:.2} MiB |")?;
            writeln!(text, "| … lowest and highest since | {} to {} |", drift.against(lowest), drift.against(highest))?;
            writeln!(text, "| … at the end | {} |", drift.against(last))?;
        }
        Ok(())
    }

    fn rows(&self, text: &mut String) -> fmt::Result {
        let Tally { delivered, missed, doubled, wrong, resumed, gaps_told, events_told, lagged, .. } = &self.tally;
        let Moves { reset, closed, parted, fell_deaf, came_back } = self.moves;
        writeln!(text, "| events published | {} |", number(self.n_events))?;
        writeln!(text, "| deliveries | {} |", number(*delivered))?;
        writeln!(text, "| missed, doubled, otherwise wrong | {missed}, {doubled}, {wrong} |")?;
        writeln!(text, "| readers reset, closed, parted from | {reset}, {closed}, {parted} |")?;
        writeln!(text, "| readers that stopped reading for a while | {fell_deaf}, let go as too slow: {lagged} |")?;
        writeln!(
            text,
            "| readers that came back | {}, exactly where they were: {} |",
            number(came_back),
            number(*resumed)
        )?;
        writeln!(text, "| gaps told | {gaps_told}, of {} events |", number(*events_told))?;
        self.memory_rows(text)?;
        if let Some(cpu) = self.server_cpu() {
            let each = cpu * 1e4 * self.seconds() / (*delivered).max(1) as f64;
            writeln!(text, "| CPU of the server | {cpu:.0} % of a core, {each:.1} µs a delivery |")?;
        }
        writeln!(text, "| CPU of the load generator | {:.0} % of a core |", self.generator_cpu)?;
        let active = self.less_readers(|sample| sample.active_connections);
        let files = self.less_readers(|sample| (sample.open_files as u64).saturating_sub(self.before.open_files));
        writeln!(text, "| `active_connections` less readers, under way | {active} |")?;
        writeln!(text, "| open files since the start less readers, under way | {files} |")?;
        for (when, places) in [("before", self.before), ("all here", self.settled), ("all gone", self.after)] {
            let Places { n_connected, active_connections, open_files } = places;
            let (n_connected, active, files) = (number(n_connected), number(active_connections), number(open_files));
            writeln!(text, "| readers, `active_connections`, open files: {when} | {n_connected}, {active}, {files} |")?;
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        let at = |sample: Option<&Sample>| sample.map_or(0.0, |sample| sample.at.as_secs_f64());
        at(self.samples.last()) - at(self.samples.first())
    }

    /// From the lowest to the highest: readers that have left a moment ago, and those just on their way in.
    fn less_readers(&self, n: impl Fn(&Sample) -> u64) -> String {
        let difference = |sample: &Sample| n(sample) as i64 - sample.n_connected as i64;
        let lowest = self.samples.iter().map(difference).min().unwrap_or_default();
        let highest = self.samples.iter().map(difference).max().unwrap_or_default();
        format!("{lowest:+} to {highest:+}")
    }

    fn verdicts(&self, text: &mut String) -> fmt::Result {
        let told = if self.tally.is_clean() { "held" } else { "BROKEN" };
        writeln!(text, "- once and in order, or told: {told}")?;
        for fault in &self.tally.faults {
            writeln!(text, "  - {fault}")?;
        }
        writeln!(text, "- no slot leaked: {}", if self.leaks() { "BROKEN" } else { "held" })?;
        // Not the proportional one: it also moves when another process maps the same program.
        match self.drift(|memory| memory.resident_bytes) {
            Some(drift) => {
                let furthest = drift.furthest();
                let held = if furthest.abs() <= MEMORY_GOAL { "held" } else { "MISSED" };
                writeln!(text, "- memory within {MEMORY_GOAL} %: {held}, {furthest:+.1} % at the furthest")
            }
            None => writeln!(text, "- memory within {MEMORY_GOAL} %: the run was too short to tell"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}\n\n| | |\n|---|---|\n", self.circumstances);
        self.rows(&mut text)?;
        text.push('\n');
        self.verdicts(&mut text)?;
        f.write_str(text.trim_end())
    }
}

/// How one measure of memory moved after the mark, in MiB.
#[derive(Clone, Copy, Debug)]
struct Drift {
    mark: f64,
    lowest: f64,
    highest: f64,
    last: f64,
}

impl Drift {
    fn per_cent(&self, mib: f64) -> f64 {
        (mib / self.mark - 1.0) * 100.0
    }

    fn against(&self, mib: f64) -> String {
        format!("{mib:.2} MiB ({:+.1} %)", self.per_cent(mib))
    }

    fn furthest(&self) -> f64 {
        let (down, up) = (self.per_cent(self.lowest), self.per_cent(self.highest));
        if up > -down { up } else { down }
    }
}

fn number(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(mib: &[u64]) -> Report {
        let sample = |(second, mib): (usize, &u64)| {
            let bytes = mib * 1024 * 1024;
            Sample {
                at: Duration::from_secs(second as u64),
                memory: Memory { resident_bytes: bytes, proportional_bytes: bytes, anonymous_bytes: bytes },
                cpu: Duration::from_millis(second as u64 * 500),
                open_files: 0,
                active_connections: 5,
                n_connected: 4 + second % 3,
            }
        };
        Report {
            circumstances: "a test".into(),
            n_events: 1,
            moves: Moves::default(),
            tally: Tally { delivered: 1, ..Tally::default() },
            samples: mib.iter().enumerate().map(sample).collect(),
            mark: Duration::from_secs(2),
            before: Places { n_connected: 0, active_connections: 0, open_files: 10 },
            settled: Places { n_connected: 5, active_connections: 5, open_files: 15 },
            after: Places { n_connected: 0, active_connections: 0, open_files: 10 },
            generator_cpu: 1.0,
        }
    }

    #[test]
    fn memory_counts_from_the_mark_on() {
        let told = report(&[10, 50, 100, 101, 99, 100]).to_string();
        assert!(told.contains("memory within 2 %: held"), "{told}");
        assert!(told.contains("99.00 MiB (-1.0 %) to 101.00 MiB (+1.0 %)"), "{told}");
        let told = report(&[10, 50, 100, 104, 99, 100]).to_string();
        assert!(told.contains("memory within 2 %: MISSED, +4.0 % at the furthest"), "{told}");
        assert!(report(&[10, 50]).to_string().contains("too short to tell"));
        assert!(report(&[10, 50, 100, 200]).is_good(), "memory alone does not fail a run");
    }

    #[test]
    fn the_processor_time_is_a_share_of_the_load() {
        let told = report(&[1, 1, 1]).to_string();
        assert!(told.contains("CPU of the server | 50 % of a core"), "{told}");
        assert!(told.contains("less readers, under way | -1 to +1"), "{told}");
    }

    #[test]
    fn one_event_or_one_place_too_few_or_too_many_is_a_failure() {
        assert!(report(&[1]).is_good());
        let check = |spoil: fn(&mut Report)| {
            let mut spoilt = report(&[1]);
            spoil(&mut spoilt);
            assert!(!spoilt.is_good() && spoilt.to_string().contains("BROKEN"), "{spoilt}");
        };
        check(|report| report.tally.missed = 1);
        check(|report| report.tally.doubled = 1);
        check(|report| report.tally.wrong = 1);
        check(|report| report.settled.active_connections = 6);
        check(|report| report.after.active_connections = 1);
        check(|report| report.after.open_files = 11);
    }
}

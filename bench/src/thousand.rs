//! A thousand streams: what they take, beside what a system took for the same before Heartwire.
//!
//! Two servers one after the other, one whose readers take plain text and one whose readers take gzip. Each
//! is opened several times over, which counts the connections that succeed; then it rests with heartbeats
//! alone, and then it is published to.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::crowd::{Crowd, Delivered, Encoding};
use crate::metric::count;
use crate::peers::{Peer, Places};
use crate::samples::Percentiles;
use crate::server::Server;
use crate::stop::Stop;

/// Between opening and looking at memory.
const SETTLE: Duration = Duration::from_secs(2);
/// Events before the ones that count.
const WARM_UP: Duration = Duration::from_secs(5);
const MIB: f64 = 1024.0 * 1024.0;

/// A thousand streams for some minutes: memory, processor time, bandwidth, connections that succeed
#[derive(Args, Debug)]
pub(crate) struct ThousandArgs {
    /// How many readers
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    readers: usize,
    /// Events a second, each to all readers
    #[arg(long, default_value_t = 2.0, value_name = "N")]
    rate: f64,
    /// How long it rests with heartbeats alone, and how long the load lasts
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u64,
    /// How far apart heartbeats are
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    heartbeat: u64,
    /// How many times over the streams are opened
    #[arg(long, default_value_t = 5, value_name = "N")]
    openings: usize,
}

impl ThousandArgs {
    /// How many sockets the generator has at a time.
    pub(crate) fn n_readers(&self) -> usize {
        self.readers
    }

    fn check(&self) -> Result<()> {
        let is_sensible = self.readers > 0 && self.openings > 0 && self.rate > 0.0;
        ensure!(is_sensible && self.seconds > 0 && self.heartbeat > 0, "every number must be above zero");
        Ok(())
    }
}

/// What one server took.
#[derive(Debug)]
struct Taken {
    /// Streams that were asked for, and those that came.
    asked: usize,
    opened: usize,
    /// Until the last of the streams had its head, at the slowest opening.
    slowest_opening: Duration,
    /// The process with all streams open, and its growth for each.
    resident_bytes: u64,
    bytes_per_stream: f64,
    /// In per cent of a core.
    cpu_at_rest: f64,
    cpu_under_load: f64,
    /// Of bodies, under the load.
    wire_bytes: u64,
    delivered: u64,
    due: u64,
    p99_ms: f64,
}

/// Both servers.
#[derive(Debug)]
struct Report<'a> {
    args: &'a ThousandArgs,
    plain: Taken,
    gzip: Taken,
}

/// Runs it and prints its table. False when a stream or an event was lost.
pub(crate) fn thousand(args: &ThousandArgs, places: &Places, stop: &Stop) -> Result<bool> {
    args.check()?;
    eprintln!("plain streams, then compressed ones; about {} s", 2 * (2 * args.seconds + 15));
    let plain = measure(args, Encoding::Plain, places, stop)?;
    let gzip = measure(args, Encoding::Gzip, places, stop)?;
    let report = Report { args, plain, gzip };
    println!("{report}");
    Ok(report.is_good())
}

fn measure(args: &ThousandArgs, encoding: Encoding, places: &Places, stop: &Stop) -> Result<Taken> {
    let server = Peer::Heartwire.start(places, Duration::from_secs(args.heartbeat), stop)?;
    let crowd_of = |n_readers| Crowd::new(Peer::Heartwire, server.address, n_readers, encoding, stop);
    // What a server sets up at its first stream and its first event is no stream's share.
    let mut first = crowd_of(1)?;
    first.open(1)?;
    first.prime()?;
    drop(first);
    let before = server.usage()?.memory_bytes;

    let (mut opened, mut slowest_opening) = (0, Duration::ZERO);
    let mut open = || -> Result<Crowd> {
        let mut crowd = crowd_of(args.readers)?;
        let came = crowd.open(args.readers);
        opened += crowd.n_streaming();
        match came {
            Ok(took) => slowest_opening = slowest_opening.max(took),
            Err(err) => eprintln!("an opening: {err:#}"),
        }
        Ok(crowd)
    };
    for _ in 1..args.openings {
        // It leaves before the next one comes.
        drop(open()?);
    }
    let mut crowd = open()?;
    ensure!(crowd.n_streaming() == args.readers, "not every stream is open, so there is nothing more to measure");
    ensure!(crowd.is_gzip() == (encoding == Encoding::Gzip), "the server does not compress as it was asked to");
    crowd.prime()?;
    crowd.rest(SETTLE)?;
    let resident_bytes = server.usage()?.memory_bytes;

    let span = Duration::from_secs(args.seconds);
    let (cpu_at_rest, ()) = cpu_of(&server, || crowd.rest(span))?;
    crowd.pace(args.rate, WARM_UP)?;
    let wire_before = crowd.wire_bytes();
    let (cpu_under_load, Delivered { due, delivered, latencies_us, .. }) =
        cpu_of(&server, || crowd.pace(args.rate, span))?;
    Ok(Taken {
        asked: args.readers * args.openings,
        opened,
        slowest_opening,
        resident_bytes,
        bytes_per_stream: resident_bytes.saturating_sub(before) as f64 / args.readers as f64,
        cpu_at_rest,
        cpu_under_load,
        wire_bytes: crowd.wire_bytes() - wire_before,
        delivered,
        due,
        p99_ms: Percentiles::of(latencies_us).map_or(0.0, |percentiles| percentiles.p99),
    })
}

/// The server's processor time while something is done, in per cent of a core.
fn cpu_of<T>(server: &Server, act: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let (before, started) = (server.usage()?.cpu, Instant::now());
    let done = act()?;
    let used = server.usage()?.cpu - before;
    Ok((used.as_secs_f64() / started.elapsed().as_secs_f64() * 100.0, done))
}

impl Report<'_> {
    fn is_good(&self) -> bool {
        [&self.plain, &self.gzip].iter().all(|taken| taken.opened == taken.asked && taken.delivered == taken.due)
    }

    fn rows(&self, text: &mut String) -> fmt::Result {
        let Self { args, plain, gzip } = self;
        let hundreds = args.readers as f64 / 100.0;
        let mut row = |name: &str, show: &dyn Fn(&Taken) -> String, before: &str| {
            writeln!(text, "| {name} | {} | {} | {before} |", show(plain), show(gzip))
        };
        let share = |taken: &Taken| {
            let share = taken.opened as f64 / taken.asked as f64 * 100.0;
            format!("{share:.1} % of {}", count(taken.asked))
        };
        row("connections that succeed", &share, "99.8 %")?;
        row("slowest opening of all", &|taken| format!("{:.2} s", taken.slowest_opening.as_secs_f64()), "–")?;
        row("memory of the process", &|taken| format!("{:.1} MB", taken.resident_bytes as f64 / MIB), "350 MB")?;
        let per_stream = |taken: &Taken| format!("{:.2} KB", taken.bytes_per_stream / 1024.0);
        row("memory for each stream", &per_stream, "2 KB, compressed 3 KB")?;
        row("CPU under the load, of a core", &|taken| format!("{:.1} %", taken.cpu_under_load), "12 %")?;
        let per_hundred = |taken: &Taken| format!("{:.2} %", taken.cpu_at_rest / hundreds);
        row("CPU of heartbeats, for 100 streams", &per_hundred, "below 1 %")?;
        let per_delivery = |taken: &Taken| format!("{:.0} B", taken.wire_bytes as f64 / taken.delivered.max(1) as f64);
        row("bytes of a delivery on the wire", &per_delivery, "–")?;
        row("events that arrived", &|taken| format!("{} of {}", taken.delivered, taken.due), "–")?;
        row("p99 latency", &|taken| format!("{:.1} ms", taken.p99_ms), "–")?;
        let saved = (1.0 - gzip.wire_bytes as f64 / plain.wire_bytes.max(1) as f64) * 100.0;
        writeln!(text, "| bandwidth saved | – | {saved:.0} % | 35 %; 20 to 60 % |")
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ThousandArgs { readers, rate, seconds, heartbeat, .. } = self.args;
        let mut text = format!(
            "{} streams of one topic, heartbeats every {heartbeat} s; at rest for {seconds} s, then {rate} events a second to \
             each for {seconds} s.\n\n| | plain | gzip | before |\n|---|---:|---:|---:|\n",
            count(*readers)
        );
        self.rows(&mut text)?;
        f.write_str(text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(wire_bytes: u64) -> Taken {
        Taken {
            asked: 5_000,
            opened: 5_000,
            slowest_opening: Duration::from_millis(150),
            resident_bytes: 8 * 1024 * 1024,
            bytes_per_stream: 1_024.0,
            cpu_at_rest: 1.0,
            cpu_under_load: 3.0,
            wire_bytes,
            delivered: 1_000,
            due: 1_000,
            p99_ms: 5.0,
        }
    }

    #[test]
    fn the_table_holds_each_figure_against_what_it_was_before() {
        let args = ThousandArgs { readers: 1_000, rate: 2.0, seconds: 60, heartbeat: 30, openings: 5 };
        let mut report = Report { args: &args, plain: taken(200_000), gzip: taken(50_000) };
        let told = report.to_string();
        for row in [
            "| connections that succeed | 100.0 % of 5,000 | 100.0 % of 5,000 | 99.8 % |",
            "| memory of the process | 8.0 MB | 8.0 MB | 350 MB |",
            "| CPU of heartbeats, for 100 streams | 0.10 % | 0.10 % | below 1 % |",
            "| bytes of a delivery on the wire | 200 B | 50 B | – |",
            "| bandwidth saved | – | 75 % | 35 %; 20 to 60 % |",
        ] {
            assert!(told.contains(row), "{row} in {told}");
        }
        assert!(report.is_good());
        report.gzip.opened -= 1;
        assert!(!report.is_good());
    }
}

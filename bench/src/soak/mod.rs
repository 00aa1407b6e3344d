//! A soak: many readers of one server for many minutes, who leave, fall deaf and come back all the
//! time. It asks three things. Does every reader get every event once and in order, or is it told
//! what it missed? Does the memory of the server stay what it is after a minute? Is every place given
//! back that a reader had?
//!
//! - `churn` draws what happens to whom, `account` checks what a reader was given: neither does I/O.
//! - `reader` is one reader over all its streams, `flock` all of them in one poll; `press` publishes to them.
//! - `watch` looks at the server once a second; `report` makes the table.

mod account;
mod churn;
mod flock;
mod press;
mod reader;
mod report;
mod watch;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use self::churn::Churn;
use self::flock::Flock;
use self::report::{Places, Report};
use self::watch::{Sample, Watch, active_connections};
use crate::peers::Places as Folders;
use crate::proc_fs;
use crate::server::{Server, free_address};
use crate::stop::Stop;

/// How far back the history reaches: longer than most absences, and full long before the mark, so that what
/// grows after the mark is no history. In a short run it is a quarter of the run.
const HISTORY: Duration = Duration::from_secs(20);
const HEARTBEAT: Duration = Duration::from_secs(10);
/// From here on memory is to stay what it is; a shorter run has its mark in the middle.
const MARK: Duration = Duration::from_secs(60);
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Many readers come and go for many minutes: is anything lost, doubled or leaked?
#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// How many readers
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    readers: usize,
    /// How long the load lasts, in minutes
    #[arg(long, default_value_t = 10.0, value_name = "MINUTES")]
    minutes: f64,
    /// Events a second, each to all readers
    #[arg(long, default_value_t = 20.0, value_name = "N")]
    rate: f64,
    /// How many of a hundred readers leave, fall silent or stop reading in a second
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    churn: f64,
    /// Decides who leaves when, and how
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

impl SoakArgs {
    /// How many sockets the generator has at a time.
    pub(crate) fn n_readers(&self) -> usize {
        self.readers
    }

    fn check(&self) -> Result<()> {
        ensure!(self.readers > 0, "a soak needs readers");
        let are_sensible = self.minutes > 0.0 && self.rate > 0.0 && (0.0..=100.0).contains(&self.churn);
        ensure!(are_sensible, "minutes and rate must be above zero, churn between 0 and 100");
        Ok(())
    }

    fn span(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    fn history(&self) -> Duration {
        HISTORY.min(self.span() / 4)
    }

    fn mark(&self) -> Duration {
        MARK.min(self.span() / 2)
    }

    /// What the history holds, in events.
    fn history_events(&self) -> u64 {
        (self.rate * self.history().as_secs_f64()).ceil().max(1.0) as u64
    }

    fn circumstances(&self) -> String {
        let Self { readers, minutes, rate, churn, seed } = self;
        format!(
            "Soak of {readers} readers for {minutes} min: {rate} events a second to each; {churn} % of the readers a \
             second leave or stop reading (seed {seed}).\nThe server keeps {} events, {} s of them, so that the \
             history is full long before memory is held against anything.",
            self.history_events(),
            self.history().as_secs()
        )
    }
}

/// Runs the soak and prints its table. False when an event was lost or doubled, or a place leaked.
pub(crate) fn soak(args: &SoakArgs, folders: &Folders, stop: &Stop) -> Result<bool> {
    args.check()?;
    eprintln!("{}", args.circumstances());
    let server = start(args, folders, stop)?;
    let report = run(args, &server, stop)?;
    println!("{report}");
    Ok(report.is_good())
}

fn start(args: &SoakArgs, folders: &Folders, stop: &Stop) -> Result<Server> {
    let address = free_address()?;
    let mut serve = Command::new(folders.program("heartwire"));
    let (heartbeat, history) = (HEARTBEAT.as_secs().to_string(), args.history_events().to_string());
    serve.args(["serve", "--listen", &address.to_string(), "--heartbeat-interval", &heartbeat]);
    serve.args(["--max-history-per-topic", &history]);
    Server::start(&mut serve, address, &folders.out.join("log/soak.log"), stop)
}

fn run(args: &SoakArgs, server: &Server, stop: &Stop) -> Result<Report> {
    // What a server sets up at its first stream and its first event is no leak.
    let mut first = Flock::new(1, server.address, Churn::new(args.seed, args.history()), stop)?;
    first.open()?;
    drop(first);
    let mut flock = Flock::new(args.readers, server.address, Churn::new(args.seed, args.history()), stop)?;
    flock.publish_one()?;
    let before = places_before(&mut flock, server)?;

    let opening = Instant::now();
    flock.open()?;
    eprintln!("{} readers are here after {:.1} s", args.readers, opening.elapsed().as_secs_f64());

    let (span, moves_per_second) = (args.span(), args.readers as f64 * args.churn / 100.0);
    let mut progress = Progress::begin(server, &mut flock);
    flock.load(args.rate, moves_per_second, span, |flock| progress.look(flock))?;
    let (samples, generator_cpu) = progress.end()?;

    eprintln!("the load is over: everybody comes back and gets what is missing");
    flock.settle()?;
    let is_even = |places: &Places| places.active_connections == places.n_connected;
    let settled = places(&mut flock, server, is_even)?;

    eprintln!("everybody leaves");
    flock.leave()?;
    let is_empty = |places: &Places| places.active_connections == 0 && places.open_files <= before.open_files;
    let after = places(&mut flock, server, is_empty)?;
    Ok(Report {
        circumstances: args.circumstances(),
        n_events: flock.n_published(),
        moves: flock.moves,
        tally: flock.tally.clone(),
        samples,
        mark: args.mark(),
        before,
        settled,
        after,
        generator_cpu,
    })
}

/// The places before anybody has come. A socket that was closed a moment ago may still be counted, so the
/// lowest number of several looks is the true one.
fn places_before(flock: &mut Flock, server: &Server) -> Result<Places> {
    const N_LOOKS: usize = 5;
    let (mut n_looks, mut lowest) = (0, u64::MAX);
    let seen = places(flock, server, |places| {
        n_looks += 1;
        lowest = lowest.min(places.open_files);
        n_looks >= N_LOOKS && places.active_connections == 0
    })?;
    Ok(Places { open_files: lowest, ..seen })
}

/// The places once they are as they should be, or, failing that, when patience ends.
fn places(flock: &mut Flock, server: &Server, mut is_good: impl FnMut(&Places) -> bool) -> Result<Places> {
    let mut seen = Places::default();
    flock.wait_until(|flock| {
        seen = look(flock, server.pid(), server.address)?;
        Ok(is_good(&seen))
    })?;
    Ok(seen)
}

fn look(flock: &Flock, pid: u32, address: SocketAddr) -> Result<Places> {
    // Before the question, which takes a socket for a moment.
    let open_files = proc_fs::open_files(pid)? as u64;
    Ok(Places { n_connected: flock.n_connected() as u64, active_connections: active_connections(address)?, open_files })
}

/// What is seen while the load lasts, and told every few seconds.
struct Progress {
    watch: Watch,
    samples: Vec<Sample>,
    failed: Option<anyhow::Error>,
    told_at: Instant,
    began: Instant,
    own_cpu: Duration,
}

impl Progress {
    fn begin(server: &Server, flock: &mut Flock) -> Self {
        let now = Instant::now();
        Self {
            watch: Watch::begin(server.pid(), server.address, flock.connected()),
            samples: Vec::new(),
            failed: None,
            told_at: now,
            began: now,
            own_cpu: proc_fs::own_cpu(),
        }
    }

    fn look(&mut self, flock: &Flock) {
        while let Some(sample) = self.watch.next() {
            match sample {
                Ok(sample) => self.samples.push(sample),
                Err(err) => self.failed = self.failed.take().or(Some(err)),
            }
        }
        if self.told_at.elapsed() >= PROGRESS_EVERY {
            self.told_at = Instant::now();
            self.tell(flock);
        }
    }

    fn tell(&self, flock: &Flock) {
        let Some(sample) = self.samples.last() else { return };
        let tally = &flock.tally;
        eprintln!(
            "{:>5} s  {} readers, {} at the server; {} events, {} deliveries; {} missed, {} doubled, {} wrong, \
             {} gaps told; {:.2} MiB",
            self.began.elapsed().as_secs(),
            sample.n_connected,
            sample.active_connections,
            flock.n_published(),
            tally.delivered,
            tally.missed,
            tally.doubled,
            tally.wrong,
            tally.gaps_told,
            sample.memory.resident_bytes as f64 / 1024.0 / 1024.0
        );
    }

    /// The samples, and the processor time of this process in per cent of a core.
    fn end(self) -> Result<(Vec<Sample>, f64)> {
        let share = (proc_fs::own_cpu() - self.own_cpu).as_secs_f64() / self.began.elapsed().as_secs_f64();
        match self.failed {
            Some(err) => Err(err),
            None => Ok((self.samples, share * 100.0)),
        }
    }
}

//! Heartwire beside its peers: one load generator drives them all in one run and writes one table and
//! one picture. `cargo xtask bench` sets everything up and runs this.
//!
//! A map, from the outside in:
//! - `plan`: how many readers, how fast, for how long; `metric`: what is measured, and the goals.
//! - `peers`: how each server is started; `server`: one that runs; `proc_fs`: what it uses.
//! - `measures`: the stages of a peer's round. `crowd` is the load generator, made of `reader`s and
//!   `publishers`; `ledger` keeps its books. `wire` counts bytes.
//! - `payload` and `stamp`: what is published, and how it is known again. `call`, `body` and
//!   `http`: as much of HTTP as is needed.
//! - `requests`: beside the comparison, what streams save in requests.
//! - `thousand`: beside the comparison, the streams and the figures of a system that Heartwire replaces.
//! - `soak`: beside the comparison, one server for many minutes, whose readers come and go.
//! - `samples`, `machine`, `results`: the figures; `table` and `picture` show them.
//!
//! Linux only: what a server uses is read from `/proc`.

// Talking on the terminal is what this program does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod body;
mod call;
mod crowd;
mod http;
mod ledger;
mod machine;
mod measures;
mod metric;
mod payload;
mod peers;
mod picture;
mod plan;
mod proc_fs;
mod publisher;
mod publishers;
mod reader;
mod requests;
mod results;
mod samples;
mod server;
mod soak;
mod stamp;
mod stop;
mod table;
mod thousand;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::machine::Machine;
use crate::measures::{Bench, Stage};
use crate::peers::{Peer, Places};
use crate::plan::{MAX_OPEN_FILES, Plan};
use crate::requests::RequestArgs;
use crate::results::{PeerResults, Results};
use crate::soak::SoakArgs;
use crate::stop::Stop;
use crate::thousand::ThousandArgs;

/// Measure Heartwire beside its peers.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    chore: Option<Chore>,
    /// Small numbers: shows in a minute or two that everything works, and little about speed
    #[arg(long)]
    quick: bool,
    /// Only this peer; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Peer>,
    /// Only this part of a round; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "save")]
    stage: Vec<Stage>,
    /// How often to measure everything
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Copy the results to docs/
    #[arg(long)]
    save: bool,
    /// Folder for the results [default: target/bench]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What there is beside the comparison.
#[derive(Subcommand)]
enum Chore {
    /// Many readers come and go for many minutes: is anything lost, doubled or leaked?
    Soak(SoakArgs),
    /// How many requests do streams save against polls every two seconds?
    Requests(RequestArgs),
    /// A thousand streams: what they take, beside what a system took for the same before Heartwire
    Thousand(ThousandArgs),
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

/// False when something was lost.
fn run(args: Args) -> Result<bool> {
    let stop = Stop::on_signals()?;
    let places = Places::find(args.out.clone())?;
    fs::create_dir_all(places.out.join("log")).with_context(|| format!("cannot make {}", places.out.display()))?;
    match &args.chore {
        Some(Chore::Soak(soak_args)) => {
            raise_file_limit(soak_args.n_readers())?;
            soak::soak(soak_args, &places, &stop)
        }
        Some(Chore::Requests(args)) => requests::requests(args, &stop).map(|()| true),
        Some(Chore::Thousand(thousand_args)) => {
            raise_file_limit(thousand_args.n_readers())?;
            thousand::thousand(thousand_args, &places, &stop)
        }
        None => compare(args, &places, &stop).map(|()| true),
    }
}

fn compare(args: Args, places: &Places, stop: &Stop) -> Result<()> {
    let mut plan = if args.quick { Plan::quick() } else { Plan::full() };
    plan.rounds = args.rounds.map_or(plan.rounds, usize::from);
    raise_file_limit(plan.large)?;
    let asked = if args.only.is_empty() { Peer::value_variants() } else { &args.only };
    let stages = if args.stage.is_empty() { Stage::value_variants() } else { &args.stage };
    let machine = Machine::look(&places.root);
    let mut results = Results { machine, plan, peers: Vec::new(), skipped: Vec::new() };
    for peer in Peer::value_variants().iter().filter(|peer| asked.contains(peer)) {
        match peer.version(places) {
            Ok(version) => results.peers.push(PeerResults::new(*peer, version)),
            Err(err) => {
                eprintln!("{} is left out: {err:#}", peer.title());
                results.skipped.push((*peer, format!("{err:#}")));
            }
        }
    }
    ensure!(!results.peers.is_empty(), "there is nothing to measure");
    measure(&mut results, stages, places, stop)?;
    report(&results, places)?;
    if args.save {
        save(&results, places)?;
    }
    Ok(())
}

/// Round by round and not peer by peer, so that a machine that slows down does so for all.
fn measure(results: &mut Results, stages: &[Stage], places: &Places, stop: &Stop) -> Result<()> {
    let bench = Bench { plan: &results.plan, places, stop };
    let started = Instant::now();
    for round in 0..bench.plan.rounds {
        for peer in &mut results.peers {
            eprintln!(
                "{:>5} s  round {} of {}: {}",
                started.elapsed().as_secs(),
                round + 1,
                bench.plan.rounds,
                peer.peer.title()
            );
            for stage in stages.iter().filter(|stage| stage.is_in_round(round)) {
                let done = bench.run(*stage, peer);
                stop.check()?;
                if let Err(err) = done {
                    eprintln!("         {stage:?}: {err:#}");
                    peer.remark(format!("{stage:?} stage: {err:#}"));
                }
            }
        }
    }
    Ok(())
}

fn report(results: &Results, places: &Places) -> Result<()> {
    let json = serde_json::to_string_pretty(results).context("the results cannot be written as JSON")?;
    let table = table::markdown(results);
    write(&places.out.join("results.json"), &(json + "\n"))?;
    write(&places.out.join("bench.svg"), &picture::svg(results))?;
    write(&places.out.join("table.md"), &table)?;
    println!("{table}");
    eprintln!("the picture and all figures: {}", places.out.display());
    Ok(())
}

/// Puts the results where people read them.
fn save(results: &Results, places: &Places) -> Result<()> {
    let docs = places.root.join("docs");
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let with_table = table::insert(&text, &table::markdown(results))
        .with_context(|| format!("{} has lost its markers", page.display()))?;
    write(&page, &with_table)?;
    for (from, to) in [("results.json", "bench.json"), ("bench.svg", "bench.svg")] {
        let from = places.out.join(from);
        fs::copy(&from, docs.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    eprintln!("saved in docs/: performance.md, bench.json, bench.svg");
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// For this process and for the servers, which inherit it.
fn raise_file_limit(n_readers: usize) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(MAX_OPEN_FILES);
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let needed = n_readers as u64 + 500;
    ensure!(most >= needed, "this takes {needed} open files, and the limit is {most}: raise it with ulimit -n");
    // No limit at all is `None`, here as there.
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit { current: Some(most), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    }
    Ok(())
}

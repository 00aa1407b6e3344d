//! Every chore of this repository, as `cargo xtask <chore>`.
//!
//! Each chore has its file: `start`, `client` (build), `test`, `size`, `bench` and `ci`. They share
//! `setup` and `toolchain`, which bring missing tools; `tree`, which knows where things lie;
//! `shell`, which runs other programs; `fresh`, which skips work whose inputs did not change; and
//! `settings`, which reads `wasm-pack.toml`. The tests in `requirements` check a page of docs/.

// Talking on the terminal is what this program does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod ci;
mod client;
mod files;
mod fresh;
mod packaging;
mod programs;
mod reference;
mod report;
#[cfg(test)]
mod requirements;
mod settings;
mod setup;
mod shell;
mod size;
mod start;
mod test;
mod toolchain;
mod tree;

use std::process::ExitCode;

use clap::Parser;

/// The chores of the Heartwire repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Build the pair and run it with its demo page on http://127.0.0.1:8080/
    Start {
        /// Flags for `heartwire serve`, such as --listen 127.0.0.1:9000
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Run every test, or the stages named
    Test {
        /// Which stages to run; all of them unless named
        stages: Vec<test::Stage>,
    },
    /// Build the npm package and the demo pages on top of it
    Build,
    /// Weigh the npm package against its budget
    Size,
    /// Write the API reference of the npm package into target/reference
    Reference,
    /// Measure the server beside its peers, with one load generator
    Bench {
        /// --quick, --rounds N, --only PEER (heartwire, bare, axum, nchan, better-sse, sse-starlette), --stage NAME (idle,
        /// large, medium, small, gzip, wire), --save (into docs/)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Race the client against its rivals, in Node, Chromium and Firefox
    Speed {
        /// --rounds 15 (of the whole clients)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Let thousands of readers come and go for minutes: is anything lost, doubled or leaked?
    Soak {
        /// --readers 10000, --minutes 10, --rate 20 (events a second), --churn 1 (per cent of the readers a second), --seed 1
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// How many requests do streams save against polls every two seconds?
    Requests {
        /// --clients 20, --minutes 5, --rate 1 (events a second)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Hold a thousand streams for some minutes: what do they take, and do all of them come through?
    Thousand {
        /// --readers 1000, --rate 2 (events a second), --seconds 60, --heartbeat 30, --openings 5
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Check formatting, lints, documentation and licences
    Ci,
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Start { flags } => start::start(&flags),
        Chore::Test { stages } => test::test(&stages),
        Chore::Build => client::build(),
        Chore::Size => size::size(),
        Chore::Reference => reference::reference(),
        Chore::Bench { flags } => bench::bench(&flags),
        Chore::Speed { flags } => bench::speed(&flags),
        Chore::Soak { flags } => bench::chore("soak", &flags),
        Chore::Requests { flags } => bench::chore("requests", &flags),
        Chore::Thousand { flags } => bench::chore("thousand", &flags),
        Chore::Ci => ci::ci(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

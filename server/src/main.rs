//! The `heartwire` command.

use clap::Parser;
use heartwire::cli::{self, Cli};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(std::io::stderr(), "heartwire: {failure}");
            ExitCode::FAILURE
        }
    }
}

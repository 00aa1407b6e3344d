//! The command line: one file per command.
//!
//! Commands write what they are asked for to standard output, and everything else to standard error.

mod access_log;
mod config;
mod failure;
mod host_stats;
mod http;
mod key;
mod log;
mod machine;
#[cfg(feature = "otlp")]
mod otlp;
mod pipe;
mod publish;
mod reload;
mod rights;
mod serve;
mod settings;
mod tail;
mod token;

pub use failure::Failure;

use clap::{Parser, Subcommand};

/// Keeps web pages in step with a server, over Server-Sent Events.
#[derive(Debug, Parser)]
#[command(name = "heartwire", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Config(config::ConfigArgs),
    Pipe(pipe::PipeArgs),
    Publish(publish::PublishArgs),
    Tail(tail::TailArgs),
    Key(key::KeyArgs),
    Token(token::TokenArgs),
}

/// Runs a command to its end.
///
/// # Errors
/// One sentence that says what went wrong.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let mut builder = match cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|err| Failure::new("cannot start", &err))?;
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Config(args) => config::run(&args),
            Command::Pipe(args) => pipe::run(args).await,
            Command::Publish(args) => publish::run(args).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Key(args) => key::run(args),
            Command::Token(args) => token::run(args),
        }
    });
    // A thread that still waits for a line of standard input would hold the process up.
    runtime.shutdown_background();
    ended
}

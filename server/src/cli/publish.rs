//! `heartwire publish`: one event.

use super::Failure;
use super::http::{Publisher, Target};
use clap::Args;
use std::io::Write;
use tokio::io::AsyncReadExt;

/// Publish one event, and print its id.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    #[command(flatten)]
    target: Target,
    /// The payload; `-` reads it from standard input
    data: String,
}

pub(super) async fn run(args: PublishArgs) -> Result<(), Failure> {
    let publisher = Publisher::new(&args.target)?;
    let data = if args.data == "-" { read_standard_input().await? } else { args.data };
    let id = publisher.publish(data).await?;
    writeln!(std::io::stdout(), "{id}").map_err(|err| Failure::new("cannot print the id", &err))
}

async fn read_standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    let read = tokio::io::stdin().read_to_string(&mut text).await;
    read.map_err(|err| Failure::new("cannot read standard input as text", &err))?;
    Ok(text)
}

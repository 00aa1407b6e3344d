//! `heartwire config`: what is in force, and why.

use super::Failure;
use super::settings::{Effective, SettingArgs};
use clap::Args;
use std::io::Write;

/// Print the configuration that `serve` would run with.
///
/// Takes the same flags, environment and file, and prints a file that --config accepts again. Behind each
/// value stands where it came from. Secrets are not printed.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let effective = Effective::load(&args.settings, std::env::vars_os())?;
    // What `serve` would refuse is not in force.
    effective.tls()?;
    let printed = std::io::stdout().write_all(effective.to_toml().as_bytes());
    printed.map_err(|err| Failure::new("cannot print the configuration", &err))
}

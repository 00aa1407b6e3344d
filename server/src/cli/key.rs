//! `heartwire key`: a key for a program.

use super::Failure;
use super::rights::RightsArgs;
use super::settings::lines_of_key;
use crate::auth::mint;
use crate::config::ApiKey;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::io::Write;

/// Make a key for a program, which sends it like a token.
///
/// Prints the key to standard error, once, and nothing keeps it. Prints its lines for the settings file, which
/// have only its hash, to standard output: `heartwire key --name jobs --publish 'jobs/*' >> hub.toml`.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// What the program is called; no two keys may be called the same
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: String,
    #[command(flatten)]
    rights: RightsArgs,
}

pub(super) fn run(args: KeyArgs) -> Result<(), Failure> {
    let (key, hash) = mint::new_key().map_err(|err| Failure::new("there is no source of randomness", &err))?;
    let lines = lines_of_key(&ApiKey { name: args.name, hash, rights: args.rights.rights() });
    let cannot_print = |err| Failure::new("cannot print the key", &err);
    std::io::stdout().write_all(lines.as_bytes()).map_err(cannot_print)?;
    writeln!(std::io::stderr(), "{key}").map_err(cannot_print)
}

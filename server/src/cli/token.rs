//! `heartwire token`: a token to try things out with.

use super::Failure;
use super::rights::RightsArgs;
use super::settings::{Effective, Seconds, SettingArgs};
use crate::auth::mint;
use crate::environment;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Make a token that is signed by the setting `jwt_secret_key`, to try things out.
///
/// Takes the secret, and the issuer and the audience where they are set, from the environment and the file, as
/// `serve` does. Whoever gives tokens to real people has to know them first, which is not for a hub to do.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Who it is for
    #[arg(long, value_name = "NAME")]
    sub: Option<String>,
    #[command(flatten)]
    rights: RightsArgs,
    /// How long it is good for
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    ttl: Seconds,
    /// TOML file of settings; HEARTWIRE_CONFIG names it, too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: TokenArgs) -> Result<(), Failure> {
    let effective = Effective::load(&SettingArgs::of_file(args.config), std::env::vars_os())?;
    let expires_at_s = (environment::wall_clock_ms() / 1_000).saturating_add(args.ttl.0.as_secs());
    let token = mint::token(&effective.config().auth, args.sub.as_deref(), &args.rights.rights(), expires_at_s);
    let token = token.ok_or_else(|| {
        Failure::of(
            "there is no secret to sign a token with: set HEARTWIRE_JWT_SECRET_KEY, or jwt_secret_key in the file",
        )
    })?;
    writeln!(std::io::stdout(), "{token}").map_err(|err| Failure::new("cannot print the token", &err))
}

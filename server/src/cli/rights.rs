//! What a key or a token is good for, as flags.

use crate::auth::Rights;
use crate::config::TopicPattern;
use clap::Args;

#[derive(Debug, Clone, Args)]
pub(super) struct RightsArgs {
    /// Topics that may be read, such as `orders/*`; can be repeated
    #[arg(long, value_name = "PATTERN")]
    read: Vec<TopicPattern>,
    /// Topics that may be published under; can be repeated
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<TopicPattern>,
    /// Let it run the hub: throw the switch, see the figures
    #[arg(long)]
    admin: bool,
}

impl RightsArgs {
    pub(super) fn rights(self) -> Rights {
        let Self { read, publish, admin } = self;
        Rights { read, publish, admin }
    }
}

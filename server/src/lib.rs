//! Server-Sent Events with a log behind them.
//!
//! A subscriber gets every event once and in order, or is told plainly which part it missed. Mount
//! [`reader_router`] in any axum app, keep a [`Hub`], and [publish](Hub::publish) to it:
//!
//! ```no_run
#![doc = include_str!("../examples/hello.rs")]
//! ```
//!
//! A map:
//! - [`Hub`] owns the topics; a [`Subscription`] is a cursor over some of them.
//! - [`log`] is where events are kept in order. The hub holds the recent part in memory.
//! - [`router`] answers requests over any server, those of publishers among them; [`reader_router`] those of readers
//!   alone. [`serve()`] is a server that knows how to drain.
//! - [`auth`] says who a request comes from and what it may do; without it, access is open.
//! - [`HubConfig`] and [`ServeConfig`] hold every setting.
//!
//! Cargo features: `cli` (default) builds the `heartwire` binary and what only it needs; `client` is
//! the native subscriber; `tls`, the server over TLS. A service that only mounts the router switches all
//! of them off by `default-features = false`.

pub mod auth;
mod bell;
#[cfg(feature = "client")]
mod causes;
mod client_address;
mod coding;
mod config;
#[cfg(feature = "cli")]
mod edges;
mod entry;
mod environment;
mod forgotten;
mod forwarding;
mod gzip;
mod hub;
mod limits;
pub mod log;
mod membership;
mod memory;
mod metrics;
mod problem;
mod rate;
#[cfg(feature = "cli")]
mod rate_limit;
mod rollout;
mod routes;
mod serve;
mod soft_refusal;
mod standing;
mod stream;
mod stream_permits;
mod subscription;
mod topic_log;
mod topics;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;

pub use client_address::ClientAddress;
pub use config::{
    ApiKey, AuthConfig, ConfigError, EdgesConfig, HostName, HubConfig, KeyHash, LimitsConfig, LogConfig, LogFormat,
    LogLevel, Machine, Origin, OtlpEndpoint, PathPrefix, Preset, PresetValue, Secret, ServeConfig, SlowReaders,
    TopicPattern, TopicPatternError, TopicRule, TrustedProxy, WatchConfig, WebNameError,
};
pub use entry::Entry;
pub use hub::{Hub, PublishError};
pub use routes::{admin_router, reader_router, router, watch_router};
pub use serve::{Shutdown, listen, serve};
#[cfg(feature = "tls")]
pub use serve::{Tls, TlsError, serve_tls};
pub use subscription::{Delivery, Ended, Resume, Subscription};

pub use heartwire_protocol::control::{Gap, GapReason};
pub use heartwire_protocol::{Cursor, Data, Epoch, EventKey, EventType, FieldError, Topic};

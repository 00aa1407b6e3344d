//! Who a request comes from, and what it may do.
//!
//! An [`Identity`] in a request's extensions says so; a layer in front of [`router`](crate::router) puts it
//! there. The routes ask it which topics may be read and published, and by whom a hub is run. Without one,
//! access is open.

mod caller;
mod identity;

pub(crate) use caller::{Caller, Publisher};
pub use identity::{Identity, Rights};

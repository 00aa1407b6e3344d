//! What lies between the routes and the browsers: who may call from elsewhere, which headers an answer
//! has, how it is compressed, and the files of `www`.
//!
//! Each part is a layer or a service that `heartwire serve` puts around its routes. None of them changes
//! a byte of a stream, so streams still go by the lean lane.

mod compression;
mod cors;
mod files;
mod headers;

pub(crate) use compression::compress;
pub(crate) use cors::cors;
pub(crate) use files::files;
pub(crate) use headers::SecurityHeaders;

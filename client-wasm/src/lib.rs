//! Heartwire's client for JavaScript: the state machine and the decoder of `heartwire-protocol`,
//! behind a border that only numbers cross.
//!
//! Whatever takes a browser (to open, to close, to wait, to tell the page) is done on the other side, in
//! `js/src/driver.ts`: it says what happened, then asks for the next thing to do until there is none. What is here:
//!
//! - `border`: the functions that the module exports. Texts are read and written in its memory.
//! - `client`: one connection: what happened goes into the machine, what is to be done comes out in turn.
//! - `places`: where the events of a piece of a stream over `fetch` stand in its text, which crosses the border once.
//! - `words`: the numbers of what happened, of what is to be done, and of the settings.
//!
//! The module imports nothing, and holds one connection: JavaScript makes an instance for each stream. So its
//! memory goes when the stream does, and an instance that fails takes no other stream with it.

#[cfg(target_arch = "wasm32")]
mod border;
mod client;
mod places;
mod words;

pub use client::Client;
pub use words::{Happening, Setting, Told};

/// A third of the standard library's allocator in code, and not slower.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

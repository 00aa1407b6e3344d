//! The functions that the module exports, for `js/src/border.ts`.
//!
//! Numbers cross as they are. wasm-bindgen's glue for strings and classes would cost a page more than all that is
//! done here with them, and would allow one instance alone. There is no unsafe code behind the attribute that lints
//! call unsafe: it gives a function the name under which it is exported, and no other crate has these.
#![allow(unsafe_code, reason = "without `no_mangle` an export has no name")]

use crate::client::Client;
use core::cell::RefCell;

thread_local! {
    // Nothing here calls back, so no call finds it borrowed.
    static CLIENT: RefCell<Client> = const { RefCell::new(Client::new()) };
}

fn with<T>(act: impl FnOnce(&mut Client) -> T) -> T {
    CLIENT.with_borrow_mut(act)
}

/// Makes room for the bytes that the next call is about; where JavaScript writes them.
#[unsafe(no_mangle)]
extern "C" fn room(n_bytes: usize) -> usize {
    with(|client| client.room(n_bytes).as_ptr() as usize)
}

/// Sets a [`Setting`] by its number. Before the start; what is not set has its default.
#[unsafe(no_mangle)]
extern "C" fn set(setting: u32, value: f64) {
    with(|client| client.set(setting, value));
}

/// Takes in a [`Happening`] by its number, at a moment on the page's clock. What the numbers and the text in
/// [`room`] mean stands with each.
#[unsafe(no_mangle)]
extern "C" fn handle(happening: u32, link: u32, number: f64, other: f64, now_ms: f64) {
    with(|client| client.handle(happening, link, number, other, now_ms));
}

/// The next thing to do, as the number of a [`Told`].
#[unsafe(no_mangle)]
extern "C" fn next() -> u32 {
    with(|client| client.next_told() as u32)
}

/// Where the numbers stand that belong to what was told last. They stand there for as long as the instance lives.
#[unsafe(no_mangle)]
extern "C" fn numbers() -> usize {
    with(|client| client.numbers().as_ptr() as usize)
}

/// Where the places of [`Told::Slices`] stand, six numbers for each event. They stand there for as long as the instance lives.
#[unsafe(no_mangle)]
extern "C" fn slices() -> usize {
    with(|client| client.slices().as_ptr() as usize)
}

/// Makes the places of [`Told::Slices`], which are in bytes, places as JavaScript counts: for a text that is UTF-8, and
/// once for what is told.
#[unsafe(no_mangle)]
extern "C" fn count_units() {
    with(Client::count_units);
}

/// Where the text is that belongs to what was told.
#[unsafe(no_mangle)]
extern "C" fn text() -> usize {
    with(|client| client.text().as_ptr() as usize)
}

/// How many bytes that text has.
#[unsafe(no_mangle)]
extern "C" fn text_bytes() -> usize {
    with(|client| client.text().len())
}

/// Asks where the next stream or poll begins: the text is then the id, empty when nothing has come yet.
#[unsafe(no_mangle)]
extern "C" fn last_event_id() {
    with(Client::last_event_id);
}

/// When to call [`handle`] with [`Happening::Due`], on the page's clock; infinite when there is nothing to wait for.
#[unsafe(no_mangle)]
extern "C" fn deadline() -> f64 {
    with(|client| client.deadline())
}

/// What has happened so far: a number that only grows, in the order of `COUNTERS` in `js/src/engine.ts`.
#[unsafe(no_mangle)]
extern "C" fn counter(index: usize) -> f64 {
    with(|client| client.counter(index))
}

//! The same stories in real browsers.

#![cfg(target_arch = "wasm32")]

#[path = "stories.rs"]
mod stories;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

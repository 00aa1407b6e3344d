//! Opens frames, for the few pages that get them: a server mostly compresses the whole stream, and the browser
//! opens that. So this is a module of its own, which no other page downloads.
//!
//! Like the client's it imports nothing, and nothing but numbers crosses its border (`border`): texts are read and
//! written in its memory. `js/src/frames.ts` of the client is the other side.

#[cfg(target_arch = "wasm32")]
mod border;

use heartwire_protocol::frame::{self, DEFAULT_MAX_OPEN_BYTES};

/// So much memory is kept from one frame to the next.
const KEPT_BYTES: usize = 64 * 1024;

/// A third of the standard library's allocator in code, and not slower.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Opens one frame after another.
#[derive(Debug, Default)]
pub struct Opener {
    /// What JavaScript has written: the frame.
    room: Vec<u8>,
    text: String,
}

impl Opener {
    /// Makes room for a frame.
    pub fn room(&mut self, n_bytes: usize) -> &mut [u8] {
        self.room.resize(n_bytes, 0);
        &mut self.room
    }

    /// Opens the frame in the room to at most so many bytes, 0 for as many as the protocol allows. The text is then
    /// its payload, or, where this is `false`, what is wrong with it.
    pub fn open(&mut self, max_bytes: usize) -> bool {
        let max_bytes = if max_bytes == 0 { DEFAULT_MAX_OPEN_BYTES } else { max_bytes };
        let opened = frame::open(&self.room, max_bytes);
        if self.room.capacity() > KEPT_BYTES {
            self.room = Vec::new();
        }
        let is_open = opened.is_ok();
        self.text = opened.unwrap_or_else(|error| error.as_str().to_owned());
        is_open
    }

    /// See [`open`](Self::open).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

//! The functions that the module exports. There is no unsafe code behind the attribute that lints call unsafe: it
//! gives a function the name under which it is exported, and no other crate has these.
#![allow(unsafe_code, reason = "without `no_mangle` an export has no name")]

use crate::Opener;
use core::cell::RefCell;

thread_local! {
    // Nothing here calls back, so no call finds it borrowed.
    static OPENER: RefCell<Opener> = RefCell::default();
}

/// Makes room for a frame; where JavaScript writes it.
#[unsafe(no_mangle)]
extern "C" fn room(n_bytes: usize) -> usize {
    OPENER.with_borrow_mut(|opener| opener.room(n_bytes).as_ptr() as usize)
}

/// See [`Opener::open`].
#[unsafe(no_mangle)]
extern "C" fn open(max_bytes: usize) -> bool {
    OPENER.with_borrow_mut(|opener| opener.open(max_bytes))
}

/// Where the text is that came of it.
#[unsafe(no_mangle)]
extern "C" fn text() -> usize {
    OPENER.with_borrow(|opener| opener.text().as_ptr() as usize)
}

/// How many bytes of UTF-8 that text has.
#[unsafe(no_mangle)]
extern "C" fn text_bytes() -> usize {
    OPENER.with_borrow(|opener| opener.text().len())
}

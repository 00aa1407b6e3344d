//! The clock, and one `setTimeout`.

use crate::json::{ms_of_span, span_of_ms};
use gloo_timers::callback::Timeout;
use heartwire_protocol::Moment;
use wasm_bindgen::prelude::*;

/// `setTimeout` counts in 32 bits, and fires at once when asked for more.
const LONGEST_MS: f64 = i32::MAX as f64;

#[wasm_bindgen]
extern "C" {
    // By name and not by `window`: workers and Node have it as well.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The moment on the page's monotonic clock.
pub(crate) fn now() -> Moment {
    Moment::new(span_of_ms(performance_now()))
}

/// One `setTimeout`; dropping it cancels it.
pub(crate) struct Timer {
    at: Moment,
    // Never read: it is here to be dropped.
    _timeout: Timeout,
}

impl Timer {
    /// Calls `then` at the moment `at`, or earlier when that is too far away for `setTimeout`.
    pub(crate) fn new(at: Moment, then: impl FnOnce() + 'static) -> Self {
        // Rounded up: a timer that fires a fraction too early would only be set again.
        let delay_ms = ms_of_span(at - now()).ceil().min(LONGEST_MS);
        Self { at, _timeout: Timeout::new(delay_ms as u32, then) }
    }

    /// When it was asked to fire.
    pub(crate) fn at(&self) -> Moment {
        self.at
    }
}

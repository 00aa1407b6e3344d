//! Heartwire's client in the browser: the state machine of `heartwire-protocol`, carried out with the
//! browser's own `EventSource`, `fetch` and `setTimeout`.
//!
//! This file is the JavaScript API and nothing else. It is small and plain on purpose: the npm package
//! `heartwire` puts a face on it that looks like an `EventSource`. What lies behind:
//!
//! - `driver`: what happened goes into the machine, its actions are performed. All else serves it.
//! - `source`: one browser `EventSource`. `fetched`: one stream over `fetch`, decoded here. `request`: one
//!   request by `fetch`, which the face sends. `timer`: one `setTimeout`.
//! - `sink`: what the page is told, in the words of the JavaScript API.
//! - `options`, `address`: what the page asks for, checked.
//! - `json`: what the browser has parsed, into the protocol's structs.
//! - `error`: what can go wrong here, each with a stable code.

mod address;
mod driver;
mod error;
mod fetched;
mod json;
mod options;
mod request;
mod sink;
mod source;
mod timer;

use driver::Driver;
use options::Options;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

pub use sink::Sink;

/// A third of the standard library's allocator in code, and not slower.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** How a connection behaves; spans in milliseconds. What is absent has its default. */
export interface ClientOptions {
    readonly enabled?: boolean | undefined;
    readonly polling?: boolean | undefined;
    readonly lastEventId?: string | null | undefined;
    readonly from?: 'live' | 'earliest' | undefined;
    readonly withCredentials?: boolean | undefined;
    readonly fetch?: boolean | undefined;
    readonly compression?: boolean | undefined;
    readonly heartbeatTimeout?: number | null | undefined;
    readonly connectTimeout?: number | undefined;
    readonly baseReconnectDelay?: number | undefined;
    readonly maxReconnectDelay?: number | undefined;
    readonly maxReconnectAttempts?: number | undefined;
    readonly healthyAfter?: number | undefined;
    readonly pollInterval?: number | undefined;
    readonly pollWait?: number | undefined;
    readonly probeInterval?: number | undefined;
    readonly maxFrameBytes?: number | undefined;
}
";

#[wasm_bindgen]
extern "C" {
    /// The options object as JavaScript gives it.
    #[wasm_bindgen(typescript_type = "ClientOptions")]
    pub type ClientOptions;
}

/// One connection to a server: a stream, or polling in its stead.
///
/// Once started it lives until it is closed, even when JavaScript drops it: an open `EventSource` does so too.
#[wasm_bindgen]
pub struct Client(Rc<Driver>);

#[wasm_bindgen]
impl Client {
    /// A connection that does nothing until it is started. `url` is absolute, with its topics.
    ///
    /// # Errors
    /// A `TypeError` with a `code`: an option or the address makes no sense.
    #[wasm_bindgen(constructor)]
    pub fn new(url: &str, options: ClientOptions, sink: Sink) -> Result<Client, JsValue> {
        Ok(Self(Driver::new(url, Options::read(&JsValue::from(options).into())?, sink)?))
    }

    /// Opens the stream, or polls when that is what the options say. Does nothing the second time.
    pub fn start(&self) {
        self.0.start();
    }

    /// From now on the page wants events of this type, too.
    pub fn listen(&self, event_type: &str) {
        self.0.listen(event_type);
    }

    /// Throws the page's half of the one switch: `false` polls and never opens a stream.
    #[wasm_bindgen(js_name = setEnabled)]
    pub fn set_enabled(&self, enabled: bool) {
        self.0.set_enabled(enabled);
    }

    /// Closes the connection for good. Nothing but the state `closed` reaches the sink after this.
    pub fn close(&self) {
        self.0.close();
    }

    /// The next bytes of the stream that was sent under this number.
    pub fn chunk(&self, link: u32, bytes: Vec<u8>) {
        self.0.chunk(link, bytes);
    }

    /// The request that was sent under this number is over. `status` is 0 when nothing came back, or when
    /// a stream ended; `retry_after` is in seconds, NaN when there was none; `body` is the parsed JSON.
    pub fn done(&self, link: u32, status: u16, retry_after: f64, body: JsValue) {
        self.0.done(link, status, retry_after, body);
    }

    /// Where the next stream or poll begins; empty when nothing has come yet.
    #[wasm_bindgen(js_name = lastEventId)]
    pub fn last_event_id(&self) -> String {
        self.0.last_event_id()
    }

    /// What has happened so far: numbers that only grow, in the order in which the face has their names.
    #[must_use]
    pub fn counters(&self) -> Vec<f64> {
        self.0.counters()
    }
}

//! What the page is told, in the words of the JavaScript API.

use crate::error::{Trouble, report};
use crate::fetched::Place;
use crate::json::ms_of_span;
use heartwire_protocol::connection::{Notice, State};
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** Takes what the connection has for the page. It may call the connection: that takes effect after it has returned. */
export interface Sink {
    /** An event of the stream, as the browser made it. */
    forward(event: MessageEvent): void;
    /** An event that came by poll, or out of a frame. */
    deliver(type: string, data: string, lastEventId: string): void;
    state(
        state: 'connecting' | 'open' | 'waiting' | 'polling' | 'closed',
        attempt: number,
        delay: number,
        reason: any,
    ): void;
    heartbeat(latency: number): void;
    gap(from: string | undefined, to: string, reason: any): void;
    error(code: string, message: string): void;
    /**
     * Sends a request. What becomes of it goes to the connection under the number `link`: each piece of a
     * `stream` by `chunk`, and the end of any by `done`.
     */
    send(link: number, url: string, stream: boolean): AbortController;
    /** The text of a batch of events, which `slice` is about until the next one. */
    text(text: string): void;
    /** An event of a stream over fetch: where it begins in the text, and where its type, its data and its id end. */
    slice(start: number, typeEnd: number, dataEnd: number, idEnd: number): void;
}
";

#[wasm_bindgen]
extern "C" {
    /// The object that JavaScript gives to be told.
    #[wasm_bindgen(typescript_type = "Sink")]
    pub type Sink;

    #[wasm_bindgen(method, catch)]
    fn forward(this: &Sink, event: &MessageEvent) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn deliver(this: &Sink, event_type: &str, data: &str, last_event_id: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn state(this: &Sink, state: &str, attempt: u32, delay_ms: f64, reason: Option<&str>) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn heartbeat(this: &Sink, latency_ms: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn gap(this: &Sink, from: Option<&str>, to: &str, reason: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn error(this: &Sink, code: &str, message: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text(this: &Sink, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn slice(this: &Sink, start: u32, type_end: u32, data_end: u32, id_end: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn send(this: &Sink, link: u32, url: &str, stream: bool) -> Result<Controller, JsValue>;

    /// An `AbortController`.
    pub(crate) type Controller;
    #[wasm_bindgen(method)]
    pub(crate) fn abort(this: &Controller);
}

/// Something for the page. Whatever it throws at it is reported, and goes no further.
pub(crate) enum Word<'a> {
    /// An event of the stream, as the browser made it.
    Forward(&'a MessageEvent),
    /// An event that had to be unpacked.
    Deliver { event_type: &'a str, data: &'a str, id: &'a str },
    /// The text of a batch.
    Text(&'a str),
    /// An event in the batch whose text was told last.
    Slice(Place),
    /// What the machine tells.
    Notice(&'a Notice),
    /// Something went wrong.
    Trouble(&'a Trouble),
}

impl Sink {
    pub(crate) fn tell(&self, word: &Word<'_>) {
        let told = match word {
            Word::Forward(event) => self.forward(event),
            Word::Deliver { event_type, data, id } => self.deliver(event_type, data, id),
            Word::Text(text) => self.text(text),
            Word::Slice([start, type_end, data_end, id_end]) => self.slice(*start, *type_end, *data_end, *id_end),
            Word::Notice(Notice::State(state)) => {
                let (name, attempt, delay, reason) = in_words(*state);
                self.state(name, attempt, delay, reason)
            }
            Word::Notice(Notice::Heartbeat { latency }) => self.heartbeat(ms_of_span(*latency)),
            Word::Notice(Notice::Gap(gap)) => self.gap(gap.from.as_deref(), &gap.to, gap.reason.as_str()),
            Word::Trouble(trouble) => self.error(trouble.code(), trouble.detail()),
        };
        if let Err(thrown) = told {
            report(&thrown);
        }
    }
}

/// The state with its attempt, its delay in milliseconds and its reason.
fn in_words(state: State) -> (&'static str, u32, f64, Option<&'static str>) {
    match state {
        State::Connecting { attempt } => ("connecting", attempt, 0.0, None),
        State::Open => ("open", 0, 0.0, None),
        State::Waiting { attempt, delay, reason } => ("waiting", attempt, ms_of_span(delay), Some(reason.as_str())),
        State::Polling { reason } => ("polling", 0, 0.0, Some(reason.as_str())),
        State::Closed { reason } => ("closed", 0, 0.0, Some(reason.as_str())),
    }
}

//! A sink that writes down what it is told, and lets a test wait for it.

use heartwire_client_wasm::{Client, ClientOptions, Sink};
use js_sys::{Function, JSON, Promise};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    pub(crate) type Recorder;
    /// What was told, a line each.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn lines(this: &Recorder) -> Vec<String>;
    /// Resolves as soon as a line begins like this.
    #[wasm_bindgen(method)]
    pub(crate) fn until(this: &Recorder, beginning: &str) -> Promise;
    /// Called with each line, in the very moment when it is told.
    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_hook(this: &Recorder, hook: &JsValue);
}

const RECORDER: &str = r#"
    const waiting = [];
    const tell = (...words) => {
        const line = words.filter((word) => word !== undefined).join(" ");
        recorder.lines.push(line);
        for (const { beginning, resolve } of waiting) if (line.startsWith(beginning)) resolve();
        recorder.hook?.(line);
    };
    const recorder = {
        lines: [],
        until: (beginning) => new Promise((resolve) => {
            if (recorder.lines.some((line) => line.startsWith(beginning))) resolve();
            waiting.push({ beginning, resolve });
        }),
        forward: (event) => tell("forward", event.type, event.data, event.lastEventId),
        deliver: (type, data, id) => tell("deliver", type, data, id),
        state: (state, attempt, delay, reason) => tell("state", state, reason),
        heartbeat: () => tell("heartbeat"),
        gap: (from, to, reason) => tell("gap", from ?? "-", to, reason),
        error: (code) => tell("error", code),
        // The requests are a test's to answer, by `chunk` and `done`.
        sent: [],
        send: (link, url, stream) => {
            const controller = new AbortController();
            recorder.sent.push({ link, url, stream, signal: controller.signal });
            return controller;
        },
        text: (text) => { recorder.batch = text; },
        slice: (start, typeEnd, dataEnd, idEnd) => tell(
            "slice",
            recorder.batch.slice(start, typeEnd),
            recorder.batch.slice(typeEnd, dataEnd),
            recorder.batch.slice(dataEnd, idEnd),
        ),
    };
    return recorder;
"#;

pub(crate) fn recorder() -> Recorder {
    evaluate(RECORDER).unchecked_into()
}

/// A client with options in JSON.
pub(crate) fn client(url: &str, options: &str, recorder: &Recorder) -> Result<Client, JsValue> {
    let options: ClientOptions = JSON::parse(options).expect("the options are JSON").unchecked_into();
    Client::new(url, options, JsValue::from(recorder).unchecked_into::<Sink>())
}

/// The value of a function with this body.
pub(crate) fn evaluate(body: &str) -> JsValue {
    Function::new_no_args(body).call0(&JsValue::NULL).expect("the script runs")
}

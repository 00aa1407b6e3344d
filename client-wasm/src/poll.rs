//! One request beside the stream: a poll, or the question after the server's health.

use crate::json::{self, Json};
use core::time::Duration;
use heartwire_protocol::answer::RefusalAnswer;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal, RequestCache, RequestCredentials, RequestInit, Response};

#[wasm_bindgen]
extern "C" {
    // By name and not by `window`: workers and Node have it as well.
    #[wasm_bindgen(js_name = fetch, catch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    type Promise;
    #[wasm_bindgen(method)]
    fn then(this: &Promise, fulfilled: &JsValue, rejected: &JsValue);
}

/// What became of a request.
pub(crate) enum Answer {
    /// The server's JSON; nonsense when it was none.
    Good(Json),
    /// The server said no.
    Refused {
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
        /// Why, when it said so in our words.
        refusal: Option<RefusalAnswer>,
    },
    /// Nothing came back.
    None,
}

/// A request on its way; dropping it abandons it.
pub(crate) struct Request(AbortController);

impl Request {
    /// Sends a GET request and hands what becomes of it to `done`, also when it was abandoned.
    ///
    /// # Errors
    /// There is no `fetch` here.
    pub(crate) fn send(
        url: &str,
        with_credentials: bool,
        done: impl FnOnce(Answer) + 'static,
    ) -> Result<Self, JsValue> {
        let controller = AbortController::new()?;
        let init = RequestInit::new();
        init.set_cache(RequestCache::NoStore);
        init.set_credentials(if with_credentials {
            RequestCredentials::Include
        } else {
            RequestCredentials::SameOrigin
        });
        init.set_signal(Some(&controller.signal()));
        let signal = controller.signal();
        settle(&fetch(url, &init)?, move |outcome| read(outcome, signal, done));
        Ok(Self(controller))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Does nothing to a request that is through.
        self.0.abort();
    }
}

/// Calls `then` with the value or the failure. Without futures: their executor is larger than this file.
fn settle(promise: &Promise, then: impl FnOnce(JsValue) + 'static) {
    // A promise calls one of the two, once, and with that the closure frees itself.
    let then = Closure::once_into_js(then);
    promise.then(&then, &then);
}

fn read(outcome: JsValue, signal: AbortSignal, done: impl FnOnce(Answer) + 'static) {
    let Ok(response) = outcome.dyn_into::<Response>() else { return done(Answer::None) };
    let Ok(body) = response.json() else { return done(Answer::None) };
    // What is not JSON comes as an error object, in which no member is found.
    settle(body.unchecked_ref(), move |body| {
        let body = Json::from(body);
        done(if signal.aborted() {
            // Half an answer is no bad one.
            Answer::None
        } else if response.ok() {
            Answer::Good(body)
        } else {
            Answer::Refused { retry_after: retry_after(&response), refusal: json::refusal_answer(&body) }
        });
    });
}

/// Seconds alone: dates, which the header may hold as well, would need the server's clock.
fn retry_after(response: &Response) -> Option<Duration> {
    let header = response.headers().get("retry-after").ok()??;
    header.parse().ok().map(Duration::from_secs)
}

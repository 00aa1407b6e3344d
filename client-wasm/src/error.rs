//! What can go wrong in this crate, each with a code that stays the same for good.

use heartwire_protocol::answer::RefusalAnswer;
use heartwire_protocol::frame::FrameError;
use wasm_bindgen::prelude::*;

/// Something that the page is told by an `error` event.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A frame cannot be opened.
    BadFrame(FrameError),
    /// The data of a control event are not what the protocol says.
    BadControl,
    /// An event is longer than the decoder's limit, and the stream is given up.
    EventTooLong,
    /// The answer to a poll is not what the protocol says.
    #[cfg(feature = "polling")]
    BadAnswer,
    /// The server refused a stream or a poll and said why.
    Refused(RefusalAnswer),
}

impl Trouble {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::BadFrame(_) => "bad-frame",
            Self::BadControl => "bad-control",
            Self::EventTooLong => "event-too-long",
            #[cfg(feature = "polling")]
            Self::BadAnswer => "bad-answer",
            Self::Refused(refusal) => &refusal.code,
        }
    }

    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::BadFrame(error) => error.as_str(),
            Self::BadControl => "a control event cannot be read",
            Self::EventTooLong => "an event is longer than 32 MiB",
            #[cfg(feature = "polling")]
            Self::BadAnswer => "the answer to a poll cannot be read",
            Self::Refused(refusal) => &refusal.detail,
        }
    }
}

/// A connection that cannot be made at all: a `TypeError` with a `code`.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The option of this name has the wrong type or is out of range.
    BadOption(&'static str),
    /// The address is not an absolute URL.
    BadAddress,
}

impl From<Refusal> for JsValue {
    fn from(refusal: Refusal) -> Self {
        let mut message = String::from("heartwire: ");
        let code = match refusal {
            Refusal::BadOption(name) => {
                message.push_str("an option has the wrong type or is out of range: ");
                message.push_str(name);
                "bad-option"
            }
            Refusal::BadAddress => {
                message.push_str("the address is not an absolute URL");
                "bad-address"
            }
        };
        let error = js_sys::TypeError::new(&message);
        // Setting a property on an object that we have just made cannot fail.
        let _ = js_sys::Reflect::set(&error, &"code".into(), &code.into());
        error.into()
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = reportError, catch)]
    fn report_error(error: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(error: &JsValue);
}

/// Reports what a page's listener threw, as the browser does: the next listener is none the worse.
pub(crate) fn report(thrown: &JsValue) {
    // Node 20 has no `reportError`.
    if report_error(thrown).is_err() {
        console_error(thrown);
    }
}

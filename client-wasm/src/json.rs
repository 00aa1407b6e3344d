//! JSON that the browser has parsed, into the protocol's own structs.
//!
//! By hand and not by serde: its visitors and the messages of its errors, which nobody would read here,
//! are a third of the whole client. Each struct is written out in full, so one that grows does not
//! compile until this file has grown with it; that the names are the right ones is tested against serde's.

use core::time::Duration;
use heartwire_protocol::Control;
use heartwire_protocol::answer::RefusalAnswer;
#[cfg(feature = "polling")]
use heartwire_protocol::answer::{PollAnswer, PolledEvent};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Gap, GapReason, Heartbeat};
use js_sys::Reflect;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // With a value and not a string, so that the text stays on its side of the border.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse_json(text: &JsValue) -> Result<JsValue, JsValue>;
}

/// A value as `JSON.parse` makes it, or an object that looks like one.
pub(crate) struct Json(JsValue);

impl From<JsValue> for Json {
    fn from(value: JsValue) -> Self {
        Self(value)
    }
}

impl Json {
    /// Parses a text; `None` when it is not JSON.
    pub(crate) fn parse(text: &JsValue) -> Option<Self> {
        parse_json(text).ok().map(Self)
    }

    /// The member of this name; absent when this is not an object.
    pub(crate) fn member(&self, name: &str) -> Self {
        Self(Reflect::get(&self.0, &name.into()).unwrap_or_default())
    }

    /// Whether this is `null`, `undefined` or not there at all.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.is_null() || self.0.is_undefined()
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.0.as_string()
    }

    pub(crate) fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    pub(crate) fn truth(&self) -> Option<bool> {
        self.0.as_bool()
    }

    /// A whole number from 0; what is too large is the largest.
    fn whole(&self) -> Option<u64> {
        self.number().filter(|number| *number >= 0.0).map(|number| number as u64)
    }

    /// A member that may be absent, but not nonsense.
    fn optional<T>(&self, name: &str, read: impl FnOnce(&Self) -> Option<T>) -> Option<Option<T>> {
        let member = self.member(name);
        if member.is_absent() { Some(None) } else { read(&member).map(Some) }
    }
}

/// The data of a control event; `None` when they are not what the protocol says.
pub(crate) fn control(event_type: &str, data: &Json) -> Option<Control> {
    Some(match event_type {
        "connected" => Control::Connected(Connected {
            protocol: data.member("protocol").whole()? as u32,
            heartbeat_interval_ms: data.optional("heartbeat_interval_ms", Json::whole)?,
            resumed: data.member("resumed").truth()?,
            time_ms: data.member("time_ms").whole()?,
        }),
        "heartbeat" => Control::Heartbeat(Heartbeat { time_ms: data.member("time_ms").whole()? }),
        "gap" => Control::Gap(gap(data)?),
        "closing" => Control::Closing(Closing {
            reason: ClosingReason::from_word(&data.member("reason").text()?),
            retry_ms: data.member("retry_ms").whole()?,
        }),
        _ => return None,
    })
}

fn gap(data: &Json) -> Option<Gap> {
    Some(Gap {
        from: data.optional("from", Json::text)?,
        to: data.member("to").text()?,
        reason: GapReason::from_word(&data.member("reason").text()?),
    })
}

/// The answer to a poll.
#[cfg(feature = "polling")]
pub(crate) fn poll_answer(answer: &Json) -> Option<PollAnswer> {
    let events: js_sys::Array = answer.member("events").0.dyn_into().ok()?;
    Some(PollAnswer {
        events: events.iter().map(|event| polled_event(&Json(event))).collect::<Option<_>>()?,
        cursor: answer.member("cursor").text()?,
        gap: answer.optional("gap", gap)?,
    })
}

#[cfg(feature = "polling")]
fn polled_event(event: &Json) -> Option<PolledEvent> {
    Some(PolledEvent {
        id: event.member("id").text()?,
        event_type: event.member("type").text()?,
        data: event.member("data").text()?,
        topic: event.member("topic").text()?,
    })
}

/// Whether streaming is switched on, out of the answer to the question after the server's health.
#[cfg(feature = "polling")]
pub(crate) fn health_answer(answer: &Json) -> Option<bool> {
    answer.member("enabled").truth()
}

/// Why the server refused.
pub(crate) fn refusal_answer(answer: &Json) -> Option<RefusalAnswer> {
    Some(RefusalAnswer { detail: answer.member("detail").text()?, code: answer.member("code").text()? })
}

/// Milliseconds as a span. The casts saturate: what is too long to count is simply very long.
pub(crate) fn span_of_ms(ms: f64) -> Duration {
    Duration::from_micros((ms * 1000.0) as u64)
}

/// A span as milliseconds.
pub(crate) fn ms_of_span(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn parse(text: &str) -> Json {
        Json::parse(&text.into()).unwrap()
    }

    #[wasm_bindgen_test]
    fn control_data_are_read_as_serde_writes_them() {
        let check = |control: Control| {
            let event_type = control.event_type();
            assert_eq!(super::control(event_type.as_str(), &parse(&control.to_json())), Some(control));
        };
        for heartbeat_interval_ms in [Some(30_000), None] {
            let connected = Connected { protocol: 1, heartbeat_interval_ms, resumed: true, time_ms: 1_800_000_000_000 };
            check(Control::Connected(connected));
        }
        check(Control::Heartbeat(Heartbeat { time_ms: 5 }));
        for reason in [GapReason::Evicted, GapReason::OtherEpoch, GapReason::Lagged, GapReason::BadCursor] {
            check(Control::Gap(Gap { from: Some("a-1".into()), to: "b-0".into(), reason }));
            check(Control::Gap(Gap { from: None, to: "b-0".into(), reason }));
        }
        for reason in [
            ClosingReason::Draining,
            ClosingReason::Rotated,
            ClosingReason::Lagged,
            ClosingReason::TokenExpired,
            ClosingReason::Disabled,
        ] {
            check(Control::Closing(Closing { reason, retry_ms: 250 }));
        }
    }

    #[wasm_bindgen_test]
    fn what_a_newer_server_adds_is_survived() {
        let newer = parse(r#"{"reason":"eclipse","retry_ms":1,"moon":true}"#);
        let expected = Closing { reason: ClosingReason::Unknown, retry_ms: 1 };
        assert_eq!(control("closing", &newer), Some(Control::Closing(expected)));
    }

    #[wasm_bindgen_test]
    fn nonsense_is_refused() {
        assert!(Json::parse(&"not json".into()).is_none());
        for text in ["null", "7", "[]", "{}", r#"{"time_ms":"soon"}"#, r#"{"time_ms":-1}"#] {
            assert_eq!(control("heartbeat", &parse(text)), None, "{text}");
        }
        assert_eq!(control("gap", &parse(r#"{"from":7,"to":"a-1","reason":"lagged"}"#)), None);
        assert_eq!(control("progress", &parse("{}")), None);
    }

    #[cfg(feature = "polling")]
    #[wasm_bindgen_test]
    fn answers_are_read_as_serde_writes_them() {
        let event = PolledEvent { id: "a-2".into(), event_type: "t".into(), data: "ä\n".into(), topic: "x".into() };
        let gap = Gap { from: None, to: "a-1".into(), reason: GapReason::Lagged };
        for (events, gap) in [(vec![], None), (vec![event.clone(), event], Some(gap))] {
            let answer = PollAnswer { events, cursor: "a-2".into(), gap };
            assert_eq!(poll_answer(&parse(&serde_json::to_string(&answer).unwrap())), Some(answer));
        }
        assert_eq!(poll_answer(&parse(r#"{"events":[{}],"cursor":"a-2","gap":null}"#)), None);

        let refusal = RefusalAnswer { detail: "slow down".into(), code: "rate-limited".into() };
        assert_eq!(refusal_answer(&parse(&serde_json::to_string(&refusal).unwrap())), Some(refusal));
        assert_eq!(health_answer(&parse(r#"{"enabled":false}"#)), Some(false));
        assert_eq!(health_answer(&parse("{}")), None);
    }
}

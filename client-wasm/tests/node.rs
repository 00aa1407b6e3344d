//! What needs a host but no browser: exact stories over an `EventSource` and timers that a script
//! stands in for.

#![cfg(target_arch = "wasm32")]

mod support;

use js_sys::{Error, Reflect};
use support::{Recorder, client, evaluate, recorder};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

const URL: &str = "http://hub.test/events?topic=a";

/// Puts an `EventSource` and timers in place that only write down what becomes of them.
fn script_host() {
    evaluate(
        r#"
        globalThis.sources = [];
        globalThis.EventSource = class extends EventTarget {
            constructor(url) { super(); this.url = url; this.types = []; this.closed = 0; sources.push(this); }
            addEventListener(type, listener) { this.types.push(type); super.addEventListener(type, listener); }
            close() { this.closed += 1; }
        };
        globalThis.timers = new Map();
        globalThis.lastTimer = 0;
        globalThis.realTimers ??= [setTimeout, clearTimeout];
        globalThis.setTimeout = (callback, delay) => { timers.set(++lastTimer, { callback, delay }); return lastTimer; };
        globalThis.clearTimeout = (id) => { timers.delete(id); };
        "#,
    );
}

fn restore_timers() {
    evaluate("[globalThis.setTimeout, globalThis.clearTimeout] = realTimers;");
}

fn text(script: &str) -> String {
    evaluate(script).as_string().expect("it is a string")
}

fn number(script: &str) -> f64 {
    evaluate(script).as_f64().expect("it is a number")
}

#[wasm_bindgen_test]
fn a_stream_and_its_timer_live_and_die_with_the_connection() {
    script_host();
    let recorder = recorder();
    let client = client(URL, "{}", &recorder).expect("the options are right");
    client.listen("progress");
    assert_eq!(number("return sources.length + timers.size"), 0.0, "nothing before the start");

    client.start();
    client.start();
    assert_eq!(number("return sources.length"), 1.0);
    assert_eq!(text("return sources[0].url"), "http://hub.test/events?topic=a&frames=gzip");
    assert_eq!(
        text("return sources[0].types.join()"),
        "open,error,connected,heartbeat,gap,closing,progress,progress+gzip"
    );
    client.listen("late");
    client.listen("late");
    client.listen("heartbeat");
    client.listen("error");
    assert_eq!(text("return sources[0].types.slice(8).join()"), "late,late+gzip,error+gzip");
    assert_eq!(number("return [...timers.values()][0].delay"), 15_000.0, "for the first event");

    client.close();
    assert_eq!(number("return sources[0].closed"), 1.0);
    assert_eq!(number("return timers.size"), 0.0);
    client.close();
    assert_eq!(recorder.lines(), ["state connecting", "state closed by-page"]);
    restore_timers();
}

#[wasm_bindgen_test]
fn an_error_closes_the_source_at_once() {
    script_host();
    let recorder = recorder();
    let client = client(URL, r#"{ "polling": false }"#, &recorder).expect("the options are right");
    client.start();
    evaluate("sources[0].dispatchEvent(new Event('error'));");
    assert_eq!(number("return sources[0].closed"), 1.0);
    assert_eq!(recorder.lines(), ["state connecting", "state waiting refused"]);
    client.close();
    restore_timers();
}

#[wasm_bindgen_test]
fn events_do_not_set_the_timer_anew() {
    script_host();
    let recorder = recorder();
    let client = client(URL, r#"{ "heartbeatTimeout": 60000 }"#, &recorder).expect("the options are right");
    client.start();
    evaluate(
        "sources[0].dispatchEvent(new MessageEvent('heartbeat', { data: '{\"time_ms\":1}', lastEventId: 'a-1' }));",
    );
    let set = number("return lastTimer");
    evaluate(
        "for (let i = 2; i < 100; i++) sources[0].dispatchEvent(\
         new MessageEvent('heartbeat', { data: '{\"time_ms\":1}', lastEventId: `a-${i}` }));",
    );
    assert_eq!(number("return lastTimer"), set);
    assert_eq!(number("return timers.size"), 1.0);

    evaluate("const [[id, { callback }]] = timers; timers.delete(id); callback();");
    assert_eq!(number("return lastTimer"), set + 1.0, "fired too early, so it is set for the rest");
    assert!(recorder.lines().iter().all(|line| !line.contains("silent")));
    client.close();
    restore_timers();
}

#[wasm_bindgen_test]
fn a_span_too_long_for_a_timer_is_cut() {
    script_host();
    let client = client(URL, r#"{ "connectTimeout": 1e15 }"#, &recorder()).expect("the options are right");
    client.start();
    assert_eq!(number("return [...timers.values()][0].delay"), f64::from(i32::MAX));
    client.close();
    restore_timers();
}

#[wasm_bindgen_test]
fn options_that_make_no_sense_are_refused_by_name() {
    let check = |options: &str, code: &str, name: &str| {
        let error: Error = client(URL, options, &recorder()).err().expect("it is refused").unchecked_into();
        assert_eq!(Reflect::get(&error, &"code".into()), Ok(code.into()));
        let message = String::from(error.message());
        assert!(message.contains(name), "{message}");
    };
    check(r#"{ "enabled": "yes" }"#, "bad-option", "enabled");
    check(r#"{ "from": "now" }"#, "bad-option", "from");
    check(r#"{ "lastEventId": 7 }"#, "bad-option", "lastEventId");
    check(r#"{ "pollWait": -1 }"#, "bad-option", "pollWait");
    check(r#"{ "connectTimeout": "soon" }"#, "bad-option", "connectTimeout");
    check(r#"{ "maxReconnectAttempts": -1 }"#, "bad-option", "maxReconnectAttempts");
    check(r#"{ "maxFrameBytes": 0 }"#, "bad-option", "maxFrameBytes");
    let error: Error = client("/events", "{}", &recorder()).err().expect("it is refused").unchecked_into();
    assert_eq!(Reflect::get(&error, &"code".into()), Ok("bad-address".into()));
}

#[wasm_bindgen_test]
fn the_stream_begins_where_the_options_say() {
    script_host();
    let check = |options: &str, query: &str| {
        let client = client(URL, options, &recorder()).expect("the options are right");
        client.start();
        client.close();
        assert_eq!(text("return new URL(sources.at(-1).url).search"), query);
    };
    check(r#"{ "compression": false }"#, "?topic=a");
    check(r#"{ "compression": false, "from": "earliest" }"#, "?topic=a&from=earliest");
    check(r#"{ "from": "earliest", "lastEventId": "a-1" }"#, "?topic=a&frames=gzip&last_event_id=a-1");
    check(r#"{ "compression": false, "from": "live", "lastEventId": null }"#, "?topic=a");
    restore_timers();
}

#[wasm_bindgen_test]
fn the_stream_begins_where_its_url_says_unless_the_options_say_it() {
    script_host();
    let check = |given: &str, options: &str, query: &str| {
        let client = client(&[URL, given].concat(), options, &recorder()).expect("the options are right");
        client.start();
        client.close();
        assert_eq!(text("return new URL(sources.at(-1).url).search"), query, "{given} {options}");
    };
    let quiet = r#"{ "compression": false }"#;
    check("&last_event_id=a-7&from=earliest", quiet, "?topic=a&last_event_id=a-7");
    check("&last_event_id=&from=earliest", quiet, "?topic=a&from=earliest");
    check("&from=live&token=x", quiet, "?topic=a&token=x");
    check("&frames=gzip&cursor=a-7&wait=9", quiet, "?topic=a");
    check("&last_event_id=a-7", r#"{ "compression": false, "lastEventId": "a-9" }"#, "?topic=a&last_event_id=a-9");
    check("&last_event_id=a-7", r#"{ "compression": false, "from": "live" }"#, "?topic=a");
    check("&last_event_id=a-7", r#"{ "compression": false, "from": "earliest" }"#, "?topic=a&from=earliest");
    restore_timers();
}

/// What a test asks of the requests that a recorder was given.
fn of_sent(recorder: &Recorder, expression: &str) -> JsValue {
    let body = ["return (({ sent, batch }) => ", expression, ")"].concat();
    let look: js_sys::Function = evaluate(&body).unchecked_into();
    look.call1(&JsValue::NULL, recorder.as_ref()).expect("the script runs")
}

#[wasm_bindgen_test]
fn a_stream_over_fetch_is_told_in_slices_of_one_text() {
    script_host();
    let recorder = recorder();
    let options = r#"{ "fetch": true, "polling": false, "compression": false }"#;
    let client = client(URL, options, &recorder).expect("the options are right");
    client.listen("message");
    client.listen("progress");
    client.start();
    assert_eq!(number("return sources.length"), 0.0);
    assert_eq!(of_sent(&recorder, "sent.map(({ link, url, stream }) => [link, url, stream]).join()"), {
        JsValue::from("1,http://hub.test/events?topic=a,true")
    });

    client.chunk(2, b"data: of another link\n\n".to_vec());
    client.chunk(1, b"\xef\xbb\xbf:\n\nid: a-1\ndata: one\n\nevent: progr".to_vec());
    assert_eq!(of_sent(&recorder, "batch"), JsValue::from("messageonea-1"));
    let text = "ess\ndata: zw\u{f6}lf \u{1f30a}\nid: a-2\n\nevent: unheard\ndata: -\n\ndata: idless\n\nevent: heartbeat\n\
                data: {\"time_ms\":1}\nid: a-3\n\n";
    client.chunk(1, text.as_bytes().to_vec());
    assert_eq!(client.last_event_id(), "a-3");
    client.chunk(1, b": a comment\n".to_vec());
    client.chunk(1, b"event: closing\ndata: []\n\n".to_vec());
    client.done(2, 500, f64::NAN, JsValue::UNDEFINED);
    client.done(1, 0, f64::NAN, JsValue::UNDEFINED);
    client.chunk(1, b"data: too late\n\n".to_vec());
    assert_eq!(
        recorder.lines(),
        [
            "state connecting",
            "state open",
            "slice message one a-1",
            "slice progress zw\u{f6}lf \u{1f30a} a-2",
            "slice message idless a-2",
            "heartbeat",
            "error bad-control",
            "state waiting cut",
        ]
    );
    assert_eq!(of_sent(&recorder, "sent[0].signal.aborted"), JsValue::TRUE, "whoever reads it lets go");
    client.close();
    restore_timers();
}

#[wasm_bindgen_test]
fn a_refusal_over_fetch_says_why() {
    script_host();
    let check = |status: u16, retry_after: f64, answer: &str, expected: &[&str]| {
        let recorder = recorder();
        let client = client(URL, r#"{ "fetch": true }"#, &recorder).expect("the options are right");
        client.start();
        client.done(1, status, retry_after, evaluate(&["return ", answer].concat()));
        let told = recorder.lines();
        assert_eq!(told[0], "state connecting");
        assert_eq!(told[1..], *expected, "{status} {answer}");
        client.close();
    };
    check(204, f64::NAN, "undefined", &["state closed stopped"]);
    check(503, 7.0, "undefined", &["state waiting refused"]);
    check(503, f64::NAN, "[]", &["state waiting refused"]);
    check(401, f64::NAN, "({ code: 'no', detail: '-' })", &["state waiting refused", "error no"]);
    let disabled = "({ code: 'sse-disabled', detail: '-' })";
    check(503, 7.0, disabled, &["state polling server-disabled", "error sse-disabled"]);
    restore_timers();
}

#[wasm_bindgen_test]
fn polls_are_sent_and_their_answers_taken() {
    script_host();
    let recorder = recorder();
    let client = client(URL, r#"{ "enabled": false, "pollInterval": 0 }"#, &recorder).expect("the options are right");
    client.start();
    assert_eq!(of_sent(&recorder, "`${sent[0].url} ${sent[0].stream}`"), {
        JsValue::from("http://hub.test/events/poll?topic=a&wait=25 false")
    });
    let answer = "return { events: [{ id: 'a-1', type: 't', data: 'one', topic: 'a' }], cursor: 'a-1', gap: null };";
    client.done(1, 200, f64::NAN, evaluate(answer));
    assert_eq!(client.last_event_id(), "a-1");
    evaluate("const [[id, { callback }]] = timers; timers.delete(id); callback();");
    client.done(2, 0, f64::NAN, JsValue::UNDEFINED);
    assert_eq!(recorder.lines(), ["state polling switched-off", "deliver t one a-1", "state waiting poll-failed"]);
    client.close();
    restore_timers();
}

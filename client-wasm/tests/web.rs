//! What only a real browser shows: its own events, promises and `EventSource` under our listeners. The
//! streams are `data:` URLs, which need no server; each ends where its text ends. Chromium opens them,
//! Firefox refuses any that is not HTTP, so there a script stands in and dispatches the browser's events.

#![cfg(target_arch = "wasm32")]

mod support;

use js_sys::{Promise, encode_uri_component};
use std::cell::RefCell;
use std::rc::Rc;
use support::{Recorder, client, recorder};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Nothing is asked for in the query, where a `data:` URL has its text.
const PLAIN: &str = r#"{ "compression": false, "polling": false }"#;
const STAND_IN_WHERE_NEEDED: &str = r#"
    return globalThis.dataStreams ??= new Promise((resolve) => {
        const probe = new EventSource("data:text/event-stream,data:%0A%0A");
        probe.onmessage = () => { probe.close(); resolve(); };
        probe.onerror = () => { probe.close(); globalThis.EventSource = StandIn; resolve(); };
    });

    function StandIn(url) {
        const source = new EventTarget();
        let open = true;
        let lastEventId = "";
        const dispatch = (event) => open && source.dispatchEvent(event);
        source.close = () => { open = false; };
        setTimeout(() => {
            dispatch(new Event("open"));
            for (const block of decodeURIComponent(url.replace(/^[^,]*,/, "")).split("\n\n").slice(0, -1)) {
                const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/)));
                lastEventId = fields.id ?? lastEventId;
                dispatch(new MessageEvent(fields.event ?? "message", { data: fields.data, lastEventId }));
            }
            dispatch(new Event("error"));
        });
        return source;
    }
"#;
const HELLO: &str = concat!(
    "event: connected\nid: a-0\n",
    r#"data: {"protocol":1,"heartbeat_interval_ms":30000,"resumed":false,"time_ms":1}"#,
    "\n\n"
);

/// The address of a stream that says hello and then this.
async fn stream(text: &str) -> String {
    let ready = support::evaluate(STAND_IN_WHERE_NEEDED).unchecked_into::<Promise>();
    ready.await.expect("it never rejects");
    let mut url = String::from("data:text/event-stream,");
    url.push_str(&String::from(encode_uri_component(HELLO)));
    url.push_str(&String::from(encode_uri_component(text)));
    url
}

async fn until(recorder: &Recorder, beginning: &str) {
    recorder.until(beginning).await.expect("it never rejects");
}

#[wasm_bindgen_test]
async fn messages_and_named_events_pass_and_the_end_is_ours_to_mend() {
    let recorder = recorder();
    let url =
        stream("data: hello\nid: a-1\n\nevent: progress\ndata: 1 %\nid: a-2\n\nevent: unheard\ndata: -\nid: a-3\n\n")
            .await;
    let client = client(&url, PLAIN, &recorder).expect("the options are right");
    client.listen("message");
    client.listen("progress");
    client.start();
    until(&recorder, "state waiting").await;
    assert_eq!(
        recorder.lines(),
        [
            "state connecting",
            "state open",
            "forward message hello a-1",
            "forward progress 1 % a-2",
            "state waiting cut",
        ]
    );
    assert_eq!(client.last_event_id(), "a-2");
    client.close();
    until(&recorder, "state closed by-page").await;
}

#[wasm_bindgen_test]
async fn a_frame_is_opened_and_a_bad_one_told() {
    const SIXTY_TIMES_A: &str = "H4sIAAAAAAACA0tMJB8AACm9mB88AAAA";
    let mut text = String::from("event: progress+gzip\nid: a-1\ndata: ");
    text.push_str(SIXTY_TIMES_A);
    text.push_str("\n\nevent: progress+gzip\nid: a-2\ndata: no frame\n\n");
    let recorder = recorder();
    // Frames are asked for in the query, which lands behind the text's last blank line and is no event there.
    let client = client(&stream(&text).await, r#"{ "polling": false }"#, &recorder).expect("the options are right");
    client.listen("progress");
    client.start();
    until(&recorder, "state waiting").await;
    let mut delivered = String::from("deliver progress ");
    delivered.push_str(&"a".repeat(60));
    delivered.push_str(" a-1");
    assert_eq!(
        recorder.lines(),
        ["state connecting", "state open", &delivered, "error bad-frame", "state waiting cut"]
    );
    assert_eq!(client.last_event_id(), "a-2", "the bad one counts as seen");
    client.close();
}

#[wasm_bindgen_test]
async fn events_that_are_published_as_error_or_open_are_no_news_of_the_link() {
    let recorder = recorder();
    let url =
        stream("event: error\ndata: oops\nid: a-1\n\nevent: open\ndata: sesame\nid: a-2\n\ndata: end\nid: a-3\n\n")
            .await;
    let client = client(&url, PLAIN, &recorder).expect("the options are right");
    client.listen("message");
    client.start();
    until(&recorder, "state waiting").await;
    assert_eq!(
        recorder.lines(),
        [
            "state connecting",
            "state open",
            "forward error oops a-1",
            "forward open sesame a-2",
            "forward message end a-3",
            "state waiting cut",
        ]
    );
    client.close();
}

#[wasm_bindgen_test]
async fn closing_from_within_a_listener_is_the_end() {
    let recorder = recorder();
    let url = stream("data: one\nid: a-1\n\ndata: two\nid: a-2\n\n").await;
    let client = Rc::new(client(&url, PLAIN, &recorder).expect("the options are right"));
    client.listen("message");
    let closed_within = Rc::new(RefCell::new(Vec::new()));
    let hook = {
        let (client, closed_within) = (Rc::clone(&client), Rc::clone(&closed_within));
        Closure::<dyn Fn(String)>::new(move |line: String| {
            if line.starts_with("forward") {
                client.close();
                closed_within.borrow_mut().push(line);
            }
        })
    };
    recorder.set_hook(hook.as_ref());
    client.start();
    until(&recorder, "state closed").await;
    assert_eq!(*closed_within.borrow(), ["forward message one a-1"]);
    assert_eq!(recorder.lines().last().map(String::as_str), Some("state closed by-page"));
}

#[wasm_bindgen_test]
async fn a_sink_that_throws_breaks_nothing() {
    let recorder = recorder();
    let url = stream("data: one\nid: a-1\n\ndata: two\nid: a-2\n\n").await;
    let client = client(&url, PLAIN, &recorder).expect("the options are right");
    client.listen("message");
    recorder.set_hook(&support::evaluate(
        "window.onerror = () => true; return (line) => { if (line.startsWith('forward')) throw new Error(line); };",
    ));
    client.start();
    until(&recorder, "forward message two").await;
    client.close();
}

#[wasm_bindgen_test]
async fn a_page_where_a_stream_should_be_is_a_refusal() {
    // The page that runs this test: 200, but not an event stream.
    let url = support::evaluate("return location.origin + '/'").as_string().expect("it is a string");
    let recorder = recorder();
    let client = client(&url, PLAIN, &recorder).expect("the options are right");
    client.start();
    until(&recorder, "state waiting").await;
    assert_eq!(recorder.lines(), ["state connecting", "state waiting refused"]);
    client.close();
}

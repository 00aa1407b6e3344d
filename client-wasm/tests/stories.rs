//! Whole stories over the border, by number as JavaScript tells them; natively and as wasm.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use heartwire_client_wasm::{Client, Happening, Setting, Told};
use heartwire_protocol::decode::text_of;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The other side of the border: says what happened, and writes down what it is told.
#[derive(Default)]
struct Shell {
    client: Client,
    now: f64,
    last_type: String,
}

impl Shell {
    fn with(settings: &[(Setting, f64)]) -> Self {
        let mut shell = Self::default();
        for (setting, value) in settings {
            shell.client.set(*setting as u32, *value);
        }
        shell
    }

    /// Hands something in, with what stands in `room`; what it is told then.
    fn say(&mut self, happening: Happening, link: u32, numbers: [f64; 2], room: &[u8]) -> Vec<String> {
        self.client.room(room.len()).copy_from_slice(room);
        self.client.handle(happening as u32, link, numbers[0], numbers[1], self.now);
        let mut lines = Vec::new();
        loop {
            match self.client.next_told() {
                Told::Nothing => return lines,
                Told::Slices => {
                    let n_slices = self.client.numbers()[0] as usize;
                    let places = self.client.slices()[..n_slices].to_vec();
                    let told: Vec<String> =
                        places.iter().map(|place| self.event_line("Slice", place.map(|at| at as usize))).collect();
                    if let Ok(text) = core::str::from_utf8(self.client.text()) {
                        let units: Vec<u16> = text.encode_utf16().collect();
                        self.client.count_units();
                        for ([.., start, end, _, _], line) in self.client.slices().iter().zip(&told) {
                            let data = String::from_utf16(&units[*start as usize..*end as usize]).unwrap();
                            assert!(line.contains(&data), "{line} has {data}");
                        }
                    }
                    lines.extend(told);
                }
                told => lines.push(self.line(told)),
            }
        }
    }

    fn line(&mut self, told: Told) -> String {
        let number = |i: usize| self.client.numbers()[i];
        let text = text_of(self.client.text());
        match told {
            Told::Copy | Told::Frame | Told::Control => {
                let place = self.client.numbers().iter().map(|number| *number as usize).collect::<Vec<_>>();
                self.event_line(&format!("{told:?}"), place.try_into().unwrap())
            }
            Told::OpenStream | Told::Poll => {
                let begins = ["live", "earliest", "after"][number(1) as usize];
                format!("{told:?} {} {begins} {text}", number(0)).trim_end().to_owned()
            }
            Told::CloseStream | Told::AskHealth => format!("{told:?} {}", number(0)),
            Told::State => {
                let state = ["connecting", "open", "waiting", "polling", "closed"][number(0) as usize];
                format!("{state} {text}").trim_end().to_owned()
            }
            Told::Gap | Told::Trouble => format!("{told:?} {}", text.replace('\0', ",")),
            _ => format!("{told:?}"),
        }
    }

    /// As JavaScript reads an event: an empty type is that of the one before.
    fn event_line(&mut self, told: &str, place: [usize; 6]) -> String {
        let part = |i: usize| text_of(&self.client.text()[place[i]..place[i + 1]]).into_owned();
        let mut event_type = part(0);
        if matches!(told, "Slice" | "Copy") {
            if event_type.is_empty() {
                event_type.clone_from(&self.last_type);
            }
            self.last_type.clone_from(&event_type);
        }
        format!("{told} {event_type} {} {}", part(2), part(4))
    }

    fn start(&mut self) -> Vec<String> {
        self.say(Happening::Start, 0, [0.0; 2], b"")
    }

    fn chunk(&mut self, link: u32, bytes: &[u8]) -> Vec<String> {
        self.say(Happening::Chunk, link, [0.0; 2], bytes)
    }

    fn event(&mut self, link: u32, id: &str) -> Vec<String> {
        self.say(Happening::Event, link, [0.0; 2], id.as_bytes())
    }

    fn listen(&mut self, event_type: &str) {
        assert!(self.say(Happening::Listen, 0, [0.0; 2], event_type.as_bytes()).is_empty());
    }

    fn last_event_id(&mut self) -> String {
        self.client.last_event_id();
        text_of(self.client.text()).into_owned()
    }
}

const ALONE: &[(Setting, f64)] = &[(Setting::Polling, 0.0)];

#[test]
fn a_stream_opens_brings_events_and_is_closed() {
    let mut shell = Shell::with(&[]);
    assert_eq!(shell.client.deadline(), f64::INFINITY, "nothing before the start");
    assert_eq!(shell.start(), ["OpenStream 1 live", "connecting"]);
    assert!(shell.start().is_empty());
    assert_eq!(shell.client.deadline(), 15_000.0, "for the first event");
    assert_eq!(shell.event(1, "a-1"), ["open", "Deliver"]);
    assert_eq!(shell.event(1, "a-1"), ["Deliver"], "it has no id of its own");
    assert_eq!(shell.event(2, "a-2"), [""; 0], "there is no such stream");
    assert_eq!(shell.last_event_id(), "a-1");
    assert_eq!(shell.say(Happening::Close, 0, [0.0; 2], b""), ["CloseStream 1", "closed by-page"]);
    assert_eq!(shell.client.deadline(), f64::INFINITY);
}

#[test]
fn a_stream_begins_where_the_settings_say() {
    let check = |resume: f64, id: &str, expected: &str| {
        let mut shell = Shell::with(&[(Setting::Resume, resume)]);
        assert_eq!(shell.say(Happening::Start, 0, [0.0; 2], id.as_bytes())[0], expected);
    };
    check(0.0, "", "OpenStream 1 live");
    check(0.0, "a-1", "OpenStream 1 live");
    check(1.0, "", "OpenStream 1 earliest");
    check(2.0, "a-1", "OpenStream 1 after a-1");
}

#[test]
fn a_stream_over_fetch_is_told_in_slices_of_one_text() {
    let mut shell = Shell::with(ALONE);
    shell.listen("message");
    shell.listen("progress");
    assert_eq!(shell.start(), ["OpenStream 1 live", "connecting"]);
    assert_eq!(shell.chunk(2, b"data: of another link\n\n"), [""; 0]);
    assert_eq!(
        shell.chunk(1, b"\xef\xbb\xbf:\n\nid: a-1\ndata: one\n\nevent: progr"),
        ["open", "Copy message one a-1"]
    );
    let text = "ess\ndata: zw\u{f6}lf \u{1f30a}\nid: a-2\n\nevent: unheard\ndata: -\n\ndata: idless\n\n\
                data: once more\n\nevent: heartbeat\ndata: {}\nid: a-3\n\nevent: error\ndata: oops\nid: a-4\n\n";
    assert_eq!(
        shell.chunk(1, text.as_bytes()),
        [
            "Slice progress zw\u{f6}lf \u{1f30a} a-2",
            "Copy message idless a-2",
            "Slice message once more a-2",
            "Control heartbeat {} a-3",
            "Slice error oops a-4",
        ]
    );
    assert_eq!(shell.last_event_id(), "a-4");
    assert_eq!(shell.say(Happening::Lost, 1, [0.0, f64::NAN], b""), ["CloseStream 1", "waiting cut"]);
    assert_eq!(shell.chunk(1, b"data: too late\n\n"), [""; 0]);
}

#[test]
fn what_the_page_begins_to_listen_for_comes_from_there_on() {
    let mut shell = Shell::with(ALONE);
    shell.listen("begin");
    shell.start();
    let piece = b"event: end\ndata: 0\n\nevent: begin\ndata: 1\n\nevent: end\ndata: 2\n\n";
    shell.client.room(piece.len()).copy_from_slice(piece);
    shell.client.handle(Happening::Chunk as u32, 1, 0.0, 0.0, 1.0);
    while shell.client.next_told() != Told::Slices {}
    // As a listener of `begin` may.
    assert_eq!(shell.say(Happening::Listen, 0, [0.0; 2], b"end"), ["Slice end 2 "]);
}

#[test]
fn many_events_are_told_at_once_and_none_is_left_out() {
    let mut shell = Shell::with(ALONE);
    shell.listen("tick");
    shell.start();
    let piece: String = (1..=1_000).map(|i| format!("event: tick\ndata: {i}\nid: a-{i}\n\n")).collect();
    let told = shell.chunk(1, piece.as_bytes());
    let expected = (1..=1_000).map(|i| format!("Slice tick {i} a-{i}"));
    assert_eq!(told, ["open".to_owned()].into_iter().chain(expected).collect::<Vec<_>>());
}

#[test]
fn what_is_not_utf8_is_replaced_and_what_follows_is_whole() {
    let mut shell = Shell::with(ALONE);
    shell.listen("tick");
    shell.start();
    let piece = b"event: tick\ndata: \xc3\xb6\n\nevent: tick\ndata: \xff\n\nevent: tick\ndata: \xe2\x82\n\n:\xff\n\
                  event: tick\ndata: last\n\nevent: ti";
    let expected = ["open", "Slice tick \u{f6} ", "Slice tick \u{fffd} ", "Slice tick \u{fffd} ", "Slice tick last "];
    assert_eq!(shell.chunk(1, piece), expected);
    assert_eq!(shell.chunk(1, b"ck\ndata: \xf0\x9f"), [""; 0]);
    assert_eq!(shell.chunk(1, b"\x8c\x8a\n\n"), ["Slice tick \u{1f30a} "]);
}

#[test]
fn frames_over_fetch_are_handed_out_to_be_opened() {
    let stream = "event: progress+gzip\ndata: H4sI\nid: a-1\n\nevent: other+gzip\ndata: H4sI\nid: a-2\n\n";
    let mut shell = Shell::with(ALONE);
    shell.listen("progress");
    shell.start();
    assert_eq!(shell.chunk(1, stream.as_bytes()), ["open", "Frame progress+gzip H4sI a-1"]);
    assert_eq!(shell.last_event_id(), "a-1");

    let mut plain = Shell::with(&[(Setting::Frames, 0.0)]);
    plain.listen("progress");
    plain.start();
    assert_eq!(plain.chunk(1, stream.as_bytes()), [""; 0], "none were asked for, so none are known");
}

#[test]
fn an_event_that_is_too_long_ends_the_stream() {
    let mut shell = Shell::with(ALONE);
    shell.listen("message");
    shell.start();
    shell.chunk(1, b"data: ");
    let piece = vec![b'x'; 1024 * 1024];
    let told = (0..40).map(|_| shell.chunk(1, &piece)).find(|told| !told.is_empty());
    assert_eq!(
        told.unwrap(),
        ["CloseStream 1", "waiting refused", "Trouble event-too-long,an event is longer than 32 MiB"]
    );
}

#[test]
fn events_before_one_that_is_too_long_are_whole() {
    let mut shell = Shell::with(ALONE);
    shell.listen("tick");
    shell.start();
    let mut piece = b"event: tick\ndata: 1\n\nevent: tick\ndata: 2\n\ndata: ".to_vec();
    piece.resize(33 * 1024 * 1024, b'x');
    let too_long = "Trouble event-too-long,an event is longer than 32 MiB";
    let expected = ["open", "Slice tick 1 ", "Slice tick 2 ", "CloseStream 1", "waiting cut", too_long];
    assert_eq!(shell.chunk(1, &piece), expected);
}

#[test]
fn closing_in_the_middle_of_a_piece_leaves_the_rest_unseen() {
    let mut shell = Shell::with(ALONE);
    shell.listen("message");
    shell.start();
    let piece = b"data: one\nid: a-1\n\ndata: two\nid: a-2\n\n";
    shell.client.room(piece.len()).copy_from_slice(piece);
    shell.client.handle(Happening::Chunk as u32, 1, 0.0, 0.0, 1.0);
    while shell.client.next_told() != Told::Copy {}
    assert_eq!(shell.say(Happening::Close, 0, [0.0; 2], b""), ["CloseStream 1", "closed by-page"]);
    assert_eq!(shell.last_event_id(), "a-1");
}

#[test]
fn what_the_page_asks_for_in_the_middle_of_an_event_does_not_lose_it() {
    let mut shell = Shell::with(ALONE);
    shell.listen("message");
    shell.start();
    let piece = b"data: one\nid: a-1\n\n";
    shell.client.room(piece.len()).copy_from_slice(piece);
    shell.client.handle(Happening::Chunk as u32, 1, 0.0, 0.0, 1.0);
    assert_eq!(shell.client.next_told(), Told::State);
    // As a listener of `state` may.
    shell.client.room(4).copy_from_slice(b"done");
    shell.client.handle(Happening::Listen as u32, 0, 0.0, 0.0, 1.0);
    assert_eq!(shell.client.next_told(), Told::Copy);
}

#[test]
fn control_events_are_handed_in_by_their_members() {
    let mut shell = Shell::with(ALONE);
    shell.start();
    assert_eq!(shell.say(Happening::Connected, 1, [30_000.0, 5.0], b"a-0"), ["open"]);
    assert_eq!(shell.client.deadline(), 45_000.0);
    assert_eq!(shell.say(Happening::Heartbeat, 1, [6.0, 0.0], b"a-1"), ["Heartbeat"]);
    assert_eq!(shell.last_event_id(), "a-1");
    assert_eq!(shell.say(Happening::Gap, 1, [0.0; 2], b"b-7\0a-1\0b-7\0other-epoch"), ["Gap a-1,b-7,other-epoch"]);
    assert_eq!(shell.say(Happening::Gap, 1, [0.0; 2], b"\0\0b-9\0eclipse"), ["Gap ,b-9,unknown"]);
    assert_eq!(shell.last_event_id(), "b-9");
    assert_eq!(
        shell.say(Happening::Closing, 1, [250.0, 0.0], b"b-10\0draining"),
        ["CloseStream 1", "waiting draining"]
    );
    let wait = shell.client.deadline();
    assert!((350.0..=1_250.0).contains(&wait), "{wait}");
    assert_eq!(shell.last_event_id(), "b-10");

    let mut quiet = Shell::with(ALONE);
    quiet.start();
    quiet.say(Happening::Connected, 1, [f64::NAN, 5.0], b"");
    assert_eq!(quiet.client.deadline(), f64::INFINITY, "no heartbeats, no limit");
}

#[test]
fn an_event_without_an_id_is_no_repetition_of_the_control_event_before_it() {
    let connected = |shell: &mut Shell| shell.say(Happening::Connected, 1, [30_000.0, 5.0], b"a-0");
    let mut by_event_source = Shell::with(ALONE);
    by_event_source.start();
    connected(&mut by_event_source);
    assert_eq!(by_event_source.event(1, "a-0"), ["Deliver"], "a browser repeats the last id");
    by_event_source.say(Happening::Heartbeat, 1, [6.0, 0.0], b"a-3");
    assert_eq!(by_event_source.event(1, "a-3"), ["Deliver"]);
    assert_eq!(by_event_source.event(1, "a-2"), [""; 0], "the page has had what lies before it");

    let mut by_fetch = Shell::with(ALONE);
    by_fetch.listen("tick");
    by_fetch.start();
    assert_eq!(by_fetch.chunk(1, b"event: connected\ndata: {}\nid: a-0\n\n"), ["Control connected {} a-0"]);
    connected(&mut by_fetch);
    assert_eq!(by_fetch.chunk(1, b"event: tick\ndata: 1\n\n"), ["Copy tick 1 a-0"]);
}

#[test]
fn a_refusal_is_waited_out_and_204_obeyed() {
    let check =
        |status: f64, retry_after: f64, code: &str, expected: &[&str], wait_ms: core::ops::RangeInclusive<f64>| {
            let mut shell = Shell::with(ALONE);
            shell.start();
            assert_eq!(shell.say(Happening::Lost, 1, [status, retry_after], code.as_bytes()), expected);
            let wait = shell.client.deadline();
            assert!(wait_ms.contains(&wait), "{status}: {wait}");
        };
    check(503.0, 7.0, "", &["CloseStream 1", "waiting refused"], 7_100.0..=8_000.0);
    check(429.0, 7.0, "too-many-requests", &["CloseStream 1", "waiting too-many-requests"], 7_100.0..=8_000.0);
    check(0.0, f64::NAN, "", &["CloseStream 1", "waiting refused"], 100.0..=1_000.0);
    check(204.0, f64::NAN, "", &["CloseStream 1", "closed stopped"], f64::INFINITY..=f64::INFINITY);
}

#[cfg(feature = "polling")]
#[test]
fn polls_are_sent_and_their_answers_taken() {
    let mut shell = Shell::with(&[(Setting::Enabled, 0.0), (Setting::PollInterval, 10.0), (Setting::PollWait, 0.0)]);
    assert_eq!(shell.start(), ["Poll 1 live", "polling switched-off"]);
    assert_eq!(shell.event(1, "a-1"), ["Deliver"]);
    assert_eq!(shell.event(1, "a-1"), [""; 0], "the page has had it");
    assert_eq!(shell.say(Happening::PollDone, 1, [0.0; 2], b"a-5"), [""; 0]);
    assert_eq!(shell.last_event_id(), "a-5");
    shell.now = 10.0;
    assert_eq!(shell.say(Happening::Due, 0, [0.0; 2], b""), ["Poll 2 after a-5"]);
    assert_eq!(shell.say(Happening::PollFailed, 2, [f64::NAN, 0.0], b""), ["waiting poll-failed"]);
    assert_eq!(
        shell.say(Happening::SetEnabled, 0, [1.0, 0.0], b""),
        ["OpenStream 3 after a-5"],
        "tried out beside polling"
    );
}

#[cfg(feature = "polling")]
#[test]
fn a_server_that_is_switched_off_is_polled() {
    let mut shell = Shell::with(&[]);
    shell.start();
    assert_eq!(
        shell.say(Happening::Lost, 1, [0.0, f64::NAN], b""),
        ["CloseStream 1", "waiting refused", "AskHealth 2"]
    );
    assert_eq!(shell.say(Happening::Health, 2, [0.0; 2], b""), ["Poll 3 live", "polling server-disabled"]);
}

#[cfg(not(feature = "polling"))]
#[test]
fn without_the_feature_nothing_is_ever_polled() {
    let mut shell = Shell::with(&[(Setting::Polling, 1.0)]);
    shell.start();
    let code = b"sse-disabled";
    assert_eq!(shell.say(Happening::Lost, 1, [503.0, f64::NAN], code), ["CloseStream 1", "waiting disabled"]);
}

#[test]
fn the_switch_may_be_thrown_before_the_start() {
    let mut shell = Shell::with(ALONE);
    assert_eq!(shell.say(Happening::SetEnabled, 0, [0.0; 2], b""), [""; 0]);
    assert_eq!(shell.start(), ["closed switched-off"]);
    assert_eq!(shell.say(Happening::SetEnabled, 0, [1.0, 0.0], b""), ["OpenStream 1 live", "connecting"]);
}

#[test]
fn numbers_that_mean_nothing_are_ignored() {
    let mut client = Client::default();
    client.set(99, 1.0);
    client.handle(99, 1, 0.0, 0.0, 0.0);
    assert_eq!(client.next_told(), Told::Nothing);
}

#[test]
fn both_sides_of_the_border_count_the_same_words() {
    const OTHER_SIDE: &str = include_str!("../js/src/border.ts");
    let check = |name: &str, words: Vec<String>| {
        let (_, after) = OTHER_SIDE.split_once(&format!("const enum {name} {{")).unwrap();
        let (body, _) = after.split_once('}').unwrap();
        let theirs: Vec<&str> = body.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(words, theirs, "{name}");
    };
    check("Happening", Happening::ALL.iter().map(|word| format!("{word:?}")).collect());
    check("Told", Told::ALL.iter().map(|word| format!("{word:?}")).collect());
    check("Setting", Setting::ALL.iter().map(|word| format!("{word:?}")).collect());

    let client = Client::default();
    for (name, is) in [("N_NUMBERS", client.numbers().len()), ("N_SLICES", client.slices().len())] {
        assert!(OTHER_SIDE.contains(&format!("const {name} = {is};")), "{name} is {is} here");
    }
}

//! Whole stories of a connection, told by the machine's own actions.
//!
//! [`Story`] writes each action down as a few words. `L1`, `L2`, … are the links in the order in
//! which the machine named them.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use core::time::Duration;
use heartwire_protocol::Moment;
use heartwire_protocol::connection::{
    Action, Connection, Input, Link, Loss, MAX_HINT, Notice, Resume, Settings, SilenceLimit, State,
};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Control, Expiring, Gap, GapReason, Heartbeat};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

struct Story {
    connection: Connection,
    now: Moment,
    links: Vec<Link>,
}

impl Story {
    fn new(settings: Settings) -> Self {
        Self { connection: Connection::new(settings), now: Moment::from_millis(0), links: Vec::new() }
    }

    /// A story that has begun with a working stream: `connected` at 0, with heartbeats every 30 s.
    fn open(settings: Settings) -> Self {
        let mut story = Self::new(settings);
        assert_eq!(story.at(0, Input::Start), "open L1 live, connecting 0");
        assert_eq!(story.connected(0, 1, "a-5"), "open");
        story
    }

    fn at(&mut self, ms: u64, input: Input<'_>) -> String {
        assert!(Moment::from_millis(ms) >= self.now, "stories go forward");
        self.now = Moment::from_millis(ms);
        self.connection.handle(input, self.now);
        self.actions()
    }

    fn link(&self, number: usize) -> Link {
        self.links[number - 1]
    }

    fn connected(&mut self, ms: u64, link: usize, id: &str) -> String {
        let connected = Connected { protocol: 1, heartbeat_interval_ms: Some(30_000), resumed: false, time_ms: ms };
        self.control(ms, link, id, Control::Connected(connected))
    }

    fn heartbeat(&mut self, ms: u64, link: usize, id: &str) -> String {
        self.control(ms, link, id, Control::Heartbeat(Heartbeat { time_ms: ms }))
    }

    fn closing(&mut self, ms: u64, link: usize, reason: ClosingReason, retry_ms: u64) -> String {
        self.control(ms, link, "", Control::Closing(Closing { reason, retry_ms }))
    }

    fn expiring(&mut self, ms: u64, link: usize, expires_in_ms: u64) -> String {
        self.control(ms, link, "a-5", Control::Expiring(Expiring { expires_in_ms }))
    }

    fn control(&mut self, ms: u64, link: usize, id: &str, control: Control) -> String {
        let link = self.link(link);
        self.at(ms, Input::Control { link, id, control })
    }

    fn event(&mut self, ms: u64, link: usize, id: &str) -> String {
        let link = self.link(link);
        self.at(ms, Input::Event { link, id: id.as_bytes() })
    }

    fn lost(&mut self, ms: u64, link: usize) -> String {
        let link = self.link(link);
        self.at(ms, Input::Lost { link, status: None, retry_after: None })
    }

    fn refused(&mut self, ms: u64, link: usize, status: u16, retry_after_s: Option<u64>) -> String {
        let (link, retry_after) = (self.link(link), retry_after_s.map(Duration::from_secs));
        self.at(ms, Input::Lost { link, status: Some(status), retry_after })
    }

    fn health(&mut self, ms: u64, link: usize, enabled: bool) -> String {
        let link = self.link(link);
        self.at(ms, Input::Health { link, enabled })
    }

    fn poll_done(&mut self, ms: u64, link: usize, cursor: &str) -> String {
        let link = self.link(link);
        self.at(ms, Input::PollDone { link, cursor })
    }

    fn poll_failed(&mut self, ms: u64, link: usize) -> String {
        let link = self.link(link);
        self.at(ms, Input::PollFailed { link, retry_after: None })
    }

    fn deadline_ms(&self) -> Option<u128> {
        Some(self.connection.deadline()?.since_origin().as_millis())
    }

    /// Lets time pass until the deadline.
    fn wait(&mut self) -> String {
        let deadline = self.connection.deadline().expect("something to wait for");
        let ms = deadline.since_origin().as_nanos().div_ceil(1_000_000) as u64;
        self.at(ms, Input::Due)
    }

    fn now_ms(&self) -> u64 {
        self.now.since_origin().as_millis() as u64
    }

    fn actions(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(action) = self.connection.next_action() {
            words.push(self.describe(action));
        }
        words.join(", ")
    }

    fn name(&mut self, link: Link) -> String {
        let position = self.links.iter().position(|known| *known == link).unwrap_or_else(|| {
            self.links.push(link);
            self.links.len() - 1
        });
        format!("L{}", position + 1)
    }

    fn describe(&mut self, action: Action) -> String {
        let resume = |resume| match resume {
            Resume::Live => "live".to_owned(),
            Resume::Earliest => "from the earliest".to_owned(),
            Resume::After(id) => format!("after {id}"),
        };
        match action {
            Action::OpenStream { link, resume: from } => format!("open {} {}", self.name(link), resume(from)),
            Action::CloseStream { link } => format!("close {}", self.name(link)),
            Action::Poll { link, resume: from, wait } => {
                format!("poll {} {} for {}s", self.name(link), resume(from), wait.as_secs_f64())
            }
            Action::CancelPoll { link } => format!("cancel {}", self.name(link)),
            Action::AskHealth { link } => format!("ask {}", self.name(link)),
            Action::Deliver => "deliver".to_owned(),
            Action::Tell(Notice::Heartbeat { latency }) => format!("heartbeat {}ms", latency.as_millis()),
            Action::Tell(Notice::Gap(gap)) => format!("gap to {}", gap.to),
            Action::Tell(Notice::Expiring { expires_in }) => format!("expiring in {}ms", expires_in.as_millis()),
            Action::Tell(Notice::State(state)) => match state {
                State::Connecting { attempt } => format!("connecting {attempt}"),
                State::Open => "open".to_owned(),
                State::Waiting { attempt, reason, .. } => format!("waiting {attempt} {reason:?}"),
                State::Polling { reason } => format!("polling {reason:?}"),
                State::Closed { reason } => format!("closed {reason:?}"),
            },
        }
    }
}

fn refused_since_off(link: Link) -> Input<'static> {
    Input::Refused { link, reason: ClosingReason::Disabled, retry_after: Some(seconds(30)) }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn reopens_after_the_last_id_when_the_peer_goes_silent() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.event(10_000, 1, "a-7"), "deliver");
    assert_eq!(story.heartbeat(30_000, 1, "a-9"), "heartbeat 0ms");
    assert_eq!(story.deadline_ms(), Some(75_000), "one and a half intervals after the last sound");
    assert_eq!(story.wait(), "close L1, waiting 1 Silent");
    assert!((75_100..=76_000).contains(&story.deadline_ms().unwrap()), "within a second, and not at once");
    assert_eq!(story.wait(), "open L2 after a-9, connecting 1", "the heartbeat has moved the resume point");
    assert_eq!(story.connection.counters().silences_total, 1);
}

#[test]
fn a_timer_that_comes_late_lets_what_is_queued_be_heard_before_it_calls_the_peer_silent() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(46_100, Input::Due), "", "a hidden page has its timers once a minute");
    assert_eq!(story.heartbeat(46_101, 1, "a-6"), "heartbeat 0ms", "it had come at 30 s");
    assert_eq!(story.deadline_ms(), Some(91_101));

    assert_eq!(story.at(120_000, Input::Due), "");
    assert_eq!(story.deadline_ms(), Some(120_500), "a last chance");
    assert_eq!(story.wait(), "close L1, waiting 1 Silent");

    let mut story = Story::new(Settings { polling: false, ..Settings::default() });
    story.at(0, Input::Start);
    assert_eq!(story.at(60_000, Input::Due), "", "an answer may wait as well");
    assert_eq!(story.connected(60_010, 1, "a-1"), "open");
}

#[test]
fn the_page_may_set_its_own_limit_or_none() {
    let fixed = Settings { silence: SilenceLimit::Fixed(seconds(5)), ..Settings::default() };
    assert_eq!(Story::open(fixed).deadline_ms(), Some(5_000));
    let unlimited = Settings { silence: SilenceLimit::Unlimited, ..Settings::default() };
    assert_eq!(Story::open(unlimited).deadline_ms(), None);
}

#[test]
fn a_foreign_server_without_connected_is_a_stream_like_any_other() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    let link = story.link(1);
    assert_eq!(story.at(50, Input::Opened { link }), "");
    assert_eq!(story.event(100, 1, ""), "open, deliver");
    assert_eq!(story.event(200, 1, "17"), "deliver");
    assert_eq!(story.event(300, 1, "16"), "deliver", "its ids are opaque");
    assert_eq!(story.deadline_ms(), None, "it promised no heartbeats");
    story.lost(400, 1);
    assert_eq!(story.wait(), "open L2 after 16, connecting 1");
}

#[test]
fn the_delay_doubles_until_the_link_was_healthy_for_a_while() {
    let mut story = Story::open(Settings { polling: false, ..Settings::default() });
    assert_eq!(story.lost(1_000, 1), "close L1, waiting 1 Cut");
    for attempt in 1..=7_u32 {
        let spans_ms = [100, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
        let (floor_ms, cap_ms) = (spans_ms[attempt as usize - 1], spans_ms[attempt as usize]);
        let delay = story.deadline_ms().unwrap() as u64 - story.now_ms();
        assert!((floor_ms..=cap_ms).contains(&delay), "attempt {attempt}: {delay} ms");
        story.wait();
        let link = story.links.len();
        let now = story.now_ms();
        assert_eq!(story.connected(now, link, ""), "open");
        let words = story.lost(now + 9_999, link);
        assert_eq!(words, format!("close L{link}, waiting {} Cut", attempt + 1), "open, but not for long enough");
    }
    story.wait();
    let link = story.links.len();
    let now = story.now_ms();
    story.connected(now, link, "");
    story.event(now + 10_000, link, "");
    assert_eq!(story.lost(now + 10_001, link), format!("close L{link}, waiting 1 Cut"));
}

#[test]
fn a_refusal_is_looked_into_while_the_wait_goes_on() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    assert_eq!(story.lost(10, 1), "close L1, waiting 1 Refused, ask L2");
    let link = story.link(2);
    assert_eq!(story.at(20, Input::HealthFailed { link }), "");
    assert_eq!(story.wait(), "open L3 live, connecting 1", "nobody home: the wait goes on");
}

#[test]
fn a_refusal_with_a_status_is_not_looked_into() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    assert_eq!(story.refused(10, 1, 503, Some(7)), "close L1, waiting 1 Refused");
    let delay = story.deadline_ms().unwrap() - 10;
    assert!((7_100..=8_000).contains(&delay), "as long as the server asks, and its own jitter: {delay} ms");
    for link in 2..10 {
        assert!(story.wait().starts_with(&format!("open L{link} ")));
        let words = story.refused(story.now_ms(), link, if link % 2 == 0 { 401 } else { 404 }, None);
        assert_eq!(words, format!("close L{link}, waiting {link} Refused"), "a poll would be told the same");
    }
}

#[test]
fn a_refusal_with_a_reason_is_waited_out_and_tried_again() {
    use ClosingReason::{TooManyConnections, TooManyFromAddress};
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    // By a stream that says no more than why it ends, which is all that an `EventSource` lets through.
    assert_eq!(story.closing(10, 1, TooManyFromAddress, 7_000), "close L1, waiting 1 Closing(TooManyFromAddress)");
    let delay = story.deadline_ms().unwrap() - 10;
    assert!((7_100..=8_000).contains(&delay), "as long as the server asks, and its own jitter: {delay} ms");
    assert_eq!(story.connection.counters().opened_total, 0, "it never was a stream");
    // By a status, which a shell with `fetch` can read.
    for link in 2..9 {
        assert_eq!(story.wait(), format!("open L{link} live, connecting {}", link - 1));
        let refused =
            Input::Refused { link: story.link(link), reason: TooManyConnections, retry_after: Some(seconds(5)) };
        let words = story.at(story.now_ms(), refused);
        assert_eq!(words, format!("close L{link}, waiting {link} Closing(TooManyConnections)"), "it never polls");
        let delay = story.deadline_ms().unwrap() as u64 - story.now_ms();
        assert!((6_000..=35_000).contains(&delay), "attempt {link}: {delay} ms");
    }
    assert_eq!(story.wait(), "open L9 live, connecting 8");
    assert_eq!(story.connected(story.now_ms(), 9, "a-5"), "open");
}

#[test]
fn a_stream_that_begins_by_saying_that_streaming_is_off_leads_to_polling_at_once() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    assert_eq!(
        story.closing(10, 1, ClosingReason::Disabled, 40_000),
        "close L1, poll L2 live for 25s, polling ServerDisabled"
    );
}

#[test]
fn a_stream_that_is_tried_out_beside_polling_and_refused_with_a_reason_is_not_looked_into() {
    let mut story = Story::new(Settings { enabled: false, resume: Resume::After("a-1".into()), ..Settings::default() });
    story.at(0, Input::Start);
    assert_eq!(story.at(10, Input::SetEnabled(true)), "open L2 after a-1");
    assert_eq!(story.closing(20, 2, ClosingReason::TooManyConnections, 5_000), "close L2");
}

#[test]
fn falls_back_to_polling_when_something_between_the_two_refuses_every_stream() {
    let mut story =
        Story::new(Settings { max_attempts: Some(6), probe_interval: Duration::MAX, ..Settings::default() });
    story.at(0, Input::Start);
    // What is no stream has a status of 200.
    for (link, status) in [(1, 502), (2, 200)] {
        assert_eq!(story.refused(story.now_ms(), link, status, None), format!("close L{link}, waiting {link} Refused"));
        story.wait();
    }
    let words = story.refused(story.now_ms(), 3, 504, None);
    assert_eq!(words, "close L3, waiting 3 Refused, poll L4 live for 25s, polling StreamBlocked");
    let now = story.now_ms();
    assert_eq!(story.poll_failed(now, 4), "waiting 4 PollFailed", "and the tries are not counted afresh");
    for (link, words) in [(5, "waiting 5 PollFailed"), (6, "cancel L6, waiting 6 PollFailed")] {
        story.wait();
        assert_eq!(story.poll_failed(story.now_ms(), link), words);
    }
    story.wait();
    assert_eq!(story.refused(story.now_ms(), 7, 502, None), "close L7, closed GaveUp");
}

#[test]
fn goes_over_to_polling_at_once_when_the_refusal_says_that_streaming_is_off() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    let link = story.link(1);
    assert_eq!(
        story.at(10, refused_since_off(link)),
        "close L1, poll L2 live for 25s, polling ServerDisabled",
        "without asking"
    );
    assert_eq!(story.at(20, refused_since_off(link)), "", "that link is over");

    let mut story = Story::new(Settings { polling: false, ..Settings::default() });
    story.at(0, Input::Start);
    let link = story.link(1);
    assert_eq!(story.at(10, refused_since_off(link)), "close L1, waiting 1 Closing(Disabled)");
}

#[test]
fn a_stream_that_is_tried_out_and_refused_leaves_the_polls_alone() {
    let mut story = Story::new(Settings { enabled: false, resume: Resume::After("a-1".into()), ..Settings::default() });
    story.at(0, Input::Start);
    assert_eq!(story.at(10, Input::SetEnabled(true)), "open L2 after a-1");
    assert_eq!(story.refused(20, 2, 502, None), "close L2");
    story.poll_done(30, 1, "a-1");
    while story.links.len() < 4 {
        let words = story.wait();
        if words.starts_with("poll") {
            let (now, link) = (story.now_ms(), story.links.len());
            story.poll_done(now, link, "a-1");
        }
        if words.contains("open") {
            let link = story.link(story.links.len());
            let words = story.at(story.now_ms(), refused_since_off(link));
            assert!(words.ends_with("polling ServerDisabled"), "{words}");
            return;
        }
    }
}

#[test]
fn bytes_are_a_sign_of_life_but_no_proof_that_events_get_through() {
    let mut story = Story::new(Settings { polling: false, ..Settings::default() });
    story.at(0, Input::Start);
    let link = story.link(1);
    assert_eq!(story.at(10_000, Input::Heard { link }), "", "not open yet");
    assert_eq!(story.deadline_ms(), Some(25_000));
    assert_eq!(story.wait(), "close L1, waiting 1 ConnectTimeout");

    let mut story = Story::open(Settings::default());
    let link = story.link(1);
    assert_eq!(story.at(44_999, Input::Heard { link }), "");
    assert_eq!(story.deadline_ms(), Some(89_999));
    assert_eq!(story.wait(), "close L1, waiting 1 Silent");
    assert_eq!(story.at(90_000, Input::Heard { link }), "", "that link is over");
}

#[test]
fn falls_back_to_polling_when_the_server_switched_streaming_off_and_climbs_back() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    story.lost(10, 1);
    assert_eq!(story.health(20, 2, false), "poll L3 live for 25s, polling ServerDisabled");
    assert_eq!(story.event(1_000, 3, "a-1"), "deliver");
    assert_eq!(story.poll_done(1_000, 3, "a-1"), "");
    assert_eq!(story.wait(), "poll L4 after a-1 for 25s");
    assert_eq!(story.now_ms(), 2_020, "polls start at least two seconds apart");
    assert_eq!(story.poll_done(14_000, 4, "a-3"), "");
    assert_eq!(story.wait(), "poll L5 after a-3 for 25s");
    assert_eq!(story.now_ms(), 14_000, "a poll that took long enough is followed at once");

    assert_eq!(story.wait(), "ask L6", "a cheap question now and then");
    let now = story.now_ms();
    assert!((15_020..=30_020).contains(&now), "{now}");
    assert_eq!(story.health(now, 6, false), "");
    story.at(now + 30_000, Input::Due);
    let ask = story.links.len();
    let now = story.now_ms();
    let words = story.health(now, ask, true);
    assert!(words.starts_with("open L"), "{words}");
    let stream = story.links.len();

    let poll = stream - 2;
    let words = story.connected(now + 50, stream, "a-3");
    assert!(words.contains("cancel L") && words.ends_with("open"), "{words}");
    assert_eq!(story.event(now + 60, poll, "a-4"), "", "an answer that comes too late is not used");
    assert_eq!(story.event(now + 70, stream, "a-4"), "deliver");
}

#[test]
fn goes_over_to_polling_at_once_when_the_server_says_that_it_is_disabled() {
    let mut story = Story::open(Settings::default());
    assert_eq!(
        story.closing(20_000, 1, ClosingReason::Disabled, 0),
        "close L1, poll L2 after a-5 for 25s, polling ServerDisabled"
    );
}

#[test]
fn a_way_that_swallows_the_bytes_is_left_within_two_silence_limits() {
    let mut story = Story::new(Settings { connect_timeout: seconds(15), ..Settings::default() });
    story.at(0, Input::Start);
    let link = story.link(1);
    story.at(100, Input::Opened { link });
    assert_eq!(story.wait(), "close L1, waiting 1 ConnectTimeout, ask L2");
    story.wait();
    assert_eq!(story.wait(), "", "the question is given up");
    assert_eq!(story.wait(), "close L3, poll L4 live for 25s, polling StreamBlocked");
    assert!(story.now_ms() < 31_000, "{}", story.now_ms());
}

#[test]
fn a_way_that_lets_only_the_first_bytes_through_is_left_too() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.wait(), "close L1, waiting 1 Silent");
    story.wait();
    let now = story.now_ms();
    story.connected(now + 100, 2, "a-5");
    assert_eq!(story.wait(), "close L2, poll L3 after a-5 for 25s, polling StreamBlocked");
    assert!(story.now_ms() <= 92_000, "{}", story.now_ms());
}

#[test]
fn a_server_that_is_well_but_refuses_streams_is_polled() {
    let mut story = Story::new(Settings::default());
    story.at(0, Input::Start);
    for round in 1..=3 {
        let stream = story.links.len();
        let now = story.now_ms();
        story.lost(now + 5, stream);
        let words = story.health(now + 10, stream + 1, true);
        if round < 3 {
            assert_eq!(words, "");
            story.wait();
        } else {
            assert!(words.ends_with("polling StreamBlocked"), "{words}");
        }
    }
}

#[test]
fn a_blocked_way_is_probed_ever_more_rarely_while_polling_goes_on() {
    let mut story = Story::open(Settings { poll_wait: seconds(0), ..Settings::default() });
    story.wait();
    story.wait();
    let now = story.now_ms();
    story.connected(now + 1, 2, "a-5");
    story.wait();
    let (mut probes, mut polls) = (Vec::new(), 0);
    while story.now_ms() < 3_000_000 {
        let words = story.wait();
        if words.contains("open L") {
            probes.push(story.now_ms());
        }
        if words.contains("poll L") {
            polls += 1;
            let poll = story.links.len();
            let now = story.now_ms();
            story.poll_done(now, poll, "a-5");
        }
        if words.contains("ask L") {
            let ask = story.links.len();
            let now = story.now_ms();
            story.health(now, ask, true);
        }
    }
    assert!(polls > 1_400, "every two seconds: {polls}");
    let gaps: Vec<u64> = probes.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert!(gaps[0] >= 30 && gaps[0] <= 76, "{gaps:?}");
    assert!(gaps[3..].iter().all(|gap| (120..=256).contains(gap)), "{gaps:?}");
}

#[test]
fn an_event_that_both_transports_bring_is_delivered_once() {
    let mut story = Story::open(Settings { poll_wait: seconds(0), ..Settings::default() });
    story.at(1_000, Input::SetEnabled(false));
    assert_eq!(story.event(1_100, 2, "a-6"), "deliver");
    story.poll_done(1_100, 2, "a-6");
    assert_eq!(story.at(1_200, Input::SetEnabled(true)), "open L3 after a-6");
    assert_eq!(story.wait(), "poll L4 after a-6 for 0s");
    assert_eq!(story.event(3_100, 4, "a-7"), "deliver");
    story.poll_done(3_100, 4, "a-8");
    assert_eq!(story.connected(3_200, 3, "a-6"), "open", "it was opened before a-7 was polled");
    assert_eq!(story.event(3_300, 3, "a-7"), "");
    assert_eq!(story.event(3_300, 3, "a-9"), "deliver");
    assert_eq!(story.connection.counters().duplicates_total, 1);
}

#[test]
fn a_gap_that_the_other_transport_has_passed_is_no_gap() {
    let mut story = Story::open(Settings { poll_wait: seconds(0), ..Settings::default() });
    story.at(1_000, Input::SetEnabled(false));
    story.at(1_100, Input::SetEnabled(true));
    assert_eq!(story.event(1_200, 2, "a-13"), "deliver");
    story.connected(1_300, 3, "");
    let gap = Gap { from: Some("a-5".into()), to: "a-11".into(), reason: GapReason::Evicted };
    assert_eq!(story.control(1_300, 3, "a-11", Control::Gap(gap)), "", "the poll was there before");
    assert_eq!(story.event(1_300, 3, "a-12"), "");
    assert_eq!(story.event(1_300, 3, "a-13"), "");
    assert_eq!(story.event(1_300, 3, "a-14"), "deliver");
}

#[test]
fn a_stream_and_a_poll_never_begin_at_two_places_of_their_own() {
    let mut story = Story::new(Settings { enabled: false, ..Settings::default() });
    assert_eq!(story.at(0, Input::Start), "poll L1 live for 25s, polling SwitchedOff");
    assert_eq!(story.at(10, Input::SetEnabled(true)), "cancel L1, open L2 live, connecting 0");
    assert_eq!(story.event(20, 1, "a-3"), "", "the poll that was under way counts no more");
    assert_eq!(story.connected(30, 2, "a-7"), "open");
    assert_eq!(story.event(40, 2, "a-8"), "deliver");
}

#[test]
fn a_full_answer_is_followed_at_once() {
    let mut story = Story::open(Settings::default());
    story.at(1_000, Input::SetEnabled(false));
    for sequence in 6..106 {
        assert_eq!(story.event(1_100, 2, &format!("a-{sequence}")), "deliver");
    }
    story.poll_done(1_100, 2, "a-105");
    assert_eq!(story.wait(), "poll L3 after a-105 for 25s");
    assert_eq!(story.now_ms(), 1_100);
}

#[test]
fn the_pages_switch_closes_the_stream_and_polls_for_good() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(1_000, Input::SetEnabled(false)), "close L1, poll L2 after a-5 for 25s, polling SwitchedOff");
    assert_eq!(story.event(1_100, 1, "a-6"), "", "the old stream has nothing more to say");
    for _ in 0..100 {
        let poll = story.links.len();
        let now = story.now_ms();
        story.poll_done(now, poll, "a-6");
        let words = story.wait();
        assert!(words.starts_with("poll L"), "never a stream, never a question: {words}");
    }
}

#[test]
fn without_polling_the_switch_is_a_pause() {
    let mut story = Story::open(Settings { polling: false, ..Settings::default() });
    assert_eq!(story.at(1_000, Input::SetEnabled(false)), "close L1, closed SwitchedOff");
    assert_eq!(story.deadline_ms(), None);
    assert_eq!(story.at(9_000, Input::SetEnabled(true)), "open L2 after a-5, connecting 0");
}

#[test]
fn polls_that_fail_are_retried_and_then_a_stream_is() {
    let mut story = Story::open(Settings::default());
    story.closing(1_000, 1, ClosingReason::Disabled, 0);
    assert_eq!(story.poll_failed(1_100, 2), "waiting 1 PollFailed");
    assert_eq!(story.wait(), "poll L3 after a-5 for 25s");
    story.poll_failed(3_000, 3);
    assert_eq!(story.wait(), "poll L4 after a-5 for 25s");
    let now = story.now_ms();
    assert_eq!(story.poll_failed(now, 4), "cancel L4, waiting 3 PollFailed");
    assert_eq!(story.wait(), "open L5 after a-5, connecting 3");
}

#[test]
fn a_poll_that_never_answers_is_given_up() {
    let mut story = Story::open(Settings { probe_interval: seconds(3_600), ..Settings::default() });
    story.closing(1_000, 1, ClosingReason::Disabled, 0);
    assert_eq!(story.wait(), "cancel L2, waiting 1 PollFailed");
    assert_eq!(story.now_ms(), 41_000, "its 25 s and 15 s on top");
}

#[test]
fn events_of_a_gap_may_come_after_all_and_a_cut_among_them_repeats_none() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.event(10, 1, "a-7"), "deliver");
    let gap = Gap { from: Some("a-8".into()), to: "a-90".into(), reason: GapReason::Lagged };
    assert_eq!(story.control(20, 1, "a-8", Control::Gap(gap)), "gap to a-90");
    assert_eq!(story.connection.resume(), Resume::After("a-8".into()), "the events after it are still to come");
    assert_eq!(story.event(30, 1, "a-41"), "deliver");
    assert_eq!(story.connection.resume(), Resume::After("a-41".into()));
    let again = Gap { from: Some("a-41".into()), to: "a-200".into(), reason: GapReason::Lagged };
    assert_eq!(story.control(40, 1, "a-41", Control::Gap(again)), "gap to a-200");
    assert_eq!(story.event(50, 1, "a-88"), "deliver");
    assert_eq!(story.event(60, 1, "a-41"), "", "it had this one");
    assert_eq!(story.event(70, 1, "a-201"), "deliver");
}

#[test]
fn a_gap_of_which_the_other_transport_has_passed_a_part_repeats_nothing() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.event(10, 1, "a-50"), "deliver");
    let gap = Gap { from: Some("a-20".into()), to: "a-90".into(), reason: GapReason::Lagged };
    assert_eq!(story.control(20, 1, "a-20", Control::Gap(gap)), "gap to a-90");
    assert_eq!(story.event(30, 1, "a-41"), "", "it had this one");
    assert_eq!(story.event(40, 1, "a-60"), "deliver");
}

#[test]
fn a_gap_moves_the_resume_point_even_back() {
    let mut story = Story::open(Settings::default());
    let gap = Gap { from: Some("a-900".into()), to: "a-3".into(), reason: GapReason::BadCursor };
    assert_eq!(story.control(10, 1, "a-3", Control::Gap(gap)), "gap to a-3");
    assert_eq!(story.event(20, 1, "a-4"), "deliver");
    let gap = Gap { from: Some("a-4".into()), to: "b-0".into(), reason: GapReason::OtherEpoch };
    assert_eq!(story.control(30, 1, "b-0", Control::Gap(gap)), "gap to b-0");
    assert_eq!(story.event(40, 1, "b-1"), "deliver");
}

#[test]
fn a_server_that_says_when_to_come_back_is_obeyed_within_reason() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.closing(20_000, 1, ClosingReason::Draining, 4_000), "close L1, waiting 1 Closing(Draining)");
    assert!((24_100..=25_000).contains(&story.deadline_ms().unwrap()), "jitter on top");

    let mut story = Story::open(Settings::default());
    story.closing(20_000, 1, ClosingReason::Draining, 31_536_000_000_000);
    let latest = 20_000 + MAX_HINT.as_millis() + 1_000;
    assert!(story.deadline_ms().unwrap() <= latest, "not a thousand years");
}

#[test]
fn status_204_is_the_standards_way_to_say_stop() {
    let mut story = Story::open(Settings::default());
    story.lost(1_000, 1);
    story.wait();
    let link = story.link(2);
    assert_eq!(story.at(3_000, Input::Lost { link, status: Some(204), retry_after: None }), "close L2, closed Stopped");
    assert_eq!(story.deadline_ms(), None);
}

#[test]
fn gives_up_when_all_attempts_are_used_up() {
    let mut story = Story::new(Settings { max_attempts: Some(2), polling: false, ..Settings::default() });
    story.at(0, Input::Start);
    story.lost(1, 1);
    story.at(2_000, Input::Due);
    let stream = story.links.len();
    story.lost(2_001, stream);
    story.at(9_000, Input::Due);
    let stream = story.links.len();
    let words = story.lost(9_001, stream);
    assert!(words.ends_with("closed GaveUp"), "{words}");
    assert_eq!(story.deadline_ms(), None);
}

#[test]
fn without_polling_nobody_is_asked_what_would_change_nothing() {
    let mut story = Story::new(Settings { polling: false, ..Settings::default() });
    story.at(0, Input::Start);
    assert_eq!(story.lost(10, 1), "close L1, waiting 1 Refused");
}

#[test]
fn closing_is_final_whatever_comes_after() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(10, Input::Close), "close L1, closed ByPage");
    assert_eq!(story.at(20, Input::Close), "");
    assert_eq!(story.event(30, 1, "a-6"), "");
    assert_eq!(story.lost(40, 1), "");
    assert_eq!(story.at(50, Input::SetEnabled(false)), "");
    assert_eq!(story.at(60, Input::SetEnabled(true)), "");
    assert_eq!(story.at(70, Input::Start), "");
    assert_eq!(story.at(80, Input::Due), "");
    assert_eq!(story.deadline_ms(), None);
}

#[test]
fn a_link_that_has_not_outlived_a_sleep_is_noticed_and_replaced_within_a_second() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(3_600_000, Input::Woke), "", "what came meanwhile may still be queued");
    assert_eq!(story.wait(), "close L1, waiting 1 Slept");
    assert_eq!(story.now_ms(), 3_600_500);
    assert_eq!(story.wait(), "open L2 after a-5, connecting 1", "at once: the server has not been asked in vain");
    assert!(story.now_ms() <= 3_600_750, "{}", story.now_ms());
    assert_eq!(story.connection.counters().silences_total, 0);
}

#[test]
fn a_link_that_has_outlived_a_sleep_is_kept() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(40_000, Input::Woke), "");
    assert_eq!(story.heartbeat(40_100, 1, "a-6"), "heartbeat 0ms");
    assert_eq!(story.deadline_ms(), Some(85_100));
    assert_eq!(story.at(50_000, Input::Woke), "", "and a nap in which nothing was due");
    assert_eq!(story.deadline_ms(), Some(85_100), "says nothing");
    let unlimited = Settings { silence: SilenceLimit::Unlimited, ..Settings::default() };
    let mut story = Story::open(unlimited);
    assert_eq!(story.at(3_600_000, Input::Woke), "");
    assert_eq!(story.deadline_ms(), None, "any silence is borne");
}

#[test]
fn a_page_that_never_comes_to_rest_does_not_put_the_last_chance_off() {
    let mut story = Story::open(Settings::default());
    story.at(60_000, Input::Woke);
    assert_eq!(story.at(66_000, Input::Woke), "close L1, waiting 1 Slept");
}

#[test]
fn waking_twice_is_not_a_blocked_way() {
    let mut story = Story::open(Settings::default());
    for link in 1..6 {
        let now = story.now_ms();
        story.at(now + 3_600_000, Input::Woke);
        assert!(story.wait().starts_with(&format!("close L{link}, waiting")), "and no polling");
        story.wait();
        let now = story.now_ms();
        story.connected(now, link + 1, "a-5");
    }
}

#[test]
fn what_waits_when_the_page_wakes_is_tried_at_once_unless_the_server_wants_to_be_left_alone() {
    let mut story = Story::open(Settings { polling: false, ..Settings::default() });
    story.lost(1_000, 1);
    for link in 2..8 {
        story.wait();
        let now = story.now_ms();
        story.lost(now, link);
    }
    let now = story.now_ms();
    assert!(story.deadline_ms().unwrap() - u128::from(now) > 20_000);
    assert_eq!(story.at(now + 1_000, Input::Woke), "");
    assert_eq!(story.wait(), "open L8 after a-5, connecting 7");
    assert!(story.now_ms() - now <= 1_250);

    let mut story = Story::open(Settings::default());
    assert_eq!(story.closing(1_000, 1, ClosingReason::Draining, 9_000), "close L1, waiting 1 Closing(Draining)");
    assert_eq!(story.at(5_000, Input::Woke), "");
    assert_eq!(story.deadline_ms(), Some(10_000));
}

#[test]
fn a_page_that_is_put_aside_leaves_nothing_open_and_goes_on_when_it_comes_back() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.at(1_000, Input::Paused), "close L1");
    assert_eq!(story.deadline_ms(), None);
    assert_eq!(story.event(1_100, 1, "a-6"), "deliver", "what was under way counts");
    assert_eq!(story.at(2_000, Input::Due), "");
    assert_eq!(story.at(600_000, Input::Woke), "close L1, waiting 1 Slept");
    assert_eq!(story.wait(), "open L2 after a-6, connecting 1");
    assert!(story.now_ms() <= 600_250);

    let mut story = Story::open(Settings { max_attempts: Some(0), ..Settings::default() });
    story.at(1_000, Input::Paused);
    assert_eq!(story.at(2_000, Input::Woke), "close L1, closed GaveUp", "it wanted one try and no more");

    let mut story = Story::new(Settings { enabled: false, ..Settings::default() });
    assert_eq!(story.at(0, Input::Start), "poll L1 live for 25s, polling SwitchedOff");
    assert_eq!(story.at(1_000, Input::Paused), "cancel L1");
    assert_eq!(story.deadline_ms(), None);
    assert_eq!(story.at(9_000, Input::Woke), "poll L2 live for 25s");
}

#[test]
fn without_a_network_hardly_anything_is_tried_and_with_it_at_once() {
    let mut story = Story::open(Settings { max_attempts: Some(2), ..Settings::default() });
    assert_eq!(story.at(1_000, Input::Offline), "", "the stream may outlive it");
    assert_eq!(story.lost(1_100, 1), "close L1, waiting 1 Cut");
    assert_eq!(story.deadline_ms(), Some(61_100));
    for link in 2..8 {
        assert_eq!(story.wait(), format!("open L{link} after a-5, connecting 1"), "in case the host is wrong");
        assert_eq!(story.lost(story.now_ms(), link), format!("close L{link}, waiting 1 Refused"), "which costs none");
    }
    let now = story.now_ms() + 10_000;
    assert_eq!(story.at(now, Input::Online), "");
    assert_eq!(story.wait(), "open L8 after a-5, connecting 1");
    assert!(story.now_ms() - now <= 250, "{}", story.now_ms() - now);
}

#[test]
fn going_offline_puts_off_what_waits() {
    let mut story = Story::open(Settings::default());
    story.lost(1_000, 1);
    assert_eq!(story.at(1_050, Input::Offline), "");
    assert_eq!(story.deadline_ms(), Some(61_050));
}

#[test]
fn a_stream_has_to_show_that_it_outlived_a_change_of_network() {
    let mut story = Story::open(Settings::default());
    story.at(1_000, Input::Offline);
    assert_eq!(story.at(5_000, Input::Online), "");
    assert_eq!(story.wait(), "close L1, waiting 1 Offline");
    assert!(story.wait().starts_with("open L2 after a-5"));
    assert!(story.now_ms() <= 5_750);

    let mut story = Story::open(Settings::default());
    story.at(1_000, Input::Offline);
    story.event(2_000, 1, "a-6");
    assert_eq!(story.at(5_000, Input::Online), "", "it was heard: the host was wrong");
    assert_eq!(story.deadline_ms(), Some(47_000));
    assert_eq!(story.at(9_000, Input::Online), "", "and without having been offline it says nothing");
    assert_eq!(story.deadline_ms(), Some(47_000));
}

#[test]
fn a_blocked_way_is_tried_again_when_the_network_changes() {
    let mut story = Story::new(Settings { resume: Resume::After("a-1".into()), ..Settings::default() });
    story.at(0, Input::Start);
    while !story.wait().contains("polling StreamBlocked") {}
    let poll = story.links.len();
    let now = story.now_ms();
    story.poll_done(now, poll, "a-1");
    story.at(now + 100, Input::Offline);
    story.at(now + 200, Input::Online);
    assert!(story.wait().contains(&format!("open L{}", poll + 1)), "and not in half a minute");
    assert!(story.now_ms() <= now + 450);
}

#[test]
fn nothing_happens_before_the_start() {
    let mut story = Story::new(Settings { resume: Resume::Earliest, ..Settings::default() });
    assert_eq!(story.at(0, Input::Due), "");
    assert_eq!(story.at(0, Input::SetEnabled(false)), "");
    assert_eq!(story.at(5, Input::Start), "poll L1 from the earliest for 25s, polling SwitchedOff");
    assert_eq!(story.at(6, Input::Start), "");
}

#[test]
fn heartbeats_tell_how_much_later_than_the_fastest_they_came() {
    let mut story = Story::open(Settings::default());
    // The server's clock is a day ahead; only differences count.
    let beat = |story: &mut Story, ms: u64, sent_ms: u64| {
        let heartbeat = Heartbeat { time_ms: sent_ms + 86_400_000 };
        story.control(ms, 1, "", Control::Heartbeat(heartbeat))
    };
    assert_eq!(beat(&mut story, 10_040, 10_000), "heartbeat 0ms");
    assert_eq!(beat(&mut story, 20_025, 20_000), "heartbeat 0ms");
    assert_eq!(beat(&mut story, 30_125, 30_000), "heartbeat 100ms");
}

#[test]
fn the_reason_of_a_loss_is_told() {
    let mut story = Story::open(Settings::default());
    story.lost(10, 1);
    let Some(State::Waiting { reason, .. }) = story.connection.state() else { panic!("it waits") };
    assert_eq!(reason, Loss::Cut);
}

#[test]
fn a_stream_whose_token_expires_soon_is_replaced_and_the_page_notices_nothing() {
    let mut story = Story::open(Settings { renews_token: true, ..Settings::default() });
    story.event(12_000, 1, "a-6");
    assert_eq!(story.expiring(20_000, 1, 30_000), "expiring in 30000ms");
    assert_eq!(story.wait(), "close L1, open L2 after a-6");
    assert!((20_000..=35_000).contains(&story.now_ms()), "within the first half: {}", story.now_ms());
    assert_eq!(story.connection.state(), Some(State::Open));
    let now = story.now_ms();
    assert_eq!(story.event(now + 1, 1, "a-7"), "", "the old one has nothing more to say");
    assert_eq!(story.connected(now + 2, 2, "a-6"), "", "it was open all the time");
    assert_eq!(story.event(now + 3, 2, "a-7"), "deliver");
    assert_eq!(story.connection.counters().losses_total, 0);
}

#[test]
fn a_fresh_token_that_is_refused_is_a_loss_like_any_other() {
    let mut story = Story::open(Settings { renews_token: true, ..Settings::default() });
    story.expiring(20_000, 1, 30_000);
    assert_eq!(story.wait(), "close L1, open L2 after a-5");
    let now = story.now_ms();
    assert_eq!(story.refused(now + 9, 2, 401, None), "close L2, waiting 1 Refused");
    assert_eq!(story.wait(), "open L3 after a-5, connecting 1");
}

#[test]
fn without_fresh_tokens_a_stream_lives_to_its_end() {
    let mut story = Story::open(Settings::default());
    assert_eq!(story.expiring(20_000, 1, 30_000), "expiring in 30000ms");
    assert_eq!(story.heartbeat(45_000, 1, "a-5"), "heartbeat 0ms");
    let told = story.closing(50_000, 1, ClosingReason::TokenExpired, 400);
    assert_eq!(told, "close L1, waiting 1 Closing(TokenExpired)");
}

#[test]
fn a_server_that_never_finds_a_token_fresh_enough_is_not_asked_without_a_pause() {
    let mut story = Story::open(Settings { renews_token: true, ..Settings::default() });
    for link in 1..5 {
        let begin = story.now_ms();
        assert_eq!(story.expiring(begin, link, 0), "expiring in 0ms");
        assert_eq!(story.wait(), format!("close L{link}, open L{} after a-5", link + 1));
        assert_eq!(story.now_ms(), begin + 1_000);
        story.connected(begin + 1_000, link + 1, "a-5");
    }
}

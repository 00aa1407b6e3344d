//! A fleet that loses its server in one moment must not come back in one.

use core::time::Duration;
use heartwire_protocol::Moment;
use heartwire_protocol::connection::{Action, Connection, Input, Settings};
use heartwire_protocol::control::{Closing, ClosingReason, Control};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const N_CLIENTS: u64 = 1_000;

/// When each client is connected again after all streams were lost at zero and the server answered
/// again from `down_ms` on. A refusal comes at once.
fn reconnects_ms(n_clients: u64, down_ms: u64, closing: impl Fn(u64) -> Option<Closing>) -> Vec<u64> {
    let mut moments: Vec<u64> = (0..n_clients)
        .map(|client| {
            // A page draws its seed at random; here any two differ, and every run is the same.
            let seed = (client + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            let mut connection = Connection::new(Settings { seed, polling: false, ..Settings::default() });
            let start = Moment::from_millis(1_000_000);
            connection.handle(Input::Start, start);
            let Some(mut link) = opened(&mut connection) else { panic!("a start opens a stream") };
            connection.handle(Input::Event { link, id: b"" }, start);
            let lost = start + Duration::from_secs(60);
            connection.handle(Input::Event { link, id: b"" }, lost);
            match closing(client) {
                Some(closing) => {
                    connection.handle(Input::Control { link, id: "", control: Control::Closing(closing) }, lost);
                }
                None => connection.handle(Input::Lost { link, status: None, retry_after: None }, lost),
            }
            loop {
                let Some(now) = connection.deadline() else { panic!("a wait has a deadline") };
                connection.handle(Input::Due, now);
                let Some(next) = opened(&mut connection) else { continue };
                link = next;
                if now - lost >= Duration::from_millis(down_ms) {
                    return (now - lost).as_millis() as u64;
                }
                connection.handle(Input::Lost { link, status: None, retry_after: None }, now);
            }
        })
        .collect();
    moments.sort_unstable();
    moments
}

fn opened(connection: &mut Connection) -> Option<heartwire_protocol::connection::Link> {
    let mut opened = None;
    while let Some(action) = connection.next_action() {
        if let Action::OpenStream { link, .. } = action {
            opened = Some(link);
        }
    }
    opened
}

/// How many reconnects the fullest window holds, as a multiple of its even share of the time from
/// `begin_ms` to the last reconnect. Where that time is shorter than the window, it is the window's.
fn crowding(moments: &[u64], begin_ms: u64, window_ms: u64) -> f64 {
    let last = moments.last().copied().unwrap_or_default();
    let spread_ms = (last - begin_ms).max(window_ms);
    let fullest = moments
        .iter()
        .enumerate()
        .map(|(first, moment)| moments[first..].partition_point(|other| *other < moment + window_ms))
        .max()
        .unwrap_or_default();
    let even = moments.len() as f64 * window_ms as f64 / spread_ms as f64;
    fullest as f64 / even
}

#[test]
fn a_thousand_clients_that_are_cut_off_come_back_evenly() {
    let moments = reconnects_ms(N_CLIENTS, 0, |_| None);
    assert!((100..=1_000).contains(&moments[0]) && moments[N_CLIENTS as usize - 1] <= 1_000, "within a second");
    assert!(crowding(&moments, 0, 1_000) <= 1.3);
    assert!(crowding(&moments, 100, 250) <= 1.3, "and evenly within that second, too");
}

#[test]
fn a_fleet_comes_back_evenly_after_a_long_outage() {
    // Twenty thousand, so that the dice of one window of thirty weigh less than the rule.
    for down_ms in [60_000, 75_000, 90_500, 600_000] {
        let moments = reconnects_ms(20 * N_CLIENTS, down_ms, |_| None);
        let crowding = crowding(&moments, down_ms, 1_000);
        assert!(crowding <= 1.3, "down for {down_ms} ms: {crowding:.2} times the even share");
    }
}

#[test]
fn while_the_delays_still_double_the_fullest_second_is_never_twice_as_full() {
    // The attempts thin out by half from one span to the next, so the first seconds hold more.
    for down_ms in (0..45_000).step_by(1_500) {
        let moments = reconnects_ms(20 * N_CLIENTS, down_ms, |_| None);
        let crowding = crowding(&moments, down_ms, 1_000);
        assert!(crowding < 2.0, "down for {down_ms} ms: {crowding:.2} times the even share");
    }
}

#[test]
fn a_drain_brings_the_clients_back_evenly_over_its_window() {
    for window_ms in [5_000, 10_000, 30_000] {
        let spread = |client| {
            let retry_ms = client * window_ms / N_CLIENTS;
            Some(Closing { reason: ClosingReason::Draining, retry_ms })
        };
        let moments = reconnects_ms(N_CLIENTS, 0, spread);
        let crowding = crowding(&moments, moments[0], 1_000);
        assert!(crowding <= 1.3, "a window of {window_ms} ms: {crowding:.2} times the even share");
    }
}

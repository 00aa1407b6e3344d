//! The pair in real browsers, over a link that is cut, stalled and mended.
//!
//! Each story is told in Chromium and in Firefox, with the real binary and the packaged client. Most of its time
//! is waiting, so several are told at once, each with a browser of its own that it hands on to a later one: see
//! [`pool`].

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod dashboard;
mod edges;
mod examples;
mod identity;
mod life;
mod page;
mod pool;
mod sharing;
mod stories;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;
use heartwire_tests::{Browser, BrowserKind};
use libtest_mimic::{Arguments, Trial};
use pool::Pool;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

type Story = for<'a> fn(&'a Browser) -> LocalBoxFuture<'a, Result<()>>;

/// Stories and their names.
macro_rules! named {
    ($($story:ident),* $(,)?) => {
        &[$((stringify!($story), |browser| Box::pin(stories::$story(browser)))),*]
    };
}

/// Those that take longest come first, so that none of them is left for the end.
const IN_BOTH_BROWSERS: &[(&str, Story)] = named! {
    every_event_arrives_once_and_in_order_over_a_link_that_is_cut_two_hundred_times,
    every_event_arrives_once_and_in_order_as_frames_over_a_link_that_is_cut_two_hundred_times,
    every_event_arrives_once_and_in_order_by_fetch_over_a_link_that_is_cut_two_hundred_times,
    a_restarted_server_is_met_with_a_gap_and_then_with_its_new_events,
    a_link_that_goes_silent_is_noticed_in_time_and_opened_again,
    a_link_that_goes_silent_is_noticed_in_time_by_fetch_too,
    a_link_that_swallows_every_byte_is_polled_over_once_polls_get_through,
    polling_takes_over_while_the_server_is_switched_off_and_gives_back,
    polling_takes_over_by_fetch_too_while_the_server_is_switched_off,
    a_stream_by_fetch_has_the_pages_headers_and_hears_the_status,
    polling_takes_over_while_the_page_is_switched_off_and_gives_back,
    a_policy_that_forbids_webassembly_costs_features_and_no_event,
    a_plain_event_source_understands_the_stream,
    a_reader_that_is_refused_says_why_and_comes_back_by_itself,
    the_readmes_example_for_a_bundled_page_runs,
    the_readmes_example_for_a_script_tag_runs,
    the_demo_page_shows_the_host_and_the_piped_lines,
    the_plain_page_shows_the_host,
    the_download_manager_shows_a_download_the_queue_and_the_figures,
    the_download_manager_polls_for_those_who_are_not_rolled_out,
    a_stream_that_is_made_while_the_page_is_left_throws_nothing_and_stays_nowhere,
    the_dashboard_moves_tells_of_a_refusal_and_survives_a_restart,
    a_link_that_died_in_the_machines_sleep_is_noticed_within_a_second_of_waking,
    nothing_reconnects_because_another_tab_is_looked_at,
    a_page_that_is_kept_for_the_back_button_goes_on_where_it_was,
    a_page_goes_on_after_a_real_walk_there_and_back,
    a_resume_point_survives_a_reload,
    twenty_tabs_have_one_stream_and_all_of_them_load,
    when_the_leader_goes_another_tab_takes_over_and_nothing_is_lost_or_doubled,
    a_leader_that_hangs_is_replaced_and_comes_back_without_doubles,
    tabs_of_different_people_never_share,
    without_web_locks_a_worker_has_the_one_stream_and_any_tab_may_go,
    tabs_of_an_insecure_origin_share_a_stream_by_a_worker,
    without_web_locks_tabs_of_different_people_never_share_either,
    without_web_locks_and_without_a_worker_each_tab_has_a_stream_of_its_own,
    a_page_of_an_allowed_origin_reads_and_publishes,
    a_page_of_any_other_origin_is_kept_out,
    over_tls_a_page_has_more_streams_than_http_1_would_let_it,
    a_page_runs_under_a_policy_without_inline_scripts,
    a_token_in_a_cookie_opens_a_stream,
    a_cookie_that_is_refreshed_in_time_carries_the_page_over_the_end_of_its_token,
    fresh_tokens_carry_a_page_over_the_end_of_one_unnoticed,
    a_ticket_opens_one_stream_of_another_origin_and_no_more,
    a_page_of_another_origin_goes_on_with_another_ticket,
};

/// No other browser freezes or crashes a page on request.
const IN_CHROMIUM: &[(&str, Story)] = named! {
    a_frozen_page_lets_go_of_its_stream_and_goes_on_where_it_was,
    a_leader_that_is_frozen_hands_over_and_catches_up,
    a_worker_that_dies_with_a_tab_or_by_itself_is_started_again,
};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let n_cores = thread::available_parallelism().map_or(1, usize::from);
    // Two for each core keep it busy; with more, pages would be late to notice what the stories are about.
    arguments.test_threads.get_or_insert(2 * n_cores);

    let pool = Arc::new(Pool::new());
    let trial = |kind: BrowserKind, &(name, story): &(&str, Story)| {
        let pool = Arc::clone(&pool);
        let browser = format!("{kind:?}").to_lowercase();
        let name = format!("{browser}::{name}");
        Trial::test(name, move || pool.tell(kind, story).map_err(|err| format!("{err:?}").into()))
    };
    let in_both = IN_BOTH_BROWSERS
        .iter()
        .flat_map(|story| [BrowserKind::Chromium, BrowserKind::Firefox].map(|kind| trial(kind, story)));
    let in_chromium = IN_CHROMIUM.iter().map(|story| trial(BrowserKind::Chromium, story));
    let conclusion = libtest_mimic::run(&arguments, in_both.chain(in_chromium).collect());
    pool.close();
    conclusion.exit_code()
}

//! The options object from JavaScript, checked.
//!
//! The TypeScript face has checked it before, with errors that help; this is the typed second line,
//! which keeps nonsense away from the machine. The defaults are those of [`Settings`].

use crate::error::Refusal;
use crate::json::{Json, span_of_ms};
use core::time::Duration;
use heartwire_protocol::connection::{Resume, Settings, SilenceLimit};
use heartwire_protocol::frame::DEFAULT_MAX_OPEN_BYTES;

/// What the page asks for: how the machine behaves, and how the shell does.
#[derive(Debug)]
pub(crate) struct Options {
    /// All but the resume point.
    pub(crate) settings: Settings,
    /// Where to begin; `None` leaves it to the URL.
    pub(crate) resume: Option<Resume>,
    pub(crate) with_credentials: bool,
    /// Streams go by `fetch`, and not by the browser's own `EventSource`.
    pub(crate) fetch: bool,
    /// The most bytes that a frame may open to; `None` asks for no frames.
    pub(crate) max_frame_bytes: Option<usize>,
}

impl Options {
    pub(crate) fn read(given: &Json) -> Result<Self, Refusal> {
        let mut settings = Settings { seed: seed(), ..Settings::default() };
        flag(given, "enabled", &mut settings.enabled)?;
        flag(given, "polling", &mut settings.polling)?;
        // Compiled out means switched off, so that the machine never asks for what cannot be done.
        settings.polling &= cfg!(feature = "polling");
        settings.silence = match number(given, "heartbeatTimeout", 0.0)? {
            None => SilenceLimit::FromServer,
            Some(f64::INFINITY) => SilenceLimit::Unlimited,
            Some(ms) => SilenceLimit::Fixed(span_of_ms(ms)),
        };
        settings.max_attempts = number(given, "maxReconnectAttempts", 0.0)?.filter(|n| n.is_finite()).map(|n| n as u32);
        for (name, span) in [
            ("baseReconnectDelay", &mut settings.backoff.base_delay),
            ("maxReconnectDelay", &mut settings.backoff.max_delay),
            ("connectTimeout", &mut settings.connect_timeout),
            ("healthyAfter", &mut settings.healthy_after),
            ("pollInterval", &mut settings.poll_interval),
            ("pollWait", &mut settings.poll_wait),
            ("probeInterval", &mut settings.probe_interval),
        ] as [(&'static str, &mut Duration); 7]
        {
            if let Some(ms) = number(given, name, 0.0)? {
                *span = span_of_ms(ms);
            }
        }
        let mut with_credentials = false;
        flag(given, "withCredentials", &mut with_credentials)?;
        let mut fetch = false;
        flag(given, "fetch", &mut fetch)?;
        let mut compression = true;
        flag(given, "compression", &mut compression)?;
        let max_frame_bytes = number(given, "maxFrameBytes", 1.0)?.map_or(DEFAULT_MAX_OPEN_BYTES, |n| n as usize);
        let max_frame_bytes = compression.then_some(max_frame_bytes);
        Ok(Self { settings, resume: resume(given)?, with_credentials, fetch, max_frame_bytes })
    }
}

fn flag(given: &Json, name: &'static str, flag: &mut bool) -> Result<(), Refusal> {
    let option = given.member(name);
    if !option.is_absent() {
        *flag = option.truth().ok_or(Refusal::BadOption(name))?;
    }
    Ok(())
}

fn number(given: &Json, name: &'static str, least: f64) -> Result<Option<f64>, Refusal> {
    let option = given.member(name);
    if option.is_absent() {
        return Ok(None);
    }
    // What is not a number at all, NaN, is not at least anything.
    option.number().filter(|number| *number >= least).map(Some).ok_or(Refusal::BadOption(name))
}

fn text(given: &Json, name: &'static str) -> Result<String, Refusal> {
    let option = given.member(name);
    if option.is_absent() { Ok(String::new()) } else { option.text().ok_or(Refusal::BadOption(name)) }
}

fn resume(given: &Json) -> Result<Option<Resume>, Refusal> {
    let last_event_id = text(given, "lastEventId")?;
    match text(given, "from")?.as_str() {
        "" | "live" | "earliest" if !last_event_id.is_empty() => Ok(Some(Resume::After(last_event_id))),
        "" => Ok(None),
        "live" => Ok(Some(Resume::Live)),
        "earliest" => Ok(Some(Resume::Earliest)),
        _ => Err(Refusal::BadOption("from")),
    }
}

/// Only the jitter hangs on it, so it need not be secret.
fn seed() -> u64 {
    const TWO_TO_53: f64 = 9_007_199_254_740_992.0;
    (js_sys::Math::random() * TWO_TO_53) as u64
}

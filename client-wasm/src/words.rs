//! Reasons in words: those of the JavaScript API, which are those of the wire where it has some.

use heartwire_protocol::connection::{ClosedReason, Loss, PollReason};
use heartwire_protocol::control::{ClosingReason, GapReason};
use heartwire_protocol::frame::FrameError;

pub(crate) fn loss(loss: Loss) -> &'static str {
    match loss {
        Loss::Refused => "refused",
        Loss::ConnectTimeout => "connect-timeout",
        Loss::Cut => "cut",
        Loss::Silent => "silent",
        Loss::Closing(reason) => closing_reason(reason),
        Loss::PollFailed => "poll-failed",
    }
}

pub(crate) fn poll_reason(reason: PollReason) -> &'static str {
    match reason {
        PollReason::SwitchedOff => "switched-off",
        PollReason::ServerDisabled => "server-disabled",
        PollReason::StreamBlocked => "stream-blocked",
    }
}

pub(crate) fn closed_reason(reason: ClosedReason) -> &'static str {
    match reason {
        ClosedReason::ByPage => "by-page",
        ClosedReason::GaveUp => "gave-up",
        ClosedReason::Stopped => "stopped",
        ClosedReason::SwitchedOff => "switched-off",
    }
}

pub(crate) fn gap_reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Evicted => "evicted",
        GapReason::OtherEpoch => "other-epoch",
        GapReason::Lagged => "lagged",
        GapReason::BadCursor => "bad-cursor",
        GapReason::Unknown => "unknown",
    }
}

pub(crate) fn parse_gap_reason(word: &str) -> GapReason {
    [GapReason::Evicted, GapReason::OtherEpoch, GapReason::Lagged, GapReason::BadCursor]
        .into_iter()
        .find(|reason| gap_reason(*reason) == word)
        .unwrap_or(GapReason::Unknown)
}

fn closing_reason(reason: ClosingReason) -> &'static str {
    match reason {
        ClosingReason::Draining => "draining",
        ClosingReason::Rotated => "rotated",
        ClosingReason::Lagged => "lagged",
        ClosingReason::TokenExpired => "token-expired",
        ClosingReason::Disabled => "disabled",
        ClosingReason::Unknown => "closing",
    }
}

pub(crate) fn parse_closing_reason(word: &str) -> ClosingReason {
    [
        ClosingReason::Draining,
        ClosingReason::Rotated,
        ClosingReason::Lagged,
        ClosingReason::TokenExpired,
        ClosingReason::Disabled,
    ]
    .into_iter()
    .find(|reason| closing_reason(*reason) == word)
    .unwrap_or(ClosingReason::Unknown)
}

/// What its `Display` says, without the machinery of formatting.
pub(crate) fn frame_error(error: FrameError) -> &'static str {
    match error {
        FrameError::NotBase64 => "the frame is not base64",
        FrameError::NotGzip => "the frame is not gzip",
        FrameError::CutShort => "the frame is cut short",
        FrameError::Corrupt => "the frame is damaged",
        FrameError::WrongChecksum => "the frame has a wrong checksum",
        FrameError::TooLarge { .. } => "the frame opens to more bytes than allowed",
        FrameError::NotUtf8 => "the frame does not hold text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_frame_is_described_as_the_protocol_does() {
        for error in [
            FrameError::NotBase64,
            FrameError::NotGzip,
            FrameError::CutShort,
            FrameError::Corrupt,
            FrameError::WrongChecksum,
            FrameError::TooLarge { limit_bytes: 1 },
            FrameError::NotUtf8,
        ] {
            assert_eq!(frame_error(error), error.to_string());
        }
    }
}

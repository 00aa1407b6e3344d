//! What crosses the border, by number. `js/src/border.ts` has the same words in the same order; a test compares.

/// The number of a word is its place in `ALL`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// All of them, each at the place of its number.
            pub const ALL: &[Self] = &[$(Self::$word),*];
        }
    };
}

words! {
    /// What happened. Where it has a text, that is in `room`.
    Happening {
        /// The page wants events. The text is the resume point, should `Setting::Resume` say that there is one.
        Start,
        /// The server has accepted the stream `link`.
        Opened,
        /// An event for the page came on `link`, with the id in the text.
        Event,
        /// The next bytes, in `room`, of the stream `link` over fetch.
        Chunk,
        /// `connected` came on `link`: the heartbeat interval in ms or NaN, the server's time in ms; the id.
        Connected,
        /// `heartbeat` came on `link`: the server's time in ms; the id.
        Heartbeat,
        /// `gap` came on `link`: id, from, to and reason, each ended by NUL but the last.
        Gap,
        /// `closing` came on `link`: when to come back in ms; id and reason, with NUL between.
        Closing,
        /// `expiring` came on `link`: how long the token is good for, in ms; the id.
        Expiring,
        /// The stream `link` is over: the HTTP status or 0, `Retry-After` in seconds or NaN. The text is the code of
        /// the server's refusal.
        Lost,
        /// The poll `link` is answered and its events were handed in. The text is the cursor.
        PollDone,
        /// The poll `link` failed: `Retry-After` in seconds or NaN.
        PollFailed,
        /// The answer to the question `link` after the server's health: 1 for enabled, 0 for not.
        Health,
        /// The question `link` after the server's health has no answer.
        HealthFailed,
        /// The page throws its half of the switch: 1 for on, 0 for off.
        SetEnabled,
        /// The network is gone, as far as the host can tell.
        Offline,
        /// The network is back.
        Online,
        /// The page is put aside, and may come back.
        Paused,
        /// Nothing ran until now.
        Woke,
        /// The deadline has passed.
        Due,
        /// The page has had enough.
        Close,
        /// The page listens for the type in the text.
        Listen,
    }
}

words! {
    /// What is to be done, with its numbers and its text.
    Told {
        /// Nothing, until something happens.
        Nothing,
        /// Open the stream: link, where it begins (0 live, 1 earliest, 2 after the id in the text).
        OpenStream,
        /// Close the stream: link.
        CloseStream,
        /// Send a poll: link, where it begins as above, for how many seconds the server may hold it back.
        Poll,
        /// Abandon the poll.
        CancelPoll,
        /// Ask the server's health: link.
        AskHealth,
        /// Give the page the event that was just handed in.
        Deliver,
        /// Give the page these events of the last piece, whose text all such events have in common: how many. Where the
        /// type, the data and the id of each begin and end in there, in bytes, is told by `slices`. An empty type is that
        /// of the event before, by `Slices` or by `Copy`.
        Slices,
        /// Give the page this event, with a text of its own: where in there its type, its data and its id begin and end, in bytes.
        Copy,
        /// Have this frame opened, and give the page what is in it: as `Copy`, under the type of the frame.
        Frame,
        /// Hand in this control event: as `Copy`.
        Control,
        /// Tell the state: its number (connecting, open, waiting, polling, closed), attempt, delay in ms; the
        /// text is the reason.
        State,
        /// Tell a heartbeat: its latency in ms.
        Heartbeat,
        /// Tell a gap: the text is from, to and reason, each ended by NUL but the last.
        Gap,
        /// Tell that the token of the stream expires soon: in how many ms.
        Expiring,
        /// Tell an error: the text is its code and its message, with NUL between.
        Trouble,
    }
}

words! {
    /// How the client behaves: 1 and 0 for yes and no, spans in ms, infinity for never.
    Setting {
        /// Where the jitter comes from.
        Seed,
        /// Where to begin: 0 live, 1 earliest, 2 after the id in the text of `Happening::Start`.
        Resume,
        /// Whether frames are asked for.
        Frames,
        /// The page's half of the switch.
        Enabled,
        /// Whether polling may stand in.
        Polling,
        /// See `Settings::silence`.
        HeartbeatTimeout,
        /// See `Settings::connect_timeout`.
        ConnectTimeout,
        /// See `Backoff::base_delay`.
        BaseReconnectDelay,
        /// See `Backoff::max_delay`.
        MaxReconnectDelay,
        /// See `Settings::max_attempts`.
        MaxReconnectAttempts,
        /// See `Settings::healthy_after`.
        HealthyAfter,
        /// See `Settings::poll_interval`.
        PollInterval,
        /// See `Settings::poll_wait`.
        PollWait,
        /// See `Settings::probe_interval`.
        ProbeInterval,
        /// See `Settings::renews_token`.
        RenewsToken,
    }
}

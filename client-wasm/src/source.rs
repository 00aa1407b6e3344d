//! One browser `EventSource` with its listeners.
//!
//! It never decides anything: what it hears goes to the driver. In particular it does not outlive its
//! first error, since the driver drops it there: reconnecting belongs to the machine alone.

use heartwire_protocol::Control;
use heartwire_protocol::connection::Link;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventSource, EventSourceInit, MessageEvent};

/// What came from a stream.
pub(crate) enum Heard {
    /// The server has accepted the stream.
    Opened,
    /// The stream was refused, cut, or came to its end. A browser does not tell which.
    Lost,
    /// An event of the server's own.
    Control(MessageEvent),
    /// An event for the page.
    Event(MessageEvent),
    /// A compressed event for the page.
    Frame(MessageEvent),
}

/// An open `EventSource`; dropping it closes it.
// Not `Clone`: two owners would be two opinions on when it closes.
pub(crate) struct Source {
    link: Link,
    inner: EventSource,
    frames: bool,
    // They are shared by all types: one function for each would cost more than it tells. None is taken
    // off again, since [spec] a closed EventSource dispatches nothing, not even what was queued before.
    on_control: Listener,
    on_event: Listener,
    on_frame: Listener,
}

type Listener = Closure<dyn Fn(Event)>;

impl Source {
    /// Opens `url`. `frames` says whether compressed events were asked for.
    ///
    /// # Errors
    /// There is no `EventSource` here, or it does not take this URL.
    pub(crate) fn open(
        url: &str,
        with_credentials: bool,
        link: Link,
        frames: bool,
        heard: impl Fn(Link, Heard) + 'static,
    ) -> Result<Self, JsValue> {
        let init = EventSourceInit::new();
        init.set_with_credentials(with_credentials);
        let inner = EventSource::new_with_event_source_init_dict(url, &init)?;
        let heard = Rc::new(heard);
        let listener = |sort: fn(Event) -> Heard| {
            let heard = Rc::clone(&heard);
            Listener::new(move |event| heard(link, sort(event)))
        };
        let source = Self {
            link,
            inner,
            frames,
            on_control: listener(sort_control),
            on_event: listener(|event| Heard::Event(event.unchecked_into())),
            on_frame: listener(|event| Heard::Frame(event.unchecked_into())),
        };
        for event_type in ["open", "error", "connected", "heartbeat", "gap", "closing"] {
            source.add(event_type, &source.on_control);
        }
        Ok(source)
    }

    /// From now on events of this type are heard, too.
    pub(crate) fn listen(&self, event_type: &str) {
        if Control::is_control_type(event_type) {
            return;
        }
        // Published events of the types `open` and `error` come with the browser's own.
        if !matches!(event_type, "open" | "error") {
            self.add(event_type, &self.on_event);
        }
        if self.frames {
            let mut frame_type = String::from(event_type);
            frame_type.push_str("+gzip");
            self.add(&frame_type, &self.on_frame);
        }
    }

    pub(crate) fn link(&self) -> Link {
        self.link
    }

    fn add(&self, event_type: &str, listener: &Listener) {
        // It fails for objects that are no event targets alone.
        let _ = self.inner.add_event_listener_with_callback(event_type, listener.as_ref().unchecked_ref());
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.inner.close();
    }
}

/// Tells the browser's own `open` and `error` from events that were published under these types.
fn sort_control(event: Event) -> Heard {
    match event.dyn_into::<MessageEvent>() {
        Ok(message) if Control::is_control_type(&message.type_()) => Heard::Control(message),
        Ok(message) => Heard::Event(message),
        Err(event) if event.type_() == "open" => Heard::Opened,
        Err(_) => Heard::Lost,
    }
}

//! The three addresses of a server: the stream, the poll beside it and the question after its health.

use crate::error::Refusal;
use heartwire_protocol::connection::Resume;
use web_sys::Url;

/// The address of a stream as the page gave it, with its topics; the others follow from it.
#[derive(Debug)]
pub(crate) struct Address {
    url: String,
    frames: bool,
}

impl Address {
    /// Takes an absolute URL; `frames` asks the server for compressed events.
    pub(crate) fn parse(url: &str, frames: bool) -> Result<Self, Refusal> {
        let url = Url::new(url).map_err(|_| Refusal::BadAddress)?;
        Ok(Self { url: url.href(), frames })
    }

    pub(crate) fn stream(&self, resume: &Resume) -> Option<String> {
        let url = Url::new(&self.url).ok()?;
        let query = url.search_params();
        if self.frames {
            query.set("frames", "gzip");
        }
        match resume {
            Resume::Live => {}
            Resume::Earliest => query.set("from", "earliest"),
            Resume::After(id) => query.set("last_event_id", id),
        }
        Some(url.href())
    }

    #[cfg(feature = "polling")]
    pub(crate) fn poll(&self, resume: &Resume, wait: core::time::Duration) -> Option<String> {
        let url = self.below("poll")?;
        let query = url.search_params();
        match resume {
            Resume::Live => {}
            Resume::Earliest => query.set("from", "earliest"),
            Resume::After(id) => query.set("cursor", id),
        }
        query.set("wait", &String::from(js_sys::Number::from(wait.as_secs_f64()).to_js_string()));
        Some(url.href())
    }

    #[cfg(feature = "polling")]
    pub(crate) fn health(&self) -> Option<String> {
        let url = self.below("health")?;
        url.set_search("");
        Some(url.href())
    }

    #[cfg(feature = "polling")]
    fn below(&self, last_segment: &str) -> Option<Url> {
        let url = Url::new(&self.url).ok()?;
        let mut path = url.pathname();
        if !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(last_segment);
        url.set_pathname(&path);
        Some(url)
    }
}

//! The three addresses of a server: the stream, the poll beside it and the question after its health.

use crate::error::Refusal;
use heartwire_protocol::connection::Resume;
use web_sys::Url;

/// The parameters that belong to the machine and not to the URL it is given. A poll refuses `frames`, a
/// stream `wait`, and a second resume point would compete with the machine's own.
const OWN_PARAMETERS: [&str; 5] = ["last_event_id", "from", "frames", "cursor", "wait"];

/// The address of a stream as the page gave it, with its topics; the others follow from it.
#[derive(Debug)]
pub(crate) struct Address {
    url: String,
    frames: bool,
    resume: Resume,
}

impl Address {
    /// Takes an absolute URL; `frames` asks the server for compressed events. A resume point in the URL
    /// becomes [`resume`](Self::resume).
    pub(crate) fn parse(url: &str, frames: bool) -> Result<Self, Refusal> {
        let url = Url::new(url).map_err(|_| Refusal::BadAddress)?;
        let query = url.search_params();
        let resume = match query.get("last_event_id") {
            Some(id) if !id.is_empty() => Resume::After(id),
            _ if query.get("from").as_deref() == Some("earliest") => Resume::Earliest,
            _ => Resume::Live,
        };
        for name in OWN_PARAMETERS {
            query.delete(name);
        }
        Ok(Self { url: url.href(), frames, resume })
    }

    /// Where the URL says to begin, should the options not say it.
    pub(crate) fn resume(&self) -> &Resume {
        &self.resume
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

//! The addresses of one hub's stream, polls and health.

use heartwire_protocol::Topic;
use heartwire_protocol::connection::Resume;
use reqwest::Url;
use std::fmt;
use std::time::Duration;

/// The parameters that belong to the subscriber and not to the URL it is given.
const OWN_PARAMETERS: [&str; 5] = ["last_event_id", "from", "frames", "cursor", "wait"];

/// Where a hub is, and which topics to read there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberUrl {
    stream: Url,
    resume: Resume,
}

/// The URL cannot be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// It is neither an http nor an https URL.
    NotHttp,
    /// Neither the URL nor the list names a topic.
    NoTopic,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "only http and https URLs are known",
            Self::NoTopic => "name at least one topic, by --topic or as ?topic= in the URL",
        })
    }
}

impl std::error::Error for UrlError {}

impl SubscriberUrl {
    /// Takes the URL of a hub, its prefix included, or that of a stream as a page would open it; and
    /// topics beside those that the URL names. A resume point in the URL becomes [`resume`](Self::resume).
    ///
    /// # Errors
    /// The URL is neither an http nor an https URL, or no topic is named.
    pub fn new(url: &Url, topics: &[Topic]) -> Result<Self, UrlError> {
        let mut stream = url.clone();
        let pairs: Vec<_> = url.query_pairs().filter(|(name, _)| !OWN_PARAMETERS.contains(&name.as_ref())).collect();
        if topics.is_empty() && !pairs.iter().any(|(name, _)| name == "topic") {
            return Err(UrlError::NoTopic);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::NotHttp);
        }
        let names_the_stream = url.path().trim_end_matches('/').ends_with("/events");
        let mut path = stream.path_segments_mut().map_err(|()| UrlError::NotHttp)?;
        path.pop_if_empty();
        if !names_the_stream {
            path.push("events");
        }
        drop(path);
        stream.set_fragment(None);
        let topics = topics.iter().map(|topic| ("topic", topic.as_str()));
        stream.query_pairs_mut().clear().extend_pairs(pairs).extend_pairs(topics);
        Ok(Self { stream, resume: resume_of(url) })
    }

    /// Where the URL says to begin, by `last_event_id` or `from`: for the settings of the state machine,
    /// which owns the resume point from then on.
    #[must_use]
    pub fn resume(&self) -> &Resume {
        &self.resume
    }

    pub(super) fn scheme(&self) -> &str {
        self.stream.scheme()
    }

    pub(super) fn stream(&self, resume: &Resume) -> Url {
        let mut url = self.stream.clone();
        url.query_pairs_mut().append_pair("frames", "gzip").extend_pairs(resume_pair("last_event_id", resume));
        url
    }

    pub(super) fn poll(&self, resume: &Resume, wait: Duration) -> Url {
        let mut url = self.beside("poll");
        url.query_pairs_mut()
            .append_pair("wait", &wait.as_secs_f64().to_string())
            .extend_pairs(resume_pair("cursor", resume));
        url
    }

    pub(super) fn health(&self) -> Url {
        let mut url = self.beside("health");
        url.set_query(None);
        // A server that streams to a part of its clients answers each what holds for it.
        if let Some((_, id)) = self.stream.query_pairs().find(|(name, _)| name == "client_id") {
            url.query_pairs_mut().append_pair("client_id", &id);
        }
        url
    }

    fn beside(&self, name: &str) -> Url {
        let mut url = self.stream.clone();
        let path = format!("{}/{name}", url.path());
        url.set_path(&path);
        url
    }
}

fn resume_of(url: &Url) -> Resume {
    let value = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    match (value("last_event_id").filter(|id| !id.is_empty()), value("from").as_deref()) {
        (Some(id), _) => Resume::After(id),
        (None, Some("earliest")) => Resume::Earliest,
        (None, _) => Resume::Live,
    }
}

fn resume_pair<'a>(id_name: &'a str, resume: &'a Resume) -> Option<(&'a str, &'a str)> {
    match resume {
        Resume::Live => None,
        Resume::Earliest => Some(("from", "earliest")),
        Resume::After(id) => Some((id_name, id)),
    }
}

impl fmt::Display for SubscriberUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_from_where_its_url_says() {
        let check = |query: &str, expected: Resume| {
            let url = format!("http://hub/events?topic=a{query}").parse().unwrap();
            let url = SubscriberUrl::new(&url, &[]).unwrap();
            assert_eq!(url.resume(), &expected);
            assert_eq!(url.to_string(), "http://hub/events?topic=a", "the machine's own parameter from now on");
        };
        check("", Resume::Live);
        check("&from=earliest", Resume::Earliest);
        check("&last_event_id=abc-7&from=earliest", Resume::After("abc-7".into()));
        check("&last_event_id=&from=earliest", Resume::Earliest);
    }

    #[test]
    fn a_hub_and_a_stream_lead_to_the_same_addresses() {
        let check = |url: &str, topics: &[&str], expected: &str| {
            let topics: Vec<_> = topics.iter().map(|topic| Topic::parse(topic).unwrap()).collect();
            let url = SubscriberUrl::new(&url.parse().unwrap(), &topics).unwrap();
            assert_eq!(url.to_string(), expected);
        };
        check("http://hub", &["a"], "http://hub/events?topic=a");
        check("http://hub/live/", &["a b", "ü"], "http://hub/live/events?topic=a+b&topic=%C3%BC");
        check("http://hub/live/events?topic=a#x", &["b"], "http://hub/live/events?topic=a&topic=b");
        check("http://hub/events?topic=a&last_event_id=x-1&from=earliest", &[], "http://hub/events?topic=a");
    }

    #[test]
    fn the_resume_point_goes_where_each_request_expects_it() {
        let url = SubscriberUrl::new(&"http://hub/live?topic=a".parse().unwrap(), &[]).unwrap();
        let after = Resume::After("abc-7".into());
        assert_eq!(url.stream(&after).as_str(), "http://hub/live/events?topic=a&frames=gzip&last_event_id=abc-7");
        assert_eq!(url.stream(&Resume::Earliest).as_str(), "http://hub/live/events?topic=a&frames=gzip&from=earliest");
        let poll = url.poll(&after, Duration::from_millis(2_500));
        assert_eq!(poll.as_str(), "http://hub/live/events/poll?topic=a&wait=2.5&cursor=abc-7");
        assert_eq!(url.health().as_str(), "http://hub/live/events/health");
        let url = SubscriberUrl::new(&"http://hub/?topic=a&client_id=x%20y".parse().unwrap(), &[]).unwrap();
        assert_eq!(url.health().as_str(), "http://hub/events/health?client_id=x+y");
    }

    #[test]
    fn what_cannot_be_read_from_is_refused() {
        let check = |url: &str| SubscriberUrl::new(&url.parse().unwrap(), &[]).unwrap_err();
        assert_eq!(check("http://hub/"), UrlError::NoTopic);
        assert_eq!(check("ftp://hub/?topic=a"), UrlError::NotHttp);
        assert_eq!(check("mailto:a@example.com?topic=a"), UrlError::NotHttp);
    }
}

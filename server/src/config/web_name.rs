//! Names in the spelling of browsers: an origin, a host, a path. Each is checked once, and then compared
//! letter by letter.

use axum::http::uri::Authority;
use std::fmt;
use std::str::FromStr;

/// Where a page comes from: scheme, host and port, exactly as its browser sends it in `Origin`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// The name or address of a host, without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// The beginning of some paths: from one slash to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPrefix(String);

/// What a name must look like. Completes "allow_origins …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebNameError(&'static str);

impl Origin {
    /// As it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostName {
    /// Whether a host of a request, without its port, is this one.
    #[must_use]
    pub fn is(&self, host: &str) -> bool {
        self.0.eq_ignore_ascii_case(host)
    }
}

impl PathPrefix {
    /// Whether a path of a request lies below.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.starts_with(&self.0)
    }
}

impl FromStr for Origin {
    type Err = WebNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = WebNameError(
            "must be an origin as browsers send it, in small letters and without a path or the usual port, \
             such as https://app.example or http://localhost:3000",
        );
        let (scheme, authority) = text.split_once("://").ok_or(wrong)?;
        let usual_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong),
        };
        let parsed: Authority = authority.parse().map_err(|_| wrong)?;
        let as_browsers_write_it = match parsed.port_u16() {
            Some(port) if port != usual_port => format!("{}:{port}", parsed.host()),
            _ => parsed.host().to_owned(),
        };
        let is_host = is_host(parsed.host());
        if is_host && authority == as_browsers_write_it { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

impl FromStr for HostName {
    type Err = WebNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = WebNameError("must be a name or an address without a port, such as hub.example");
        let parsed: Authority = text.parse().map_err(|_| wrong)?;
        if is_host(text) && parsed.host() == text { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

/// A name or an address in small letters. Nothing stands for several: a `*` would let everybody in.
fn is_host(text: &str) -> bool {
    let is_of_a_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._[]:".contains(c);
    !text.is_empty() && text.chars().all(is_of_a_host)
}

impl FromStr for PathPrefix {
    type Err = WebNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte));
        if is_path && text.starts_with('/') && text.ends_with('/') && !text.contains("//") {
            Ok(Self(text.to_owned()))
        } else {
            Err(WebNameError("must be a path that begins and ends with a slash, such as /assets/"))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for WebNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for WebNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr + fmt::Display>(good: &[&str], bad: &[&str]) {
        for text in good {
            let parsed = text.parse::<T>().unwrap_or_else(|_| panic!("{text:?} is refused"));
            assert_eq!(parsed.to_string(), *text);
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} is taken");
        }
    }

    #[test]
    fn an_origin_is_taken_as_browsers_send_it_and_in_no_other_spelling() {
        let good = ["https://app.example", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:3000"];
        let bad = [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://*",
            "https://*.example",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:",
            "https://app.example:70000",
            "https://App.example",
            "HTTPS://app.example",
            "https://user@app.example",
            "ftp://app.example",
            "https://app.example https://b.example",
            "https://äpp.example",
            "https://app.example?x",
        ];
        check::<Origin>(&good, &bad);
    }

    #[test]
    fn a_host_has_no_port_and_stands_for_itself_alone() {
        check::<HostName>(
            &["hub.example", "192.0.2.1", "[::1]", "hub_1"],
            &["", "*", "*.example", "hub.example:80", "hub.example/", "Hub.example", "a b", "::1", "http://hub"],
        );
        let name: HostName = "hub.example".parse().unwrap();
        assert!(name.is("HUB.example") && !name.is("hub.example.evil.example") && !name.is("ub.example"));
    }

    #[test]
    fn a_prefix_goes_from_slash_to_slash() {
        check::<PathPrefix>(&["/", "/assets/", "/a/b/"], &["", "assets/", "/assets", "//", "/a//b/", "/ä/", "/%41/"]);
        let assets: PathPrefix = "/assets/".parse().unwrap();
        assert!(assets.covers("/assets/app.js") && !assets.covers("/assets.js"));
    }
}

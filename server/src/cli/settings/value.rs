//! What a setting can hold, and how that is written.
//!
//! Flags and environment variables are text, a file has types: a value is read from either, and is
//! written as a file has it. What is read says what was wrong with it so that its setting's name can
//! stand in front: "must be true or false".

use crate::config::{
    HostName, LogFormat, LogLevel, Origin, OtlpEndpoint, PathPrefix, Preset, PresetValue, Secret, SlowReaders,
    TopicPattern, TrustedProxy,
};
use axum::http::HeaderValue;
use config::{Value, ValueKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A type of settings.
pub(super) trait Content: Sized {
    /// Never shown.
    const SECRET: bool = false;
    /// Has no form that fits a flag or an environment variable.
    const FILE_ONLY: bool = false;

    fn read(given: &Value) -> Result<Self, String>;

    fn write(&self) -> toml::Value;
}

/// The place of a value in a configuration, whatever its type.
pub(super) trait Field {
    fn set(&mut self, given: &Value) -> Result<(), String>;
    fn get(&self) -> toml::Value;
    fn is_secret(&self) -> bool;
    fn is_file_only(&self) -> bool;
}

impl<T: Content> Field for T {
    fn set(&mut self, given: &Value) -> Result<(), String> {
        *self = T::read(given)?;
        Ok(())
    }

    fn get(&self) -> toml::Value {
        self.write()
    }

    fn is_secret(&self) -> bool {
        T::SECRET
    }

    fn is_file_only(&self) -> bool {
        T::FILE_ONLY
    }
}

/// A type whose one form is a word or a text, which it reads and writes itself. An enum of settings needs
/// no more than this.
pub(super) trait Text: FromStr<Err: ToString> + ToString {}

impl Text for LogFormat {}
impl Text for LogLevel {}
impl Text for OtlpEndpoint {}
impl Text for HostName {}
impl Text for Origin {}
impl Text for PathPrefix {}
impl Text for Preset {}
impl Text for SlowReaders {}
impl Text for String {}
impl Text for TopicPattern {}
impl Text for TrustedProxy {}

impl<T: Text> Content for T {
    fn read(given: &Value) -> Result<Self, String> {
        text(given).ok_or("must be a text in quotes")?.parse().map_err(|err: T::Err| err.to_string())
    }

    fn write(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Content for bool {
    fn read(given: &Value) -> Result<Self, String> {
        match &given.kind {
            ValueKind::Boolean(truth) => Ok(*truth),
            ValueKind::String(text) => text.parse().map_err(|_| "must be true or false".into()),
            _ => Err("must be true or false".into()),
        }
    }

    fn write(&self) -> toml::Value {
        (*self).into()
    }
}

impl Content for usize {
    fn read(given: &Value) -> Result<Self, String> {
        // As far as TOML's numbers reach, so that what was read can be written.
        let number: Option<i64> = match &given.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::U64(number) => (*number).try_into().ok(),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        };
        number.and_then(|number| number.try_into().ok()).ok_or_else(|| "must be a whole number from 0 on".into())
    }

    fn write(&self) -> toml::Value {
        i64::try_from(*self).unwrap_or(i64::MAX).into()
    }
}

impl Content for Duration {
    fn read(given: &Value) -> Result<Self, String> {
        let seconds = match &given.kind {
            ValueKind::I64(seconds) => Some(*seconds as f64),
            ValueKind::U64(seconds) => Some(*seconds as f64),
            ValueKind::Float(seconds) => Some(*seconds),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.ok_or("must be a number of seconds, such as 15 or 0.5")?;
        Self::try_from_secs_f64(seconds).map_err(|_| "must be a number of seconds from 0 on".into())
    }

    fn write(&self) -> toml::Value {
        match i64::try_from(self.as_secs()) {
            Ok(seconds) if self.subsec_nanos() == 0 => seconds.into(),
            _ => self.as_secs_f64().into(),
        }
    }
}

impl Content for SocketAddr {
    fn read(given: &Value) -> Result<Self, String> {
        let address = text(given).and_then(|text| text.parse().ok());
        address.ok_or_else(|| "must be an address with a port, such as 127.0.0.1:8080 or [::]:80".into())
    }

    fn write(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Content for PathBuf {
    fn read(given: &Value) -> Result<Self, String> {
        match text(given) {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err("must be a path".into()),
        }
    }

    fn write(&self) -> toml::Value {
        self.to_string_lossy().into_owned().into()
    }
}

impl Content for Secret {
    const SECRET: bool = true;

    fn read(given: &Value) -> Result<Self, String> {
        // Not even what is wrong with it may tell of it.
        text(given).map(Self::new).ok_or_else(|| "must be a text in quotes".into())
    }

    fn write(&self) -> toml::Value {
        "not shown".into()
    }
}

impl Content for HeaderValue {
    fn read(given: &Value) -> Result<Self, String> {
        let value = text(given).filter(|text| !text.trim().is_empty() && text.is_ascii());
        value.and_then(|text| text.parse().ok()).ok_or_else(|| "must be a text that fits a header, in one line".into())
    }

    fn write(&self) -> toml::Value {
        self.to_str().expect("it was read from a text in ASCII").into()
    }
}

impl From<PresetValue> for ValueKind {
    fn from(value: PresetValue) -> Self {
        match value {
            PresetValue::Number(number) => number.into(),
            PresetValue::Truth(truth) => truth.into(),
            PresetValue::Words(words) => Self::Array(words.iter().map(|word| Value::from(*word)).collect()),
        }
    }
}

/// What can be switched off, which is written `off`.
pub(super) trait Switchable: Content {}

impl Switchable for usize {}
impl Switchable for Duration {}
impl Switchable for OtlpEndpoint {}
impl Switchable for HeaderValue {}
impl Switchable for PathBuf {}
impl Switchable for Preset {}
impl Switchable for Secret {}
impl Switchable for String {}

impl<T: Switchable> Content for Option<T> {
    const SECRET: bool = T::SECRET;

    fn read(given: &Value) -> Result<Self, String> {
        if text(given) == Some("off") {
            return Ok(None);
        }
        T::read(given).map(Some).map_err(|problem| format!("{problem}; `off` switches it off"))
    }

    fn write(&self) -> toml::Value {
        self.as_ref().map_or_else(|| "off".into(), Content::write)
    }
}

/// Yes, no, or as it fits the rest, which is written `auto`.
impl Content for Option<bool> {
    fn read(given: &Value) -> Result<Self, String> {
        if text(given) == Some("auto") {
            return Ok(None);
        }
        bool::read(given).map(Some).map_err(|_| "must be true, false or auto".into())
    }

    fn write(&self) -> toml::Value {
        self.as_ref().map_or_else(|| "auto".into(), Content::write)
    }
}

/// A list: an array in a file; elsewhere text with commas, where its elements are text. A list of tables,
/// `[[like_this]]`, is for a file alone.
impl<T: Content> Content for Vec<T> {
    const SECRET: bool = T::SECRET;
    const FILE_ONLY: bool = T::FILE_ONLY;

    fn read(given: &Value) -> Result<Self, String> {
        let elements = match &given.kind {
            ValueKind::Array(elements) => elements.clone(),
            ValueKind::String(text) if !T::FILE_ONLY => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(Value::from).collect()
            }
            _ if T::FILE_ONLY => return Err("must be a list of tables".into()),
            _ => return Err("must be a list".into()),
        };
        let read =
            |(element, number)| T::read(element).map_err(|problem| format!("{problem} at place {number} of the list"));
        elements.iter().zip(1..).map(read).collect()
    }

    fn write(&self) -> toml::Value {
        self.iter().map(Content::write).collect::<Vec<_>>().into()
    }
}

fn text(given: &Value) -> Option<&str> {
    match &given.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

/// A span as a flag of other commands: seconds, fractions allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct Seconds(pub(in crate::cli) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Duration::read(&text.into()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        fn check<T: Content + PartialEq + std::fmt::Debug>(values: impl IntoIterator<Item = T>) {
            for value in values {
                let written = toml::to_string(&toml::Table::from_iter([("x".to_owned(), value.write())])).unwrap();
                let read: std::collections::BTreeMap<String, Value> = toml::from_str(&written).unwrap();
                assert_eq!(T::read(&read["x"]).unwrap(), value, "{written}");
            }
        }
        check([true, false]);
        check([Some(true), Some(false), None]);
        check([0, 1, 10_000, i64::MAX as usize]);
        check([None, Some(0), Some(7)]);
        check([0, 1, 500, 15_000, 86_400_001].map(Duration::from_millis));
        check([None, Some(Duration::from_nanos(100_000_001)), Some(Duration::from_secs(366 * 24 * 3_600))]);
        check(["127.0.0.1:0", "[::1]:8080"].map(|text| text.parse::<SocketAddr>().unwrap()));
        check([None, Some(PathBuf::from("a \"b\"\\c\n"))]);
        check(Preset::ALL);
        check([vec![], vec![1, 2, 3]]);
    }

    #[test]
    fn text_means_what_the_file_would_say() {
        fn check<T: Content + PartialEq + std::fmt::Debug>(text: &str, expected: Result<T, &str>) {
            assert_eq!(T::read(&text.into()), expected.map_err(String::from), "{text:?}");
        }
        check("true", Ok(true));
        check::<bool>("yes", Err("must be true or false"));
        check("7", Ok(7));
        check::<usize>("-7", Err("must be a whole number from 0 on"));
        check::<usize>("", Err("must be a whole number from 0 on"));
        check("0.5", Ok(Duration::from_millis(500)));
        check("off", Ok(None::<Duration>));
        check::<Option<Duration>>("NaN", Err("must be a number of seconds from 0 on; `off` switches it off"));
        check::<Duration>("1e300", Err("must be a number of seconds from 0 on"));
        check::<Duration>("15s", Err("must be a number of seconds, such as 15 or 0.5"));
        check("a, b,", Ok(vec![PathBuf::from("a"), "b".into()]));
        check("", Ok(Vec::<usize>::new()));
        check::<Vec<usize>>("1,x", Err("must be a whole number from 0 on at place 2 of the list"));
        check::<Option<bool>>("off", Err("must be true, false or auto"));
    }

    #[test]
    fn a_file_has_types_and_keeps_them() {
        fn check<T: Content + PartialEq + std::fmt::Debug>(given: impl Into<ValueKind>) {
            let given = Value::new(None, given);
            assert!(T::read(&given).is_err(), "{given:?}");
        }
        check::<Duration>(true);
        check::<Duration>(-1);
        check::<Duration>(f64::NAN);
        check::<bool>(1);
        check::<usize>(1.0);
        check::<usize>(true);
        check::<usize>(-1);
        check::<Option<usize>>(false);
        check::<SocketAddr>(8080);
        check::<PathBuf>(1);
        check::<Option<Preset>>(1);
        check::<Vec<usize>>(1);
    }
}

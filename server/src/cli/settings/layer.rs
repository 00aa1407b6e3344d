//! Where values come from, one layer over the other.
//!
//! Every layer is checked when it is read, whether or not another one covers it: a name or a value that
//! cannot be meant is refused in one sentence that names the setting and the place. What lies over what
//! is the business of the `config` crate.

use super::table::Setting;
use super::value::Field;
use crate::cli::Failure;
use config::{Config, Map, Source, Value, ValueKind};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::Path;
use toml::Spanned;

/// What the name of each of our environment variables begins with.
const ENVIRONMENT_PREFIX: &str = "HEARTWIRE_";
/// The variable that names the file.
pub(super) const FILE_VARIABLE: &str = "HEARTWIRE_CONFIG";

/// The variable of the commands that talk to a hub, which is no setting.
pub(in crate::cli) const TOKEN_VARIABLE: &str = "HEARTWIRE_TOKEN";
/// Variables that others use, and the settings that they stand for where ours is not there. The first one wins.
const ALSO_READ: [(&str, &str); 2] = [("JWT_SECRET_KEY", "jwt_secret_key"), ("AUTH_SECRET_KEY", "jwt_secret_key")];

/// Some values by the names of their settings. Each knows its origin: "the flag --listen".
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// A configuration, and where each value that is no default came from.
pub(super) struct Merged<C> {
    pub(super) config: C,
    origins: BTreeMap<&'static str, String>,
}

impl<C> Merged<C> {
    pub(super) fn origin(&self, name: &str) -> &str {
        self.origins.get(name).map_or("the default", String::as_str)
    }
}

/// Puts layers over a configuration, the last one on top.
pub(super) fn merge<C>(
    settings: &'static [Setting<C>],
    mut config: C,
    layers: impl IntoIterator<Item = Layer>,
) -> Result<Merged<C>, Failure> {
    let merged = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer)).build();
    let merged = merged.and_then(|merged| merged.cache.into_table());
    let merged = merged.map_err(|err| Failure::new("the configuration cannot be put together", &err))?;
    let mut origins = BTreeMap::new();
    for setting in settings {
        let Some(given) = merged.get(setting.name) else { continue };
        let origin = given.origin().unwrap_or_default();
        set((setting.field)(&mut config), given, setting.name, origin)?;
        origins.insert(setting.name, origin.to_owned());
    }
    Ok(Merged { config, origins })
}

fn set(field: &mut dyn Field, given: &Value, name: &str, origin: &str) -> Result<(), Failure> {
    field.set(given).map_err(|problem| Failure::of(format!("{name} {problem} (from {origin})")))
}

/// Reads layers against a list of settings.
pub(super) struct Reader<C: 'static> {
    pub(super) settings: &'static [Setting<C>],
    /// Takes each value once, to see whether it fits.
    pub(super) scratch: C,
}

impl<C> Reader<C> {
    /// The values of a preset.
    pub(super) fn preset(
        &mut self,
        origin: &str,
        values: impl IntoIterator<Item = (&'static str, impl Into<ValueKind>)>,
    ) -> Result<Layer, Failure> {
        let mut layer = Layer::default();
        for (name, value) in values {
            self.add(&mut layer, name, Value::new(Some(&origin.to_owned()), value))?;
        }
        Ok(layer)
    }

    pub(super) fn flags<'a>(
        &mut self,
        given: impl IntoIterator<Item = (&'static str, &'a String)>,
    ) -> Result<Layer, Failure> {
        let mut layer = Layer::default();
        for (name, text) in given {
            let origin = format!("the flag --{}", name.replace('_', "-"));
            self.add(&mut layer, name, Value::new(Some(&origin), text.as_str()))?;
        }
        Ok(layer)
    }

    /// Takes the variables that begin like ours. One that is none of ours is refused: a typing error would
    /// otherwise leave a default in force without a word.
    pub(super) fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Layer, Failure> {
        let variables: Vec<_> = variables.into_iter().collect();
        let mut layer = Layer::default();
        for (variable, name) in ALSO_READ.into_iter().rev() {
            // A list of settings for a test may not have it.
            let Some(setting) = self.settings.iter().find(|setting| setting.name == name) else { continue };
            if let Some((_, value)) = variables.iter().find(|(given, _)| given == variable) {
                self.add_variable(&mut layer, setting.name, variable, value)?;
            }
        }
        for (variable, value) in &variables {
            let variable = variable.to_string_lossy();
            let Some(given) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if variable == FILE_VARIABLE || variable == TOKEN_VARIABLE {
                continue;
            }
            let origin = format!("the environment variable {variable}");
            let setting = self.settings.iter().find(|setting| setting.name.to_uppercase() == given);
            let Some(name) = setting.map(|setting| setting.name) else {
                let nearest = self.nearest(&given.to_lowercase());
                return Err(unknown(&origin, nearest.map(|name| ENVIRONMENT_PREFIX.to_owned() + &name.to_uppercase())));
            };
            if self.is_file_only(name) {
                return Err(Failure::of(format!(
                    "{origin} is not a setting: {name} is a list of tables, for the file alone"
                )));
            }
            self.add_variable(&mut layer, name, &variable, value)?;
        }
        Ok(layer)
    }

    fn add_variable(
        &mut self,
        layer: &mut Layer,
        name: &'static str,
        variable: &str,
        value: &OsStr,
    ) -> Result<(), Failure> {
        let origin = format!("the environment variable {variable}");
        let text = value.to_str().ok_or_else(|| Failure::of(format!("{origin} is not UTF-8 text")))?;
        self.add(layer, name, Value::new(Some(&origin), text))
    }

    pub(super) fn file(&mut self, path: &Path) -> Result<Layer, Failure> {
        // Whatever a path holds, it stays in its line.
        let shown = path.to_string_lossy().replace(char::is_control, " ");
        let bytes = std::fs::read(path)
            .map_err(|err| Failure::new(&format!("the configuration file {shown} cannot be read"), &err))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::of(format!("the configuration file {shown} is not UTF-8 text")))?;
        self.toml(&text, &shown)
    }

    fn toml(&mut self, text: &str, file: &str) -> Result<Layer, Failure> {
        let place = |at: usize| format!("line {} of {file}", text[..at.min(text.len())].matches('\n').count() + 1);
        let table: BTreeMap<Spanned<String>, Value> = toml::from_str(text).map_err(|err| {
            let at = err.span().map(|span| span.start);
            let key = at.and_then(|at| key_of_line(text, at)).map_or_else(String::new, |key| format!("{key} in "));
            let place = at.map_or_else(|| file.to_owned(), place);
            Failure::of(format!("{key}{place} is not TOML: {}", err.message().replace('\n', ", ")))
        })?;
        let mut layer = Layer::default();
        for (key, value) in table {
            let origin = place(key.span().start);
            let name = key.get_ref();
            let Some(setting) = self.settings.iter().find(|setting| setting.name == name) else {
                return Err(unknown(&format!("{name} in {origin}"), self.nearest(name)));
            };
            self.add(&mut layer, setting.name, Value::new(Some(&origin), value.kind))?;
        }
        Ok(layer)
    }

    fn add(&mut self, layer: &mut Layer, name: &'static str, value: Value) -> Result<(), Failure> {
        let origin = value.origin().unwrap_or_default();
        if let Some(setting) = self.settings.iter().find(|setting| setting.name == name) {
            set((setting.field)(&mut self.scratch), &value, name, origin)?;
        }
        layer.0.insert(name.to_owned(), value);
        Ok(())
    }

    fn is_file_only(&mut self, name: &str) -> bool {
        let setting = self.settings.iter().find(|setting| setting.name == name);
        setting.is_some_and(|setting| (setting.field)(&mut self.scratch).is_file_only())
    }

    /// The name that was most likely meant, if any is like it at all.
    fn nearest(&self, given: &str) -> Option<&'static str> {
        const ALIKE: u32 = 800;
        let names = self.settings.iter().map(|setting| setting.name);
        let likeness = |name: &'static str| ((strsim::jaro_winkler(name, given) * 1_000.0) as u32, name);
        names.map(likeness).max().filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, name)| name)
    }
}

/// What a line of a file sets, as far as can be told where it is no TOML.
fn key_of_line(text: &str, at: usize) -> Option<&str> {
    let begin = text.get(..at)?.rfind('\n').map_or(0, |line_end| line_end + 1);
    let line = text[begin..].trim_start();
    let is_of_a_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = &line[..line.find(|c| !is_of_a_key(c)).unwrap_or(line.len())];
    (!key.is_empty()).then_some(key)
}

fn unknown(what: &str, nearest: Option<impl Display>) -> Failure {
    Failure::of(match nearest {
        Some(nearest) => format!("{what} is not a setting; is it {nearest}?"),
        None => format!("{what} is not a setting; `heartwire config` shows them all"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::value::{Content, Text};
    use super::*;
    use serde::Deserialize;
    use std::fmt;
    use std::str::FromStr;
    use std::time::Duration;

    /// A configuration with a setting of each sort.
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Sample {
        count: usize,
        span: Option<Duration>,
        names: Vec<Name>,
        rules: Vec<Rule>,
        key: Key,
    }

    #[derive(Debug, Clone, Default, PartialEq)]
    struct Name(String);

    impl FromStr for Name {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            if text.contains(' ') { Err("must be names without spaces") } else { Ok(Self(text.into())) }
        }
    }

    impl fmt::Display for Name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl Text for Name {}

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        pattern: String,
        count: usize,
    }

    impl Content for Rule {
        const FILE_ONLY: bool = true;

        fn read(given: &Value) -> Result<Self, String> {
            given.clone().try_deserialize().map_err(|err| format!("has a bad rule: {err}"))
        }

        fn write(&self) -> toml::Value {
            let pairs = [("pattern", self.pattern.as_str().into()), ("count", (self.count as i64).into())];
            toml::Table::from_iter(pairs.map(|(name, value): (_, toml::Value)| (name.to_owned(), value))).into()
        }
    }

    #[derive(Debug, Clone, Default, PartialEq)]
    struct Key(String);

    impl Content for Key {
        const SECRET: bool = true;

        fn read(given: &Value) -> Result<Self, String> {
            let long = String::read(given).ok().filter(|text| text.len() > 3);
            long.map(Self).ok_or_else(|| "must be longer".into())
        }

        fn write(&self) -> toml::Value {
            self.0.as_str().into()
        }
    }

    fn settings() -> &'static [Setting<Sample>] {
        fn setting(name: &'static str, field: fn(&mut Sample) -> &mut dyn Field) -> Setting<Sample> {
            Setting { name, heading: "Sample", value_name: "X", text: "A text.", field }
        }
        static SETTINGS: std::sync::LazyLock<Vec<Setting<Sample>>> = std::sync::LazyLock::new(|| {
            vec![
                setting("count", |c| &mut c.count),
                setting("span", |c| &mut c.span),
                setting("names", |c| &mut c.names),
                setting("rules", |c| &mut c.rules),
                setting("key", |c| &mut c.key),
            ]
        });
        &SETTINGS
    }

    fn reader() -> Reader<Sample> {
        Reader { settings: settings(), scratch: Sample::default() }
    }

    fn variables(text: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        text.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn each_layer_lies_over_the_one_before_it() {
        let preset = || reader().preset("the preset p", vec![("count", 1), ("span", 1)]).unwrap();
        let file = || reader().toml("count = 2\nspan = 2.5\nnames = ['file', 'two']", "f.toml").unwrap();
        let environment = || {
            let given = [("HEARTWIRE_COUNT", "3"), ("HEARTWIRE_SPAN", "off"), ("HEARTWIRE_NAMES", "variable")];
            reader().environment(variables(&given)).unwrap()
        };
        let flags = || {
            let given = [("count", "4"), ("span", "4"), ("names", "flag,two")].map(|(name, text)| (name, text.into()));
            reader().flags(given.iter().map(|(name, text)| (*name, text))).unwrap()
        };
        let check = |layers: Vec<Layer>, (count, span, names): (usize, Option<f64>, &[&str]), origins: [&str; 3]| {
            let default = Sample { names: vec![Name("default".into())], ..Sample::default() };
            let merged = merge(settings(), default, layers).unwrap();
            assert_eq!(merged.config.count, count);
            assert_eq!(merged.config.span, span.map(Duration::from_secs_f64));
            assert_eq!(merged.config.names, names.iter().map(|name| Name((*name).into())).collect::<Vec<_>>());
            assert_eq!(["count", "span", "names"].map(|name| merged.origin(name)), origins);
        };
        check(vec![], (0, None, &["default"]), ["the default"; 3]);
        check(vec![preset()], (1, Some(1.0), &["default"]), ["the preset p", "the preset p", "the default"]);
        let lines = ["line 1 of f.toml", "line 2 of f.toml", "line 3 of f.toml"];
        check(vec![preset(), file()], (2, Some(2.5), &["file", "two"]), lines);
        let names = ["COUNT", "SPAN", "NAMES"].map(|name| format!("the environment variable HEARTWIRE_{name}"));
        let names = names.each_ref().map(String::as_str);
        check(vec![preset(), file(), environment()], (3, None, &["variable"]), names);
        let names = ["the flag --count", "the flag --span", "the flag --names"];
        check(vec![preset(), file(), environment(), flags()], (4, Some(4.0), &["flag", "two"]), names);
        check(vec![environment(), flags()], (4, Some(4.0), &["flag", "two"]), names);
    }

    #[test]
    fn whatever_is_wrong_in_a_file_is_told_with_its_name_and_its_line() {
        let check = |text: &str, expected: &str| {
            let refusal = reader().toml(text, "f.toml").unwrap_err().to_string();
            assert_eq!(refusal, expected, "{text}");
            assert!(!refusal.contains('\n'));
        };
        check("\ncuont = 1", "cuont in line 2 of f.toml is not a setting; is it count?");
        check(
            "[span]\nx = 1",
            "span must be a number of seconds, such as 15 or 0.5; `off` switches it off (from line 1 of f.toml)",
        );
        check("[server]\ncount = 1", "server in line 1 of f.toml is not a setting; `heartwire config` shows them all");
        check("count = 'many'", "count must be a whole number from 0 on (from line 1 of f.toml)");
        check("count = true", "count must be a whole number from 0 on (from line 1 of f.toml)");
        check("count = -1", "count must be a whole number from 0 on (from line 1 of f.toml)");
        check("names = 'a b'", "names must be names without spaces at place 1 of the list (from line 1 of f.toml)");
        check("names = ['a', 5]", "names must be a text in quotes at place 2 of the list (from line 1 of f.toml)");
        check("rules = 'x'", "rules must be a list of tables (from line 1 of f.toml)");
        check("count = 1\n\ncount = 2", "count in line 3 of f.toml is not TOML: duplicate key");
        check(
            "count = ",
            "count in line 1 of f.toml is not TOML: string values must be quoted, expected literal string",
        );
        check("count = 1\ncount: 2", "count in line 2 of f.toml is not TOML: key with no value, expected `=`");
        check("count = 2026-11-21", "count must be a whole number from 0 on (from line 1 of f.toml)");
        check("key = 'x'", "key must be longer (from line 1 of f.toml)");
    }

    #[test]
    fn a_list_of_tables_is_for_the_file_alone() {
        let file = "[[rules]]\npattern = 'a'\ncount = 1\n\n[[rules]]\npattern = 'b'\ncount = 2\n";
        let layer = reader().toml(file, "f.toml").unwrap();
        let merged = merge(settings(), Sample::default(), [layer]).unwrap();
        let rule = |pattern: &str, count| Rule { pattern: pattern.into(), count };
        assert_eq!(merged.config.rules, [rule("a", 1), rule("b", 2)]);
        let check = |text: &str, expected: &str| {
            let refusal = reader().toml(text, "f.toml").unwrap_err().to_string();
            assert!(refusal.contains(expected) && refusal.contains("rules has a bad rule"), "{refusal}");
        };
        check("[[rules]]\npattern = 'a'", "missing configuration field \"count\"");
        check("[[rules]]\npattern = 'a'\ncount = 1\ncolour = 1", "colour");
        let refusal = reader().environment(variables(&[("HEARTWIRE_RULES", "x")])).unwrap_err().to_string();
        assert!(refusal.ends_with("HEARTWIRE_RULES is not a setting: rules is a list of tables, for the file alone"));
    }

    #[test]
    fn an_unknown_variable_is_refused_and_the_nearest_name_offered() {
        let check = |name: &str, expected: &str| {
            let refusal = reader().environment(variables(&[("PATH", "/"), (name, "1")])).unwrap_err().to_string();
            assert_eq!(refusal, format!("the environment variable {name} is not a setting; {expected}"));
        };
        check("HEARTWIRE_CUONT", "is it HEARTWIRE_COUNT?");
        check("HEARTWIRE_count", "is it HEARTWIRE_COUNT?");
        check("HEARTWIRE_", "`heartwire config` shows them all");
        let wrong = variables(&[("HEARTWIRE_COUNT", "many")]);
        let refusal = reader().environment(wrong).unwrap_err().to_string();
        assert_eq!(refusal, "count must be a whole number from 0 on (from the environment variable HEARTWIRE_COUNT)");
        assert!(reader().environment(variables(&[(FILE_VARIABLE, "x.toml")])).unwrap().0.is_empty());
    }

    #[test]
    fn a_file_that_is_none_is_told_by_its_name() {
        let check = |path: &str, expected: &str| {
            let refusal = reader().file(Path::new(path)).unwrap_err().to_string();
            assert!(refusal.contains(path) && refusal.contains(expected), "{refusal}");
        };
        check("/no/such/file.toml", "cannot be read: No such file");
        check(env!("CARGO_MANIFEST_DIR"), "cannot be read: Is a directory");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.toml");
        std::fs::write(&path, b"count = '\xff'").unwrap();
        check(path.to_str().unwrap(), "is not UTF-8 text");
    }
}

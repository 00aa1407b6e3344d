//! What is told about the settings: in the help, by `heartwire config`, and in docs/configuration.md.

use super::layer::Merged;
use super::table::{SETTINGS, Setting};
use crate::config::ServeConfig;
use std::fmt::Write;

/// How wide a comment may be.
const COLUMNS: usize = 100;

/// Enough for a line of the short help.
pub(super) fn first_sentence(text: &str) -> String {
    let text = in_one_line(text);
    text.split_once(". ").map_or_else(|| text.trim_end_matches('.').to_owned(), |(first, _)| first.to_owned())
}

/// A text as its terminal or its file breaks it into lines.
pub(super) fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The default, as a flag would say it.
pub(super) fn default(setting: &Setting<ServeConfig>) -> String {
    bare(&(setting.field)(&mut ServeConfig::default()).get())
}

fn bare(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(elements) if elements.is_empty() => "none".into(),
        value => value.to_string(),
    }
}

/// A configuration as a file that says where each value came from. Lists of tables stand at its end, where more
/// tables can be added by hand or by `heartwire key`.
pub(super) fn file(merged: &Merged<ServeConfig>) -> String {
    file_of(&SETTINGS, &mut merged.config.clone(), |name| merged.origin(name))
}

fn file_of<'a, C>(settings: &[Setting<C>], config: &mut C, origin: impl Fn(&str) -> &'a str) -> String {
    let mut out = String::from("# The configuration of `heartwire serve`, and where each value came from.\n");
    let mut tables = String::new();
    for_each_heading(settings, |heading, settings| {
        push(&mut out, format_args!("\n# {heading}\n"));
        for setting in settings {
            out.push('\n');
            push_comment(&mut out, setting.text);
            let (name, origin) = (setting.name, origin(setting.name));
            let field = (setting.field)(config);
            if field.is_secret() {
                push(&mut out, format_args!("# {name} is not shown  # {origin}\n"));
                continue;
            }
            match field.get() {
                toml::Value::Array(elements) if field.is_file_only() && elements.is_empty() => {
                    push(&mut out, format_args!("# {name} has none  # {origin}\n"));
                }
                value if field.is_file_only() => {
                    push(&mut out, format_args!("# {name} has those at the end of this file  # {origin}\n"));
                    push(&mut tables, format_args!("\n{}", toml::Table::from_iter([(name.to_owned(), value)])));
                }
                value => push(&mut out, format_args!("{name} = {value}  # {origin}\n")),
            }
        }
    });
    out + &tables
}

fn for_each_heading<C>(settings: &[Setting<C>], mut tell: impl FnMut(&str, &[Setting<C>])) {
    for settings in settings.chunk_by(|one, next| one.heading == next.heading) {
        if let [first, ..] = settings {
            tell(first.heading, settings);
        }
    }
}

fn push_comment(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let word_columns = word.chars().count();
        if column > 0 && column + 1 + word_columns <= COLUMNS {
            out.push(' ');
            column += 1;
        } else {
            out.push_str(if column > 0 { "\n# " } else { "# " });
            column = 2;
        }
        out.push_str(word);
        column += word_columns;
    }
    out.push('\n');
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes whatever is written");
}

#[cfg(test)]
mod tests {
    use super::super::value::{Content, Field};
    use super::*;
    use crate::config::{Machine, Preset};
    use std::path::Path;

    /// The page that tells of all settings.
    fn documentation() -> String {
        const BEGINNING: &str = "\
# Configuration

The settings of `heartwire serve`. This page is written from the code; the test that compares the two
writes it anew with `UPDATE_DOCS=1 cargo test -p heartwire --lib page`.

Each setting has one name everywhere. From the strongest to the weakest:

| where | written as |
|---|---|
| flag | `--heartbeat-interval 5` |
| environment | `HEARTWIRE_HEARTBEAT_INTERVAL=5` |
| file, named by `--config FILE` or `HEARTWIRE_CONFIG` | `heartbeat_interval = 5` |
| preset, named by the setting `preset` | see below |
| default | |

`heartwire config` takes the same flags, environment and file, and prints what is in force, with where
each value came from, as a file that `--config` accepts again.

Files are TOML. Spans are seconds, fractions allowed. What can be switched off takes `off`, in the file
in quotes. Lists are arrays in the file, and separated by commas elsewhere. A name that is no setting, a
value that cannot be meant and two values that contradict each other are refused in one sentence that
names the setting and where it came from.

```toml
# heartwire.toml
listen = \"0.0.0.0:8080\"
preset = \"production\"
jwks_file = \"/etc/heartwire/keys.json\"
heartbeat_interval = 10
event_ttl = \"off\"
```
";
        let mut out = String::from(BEGINNING);
        push_presets(&mut out);
        for_each_heading(&SETTINGS, |heading, settings| {
            push(&mut out, format_args!("\n## {heading}\n"));
            for setting in settings {
                let (name, flag, value) = (setting.name, setting.flag(), setting.value_name);
                let text = setting.text.trim();
                push(&mut out, format_args!("\n### `{name}`\n\n"));
                let (mut config, variable) = (ServeConfig::default(), name.to_uppercase());
                let field = (setting.field)(&mut config);
                if field.is_secret() {
                    push(&mut out, format_args!("`HEARTWIRE_{variable}`\n\n"));
                } else if !field.is_file_only() {
                    push(&mut out, format_args!("`--{flag} {value}`, `HEARTWIRE_{variable}`\n\n"));
                }
                push(&mut out, format_args!("{text}\n"));
            }
        });
        out
    }

    fn push_presets(out: &mut String) {
        let machine = Machine { available_bytes: 1024 * 1024 * 1024, n_cores: 4 };
        let fixed = [Preset::Development, Preset::Production, Preset::HighTraffic, Preset::LowMemory];
        out.push_str("\n## Presets\n\nA preset stands for whatever is not set by name.\n\n| setting | default |");
        for preset in fixed {
            push(out, format_args!(" `{preset}` |"));
        }
        push(out, format_args!(" `auto` with 1 GiB and 4 cores |\n|---{}|\n", "|---:".repeat(2 + fixed.len())));
        for setting in SETTINGS.iter() {
            let cell = |preset: Preset| {
                let settings = preset.settings(machine);
                settings.iter().find(|(name, _)| *name == setting.name).map(|(_, value)| value.to_string())
            };
            let cells: Vec<_> = fixed.into_iter().chain([Preset::Auto]).map(cell).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            push(out, format_args!("| `{}` | {} |", setting.name, default(setting)));
            for cell in cells {
                push(out, format_args!(" {} |", cell.unwrap_or_default()));
            }
            out.push('\n');
        }
        out.push_str(
            "
`auto` takes a tenth of the memory as its budget: of a container the limit of its cgroup, of a machine
what it has to give when the server starts. It shares the budget out for ten topics of five readers, at
1 KiB an event and 500 bytes a reader; keeps at most 1,000 events of a topic, and lets a reader be twice
as many behind; warns at 80 % of the budget and sheds at 95 %; and cleans up every 30 s with 8 cores or
more, every 60 s with 4, else every 120 s.
",
        );
    }

    #[test]
    fn the_page_tells_what_the_code_does() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let page = documentation();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "docs/configuration.md is old: UPDATE_DOCS=1 cargo test -p heartwire --lib page");
    }

    #[test]
    fn the_texts_tell_the_true_defaults() {
        for setting in SETTINGS.iter() {
            let text = in_one_line(setting.text);
            let (_, told) = text.rsplit_once("Default").expect(setting.name);
            let told = told.trim_matches([':', ' ', '.']);
            // "10,000", "15 s", "1 MiB"
            let digits = told.replace(',', "");
            let number = digits.trim_end_matches([' ', 's', 'M', 'i', 'B']);
            let number = match number.parse::<u64>() {
                Ok(number) if digits.ends_with(" MiB") => (number * 1024 * 1024).to_string(),
                _ => number.to_owned(),
            };
            let is_span = setting.value_name == "SECONDS" && number.parse::<u64>().is_ok();
            assert_eq!(is_span, digits.ends_with(" s"), "{}: {told}", setting.name);
            assert!(told == default(setting) || number == default(setting), "{}: {told}", setting.name);
        }
    }

    #[test]
    fn the_texts_can_stand_in_the_help() {
        for setting in SETTINGS.iter() {
            let (name, text, first) = (setting.name, setting.text, first_sentence(setting.text));
            assert!(!text.contains("]("), "a link leads nowhere in a terminal: {name}");
            assert!(text.trim().ends_with('.') && first.len() <= 110 && !first.contains("Default"), "{name}: {first}");
        }
    }

    #[test]
    fn a_secret_is_masked() {
        struct Secret(&'static str);
        impl Content for Secret {
            const SECRET: bool = true;
            fn read(_: &config::Value) -> Result<Self, String> {
                Err("is not read here".into())
            }
            fn write(&self) -> toml::Value {
                self.0.into()
            }
        }
        fn field(secret: &mut Secret) -> &mut dyn Field {
            secret
        }
        let settings = [Setting { name: "key", heading: "Keys", value_name: "KEY", text: "Opens the door.", field }];
        let shown = file_of(&settings, &mut Secret("hunter2"), |_| "the flag --key");
        assert!(!shown.contains("hunter2") && shown.contains("# key is not shown  # the flag --key"), "{shown}");
    }
}

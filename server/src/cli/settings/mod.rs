//! The settings of `heartwire serve`: from flags, the environment, a file and a preset.
//!
//! The list of them is in `table`. Text becomes typed values in `value`, and one layer goes over the
//! other in `layer`; what comes out is a [`ServeConfig`] that was checked, and where each value came from.

mod api_key;
mod layer;
mod page;
mod table;
mod topic_rule;
mod value;

pub(super) use api_key::lines_of_key;
pub(super) use layer::TOKEN_VARIABLE;
pub(super) use value::Seconds;

use super::{Failure, machine};
use crate::Tls;
use crate::auth::check_keys;
use crate::config::{ConfigError, Machine, Preset, ServeConfig};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use layer::{FILE_VARIABLE, Layer, Merged, Reader, merge};
use std::ffi::OsString;
use std::path::PathBuf;
use table::{SETTINGS, Setting};

const CONFIG: &str = "config";

/// The settings that were given as flags, and the file to read.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingArgs {
    file: Option<PathBuf>,
    given: Vec<(&'static str, String)>,
}

impl SettingArgs {
    /// No flags, and perhaps a file.
    pub(super) fn of_file(file: Option<PathBuf>) -> Self {
        Self { file, given: Vec::new() }
    }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading("Server")
            .help("TOML file of settings, as `heartwire config` prints one; HEARTWIRE_CONFIG names it, too [default: none]");
        command.arg(file).args(SETTINGS.iter().filter(|setting| is_a_flag(setting)).map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let wrong = |err: clap::parser::MatchesError| clap::Error::raw(ErrorKind::InvalidValue, err);
        self.file = matches.try_get_one(CONFIG).map_err(wrong)?.cloned();
        for setting in SETTINGS.iter().filter(|setting| is_a_flag(setting)) {
            let given: Option<&String> = matches.try_get_one(setting.name).map_err(wrong)?;
            self.given.extend(given.map(|text| (setting.name, text.clone())));
        }
        Ok(())
    }
}

fn flag(setting: &Setting<ServeConfig>) -> Arg {
    let short = format!("{} [default: {}]", page::first_sentence(setting.text), page::default(setting));
    Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.value_name)
        .allow_negative_numbers(true)
        .help_heading(setting.heading)
        .help(short)
        .long_help(page::in_one_line(setting.text))
}

/// Whoever is on the machine can see the flags of a process, so a secret is none.
fn is_a_flag(setting: &Setting<ServeConfig>) -> bool {
    let mut config = ServeConfig::default();
    let field = (setting.field)(&mut config);
    !field.is_file_only() && !field.is_secret()
}

/// The configuration that is in force, and where each of its values came from.
pub(super) struct Effective(Merged<ServeConfig>);

impl Effective {
    /// Reads all layers, and refuses what cannot be meant.
    pub(super) fn load(
        args: &SettingArgs,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Failure> {
        let variables: Vec<_> = environment.into_iter().collect();
        let mut reader = Reader { settings: &SETTINGS, scratch: ServeConfig::default() };
        let named = || variables.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, path)| PathBuf::from(path));
        let file = match args.file.clone().or_else(named) {
            Some(path) if path.as_os_str().is_empty() => {
                return Err(Failure::of(format!("the environment variable {FILE_VARIABLE} names no file")));
            }
            Some(path) => reader.file(&path)?,
            None => Layer::default(),
        };
        let environment = reader.environment(variables)?;
        let flags = reader.flags(args.given.iter().map(|(name, text)| (*name, text)))?;
        let layers = [file, environment, flags];

        // Any of them may name the preset, which lies below them all.
        let preset = merge(&SETTINGS, ServeConfig::default(), layers.clone())?.config.preset;
        let preset = match preset {
            Some(preset) => preset_layer(&mut reader, preset)?,
            None => Layer::default(),
        };
        let effective = Self(merge(&SETTINGS, ServeConfig::default(), [preset].into_iter().chain(layers))?);
        effective.config().check().map_err(|err| effective.refusal(&err))?;
        effective.check_paths()?;
        Ok(effective)
    }

    /// Refuses what is not there.
    fn check_paths(&self) -> Result<(), Failure> {
        let ServeConfig { www, auth, .. } = self.config();
        if let Some(folder) = www.as_ref().filter(|folder| !folder.is_dir()) {
            let origin = self.origin("www");
            return Err(Failure::of(format!("www must be a folder, and {} is none (from {origin})", folder.display())));
        }
        if let Some(file) = &auth.jwks_file {
            check_keys(file).map_err(|err| {
                let origin = self.origin("jwks_file");
                Failure::of(format!("jwks_file names {}, which {err} (from {origin})", file.display()))
            })?;
        }
        Ok(())
    }

    pub(super) fn config(&self) -> &ServeConfig {
        &self.0.config
    }

    /// The certificate, if there is to be TLS.
    // Read apart from the rest: one that has run out since must not keep a running server from what SIGHUP
    // tells it.
    pub(super) fn tls(&self) -> Result<Option<Tls>, Failure> {
        let edges = &self.config().edges;
        let (Some(cert), Some(key)) = (&edges.tls_cert, &edges.tls_key) else { return Ok(None) };
        let tls = Tls::read(cert, key).map_err(|err| {
            let (cert, key) = (self.origin("tls_cert"), self.origin("tls_key"));
            Failure::of(format!("{err} (tls_cert from {cert}; tls_key from {key})"))
        })?;
        Ok(Some(tls))
    }

    /// Where the value of a setting came from.
    fn origin(&self, name: &str) -> &str {
        self.0.origin(name)
    }

    /// The configuration as a file, each value with its text and where it came from.
    pub(super) fn to_toml(&self) -> String {
        page::file(&self.0)
    }

    /// Says where the value came from; and where the problem names another setting, also of that one.
    fn refusal(&self, err: &ConfigError) -> Failure {
        let mut config = self.config().clone();
        let mut from = vec![format!("from {}", self.0.origin(err.setting))];
        let words: Vec<&str> = err.problem.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for setting in SETTINGS.iter().filter(|setting| setting.name != err.setting && words.contains(&setting.name)) {
            let field = (setting.field)(&mut config);
            let value = if field.is_secret() { "not shown".into() } else { field.get().to_string() };
            from.push(format!("{} is {value} from {}", setting.name, self.0.origin(setting.name)));
        }
        Failure::of(format!("{err} ({})", from.join("; ")))
    }
}

/// The names of the settings in which two configurations differ.
pub(super) fn changed(from: &ServeConfig, to: &ServeConfig) -> impl Iterator<Item = &'static str> {
    let (mut from, mut to) = (from.clone(), to.clone());
    SETTINGS
        .iter()
        .filter(move |setting| (setting.field)(&mut from).get() != (setting.field)(&mut to).get())
        .map(|setting| setting.name)
}

fn preset_layer(reader: &mut Reader<ServeConfig>, preset: Preset) -> Result<Layer, Failure> {
    let machine = machine::read();
    let Machine { available_bytes, n_cores } = machine;
    let origin = match preset {
        // The only one whose values are not written down anywhere.
        Preset::Auto => format!("the preset auto, for {} MB and {n_cores} cores", available_bytes / (1024 * 1024)),
        _ => format!("the preset {preset}"),
    };
    reader.preset(&origin, preset.settings(machine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HubConfig;
    use clap::Parser;
    use std::time::Duration;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: SettingArgs,
    }

    fn load(line: &str) -> Result<Effective, String> {
        let words = std::iter::once("serve").chain(line.split_whitespace());
        let serve = Serve::try_parse_from(words).map_err(|err| err.to_string())?;
        Effective::load(&serve.args, []).map_err(|err| err.to_string())
    }

    fn parse(line: &str) -> Result<ServeConfig, String> {
        load(line).map(|effective| effective.config().clone())
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(parse("").unwrap(), ServeConfig::default());
    }

    #[test]
    fn flags_take_the_place_of_defaults() {
        let config = parse("--heartbeat-interval 0.5 --event-ttl off --max-connections 7 --enable-sse false").unwrap();
        assert_eq!(config.hub.heartbeat_interval, Some(Duration::from_millis(500)));
        assert_eq!(config.hub.event_ttl, None);
        assert_eq!(config.hub.max_connections, Some(7));
        assert!(!config.hub.enable_sse);
    }

    #[test]
    fn a_preset_stands_for_whatever_is_not_set_by_name() {
        let seconds = |span| Some(Duration::from_secs(span));
        let expected = HubConfig {
            max_queue_size: Some(2_000),
            max_history_per_topic: 500,
            event_ttl: seconds(300),
            topic_ttl: seconds(1_800),
            cleanup_interval: Duration::from_secs(120),
            max_subscriber_idle_time: seconds(600),
            max_bytes_total: 500 * 1024 * 1024,
            memory_warning_mb: Some(200),
            memory_critical_mb: Some(500),
            ..HubConfig::default()
        };
        assert_eq!(parse("--preset production --require-auth false").unwrap().hub, expected);
        let config = parse("--preset low-memory --max-queue-size 7 --memory-warning-mb off").unwrap();
        assert_eq!((config.hub.max_queue_size, config.hub.memory_warning_mb), (Some(7), None));
        assert_eq!((config.hub.max_history_per_topic, config.hub.event_ttl), (50, seconds(30)));
        assert!(!config.hub.watch.metrics);
        assert!(parse("--preset low-memory --metrics true").unwrap().hub.watch.metrics);
        assert_eq!(parse("--preset off").unwrap(), ServeConfig::default());
        for preset in Preset::ALL {
            parse(&format!("--preset {preset} --require-auth false")).unwrap();
        }
    }

    #[test]
    fn an_impossible_value_is_refused_with_its_name_and_where_it_came_from() {
        let check = |line: &str, expected: &str| {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(expected), "{line}: {refusal}");
        };
        check("--heartbeat-interval 0", "heartbeat_interval must be more than zero");
        check("--heartbeat-interval 0", "(from the flag --heartbeat-interval)");
        check("--heartbeat-interval 0.009", "heartbeat_interval must be at least 0.01 s");
        check("--heartbeat-interval -1", "heartbeat_interval must be a number of seconds from 0 on");
        check("--heartbeat-interval NaN", "heartbeat_interval must be a number");
        check("--heartbeat-interval soon", "heartbeat_interval must be a number of seconds");
        check("--event-ttl 1e300", "event_ttl must be a number of seconds");
        check("--event-ttl 1e9", "event_ttl must be at most a year");
        check("--max-history-per-topic 0", "max_history_per_topic must be more than zero");
        check("--max-history-per-topic -5", "max_history_per_topic must be a whole number");
        check("--listen 0.0.0.0:8080", "require_auth must be set to false by name to listen beyond this machine");
        check("--preset production", "require_auth must be set to false by name with the preset production");
        check("--preset edge", "preset must be development, production, high-traffic, low-memory or auto; `off`");
        check("--listen nowhere", "listen must be an address with a port");
        check("--www /no/such/folder", "www must be a folder, and /no/such/folder is none (from the flag --www)");
        check("--jwks-file /no/such.json", "jwks_file names /no/such.json, which cannot be read: ");
        check("--jwks-file /no/such.json", "(from the flag --jwks-file)");
        check("--jwks-file Cargo.toml", "jwks_file names Cargo.toml, which is not a JSON Web Key Set: see line 1");
        check("--heartbeat-intervall 5", "--heartbeat-interval");
        check("--config /no/such.toml", "/no/such.toml cannot be read");
    }

    #[test]
    fn a_file_of_keys_that_can_be_used_is_taken() {
        let config = parse("--jwks-file tests/keys/jwks.json").unwrap();
        assert!(config.requires_auth());
    }

    #[test]
    fn a_contradiction_names_both_sides() {
        assert_eq!(
            parse("--preset low-memory --memory-warning-mb 60").unwrap_err(),
            "memory_warning_mb must not be more than memory_critical_mb \
             (from the flag --memory-warning-mb; memory_critical_mb is 50 from the preset low-memory)"
        );
        assert_eq!(
            parse("--memory-critical-mb 4").unwrap_err(),
            "memory_critical_mb must not be less than max_bytes_per_topic \
             (from the flag --memory-critical-mb; max_bytes_per_topic is 16777216 from the default)"
        );
    }

    #[test]
    fn what_is_shown_is_accepted_again_and_means_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        let flags = [
            "",
            "--preset production --require-auth false",
            "--preset auto --listen [::1]:0 --host-stats-interval 0.25",
            "--event-ttl off --topic-ttl off --max-queue-size off --heartbeat-interval off --compress-min-bytes off",
        ];
        for flags in flags {
            let shown = load(flags).unwrap();
            std::fs::write(&path, shown.to_toml()).unwrap();
            let again = load(&format!("--config {}", path.display())).unwrap();
            assert_eq!(again.config(), shown.config(), "{flags}");
        }
    }
}

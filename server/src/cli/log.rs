//! Where the binary's log goes, and how it looks: standard error, for people or one JSON object a line.
//!
//! The fields of an object are named as Google's cloud reads them, and others can be told to: `severity`,
//! `time` in RFC 3339, `message`, then what the line is about. docs/operations.md lists them.

use super::Failure;
#[cfg(feature = "otlp")]
use super::otlp;
use crate::config::{LogConfig, LogFormat, Preset, ServeConfig};
use json_subscriber::JsonLayer;
use std::io::IsTerminal;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to write the log, and to send traces where that is set. What is returned sends the rest of them when
/// it is dropped.
pub(super) fn begin(config: &ServeConfig) -> Result<impl Sized, Failure> {
    let LogConfig { log_format, log_level, .. } = &config.log;
    let lines: BoxedLayer = match (log_format, config.preset) {
        (LogFormat::Json, _) | (LogFormat::Auto, Some(Preset::Production)) => Box::new(json(std::io::stderr)),
        (LogFormat::Human | LogFormat::Auto, _) => {
            let stderr = std::io::stderr;
            Box::new(tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()))
        }
    };
    // A level was checked when it was read, so nothing is passed over in here.
    let filter = EnvFilter::builder().parse_lossy(log_level.as_str());
    // Fails where a program that embeds this one has set up its own.
    let lines = lines.with_filter(filter);
    #[cfg(feature = "otlp")]
    let (lines, rest) = otlp::beside(lines, config.log.otlp_endpoint.as_ref())?;
    #[cfg(not(feature = "otlp"))]
    let rest = ();
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(rest)
}

/// One JSON object a line, with the fields of the spans around it beside its own.
fn json<S, W>(writer: W) -> JsonLayer<S, W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    let mut layer = JsonLayer::new(writer);
    layer.add_dynamic_field("severity", |event, _| Some(severity(*event.metadata().level())));
    layer.with_timer("time", SystemTime).with_target("target");
    layer.with_flattened_event().with_top_level_flattened_span_list();
    layer
}

/// The names that Google's cloud knows. It has none below debug.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object_with_the_names_that_a_cloud_reads() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(json(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("request", request_id = "r-1").entered();
            tracing::warn!(limit = 7, why = "a \"quote\"\nand a line", "something {}", "happened");
            tracing::trace!("little");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [warning, little] = objects.as_slice() else { panic!("{text}") };
        assert_eq!(warning["severity"], "WARNING");
        assert_eq!(warning["message"], "something happened");
        assert_eq!(warning["target"], module_path!());
        assert_eq!((&warning["limit"], &warning["request_id"]), (&7.into(), &"r-1".into()));
        assert_eq!(warning["why"], "a \"quote\"\nand a line");
        let time = warning["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{time}");
        assert_eq!(little["severity"], "DEBUG");
    }
}

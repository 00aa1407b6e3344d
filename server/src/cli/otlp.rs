//! Traces to a collector, by OTLP over HTTP: each request is a span, and belongs to the trace of whoever sent it.

use super::Failure;
use crate::config::OtlpEndpoint;
use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// What the spans are said to come from, unless OTEL_SERVICE_NAME says otherwise.
const SERVICE: &str = "heartwire";

/// Sends what is left when it is dropped.
pub(super) struct Rest(Option<SdkTracerProvider>);

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(err) = provider.shutdown()
        {
            tracing::warn!(%err, "the last traces were not sent");
        }
    }
}

/// A layer that sends spans, beside the one that writes lines.
pub(super) fn beside<S>(
    lines: impl Layer<S> + Send + Sync,
    endpoint: Option<&OtlpEndpoint>,
) -> Result<(impl Layer<S> + Send + Sync, Rest), Failure>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup> + Send + Sync,
{
    let provider = endpoint.map(provider).transpose()?;
    // The HTTP client of the exporter makes lines and spans of its own, which must not be sent in turn.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).parse_lossy("heartwire=info");
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE)).with_filter(filter));
    Ok((lines.and_then(spans), Rest(provider)))
}

fn provider(endpoint: &OtlpEndpoint) -> Result<SdkTracerProvider, Failure> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.traces_url())
        .build()
        .map_err(|err| Failure::new("cannot send traces", &err))?;
    let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| SERVICE.into());
    let resource = Resource::builder().with_service_name(name).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Makes a request's span a part of the trace that its `traceparent` names.
pub(super) fn join_trace(span: &Span, headers: &HeaderMap) {
    struct Headers<'a>(&'a HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, name: &str) -> Option<&str> {
            self.0.get(name)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(|name| name.as_str()).collect()
        }
    }

    // Fails where nobody sends spans.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
}

//! The messages of OTLP: spans as `ExportTraceServiceRequest`, and what the collector says to them.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Message, SpanFlags, Status};
use prost::Message as _;

use super::Settings;
use crate::observe::{Fact, Span, SpanKind};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The trace is sampled: the low byte of `flags` is that of `traceparent`.
const SAMPLED: u32 = 1;

/// One message with these spans.
pub(super) fn encode(settings: &Settings, spans: &[Span]) -> Vec<u8> {
    let trace = &settings.trace;
    let mut attributes = vec![text("service.name", &trace.service), text("service.version", VERSION)];
    // What the configuration says has the last word.
    attributes.retain(|ours| trace.attributes.iter().all(|(name, _)| **name != *ours.key));
    attributes.extend(trace.attributes.iter().map(|(name, value)| text(name, value)));
    let scope =
        InstrumentationScope { name: "lbd".to_owned(), version: VERSION.to_owned(), ..<_>::default() };
    let spans = spans.iter().map(message).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..<_>::default() }];
    let resource = Some(Resource { attributes, ..<_>::default() });
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..<_>::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// How many spans the collector did not take of those that it answered well.
pub(super) fn rejected(answer: &[u8]) -> usize {
    let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| usize::try_from(partial.rejected_spans).unwrap_or(0))
}

fn message(span: &Span) -> Message {
    let began = nanos(span.began);
    let remote = if span.remote_parent { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    Message {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        trace_state: span.state.clone(),
        parent_span_id: span.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32 | remote,
        name: span.name.clone(),
        kind: match span.kind {
            SpanKind::Server => Kind::Server as i32,
            SpanKind::Client => Kind::Client as i32,
        },
        start_time_unix_nano: began,
        end_time_unix_nano: began.saturating_add(span.took.as_nanos() as u64),
        attributes: span.facts.iter().map(|(name, fact)| attribute(name, fact)).collect(),
        status: span.failed.then(|| Status { code: StatusCode::Error as i32, message: String::new() }),
        ..Message::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn attribute(name: &str, fact: &Fact) -> KeyValue {
    match fact {
        Fact::Text(value) => text(name, value),
        Fact::Number(number) => pair(name, Value::IntValue(*number)),
    }
}

fn text(name: &str, value: &str) -> KeyValue {
    pair(name, Value::StringValue(value.to_owned()))
}

fn pair(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn what_was_not_taken_is_read_from_the_answer() {
        let check = |answer: &[u8], expected: usize| assert_eq!(rejected(answer), expected, "{answer:?}");
        let partial = |rejected_spans| {
            let partial_success =
                Some(ExportTracePartialSuccess { rejected_spans, error_message: String::new() });
            ExportTraceServiceResponse { partial_success }.encode_to_vec()
        };
        check(b"", 0);
        check(b"{}", 0);
        check(b"\xff\xff", 0);
        check(&partial(0), 0);
        check(&partial(7), 7);
        check(&partial(-7), 0);
    }
}

//! What a document is, by the members that it has, and its spans.

use super::pieces::Format;
use super::source::unpacked;
use super::{Kind, console, zipkin};
use crate::jaeger::json as jaeger;
use crate::json::{self, Members};
use crate::otlp;
use crate::otlp::decode::Decoded;
use crate::span::Names;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Documents of Elasticsearch within each other are followed so far.
const DEPTH: u8 = 4;

/// What came of a piece.
pub(super) enum Reading {
    /// Its spans.
    Spans(Decoded),
    /// It has no spans in it, and was never meant to.
    OtherSignal,
}

/// Reads a piece of a file of this kind.
///
/// # Errors
/// It cannot be read, or is of another kind; the text says what it is and what to do.
pub(super) fn read(
    kind: Kind,
    format: Format,
    piece: &[u8],
    names: &mut Names,
) -> Result<Reading, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let decoded = match format {
        Format::JaegerTrace => {
            is_kind(Kind::Jaeger, kind)?;
            jaeger::read_trace(piece, names).map_err(|error| text(&error))?
        }
        Format::OtlpResource => {
            is_kind(Kind::Otlp, kind)?;
            otlp::json::read_resource_spans(piece, names).map_err(|error| text(&error))?
        }
        Format::OtlpProto => {
            is_kind(Kind::Otlp, kind)?;
            otlp::decode::decode(piece, names).map_err(|error| text(&error))?
        }
        Format::OtlpMessage => {
            is_kind(Kind::Otlp, kind)?;
            message(piece, names)?
        }
        Format::Said => return Err(said(piece)),
        Format::Unknown => return document(kind, piece, names, DEPTH),
    };
    Ok(Reading::Spans(decoded))
}

/// A message of the collector's file exporter.
fn message(piece: &[u8], names: &mut Names) -> Result<Decoded, String> {
    let piece = unpacked(piece).map_err(|error| format!("unpack a message: {error}"))?;
    if piece.trim_ascii_start().starts_with(b"{") {
        return otlp::json::read(&piece, names).map_err(|error| error.to_string());
    }
    otlp::decode::decode(&piece, names).map_err(|error| error.to_string())
}

/// The file is said to be of kind `wanted`.
fn is_kind(is: Kind, wanted: Kind) -> Result<(), String> {
    if is == wanted {
        return Ok(());
    }
    Err(format!(
        "this is {}: `aefm import {}`",
        is.words(),
        is.name()
    ))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hit<'a> {
    #[serde(borrow, rename = "_source")]
    source: Option<&'a RawValue>,
}

fn document(kind: Kind, piece: &[u8], names: &mut Names, depth: u8) -> Result<Reading, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let Members(members) =
        json::read(piece).map_err(|error| format!("read it as JSON: {error}"))?;
    let has = |name: &str| members.iter().any(|(key, _)| key == name);
    if has("_source") && depth > 0 {
        let hit: Hit<'_> = json::read(piece).map_err(|error| text(&error))?;
        let source = hit.source.map_or("{}", RawValue::get);
        return document(kind, source.as_bytes(), names, depth - 1);
    }
    let decoded = if has("spans") && (has("traceID") || has("processes")) {
        is_kind(Kind::Jaeger, kind)?;
        jaeger::read_trace(piece, names).map_err(|error| text(&error))?
    } else if has("traceID") && has("spanID") {
        is_kind(Kind::Jaeger, kind)?;
        jaeger::read_span(piece, names).map_err(|error| text(&error))?
    } else if ["scopeSpans", "scope_spans", "instrumentationLibrarySpans"]
        .into_iter()
        .any(has)
    {
        is_kind(Kind::Otlp, kind)?;
        otlp::json::read_resource_spans(piece, names).map_err(|error| text(&error))?
    } else if has("traceId") && has("spanId") {
        is_kind(Kind::Otlp, kind)?;
        otlp::json::read_span(piece, names).map_err(|error| text(&error))?
    } else if has("SpanContext") || (has("context") && has("start_time")) {
        is_kind(Kind::Otlp, kind)?;
        console::read(piece, names).map_err(|error| text(&error))?
    } else if has("traceId") && has("id") {
        is_kind(Kind::Zipkin, kind)?;
        zipkin::read(piece, names).map_err(|error| text(&error))?
    } else {
        return nothing(
            piece,
            &members.iter().map(|(key, _)| &**key).collect::<Vec<_>>(),
        );
    };
    Ok(Reading::Spans(decoded))
}

/// A document of these members, none of which holds spans.
fn nothing(piece: &[u8], names: &[&str]) -> Result<Reading, String> {
    let has = |wanted: &str| names.contains(&wanted);
    if has("errors") || has("error") {
        return Err(said(piece));
    }
    if has("resourceMetrics") || has("resourceLogs") || has("resourceProfiles") {
        return Ok(Reading::OtherSignal);
    }
    // Answers in which nothing was found.
    if names.is_empty()
        || ["data", "resourceSpans", "resource_spans", "batches", "hits"]
            .into_iter()
            .any(has)
    {
        return Ok(Reading::Spans(Decoded::default()));
    }
    let shown: Vec<_> = names
        .iter()
        .take(5)
        .map(|name| format!("`{name:.40}`"))
        .collect();
    Err(format!(
        "this document has no spans that are known here; its members are {}",
        shown.join(", ")
    ))
}

fn said(piece: &[u8]) -> String {
    let text = String::from_utf8_lossy(piece);
    format!("the server says: {text:.300}")
}

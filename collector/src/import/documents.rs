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
use std::borrow::Cow;

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
        Format::Said => {
            said(piece)?;
            Decoded::default()
        }
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
    } else if has("traceId") && has("id") && is_zipkins_first(&members) {
        return Err(
            "this is Zipkin's JSON of version 1, which is not read: ask its server for version 2 (/api/v2/traces)".to_owned(),
        );
    } else if has("traceId") && has("id") {
        is_kind(Kind::Zipkin, kind)?;
        zipkin::read(piece, names).map_err(|error| text(&error))?
    } else {
        return nothing(&members);
    };
    Ok(Reading::Spans(decoded))
}

/// Whether spans are told as before version 2, in which annotations say who made them.
fn is_zipkins_first(members: &[(Cow<'_, str>, &RawValue)]) -> bool {
    members.iter().any(|(name, value)| match &**name {
        "binaryAnnotations" => true,
        "annotations" => value.get().contains("\"endpoint\""),
        _ => false,
    })
}

/// A document of these members, none of which holds spans.
fn nothing(members: &[(Cow<'_, str>, &RawValue)]) -> Result<Reading, String> {
    let is_empty = |value: &RawValue| {
        let text: String = value.get().split_ascii_whitespace().collect();
        matches!(&*text, "null" | "[]" | "{}" | "\"\"")
    };
    for (name, value) in members {
        said_by(name, value.get())?;
    }
    let has = |wanted: &[&str]| members.iter().any(|(name, _)| wanted.contains(&&**name));
    if has(&["resourceMetrics", "resourceLogs", "resourceProfiles"]) {
        return Ok(Reading::OtherSignal);
    }
    // Answers in which nothing was found, which is in the value and not in the name.
    let found: Vec<_> = members
        .iter()
        .filter(|(name, _)| HOLDERS.contains(&&**name))
        .collect();
    if members.is_empty() || (!found.is_empty() && found.iter().all(|(_, value)| is_empty(value))) {
        return Ok(Reading::Spans(Decoded::default()));
    }
    let shown: Vec<_> = members
        .iter()
        .take(5)
        .map(|(name, _)| format!("`{name:.40}`"))
        .collect();
    Err(format!(
        "this document has no spans that are known here; its members are {}",
        shown.join(", ")
    ))
}

/// Members in which answers have what was found.
const HOLDERS: [&str; 7] = [
    "data",
    "resourceSpans",
    "resource_spans",
    "batches",
    "hits",
    "result",
    "trace",
];

/// What a server says of what it left out: a member with its name.
///
/// # Errors
/// It says that something is missing.
fn said(member: &[u8]) -> Result<(), String> {
    let whole = [b"{", member, b"}"].concat();
    let Members(members) =
        json::read(&whole).map_err(|error| format!("read it as JSON: {error}"))?;
    let mut said = members
        .iter()
        .map(|(name, value)| said_by(name, value.get()));
    said.find(Result::is_err).unwrap_or(Ok(()))
}

/// Whether a member says that something is missing.
fn said_by(name: &str, value: &str) -> Result<(), String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Shards {
        total: u64,
        failed: u64,
    }
    let is_nothing = matches!(value, "null" | "[]" | "{}" | "\"\"" | "false" | "0");
    let text = value.trim_matches('"');
    match name {
        "errors" | "error" if !is_nothing => Err(format!("the server says: {value:.300}")),
        "status" if text.eq_ignore_ascii_case("partial") => {
            Err("the server says that this is a part of the trace (status PARTIAL)".to_owned())
        }
        "timed_out" if value == "true" => Err(
            "the server says that it ran out of time: this is a part of what there is".to_owned(),
        ),
        "_shards" => match json::read::<Shards>(value.as_bytes()) {
            Ok(shards) if shards.failed > 0 => Err(format!(
                "the server says that {} of its {} shards failed: this is a part of what there is",
                shards.failed, shards.total
            )),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

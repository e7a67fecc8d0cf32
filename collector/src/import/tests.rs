//! Saved traces of each form, whole and broken, small and beyond the budget of memory.

use super::*;
use crate::sink::part_path;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan};
use prost::Message as _;
use std::fs;

fn labels() -> CaseLabels {
    CaseLabels {
        run_id: "imported".into(),
        case_id: "all".into(),
        factors: Vec::new(),
    }
}

fn jaeger_trace(id: u64) -> String {
    format!(
        r#" {{"traceID":"{id:x}","spans":[
        {{"traceID":"{id:x}","spanID":"1","operationName":"a \"}}]\\","references":[],"startTime":{id},"duration":100,"processID":"p1"}},
        {{"traceID":"{id:x}","spanID":"2","operationName":"b","references":[{{"refType":"CHILD_OF","traceID":"{id:x}","spanID":"1"}}],"startTime":{id},"duration":40,"processID":"p2"}}],
        "processes":{{"p1":{{"serviceName":"frontend"}},"p2":{{"serviceName":"geo"}}}}}}"#
    )
}

fn run(
    kind: Kind,
    content: &[u8],
    budget: usize,
) -> Result<(Imported, tempfile::TempDir), ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("saved");
    fs::write(&file, content).unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    Ok((import(kind, &[file], &out, &labels(), budget)?, dir))
}

#[test]
fn jaegers_files_become_tables_in_memory_or_over_the_disk() {
    let traces: Vec<_> = (1..=3_000).map(jaeger_trace).collect();
    let answer = format!(
        r#"{{"total":0,"errors":null,"data" : [{}],"limit":0}}"#,
        traces.join(",")
    );
    for budget in [BUDGET_BYTES, 10_000] {
        let (imported, dir) = run(Kind::Jaeger, answer.as_bytes(), budget).unwrap();
        assert_eq!(
            (imported.report.spans, imported.report.complete),
            (6_000, 3_000)
        );
        assert_eq!(imported.spilled_bytes > 0, budget == 10_000);
        assert_eq!(imported.report.by_service["geo"], 3_000);
        assert!(part_path(&dir.path().join("out"), "spans", "all").exists());
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 4);
    }
    // A plain array, and nothing found.
    assert_eq!(
        run(Kind::Jaeger, format!("[{}]", traces[0]).as_bytes(), 1)
            .unwrap()
            .0
            .report
            .spans,
        2
    );
    assert_eq!(
        run(Kind::Jaeger, br#"{"data":null}"#, 1)
            .unwrap()
            .0
            .report
            .spans,
        0
    );
}

#[test]
fn all_forms_of_otlp_are_read() {
    let span = |id: u8| ProtoSpan {
        trace_id: vec![id; 16],
        span_id: vec![id; 8],
        end_time_unix_nano: 9,
        ..ProtoSpan::default()
    };
    let message = |ids: std::ops::Range<u8>| ExportTraceServiceRequest {
        resource_spans: ids
            .map(|id| ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![span(id)],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            })
            .collect(),
    };
    let whole = message(1..200).encode_to_vec();
    assert_eq!(
        run(Kind::Otlp, &whole, BUDGET_BYTES)
            .unwrap()
            .0
            .report
            .spans,
        199
    );
    let frame = |message: Vec<u8>| [&(message.len() as u32).to_be_bytes()[..], &message].concat();
    let frames = [
        frame(message(1..100).encode_to_vec()),
        frame(message(100..120).encode_to_vec()),
    ]
    .concat();
    assert_eq!(
        run(Kind::Otlp, &frames, BUDGET_BYTES)
            .unwrap()
            .0
            .report
            .spans,
        119
    );
    let line = |id: u8| {
        let hex = format!("{id:02x}");
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{}","spanId":"{}"}}]}}]}}]}}"#,
            hex.repeat(16),
            hex.repeat(8)
        )
    };
    let lines = format!("{}\n\n{}", line(1), line(2));
    assert_eq!(
        run(Kind::Otlp, lines.as_bytes(), BUDGET_BYTES)
            .unwrap()
            .0
            .report
            .spans,
        2
    );
}

#[test]
fn broken_files_say_where_and_leave_no_tables() {
    let traces = [jaeger_trace(1), jaeger_trace(2)].join(",");
    let cut = format!(r#"{{"data":[{}"#, &traces[..traces.len() - 40]);
    for (kind, content) in [
        (Kind::Jaeger, cut.as_bytes()),
        (Kind::Jaeger, br#"{"data":[{"traceID":5}]}"#),
        (Kind::Jaeger, br#"{"traces":[]}"#),
        (Kind::Jaeger, b"<html>"),
        (Kind::Otlp, b"<html> of some length"),
        (Kind::Otlp, b"{\"resourceSpans\":[{]}"),
        (Kind::Otlp, &[0x0a, 0x7f, 1, 2]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broken");
        fs::write(&file, content).unwrap();
        let error = import(
            kind,
            std::slice::from_ref(&file),
            dir.path(),
            &labels(),
            BUDGET_BYTES,
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("broken") && error.to_string().contains("byte"),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let none = [dir.path().join("none")];
    assert!(matches!(
        import(Kind::Otlp, &none, dir.path(), &labels(), 1),
        Err(ImportError::Read { .. })
    ));
}

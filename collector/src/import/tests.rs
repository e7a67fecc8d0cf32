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
    Ok((
        import(kind, &[file], (&out, false), &labels(), budget)?,
        dir,
    ))
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
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 6);
    }
    // A plain array.
    assert_eq!(
        run(Kind::Jaeger, format!("[{}]", traces[0]).as_bytes(), 1)
            .unwrap()
            .0
            .report
            .spans,
        2
    );
}

#[test]
fn all_forms_of_otlp_are_read() {
    let span = |id: u8| ProtoSpan {
        trace_id: vec![id; 16],
        span_id: vec![id; 8],
        start_time_unix_nano: 5,
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
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{}","spanId":"{}","startTimeUnixNano":"9"}}]}}]}}]}}"#,
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
fn files_without_any_span_say_why_and_leave_no_tables() {
    for (kind, content, reason) in [
        (
            Kind::Jaeger,
            &br#"{"data":[{"traceID":5}]}"#[..],
            "at byte 9",
        ),
        (Kind::Jaeger, br#"{"traces":[]}"#, "`traces`"),
        (Kind::Jaeger, br#"{"data":null}"#, "there are none"),
        (
            Kind::Jaeger,
            br#"{"data":[],"errors":[{"msg":"storage"}]}"#,
            "storage",
        ),
        (Kind::Jaeger, b"<html>", "at byte 0"),
        (Kind::Jaeger, b"", "there are none"),
        (Kind::Otlp, b"<html> of some length", "at byte 0"),
        (Kind::Otlp, b"{\"resourceSpans\":[{]}", "at byte 18"),
        (Kind::Otlp, &[0x0a, 0x7f, 1, 2], "at byte 0"),
        (Kind::Otlp, &[0, 0, 0, 9, 0x0a, 1], "at byte 0"),
        (Kind::Otlp, br#"{"resourceLogs":[]}"#, "metrics, logs"),
        (Kind::Otlp, b"PK\x03\x04 and so on", "zip"),
        (Kind::Otlp, b"\xff\xfe{\0", "UTF-16"),
        (
            Kind::Otlp,
            br#"{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"1"}]}]}"#,
            "`aefm import jaeger`",
        ),
        (
            Kind::Jaeger,
            br#"{"resourceSpans":[{"scopeSpans":[]}]}"#,
            "`aefm import otlp`",
        ),
        (
            Kind::Otlp,
            br#"[{"traceId":"1","id":"2","timestamp":3}]"#,
            "`aefm import zipkin`",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broken");
        fs::write(&file, content).unwrap();
        let error = import(
            kind,
            std::slice::from_ref(&file),
            (dir.path(), false),
            &labels(),
            BUDGET_BYTES,
        )
        .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("broken") || error.contains("metrics"),
            "{error}"
        );
        assert!(error.contains(reason), "{error} should have {reason}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let none = [dir.path().join("none")];
    assert!(matches!(
        import(Kind::Otlp, &none, (dir.path(), false), &labels(), 1),
        Err(ImportError::Read { .. })
    ));
}

/// What was imported of `content`: spans, complete traces, parts left out.
fn counts(kind: Kind, content: &[u8]) -> (u64, u64, u64) {
    let (imported, dir) = run(kind, content, BUDGET_BYTES).unwrap();
    // What is missing is in the tables, too.
    let quality = crate::read::read_table(&part_path(&dir.path().join("out"), "quality", "all"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let missing = crate::read::int(&quality, "missing", 0).unwrap();
    assert_eq!(missing as u64, imported.left_out + imported.invalid);
    let status = crate::read::text(&quality, "status", 0);
    assert_eq!(status, Some(if missing == 0 { "ok" } else { "degraded" }));
    (
        imported.report.spans,
        imported.report.complete,
        imported.left_out,
    )
}

macro_rules! saved {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/collector/saved/", $name))
    };
}

#[test]
fn files_from_the_field_are_read_whole() {
    let jaeger: [(&[u8], _); 5] = [
        (saved!("jaeger/answers_a_line.jsonl"), (6, 3, 0)),
        (saved!("jaeger/answers_concatenated.json"), (6, 3, 0)),
        (saved!("jaeger/bom.json"), (2, 1, 0)),
        (saved!("jaeger/follows_from_after.json"), (2, 1, 0)),
        (saved!("jaeger/skewed_clocks.json"), (14, 4, 0)),
    ];
    for (content, expected) in jaeger {
        assert_eq!(counts(Kind::Jaeger, content), expected);
    }
    let otlp: [&[u8]; 11] = [
        saved!("otlp/pretty.json"),
        saved!("otlp/base64_ids.json"),
        saved!("otlp/null_attributes.json"),
        saved!("otlp/null_end.json"),
        saved!("otlp/null_events.json"),
        saved!("otlp/null_kind.json"),
        saved!("otlp/null_links.json"),
        saved!("otlp/null_name.json"),
        saved!("otlp/null_parentSpanId.json"),
        saved!("otlp/null_status.json"),
        saved!("otlp/null_value.json"),
    ];
    for content in otlp {
        assert_eq!(counts(Kind::Otlp, content), (2, 1, 0));
    }
}

#[test]
fn clocks_that_are_off_and_followers_take_nobodys_time() {
    let of = |content: &[u8], operation: &str| {
        let (_, dir) = run(Kind::Jaeger, content, BUDGET_BYTES).unwrap();
        let mut found = Vec::new();
        for batch in
            crate::read::read_table(&part_path(&dir.path().join("out"), "spans", "all")).unwrap()
        {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let text = |name| crate::read::text(&batch, name, row).map(str::to_owned);
                let int = |name| crate::read::int(&batch, name, row).unwrap();
                if text("operation").as_deref() == Some(operation) {
                    found.push((
                        text("trace_id").unwrap(),
                        int("self_ns"),
                        int("critical_ns"),
                        int("adjusted_start_ns") - int("start_ns"),
                        text("flags"),
                    ));
                }
            }
        }
        found
            .into_iter()
            .map(|(trace, own, critical, moved, flags)| {
                (
                    u128::from_str_radix(&trace, 16).unwrap(),
                    own,
                    critical,
                    moved,
                    flags,
                )
            })
            .collect::<Vec<_>>()
    };
    let follows = saved!("jaeger/follows_from_after.json");
    assert_eq!(
        of(follows, "root"),
        [(0xd400, 1_000_000, 1_000_000, 0, None)]
    );
    assert_eq!(of(follows, "send mail"), [(0xd400, 500_000, 0, 0, None)]);
    let skewed = saved!("jaeger/skewed_clocks.json");
    let nearby = of(skewed, "/geo.Geo/Nearby");
    // The callee's clock is 50 ms ahead: the client itself worked for one.
    assert_eq!(nearby[0], (0xa3, 1_000_000, 1_000_000, 0, None));
    assert_eq!(
        (nearby[1].1, nearby[1].3, &nearby[1].4),
        (5_000_000, -50_000_000, &None)
    );
    assert_eq!(
        of(skewed, "enqueue"),
        [(0xa1, 3_000_000, 3_000_000, 0, None)]
    );
    assert_eq!(of(skewed, "send mail"), [(0xa1, 500_000_000, 0, 0, None)]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn packed_files_are_unpacked_member_by_member() {
    let lines = saved!("jaeger/answers_a_line.jsonl");
    let (one, two) = lines.split_at(700);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for packed in [
        gzip(lines),
        [gzip(one), gzip(two)].concat(),
        zstd(lines),
        [zstd(one), zstd(two)].concat(),
    ] {
        assert_eq!(counts(Kind::Jaeger, &packed), (6, 3, 0));
    }
    // Cut short, or with something behind it: what was there is kept.
    let packed = [gzip(lines), b"and more".to_vec()].concat();
    assert_eq!(counts(Kind::Jaeger, &packed), (6, 3, 1));
    // The collector packs each message by itself.
    let frame = |message: Vec<u8>| [&(message.len() as u32).to_be_bytes()[..], &message].concat();
    let json = saved!("otlp/pretty.json");
    let other = String::from_utf8(json.to_vec())
        .unwrap()
        .replace("0100\"", "0200\"");
    let frames = [frame(zstd(json)), frame(other.into_bytes())].concat();
    assert_eq!(counts(Kind::Otlp, &frames), (4, 2, 0));
    assert_eq!(
        counts(Kind::Otlp, &[&frames[..], &[0, 0]].concat()),
        (4, 2, 1)
    );
}

#[test]
fn what_others_write_is_known_by_its_members() {
    let span = r#"{"traceID":"2a","spanID":"1","operationName":"a","startTime":7,"startTimeMillis":0,"duration":5,"references":[],
        "tags":[{"key":"http.status_code","type":"int64","value":"503"},{"key":"error","type":"bool","value":"true"}],"tag":{"db@type":"sql"},
        "process":{"serviceName":"geo","tags":[{"key":"hostname","type":"string","value":"geo-0"}]}}"#.replace('\n', "");
    let hit = format!(r#"{{"_index":"jaeger-span-2026-01-01","_id":"x","_source":{span}}}"#);
    for text in [
        span,
        hit.clone(),
        format!(r#"{{"took":3,"hits":{{"total":{{"value":1}},"hits":[{hit}]}}}}"#),
    ] {
        let (imported, dir) = run(Kind::Jaeger, text.as_bytes(), BUDGET_BYTES).unwrap();
        assert_eq!(imported.report.spans, 1);
        let mut traces =
            crate::read::read_traces(&part_path(&dir.path().join("out"), "spans", "all")).unwrap();
        let span = traces.next().unwrap().unwrap().spans.remove(0);
        assert_eq!(
            span.attributes.as_deref(),
            Some(r#"{"http.status_code":503,"error":true,"db.type":"sql"}"#)
        );
        assert_eq!(
            (span.http_status, span.error, span.origin.pod.as_deref()),
            (Some(503), true, Some("geo-0"))
        );
    }
    let resource = r#"{"resource":{"attributes":[]},"instrumentationLibrarySpans":[{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAABAA==","spanId":"AAAAAAAAAKA=","startTimeUnixNano":9,"kind":"SPAN_KIND_CLIENT"}]}]}"#;
    for text in [
        resource.to_owned(),
        format!(r#"{{"batches":[{resource}]}}"#),
        format!(r#"{{"trace":{{"resourceSpans":[{resource}]}}}}"#),
        format!(r#"[{{"resource_spans":[{resource}]}}]"#),
        r#"{"traceId":"01","spanId":"02","startTimeUnixNano":9,"name":"x"}"#.to_owned(),
    ] {
        assert_eq!(counts(Kind::Otlp, text.as_bytes()), (1, 1, 0), "{text}");
    }
    let zipkin = r#"[[{"traceId":"5af7183fb1d4cf5f","id":"1","timestamp":5,"duration":9,"kind":"CLIENT"},
        {"traceId":"5af7183fb1d4cf5f","id":"1","timestamp":6,"duration":7,"kind":"SERVER","shared":true}],[{"traceId":"2","id":"1","timestamp":1}]]"#;
    assert_eq!(counts(Kind::Zipkin, zipkin.as_bytes()), (3, 2, 0));
}

#[test]
fn an_import_writes_over_nothing_unless_told_to() {
    let (_, dir) = run(Kind::Jaeger, saved!("jaeger/bom.json"), BUDGET_BYTES).unwrap();
    let (file, out) = (dir.path().join("saved"), dir.path().join("out"));
    let table = part_path(&out, "spans", "all");
    let before = fs::read(&table).unwrap();
    let again = |labels: &CaseLabels, replaces| {
        import(
            Kind::Jaeger,
            std::slice::from_ref(&file),
            (&out, replaces),
            labels,
            BUDGET_BYTES,
        )
    };
    let refused = again(&labels(), false).unwrap_err().to_string();
    assert!(
        refused.contains("--force") && refused.contains("all"),
        "{refused}"
    );
    assert_eq!(fs::read(&table).unwrap(), before);
    let other = CaseLabels {
        case_id: "other".into(),
        ..labels()
    };
    assert_eq!(again(&other, false).unwrap().report.spans, 2);
    assert_eq!(again(&labels(), true).unwrap().report.spans, 2);
}

mod broken;

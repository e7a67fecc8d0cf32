//! What is exported is read again: by ourselves, and by the column.

use super::*;
use crate::import::{BUDGET_BYTES, Kind, import};
use crate::read::read_traces;
use crate::schema::{CASES, METRICS};
use crate::sink::{Cell, TableWriter, part_path};
use crate::span::{Extra, Names, Span};
use crate::trace::testing::any_trace;
use crate::trace::{group, write_trace_tables};
use aefm_workloads::ids::TraceId;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use proptest::prelude::*;
use std::fs;

fn labels() -> CaseLabels {
    let factors = vec![("rate_hz".to_owned(), FactorValue::Float(20.0))];
    CaseLabels {
        run_id: "r".into(),
        case_id: "c1".into(),
        factors,
    }
}

/// A run of one case with these spans.
fn run(spans: Vec<Span>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_trace_tables(dir.path(), &labels(), spans, None).unwrap();
    let mut cases = TableWriter::create(dir.path(), &CASES, &labels()).unwrap();
    let mut row = vec![Cell::Null; CASES.columns.len()];
    (row[0], row[1], row[5]) = (Cell::Text("rate=20"), Cell::Int(0), Cell::Text("ok"));
    cases.push(&row).unwrap();
    cases.finish().unwrap();
    dir
}

fn exported(form: Form, run: &Path) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    export(form, run, &cases(run).unwrap(), (out.path(), false)).unwrap();
    out
}

/// The spans of an imported dataset.
fn imported(kind: Kind, file: PathBuf) -> Vec<Vec<Span>> {
    let dir = tempfile::tempdir().unwrap();
    import(kind, &[file], (dir.path(), false), &labels(), BUDGET_BYTES).unwrap();
    read_traces(&part_path(dir.path(), "spans", "c1"))
        .unwrap()
        .map(|trace| trace.unwrap().spans)
        .collect()
}

prop_compose! {
    fn any_attributes()(text: String, int: i64, float: f64, flag: bool, key: String) -> Box<str> {
        let mut json = String::from("{\"zeta\":");
        crate::json_text::push_string(&mut json, &text);
        json.push_str(",\"http.response.status_code\":503,\"list\":[1,[\"x\",null],{\"k\":0.5}],");
        crate::json_text::push_string(&mut json, &format!("k{key}"));
        json.push_str(&format!(":{int},\"f\":"));
        crate::json_text::push_double(&mut json, float);
        json.push_str(&format!(",\"flag\":{flag}}}"));
        json.into()
    }
}

/// Spans of a few traces, some with all that a span can have.
fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    (any_trace(), 1..4_u8, any_attributes()).prop_map(|(mut spans, traces, attributes)| {
        for (place, span) in spans.iter_mut().enumerate() {
            span.trace_id = TraceId([place as u8 % traces + 1; 16]);
            span.start_ns += 1_700_000_000_000_000_000;
            if place.is_multiple_of(2) {
                span.attributes = Some(attributes.clone());
                span.http_status = Some(503);
            }
            if place.is_multiple_of(3) {
                span.origin = Names::default().origin("gateway", None, Some("node \"7\""));
                span.error = true;
                span.extra = Some(Box::new(Extra {
                    events: Some(r#"[{"t_ns":5,"name":"e","attributes.k":[true]},{"t_ns":6,"name":""}]"#.into()),
                    links: Some(
                        r#"[{"trace_id":"01020304050607080102030405060708","span_id":"0102030405060708"}]"#.into(),
                    ),
                    status_message: Some("no \n way".into()),
                }));
            }
            if place.is_multiple_of(5) {
                (span.negative, span.duration_ns) = (true, 0);
            } else if place % 5 == 1 {
                (span.unfinished, span.duration_ns) = (true, 0);
            }
        }
        spans
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// OTLP: the same spans to the last attribute.
    #[test]
    fn otlp_comes_back_as_it_was(spans in any_spans()) {
        let run = run(spans.clone());
        let out = exported(Form::Otlp, run.path());
        prop_assert_eq!(imported(Kind::Otlp, out.path().join("c1.otlp.jsonl")), group(spans).0);
    }

    /// Jaeger: the same spans to the microsecond, with what it has no place for as tags.
    #[test]
    fn jaegers_json_comes_back_to_the_microsecond(spans in any_spans()) {
        let run = run(spans.clone());
        let out = exported(Form::JaegerJson, run.path());
        let back = imported(Kind::Jaeger, out.path().join("c1.json"));
        let brief = |spans: Vec<Span>, is_cut: bool| {
            let mut brief: Vec<_> = spans.into_iter().map(|span| {
                let cut = |ns: i64| if is_cut { ns.div_euclid(1_000) * 1_000 } else { ns };
                let end = if span.negative { cut(span.start_ns) } else { cut(span.end_ns()) };
                (span.trace_id, span.span_id, span.parent, span.origin, span.operation, span.kind, cut(span.start_ns), end,
                 span.error, span.http_status, span.negative, span.unfinished)
            }).collect();
            brief.sort();
            brief
        };
        prop_assert_eq!(brief(back.concat(), false), brief(spans, true));
    }
}

#[test]
fn references_survive_the_way_to_jaegers_json_and_back() {
    let saved = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/collector/saved/jaeger/skewed_clocks.json"
    ));
    let run = tempfile::tempdir().unwrap();
    let target = (run.path(), false);
    let file = [saved.to_owned()];
    import(Kind::Jaeger, &file, target, &labels(), BUDGET_BYTES).unwrap();
    let spans: Vec<Span> = read_traces(&part_path(run.path(), "spans", "c1"))
        .unwrap()
        .flat_map(|trace| trace.unwrap().spans)
        .collect();
    let out = exported(Form::JaegerJson, run.path());
    let back = imported(Kind::Jaeger, out.path().join("c1.json")).concat();
    let related = |spans: &[Span]| {
        let links = |span: &Span| span.extra.as_ref().and_then(|extra| extra.links.clone());
        let of = |span: &Span| (span.trace_id, span.span_id, span.parent, links(span));
        spans.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(related(&back), related(&spans));
    assert_eq!(
        related(&back)
            .iter()
            .filter(|span| span.3.is_some())
            .count(),
        3
    );
}

#[test]
fn an_export_writes_over_nothing_unless_told_to() {
    let run = run(vec![crate::trace::testing::span(1, None, 0, 100)]);
    let out = tempfile::tempdir().unwrap();
    let cases = cases(run.path()).unwrap();
    for form in [
        Form::AefmCsv,
        Form::Otlp,
        Form::JaegerJson,
        Form::Alibaba,
        Form::Csv,
    ] {
        export(form, run.path(), &cases, (out.path(), false)).unwrap();
        let error = export(form, run.path(), &cases, (out.path(), false)).unwrap_err();
        assert!(matches!(error, ExportError::There(_)), "{error}");
        export(form, run.path(), &cases, (out.path(), true)).unwrap();
    }
}

#[test]
fn every_table_becomes_a_csv_file_of_the_same_rows() {
    let spans = vec![
        crate::trace::testing::span(1, None, 0, 100),
        crate::trace::testing::span(2, Some(1), 10, 50),
    ];
    let run = run(spans);
    let out = exported(Form::Csv, run.path());
    let names: BTreeSet<_> = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        [
            "cases.csv",
            "edges.csv",
            "services.csv",
            "spans.csv",
            "traces.csv"
        ]
        .map(Into::into)
        .into()
    );
    let text = fs::read_to_string(out.path().join("spans.csv")).unwrap();
    let mut lines = text.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("run_id,case_id,rate_hz,trace_id,span_id,"),
        "{text}"
    );
    assert!(
        lines.next().unwrap().starts_with("r,c1,20,01010101"),
        "{text}"
    );
    assert_eq!(lines.count(), 1);
}

#[test]
fn alibabas_columns_are_filled() {
    let run = run(vec![
        crate::trace::testing::span(1, None, 2_000_000, 9_000_000),
        crate::trace::testing::span(2, Some(1), 3_000_000, 5_500_000),
    ]);
    let mut metrics = TableWriter::create(run.path(), &METRICS, &labels()).unwrap();
    for (scope, subject, t_s, cpu) in [
        ("pod", "s1-0", 1, 0.5),
        ("process", "s2", 1, 1.5),
        ("node", "n1", 2, 2.0),
    ] {
        let mut row = vec![Cell::Null; METRICS.columns.len()];
        let cells = [
            ("scope", Cell::Text(scope)),
            ("subject", Cell::Text(subject)),
            ("source", Cell::Text("kernel")),
            ("node", Cell::Text("n1")),
            ("t_ns", Cell::Int(t_s * 1_000_000_000)),
            ("cpu_cores", Cell::Float(cpu)),
            ("memory_bytes", Cell::Int(1 << 20)),
        ];
        for (name, cell) in cells {
            row[METRICS
                .columns
                .iter()
                .position(|column| column.name == name)
                .unwrap()] = cell;
        }
        metrics.push(&row).unwrap();
    }
    metrics.finish().unwrap();
    let out = exported(Form::Alibaba, run.path());
    let lines = |table: &str| {
        let text =
            fs::read_to_string(out.path().join(table).join(format!("{table}_c1.csv"))).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let trace = "01".repeat(16);
    let expected = [
        format!("2,{trace},op,0,rpc,USER,,op,s1,s1-0,7"),
        format!("3,{trace},op,0.1,rpc,s1,s1-0,op,s2,s2-0,2.5"),
    ];
    assert_eq!(lines("MSCallGraph"), expected);
    assert_eq!(
        lines("MSResource"),
        ["1000,s1,s1-0,n1,0,0", "1000,s2,s2-0,n1,1,0"]
    );
    assert_eq!(lines("Node"), ["2000,n1,0,0"]);
    assert_eq!(
        lines("MSRTMCR")[0],
        "0,s1,s1-0,,7,1,2.5,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
    );
}

#[test]
fn a_folder_without_cases_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(cases(dir.path()).unwrap_err().to_string().contains("cases"));
}

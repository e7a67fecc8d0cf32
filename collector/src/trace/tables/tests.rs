//! The four trace tables of small cases.

use super::super::testing;
use super::*;
use aefm_workloads::ids::SpanId;
use aefm_workloads::labels::FactorValue;
use aefm_workloads::load::Outcome;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const SEED: u64 = 42;

fn labels() -> CaseLabels {
    let factors = vec![("cpu".to_owned(), FactorValue::Float(30.0))];
    CaseLabels {
        run_id: "run".into(),
        case_id: "c000".into(),
        factors,
    }
}

/// The two spans of a request: the frontend's and its child's.
fn pair(request: u64, start_ns: i64) -> [Span; 2] {
    let mut root = testing::span(1, None, start_ns, start_ns + 100);
    root.parent = Some(ids::span_id(SEED, request));
    let mut child = testing::span(2, Some(1), start_ns + 10, start_ns + 60);
    for (span, id) in [(&mut root, 2 * request), (&mut child, 2 * request + 1)] {
        span.trace_id = ids::trace_id(SEED, request);
        span.span_id = SpanId((id + 1).to_be_bytes());
    }
    child.parent = Some(root.span_id);
    [root, child]
}

fn join() -> Join {
    let mut requests = RequestLog::default();
    for request in 0..4 {
        let phase = if request < 1 {
            Phase::WarmUp
        } else {
            Phase::Measure
        };
        requests.insert(
            request,
            RequestFacts {
                response_ns: Some(120),
                outcome: Outcome::Ok,
                phase,
            },
        );
    }
    Join {
        trace_seed: SEED,
        first_measured: 1,
        requests,
    }
}

fn read(dir: &Path, table: &str) -> RecordBatch {
    let file = std::fs::File::open(crate::sink::part_path(dir, table, "c000")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Int64Type>()
        .iter()
        .collect()
}

#[test]
fn a_case_becomes_four_tables_joined_to_its_requests() {
    let dir = tempfile::tempdir().unwrap();
    let mut spans: Vec<Span> = (0..3)
        .flat_map(|request| pair(request, 1_000 * request as i64))
        .collect();
    // Request 2 lost its child's parent; request 3 has no trace; one span came twice; one trace is not the load's.
    spans[5].parent = Some(SpanId([9; 8]));
    spans.push(spans[1].clone());
    spans.push(testing::span(7, None, 0, 10));
    let report = write_trace_tables(dir.path(), &labels(), spans, Some(&join())).unwrap();
    assert_eq!(
        (
            report.spans,
            report.copies,
            report.traces,
            report.complete,
            report.orphans
        ),
        (7, 1, 4, 3, 1)
    );
    assert_eq!(
        report.coverage,
        Coverage {
            done: 3,
            traced: 2,
            complete: 1
        }
    );
    assert_eq!(report.by_service.values().sum::<u64>(), 7);

    let traces = read(dir.path(), "traces");
    assert_eq!(ints(&traces, "request"), [Some(0), Some(1), Some(2), None]);
    assert_eq!(
        ints(&traces, "response_time_ns"),
        [Some(120), Some(120), Some(120), None]
    );
    let phases: Vec<_> = traces
        .column_by_name("phase")
        .unwrap()
        .as_string::<i32>()
        .iter()
        .collect();
    assert_eq!(
        phases,
        [Some("warm-up"), Some("measure"), Some("measure"), None]
    );

    // The warm-up and the stranger are not in the aggregates: two measured requests are.
    let services = read(dir.path(), "services");
    assert_eq!(ints(&services, "spans").iter().flatten().sum::<i64>(), 4);
    let edges = read(dir.path(), "edges");
    assert_eq!(ints(&edges, "calls"), [Some(1)]);

    let spans = read(dir.path(), "spans");
    assert_eq!(spans.num_rows(), 7);
    let own: i64 = ints(&spans, "self_ns").iter().flatten().sum();
    assert_eq!(own, 50 + 50 + 50 + 50 + 100 + 50 + 10);
    let orphans = spans.column_by_name("orphan").unwrap().as_boolean();
    assert_eq!(orphans.true_count(), 1);
    assert_eq!(
        spans
            .column_by_name("trace_id")
            .unwrap()
            .as_string::<i32>()
            .value(0),
        ids::trace_id(SEED, 0).to_string()
    );
}

#[test]
fn a_case_without_spans_has_empty_tables_of_the_same_columns() {
    let dir = tempfile::tempdir().unwrap();
    let report = write_trace_tables(dir.path(), &labels(), Vec::new(), Some(&join())).unwrap();
    assert_eq!(
        report.coverage,
        Coverage {
            done: 3,
            traced: 0,
            complete: 0
        }
    );
    for table in ["spans", "traces", "services", "edges"] {
        let batch = read(dir.path(), table);
        assert_eq!(
            (batch.num_rows(), batch.schema().field(2).name().as_str()),
            (0, "cpu")
        );
    }
}

#[test]
fn without_a_load_everything_counts() {
    let dir = tempfile::tempdir().unwrap();
    let spans = vec![
        testing::span(1, None, 0, 10),
        testing::span(2, Some(1), 2, 5),
    ];
    write_trace_tables(dir.path(), &labels(), spans, None).unwrap();
    let services = read(dir.path(), "services");
    assert_eq!(ints(&services, "spans").iter().flatten().sum::<i64>(), 2);
    assert!(
        read(dir.path(), "spans")
            .column_by_name("phase")
            .unwrap()
            .is_null(0)
    );
}

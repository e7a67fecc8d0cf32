//! What the original wrote, and what we wrote in its form, becomes tables.

use super::*;
use crate::export::{Form, export};
use crate::read::{float, read_table, read_traces, text};
use crate::sink::part_path;
use crate::trace::group;
use crate::trace::testing::span;
use aefm_workloads::labels::FactorValue;
use std::fs;

const RAW: &str = "trace_id,parent_id,trace_time,start_time,end_time,child_id,child_operation,parent_operation,child_ms,\
    child_pod,parent_ms,parent_pod,parent_duration,child_duration,merged_child_duration,step,exact_parent_duration";

fn import(files: &[(&str, String)]) -> (Result<ImportedCsv, ImportError>, tempfile::TempDir) {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, text) in files {
        fs::write(from.path().join(format!("{name}.csv")), text).unwrap();
    }
    (import_aefm_csv(from.path(), to.path(), "run", false), to)
}

#[test]
fn pairs_become_spans_and_figures_stay_as_they_were() {
    let raw = format!(
        "{RAW},round,throughput,cpu\n\
        abc,1,1000,1010,1050.0,2,child,root,geo,geo-0,front,front-0,100,40,40,0,60,1,20,0.5\n\
        abc,2,1000,1020,1030,3,leaf,child,rate,rate-0,geo,geo-0,40,10,10,0,30,1,20,0.5\n\
        nothex,1,1,1,1,2,a,b,c,d,e,f,1,1,1,0,1,1,20,0.5\n\
        abc,1,9000,9010,9050,2,child,root,geo,geo-0,front,front-0,100,40,40,0,60,2,20,0.5\n"
    );
    let statistics =
        "microservice,pod,p50,p95,round,throughput,cpu\ngeo,geo-0,12.5,20,1,20,0.5\n".to_owned();
    let (imported, dir) = import(&[("raw_data", raw), ("statistical_data", statistics)]);
    let imported = imported.unwrap();
    assert_eq!(
        (
            imported.cases,
            imported.spans,
            imported.estimated,
            imported.invalid
        ),
        (2, 5, 0, 1)
    );
    assert_eq!(imported.absent.len(), 3);
    let path = |table: &str| part_path(dir.path(), table, "c001");
    let traces: Vec<_> = read_traces(&path("spans"))
        .unwrap()
        .map(|trace| trace.unwrap().spans)
        .collect();
    let brief: Vec<_> = traces[0]
        .iter()
        .map(|span| (&*span.operation, span.start_ns, span.duration_ns))
        .collect();
    assert_eq!(
        brief,
        [
            ("root", 1_000_000, 100_000),
            ("child", 1_010_000, 40_000),
            ("leaf", 1_020_000, 10_000)
        ]
    );
    let figures = read_table(&path("user_statistical"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (text(&figures, "microservice", 0), float(&figures, "p50", 0)),
        (Some("geo"), Some(12.5))
    );
    assert_eq!(
        (float(&figures, "rate_hz", 0), float(&figures, "cpu", 0)),
        (Some(20.0), Some(0.5))
    );
    let cases = read_table(&path("cases")).unwrap().next().unwrap().unwrap();
    assert_eq!(text(&cases, "status", 0), Some("degraded"));
    assert!(
        text(&cases, "reason", 0)
            .unwrap()
            .contains("1 rows have no ids"),
        "{:?}",
        text(&cases, "reason", 0)
    );
}

#[test]
fn a_start_that_the_files_do_not_have_is_said_to_be_estimated() {
    // The rows of the root were dropped: of the two parents left neither can be told to be it.
    let raw = format!(
        "{RAW},round\n\
        abc,2,1000,1020,1030,3,leaf,child,rate,,geo,,40,10,10,0,30,1\n\
        abc,4,1000,1060,1070,5,leaf,other,rate,,geo,,40,10,10,0,30,1\n"
    );
    let (imported, dir) = import(&[("raw_data", raw)]);
    assert_eq!(imported.unwrap().estimated, 2);
    let quality = read_table(&part_path(dir.path(), "quality", "c001"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert!(
        text(&quality, "reason", 0)
            .unwrap()
            .contains("the start of 2 spans")
    );
}

#[test]
fn what_we_export_comes_back() {
    let (run, out, back) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let labels = CaseLabels {
        run_id: "r".into(),
        case_id: "c001".into(),
        factors: vec![
            ("round".into(), FactorValue::Int(3)),
            ("note".into(), FactorValue::Text("a,b".into())),
        ],
    };
    let us = |id, parent, from: i64, to: i64| span(id, parent, from * 1_000, to * 1_000);
    let spans = vec![
        us(3, None, 0, 100),
        us(1, Some(3), 10, 70),
        us(4, Some(1), 20, 60),
        us(7, Some(3), 10, 90),
    ];
    crate::trace::write_trace_tables(run.path(), &labels, spans.clone(), None).unwrap();
    export(
        Form::AefmCsv,
        run.path(),
        &["c001".to_owned()],
        (out.path(), false),
    )
    .unwrap();
    import_aefm_csv(out.path(), back.path(), "again", false).unwrap();
    let path = part_path(back.path(), "spans", "c001");
    let back: Vec<_> = read_traces(&path)
        .unwrap()
        .map(|trace| trace.unwrap().spans)
        .collect();
    assert_eq!(back, group(spans).0);
}

#[test]
fn files_that_are_not_the_originals_are_refused_by_name() {
    let (missing, _dir) = import(&[]);
    assert!(missing.unwrap_err().to_string().contains("raw_data.csv"));
    let (other, _dir) = import(&[("raw_data", "a,b\n1,2\n".to_owned())]);
    assert!(
        other
            .unwrap_err()
            .to_string()
            .contains("no column trace_id")
    );
    let (ragged, _dir) = import(&[("raw_data", format!("{RAW},round\n1,2\n"))]);
    assert!(
        ragged
            .unwrap_err()
            .to_string()
            .contains("raw_data.csv at byte")
    );
    let (taken, _dir) = import(&[(
        "raw_data",
        format!("{RAW},verdict\na,1,1,1,1,2,a,b,c,d,e,f,1,1,1,0,1,x\n"),
    )]);
    assert!(taken.unwrap_err().to_string().contains("rename it"));
}

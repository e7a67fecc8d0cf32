//! Whose traces are whose, and what is said where there are none.

use super::*;
use aefm_collector::span::Names;
use aefm_workloads::ids::{SpanId, trace_id};
use aefm_workloads::labels::CaseLabels;
use aefm_workloads::load::{Outcome, Phase};

fn wanted(trace: TraceContext) -> Wanted {
    let labels = CaseLabels {
        run_id: "r".into(),
        case_id: "c001".into(),
        factors: Vec::new(),
    };
    let window = Window {
        labels,
        name: String::new(),
        trace_seed: 7,
        from_ns: 100,
        to_ns: 200,
    };
    let mut log = RequestLog::default();
    for (request, response_ns) in [(0, Some(5)), (1, None)] {
        log.insert(
            request,
            aefm_collector::requests::RequestFacts {
                response_ns,
                outcome: Outcome::Ok,
                phase: Phase::Measure,
            },
        );
    }
    Wanted {
        window,
        requests: Some(Arc::new(log)),
        counted: None,
        trace,
        cases: Arc::new([trace_id(7, 0).prefix(), trace_id(8, 0).prefix()].into()),
        learned: Arc::default(),
        late: None,
        flush: Duration::ZERO,
        awaited: Duration::ZERO,
        patience: Duration::ZERO,
    }
}

fn span(id: TraceId, start_ns: i64) -> Span {
    let mut names = Names::default();
    Span {
        trace_id: id,
        span_id: SpanId([1; 8]),
        parent: None,
        origin: names.origin("frontend", None, None),
        operation: names.name("get"),
        kind: None,
        start_ns,
        duration_ns: 1,
        negative: false,
        unfinished: false,
        error: false,
        http_status: None,
        attributes: None,
        extra: None,
    }
}

#[test]
fn a_case_goes_by_its_ids_and_other_cases_of_the_run_are_no_strangers() {
    let collected = Collected {
        spans: vec![span(trace_id(7, 0), 500)],
        strangers: [trace_id(8, 0), TraceId([9; 16])].into(),
        ..Collected::default()
    };
    let traces = wanted(TraceContext::W3c).own(collected);
    let starts: Vec<_> = traces.spans.iter().map(|span| span.start_ns).collect();
    assert_eq!((starts, traces.foreign, traces.expected), (vec![500], 1, 1));
    assert_eq!(traces.troubles, [] as [String; 0]);
}

#[test]
fn without_a_header_a_case_goes_by_time_and_strangers_among_its_traces_are_told() {
    // One of the time, and one that began before the load.
    let found = |ids: &[(u8, i64)]| Collected {
        spans: ids
            .iter()
            .map(|(id, at)| span(TraceId([*id; 16]), *at))
            .collect(),
        ..Collected::default()
    };
    let traces = wanted(TraceContext::None).own(found(&[(1, 150), (2, 99)]));
    assert_eq!(
        (traces.spans.len(), traces.foreign, traces.expected),
        (1, 1, 0)
    );
    assert_eq!(traces.troubles, [] as [String; 0]);
    let traces = wanted(TraceContext::None).own(found(&[(1, 150), (2, 160)]));
    assert!(
        traces.troubles[0].contains("2 traces began in the time of 1 answered"),
        "{:?}",
        traces.troubles
    );
}

#[test]
fn nothing_of_the_load_is_said_with_a_way_out() {
    let said = |collected: Collected| wanted(TraceContext::W3c).own(collected).troubles.join("; ");
    let strangers = [TraceId([9; 16])].into();
    assert!(
        said(Collected {
            strangers,
            ..Collected::default()
        })
        .contains("`application.trace_header`")
    );
    assert!(
        said(Collected::default()).contains("does the application send its spans to this Jaeger")
    );
    let unknown = Some((
        vec!["frontnd".to_owned()],
        vec!["frontend".to_owned(), "geo".to_owned()],
    ));
    let told = said(Collected {
        unknown,
        ..Collected::default()
    });
    assert!(
        told.contains("frontnd: it knows frontend, geo; say in `collect.jaeger.services`"),
        "{told}"
    );
}

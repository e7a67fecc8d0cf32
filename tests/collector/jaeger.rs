//! Collecting from a Jaeger that misbehaves in every way we know of.

use crate::double::{Double, Faults, Known};
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::search::Bounds;
use aefm_collector::jaeger::{Api, Collected, Jaeger, JaegerOptions, Plan, Settle, Whose};
use aefm_collector::trace::group;
use aefm_workloads::ids::TraceId;
use std::sync::Arc;
use std::time::Duration;

const START_US: i64 = 1_700_000_000_000_000;

/// Traces in bursts: some hundred within a few microseconds, the others spread.
fn traces(count: u64) -> Vec<Known> {
    let start = |id: u64| {
        if id.is_multiple_of(2) {
            START_US + 500_000 + (id % 7) as i64
        } else {
            START_US + 1_000 * id as i64
        }
    };
    let known = |id| Known {
        id,
        start_us: start(id),
        children: 1 + id % 3,
        is_error: id.is_multiple_of(10),
    };
    (1..=count).map(known).collect()
}

fn trace_id(id: u64) -> TraceId {
    TraceId(u128::from(id).to_be_bytes())
}

fn options(double: &Double) -> JaegerOptions {
    let http = HttpOptions {
        attempts: 3,
        backoff: Duration::from_millis(1),
        ..HttpOptions::default()
    };
    JaegerOptions {
        url: double.url(),
        grpc: None,
        http,
    }
}

fn plan(expected: &[Known]) -> Plan {
    Plan {
        services: vec!["frontend".to_owned()],
        from_ns: START_US * 1_000,
        to_ns: (START_US + 2_000_000) * 1_000,
        expected: expected.iter().map(|known| trace_id(known.id)).collect(),
        counted: None,
        whose: Whose::Anybody,
        bounds: Bounds {
            limit: 40,
            limit_max: 400,
            ..Bounds::default()
        },
        settle: Settle {
            // The window was over long ago: what is missing is not awaited, but news are looked for.
            flush: Duration::from_millis(50),
            every: Duration::from_millis(5),
            patience: Duration::from_secs(60),
            awaited: Duration::ZERO,
        },
        learned: Arc::default(),
    }
}

async fn collect(known: &[Known], faults: Faults, expected: &[Known]) -> Collected {
    let double = Double::start(known.to_vec(), faults).await;
    let jaeger = Jaeger::connect(options(&double)).await.unwrap();
    assert_eq!(jaeger.api(), Api::V1);
    jaeger.collect(&plan(expected)).await
}

/// Every span of every trace, once.
fn assert_whole(collected: Collected, known: &[Known]) {
    assert!(
        collected.missing.is_empty() && collected.gaps.is_empty(),
        "{:?} {:?}",
        collected.missing,
        collected.gaps.first()
    );
    assert_eq!(collected.traces, known.len());
    let (traces, _) = group(collected.spans);
    let spans: usize = traces.iter().map(Vec::len).sum();
    assert_eq!(spans as u64, known.iter().map(Known::spans).sum::<u64>());
    let errors = traces.iter().flatten().filter(|span| span.error).count();
    assert_eq!(
        errors,
        known.iter().filter(|known| known.is_error).count(),
        "errors are kept like the others"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_trace_comes_whatever_the_server_does() {
    let known = traces(900);
    let faults = [
        ("none", Faults::default()),
        (
            "a cap",
            Faults {
                cap: Some(15),
                ..Faults::default()
            },
        ),
        (
            "small limits",
            Faults {
                limit_max: Some(7),
                ..Faults::default()
            },
        ),
        (
            "duplicates",
            Faults {
                duplicates: true,
                ..Faults::default()
            },
        ),
        (
            "late traces",
            Faults {
                late_until: 6,
                ..Faults::default()
            },
        ),
        (
            "cut connections",
            Faults {
                cut_every: 5,
                ..Faults::default()
            },
        ),
        (
            "errors",
            Faults {
                fail_every: 4,
                ..Faults::default()
            },
        ),
    ];
    for (name, faults) in faults {
        eprintln!("with {name}");
        assert_whole(collect(&known, faults, &[]).await, &known);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_searches_lack_is_asked_for_by_id() {
    let known = traces(300);
    let faults = Faults {
        partial: true,
        unlisted: true,
        ..Faults::default()
    };
    let collected = collect(&known, faults.clone(), &known).await;
    assert!(collected.by_id >= 60, "{}", collected.by_id);
    assert_whole(collected, &known);
    // One that nobody has is reported as missing, and only that.
    let stranger = Known {
        id: 77_777,
        start_us: START_US,
        children: 0,
        is_error: false,
    };
    let collected = collect(&known, faults, &[known.clone(), vec![stranger]].concat()).await;
    assert_eq!(collected.missing, [trace_id(77_777)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_cannot_be_read_is_a_gap_and_the_rest_is_kept() {
    let known = traces(300);
    let bad = START_US + 101_000;
    let collected = collect(
        &known,
        Faults {
            poisoned_us: Some(bad),
            ..Faults::default()
        },
        &[],
    )
    .await;
    let gap = &collected.gaps[0];
    assert!(
        (gap.from_us..gap.to_us).contains(&bad) && gap.reason.contains("cannot read a block"),
        "{gap:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jaeger_that_is_down_or_none_says_so_within_bounds() {
    let double = Double::start(
        traces(10),
        Faults {
            garbage: true,
            ..Faults::default()
        },
    )
    .await;
    let jaeger = Jaeger::connect(options(&double)).await.unwrap();
    let collected = jaeger.collect(&plan(&traces(3))).await;
    assert!(collected.spans.is_empty() && collected.missing.len() == 3);
    assert!(
        collected.gaps[0].reason.contains("Jaeger's JSON"),
        "{:?}",
        collected.gaps
    );
    // Nobody listens there any more.
    let options = options(&double);
    drop(double);
    let mut refused = None;
    for _ in 0..200 {
        refused = Jaeger::connect(options.clone()).await.err();
        if refused.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text = refused.expect("the double has ended").to_string();
    assert!(text.contains("16686"), "{text}");
    let collected = jaeger.collect(&plan(&[])).await;
    assert_eq!((collected.spans.len(), collected.gaps.len()), (0, 1));
}

//! Spans that come to a Jaeger late, as batching exporters send them, and a Jaeger that takes its time.

use aefm_collector::clock::now_ns;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::search::Bounds;
use aefm_collector::jaeger::{Collected, Jaeger, JaegerOptions, Learned, Plan, Settle, Whose};
use aefm_workloads::ids::{span_id, trace_id};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const SEED: u64 = 5;
const MS: i64 = 1_000_000;
/// Traces of this load, one every 20 ms.
const TRACES: u64 = 20;

/// A Jaeger that has a service `front`, which calls `store`.
#[derive(Clone, Copy)]
struct Slow {
    begin_ns: i64,
    /// The span of `store` comes so long after its end.
    late: Duration,
    /// Each answer to a search takes so long.
    answers: Duration,
    /// So many of the traces have no span of `store` at all.
    lost: u64,
}

impl Slow {
    fn start_ns(&self, request: u64) -> i64 {
        self.begin_ns + request as i64 * 20 * MS
    }

    fn trace(&self, request: u64, seed: u64) -> String {
        let (id, start_us) = (trace_id(seed, request), self.start_ns(request) / 1_000);
        let span = |own: &str, parent: &str, kind: &str, process: &str| {
            format!(
                r#"{{"traceID":"{id}","spanID":"{own}","operationName":"query","references":[{{"refType":"CHILD_OF","traceID":"{id}","spanID":"{parent}"}}],
                "startTime":{start_us},"duration":1000,"processID":"{process}","tags":[{{"key":"span.kind","type":"string","value":"{kind}"}}]}}"#
            )
        };
        let client = span_id(seed, request).to_string();
        let mut spans = vec![
            span("00000000000000aa", &client, "server", "p1"),
            span("00000000000000ab", "00000000000000aa", "client", "p1"),
        ];
        let late_ns = i64::try_from(self.late.as_nanos()).unwrap();
        if request >= self.lost && now_ns() > self.start_ns(request) + MS + late_ns {
            spans.push(span("00000000000000ac", "00000000000000ab", "server", "p2"));
        }
        format!(
            r#"{{"traceID":"{id}","spans":[{}],"processes":{{"p1":{{"serviceName":"front"}},"p2":{{"serviceName":"store"}}}}}}"#,
            spans.join(",")
        )
    }

    async fn answer(self, path: String, asked: &AtomicUsize) -> Response<Full<Bytes>> {
        let body = |text: String| Response::new(Full::new(Bytes::from(text)));
        if path.starts_with("/api/services") {
            return body(r#"{"data":["front","store"]}"#.to_owned());
        }
        let Some(rest) = path.strip_prefix("/api/traces") else {
            let mut none = body(String::new());
            *none.status_mut() = StatusCode::NOT_FOUND;
            return none;
        };
        asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.answers).await;
        // One of another case, too, whose spans are never whole.
        let all: Vec<(u64, u64)> = (0..TRACES)
            .map(|request| (request, SEED))
            .chain([(0, SEED + 1)])
            .collect();
        let number = |key: &str| {
            let value = rest
                .split(['?', '&'])
                .find_map(|pair| pair.strip_prefix(key))?;
            value.parse::<i64>().ok()
        };
        let window = number("start=").unwrap_or(i64::MIN)..=number("end=").unwrap_or(i64::MAX);
        let one = rest
            .strip_prefix('/')
            .and_then(|rest| rest.split('?').next());
        let wanted = all.into_iter().filter(|(request, seed)| match one {
            Some(id) => trace_id(*seed, *request).to_string() == id,
            None => {
                rest.contains("service=front")
                    && window.contains(&(self.start_ns(*request) / 1_000))
            }
        });
        let traces: Vec<_> = wanted
            .map(|(request, seed)| self.trace(request, seed))
            .collect();
        body(format!(r#"{{"data":[{}]}}"#, traces.join(",")))
    }
}

/// Collects from such a Jaeger what began just now; how many questions for traces it was asked.
async fn collect(
    slow: Slow,
    settle: Settle,
    services: &[&str],
    learned: &Arc<Learned>,
) -> (Collected, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let service = service_fn(move |request: hyper::Request<_>| {
                    let (path, count) = (request.uri().to_string(), Arc::clone(&count));
                    async move { Ok::<_, Infallible>(slow.answer(path, &count).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let jaeger = Jaeger::connect(JaegerOptions {
        url,
        grpc: None,
        http: HttpOptions::default(),
    })
    .await
    .unwrap();
    let plan = Plan {
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        from_ns: slow.begin_ns,
        to_ns: slow.start_ns(TRACES),
        expected: (0..TRACES).map(|request| trace_id(SEED, request)).collect(),
        counted: None,
        whose: Whose::Load { trace_seed: SEED },
        bounds: Bounds::default(),
        settle,
        learned: Arc::clone(learned),
    };
    let collected = jaeger.collect(&plan).await;
    server.abort();
    (collected, asked.load(Ordering::Relaxed))
}

fn slow() -> Slow {
    Slow {
        // All of them have ended.
        begin_ns: now_ns() - (TRACES as i64 * 20 + 10) * MS,
        late: Duration::ZERO,
        answers: Duration::ZERO,
        lost: 0,
    }
}

fn settle(flush: Duration, patience: Duration) -> Settle {
    Settle {
        flush,
        every: Duration::from_millis(20),
        patience,
        awaited: patience,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_come_late_are_awaited_and_how_late_they_came_is_known() {
    let learned = Arc::default();
    let late = Duration::from_secs(2);
    let settle = settle(Duration::from_secs(3), Duration::from_secs(100));
    let (collected, _) = collect(Slow { late, ..slow() }, settle, &["front"], &learned).await;
    assert_eq!(collected.spans.len() as u64, 3 * TRACES);
    assert_eq!((collected.unanswered, collected.unsettled), (0, false));
    assert!(
        collected.latest.is_some_and(|latest| latest >= late),
        "{:?}",
        collected.latest
    );
    // Another case's trace is neither the load's, nor asked for by its id.
    assert_eq!((collected.strangers.len(), collected.by_id), (1, 0));

    // What has been learned is known of the next case: calls without an answer are missing from the first look on, and
    // awaited beyond the time that it takes to flush.
    let soon = Settle {
        flush: Duration::ZERO,
        ..settle
    };
    let (collected, _) = collect(Slow { late, ..slow() }, soon, &["front"], &learned).await;
    assert_eq!(
        (collected.spans.len() as u64, collected.unanswered),
        (3 * TRACES, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_whose_server_side_never_comes_are_counted() {
    let settle = settle(Duration::from_millis(50), Duration::from_secs(2));
    let (collected, _) = collect(
        Slow { lost: 7, ..slow() },
        settle,
        &["front"],
        &Arc::default(),
    )
    .await;
    assert_eq!((collected.unanswered, collected.missing.len()), (7, 0));
    // Where nobody answers such calls they are calls of what is not traced.
    let (collected, _) = collect(
        Slow {
            lost: TRACES,
            ..slow()
        },
        settle,
        &["front"],
        &Arc::default(),
    )
    .await;
    assert_eq!(collected.unanswered, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jaeger_that_takes_its_time_does_not_take_more_than_there_is() {
    let begun = std::time::Instant::now();
    let settle = settle(Duration::from_millis(50), Duration::from_secs(3));
    let slow = Slow {
        answers: Duration::from_secs(600),
        ..slow()
    };
    let (collected, _) = collect(slow, settle, &["front"], &Arc::default()).await;
    // Well below a single answer's time, however busy the machine is.
    assert!(begun.elapsed() < Duration::from_secs(300));
    let said = collected.failures.join("; ");
    assert!(
        said.contains("the search of `front` was not over when `settle` (3s) was"),
        "{said}"
    );
    assert!(
        said.contains("20 traces were not asked for by id"),
        "{said}"
    );
    assert_eq!(collected.missing.len() as u64, TRACES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_jaeger_does_not_know_is_named_with_those_it_knows() {
    let settle = settle(Duration::from_millis(50), Duration::from_secs(1));
    let (collected, _) = collect(slow(), settle, &["frnt"], &Arc::default()).await;
    let known = ["front", "store"].map(str::to_owned).to_vec();
    assert_eq!(collected.unknown, Some((vec!["frnt".to_owned()], known)));
    // What was sent is asked for by id.
    assert_eq!(
        (collected.missing.len(), collected.by_id as u64),
        (0, TRACES)
    );
}

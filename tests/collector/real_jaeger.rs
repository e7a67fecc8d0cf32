//! 20,000 traces into a real Jaeger, and all of them out again, by each of its three APIs.

use crate::otlp::{client, post};
use crate::parts::jaeger;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::search::Bounds;
use aefm_collector::jaeger::{Api, Jaeger, JaegerOptions, Plan, Settle, Whose};
use aefm_collector::trace::group;
use aefm_workloads::ids;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEED: u64 = 11;
const TRACES: u64 = 20_000;

/// Request `number`'s three spans: of the entrance, of a child, of its child.
fn spans(number: u64, start_ns: u64) -> [(&'static str, Span); 3] {
    let id = |place: u64| (number * 4 + place + 1).to_be_bytes().to_vec();
    let span = |place: u64, parent: Vec<u8>| Span {
        trace_id: ids::trace_id(SEED, number).0.to_vec(),
        span_id: id(place),
        parent_span_id: parent,
        name: format!("operation-{}", number % 3),
        kind: 2,
        start_time_unix_nano: start_ns + place * 1_000,
        end_time_unix_nano: start_ns + 900_000 + number * 7 % 500_000 - place * 1_000,
        status: number.is_multiple_of(10).then(|| Status {
            code: 2,
            message: "failed".to_owned(),
        }),
        ..Span::default()
    };
    let client = ids::span_id(SEED, number).0.to_vec();
    [
        ("frontend", span(0, client)),
        ("search", span(1, id(0))),
        ("geo", span(2, id(1))),
    ]
}

fn batch(numbers: std::ops::Range<u64>, start_ns: impl Fn(u64) -> u64) -> Vec<u8> {
    let resource_spans = ["frontend", "search", "geo"].map(|service| {
        let value = Some(AnyValue {
            value: Some(any_value::Value::StringValue(service.to_owned())),
        });
        let attributes = vec![KeyValue {
            key: "service.name".to_owned(),
            value,
            ..KeyValue::default()
        }];
        let own = numbers
            .clone()
            .flat_map(|number| spans(number, start_ns(number)))
            .filter(|(name, _)| *name == service);
        ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: own.map(|(_, span)| span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.into(),
    }
    .encode_to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_traces_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let Some((mut server, [otlp, http, grpc])) = jaeger(dir.path()).await else {
        return;
    };
    let options = JaegerOptions {
        url: format!("http://127.0.0.1:{http}"),
        grpc: Some(format!("127.0.0.1:{grpc}")),
        http: HttpOptions {
            attempts: 1,
            ..HttpOptions::default()
        },
    };
    server
        .ready(async || Jaeger::connect(options.clone()).await.is_ok())
        .await;

    // Forty seconds of 500 requests a second, which ended just now; some within one microsecond.
    let end_ns = u64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos(),
    )
    .unwrap();
    let begin_ns = end_ns - 41_000_000_000;
    let start_ns = |number: u64| {
        begin_ns
            + if number.is_multiple_of(100) {
                7_000_000_123
            } else {
                number * 2_000_000
            }
    };
    let (client, url) = (client(), format!("http://127.0.0.1:{otlp}/v1/traces"));
    for first in (0..TRACES).step_by(500) {
        let body = batch(first..first + 500, start_ns);
        let response = post(
            &client,
            &url,
            &[("content-type", "application/x-protobuf")],
            body,
        )
        .await;
        assert_eq!(response.status(), 200);
    }
    let plan = Plan {
        services: vec!["frontend".to_owned()],
        from_ns: begin_ns.cast_signed(),
        to_ns: end_ns.cast_signed(),
        expected: (0..TRACES)
            .map(|number| ids::trace_id(SEED, number))
            .collect(),
        counted: None,
        whose: Whose::Load { trace_seed: SEED },
        bounds: Bounds {
            limit: 500,
            limit_max: 2_000,
            ..Bounds::default()
        },
        settle: Settle {
            flush: Duration::from_secs(1),
            every: Duration::from_millis(500),
            patience: Duration::from_secs(150),
            awaited: Duration::from_secs(120),
        },
        learned: Arc::default(),
    };
    for api in [Api::Grpc, Api::V3, Api::V1] {
        let connected = Jaeger::connect(options.clone()).await.unwrap();
        // What it prefers is what it has.
        assert_eq!(connected.api(), Api::Grpc);
        let collected = connected.with_api(api).collect(&plan).await;
        eprintln!(
            "{api:?}: {} spans, {} questions",
            collected.spans.len(),
            collected.questions
        );
        assert_eq!(
            (collected.gaps, collected.failures, collected.missing.len()),
            (vec![], vec![], 0),
            "{api:?}"
        );
        assert_eq!(collected.by_id, 0, "{api:?}: searches find all of it");
        let (traces, _) = group(collected.spans);
        let errors = traces.iter().flatten().filter(|span| span.error).count() as u64;
        assert_eq!(
            (traces.len() as u64, errors),
            (TRACES, 3 * TRACES / 10),
            "{api:?}"
        );
        assert_eq!(
            traces.iter().map(Vec::len).sum::<usize>() as u64,
            3 * TRACES,
            "{api:?}"
        );
        // OTLP keeps nanoseconds, v1 microseconds.
        let first = &traces
            .iter()
            .find(|trace| trace[0].trace_id == ids::trace_id(SEED, 0))
            .unwrap()[0];
        let unit = if api == Api::V1 { 1_000 } else { 1 };
        assert_eq!(
            first.start_ns,
            start_ns(0).cast_signed() / unit * unit,
            "{api:?}"
        );
    }
}

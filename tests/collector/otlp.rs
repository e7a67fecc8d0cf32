//! The OTLP receiver over real sockets: well-behaved exporters, and others.

use aefm_collector::otlp::{Limits, Receiver, ReceiverOptions};
use aefm_workloads::ids;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use std::io::Write as _;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SEED: u64 = 7;

/// One request's spans of one service as a message.
pub(crate) fn message(seed: u64, requests: std::ops::Range<u64>, service: &str) -> Vec<u8> {
    let span = |request: u64| Span {
        trace_id: ids::trace_id(seed, request).0.to_vec(),
        span_id: (request + 1).to_be_bytes().to_vec(),
        parent_span_id: ids::span_id(seed, request).0.to_vec(),
        name: "handle".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000 * request + 1,
        end_time_unix_nano: 1_000 * request + 500,
        ..Span::default()
    };
    let value = Some(AnyValue {
        value: Some(any_value::Value::StringValue(service.to_owned())),
    });
    let attributes = vec![KeyValue {
        key: "service.name".to_owned(),
        value,
        ..KeyValue::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: requests.map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

pub(crate) type HttpClient =
    Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) async fn post(
    client: &HttpClient,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response<Bytes> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client
        .request(request.body(Full::new(body.into())).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn spans_come_plain_and_gzipped_and_go_to_their_case() {
    let receiver = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let (one, two) = (ids::trace_prefix(SEED), ids::trace_prefix(SEED + 1));
    receiver.expect(one);
    receiver.expect(two);
    let (client, url) = (client(), receiver.url());
    assert_eq!(
        post(&client, &url, &[PROTOBUF], message(SEED, 0..10, "geo"))
            .await
            .status(),
        StatusCode::OK
    );
    let zipped = [PROTOBUF, ("content-encoding", "gzip")];
    let response = post(
        &client,
        &url,
        &zipped,
        gzip(&message(SEED + 1, 0..5, "rate")),
    )
    .await;
    assert_eq!(
        (response.status(), response.body().len()),
        (StatusCode::OK, 0)
    );
    post(&client, &url, &[PROTOBUF], message(SEED, 10..12, "rate")).await;
    post(&client, &url, &[PROTOBUF], message(99, 0..3, "stranger")).await;

    assert_eq!(receiver.wait(one, 12, Duration::from_secs(20)).await, 12);
    let arrived = receiver.arrived(one);
    assert_eq!(
        (arrived.by_service["geo"], arrived.by_service["rate"]),
        (10, 2)
    );
    let taken = receiver.take(one);
    assert!(taken.spans.iter().all(|span| span.trace_id.prefix() == one));
    assert_eq!(
        (
            taken.spans.len(),
            receiver.totals().foreign,
            receiver.totals().requests
        ),
        (12, 3, 4)
    );
    // A late span of the first case reaches no table, and least of all the second's.
    post(&client, &url, &[PROTOBUF], message(SEED, 12..13, "geo")).await;
    assert_eq!(
        (receiver.arrived(one).late, receiver.take(two).spans.len()),
        (1, 5)
    );
}

#[tokio::test]
async fn waiting_ends_with_the_patience_and_says_how_many_there_are() {
    let receiver = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let prefix = ids::trace_prefix(SEED);
    receiver.expect(prefix);
    post(
        &client(),
        &receiver.url(),
        &[PROTOBUF],
        message(SEED, 0..3, "geo"),
    )
    .await;
    assert_eq!(receiver.wait(prefix, 4, Duration::from_millis(50)).await, 3);
    // One that is waiting is woken by what comes.
    let (client, url) = (client(), receiver.url());
    let started = Instant::now();
    let late = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        post(&client, &url, &[PROTOBUF], message(SEED, 3..4, "geo")).await;
    };
    let (count, ()) = tokio::join!(receiver.wait(prefix, 4, Duration::from_secs(60)), late);
    assert_eq!(count, 4);
    assert!(started.elapsed() < Duration::from_secs(50));
}

#[tokio::test]
async fn a_full_receiver_pushes_back_and_loses_nothing() {
    let limits = Limits {
        held_bytes: 40_000,
        ..Limits::default()
    };
    let receiver = Receiver::bind(ReceiverOptions {
        limits,
        ..ReceiverOptions::default()
    })
    .await
    .unwrap();
    let prefix = ids::trace_prefix(SEED);
    receiver.expect(prefix);
    let (client, url) = (client(), receiver.url());
    let mut sent = 0;
    let refused = loop {
        let response = post(
            &client,
            &url,
            &[PROTOBUF],
            message(SEED, sent..sent + 50, "geo"),
        )
        .await;
        if response.status() != StatusCode::OK {
            break response;
        }
        sent += 50;
        assert!(sent < 10_000, "nothing was refused");
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(receiver.arrived(prefix).refused, 50);
    let taken = receiver.take(prefix);
    assert_eq!(taken.spans.len() as u64, sent);
    // There is room again.
    let next = ids::trace_prefix(SEED + 1);
    receiver.expect(next);
    assert_eq!(
        post(&client, &url, &[PROTOBUF], message(SEED + 1, 0..50, "geo"))
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn bad_requests_are_answered_counted_and_harmless() {
    let limits = Limits {
        body_bytes: 1 << 20,
        ..Limits::default()
    };
    let receiver = Receiver::bind(ReceiverOptions {
        limits,
        ..ReceiverOptions::default()
    })
    .await
    .unwrap();
    let (client, url) = (client(), receiver.url());
    let status = async |url: &str, headers: &[(&str, &str)], body| {
        post(&client, url, headers, body).await.status()
    };
    let zipped = [PROTOBUF, ("content-encoding", "gzip")];
    assert_eq!(
        status(&url, &[PROTOBUF], vec![0xff; 40]).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        status(&url, &zipped, vec![1, 2, 3]).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        status(&url, &[PROTOBUF], vec![0; 2 << 20]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    // Four kilobytes that would become four megabytes.
    assert_eq!(
        status(&url, &zipped, gzip(&vec![0; 4 << 20])).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(receiver.totals().malformed, 4);
    assert_eq!(
        status(&url, &[("content-type", "text/plain")], vec![]).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let brotli = [PROTOBUF, ("content-encoding", "br")];
    assert_eq!(
        status(&url, &brotli, vec![]).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let wrong = url.replace("traces", "metrics");
    assert_eq!(
        status(&wrong, &[PROTOBUF], vec![]).await,
        StatusCode::NOT_FOUND
    );
    let get = client.get(url.parse().unwrap()).await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    // Spans without ids: what is left is taken, and the sender is told.
    let mut broken = ExportTraceServiceRequest::decode(&*message(SEED, 0..2, "geo")).unwrap();
    broken.resource_spans[0].scope_spans[0].spans[0]
        .trace_id
        .clear();
    let response = post(&client, &url, &[PROTOBUF], broken.encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(response.into_body())
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!((partial.rejected_spans, receiver.totals().invalid), (1, 1));
}

#[tokio::test]
async fn a_connection_cut_in_mid_body_takes_nothing_along() {
    let receiver = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let prefix = ids::trace_prefix(SEED);
    receiver.expect(prefix);
    let body = message(SEED, 0..100, "geo");
    let mut stream = tokio::net::TcpStream::connect(receiver.address())
        .await
        .unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() / 2]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(receiver.arrived(prefix).spans, 0);
    assert_eq!(
        post(&client(), &receiver.url(), &[PROTOBUF], body)
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(receiver.arrived(prefix).spans, 100);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let options = ReceiverOptions {
        listen: first.address(),
        ..ReceiverOptions::default()
    };
    let error = Receiver::bind(options).await.unwrap_err().to_string();
    assert!(error.contains(&first.address().to_string()), "{error}");
}

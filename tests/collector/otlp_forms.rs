//! The other forms of OTLP: JSON, and gRPC from a client that is not ours.

use crate::otlp::message;
use aefm_collector::otlp::{Limits, Receiver, ReceiverOptions};
use aefm_workloads::ids;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

fn request(seed: u64, requests: std::ops::Range<u64>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&*message(seed, requests, "geo")).unwrap()
}

async fn grpc(receiver: &Receiver) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(format!("http://{}", receiver.address()))
        .await
        .unwrap()
}

#[tokio::test]
async fn tonic_exports_to_the_same_port() {
    let receiver = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let prefix = ids::trace_prefix(3);
    receiver.expect(prefix);
    let mut plain = grpc(&receiver).await;
    let answer = plain.export(request(3, 0..10)).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None);
    let mut zipped = grpc(&receiver)
        .await
        .send_compressed(CompressionEncoding::Gzip);
    zipped.export(request(3, 10..2_000)).await.unwrap();
    assert_eq!(receiver.arrived(prefix).spans, 2_000);
    let mut broken = request(3, 0..2);
    broken.resource_spans[0].scope_spans[0].spans[1].span_id = vec![1];
    let partial = plain
        .export(broken)
        .await
        .unwrap()
        .into_inner()
        .partial_success
        .unwrap();
    assert_eq!(partial.rejected_spans, 1);
}

#[tokio::test]
async fn a_full_receiver_is_unavailable_to_grpc() {
    let limits = Limits {
        held_bytes: 1_000,
        ..Limits::default()
    };
    let receiver = Receiver::bind(ReceiverOptions {
        limits,
        ..ReceiverOptions::default()
    })
    .await
    .unwrap();
    receiver.expect(ids::trace_prefix(3));
    let refused = grpc(&receiver)
        .await
        .export(request(3, 0..100))
        .await
        .unwrap_err();
    // The code upon which exporters try again.
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(
        refused.message().contains("no room"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn json_is_taken_as_protobuf_is() {
    let receiver = Receiver::bind(ReceiverOptions::default()).await.unwrap();
    let prefix = ids::trace_prefix(3);
    receiver.expect(prefix);
    let id = ids::trace_id(3, 1);
    let body = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"geo"}}}}]}},
        "scopeSpans":[{{"spans":[{{"traceId":"{id}","spanId":"0102030405060708","name":"x","startTimeUnixNano":"5","endTimeUnixNano":"9"}}]}}]}}]}}"#
    );
    let client = Client::builder(TokioExecutor::new()).build_http();
    let post = async |body: Bytes| {
        let request = Request::post(receiver.url()).header("content-type", "application/json");
        client
            .request(request.body(Full::new(body)).unwrap())
            .await
            .unwrap()
            .status()
    };
    assert_eq!(post(body.into()).await, StatusCode::OK);
    assert_eq!(
        post(Bytes::from_static(b"{\"resourceSpans\":7}")).await,
        StatusCode::BAD_REQUEST
    );
    let taken = receiver.take(prefix);
    assert_eq!(
        (
            taken.spans.len(),
            taken.spans[0].duration_ns,
            receiver.totals().malformed
        ),
        (1, 4, 1)
    );
}

//! The decoder against the generated types, and against hostile bytes.

use super::*;
use crate::span::UNKNOWN_SERVICE;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as ProtoSpan, Status, span,
};
use proptest::prelude::*;
use prost::Message as _;

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn string(text: &str) -> Any {
    Any::StringValue(text.to_owned())
}

fn request(resource: Vec<KeyValue>, spans: Vec<ProtoSpan>) -> Vec<u8> {
    let scope = Some(InstrumentationScope {
        name: "lib".to_owned(),
        ..InstrumentationScope::default()
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: resource,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope,
                spans,
                schema_url: String::new(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
        }],
    }
    .encode_to_vec()
}

fn proto_span() -> ProtoSpan {
    ProtoSpan {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: "near".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 1_500,
        ..ProtoSpan::default()
    }
}

#[test]
fn a_whole_span_is_decoded() {
    let list = ArrayValue {
        values: vec![
            AnyValue {
                value: Some(Any::IntValue(-1)),
            },
            AnyValue { value: None },
        ],
    };
    let map = KeyValueList {
        values: vec![pair("x", Any::DoubleValue(0.5))],
    };
    let span = ProtoSpan {
        attributes: vec![
            pair("http.response.status_code", Any::IntValue(503)),
            pair("quote\"d", string("line\nbreak")),
            pair("list", Any::ArrayValue(list)),
            pair("map", Any::KvlistValue(map)),
            pair("raw", Any::BytesValue(vec![0xff, 0])),
            pair("flag", Any::BoolValue(true)),
        ],
        events: vec![span::Event {
            time_unix_nano: 5,
            name: "retry".to_owned(),
            attributes: vec![pair("n", Any::IntValue(2))],
            ..span::Event::default()
        }],
        links: vec![span::Link {
            trace_id: vec![0xab; 16],
            span_id: vec![0xcd; 8],
            ..span::Link::default()
        }],
        status: Some(Status {
            message: "too slow".to_owned(),
            code: 2,
        }),
        ..proto_span()
    };
    let resource = vec![
        pair("host.name", string("node-1")),
        pair("service.name", string("geo")),
        pair("service.instance.id", string("geo-0")),
        pair("k8s.pod.name", string("geo-77f-x")),
    ];
    let decoded = decode(&request(resource, vec![span]), &mut Names::default()).unwrap();
    let span = &decoded.spans[0];
    assert_eq!((&*span.origin.service, &*span.operation), ("geo", "near"));
    assert_eq!(
        (span.origin.pod.as_deref(), span.origin.node.as_deref()),
        (Some("geo-77f-x"), Some("node-1"))
    );
    assert_eq!(
        (span.trace_id.0, span.span_id.0, span.parent),
        ([1; 16], [2; 8], Some(SpanId([3; 8])))
    );
    assert_eq!(
        (span.start_ns, span.duration_ns, span.kind),
        (1_000, 500, Some(SpanKind::Server))
    );
    assert_eq!((span.error, span.http_status), (true, Some(503)));
    let attributes: serde_json::Value =
        serde_json::from_str(span.attributes.as_deref().unwrap()).unwrap();
    assert_eq!(
        attributes,
        serde_json::json!({"http.response.status_code": 503, "quote\"d": "line\nbreak", "list": [-1, null],
            "map": {"x": 0.5}, "raw": "/wA=", "flag": true})
    );
    let extra = span.extra.as_ref().unwrap();
    assert_eq!(
        extra.events.as_deref(),
        Some(r#"[{"t_ns":5,"name":"retry","attributes.n":2}]"#)
    );
    assert!(extra.links.as_deref().unwrap().contains(&"ab".repeat(16)));
    assert_eq!(extra.status_message.as_deref(), Some("too slow"));
}

#[test]
fn spans_without_ids_are_counted_and_the_others_kept() {
    let bad = |trace_id: Vec<u8>, span_id: Vec<u8>| ProtoSpan {
        trace_id,
        span_id,
        ..proto_span()
    };
    let spans = vec![
        bad(vec![0; 16], vec![1; 8]),
        proto_span(),
        bad(vec![1; 16], vec![1; 7]),
        bad(vec![], vec![]),
    ];
    let decoded = decode(&request(Vec::new(), spans), &mut Names::default()).unwrap();
    assert_eq!((decoded.spans.len(), decoded.invalid), (1, 3));
    assert_eq!(&*decoded.spans[0].origin.service, UNKNOWN_SERVICE);
}

#[test]
fn odd_times_are_never_bent() {
    let times = |start, end| ProtoSpan {
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..proto_span()
    };
    let spans = vec![times(10, 5), times(u64::MAX, u64::MAX), times(7, 7)];
    let decoded = decode(&request(Vec::new(), spans), &mut Names::default()).unwrap();
    let times: Vec<_> = decoded
        .spans
        .iter()
        .map(|span| (span.start_ns, span.duration_ns, span.negative))
        .collect();
    assert_eq!(times, [(10, 0, true), (7, 0, false)]);
    assert_eq!(decoded.invalid, 1);
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        any::<f64>().prop_map(Any::DoubleValue),
        any::<Vec<u8>>().prop_map(Any::BytesValue),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let values = prop::collection::vec(prop::option::of(inner.clone()), 0..4)
            .prop_map(|values| values.into_iter().map(|value| AnyValue { value }).collect());
        let pairs = prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(key, value)| pair(&key, value))
                .collect()
        });
        prop_oneof![
            values.prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            pairs.prop_map(|values| Any::KvlistValue(KeyValueList { values })),
        ]
    })
}

prop_compose! {
    fn any_span()(
        trace_id in prop_oneof![8 => any::<[u8; 16]>().prop_map(Vec::from), 1 => any::<Vec<u8>>()],
        span_id in any::<[u8; 8]>(), parent in prop::option::of(any::<[u8; 8]>()), name: String, kind in 0..7_i32,
        start in prop_oneof![8 => 1..=i64::MAX as u64, 1 => any::<u64>()], end in prop_oneof![8 => 0..=i64::MAX as u64, 1 => any::<u64>()],
        attributes in prop::collection::vec((any::<String>(), any_value()), 0..5), code in 0..3_i32,
    ) -> ProtoSpan {
        ProtoSpan {
            trace_id, span_id: span_id.to_vec(), parent_span_id: parent.map_or_else(Vec::new, Vec::from), name, kind,
            start_time_unix_nano: start, end_time_unix_nano: end, status: Some(Status { message: String::new(), code }),
            attributes: attributes.iter().map(|(key, value)| pair(key, value.clone())).collect(),
            ..ProtoSpan::default()
        }
    }
}

proptest! {
    /// The generated types write, this decoder reads: nothing differs.
    #[test]
    fn it_agrees_with_the_generated_types(spans in prop::collection::vec(any_span(), 0..6), service: String) {
        let message = request(vec![pair("service.name", string(&service))], spans.clone());
        let decoded = decode(&message, &mut Names::default()).unwrap();
        let fits = |ns: u64| i64::try_from(ns).is_ok();
        let is_valid = |span: &&ProtoSpan| {
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            span.trace_id.len() == 16 && start > 0 && fits(start) && fits(end)
        };
        let valid: Vec<_> = spans.iter().filter(is_valid).collect();
        prop_assert_eq!(decoded.spans.len(), valid.len());
        prop_assert_eq!(decoded.invalid as usize, spans.len() - valid.len());
        for (ours, theirs) in decoded.spans.iter().zip(valid) {
            prop_assert_eq!(ours.trace_id.0.as_slice(), &theirs.trace_id);
            prop_assert_eq!(ours.parent.map_or_else(Vec::new, |id| id.0.to_vec()), &*theirs.parent_span_id);
            prop_assert_eq!(&*ours.operation, &theirs.name);
            prop_assert_eq!(ours.kind.map_or(0, |kind| kind as i32), if theirs.kind > 5 { 0 } else { theirs.kind });
            prop_assert!(ours.error == (theirs.status.as_ref().unwrap().code == 2) || ours.attributes.is_some());
            let members = ours.attributes.as_deref().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            prop_assert_eq!(members.is_none(), theirs.attributes.is_empty());
        }
    }

    /// Bytes changed at random are decoded or refused; either way it ends well.
    #[test]
    fn broken_messages_never_panic(spans in prop::collection::vec(any_span(), 1..4), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut: prop::sample::Index) {
        let mut message = request(vec![pair("service.name", string("x"))], spans);
        for (place, byte) in flips {
            let place = place.index(message.len());
            message[place] = byte;
        }
        let _ = decode(&message, &mut Names::default());
        message.truncate(cut.index(message.len()));
        let _ = decode(&message, &mut Names::default());
    }

    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes, &mut Names::default());
    }
}

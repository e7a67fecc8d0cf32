//! A receiver of OTLP/HTTP that decodes what it gets, and can refuse it.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A span with who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) span: Span,
}

impl Received {
    pub(crate) fn service(&self) -> &str {
        &self.resource["service.name"]
    }

    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        texts(&self.span.attributes)
    }
}

#[derive(Default)]
struct State {
    spans: Vec<Received>,
    /// Answers to give before any batch is taken.
    refusals: VecDeque<&'static str>,
    refused: usize,
}

/// The receiver; its thread ends with the test's process.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::refusing(&[])
    }

    /// Gives these answers (`503 Service Unavailable`) first.
    pub(crate) fn refusing(refusals: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            refusals: refusals.iter().copied().collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                // A connection that breaks ends its thread, and nothing else.
                std::thread::spawn(move || serve(stream, &state).unwrap_or(()));
            }
        });
        Self { url, state }
    }

    pub(crate) fn spans(&self) -> Vec<Received> {
        self.state.lock().unwrap().spans.clone()
    }

    pub(crate) fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    /// Waits for that many spans and gives them; more is a failure.
    pub(crate) fn wait_for(&self, spans: usize) -> Vec<Received> {
        crate::process::until("spans arrive", || self.spans().len() >= spans);
        let found = self.spans();
        assert_eq!(found.len(), spans, "more spans than expected");
        found
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        let length = head
            .split("content-length: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = take(&body, &mut state.lock().unwrap());
        writer.write_all(&answer)?;
    }
}

fn take(body: &[u8], state: &mut State) -> Vec<u8> {
    if let Some(refusal) = state.refusals.pop_front() {
        state.refused += 1;
        return format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n").into_bytes();
    }
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for group in request.resource_spans {
        let resource = texts(&group.resource.unwrap().attributes);
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        state.spans.extend(spans.map(|span| Received {
            resource: resource.clone(),
            span,
        }));
    }
    let body = ExportTraceServiceResponse::default().encode_to_vec();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let value =
        |attribute: &KeyValue| text(attribute.value.as_ref().unwrap().value.as_ref().unwrap());
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), value(attribute)))
        .collect()
}

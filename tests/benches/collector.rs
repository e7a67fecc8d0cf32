//! How fast the collector is, each stage on its own: `cargo bench -p aefm-collector -- [SPANS] [FOLDER]`.
//!
//! The files stay in FOLDER when one is given, for `collector_pandas.py` to read the same. Figures in BENCHMARKS.md come
//! from quiet machines.

#[path = "collector/sampler.rs"]
mod sampler;

use aefm_collector::import::{BUDGET_BYTES, Kind, import};
use aefm_collector::otlp::{Receiver, ReceiverOptions};
use aefm_collector::prometheus::answer;
use aefm_workloads::draw::mix;
use aefm_workloads::ids;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use sampler::{TICK, bench_sampler, tick};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SERVICES: [&str; 8] = [
    "frontend",
    "search",
    "geo",
    "rate",
    "profile",
    "recommendation",
    "user",
    "reservation",
];
/// Each span's parent within its trace: a tree three deep, with calls in parallel.
const PARENTS: [u64; 8] = [0, 0, 1, 1, 0, 0, 0, 6];
const SEED: u64 = 5;

/// Start and duration in microseconds of a span within its trace: children lie within their parents.
fn times(trace: u64, place: u64) -> (u64, u64) {
    let jitter = mix(trace * 8 + place) % 50;
    match place {
        0 => (0, 5_000 + jitter),
        1 => (100, 2_000 + jitter),
        2 => (200, 600 + jitter),
        3 => (250, 700 + jitter),
        4 => (2_300, 800 + jitter),
        5 => (2_400, 500 + jitter),
        6 => (3_300, 900 + jitter),
        _ => (3_400, 400 + jitter),
    }
}

fn start_us(trace: u64) -> u64 {
    1_700_000_000_000_000 + trace * 200
}

fn proto_span(trace: u64, place: u64) -> Span {
    let (offset, duration) = times(trace, place);
    let start = (start_us(trace) + offset) * 1_000;
    let id = |place: u64| mix(trace * 8 + place + 1).to_be_bytes().to_vec();
    let text = |key: &str, value: String| pair(key, Value::StringValue(value));
    Span {
        trace_id: ids::trace_id(SEED, trace).0.to_vec(),
        span_id: id(place),
        parent_span_id: if place == 0 {
            Vec::new()
        } else {
            id(PARENTS[place as usize])
        },
        name: format!("/{}.Service/Call", SERVICES[place as usize]),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + duration * 1_000,
        attributes: vec![
            text("http.request.method", "GET".to_owned()),
            text("url.path", format!("/hotels/{}", trace % 100)),
            pair("http.response.status_code", Value::IntValue(200)),
            text("network.peer.address", "127.0.0.1".to_owned()),
            pair(
                "network.peer.port",
                Value::IntValue(40_000 + (trace % 100) as i64),
            ),
            text("thread.name", "worker".to_owned()),
        ],
        ..Span::default()
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// What one service exports for some traces.
fn export(service: usize, traces: std::ops::Range<u64>) -> Vec<u8> {
    let name = |key, value: String| pair(key, Value::StringValue(value));
    let attributes = vec![
        name("service.name", SERVICES[service].to_owned()),
        name("service.instance.id", format!("{}-0", SERVICES[service])),
    ];
    let spans = traces
        .map(|trace| proto_span(trace, service as u64))
        .collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

fn write_otlp(path: &Path, traces: u64) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for first in (0..traces).step_by(512) {
        for service in 0..SERVICES.len() {
            let message = export(service, first..(first + 512).min(traces));
            file.write_all(&(message.len() as u32).to_be_bytes())?;
            file.write_all(&message)?;
        }
    }
    file.flush()
}

fn write_jaeger(path: &Path, traces: u64) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"{\"data\":[")?;
    let mut text = String::new();
    for trace in 0..traces {
        text.clear();
        let id = ids::trace_id(SEED, trace);
        let _ = write!(
            text,
            "{}{{\"traceID\":\"{id}\",\"spans\":[",
            if trace > 0 { "," } else { "" }
        );
        for place in 0..8 {
            let (offset, duration) = times(trace, place);
            let span = |place: u64| format!("{:016x}", mix(trace * 8 + place + 1));
            let reference = if place == 0 {
                String::new()
            } else {
                format!(
                    r#"{{"refType":"CHILD_OF","traceID":"{id}","spanID":"{}"}}"#,
                    span(PARENTS[place as usize])
                )
            };
            let _ = write!(
                text,
                r#"{}{{"traceID":"{id}","spanID":"{}","operationName":"/{}.Service/Call","references":[{reference}],"startTime":{},"duration":{duration},"tags":[{{"key":"http.request.method","type":"string","value":"GET"}},{{"key":"url.path","type":"string","value":"/hotels/{}"}},{{"key":"http.response.status_code","type":"int64","value":200}},{{"key":"network.peer.address","type":"string","value":"127.0.0.1"}},{{"key":"network.peer.port","type":"int64","value":{}}},{{"key":"span.kind","type":"string","value":"server"}}],"logs":[],"processID":"p{place}","warnings":null}}"#,
                if place > 0 { "," } else { "" },
                span(place),
                SERVICES[place as usize],
                start_us(trace) + offset,
                trace % 100,
                40_000 + trace % 100,
            );
        }
        text.push_str("],\"processes\":{");
        for (place, service) in SERVICES.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let _ = write!(
                text,
                r#"{comma}"p{place}":{{"serviceName":"{service}","tags":[{{"key":"hostname","type":"string","value":"{service}-0"}}]}}"#
            );
        }
        text.push_str("},\"warnings\":null}");
        file.write_all(text.as_bytes())?;
    }
    file.write_all(b"],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}")?;
    file.flush()
}

/// Highest resident memory so far, MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// CPU time of this process so far, all threads, user and system.
fn cpu_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)
        .expect("Linux says");
    let [user, system] = [usage.user_time(), usage.system_time()];
    Duration::from_secs((user.tv_sec() + system.tv_sec()) as u64)
        + Duration::from_micros((user.tv_usec() + system.tv_usec()) as u64)
}

/// A stage in the making.
struct Stage {
    started: Instant,
    cpu: Duration,
}

impl Stage {
    fn begin() -> Self {
        // From here the peak counts anew; where that is not allowed it is the whole program's.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self {
            started: Instant::now(),
            cpu: cpu_time(),
        }
    }

    /// CPU time is what a busy machine does not distort.
    fn report(&self, what: &str, count: u64, unit: &str) {
        let (elapsed, cpu) = (
            self.started.elapsed().as_secs_f64(),
            (cpu_time() - self.cpu).as_secs_f64(),
        );
        println!(
            "{what:<42} {:>7.0} thousand {unit}/s  {elapsed:>6.2} s, CPU {:>5.0} ns each, peak {} MiB",
            count as f64 / elapsed / 1e3,
            cpu / count as f64 * 1e9,
            peak_mib()
        );
    }
}

fn bench_import(what: &str, kind: Kind, file: PathBuf, folder: &Path, spans: u64) {
    let labels = CaseLabels {
        run_id: "01JDAEFMBENCH0000000000000".into(),
        case_id: what.into(),
        factors: vec![
            ("app".into(), FactorValue::Text("hotel-reservation".into())),
            ("workload".into(), FactorValue::Text("mixed".into())),
            ("rate_hz".into(), FactorValue::Float(500.0)),
            ("round".into(), FactorValue::Int(1)),
            ("cpu".into(), FactorValue::Float(60.0)),
        ],
    };
    let bytes = std::fs::metadata(&file).map_or(0, |data| data.len());
    let stage = Stage::begin();
    let imported = import(kind, &[file], (folder, true), &labels, BUDGET_BYTES)
        .expect("the files were written by this program");
    stage.report(&format!("{what}: file to all tables"), spans, "spans");
    assert_eq!(
        (imported.report.spans, imported.report.complete),
        (spans, spans / 8)
    );
    let table = aefm_collector::sink::part_path(folder, "spans", what);
    let stored = std::fs::metadata(table).map_or(0, |data| data.len());
    println!(
        "    {} bytes a span in the file, {} in spans.parquet, {} MiB spilled",
        bytes / spans,
        stored / spans,
        imported.spilled_bytes >> 20
    );
}

async fn bench_receiver(spans: u64) {
    let receiver = Receiver::bind(ReceiverOptions::default())
        .await
        .expect("loopback has a port");
    let prefix = ids::trace_prefix(SEED);
    receiver.expect(prefix);
    let traces = spans / 8;
    let bodies: Vec<Vec<u8>> = (0..traces)
        .step_by(512)
        .flat_map(|first| {
            (0..SERVICES.len())
                .map(move |service| export(service, first..(first + 512).min(traces)))
        })
        .collect();
    let mut stream = tokio::net::TcpStream::connect(receiver.address())
        .await
        .expect("it listens");
    let stage = Stage::begin();
    let mut answer = vec![0; 4096];
    for body in &bodies {
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        stream.write_all(body).await.expect("it reads");
        let count = stream.read(&mut answer).await.expect("it answers");
        assert!(
            answer[..count].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..count])
        );
    }
    stage.report(
        "OTLP receiver, sender on the same core",
        traces * 8,
        "spans",
    );
    assert_eq!(
        (receiver.arrived(prefix).spans, receiver.totals().refused),
        (traces * 8, 0)
    );
}

fn bench_prometheus() {
    let mut text = String::from(r#"{"status":"success","data":{"resultType":"matrix","result":["#);
    for series in 0..1_000 {
        let _ = write!(
            text,
            r#"{}{{"metric":{{"__name__":"m","pod":"p{series}"}},"values":["#,
            if series > 0 { "," } else { "" }
        );
        for sample in 0..1_000_u64 {
            let comma = if sample > 0 { "," } else { "" };
            let _ = write!(
                text,
                r#"{comma}[{}.123,"{}.5"]"#,
                1_700_000_000 + sample,
                sample * 17
            );
        }
        text.push_str("]}");
    }
    text.push_str("]}}");
    let stage = Stage::begin();
    let read = answer::read(text.as_bytes()).expect("the text was written by this program");
    let samples = read
        .series
        .iter()
        .map(|series| series.samples.len() as u64)
        .sum();
    stage.report("Prometheus's answer, decoded", samples, "samples");
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(TICK) {
        return tick();
    }
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let spans = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().expect("SPANS is a number"))
        / 8
        * 8;
    let scratch = tempfile::tempdir().expect("there is a folder for temporary files");
    let folder = arguments
        .next()
        .map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let (otlp, jaeger) = (folder.join("spans.otlp"), folder.join("spans.json"));
    write_otlp(&otlp, spans / 8).expect("there is room for the file");
    bench_import("otlp", Kind::Otlp, otlp, &folder, spans);
    write_jaeger(&jaeger, spans / 8).expect("there is room for the file");
    bench_import("jaeger-json", Kind::Jaeger, jaeger, &folder, spans);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(bench_receiver(spans.min(800_000)));
    bench_prometheus();
    bench_sampler();
}

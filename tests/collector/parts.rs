//! Real servers as parts of tests: started here where the machine has them (`aefm_tests::parts` looks them up).

use aefm_tests::parts::{Part, find};
use aefm_tests::ports;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with the test.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("start {command:?}: {error}")),
        )
    }

    /// Waits until `is_ready`, and fails if the server ends before.
    pub(crate) async fn ready(&mut self, mut is_ready: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_ready().await {
            assert!(
                Instant::now() < deadline,
                "the server is not ready after two minutes"
            );
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("the server ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Jaeger that keeps 30,000 traces in memory and listens at that address.
pub(crate) fn jaeger_config(address: &str, [otlp, http, grpc]: [u16; 3]) -> String {
    format!(
        "service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: none}}
    logs: {{level: error}}
extensions:
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: {address}:{http}}}
    grpc: {{endpoint: {address}:{grpc}}}
  jaeger_storage:
    backends:
      memory: {{memory: {{max_traces: 30000}}}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: {address}:{otlp}}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
"
    )
}

/// A real Jaeger that keeps 30,000 traces in memory, and its ports: OTLP over HTTP in, HTTP and gRPC out.
pub(crate) async fn jaeger(dir: &Path) -> Option<(Server, [u16; 3])> {
    let binary = find(Part::Jaeger)?;
    let ports = std::array::from_fn(|_| ports::free());
    let path = dir.join("jaeger.yaml");
    std::fs::write(&path, jaeger_config("127.0.0.1", ports)).unwrap();
    let log = std::fs::File::create(dir.join("jaeger.log")).unwrap();
    let mut server = Server::start(
        Command::new(binary)
            .arg("--config")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(log),
    );
    for port in ports {
        server
            .ready(async || {
                tokio::net::TcpStream::connect(("127.0.0.1", port))
                    .await
                    .is_ok()
            })
            .await;
    }
    Some((server, ports))
}

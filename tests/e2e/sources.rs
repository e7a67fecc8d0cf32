//! Runs whose traces and metrics come from elsewhere: a real Jaeger, a real Prometheus, or none that answers.

use crate::parts::{Server, jaeger};
use crate::session::{Finished, Session, aefm, flag, float, int, text};
use aefm_tests::parts::{Part, find};
use aefm_tests::ports;
use aefm_tests::target::{Target, answer};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// One short case of 40 requests a second.
const ONE: &str = "axes: {rate: [40]}\nload: {warmup: 500ms, duration: 3s, grace: 1s}\n";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Status and reason of a source of the first case.
fn quality(run: &Finished, source: &str) -> (String, String) {
    let rows = run.rows("quality");
    let row = rows
        .iter()
        .find(|row| text(row, "source") == source)
        .unwrap_or_else(|| panic!("no row of {source}"));
    (text(row, "status"), text(row, "reason"))
}

fn assert_traced(run: &Finished) {
    let answered = run
        .rows("requests")
        .iter()
        .filter(|row| text(row, "outcome") == "ok")
        .count();
    let complete = run
        .rows("traces")
        .iter()
        .filter(|row| flag(row, "complete"))
        .count();
    assert!(answered > 100, "{answered}");
    assert_eq!(complete, answered);
    assert_eq!(quality(run, "jaeger"), ("ok".to_owned(), String::new()));
    assert_eq!(quality(run, "coverage").0, "ok");
}

#[test]
fn the_spans_of_a_run_come_out_of_a_real_jaeger_complete_and_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let Some((server, [otlp, http, grpc])) = runtime.block_on(jaeger(dir.path())) else {
        return;
    };
    let run = Session::start(&format!(
        "{ONE}collect: {{settle: 30s, jaeger: {{url: \"http://127.0.0.1:{http}\", grpc: \"127.0.0.1:{grpc}\", otlp: \"http://127.0.0.1:{otlp}\"}}}}\n"
    ))
    .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert_traced(&run);
    // Every span that the services counted is there.
    let traces = run
        .rows("quality")
        .into_iter()
        .find(|row| text(row, "source") == "traces")
        .expect("it is counted");
    let spans = run.rows("spans").len() as i64;
    assert_eq!(
        (int(&traces, "expected"), int(&traces, "received")),
        (spans, spans)
    );

    // Again, with nothing left of the tables of traces.
    let folder = run.run_dir();
    for table in ["spans", "traces", "services", "edges"] {
        std::fs::remove_dir_all(folder.join(table)).expect("it was there");
    }
    let again = collect(&folder);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(run.rows("spans").len() as i64, spans);
    assert_traced(&run);

    // A Jaeger that is gone takes nothing away that is there.
    drop(server);
    let again = collect(&folder);
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("jaeger"),
        "{again:?}"
    );
    assert_eq!(run.rows("spans").len() as i64, spans);
    assert_traced(&run);
}

fn collect(folder: &Path) -> std::process::Output {
    aefm()
        .arg("collect")
        .arg(folder)
        .output()
        .expect("aefm starts")
}

#[test]
fn a_jaeger_that_is_down_degrades_the_case_and_keeps_the_rest() {
    let (port, otlp) = (ports::free(), ports::free());
    let run = Session::start(&format!(
        "{ONE}collect: {{settle: 1s, jaeger: {{url: \"http://127.0.0.1:{port}\", otlp: \"http://127.0.0.1:{otlp}\"}}}}\n"
    ))
    .finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let (_, status, reason) = &run.cases()[0];
    assert!(
        status == "degraded" && reason.contains("refused"),
        "{status}: {reason}"
    );
    assert!(quality(&run, "jaeger").1.contains("refused"));
    assert!(run.rows("requests").len() > 100 && !run.rows("metrics").is_empty());
}

/// An application that somebody else started, its services killed with this value.
struct Services(Vec<Child>);

impl Services {
    /// Starts a hotel reservation that sends its spans to `otlp`; returns the entrance, too.
    fn start(otlp: &str) -> (Self, String) {
        let graph = aefm_workloads::graph::ServiceGraph::of_app("hotel-reservation")
            .expect("it is shipped");
        let (mut services, mut peers) = (Self(Vec::new()), serde_json::Map::new());
        for service in graph.services_in_start_order() {
            let mut child = aefm()
                .args([
                    "testbed",
                    service,
                    "--app",
                    "hotel-reservation",
                    "--spec",
                    "-",
                ])
                .stdin(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("aefm starts");
            let spec = serde_json::json!({"app": "hotel-reservation", "service": service, "peers": peers, "otlp": otlp});
            writeln!(child.stdin.as_mut().expect("it is piped"), "{spec}").expect("it reads");
            let mut ready = String::new();
            BufReader::new(child.stdout.take().expect("it is piped"))
                .read_line(&mut ready)
                .expect("it speaks");
            services.0.push(child);
            let ready: serde_json::Value = serde_json::from_str(&ready).expect("a line of JSON");
            peers.insert(service.to_owned(), ready["address"].clone());
        }
        let entrance = peers[graph.entry()]
            .as_str()
            .expect("an address")
            .to_owned();
        (services, format!("http://{entrance}"))
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn an_application_that_runs_already_is_loaded_and_traced_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let Some((_server, [otlp, http, _])) = runtime.block_on(jaeger(dir.path())) else {
        return;
    };
    let (mut services, entrance) = Services::start(&format!("http://127.0.0.1:{otlp}"));
    let run = Session::start(&format!(
        "{ONE}application: {{url: \"{entrance}\", trace_header: traceparent}}\n\
         collect: {{settle: 30s, jaeger: {{url: \"http://127.0.0.1:{http}\"}}}}\n"
    ))
    .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert_traced(&run);
    assert!(quality(&run, "traces").1.contains("does not say how many"));
    assert!(
        services
            .0
            .iter_mut()
            .all(|child| child.try_wait().expect("it can be asked").is_none())
    );
}

#[test]
fn an_application_without_traces_or_without_anybody_says_so() {
    let target = Target::healthy();
    let run = Session::start(&format!(
        "{ONE}application: {{url: \"{}\", trace_header: none}}\ncollect: {{settle: 500ms}}\n",
        target.url()
    ))
    .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert!(
        target.seen.requests() > 100
            && !target
                .seen
                .heads()
                .iter()
                .any(|head| head.contains("traceparent"))
    );
    assert!(
        quality(&run, "coverage")
            .1
            .contains("takes up no trace header")
    );

    let port = ports::free();
    let run = Session::start(&format!(
        "{ONE}application: {{url: \"http://127.0.0.1:{port}\"}}\n"
    ))
    .finish();
    assert_ne!(run.code(), 0);
    assert!(
        run.cases()[0]
            .2
            .contains(&format!("reach the application at http://127.0.0.1:{port}")),
        "{:?}",
        run.cases()
    );
}

/// `geo-1` uses half a core since the test began.
pub(crate) fn exporter() -> Target {
    let begun = Instant::now();
    Target::start(move |wire| {
        while wire.request().is_some() {
            let used = begun.elapsed().as_secs_f64() / 2.0;
            let labels = "{namespace=\"hotel\",pod=\"geo-1\",container=\"geo\"}";
            let text = format!(
                "# TYPE container_cpu_usage_seconds_total counter\ncontainer_cpu_usage_seconds_total{labels} {used}\n\
                 # TYPE container_memory_working_set_bytes gauge\ncontainer_memory_working_set_bytes{labels} 4096\n\
                 # TYPE queue_depth gauge\nqueue_depth{{queue=\"a\"}} 7\n"
            );
            let answer = answer(200, &text).replace(
                "\r\nContent-Length",
                "\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length",
            );
            if !wire.send(answer) {
                return;
            }
        }
    })
}

const PASSWORD: &str = "a password of the test";
/// bcrypt of it.
const HASH: &str = "$2b$04$TiLn8v2p2.gnwLh4A/JOpu/wI2VPBJSPybRFWDIdCdLDYqy91mJoi";

/// A real Prometheus behind TLS and a password that scrapes `target` every second; its certificate is in `dir`.
fn prometheus(
    dir: &Path,
    target: &Target,
    runtime: &tokio::runtime::Runtime,
) -> Option<(Server, u16)> {
    let binary = find(Part::Prometheus)?;
    let port = ports::free();
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write =
        |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("it can be written");
    write("ca.pem", &certified.cert.pem());
    write("key.pem", &certified.signing_key.serialize_pem());
    write(
        "web.yml",
        &format!(
            "tls_server_config: {{cert_file: ca.pem, key_file: key.pem}}\nbasic_auth_users: {{me: \"{HASH}\"}}\n"
        ),
    );
    write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: kubelet, static_configs: [{{targets: [\"{}\"]}}]}}]\n",
            target.address()
        ),
    );
    let mut command = Command::new(binary);
    command
        .current_dir(dir)
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.config.file=web.yml",
        ])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Server::start(&mut command);
    runtime.block_on(server.ready(async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
    }));
    // Rates need a sample before the case.
    runtime.block_on(server.ready(async || target.seen.requests() >= 2));
    Some((server, port))
}

#[test]
fn a_real_prometheus_behind_tls_and_a_password_gives_metrics_usage_and_the_users_columns() {
    let dir = tempfile::tempdir().expect("a folder");
    let (exporter, runtime) = (exporter(), runtime());
    let Some((server, port)) = prometheus(dir.path(), &exporter, &runtime) else {
        return;
    };
    let secret = dir.path().join("password");
    std::fs::write(&secret, format!("{PASSWORD}\n")).expect("it can be written");
    let experiment = format!(
        "{ONE}collect:\n  prometheus:\n    url: https://localhost:{port}\n    scrape: 1s\n    step: 500ms\n    \
         ca: {}\n    basic: {{user: me, password: {{file: {}}}}}\n    pods: 'namespace=\"hotel\"'\n    \
         queries: {{depth: 'queue_depth * 2', nothing: no_such_metric}}\n",
        dir.path().join("ca.pem").display(),
        secret.display()
    );
    let run = Session::start(&experiment).finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert_measured(&run);
    let depths = run.rows("user_promql");
    assert!(depths.len() >= 6, "3.5 s every 500 ms: {depths:?}");
    assert!(
        depths
            .iter()
            .all(|row| float(row, "depth") == 14.0 && float(row, "nothing").is_nan()),
        "{depths:?}"
    );
    assert!(
        depths
            .iter()
            .all(|row| text(row, "labels").contains("\"queue\":\"a\"")),
        "{depths:?}"
    );
    assert!(quality(&run, "user_promql").1.contains("nothing"));

    // Nowhere in what is left is the secret.
    let said = format!("{}{}{}", run.stdout(), run.stderr(), run.run_file());
    let log = std::fs::read_to_string(run.run_dir().join("run.log")).expect("the log is there");
    assert!(!said.contains(PASSWORD) && !log.contains(PASSWORD));

    // Again: what the sampler saw stays, what Prometheus has comes once more; gone, it takes nothing away.
    let sampled = |run: &Finished| {
        run.rows("metrics")
            .iter()
            .filter(|row| text(row, "source") == "sampler")
            .count()
    };
    let before = (sampled(&run), run.rows("metrics").len());
    assert!(before.0 > 0);
    let folder = run.run_dir();
    assert_eq!(collect(&folder).status.code(), Some(0));
    assert_eq!(sampled(&run), before.0);
    assert_measured(&run);
    let before = (before.0, run.rows("metrics").len());
    drop(server);
    assert_eq!(collect(&folder).status.code(), Some(3));
    assert_eq!((sampled(&run), run.rows("metrics").len()), before);
    assert_measured(&run);
}

fn assert_measured(run: &Finished) {
    let metrics: Vec<_> = run
        .rows("metrics")
        .into_iter()
        .filter(|row| text(row, "source") == "prometheus")
        .collect();
    assert!(
        metrics.len() >= 2
            && metrics
                .iter()
                .all(|row| text(row, "subject") == "geo-1/geo"),
        "{metrics:?}"
    );
    let usage = run.rows("usage");
    let [row] = usage.as_slice() else {
        panic!("one container: {usage:?}")
    };
    let cores = float(row, "cpu_cores");
    assert!(
        (cores - 0.5).abs() < 0.1,
        "half a core, interpolated: {cores}"
    );
    assert_eq!(int(row, "memory_max_bytes"), 4096);
    assert!(
        int(row, "samples") >= 2 && int(row, "max_gap_ns") < 3_000_000_000,
        "{row:?}"
    );
    assert_eq!(quality(run, "prometheus").0, "ok");
}

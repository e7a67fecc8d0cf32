//! Runs whose traces come from elsewhere: a real Jaeger, or none that answers.

use crate::parts::jaeger;
use crate::session::{Finished, Session, aefm, flag, int, text};
use aefm_tests::ports;
use aefm_tests::target::Target;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

/// One short case of 40 requests a second.
pub(crate) const ONE: &str = "axes: {rate: [40]}\nload: {warmup: 500ms, duration: 3s, grace: 1s}\n";

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Status and reason of a source of the first case.
pub(crate) fn quality(run: &Finished, source: &str) -> (String, String) {
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
    // On a busy machine spans may be a little late, which is said and costs nothing.
    let (status, reason) = quality(run, "jaeger");
    assert_eq!(status, "ok", "{reason}");
    assert!(
        reason.is_empty() || reason.starts_with("spans came up to"),
        "{reason}"
    );
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

pub(crate) fn collect(folder: &Path) -> std::process::Output {
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
        "{ONE}app: hotel\napplication: {{url: \"{entrance}\", trace_header: traceparent}}\n\
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

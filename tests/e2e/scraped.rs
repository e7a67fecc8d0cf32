//! Runs whose metrics come out of a real Prometheus.

use crate::parts::Server;
use crate::session::{Finished, Session, float, int, text};
use crate::sources::{ONE, collect, quality, runtime};
use aefm_tests::parts::{Part, find};
use aefm_tests::ports;
use aefm_tests::target::{Target, answer};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

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
    assert_eq!(
        run.code(),
        3,
        "a query without an answer: {}{}",
        run.stderr(),
        run.stdout()
    );
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
    let (status, reason) = quality(&run, "user_promql");
    assert_eq!(status, "degraded");
    assert!(reason.contains("`nothing`"), "{reason}");

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
    // As degraded as before: the query has no answer now, either.
    assert_eq!(collect(&folder).status.code(), Some(3));
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

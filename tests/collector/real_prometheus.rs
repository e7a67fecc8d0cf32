//! A real Prometheus over blocks whose every sample is known.

use crate::parts::Server;
use aefm_collector::http::HttpOptions;
use aefm_collector::prometheus::answer::AnswerError;
use aefm_collector::prometheus::{
    Prometheus, PrometheusError, PrometheusOptions, Selector, metric_rows, of,
};
use aefm_tests::parts::{Part, find};
use aefm_tests::ports;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Any instant long past; blocks begin at two hours.
const BEGIN_S: i64 = 1_700_006_400;
const S: i64 = 1_000_000_000;

/// `geo-1` uses half a core and restarts after 100 s; `user-1` a quarter with a gap of a minute, and its neighbour
/// `user-timeline-1` a tenth; samples every 10 s for 200 s.
fn open_metrics() -> String {
    let mut text = String::from("# TYPE container_cpu_usage_seconds counter\n");
    let series =
        |pod: &str| format!("{{namespace=\"hotel\",pod=\"{pod}\",container=\"c\",node=\"n1\"}}");
    for (pod, cores) in [("geo-1", 0.5), ("user-1", 0.25), ("user-timeline-1", 0.1)] {
        for step in 0..=20 {
            let t = step * 10;
            if pod == "user-1" && (80..130).contains(&t) {
                continue;
            }
            let since = if pod == "geo-1" && t > 100 {
                t - 100
            } else {
                t
            };
            let value = 1_000.0 * f64::from(u8::from(since == t)) + cores * since as f64;
            writeln!(
                text,
                "container_cpu_usage_seconds_total{} {value} {}",
                series(pod),
                BEGIN_S + t
            )
            .unwrap();
        }
    }
    text.push_str("# TYPE container_memory_working_set_bytes gauge\n");
    for step in 0..=20 {
        let (bytes, t) = (1_000_000 + 1_000 * step, BEGIN_S + 10 * step);
        writeln!(
            text,
            "container_memory_working_set_bytes{} {bytes} {t}",
            series("geo-1")
        )
        .unwrap();
    }
    text.push_str("# TYPE kube_pod_container_resource_limits gauge\n");
    for step in 0..=20 {
        let t = BEGIN_S + 10 * step;
        writeln!(text, "kube_pod_container_resource_limits{{namespace=\"hotel\",pod=\"geo-1\",container=\"c\",resource=\"cpu\"}} 2 {t}").unwrap();
    }
    text.push_str("# EOF\n");
    text
}

/// A real Prometheus that has these samples, and its URL.
pub(crate) async fn start(dir: &std::path::Path, samples: &str) -> Option<(Server, String)> {
    let (binary, tool) = (find(Part::Prometheus)?, find(Part::Promtool)?);
    std::fs::write(dir.join("in.om"), samples).unwrap();
    let mut blocks = Command::new(tool);
    let output = blocks
        .current_dir(dir)
        .args(["tsdb", "create-blocks-from", "openmetrics", "in.om", "data"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let port = ports::free();
    let mut command = Command::new(binary);
    command
        .current_dir(dir)
        .args([
            "--config.file=/dev/null",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=30y",
        ])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Server::start(&mut command);
    let url = format!("http://127.0.0.1:{port}");
    let once = HttpOptions {
        attempts: 1,
        ..HttpOptions::default()
    };
    let http = aefm_collector::http::Http::new(once).unwrap();
    server
        .ready(async || http.get(&format!("{url}/-/ready")).await.is_ok())
        .await;
    Some((server, url))
}

/// All answers are there by then.
pub(crate) fn end() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn prometheus(url: &str) -> Prometheus {
    let selector = Selector {
        pods: r#"namespace="hotel""#.to_owned(),
        nodes: String::new(),
    };
    let http = HttpOptions {
        attempts: 2,
        backoff: Duration::from_millis(10),
        ..HttpOptions::default()
    };
    Prometheus::new(PrometheusOptions {
        url: url.to_owned(),
        http,
        selector,
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_comes_as_it_was_scraped() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, url)) = start(dir.path(), &open_metrics()).await else {
        return;
    };
    let prometheus = prometheus(&url);
    let (from, to) = (BEGIN_S * S, (BEGIN_S + 200) * S);
    let scraped = prometheus.scrape(from, to, 10 * S, end()).await;
    assert!(scraped.failures.is_empty(), "{:?}", scraped.failures);
    assert!(scraped.absent.contains(&"node_cpu_seconds_total"));
    let samples: usize = scraped
        .series
        .iter()
        .map(|series| series.samples.len())
        .sum();
    // Three pods of 21 samples, five of which one lacks, then memory and limit.
    assert_eq!(samples, 3 * 21 - 5 + 21 + 21);

    let rows = metric_rows(&scraped.series);
    let of = |subject: &str| {
        rows.iter()
            .filter(|row| &*row.subject == subject)
            .collect::<Vec<_>>()
    };
    for (subject, cores) in [
        ("geo-1/c", 0.5),
        ("user-1/c", 0.25),
        ("user-timeline-1/c", 0.1),
    ] {
        let rates: Vec<f64> = of(subject).iter().filter_map(|row| row.cpu_cores).collect();
        assert!(
            rates.iter().all(|rate| (rate - cores).abs() < 1e-6),
            "{subject}: {rates:?}"
        );
    }

    let used = aefm_collector::prometheus::of(&scraped.series, from, to).usage;
    let row = |pod: &str| used.iter().find(|row| row.pod == pod).unwrap();
    assert!(
        (row("geo-1").cpu_cores.unwrap() - 0.5).abs() < 1e-6
            && row("geo-1").cpu_limit_cores == Some(2.0)
    );
    assert_eq!(
        (row("geo-1").memory_max_bytes, row("geo-1").max_gap_ns),
        (Some(1_020_000), 10 * S)
    );
    assert_eq!(
        (
            row("user-1").samples,
            row("user-1").max_gap_ns,
            row("user-1").memory_max_bytes
        ),
        (16, 60 * S, None)
    );

    // The user's own expressions: more points than one question may have.
    let read = prometheus
        .range(
            "sum(container_cpu_usage_seconds_total)",
            from,
            to,
            10_000_000,
        )
        .await
        .unwrap();
    assert_eq!(read.series[0].samples.len(), 20_001);
    let error = prometheus.range("sum(", from, to, S).await.unwrap_err();
    assert!(
        matches!(&error, PrometheusError::Answer(AnswerError::Query { kind, .. }) if kind == "bad_data"),
        "{error}"
    );
}

#[tokio::test]
async fn a_prometheus_that_is_down_is_a_failure_in_words() {
    let port = ports::free();
    let scraped = prometheus(&format!("http://127.0.0.1:{port}"))
        .scrape(0, S, S, end())
        .await;
    assert_eq!((scraped.series.len(), scraped.failures.len()), (0, 1));
    assert!(
        scraped.failures[0].1.contains("Connection refused"),
        "{:?}",
        scraped.failures
    );
}

/// Two jobs scrape a container, which begins anew under another id in the middle of the case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_two_jobs_and_two_lives_is_one_container() {
    let mut text = String::from("# TYPE container_cpu_usage_seconds counter\n");
    for job in ["kubelet", "cadvisor"] {
        for (id, from, to, cores) in [("/a", 0, 10, 0.5), ("/b", 11, 20, 0.1)] {
            for step in from..=to {
                let (used, t) = (
                    f64::from(step - from) * 10.0 * cores,
                    BEGIN_S + i64::from(step) * 10,
                );
                writeln!(
                    text,
                    "container_cpu_usage_seconds_total{{namespace=\"hotel\",pod=\"geo-1\",container=\"c\",job=\"{job}\",id=\"{id}\"}} {used} {t}"
                )
                .unwrap();
            }
        }
    }
    text.push_str("# EOF\n");
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, url)) = start(dir.path(), &text).await else {
        return;
    };
    let (from, to) = (BEGIN_S * S, (BEGIN_S + 200) * S);
    let scraped = prometheus(&url).scrape(from, to, 10 * S, end()).await;
    assert_eq!(scraped.series.len(), 4);
    let said = of(&scraped.series, from, to);
    let cores: Vec<f64> = said
        .metrics
        .iter()
        .filter_map(|row| row.cpu_cores)
        .collect();
    assert_eq!(cores.len(), 10 + 9, "{cores:?}");
    assert!(
        cores
            .iter()
            .all(|cores| [0.5, 0.1].iter().any(|own| (cores - own).abs() < 1e-6)),
        "{cores:?}"
    );
    assert_eq!(said.usage.len(), 1);
    assert!(
        (said.usage[0].cpu_max_cores.unwrap() - 0.5).abs() < 1e-6,
        "{:?}",
        said.usage
    );
    assert!(
        said.remarks[0].contains("job=\"cadvisor\""),
        "{:?}",
        said.remarks
    );
}

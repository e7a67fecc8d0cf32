//! What `collect` may say, and what is said back when it may not.

use super::*;
use crate::experiment::Experiment;
use crate::experiment::access::{Login, Secret};
use crate::experiment::fault::Fault;
use crate::experiment::tables::Origin;
use aefm_collector::schema::ColumnType;

fn read(text: &str) -> Result<Collect, Vec<String>> {
    let text = format!("axes: {{rate: [1]}}\n{text}");
    let read = Experiment::read(&text, &|_| false).map(|experiment| experiment.collect);
    read.map_err(|faults| faults.sorted().iter().map(Fault::to_string).collect())
}

fn fault(text: &str) -> String {
    read(text).expect_err("this has a fault").join("\n")
}

#[test]
fn collecting_between_cases_is_a_word() {
    assert_eq!(read("collect: between").expect("a word").pending, 0);
    assert_eq!(
        read("collect: {pending: between, settle: 9s}")
            .expect("a map")
            .pending,
        0
    );
    assert_eq!(read("collect: {pending: 3}").expect("a map").pending, 3);
    assert!(fault("collect: {pending: 0}").contains("`between`"));
    assert!(fault("collect: betwen").contains("`between`"));
}

#[test]
fn sources_have_urls_and_secrets_that_are_elsewhere() {
    let collect = read(
        "collect:\n  jaeger: {url: \"http://j:16686\", grpc: \"j:16685\", services: frontend, bearer: {file: /run/token}}\n  \
         prometheus:\n    url: https://p/base\n    basic: {user: me, password: {env: PW}}\n    ca: ca.pem\n    \
         queries: {depth: 'sum(queue_depth)'}\n    scrape: 5s\n",
    )
    .expect("valid");
    let (jaeger, prometheus) = (
        collect.jaeger.expect("it is there"),
        collect.prometheus.expect("it is there"),
    );
    assert_eq!(
        (jaeger.services, jaeger.access.login),
        (
            vec!["frontend".to_owned()],
            Login::Bearer(Secret::File("/run/token".into()))
        )
    );
    let login = Login::Basic {
        user: "me".to_owned(),
        password: Secret::Env("PW".to_owned()),
    };
    assert_eq!(
        (prometheus.access.login, prometheus.scrape),
        (login, Duration::from_secs(5))
    );
    assert_eq!(
        prometheus.queries,
        [("depth".to_owned(), "sum(queue_depth)".to_owned())]
    );
}

#[test]
fn a_certificate_of_ours_has_a_key() {
    let with = |text: &str| {
        read(&format!(
            "collect: {{jaeger: {{url: \"https://j\", {text}}}}}"
        ))
    };
    let jaeger = with("cert: me.pem, key: me.key, ca: ca.pem")
        .expect("valid")
        .jaeger
        .expect("it is there");
    assert_eq!(
        jaeger.access.certificate,
        Some(("me.pem".into(), "me.key".into()))
    );
    let fault = |text: &str| with(text).expect_err("this has a fault").join("; ");
    assert!(fault("cert: me.pem").contains("`cert` needs `key`"));
    assert!(fault("key: me.key").contains("`key` needs `cert`"));
}

#[test]
fn a_secret_in_the_file_is_refused_in_every_place() {
    let typed = [
        "prometheus: {url: \"http://p\", bearer: s3cret}",
        "prometheus: {url: \"http://p\", basic: {user: me, password: s3cret}}",
        "prometheus: {url: \"http://me:s3cret@p\"}",
        "tables: {q: {url: \"http://me:s3cret@p\", format: csv}}",
    ];
    for text in typed {
        let fault = fault(&format!("collect: {{{text}}}"));
        assert!(fault.contains("dataset"), "{fault}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }
}

#[test]
fn what_is_missing_or_twice_is_said() {
    assert!(fault("collect: {jaeger: {}}").contains("`url` is missing"));
    assert!(fault("collect: {jaeger: {url: \"j:16686\"}}").contains("http://"));
    assert!(
        fault("collect: {prometheus: {url: \"http://p\", basic: {user: me}}}")
            .contains("`password`")
    );
    assert!(
        fault("collect: {prometheus: {url: \"http://p\", querys: {}}}")
            .contains("did you mean `queries`")
    );
    assert!(
        fault("collect: {prometheus: {url: \"http://p\", queries: {t_ns: up}}}").contains("t_ns")
    );
    assert!(fault("collect: {tables: {q: {format: csv}}}").contains("`command` or from a `url`"));
    assert!(fault("collect: {tables: {q: {command: [./x]}}}").contains("`format` is missing"));
    assert!(fault("collect: {tables: {Q-1: {command: [./x], format: csv}}}").contains("a-z"));
    assert!(
        fault("collect: {tables: {promql: {command: [./x], format: csv}}}")
            .contains("another name")
    );
}

#[test]
fn an_application_that_runs_already_is_left_alone() {
    let with = |text: &str| fault(&format!("application: {{url: \"http://a:1\"}}\n{text}"));
    assert!(with("environment: restart").contains("runs already"));
    assert!(with("environment: {on_change: {rate: reload}}").contains("runs already"));
    assert!(
        with("collect: {jaeger: {url: \"http://j:1\", otlp: \"http://j:2\"}}")
            .contains("told before")
    );
    assert!(fault("application: {trace_header: b3}").contains("`url` is missing"));
    let text =
        "app: hotel\naxes: {rate: [1]}\napplication: {url: \"http://a:1\"}\nenvironment: keep\n";
    let experiment = Experiment::read(text, &|_| false).expect("it may be kept");
    // The catalogue knows the header of the hotel's front end; data are only put where that is asked for.
    assert_eq!(
        experiment.trace_context(),
        aefm_workloads::load::TraceContext::Jaeger
    );
    assert!(!experiment.environment.init_data);
}

#[test]
fn tables_come_from_commands_and_urls() {
    let collect = read(
        "collect:\n  tables:\n    queue: {command: \"./queue.sh --all\", format: csv, columns: {depth: float}, again: true}\n    \
         rows: {url: \"http://r/rows?from={from_s}\", format: json-lines, timeout: 5s}\n",
    )
    .expect("valid");
    let [queue, rows] = collect.tables.as_slice() else {
        panic!("two tables")
    };
    assert!(matches!(&queue.origin, Origin::Command(words) if *words == ["./queue.sh", "--all"]));
    assert_eq!(
        (queue.columns.as_slice(), queue.again),
        (&[("depth".to_owned(), ColumnType::Float)][..], true)
    );
    assert!(matches!(&rows.origin, Origin::Url { url, .. } if url.contains("{from_s}")));
}

#[test]
fn in_a_cluster_a_source_may_be_left_to_be_found_or_named_by_its_service() {
    let kubernetes = |text: &str| read(&format!("platform: kubernetes\ncollect: {{{text}}}"));
    let found =
        kubernetes("prometheus: cluster, jaeger: cluster").expect("it is left to the platform");
    let (prometheus, jaeger) = (
        found.prometheus.expect("wanted"),
        found.jaeger.expect("wanted"),
    );
    assert_eq!(
        (
            prometheus.url,
            prometheus.cluster,
            jaeger.url,
            jaeger.cluster
        ),
        (None, None, None, None)
    );
    let named =
        kubernetes("prometheus: {cluster: 'monitoring/p:80', scrape: 5s}").expect("it is named");
    let service = ServiceName {
        namespace: "monitoring".into(),
        name: "p".into(),
        port: Some(80),
    };
    assert_eq!(
        named.prometheus.and_then(|source| source.cluster),
        Some(service)
    );
    let fault = |text: &str| kubernetes(text).expect_err("this has a fault").join("\n");
    assert!(fault("prometheus: clutser").contains("or `cluster`"));
    assert!(fault("prometheus: {cluster: p}").contains("monitoring/prometheus:9090"));
    assert!(fault("prometheus: {cluster: 'm/p:0'}").contains("namespace/name:port"));
    assert!(fault("jaeger: {cluster: m/j, url: 'http://j:1'}").contains("exclude each other"));
    assert!(
        fault("prometheus: {basic: {user: me, password: {env: PW}}}")
            .contains("through the API server")
    );
    let local = read("collect: {prometheus: cluster}")
        .expect_err("there is no cluster")
        .join("\n");
    assert!(local.contains("`url` is missing"), "{local}");
    assert!(
        read("collect: {jaeger: {cluster: m/j}}")
            .expect_err("there is none")
            .join("\n")
            .contains("platform local has none")
    );
}

#[test]
fn only_what_is_ours_is_known_to_come_soon() {
    let ours = read("collect: {pending: 1}").expect("a map");
    assert_eq!(
        (ours.flush, ours.settle),
        (Duration::from_secs(1), Duration::from_secs(5))
    );
    let with = |collect: &str| {
        read(&format!(
            "application: {{url: \"http://a:1\"}}\ncollect: {collect}"
        ))
        .expect("valid")
    };
    let times = |collect: &str| {
        (
            with(collect).flush.as_secs(),
            with(collect).settle.as_secs(),
        )
    };
    assert_eq!(times("{jaeger: {url: \"http://j:1\"}}"), (6, 30));
    assert_eq!(times("between"), (6, 30));
    assert_eq!(times("{listen: \"127.0.0.1:4317\"}"), (6, 12));
    // Spans that come once a minute are awaited for longer than that.
    assert_eq!(
        times("{jaeger: {url: \"http://j:1\"}, flush: 60s}"),
        (60, 120)
    );
    assert_eq!(
        times("{jaeger: {url: \"http://j:1\"}, flush: 1s, settle: 2s}"),
        (1, 2)
    );
}

#[test]
fn a_file_to_collect_by_needs_nothing_but_what_is_asked() {
    let experiment =
        Experiment::read("axes: {rate: [1]}\n", &|_| false).expect("it is an experiment");
    let collect = experiment
        .read_collect("collect: {jaeger: {url: \"http://j:1\"}}\n")
        .expect("it is enough");
    assert_eq!(
        collect.jaeger.and_then(|jaeger| jaeger.url).as_deref(),
        Some("http://j:1")
    );
    // A whole experiment file will do, too, whatever else is in it.
    assert!(
        experiment
            .read_collect("axes: {rate: [a, b]}\ncollect: {settle: 1s}\n")
            .is_ok()
    );
    let fault = |text: &str| {
        let faults = experiment
            .read_collect(text)
            .expect_err("this has a fault")
            .sorted();
        faults
            .iter()
            .map(Fault::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert!(fault("axes: {rate: [1]}").contains("`collect` is missing"));
    assert!(fault("collect: {jaegr: {}}").contains("did you mean `jaeger`"));
}

//! What becomes of files in the original's form.

use super::*;
use crate::experiment::kubernetes::{Entrance, LoadFrom, Nodes, Source};
use crate::experiment::node::parse;
use crate::experiment::{Experiment, PlatformKind};
use crate::plan::Plan;
use aefm_workloads::matrix::Factor;

/// Every key that there is.
const ALL: &str = "\
file_paths: {collector_data: out, log: log/x.log, yaml_repo: $MODULE_DEFAULT/social, wrk_output_path: tmp/w, mine: m}
app: social
port: 30628
replicas: {user-timeline-service: 3}
namespace: social-network
app_img: registry.example/social:2
duration: 20
prometheus_host: http://localhost:30090
jaeger_host: http://localhost:30094
jaeger_entrance: nginx-web-server
nodes:
- {name: n1, roles: [testbed, infra], ip: 10.0.0.1}
- {name: n2, roles: [testbed, spare]}
pod_spec: {cpu_size: 0.2, mem_size: 100Mi}
test_cases:
  orders: [workload, cpu, round]
  round: {min: 1, max: 3, step: 1}
  workload:
    configs: {threads: 2, connections: 5, rate: 20, script: $MODULE_DEFAULT/social/compose-post.lua, url: http://localhost:30628}
    range: {min: 10, max: 50, step: 20}
  interferences:
    cpu: {configs: {cpu_size: 1, mem_size: 200Mi}, range: [1, 4]}
    mem_capacity: {configs: {cpu_size: 0.01, mem_size: 4Gi}, range: [1, 2]}
  colour: [1, 2]
";

fn converted(text: &str) -> (Converted, Faults) {
    let mut faults = Faults::default();
    let root = parse(text).expect("YAML");
    assert!(is_one(&root));
    (convert(root, &mut faults), faults)
}

fn read(text: &str) -> (Experiment, Converted) {
    let (converted, faults) = converted(text);
    assert!(faults.is_empty(), "{}", faults.show("file", text));
    let experiment = Experiment::read_tree(&converted.root, &|_| false)
        .unwrap_or_else(|faults| panic!("{}", faults.show("file", text)));
    (experiment, converted)
}

#[test]
fn a_file_for_a_cluster_is_the_same_experiment() {
    let (experiment, converted) = read(ALL);
    assert_eq!(
        (experiment.platform, &*experiment.app),
        (PlatformKind::Kubernetes, "social-network")
    );
    assert_eq!(experiment.workload, "social-network/compose-post");
    let kubernetes = &experiment.kubernetes;
    assert_eq!(kubernetes.deploy, Source::Catalogue);
    assert_eq!(kubernetes.images["app"], "registry.example/social:2");
    assert_eq!(kubernetes.replicas["user-timeline-service"], 3);
    assert_eq!(kubernetes.limits.cpu.as_deref(), Some("0.2"));
    assert_eq!(
        kubernetes.nodes.testbed,
        Nodes::Named(vec!["n1".into(), "n2".into()])
    );
    assert_eq!(
        (kubernetes.load, &kubernetes.entrance),
        (LoadFrom::Outside, &Entrance::NodePort)
    );
    assert_eq!(experiment.load.duration.as_secs(), 20);
    // Two clients of 20/s ran for 50/s.
    assert_eq!(experiment.load.connections, 10);
    let plan = Plan::new(&experiment, "plan", 0, 8).expect("there is room");
    assert_eq!(plan.axes, ["rate", "cpu", "round"]);
    assert_eq!(plan.cases.len(), 18);
    // 50/s and not the 40/s of two whole clients; the first axis is the innermost.
    let rates: Vec<_> = plan.cases.iter().map(|case| case.rate_hz).collect();
    assert_eq!(rates[..4], [10.0, 30.0, 50.0, 10.0]);
    assert_eq!(plan.cases[3].intensities[0].1, 50.0);
    let jaeger = experiment.collect.jaeger.as_ref().expect("a Jaeger");
    assert_eq!(jaeger.services, ["nginx-web-server"]);
    for key in [
        "file_paths.log",
        "file_paths.mine",
        "port",
        "nodes.ip",
        "nodes.roles",
        "test_cases.colour",
    ] {
        assert!(
            converted
                .became
                .iter()
                .any(|one| one.from == key && one.to.is_none() && !one.said.is_empty()),
            "{key}: {:?}",
            converted.became
        );
    }
}

#[test]
fn the_migrated_file_reads_as_the_same_experiment() {
    let (experiment, converted) = read(ALL);
    let text = migrated("old.yaml", &converted);
    let again = Experiment::read(&text, &|_| false)
        .unwrap_or_else(|faults| panic!("{}", faults.show("file", &text)));
    assert_eq!(format!("{again:?}"), format!("{experiment:?}"));
    for line in [
        "# file_paths.collector_data: each run",
        "#   port ",
        "  # test_cases.workload.range: requests per second",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn keys_of_ours_beside_them_bring_it_to_this_machine() {
    let text = format!("{ALL}platform: local\nload: {{duration: 2s}}\naxes: {{rate: [7]}}\n");
    let (experiment, converted) = read(&text);
    assert_eq!(experiment.platform, PlatformKind::Local);
    assert_eq!(experiment.load.duration.as_secs(), 2);
    assert!(experiment.collect.jaeger.is_none() && experiment.collect.prometheus.is_none());
    assert!(list(&converted.became).contains("has no meaning on platform local"));
    let plan = Plan::new(&experiment, "plan", 0, 1).expect("more than there is degrades");
    assert_eq!(plan.cases.len(), 6);
    let cpu = |case: usize| plan.cases[case].intensities[0].1;
    assert_eq!((cpu(0), cpu(1)), (100.0, 400.0));
    let rates = experiment
        .axes
        .iter()
        .find(|axis| axis.factor == Factor::Rate);
    assert_eq!(rates.expect("rates").values.len(), 1);
}

#[test]
fn without_anything_of_a_cluster_it_is_for_this_machine() {
    let text = "app: hotel\nduration: 5\ntest_cases:\n  orders: [workload]\n  workload: {configs: {script: own.lua, rate: 5, connections: 1}, range: [5]}\n";
    let (experiment, _) = read(text);
    assert_eq!(
        (experiment.platform, &*experiment.workload),
        (PlatformKind::Local, "script:own.lua")
    );
}

#[test]
fn what_is_wrong_is_said_at_the_line_of_the_original() {
    for (old, new, place, said) in [
        ("duration: 20", "duration: soon", "7:11", "load.duration"),
        (
            "rate: 20,",
            "rate: 20, thread: 2,",
            "19:",
            "did you mean `threads`?",
        ),
        (
            "compose-post.lua",
            "compose.lua",
            "19:",
            "did you mean `social/compose-post.lua`",
        ),
        (
            "$MODULE_DEFAULT/social,",
            "$MODULE_DEFAULT/bank,",
            "1:",
            "hotel, social, media and train",
        ),
        (
            "orders: [workload, cpu, round]",
            "orders: [workload, cpuu, round]",
            "16:",
            "did you mean `cpu`",
        ),
        (
            "app: social",
            "app: bank",
            "2:6",
            "unknown application `bank`",
        ),
        (
            "roles: [testbed, spare]",
            "role: [testbed]",
            "13:",
            "did you mean `roles`",
        ),
        ("  colour:", "  order:", "24:", "did you mean `orders`"),
    ] {
        let text = ALL.replace(old, new);
        assert_ne!(text, ALL, "{old}");
        let (converted, mut faults) = converted(&text);
        if let Err(more) = Experiment::read_tree(&converted.root, &|_| false) {
            for fault in more.sorted() {
                faults.add(fault.place, fault.message);
            }
        }
        let shown = faults.show("file", &text);
        let at = |fault: &str| fault.contains(said) && fault.contains(&format!("--> file:{place}"));
        assert!(shown.split("error: ").any(at), "{said}, {place}:\n{shown}");
    }
}

#[test]
fn the_originals_names_are_workloads_in_files_of_today() {
    let workload = |name: &str| {
        let text = format!("workload: '{name}'\naxes: {{rate: [20]}}\n");
        Experiment::read(&text, &|_| false).map(|experiment| experiment.workload)
    };
    for name in [
        "search",
        "hotel/search",
        "$MODULE_DEFAULT/hotel/search.lua",
        "script:$MODULE_DEFAULT/hotel/search.lua",
    ] {
        assert_eq!(
            workload(name).as_deref(),
            Ok("hotel-reservation/search"),
            "{name}"
        );
    }
    assert!(
        workload("social/mixed").is_err(),
        "it is not one of the application"
    );
    let misprinted =
        "app: social\nworkload: $MODULE_DEFAULT/hotel/compose-post.lua\naxes: {rate: [20]}\n";
    let read = Experiment::read(misprinted, &|_| false).expect("it is right");
    assert_eq!(read.workload, "social-network/compose-post");
}

//! The section as it is typed, and what is said of its faults.

use super::*;
use crate::experiment::{Experiment, PlatformKind};

fn read(text: &str) -> Result<Experiment, String> {
    Experiment::read(text, &|_| false).map_err(|faults| faults.show("f", text))
}

#[test]
fn everything_but_the_platform_has_a_default() {
    let experiment = read("platform: kubernetes\naxes: {rate: 10}").unwrap();
    assert_eq!(
        (experiment.platform, experiment.kubernetes),
        (PlatformKind::Kubernetes, Kubernetes::default())
    );
    assert_eq!(
        read("axes: {rate: 10}").unwrap().platform,
        PlatformKind::Local
    );
}

#[test]
fn what_is_said_is_obeyed() {
    let text = "platform: kubernetes\naxes: {rate: 10}\nkubernetes: {context: c, namespace: mine, image: 'x:1', \
        manifests: here, entry: 'web:80', pull_policy: Never, replicas: {geo: 2}, limits: {cpu: 0.1, memory: 1Gi}, \
        nodes: {testbed: [a, b], load: 'role=load', infra: c}, entrance: 'http://h:1/', load: 3, ready: 10m}";
    let cluster = read(text).unwrap().kubernetes;
    assert_eq!(
        (cluster.deploy, cluster.entry),
        (Source::Folder("here".into()), Some(("web".into(), 80)))
    );
    assert_eq!(
        (cluster.pull_policy, cluster.replicas["geo"], cluster.load),
        ("Never", 2, LoadFrom::Inside(3))
    );
    assert_eq!(
        cluster.limits,
        Limits {
            cpu: Some("0.1".into()),
            memory: Some("1Gi".into())
        }
    );
    assert_eq!(
        cluster.nodes.testbed,
        Nodes::Named(vec!["a".into(), "b".into()])
    );
    assert_eq!(cluster.nodes.load, Nodes::Selected("role=load".into()));
    assert_eq!(
        (cluster.entrance, cluster.ready),
        (Entrance::Url("http://h:1".into()), Duration::from_secs(600))
    );
}

#[test]
fn faults_name_the_way_out() {
    for (wrong, said) in [
        ("namespace: My_Own", "lower-case letters"),
        ("entrance: nodeprt", "nodeport"),
        ("load: 0", "number of load pods"),
        ("deploy: emulated, manifests: d", "name one of the two"),
        ("entry: web", "frontend:5000"),
        ("nginx_configs: d", "deploy: catalogue"),
        ("nodes: {testbd: [a]}", "did you mean `testbed`"),
        ("replicas: {geo: many}", "`kubernetes.replicas.geo`"),
        ("pull_policy: Sometimes", "IfNotPresent"),
    ] {
        let faults = read(&format!(
            "platform: kubernetes\naxes: {{rate: 10}}\nkubernetes: {{{wrong}}}"
        ))
        .unwrap_err();
        assert!(faults.contains(said), "{wrong}: {faults}");
    }
}

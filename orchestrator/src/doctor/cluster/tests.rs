//! Clusters that are as they should be, and what is said of each thing that is not.

use super::super::scrape::Scraped;
use super::super::{Level, worst};
use super::facts::{Asks, Image, Jaeger, Pressure, Pulled, Quota, Roles};
use super::quota::Pods;
use super::*;
use crate::platform::kubernetes::review::Question;
use crate::platform::kubernetes::snapshot::{Node, Room, Snapshot};
use std::time::Duration;

fn node(name: &str) -> Node {
    let capacity = Room {
        cpu: 16.0,
        memory: 64e9,
    };
    let images = vec!["docker.io/library/aefm:1".to_owned()];
    Node {
        name: name.into(),
        capacity,
        allocatable: capacity,
        images,
        ..Node::default()
    }
}

fn facts() -> Facts {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let question = Question {
        verb: "create",
        group: "batch".into(),
        resource: "jobs".into(),
        namespace: Some("n".into()),
        purpose: "run".into(),
        is_optional: false,
    };
    Facts {
        minor: 34,
        clocks: Clocks {
            server_ahead_s: Some((-0.4, 0.7)),
            nodes_ahead_s: vec![("a".into(), -8.0)],
        },
        rights: Ok(vec![(question, true)]),
        snapshot: Snapshot {
            nodes: ["a", "b", "c", "d"].map(node).into(),
            ..Snapshot::default()
        },
        cores: 16,
        roles: Ok(Roles {
            testbed: names(&["a", "b"]),
            infra: names(&["c"]),
            load: names(&["d"]),
        }),
        namespace: Namespace {
            name: "n".into(),
            is_there: true,
            ..Namespace::default()
        },
        asks: Ok(Asks {
            under_test: vec![
                Room {
                    cpu: 1.0,
                    memory: 1e9
                };
                20
            ],
            infra: Vec::new(),
        }),
        quotas: Vec::new(),
        pods: vec![Pods {
            what: "the root",
            key: "root_limits",
            count: 2,
            each: Room {
                cpu: 1.0,
                memory: 0.0,
            },
        }],
        pressure: Pressure {
            network: true,
            memory_bytes: Some(40e9),
        },
        images: vec![Image {
            name: "aefm:1".into(),
            policy: "Never".into(),
            nodes: names(&["a", "b", "d"]),
        }],
        pulled: Vec::new(),
        prometheus: Some(Ok((
            "m/p:9090".into(),
            Scraped {
                interval: Duration::from_secs(10),
                containers: true,
            },
        ))),
        jaeger: Some(Ok((
            "its own".into(),
            Jaeger {
                storage: Some("memory".into()),
                max_traces: Some(200_000),
                memory: Some("6Gi".into()),
                api: None,
            },
        ))),
        scrape: Duration::from_secs(15),
        pending: 2,
    }
}

fn demand() -> Demand {
    Demand {
        cases: 480,
        requests: 2e6,
        rate_hz: 200.0,
        requests_of_a_case: 9_000.0,
        duration: Duration::from_secs(40),
        connections: 32,
    }
}

fn findings(change: impl Fn(&mut Facts)) -> Vec<Finding> {
    let mut facts = facts();
    change(&mut facts);
    check(&facts, &Ok(demand()))
}

/// What is not well after a change: check, level, and a part of what is said.
fn troubles(change: impl Fn(&mut Facts)) -> Vec<(&'static str, Level, String)> {
    let found = findings(change);
    assert!(
        found
            .iter()
            .all(|one| (one.level == Level::Ok) == one.way_out.is_none()),
        "{found:?}"
    );
    found
        .into_iter()
        .filter(|one| one.level > Level::Ok)
        .map(|one| (one.check, one.level, one.found))
        .collect()
}

#[track_caller]
fn assert_one(change: impl Fn(&mut Facts), check: &str, level: Level, part: &str) {
    let troubles = troubles(change);
    let [(of, how, found)] = troubles.as_slice() else {
        panic!("one finding: {troubles:?}")
    };
    assert_eq!((*of, *how), (check, level), "{found}");
    assert!(found.contains(part), "{part:?} in {found:?}");
}

#[test]
fn a_cluster_as_it_should_be_has_no_finding() {
    assert_eq!(troubles(|_| ()), []);
}

#[test]
fn what_stops_a_run_fails() {
    assert_one(|facts| facts.minor = 19, "reach", Level::Fail, "1.19");
    let denied = |facts: &mut Facts| facts.rights.as_mut().unwrap()[0].1 = false;
    assert_one(
        denied,
        "rights",
        Level::Fail,
        "may not create jobs.batch in n, needed to run",
    );
    assert_one(
        |facts| facts.namespace.run = Some("r1".into()),
        "namespace",
        Level::Fail,
        "run r1",
    );
    assert_one(
        |facts| facts.roles = Err("no node".into()),
        "nodes",
        Level::Fail,
        "no node",
    );
    let crowded = |facts: &mut Facts| {
        facts.asks.as_mut().unwrap().under_test.extend(vec![
            Room {
                cpu: 1.0,
                memory: 0.0
            };
            13
        ]);
    };
    assert_one(crowded, "capacity", Level::Fail, "33 pods ask for 33 cores");
    let huge = |facts: &mut Facts| {
        facts.asks.as_mut().unwrap().infra.push(Room {
            cpu: 0.0,
            memory: 65e9,
        });
    };
    assert_one(huge, "capacity", Level::Fail, "which no node has");
    assert_one(
        |facts| facts.asks = Err("no such kind".into()),
        "deployment",
        Level::Fail,
        "no such kind",
    );
    assert_one(
        |facts| facts.snapshot.nodes[3].images.clear(),
        "images",
        Level::Warn,
        "and never pulled: aefm:1 on d",
    );
    let quota = |resource: &str, hard: f64, has_default| Quota {
        name: "q".into(),
        resource: resource.into(),
        hard,
        used: 1.0,
        has_default,
    };
    let bounded = |quota: Quota| move |facts: &mut Facts| facts.quotas.push(quota.clone());
    let small = bounded(quota("requests.cpu", 2.5, false));
    assert_one(
        small,
        "quota",
        Level::Fail,
        "1.50 cores of requests.cpu are left",
    );
    let silent = bounded(quota("limits.memory", 1e9, false));
    assert_one(
        silent,
        "quota",
        Level::Fail,
        "what a quota bounds: the root",
    );
    assert_eq!(troubles(bounded(quota("limits.memory", 1e9, true))), []);
    assert_one(
        bounded(quota("pods", 2.0, false)),
        "quota",
        Level::Fail,
        "1 of pods are left",
    );
    let absent = Pulled {
        image: "aefm:1".into(),
        node: "a".into(),
        outcome: Err("ErrImagePull".into()),
    };
    assert_one(
        |facts| facts.pulled.push(absent.clone()),
        "images",
        Level::Fail,
        "ErrImagePull",
    );
    assert_one(
        |facts| facts.prometheus = Some(Err("several".into())),
        "Prometheus",
        Level::Fail,
        "several",
    );
    assert_one(
        |facts| facts.jaeger = Some(Err("refused".into())),
        "Jaeger",
        Level::Fail,
        "refused",
    );
    assert_eq!(
        worst(&check(&facts(), &Err("too many pods".into()))),
        Level::Fail
    );
    assert_eq!(unreachable("no such file").level, Level::Fail);
}

#[test]
fn what_makes_figures_doubtful_warns() {
    let optional = |facts: &mut Facts| {
        let asked = facts.rights.as_mut().unwrap();
        (asked[0].0.is_optional, asked[0].1) = (true, false);
    };
    assert_one(optional, "rights", Level::Warn, "may not");
    assert_one(
        |facts| facts.clocks.server_ahead_s = Some((2.5, 3.6)),
        "clocks",
        Level::Warn,
        "2.5 s ahead",
    );
    assert_one(
        |facts| facts.clocks.server_ahead_s = Some((-9.1, -8.0)),
        "clocks",
        Level::Warn,
        "8.0 s behind",
    );
    assert_one(
        |facts| facts.clocks.nodes_ahead_s[0].1 = 5.0,
        "clocks",
        Level::Warn,
        "a is at least 5.0 s ahead",
    );
    assert_one(
        |facts| facts.clocks.nodes_ahead_s[0].1 = -300.0,
        "clocks",
        Level::Warn,
        "300 s ago",
    );
    let shared = |facts: &mut Facts| facts.roles.as_mut().unwrap().load = vec!["b".into()];
    assert_one(shared, "nodes", Level::Warn, "share b");
    let small = |facts: &mut Facts| {
        facts
            .snapshot
            .nodes
            .iter_mut()
            .for_each(|node| node.capacity.cpu = 4.0);
    };
    assert_one(small, "nodes", Level::Warn, "below 8 cores");
    assert_one(
        |facts| facts.snapshot.nodes[1].capacity.cpu = 32.0,
        "nodes",
        Level::Warn,
        "unlike",
    );
    assert_one(
        |facts| facts.pressure.memory_bytes = Some(65e9),
        "interference",
        Level::Warn,
        "60.5 GiB",
    );
    let single = |facts: &mut Facts| facts.roles.as_mut().unwrap().testbed.truncate(1);
    assert!(
        troubles(single)
            .iter()
            .any(|(check, ..)| *check == "interference")
    );
    let pulled_later = |facts: &mut Facts| {
        facts.images[0].policy = "Always".into();
        facts.snapshot.nodes[3].images.clear();
    };
    assert_one(
        pulled_later,
        "images",
        Level::Warn,
        "may be minutes ago: aefm:1 on d",
    );
    // A node that tells of as many images as kubelets tell may have it all the same.
    let full = |facts: &mut Facts| facts.snapshot.nodes[3].images = vec!["other:1".into(); 50];
    assert_eq!(troubles(full), []);
    let watched = |interval, containers| {
        move |facts: &mut Facts| {
            facts.prometheus = Some(Ok((
                "p".into(),
                Scraped {
                    interval: Duration::from_secs(interval),
                    containers,
                },
            )));
        }
    };
    assert_one(
        watched(10, false),
        "Prometheus",
        Level::Warn,
        "none of containers",
    );
    let slow = troubles(watched(30, true));
    assert!(
        slow.len() == 2
            && slow[0].2.contains("says 15 s")
            && slow[1].2.contains("about 1 in a case"),
        "{slow:?}"
    );
    let jaeger = |max_traces| {
        move |facts: &mut Facts| {
            if let Some(Ok((_, jaeger))) = &mut facts.jaeger {
                jaeger.max_traces = max_traces;
            }
        }
    };
    assert_one(
        jaeger(Some(20_000)),
        "Jaeger",
        Level::Warn,
        "27000 traces of 3 cases",
    );
    assert_one(jaeger(None), "Jaeger", Level::Warn, "no bound on traces");
    assert_one(
        |facts| facts.namespace.is_terminating = true,
        "namespace",
        Level::Warn,
        "on its way out",
    );
}

//! Which nodes get which role, and what is said of it.

use super::*;
use crate::platform::kubernetes::snapshot::Room;

fn node(name: &str, cpu: f64) -> Node {
    let capacity = Room {
        cpu,
        memory: cpu * 4e9,
    };
    Node {
        name: name.into(),
        capacity,
        allocatable: capacity,
        ..Node::default()
    }
}

fn choose_of(nodes: &[Node], asked: &Asked) -> Roles {
    choose(
        &Snapshot {
            nodes: nodes.to_vec(),
            ..Snapshot::default()
        },
        asked,
    )
    .expect("there are nodes")
}

fn named(roles: &Roles) -> [String; 3] {
    [&roles.testbed, &roles.infra, &roles.load].map(|names| names.join(" "))
}

#[test]
fn roles_are_apart_as_far_as_there_are_nodes() {
    let all: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| node(name, 8.0)).into();
    for (count, expected) in [
        (1, ["a", "a", "a"]),
        (2, ["a", "b", "b"]),
        (3, ["a", "b", "c"]),
        (5, ["a b c", "d", "e"]),
    ] {
        let roles = choose_of(&all[..count], &Asked::default());
        assert_eq!(named(&roles), expected, "{count}");
        assert_eq!(
            roles.warnings.is_empty(),
            count >= ENOUGH,
            "{:?}",
            roles.warnings
        );
    }
}

#[test]
fn a_testbed_is_of_alike_nodes_unless_the_user_says_otherwise() {
    let all = [
        node("a", 4.0),
        node("b", 16.0),
        node("c", 8.0),
        node("d", 8.0),
        node("e", 8.0),
    ];
    assert_eq!(
        named(&choose_of(&all, &Asked::default())),
        ["c d e", "b", "a"]
    );
    let asked = Asked {
        testbed: Some(vec!["a".into(), "b".into()]),
        ..Asked::default()
    };
    let roles = choose_of(&all, &asked);
    assert_eq!(named(&roles), ["a b", "d", "e"]);
    assert!(
        roles
            .warnings
            .iter()
            .any(|warning| warning.contains("unlike")),
        "{:?}",
        roles.warnings
    );
}

#[test]
fn labels_are_obeyed_and_the_control_plane_comes_last() {
    let mut all = vec![
        node("a", 8.0),
        node("b", 8.0),
        node("c", 8.0),
        node("m", 64.0),
    ];
    all[3].control_plane = true;
    assert_eq!(named(&choose_of(&all, &Asked::default())), ["a", "b", "c"]);
    all[2].role = Some("testbed".into());
    assert_eq!(named(&choose_of(&all, &Asked::default())), ["c", "a", "b"]);
    let roles = choose_of(&[all[0].clone(), all[3].clone()], &Asked::default());
    assert_eq!(named(&roles), ["a", "m", "m"]);
}

#[test]
fn a_node_that_cannot_be_used_is_named_with_the_reason() {
    let mut closed = node("b", 8.0);
    closed.closed = Some("cordoned".into());
    let snapshot = Snapshot {
        nodes: vec![node("a", 8.0), closed.clone()],
        ..Snapshot::default()
    };
    let asked = |name: &str| Asked {
        load: Some(vec![name.into()]),
        ..Asked::default()
    };
    let said = |name: &str| {
        choose(&snapshot, &asked(name))
            .expect_err("it cannot")
            .to_string()
    };
    assert!(
        said("b").contains("takes no pods: cordoned"),
        "{}",
        said("b")
    );
    assert!(
        said("z").contains("no such node; a takes pods"),
        "{}",
        said("z")
    );
    let none = Snapshot {
        nodes: vec![closed],
        ..Snapshot::default()
    };
    assert!(
        choose(&none, &Asked::default())
            .expect_err("none")
            .to_string()
            .contains("b does not (cordoned)")
    );
}

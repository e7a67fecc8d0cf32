//! Images: on the nodes already, or to be pulled when pods begin.

use super::super::Finding;
use super::facts::{Facts, Image, Pulled};

/// A kubelet tells of its 50 largest images, unless it is told otherwise.
const TOLD: usize = 50;
/// So many names are shown.
const SHOWN: usize = 3;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    const WHY: &str = "a pod whose image cannot be had never begins";
    let mut missing: Vec<(&Image, Vec<&str>)> = Vec::new();
    for image in &facts.images {
        let lacks = |name: &&String| {
            let node = facts.snapshot.node(name);
            node.is_some_and(|node| {
                node.images.len() < TOLD && !node.images.iter().any(|one| is_it(one, &image.name))
            })
        };
        let nodes: Vec<_> = image
            .nodes
            .iter()
            .filter(lacks)
            .map(String::as_str)
            .collect();
        if !nodes.is_empty() {
            missing.push((image, nodes));
        }
    }
    let mut findings: Vec<Finding> = facts.pulled.iter().map(pulled).collect();
    let tried = |image: &Image| facts.pulled.iter().any(|pulled| pulled.image == image.name);
    missing.retain(|(image, _)| !tried(image));
    let (never, pulls): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .partition(|(image, _)| image.policy == "Never");
    let tell = |missing: &[(&Image, Vec<&str>)]| {
        let told = missing
            .iter()
            .take(SHOWN)
            .map(|(image, nodes)| format!("{} on {}", image.name, nodes.join(", ")));
        let more = missing
            .len()
            .checked_sub(SHOWN)
            .filter(|more| *more > 0)
            .map(|more| format!("and {more} more"));
        told.chain(more).collect::<Vec<_>>().join("; ")
    };
    // Nodes tell of their images every five minutes, unless something else about them changes: one that was imported just
    // now is not among them. Only a kubelet that is asked to start it knows.
    const NOT_TOLD: &str =
        "not among the images that their nodes last told of, which may be minutes ago";
    if !never.is_empty() {
        findings.push(Finding::warn(
            "images",
            format!("{NOT_TOLD}, and never pulled: {}", tell(&never)),
            WHY,
            "try it with --try-images; import it on each node (`aefm image tar` writes an archive), or set another `kubernetes.pull_policy`",
        ));
    }
    if !pulls.is_empty() {
        findings.push(Finding::warn(
            "images",
            format!("{NOT_TOLD}: {}", tell(&pulls)),
            WHY,
            "try it with --try-images, by which they are pulled where they are not there; where the registry cannot be reached, import them, and check `kubernetes.image`",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "images",
            format!("all {} are on their nodes", facts.images.len()),
            WHY,
        ));
    }
    findings
}

fn pulled(pulled: &Pulled) -> Finding {
    const WHY: &str = "a pod whose image cannot be had never begins";
    let Pulled {
        image,
        node,
        outcome,
    } = pulled;
    match outcome {
        Ok(()) => Finding::ok("images", format!("{image} began on {node}"), WHY),
        Err(reason) => Finding::fail(
            "images",
            format!("{image} on {node}: {reason}"),
            WHY,
            "push it where the node can pull it, import it there (`aefm image tar`), or name another `kubernetes.image`",
        ),
    }
}

/// Whether a name that a node has for an image is the one that a pod gives: registry and library are left out there.
fn is_it(on_node: &str, wanted: &str) -> bool {
    let tagged = if wanted
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains([':', '@']))
    {
        wanted.to_owned()
    } else {
        format!("{wanted}:latest")
    };
    let short = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    };
    short(on_node) == short(&tagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_with_and_without_the_default_registry() {
        assert!(is_it("docker.io/library/mongo:4.4.6", "mongo:4.4.6"));
        assert!(is_it(
            "docker.io/library/aefm:0.1.0",
            "docker.io/library/aefm:0.1.0"
        ));
        assert!(is_it("docker.io/yg397/openresty:latest", "yg397/openresty"));
        assert!(
            is_it("host:5000/aefm:1", "host:5000/aefm:1") && !is_it("host:5000/aefm:1", "aefm:1")
        );
        assert!(!is_it("docker.io/library/mongo:4.4.7", "mongo:4.4.6"));
    }
}

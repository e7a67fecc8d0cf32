//! A cluster, before an experiment runs on it.

pub mod facts;
mod ground;
mod images;
pub mod quota;
mod watchers;

use super::{Demand, Finding};
use facts::{Clocks, Facts, Namespace};
use std::collections::BTreeMap;

/// The oldest server that runs are made for.
const OLDEST_MINOR: u32 = 20;
/// Clocks that are farther apart than this make one case's spans look like another's.
const APART_S: f64 = 1.0;
/// A kubelet renews its lease every 10 s; one that has not for so long is silent, or its clock is behind.
const SILENT_S: f64 = 45.0;

/// All checks. `demand` is what the experiment asks for, or why it cannot be had there.
#[must_use]
pub fn check(facts: &Facts, demand: &Result<Demand, String>) -> Vec<Finding> {
    let mut findings = vec![version(facts.minor)];
    findings.extend(rights(facts));
    findings.push(namespace(&facts.namespace));
    findings.extend(ground::check(facts, demand));
    findings.extend(quota::check(facts));
    findings.extend(images::check(facts));
    findings.extend(clocks(&facts.clocks));
    findings.extend(watchers::check(facts, demand.as_ref().ok()));
    findings
}

/// No cluster at all.
#[must_use]
pub fn unreachable(reason: &str) -> Finding {
    Finding::fail(
        "reach",
        reason,
        "everything goes through the API server",
        "set KUBECONFIG, or name a context with --context; `kubectl version` must work from here",
    )
}

fn version(minor: u32) -> Finding {
    const WHY: &str = "what runs need has been in every server since 1.20";
    if minor < OLDEST_MINOR {
        Finding::fail(
            "reach",
            format!("Kubernetes 1.{minor}"),
            WHY,
            "use a cluster of version 1.20 or later",
        )
    } else {
        Finding::ok("reach", format!("Kubernetes 1.{minor}"), WHY)
    }
}

fn rights(facts: &Facts) -> Vec<Finding> {
    const WHY: &str = "a run that is refused in the middle has to be begun again";
    const WAY_OUT: &str = "let an administrator bind a Role with these verbs; `aefm get-file rbac` writes all that are needed";
    // That file has what a run needs and no more: to who has it already, it is no way out.
    const WITHOUT: &str =
        "a run goes without it, and so may you; an administrator may grant it in addition";
    const LESS: &str = "what may not be seen is not checked";
    let asked = match &facts.rights {
        Ok(asked) => asked,
        Err(reason) => {
            return vec![Finding::warn(
                "rights",
                format!("not known: {reason}"),
                WHY,
                WAY_OUT,
            )];
        }
    };
    let denied = asked.iter().filter(|(_, allowed)| !allowed);
    let mut by_resource: BTreeMap<(bool, String, String), Vec<&str>> = BTreeMap::new();
    for (question, _) in denied {
        let group = if question.group.is_empty() {
            String::new()
        } else {
            format!(".{}", question.group)
        };
        let place = question
            .namespace
            .as_ref()
            .map_or_else(|| "in the cluster".to_owned(), |name| format!("in {name}"));
        let what = format!("{}{group} {place}", question.resource);
        by_resource
            .entry((question.is_optional, what, question.purpose.clone()))
            .or_default()
            .push(question.verb);
    }
    if by_resource.is_empty() {
        return vec![Finding::ok(
            "rights",
            format!("all {} verbs that are needed", asked.len()),
            WHY,
        )];
    }
    let finding = |((is_optional, what, purpose), verbs): ((bool, String, String), Vec<&str>)| {
        let found = format!("may not {} {what}, needed to {purpose}", verbs.join(", "));
        if is_optional {
            Finding::warn("rights", found, LESS, WITHOUT)
        } else {
            Finding::fail("rights", found, WHY, WAY_OUT)
        }
    };
    by_resource.into_iter().map(finding).collect()
}

fn namespace(namespace: &Namespace) -> Finding {
    const WHY: &str = "two runs in one namespace would take each other's objects";
    let Namespace {
        name,
        is_terminating,
        run,
        ..
    } = namespace;
    match (namespace.is_there, is_terminating, run) {
        (_, _, Some(run)) => Finding::fail(
            "namespace",
            format!("run {run} is under way in {name}"),
            WHY,
            format!(
                "wait for its end, name another one in `kubernetes.namespace`, or remove it: aefm clean --run {run}"
            ),
        ),
        (_, true, None) => Finding::warn(
            "namespace",
            format!("{name} is on its way out"),
            "nothing can be made there until it is gone",
            format!("see what holds it: kubectl get namespace {name} -o yaml"),
        ),
        (true, false, None) => Finding::ok(
            "namespace",
            format!("{name} is there, and no run is in it"),
            WHY,
        ),
        (false, false, None) => Finding::ok("namespace", format!("{name} will be made"), WHY),
    }
}

fn clocks(clocks: &Clocks) -> Vec<Finding> {
    const WHY: &str = "spans carry their node's time, and cases ours: where they disagree, rows land beside their case";
    const WAY_OUT: &str =
        "let both keep time by NTP (chronyc tracking says how far off a machine is)";
    let apart = |seconds: f64| {
        format!(
            "{:.1} s {}",
            seconds.abs(),
            if seconds > 0.0 { "ahead" } else { "behind" }
        )
    };
    let mut findings = Vec::new();
    if let Some((at_least, at_most)) = clocks.server_ahead_s {
        // The header has whole seconds, so that only a range is known.
        let sure = if at_least > 0.0 {
            at_least
        } else {
            at_most.min(0.0)
        };
        findings.push(if sure.abs() > APART_S {
            Finding::warn(
                "clocks",
                format!("the API server is at least {} of this machine", apart(sure)),
                WHY,
                WAY_OUT,
            )
        } else {
            Finding::ok(
                "clocks",
                format!(
                    "the API server's is within {:.1} s of this one",
                    at_least.abs().max(at_most.abs())
                ),
                WHY,
            )
        });
    }
    for (node, ahead_s) in &clocks.nodes_ahead_s {
        if *ahead_s > APART_S {
            findings.push(Finding::warn(
                "clocks",
                format!("{node} is at least {} of this machine", apart(*ahead_s)),
                WHY,
                WAY_OUT,
            ));
        } else if *ahead_s < -SILENT_S {
            let found = format!(
                "{node} renewed its lease {:.0} s ago: its clock is behind, or its kubelet silent",
                -ahead_s
            );
            findings.push(Finding::warn("clocks", found, WHY, WAY_OUT));
        }
    }
    findings
}

#[cfg(test)]
mod tests;

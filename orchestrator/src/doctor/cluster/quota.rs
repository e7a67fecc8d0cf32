//! Quotas of the namespace: what pods must ask for where there is one, and how much of it is left.

use super::super::Finding;
use super::facts::{Facts, Quota};
use crate::platform::kubernetes::snapshot::{Room, show_memory};
use std::collections::BTreeSet;

/// Pods of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pods {
    /// What they are, for people.
    pub what: &'static str,
    /// The key that says what they ask for.
    pub key: &'static str,
    /// How many.
    pub count: usize,
    /// What each asks for; none of a resource where it says nothing.
    pub each: Room,
}

/// A resource that a quota may bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Cpu,
    Memory,
}

impl Resource {
    fn of(name: &str) -> Option<Self> {
        match name
            .strip_prefix("requests.")
            .or(name.strip_prefix("limits."))
            .unwrap_or(name)
        {
            "cpu" => Some(Self::Cpu),
            "memory" => Some(Self::Memory),
            _ => None,
        }
    }

    const fn in_room(self, room: Room) -> f64 {
        match self {
            Self::Cpu => room.cpu,
            Self::Memory => room.memory,
        }
    }

    /// A number of it, for people.
    fn show(self, amount: f64) -> String {
        match self {
            Self::Cpu => format!("{amount:.2} cores"),
            Self::Memory => show_memory(amount),
        }
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    const WHY: &str = "where a quota bounds a resource, a pod that does not ask for it is refused, and so is one too many";
    let mut findings = Vec::new();
    let mut silent: BTreeSet<(&str, &str)> = BTreeSet::new();
    for quota in &facts.quotas {
        let needed: f64 = match Resource::of(&quota.resource) {
            Some(resource) => {
                let says_nothing =
                    |pods: &&Pods| pods.count > 0 && resource.in_room(pods.each) <= 0.0;
                if !quota.has_default {
                    silent.extend(
                        facts
                            .pods
                            .iter()
                            .filter(says_nothing)
                            .map(|pods| (pods.what, pods.key)),
                    );
                }
                let each = |pods: &Pods| resource.in_room(pods.each) * as_float(pods.count);
                facts.pods.iter().map(each).sum()
            }
            None if quota.resource == "pods" => {
                as_float(facts.pods.iter().map(|pods| pods.count).sum())
            }
            None => continue,
        };
        let show = |amount: f64| {
            Resource::of(&quota.resource)
                .map_or_else(|| format!("{amount:.0}"), |it| it.show(amount))
        };
        let left = quota.hard - quota.used;
        let found = format!(
            "{}: {} of {} are left, and the experiment needs at least {}",
            quota.name,
            show(left),
            quota.resource,
            show(needed)
        );
        findings.push(if needed > left {
            let way_out = "lower `kubernetes.limits`, `load_limits`, `stressor_limits` or `root_limits`, or have the quota raised";
            Finding::fail("quota", found, WHY, way_out)
        } else {
            Finding::ok("quota", found, WHY)
        });
    }
    if !silent.is_empty() {
        let (what, keys): (Vec<_>, BTreeSet<_>) = silent.into_iter().unzip();
        let keys: Vec<_> = keys.into_iter().collect();
        findings.push(Finding::fail(
            "quota",
            format!(
                "pods that do not ask for what a quota bounds: {}",
                what.join(", ")
            ),
            WHY,
            format!("say what they may have: {}", keys.join(", ")),
        ));
    }
    findings
}

#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
const fn as_float(count: usize) -> f64 {
    count as f64
}

/// A quota's bounds, one a resource.
#[must_use]
pub fn bounds(quota: &serde_json::Value, has_default: bool) -> Vec<Quota> {
    use crate::amount;
    let name = quota["metadata"]["name"].as_str().unwrap_or_default();
    // Bounds for some pods only (by priority, by how they end) say nothing certain of ours.
    let is_scoped = !quota["spec"]["scopes"].is_null() || !quota["spec"]["scopeSelector"].is_null();
    let hard = quota["status"]["hard"].as_object().filter(|_| !is_scoped);
    let bound = |(resource, hard): (&String, &serde_json::Value)| {
        Some(Quota {
            name: name.to_owned(),
            resource: resource.clone(),
            hard: amount::of(hard)?,
            used: amount::of(&quota["status"]["used"][resource]).unwrap_or_default(),
            has_default,
        })
    };
    hard.into_iter().flatten().filter_map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_are_read_unless_they_are_for_some_pods_only() {
        let mut quota = json!({ "metadata": { "name": "q" }, "spec": {},
            "status": { "hard": { "requests.cpu": "4", "pods": "10" }, "used": { "requests.cpu": "500m" } } });
        let read = bounds(&quota, false);
        let cpu = read
            .iter()
            .find(|one| one.resource == "requests.cpu")
            .unwrap();
        assert_eq!((read.len(), cpu.hard, cpu.used), (2, 4.0, 0.5));
        quota["spec"]["scopes"] = json!(["BestEffort"]);
        assert_eq!(bounds(&quota, false), []);
    }
}

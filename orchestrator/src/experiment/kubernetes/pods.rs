//! What pods are given: requests and limits, tolerations, images.

use super::super::node::{Located, Node};
use super::super::section::{self, Section};
use crate::amount;
use crate::image::name::Name;
use serde::Serialize;

/// A node has more than this of memory, so that less is a slip of the unit.
const LEAST_MEMORY: f64 = 65_536.0;

/// Requests, which are the limits, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Cores, as Kubernetes writes them.
    pub cpu: Option<String>,
    /// Memory, as Kubernetes writes it.
    pub memory: Option<String>,
}

/// A taint that pods stand, as Kubernetes has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Toleration {
    /// The taint's key; none: every key, with the operator `Exists`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Equal` or `Exists`.
    pub operator: &'static str,
    /// The taint's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its effect; none: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'static str>,
}

const OPERATORS: &[(&str, &str)] = &[("Equal", "Equal"), ("Exists", "Exists")];
const EFFECTS: &[(&str, Option<&str>)] = &[
    ("NoSchedule", Some("NoSchedule")),
    ("PreferNoSchedule", Some("PreferNoSchedule")),
    ("NoExecute", Some("NoExecute")),
];

impl Toleration {
    /// Whether it stands that taint.
    #[must_use]
    pub fn stands(&self, taint: &serde_json::Value) -> bool {
        let same_key = self
            .key
            .as_ref()
            .is_none_or(|key| taint["key"] == key.as_str());
        let same_effect = self.effect.is_none_or(|effect| taint["effect"] == effect);
        let wanted = self.value.as_deref().unwrap_or_default();
        let same_value =
            self.operator == "Exists" || taint["value"].as_str().unwrap_or_default() == wanted;
        same_key && same_effect && same_value
    }
}

/// Reads requests and limits below a key.
pub(super) fn limits(section: &Section<'_>, key: &'static str) -> Limits {
    let Some(below) = section.section(key) else {
        return Limits::default();
    };
    let limits = Limits {
        cpu: below.read("cpu", None, |node| amount_of(node, 0.0).map(Some)),
        memory: below.read("memory", None, |node| {
            amount_of(node, LEAST_MEMORY).map(Some)
        }),
    };
    below.finish();
    limits
}

/// An amount as Kubernetes writes it, above `least`.
fn amount_of(node: &Node, least: f64) -> Result<String, String> {
    let typed = match node {
        Node::Float(value) => value.to_string(),
        other => section::text(other)?,
    };
    match amount::parse(&typed) {
        Some(value) if value > least => Ok(typed),
        Some(_) if least > 0.0 => Err(format!(
            "`{typed}` are less than 64 KiB; 512Mi and 2Gi are what Kubernetes calls MiB and GiB"
        )),
        Some(_) => Err(format!("`{typed}` is nothing: write 500m or 2")),
        None => Err(format!(
            "`{typed}` is no amount of Kubernetes: write 500m or 2 for cores, 512Mi or 2Gi for memory"
        )),
    }
}

/// Reads tolerations, as a pod has them.
pub(super) fn tolerations(section: &Section<'_>) -> Vec<Toleration> {
    let Some(located) = section.get("tolerations") else {
        return Vec::new();
    };
    let Node::List(items) = &located.node else {
        section.fault(
            located.place,
            "`kubernetes.tolerations`: a list is wanted, as a pod has it: [{key: dedicated, operator: Exists}]",
        );
        return Vec::new();
    };
    items.iter().map(|item| toleration(section, item)).collect()
}

fn toleration(section: &Section<'_>, located: &Located) -> Toleration {
    let below = section.below("tolerations", located);
    let text = |key| below.read(key, None, |node| section::text(node).map(Some));
    let read = Toleration {
        key: text("key"),
        operator: below.read("operator", "Equal", section::one_of(OPERATORS)),
        value: text("value"),
        effect: below.read("effect", None, section::one_of(EFFECTS)),
    };
    if read.key.is_none() && read.operator == "Equal" {
        below.fault(
            located.place,
            "`kubernetes.tolerations`: one without `key` needs `operator: Exists`",
        );
    }
    if read.operator == "Exists" && read.value.is_some() {
        below.fault(
            located.place,
            "`kubernetes.tolerations`: `operator: Exists` takes no `value`",
        );
    }
    below.finish();
    read
}

/// A name of an image that a kubelet takes.
pub(super) fn image(node: &Node) -> Result<String, String> {
    let typed = section::text(node)?;
    // A digest stands behind the name.
    let (name, digest) = match typed.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (typed.as_str(), None),
    };
    let is_digest = |digest: &str| {
        digest.split_once(':').is_some_and(|(kind, hash)| {
            !kind.is_empty()
                && hash.len() >= 32
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    name.parse::<Name>().map_err(|error| error.to_string())?;
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(format!(
            "`{typed}` has no digest behind its `@`: sha256: and 64 hexadecimal digits are wanted"
        ));
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_those_of_kubernetes() {
        let read = |text: &str, least| amount_of(&Node::Text(text.to_owned()), least);
        for good in ["500m", "2", "0.5"] {
            assert_eq!(read(good, 0.0).unwrap(), good);
        }
        assert_eq!(amount_of(&Node::Float(0.1), 0.0).unwrap(), "0.1");
        assert_eq!(read("1Gi", LEAST_MEMORY).unwrap(), "1Gi");
        for (bad, least, said) in [
            ("many", 0.0, "no amount"),
            ("512MB", LEAST_MEMORY, "512Mi"),
            ("-1", 0.0, "no amount"),
            ("100m", LEAST_MEMORY, "64 KiB"),
            ("0", 0.0, "nothing"),
        ] {
            let reason = read(bad, least).unwrap_err();
            assert!(reason.contains(said), "{bad}: {reason}");
        }
    }

    #[test]
    fn images_are_names_with_or_without_a_digest() {
        let read = |text: &str| image(&Node::Text(text.to_owned()));
        let digest = format!("nginx@sha256:{}", "a".repeat(64));
        for good in ["nginx", "nginx:1.10", "host:5000/a/b:v1", &digest] {
            assert_eq!(read(good).unwrap(), good);
        }
        for bad in [
            "Nginx",
            "nginx:1 ",
            "nginx@sha256",
            "https://host/nginx",
            "a b",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_toleration_stands_what_kubernetes_says_it_does() {
        let taint = json!({ "key": "dedicated", "value": "load", "effect": "NoSchedule" });
        let of = |key: Option<&str>, operator, value: Option<&str>, effect| Toleration {
            key: key.map(str::to_owned),
            operator,
            value: value.map(str::to_owned),
            effect,
        };
        for (toleration, stands) in [
            (of(None, "Exists", None, None), true),
            (
                of(Some("dedicated"), "Exists", None, Some("NoSchedule")),
                true,
            ),
            (of(Some("dedicated"), "Equal", Some("load"), None), true),
            (of(Some("dedicated"), "Equal", None, None), false),
            (
                of(Some("dedicated"), "Exists", None, Some("NoExecute")),
                false,
            ),
            (of(Some("other"), "Exists", None, None), false),
        ] {
            assert_eq!(toleration.stands(&taint), stands, "{toleration:?}");
        }
    }
}

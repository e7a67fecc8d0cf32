//! Where a source is: at a URL, or behind a Service of the experiment's cluster.

use super::super::PlatformKind;
use super::super::access::{self, Access};
use super::super::section::{Section, text};
use serde::Serialize;
use std::fmt;

/// A Service of the cluster, and its port where it has several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its port, by number.
    pub port: Option<u16>,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Reads `url` and `cluster`. Only a cluster can be asked where its Jaeger and Prometheus are; so without either there,
/// the platform looks.
pub(super) fn read(
    section: &Section<'_>,
    platform: PlatformKind,
) -> (Option<String>, Option<ServiceName>) {
    let url = section.read("url", None, |node| access::url(node).map(Some));
    let cluster = section.read("cluster", None, |node| {
        ServiceName::parse(&text(node)?).map(Some)
    });
    let place_of = |key| section.get(key).map(|located| located.place);
    match (platform, place_of("url"), place_of("cluster")) {
        (PlatformKind::Local, None, None) => {
            section.fault(
                section.place(),
                "`url` is missing: on platform local nobody else knows where it is",
            );
        }
        (PlatformKind::Local, _, Some(place)) => {
            section.fault(place, "`cluster` names a Service of a cluster, and platform local has none: name the `url`");
        }
        (_, Some(_), Some(place)) => section.fault(
            place,
            "`url` and `cluster` exclude each other: name one of them",
        ),
        _ => {}
    }
    (url, cluster)
}

/// The API server takes our own credentials, and passes none on.
pub(super) fn check_access(
    section: &Section<'_>,
    url: Option<&String>,
    access: &Access,
    platform: PlatformKind,
) {
    let anonymous = *access == Access::default();
    if platform == PlatformKind::Kubernetes && url.is_none() && !anonymous {
        section.fault(
            section.place(),
            "`basic`, `bearer`, `ca` and `cert` do not reach a Service through the API server: name the source's `url`",
        );
    }
}

impl ServiceName {
    /// Reads `namespace/name` or `namespace/name:port`.
    ///
    /// # Errors
    /// It is neither; the reason is for people.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let parts = typed.split_once('/').and_then(|(namespace, rest)| {
            let (name, port) = match rest.split_once(':') {
                Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port != 0)?)),
                None => (rest, None),
            };
            let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            let are_names = [namespace, name]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(plain));
            are_names.then(|| Self {
                namespace: namespace.into(),
                name: name.into(),
                port,
            })
        });
        parts.ok_or_else(|| {
            format!("`{typed}` is no Service: write namespace/name or namespace/name:port, such as monitoring/prometheus:9090")
        })
    }
}

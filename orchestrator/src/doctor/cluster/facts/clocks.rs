//! Clocks of the API server and of the nodes, against this machine's.

use super::Clocks;
use crate::platform::kubernetes::cluster::Cluster;
use aefm_collector::clock::now_ns;
use hyper::header::DATE;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use kube::api::{Api, ListParams};
use kube::client::Body;

/// Where kubelets renew their leases.
const LEASES: &str = "kube-node-lease";

/// What the cluster tells of its clocks; what it does not tell is left out.
pub(super) async fn look(cluster: &Cluster) -> Clocks {
    Clocks {
        server_ahead_s: server(cluster).await,
        nodes_ahead_s: nodes(cluster).await,
    }
}

/// The header `Date` of an answer, between the times of question and answer.
async fn server(cluster: &Cluster) -> Option<(f64, f64)> {
    let request = hyper::Request::get("/version").body(Body::empty()).ok()?;
    let asked_ns = now_ns();
    let answer = cluster.client().send(request).await.ok()?;
    let answered_ns = now_ns();
    ahead(
        answer.headers().get(DATE)?.to_str().ok()?,
        asked_ns,
        answered_ns,
    )
}

/// The time was read between question and answer, and has lost up to a second.
fn ahead(date: &str, asked_ns: i64, answered_ns: i64) -> Option<(f64, f64)> {
    let read_s = rfc2822::parse(date).ok()?.timestamp().as_second();
    #[expect(clippy::cast_precision_loss, reason = "a difference of clocks")]
    let less = |ns: i64| (read_s * 1_000_000_000 - ns) as f64 / 1e9;
    Some((less(answered_ns), less(asked_ns) + 1.0))
}

async fn nodes(cluster: &Cluster) -> Vec<(String, f64)> {
    let api: Api<Lease> = Api::namespaced(cluster.client(), LEASES);
    let Ok(leases) = api.list(&ListParams::default()).await else {
        return Vec::new();
    };
    let now_ns = now_ns();
    let ahead = |lease: Lease| {
        let renewed: Timestamp = lease.spec?.renew_time?.0;
        #[expect(clippy::cast_precision_loss, reason = "a difference of clocks")]
        let ahead_s = (renewed.as_nanosecond() - i128::from(now_ns)) as f64 / 1e9;
        Some((lease.metadata.name?, ahead_s))
    };
    leases.items.into_iter().filter_map(ahead).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_tells_a_range() {
        let s = 1_000_000_000;
        let at = 1_795_866_293;
        let told = ahead(
            "Sat, 28 Nov 2026 11:44:53 GMT",
            at * s + s / 2,
            at * s + s * 3 / 4,
        );
        assert_eq!(told, Some((-0.75, 0.5)));
        assert_eq!(ahead("yesterday", 0, 0), None);
    }
}

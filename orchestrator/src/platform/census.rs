//! Asks an emulated service for its counts of spans.

use super::Census;
use aefm_workloads::testbed::{STATS_PATH, TestbedStats};
use std::time::Duration;

/// How long a service may take to tell its counts. One that is gone refuses at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the service at `address` says of the spans of one trace-id prefix.
pub(crate) async fn ask(service: &str, address: &str, prefix: u64) -> Census {
    let stats = tokio::time::timeout(
        DEADLINE,
        crate::http::get_json::<TestbedStats>(address, STATS_PATH),
    )
    .await;
    let stats = stats.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
    let service = service.to_owned();
    match stats {
        Ok(stats) => Census {
            ended: Ok(stats
                .by_prefix
                .get(&format!("{prefix:016x}"))
                .copied()
                .unwrap_or(0)),
            pending: stats
                .spans_ended
                .saturating_sub(stats.spans_exported + stats.spans_dropped),
            dropped: stats.spans_dropped,
            service,
        },
        Err(reason) => Census {
            service,
            ended: Err(reason),
            pending: 0,
            dropped: 0,
        },
    }
}

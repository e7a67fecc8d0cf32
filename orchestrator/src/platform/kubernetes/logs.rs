//! A pod's output as it comes, across streams that are cut.

use super::cluster::{ClusterError, code};
use super::watched::{Objects, has_ended, pod};
use futures_util::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Between attempts.
const RETRY: Duration = Duration::from_millis(500);
/// A stream that is begun anew begins so long before the last line, since two clocks are compared.
const OVERLAP: Duration = Duration::from_secs(10);

/// Hands every line that a pod prints to `line`, until the pod has ended and all is read, or it is gone. Where a stream
/// had to be begun anew, lines may come twice.
///
/// # Errors
/// When the cluster will never let it be read.
pub(super) async fn follow(
    pods: &Api<Pod>,
    name: &str,
    mut objects: watch::Receiver<Objects>,
    mut line: impl FnMut(&str),
) -> Result<(), ClusterError> {
    let mut last: Option<Instant> = None;
    let phases = ["Running", "Succeeded", "Failed"];
    let started = |pod: &serde_json::Value| {
        pod["status"]["phase"]
            .as_str()
            .is_some_and(|phase| phases.contains(&phase))
    };
    // A pod just made may not be known yet: what is not there is awaited, too.
    if objects
        .wait_for(|objects| pod(objects, name).is_some_and(started))
        .await
        .is_err()
    {
        return Ok(());
    }
    loop {
        // A stream that was opened after the end has all there is.
        let state = pod(&objects.borrow(), name).map(has_ended);
        let Some(ended) = state else { return Ok(()) };
        let since = last
            .map(|last| i64::try_from((last.elapsed() + OVERLAP).as_secs()).unwrap_or(i64::MAX));
        let parameters = LogParams {
            follow: true,
            since_seconds: since,
            ..LogParams::default()
        };
        match pods.log_stream(name, &parameters).await {
            Ok(stream) => {
                let mut lines = stream.lines();
                loop {
                    match lines.try_next().await {
                        Ok(Some(text)) => {
                            last = Some(Instant::now());
                            line(&text);
                        }
                        Ok(None) if ended => return Ok(()),
                        Ok(None) => break,
                        Err(error) => {
                            tracing::debug!("the log of pod {name} is begun anew: {error}");
                            break;
                        }
                    }
                }
            }
            Err(error) if matches!(code(&error), Some(401 | 403)) => {
                return Err(ClusterError::refused(
                    &format!("read the log of pod {name}"),
                    &error,
                ));
            }
            Err(error) => tracing::debug!("the log of pod {name} cannot be read now: {error}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

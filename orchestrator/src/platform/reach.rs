//! Whether an application can be reached from here.

use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// So long may it take until somebody listens there.
const DEADLINE: Duration = Duration::from_secs(10);
/// Time between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// Waits until somebody listens at a URL, and gives it back.
///
/// # Errors
/// Nobody does.
pub(crate) async fn answers(url: &str) -> Result<String, String> {
    let failed =
        |reason: &dyn std::fmt::Display| format!("reach the application at {url}: {reason}");
    let uri: hyper::Uri = url.parse().map_err(|error| failed(&error))?;
    let host = uri
        .host()
        .ok_or_else(|| failed(&"there is no host in it"))?;
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(
            left,
            TcpStream::connect((host.trim_matches(['[', ']']), port)),
        )
        .await
        {
            Ok(Ok(_)) => return Ok(url.trim_end_matches('/').to_owned()),
            Ok(Err(error)) if left < AGAIN => return Err(failed(&error)),
            Ok(Err(_)) => tokio::time::sleep(AGAIN).await,
            Err(_) => return Err(failed(&format!("no connection within {DEADLINE:?}"))),
        }
    }
}

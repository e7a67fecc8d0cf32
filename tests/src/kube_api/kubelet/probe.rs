//! Readiness probes: does the port take connections, does the path answer with 2xx or 3xx.

use super::super::store::{list, number, text};
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whether a container of a pod with this address passes its probe; without one it does.
pub(crate) async fn passes(container: &Value, address: &str) -> bool {
    let probe = &container["readinessProbe"];
    let limit = Duration::from_secs(
        u64::try_from(number(probe, "/timeoutSeconds").unwrap_or(1)).unwrap_or(1),
    );
    let port = |port: &Value| match port.as_str() {
        Some(name) => list(container, "/ports")
            .iter()
            .find(|one| one["name"] == name)
            .and_then(|one| one["containerPort"].as_u64()),
        None => port.as_u64(),
    };
    let (get, connect) = (&probe["httpGet"], &probe["tcpSocket"]);
    let reached = if let Some(port) = port(&get["port"]) {
        tokio::time::timeout(limit, ask(address, port, text(get, "/path"))).await
    } else if let Some(port) = port(&connect["port"]) {
        tokio::time::timeout(limit, async {
            TcpStream::connect(format!("{address}:{port}"))
                .await
                .map(|_| true)
        })
        .await
    } else {
        return true;
    };
    matches!(reached, Ok(Ok(true)))
}

async fn ask(address: &str, port: u64, path: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(format!("{address}:{port}")).await?;
    let path = if path.is_empty() { "/" } else { path };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    Ok(matches!(head[9], b'2' | b'3'))
}

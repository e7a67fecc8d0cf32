//! A container's streams over a WebSocket: 0 its input, 1 and 2 its output, 3 how it ended, 255 the end of a channel.

use super::super::kubelet::Container;
use super::socket::{Socket, frame};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

const STDIN: u8 = 0;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// Which streams a client asked for.
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// Carries bytes both ways until the container or the client ends. What was written before is in the log alone.
pub(super) async fn serve(
    socket: Socket,
    container: &Container,
    wanted: Wanted,
    cuts: watch::Receiver<u64>,
) {
    carry(socket, container, &wanted, cuts).await;
    if wanted.stdin && container.stdin_once {
        close_input(container);
    }
}

fn close_input(container: &Container) {
    if let Some(stdin) = &container.stdin {
        // A process that reads no more has ended, or will.
        let _ = stdin.send(Bytes::new());
    }
}

async fn carry(
    socket: Socket,
    container: &Container,
    wanted: &Wanted,
    mut cuts: watch::Receiver<u64>,
) {
    let (mut send, mut receive) = socket.split();
    let mut at = container.log.len();
    loop {
        tokio::select! {
            more = container.log.more(at) => {
                for line in container.log.since(at) {
                    at += 1;
                    let asked = if line.channel == 1 { wanted.stdout } else { wanted.stderr };
                    if asked && send.send(frame(line.channel, &line.text)).await.is_err() {
                        return;
                    }
                }
                if !more {
                    // The client may be gone by now.
                    let _ = send.send(frame(STATUS, status(container.ended().await).as_bytes())).await;
                    let _ = send.send(Message::Close(None)).await;
                    return;
                }
            }
            message = receive.next() => match message {
                Some(Ok(Message::Binary(bytes))) => input(container, wanted, &bytes),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            _ = cuts.changed() => return,
        }
    }
}

fn input(container: &Container, wanted: &Wanted, bytes: &Bytes) {
    let Some(stdin) = container.stdin.as_ref().filter(|_| wanted.stdin) else {
        return;
    };
    let bytes = match bytes.first() {
        Some(&STDIN) if bytes.len() > 1 => bytes.slice(1..),
        Some(&CLOSE) if bytes.get(1) == Some(&STDIN) => Bytes::new(),
        _ => return,
    };
    // A process that reads no more has ended, or will.
    let _ = stdin.send(bytes);
}

fn status(code: i32) -> String {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"}).to_string();
    }
    let causes = json!([{"reason": "ExitCode", "message": code.to_string()}]);
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes},
        "message": format!("command terminated with non-zero exit code: {code}"),
    })
    .to_string()
}

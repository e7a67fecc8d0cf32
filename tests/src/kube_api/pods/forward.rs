//! Ports of a pod over a WebSocket: two channels a port, its bytes and its error; each begins with the port's number.

use super::socket::{Socket, frame};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;

/// Carries bytes both ways until a side ends.
pub(super) async fn serve(
    socket: Socket,
    address: &str,
    ports: &[u16],
    mut cuts: watch::Receiver<u64>,
) {
    let (mut send, mut receive) = socket.split();
    let (tell, mut told) = mpsc::channel(16);
    let mut writers = Vec::new();
    for (channel, port) in (0..).step_by(2).zip(ports) {
        let number = port.to_le_bytes();
        if send.send(frame(channel, &number)).await.is_err()
            || send.send(frame(channel + 1, &number)).await.is_err()
        {
            return;
        }
        writers.push(open(&mut send, channel, address, *port, tell.clone()).await);
    }
    drop(tell);
    loop {
        tokio::select! {
            message = told.recv() => match message {
                Some(message) => if send.send(message).await.is_err() { return },
                // Every port has come to its end.
                None => {
                    // The client may be gone by now.
                    let _ = send.send(Message::Close(None)).await;
                    return;
                }
            },
            message = receive.next() => match message {
                Some(Ok(Message::Binary(bytes))) => write(&mut writers, &bytes).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            _ = cuts.changed() => return,
        }
    }
}

/// Connects to a port and reads from it; a port that refuses says so on its error channel.
async fn open(
    send: &mut SplitSink<Socket, Message>,
    channel: u8,
    address: &str,
    port: u16,
    tell: mpsc::Sender<Message>,
) -> Option<OwnedWriteHalf> {
    match TcpStream::connect((address, port)).await {
        Ok(stream) => {
            let (mut read, write) = stream.into_split();
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = read.read(&mut buffer).await {
                    if tell.send(frame(channel, &buffer[..count])).await.is_err() {
                        return;
                    }
                }
            });
            Some(write)
        }
        Err(error) => {
            let why = format!(
                "error forwarding port {port} to pod: failed to connect to {address}:{port}: {error}"
            );
            // The client may be gone by now.
            let _ = send.send(frame(channel + 1, why.as_bytes())).await;
            None
        }
    }
}

async fn write(writers: &mut [Option<OwnedWriteHalf>], message: &[u8]) {
    let Some((channel, bytes)) = message.split_first() else {
        return;
    };
    let place = writers
        .get_mut(usize::from(channel / 2))
        .filter(|_| channel % 2 == 0);
    if let Some(place) = place
        && let Some(writer) = place
        && writer.write_all(bytes).await.is_err()
    {
        *place = None;
    }
}

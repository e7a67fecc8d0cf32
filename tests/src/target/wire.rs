//! One accepted connection.

use super::Seen;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and header lines.
    pub head: String,
    /// The body that Content-Length announced.
    pub body: Vec<u8>,
}

/// The server's end of a connection.
#[derive(Debug)]
pub struct Wire {
    stream: Arc<TcpStream>,
    seen: Arc<Seen>,
    buffer: Vec<u8>,
    closed: bool,
}

impl Wire {
    pub(super) fn new(stream: Arc<TcpStream>, seen: Arc<Seen>) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            seen,
            buffer: Vec::new(),
            closed: false,
        }
    }

    /// What the target has seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The next request; none at the end of the stream.
    pub fn request(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.seen.request(&head);
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        while self.buffer.len() < end + length {
            self.fill()?;
        }
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Some(Request { head, body })
    }

    fn fill(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        match (&*self.stream).read(&mut piece) {
            Ok(count) if count > 0 => {
                self.buffer.extend_from_slice(&piece[..count]);
                Some(())
            }
            _ => None,
        }
    }

    /// Sends bytes; false if the client is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        (&*self.stream).write_all(bytes.as_ref()).is_ok()
    }

    /// Says nothing until the client is gone.
    pub fn hang(&mut self) {
        while self.fill().is_some() {
            self.buffer.clear();
        }
    }

    /// Ends only the sending side.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// No orderly end: whoever calls this ends the connection otherwise.
    pub(super) fn forget_close(&mut self) {
        self.closed = true;
    }
}

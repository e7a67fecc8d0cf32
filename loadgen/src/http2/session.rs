//! One connection's state: what is sent on it, and what the other side allows.

mod control;
mod flood;
mod receive;

use super::fault::{Code, Fault};
use super::frame::{Pieces, flag, kind, push_header};
use super::outbox::Outbox;
use super::peer::{self, Peer};
use super::request::Parts;
use super::streams::{Cancelled, Stream, Streams};
use flood::Useless;
use std::collections::VecDeque;

/// Each stream's window, and the connection's: answers are taken as fast as they come, so nothing shall wait for us.
const WINDOW: u32 = 1 << 30;
/// Bytes that wait for the kernel before no more requests and bodies are added to them.
const WAITING_BYTES_MAX: usize = 64 * 1024;
const LAST_ID: u32 = u32::MAX >> 1;

/// What has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first of a request's answer has come.
    Begun {
        /// The request's key.
        key: u32,
    },
    /// A request has ended.
    Ended {
        /// The request's key.
        key: u32,
        /// How.
        end: End,
        /// Its status, as far as there is one; otherwise 0.
        status: u16,
        /// Bytes received for it, frames' headers included.
        bytes: u64,
    },
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By an answer that is complete.
    Answered,
    /// The server reset its stream.
    Reset(Code),
    /// Its answer is not HTTP.
    Malformed(&'static str),
    /// The server goes away, and did not take it.
    NotTaken(Code),
}

/// A connection, without its socket.
#[derive(Debug)]
pub(crate) struct Session {
    pieces: Pieces,
    out: Outbox,
    peer: Peer,
    /// The server's SETTINGS have come.
    greeted: bool,
    streams: Streams,
    /// Streams that we have closed: what the server had sent by then is ignored.
    cancelled: Cancelled,
    /// Frames received, and how many of them brought nothing lately.
    frames: u64,
    useless: Useless,
    /// Streams that we want to have open at most.
    streams_max: usize,
    /// The server's window for the bodies of all requests.
    window: i64,
    /// Bytes received since we last widened the connection's window.
    taken: u32,
    /// Streams whose request's body waits for a window, longest waiting first.
    blocked: VecDeque<u32>,
    /// The header block that comes in pieces: of which stream, and whether that ends with it.
    block: Vec<u8>,
    block_of: Option<(u32, bool)>,
    /// No stream is to be opened any more.
    going: bool,
    /// When a PING was sent whose answer has not come, in the caller's time.
    pinged_ns: Option<u64>,
}

impl Session {
    /// Begins: what the client has to say first waits to be sent.
    pub(crate) fn new(streams_max: u32) -> Self {
        let mut out = Outbox::default();
        let bytes = out.end();
        bytes.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        push_header(bytes, peer::OWN_BYTES, kind::SETTINGS, 0, 0);
        peer::push_own(bytes, WINDOW);
        // The connection's window cannot be set, but widened.
        push_window(bytes, 0, WINDOW);
        Self {
            pieces: Pieces::default(),
            out,
            peer: Peer::default(),
            greeted: false,
            streams: Streams::default(),
            cancelled: Cancelled::default(),
            frames: 0,
            useless: Useless::default(),
            streams_max: streams_max as usize,
            window: Peer::default().window,
            taken: 0,
            blocked: VecDeque::new(),
            block: Vec::new(),
            block_of: None,
            going: false,
            pinged_ns: None,
        }
    }

    /// Whether the server's SETTINGS have come, before which nothing is known of its limits.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted
    }

    /// Whether the server allows no streams at all, for now.
    pub(crate) fn refuses(&self) -> bool {
        self.greeted && self.peer.streams_max == 0 && !self.is_leaving()
    }

    /// Frames received so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the head of this stream's answer is there, and its body goes on.
    pub(crate) fn in_body(&mut self, id: u32) -> bool {
        self.streams
            .get_mut(id)
            .is_some_and(|stream| stream.status > 0)
    }

    /// Whether another request may be sent now.
    pub(crate) fn has_room(&self) -> bool {
        let streams_max = self.streams_max.min(self.peer.streams_max as usize);
        self.greeted
            && !self.is_leaving()
            && self.streams.len() < streams_max
            && self.out.len() < WAITING_BYTES_MAX
    }

    /// Whether no more requests can ever be sent: it is of no use when those under way have ended.
    pub(crate) fn is_leaving(&self) -> bool {
        self.going || self.streams.next_id() > LAST_ID
    }

    /// Takes no more requests.
    pub(crate) fn leave(&mut self) {
        self.going = true;
    }

    /// How many requests are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.streams.len()
    }

    /// Sends a request, as far as windows and buffer take it; returns the stream's id. There has to be room.
    pub(crate) fn request(&mut self, key: u32, parts: Parts<'_>) -> u32 {
        let sent = parts.body.is_empty();
        let window = self.peer.window;
        let id = self.streams.push(Stream {
            key,
            window,
            sent,
            bodiless: parts.bodiless,
            ..Stream::default()
        });
        let out = self.out.end();
        let (mut kind, mut flags) = (kind::HEADERS, if sent { flag::END_STREAM } else { 0 });
        let mut rest = parts.block;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(self.peer.payload_bytes_max));
            if after.is_empty() {
                flags |= flag::END_HEADERS;
            }
            push_header(out, piece.len(), kind, flags, id);
            out.extend_from_slice(piece);
            if after.is_empty() {
                break;
            }
            (kind, flags, rest) = (kind::CONTINUATION, 0, after);
        }
        if !sent {
            self.send_body(id, parts.body);
        }
        id
    }

    /// Goes on with a request's body. What does not go waits: see [`Self::next_waiting`].
    pub(crate) fn send_body(&mut self, id: u32, body: &[u8]) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        while !stream.sent {
            let room = self.window.min(stream.window).max(0) as usize;
            let count = (body.len() - stream.body_at)
                .min(room)
                .min(self.peer.payload_bytes_max);
            if count == 0 || self.out.len() >= WAITING_BYTES_MAX {
                return self.blocked.push_back(id);
            }
            let piece = &body[stream.body_at..stream.body_at + count];
            stream.body_at += count;
            stream.window -= count as i64;
            self.window -= count as i64;
            stream.sent = stream.body_at == body.len();
            self.useless.forgive(flood::FOR_DATA);
            let out = self.out.end();
            push_header(
                out,
                count,
                kind::DATA,
                if stream.sent { flag::END_STREAM } else { 0 },
                id,
            );
            out.extend_from_slice(piece);
        }
    }

    /// A request whose body waits and can go on now, by id and key: [`Self::send_body`] has to follow.
    pub(crate) fn next_waiting(&mut self) -> Option<(u32, u32)> {
        for _ in 0..self.blocked.len() {
            if self.window <= 0 || self.out.len() >= WAITING_BYTES_MAX {
                return None;
            }
            let id = self.blocked.pop_front()?;
            match self.streams.get_mut(id) {
                Some(stream) if stream.window > 0 => return Some((id, stream.key)),
                Some(_) => self.blocked.push_back(id),
                None => {}
            }
        }
        None
    }

    /// Gives a request up, and tells the server; returns its status and bytes, as in [`Event::Ended`].
    pub(crate) fn cancel(&mut self, id: u32) -> (u16, u64) {
        self.reset(id, Code::CANCEL)
            .map_or((0, 0), |stream| (stream.status, stream.bytes))
    }

    /// Closes a stream from our side.
    fn reset(&mut self, id: u32, code: Code) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        self.cancelled.add(id);
        self.useless.forgive(flood::FOR_A_REQUEST);
        if !stream.sent {
            self.blocked.retain(|&blocked| blocked != id);
        }
        let out = self.out.end();
        push_header(out, 4, kind::RST_STREAM, 0, id);
        out.extend_from_slice(&code.0.to_be_bytes());
        Some(stream)
    }

    /// The next request under way, whatever becomes of it, by key, status and bytes; none: there are no more.
    pub(crate) fn take(&mut self) -> Option<(u32, u16, u64)> {
        let id = self.streams.next_above(0)?;
        self.streams
            .remove(id)
            .map(|stream| (stream.key, stream.status, stream.bytes))
    }

    /// Asks the server whether it is still there, unless it was asked already: then says since when.
    pub(crate) fn ping(&mut self, now_ns: u64) -> Option<u64> {
        if self.pinged_ns.is_none() {
            self.pinged_ns = Some(now_ns);
            let out = self.out.end();
            push_header(out, 8, kind::PING, 0, 0);
            out.extend_from_slice(&[0; 8]);
            return None;
        }
        self.pinged_ns
    }

    /// Tells the server why we go.
    pub(crate) fn say_goodbye(&mut self, fault: Fault) {
        let out = self.out.end();
        push_header(out, 8, kind::GOAWAY, 0, 0);
        out.extend_from_slice(&0u32.to_be_bytes());
        out.extend_from_slice(&fault.code().0.to_be_bytes());
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.out.waiting()
    }

    /// So many of them were sent.
    pub(crate) fn took(&mut self, count: usize) {
        self.out.took(count);
    }
}

/// Appends a WINDOW_UPDATE; stream 0 is the connection.
fn push_window(out: &mut Vec<u8>, stream: u32, more: u32) {
    push_header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&more.to_be_bytes());
}

#[cfg(test)]
mod tests;

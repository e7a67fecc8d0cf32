//! HTTP/2 in the worker's loop: a connection carries as many requests as both sides allow, and is free until then.
//!
//! What is sent is written when all that is due has been handed out, so that requests that are due together go in one
//! system call.

mod converse;

use super::Worker;
use super::receive::LATE_BODY;
use crate::conn::{Conn, State};
use crate::http2::Requests;
use crate::plan::{Plan, Protocol};
use crate::record::{Flight, LATE_NS};
use crate::tls;
use aefm_workloads::load::Outcome;
use std::io;

/// Connections beyond as many as the pool may have that were replaced and still carry something.
const BEYOND_MAX: usize = 64;

/// A request under way, and where.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    flight: Flight,
    conn: u32,
    stream: u32,
}

/// What a worker has beyond its connections.
pub(super) struct Http2 {
    requests: Requests,
    streams_max: u32,
    /// Requests under way by key; keys are used again.
    under_way: Vec<UnderWay>,
    free_keys: Vec<u32>,
    /// Events of the connection that is being read; kept for its memory.
    events: Vec<crate::http2::Event>,
    /// Connections with bytes to send.
    unsent: Vec<u32>,
    /// Requests that were handed out since bytes were last sent, the oldest first.
    fresh: Vec<u32>,
    /// Places of connections that were replaced and have ended.
    spare: Vec<u32>,
    /// How many places there are beyond the pool's: of connections that were replaced.
    beyond: usize,
}

impl Http2 {
    /// None if another protocol is spoken.
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        let Protocol::Http2 { streams } = plan.protocol else {
            return None;
        };
        Some(Self {
            requests: Requests::new(&plan.content, &plan.fields, plan.context, plan.target.tls),
            streams_max: streams,
            under_way: Vec::new(),
            free_keys: Vec::new(),
            events: Vec::new(),
            unsent: Vec::new(),
            fresh: Vec::new(),
            spare: Vec::new(),
            beyond: 0,
        })
    }

    pub(super) fn flight(&self, key: u32) -> &Flight {
        &self.under_way[key as usize].flight
    }

    fn flight_mut(&mut self, key: u32) -> &mut Flight {
        &mut self.under_way[key as usize].flight
    }

    fn has_to_send(&mut self, conn: u32) {
        if self.unsent.last() != Some(&conn) {
            self.unsent.push(conn);
        }
    }

    pub(super) const fn beyond(&self) -> usize {
        self.beyond
    }
}

impl Worker {
    /// The link carries bytes: begins with HTTP/2. Requests wait for the server's SETTINGS, which say how many it takes.
    pub(super) fn greet(&mut self, index: u32, now_ns: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let conn = &mut self.conns[index as usize];
        if !conn
            .link
            .as_ref()
            .is_some_and(crate::link::Link::speaks_http2)
        {
            let error = io::Error::other(format!(
                "{}; without --http2 HTTP/1.1 is spoken",
                tls::NO_PROTOCOL
            ));
            return self.open_failed(index, now_ns, &error);
        }
        conn.session = Some(Box::new(crate::http2::Session::new(http2.streams_max)));
        http2.has_to_send(index);
        // What the server says first may have come with the end of the handshake.
        self.converse(index, false);
    }

    /// Puts a request onto a connection that takes one.
    pub(super) fn send_stream(&mut self, index: u32, flight: Flight) {
        let Some(http2) = &mut self.http2 else { return };
        let conn = &mut self.conns[index as usize];
        let Some(session) = &mut conn.session else {
            return;
        };
        let key = http2.free_keys.pop().unwrap_or_else(|| {
            http2.under_way.push(UnderWay {
                flight,
                conn: index,
                stream: 0,
            });
            self.busy.grow();
            http2.under_way.len() as u32 - 1
        });
        let stream = session.request(key, http2.requests.parts(flight.number));
        http2.under_way[key as usize] = UnderWay {
            flight,
            conn: index,
            stream,
        };
        http2.has_to_send(index);
        http2.fresh.push(key);
        if session.has_room() {
            self.idle.push_back((index, conn.generation));
        } else {
            conn.state = State::Busy;
        }
        self.busy.push(key);
        self.recorder.sent(&flight);
    }

    /// All that was handed out has been written by `now_ns`. Where that took long, only the kernel knows when it left.
    fn streams_have_left(&mut self, now_ns: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let mut left = (u32::MAX, now_ns);
        for key in http2.fresh.drain(..) {
            let UnderWay { flight, conn, .. } = &mut http2.under_way[key as usize];
            let from_ns = self.zero_ns + flight.sent_ns;
            if now_ns.saturating_sub(from_ns) < LATE_NS {
                continue;
            }
            if left.0 != *conn {
                let link = &self.conns[*conn as usize].link;
                let left_ns = link.as_ref().map_or(now_ns, |link| link.left_ns(0, now_ns));
                left = (*conn, left_ns);
            }
            flight.hold(flight.sent_ns, left.1.saturating_sub(self.zero_ns));
        }
    }

    /// The request of this key has ended.
    fn end_stream(&mut self, key: u32, outcome: Outcome, now_ns: u64, status: u16, bytes: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let UnderWay { flight, conn, .. } = http2.under_way[key as usize];
        http2.free_keys.push(key);
        self.busy.remove(key);
        self.note_end(conn, &flight, outcome, now_ns, status, bytes);
    }

    /// Gives a request up, and tells the server.
    pub(super) fn cancel_stream(&mut self, key: u32, outcome: Outcome, now_ns: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let UnderWay { conn, stream, .. } = http2.under_way[key as usize];
        http2.has_to_send(conn);
        let session = &mut self.conns[conn as usize].session;
        let (status, bytes) = session
            .as_mut()
            .map_or((0, 0), |session| session.cancel(stream));
        self.end_stream(key, outcome, now_ns, status, bytes);
    }

    /// A request got no answer in time. The connection stays, unless the server does not answer a PING, either.
    pub(super) fn time_out_stream(&mut self, key: u32, now_ns: u64) {
        let Some(http2) = &self.http2 else { return };
        let UnderWay { conn, stream, .. } = http2.under_way[key as usize];
        let index = conn;
        if let Some(session) = &mut self.conns[index as usize].session
            && session.in_body(stream)
        {
            self.recorder.totals_mut().fault(LATE_BODY.to_owned());
        }
        self.cancel_stream(key, Outcome::Timeout, now_ns);
        if let Some(session) = &mut self.conns[index as usize].session
            && let Some(since_ns) = session.ping(now_ns)
            && now_ns - since_ns >= self.shared.plan.timeout_ns
            && !session.is_leaving()
        {
            session.leave();
            self.recorder
                .totals_mut()
                .fault("read: the server does not answer a PING".to_owned());
        }
        self.settle(index, now_ns);
    }

    /// A connection that takes no more requests gives its place to another one; if it has never answered it keeps its
    /// place to its end, so that the next try waits for the back-off.
    fn replace(&mut self, index: u32, now_ns: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let conn = &mut self.conns[index as usize];
        let may = !http2.spare.is_empty() || http2.beyond < self.connections_max + BEYOND_MAX;
        if conn.replaced || conn.answers == 0 || !may {
            return;
        }
        conn.replaced = true;
        conn.state = State::Busy;
        let fresh = http2.spare.pop().unwrap_or_else(|| {
            http2.beyond += 1;
            self.conns.push(Conn {
                tried: true,
                ..Conn::new(false)
            });
            self.conns.len() as u32 - 1
        });
        self.recorder.totals_mut().reconnects += 1;
        self.conns[fresh as usize].failures = 0;
        self.open(fresh, now_ns);
    }

    /// A connection that was replaced has ended.
    pub(super) fn spare(&mut self, index: u32) {
        if let Some(http2) = &mut self.http2 {
            http2.spare.push(index);
        }
    }
}

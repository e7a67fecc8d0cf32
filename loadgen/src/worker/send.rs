//! Sending: a due request meets a free connection.

use super::Worker;
use crate::clock;
use crate::conn::{Behind, Ended, State};
use crate::link::Link;
use crate::record::{Flight, notable};
use crate::request_log::Row;
use crate::schedule::Intended;
use aefm_workloads::load::Outcome;
use std::io;

/// How long a connection of the closed loop rests when its next request could not be made.
const FAULT_REST_NS: u64 = 10_000_000;

impl Worker {
    /// From when on something can be done for a request that is due: a free connection takes it, or one is opened for
    /// it. None: it has to wait for what happens.
    pub(super) fn takes_from_ns(&mut self) -> Option<u64> {
        if self.stopped {
            None
        } else if self.next_idle().is_some() || self.may_grow() {
            Some(0)
        } else {
            self.next_resting().map(|_| self.reopens_from_ns())
        }
    }

    /// The connection that has been free for longest.
    pub(super) fn next_idle(&mut self) -> Option<u32> {
        while let Some(&(index, generation)) = self.idle.front() {
            let conn = &mut self.conns[index as usize];
            if conn.generation == generation && conn.takes_request() {
                return Some(index);
            }
            self.idle.pop_front();
        }
        None
    }

    /// Sends all that is due and finds a connection. `now_ns` is fresh.
    pub(super) fn release(&mut self, now_ns: u64) {
        // A write that fails ends a request, which comes here again: the loop that is running goes on with it.
        let over_ns = self.zero_ns + self.source.end_ns() + self.shared.plan.grace_ns;
        if self.zero_ns == 0
            || now_ns < self.zero_ns
            || now_ns >= over_ns
            || self.releasing
            || self.stopped
        {
            return;
        }
        self.releasing = true;
        self.release_due(now_ns);
        while self.flush_all() {
            let now_ns = self.now_ns();
            self.release_due(now_ns);
        }
        self.releasing = false;
    }

    fn release_due(&mut self, mut now_ns: u64) {
        while self.source.is_due(now_ns - self.zero_ns) {
            if let Some(index) = self.next_idle() {
                self.idle.pop_front();
                let Some(next) = self.source.take(now_ns - self.zero_ns) else {
                    return;
                };
                let bytes = self.send(index, next, now_ns);
                now_ns = self.now_ns();
                self.has_left(index, bytes, now_ns);
            } else if self.may_grow() {
                return self.grow(now_ns);
            } else if self.reopen(now_ns) {
                now_ns = self.now_ns();
            } else {
                return;
            }
        }
    }

    /// A connect has failed while nothing is open. The request that has waited longest is the one it was tried for.
    pub(super) fn charge(&mut self, now_ns: u64) {
        let waits = self.shared.plan.keepalive
            && self.source.is_open()
            && !self.stopped
            && self.zero_ns > 0
            && now_ns >= self.zero_ns;
        if waits
            && self.hopeful == self.opening
            && let Some(next) = self.source.take(now_ns - self.zero_ns)
        {
            self.not_sent(next, Outcome::Connect, now_ns - self.zero_ns);
        }
    }

    /// Tells how many bytes were handed to the kernel on this connection alone.
    fn send(&mut self, index: u32, next: Intended, mut now_ns: u64) -> usize {
        if self.http2.is_some() {
            self.send_stream(index, self.departure(index, next, now_ns));
            return 0;
        }
        let count = match self.requests.make(index, next.number) {
            Ok(count) => count,
            Err(fault) => {
                self.not_made(index, next, fault, now_ns);
                return 0;
            }
        };
        if self.requests.take_time() {
            now_ns = self.now_ns();
        }
        let flight = self.departure(index, next, now_ns);
        let conn = &mut self.conns[index as usize];
        conn.flight = flight;
        conn.carries = true;
        conn.received = 0;
        conn.answer.start(self.requests.bodiless(0));
        self.busy.push(index);
        self.recorder.sent(&flight);
        if count > 1 {
            self.line_up(index, count, flight);
        }
        self.write(index, now_ns)
    }

    /// A request that leaves on this connection now.
    fn departure(&self, index: u32, next: Intended, now_ns: u64) -> Flight {
        let conn = &self.conns[index as usize];
        let sent_ns = now_ns - self.zero_ns;
        // When it would have been free, and when it was.
        let free_ns = conn.free_since_ns.saturating_sub(self.zero_ns);
        let freed_ns = (conn.free_since_ns + conn.late_ns).saturating_sub(self.zero_ns);
        let possible_ns = next.offset_ns.max(free_ns);
        let own_ns = sent_ns.saturating_sub(next.offset_ns.max(freed_ns));
        let inherited_ns = sent_ns.saturating_sub(possible_ns).saturating_sub(own_ns);
        Flight {
            number: next.number,
            intended_ns: next.offset_ns,
            possible_ns,
            sent_ns,
            first_byte_ns: 0,
            late_ns: inherited_ns + notable(own_ns),
            clogged_ns: conn.link.as_ref().map_or(0, Link::clogged_ns),
            held_ns: 0,
            held_to_ns: 0,
        }
    }

    /// Takes requests along in a pipeline of `count`, as far as there are any.
    fn line_up(&mut self, index: u32, count: usize, first: Flight) {
        for at in 1..count {
            let Some(next) = self.source.take_along(first.sent_ns) else {
                return;
            };
            let possible_ns = first.possible_ns.max(next.offset_ns);
            let flight = Flight {
                number: next.number,
                intended_ns: next.offset_ns,
                possible_ns,
                ..first
            };
            self.recorder.sent(&flight);
            self.ahead_ns = next.offset_ns;
            let behind = Behind {
                flight,
                bodiless: self.requests.bodiless(at),
            };
            self.conns[index as usize].behind.push_back(behind);
        }
    }

    /// A request that could not be made has ended.
    fn not_made(&mut self, index: u32, next: Intended, fault: String, now_ns: u64) {
        self.recorder.totals_mut().fault(fault);
        self.not_sent(next, Outcome::Protocol, now_ns - self.zero_ns);
        if self.source.is_open() {
            self.set_free(index, now_ns);
        } else {
            // Nothing else would slow it down.
            self.rest(index, now_ns + FAULT_REST_NS);
        }
    }

    /// Writes what was made for a connection that carries it, or opens it first: the connect is part of the request,
    /// and so of its service time. Tells how many bytes there were.
    fn write(&mut self, index: u32, now_ns: u64) -> usize {
        let conn = &mut self.conns[index as usize];
        let behind = conn.behind.iter().map(|behind| behind.flight.number);
        let bytes = self
            .requests
            .bytes(std::iter::once(conn.flight.number).chain(behind));
        let length = bytes.len();
        let Some(link) = &mut conn.link else {
            conn.unwritten.extend_from_slice(bytes);
            self.open(index, now_ns);
            return length;
        };
        conn.state = State::Busy;
        match link.write(bytes) {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => conn.unwritten.extend_from_slice(&bytes[count..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                conn.unwritten.extend_from_slice(bytes);
            }
            Err(error) => self.write_failed(index, &error),
        }
        length
    }

    /// Goes on with what the kernel did not take; false if the link broke.
    pub(super) fn write_rest(&mut self, index: u32) -> bool {
        if !self.conns[index as usize].unwritten.is_empty() {
            let now_ns = clock::now_ns();
            self.goes_on(index, now_ns);
        }
        let conn = &mut self.conns[index as usize];
        let Some(link) = &mut conn.link else {
            return false;
        };
        let mut wrote = link.flush();
        while wrote.is_ok() && !conn.unwritten.is_empty() {
            match link.write(&conn.unwritten) {
                Ok(count) => drop(conn.unwritten.drain(..count)),
                Err(error) => wrote = Err(error),
            }
        }
        match wrote {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => {
                self.write_failed(index, &error);
                false
            }
        }
    }

    /// The server closed on us. It may have answered before it did, so what is there is read first.
    fn write_failed(&mut self, index: u32, error: &io::Error) {
        self.recorder.totals_mut().fault(format!("send: {error}"));
        self.conns[index as usize].unwritten.clear();
        self.receive(index, true);
    }

    /// The request of this key.
    pub(super) fn flight(&self, key: u32) -> &Flight {
        match &self.http2 {
            Some(http2) => http2.flight(key),
            None => &self.conns[key as usize].flight,
        }
    }

    /// The request of this key got no answer in time.
    pub(super) fn time_out(&mut self, key: u32, now_ns: u64) {
        if self.http2.is_some() {
            return self.time_out_stream(key, now_ns);
        }
        self.name_what_was_late(key);
        self.end_flights(key, Outcome::Timeout, now_ns);
        self.close(key, now_ns, false);
    }

    /// The request of this key is not waited for any more.
    pub(super) fn give_up(&mut self, key: u32, outcome: Outcome, now_ns: u64) {
        if self.http2.is_some() {
            self.cancel_stream(key, outcome, now_ns);
        } else {
            self.end_flight(key, outcome, now_ns);
        }
    }

    /// All requests under way on this connection have ended, without an answer.
    pub(super) fn end_flights(&mut self, index: u32, outcome: Outcome, now_ns: u64) {
        self.requests.lose(index);
        while self.conns[index as usize].carries {
            self.end_flight(index, outcome, now_ns);
        }
    }

    /// The request under way on this connection has ended. The one behind it, if there is one, takes its place.
    pub(super) fn end_flight(&mut self, index: u32, outcome: Outcome, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let (flight, status, received) = (conn.flight, conn.answer.status, conn.received);
        conn.received = 0;
        conn.answer.status = 0;
        if let Some(next) = conn.behind.pop_front() {
            conn.flight = next.flight;
            conn.answer.start(next.bodiless);
            if self.shared.plan.whole_pipelines {
                return conn.ended.push(Ended {
                    flight,
                    outcome,
                    status,
                    received,
                });
            }
        } else {
            conn.carries = false;
            self.busy.remove(index);
            for ended in std::mem::take(&mut conn.ended) {
                self.note_end(
                    index,
                    &ended.flight,
                    ended.outcome,
                    now_ns,
                    ended.status,
                    ended.received,
                );
            }
        }
        self.note_end(index, &flight, outcome, now_ns, status, received);
    }

    /// Records the end of a request that was sent. `status` 0: none.
    pub(super) fn note_end(
        &mut self,
        index: u32,
        flight: &Flight,
        outcome: Outcome,
        now_ns: u64,
        status: u16,
        received: u64,
    ) {
        let done_ns = now_ns - self.zero_ns;
        let parts = self.book_end(index, flight, outcome, now_ns, (status, received));
        if let Some(log) = &mut self.log {
            let status = Some(status).filter(|&status| status > 0);
            let done_ns = (!matches!(outcome, Outcome::Unfinished)).then_some(done_ns);
            log.push(Row {
                flight: Some(*flight),
                number: flight.number,
                intended_ns: flight.intended_ns,
                done_ns,
                outcome,
                status,
                parts,
            });
        }
    }

    /// A request ends without having been sent.
    pub(super) fn not_sent(&mut self, request: Intended, outcome: Outcome, at_ns: u64) {
        let parts = self.never_sent(request.offset_ns, outcome, at_ns);
        self.recorder.not_sent(request.offset_ns, outcome, &parts);
        if let Some(log) = &mut self.log {
            let (number, intended_ns) = (request.number, request.offset_ns);
            log.push(Row {
                flight: None,
                number,
                intended_ns,
                done_ns: None,
                outcome,
                status: None,
                parts,
            });
        }
    }
}

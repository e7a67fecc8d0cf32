//! Sending: a due request meets a free connection.

use super::Worker;
use crate::clock;
use crate::conn::State;
use crate::record::Flight;
use crate::request_log::Row;
use crate::schedule::Intended;
use aefm_workloads::load::Outcome;
use std::io;

impl Worker {
    /// Whether a request that gets due can be dealt with: by a free connection, or by giving it up because there is
    /// none and none is coming.
    pub(super) fn can_take(&mut self) -> bool {
        self.hopeless() || self.may_grow() || self.next_idle().is_some()
    }

    /// No connection is open or opening. Only an open loop gives requests up for it.
    fn hopeless(&self) -> bool {
        self.hopeful == 0 && self.shared.plan.keepalive && self.source.is_open()
    }

    /// The connection that has been free for longest.
    fn next_idle(&mut self) -> Option<u32> {
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
        if self.zero_ns == 0 || now_ns < self.zero_ns || self.releasing {
            return;
        }
        self.releasing = true;
        self.release_due(now_ns);
        while self.flush_all() {
            self.release_due(clock::now_ns());
        }
        self.releasing = false;
    }

    fn release_due(&mut self, mut now_ns: u64) {
        while self.source.is_due(now_ns - self.zero_ns) {
            if let Some(index) = self.next_idle() {
                self.idle.pop_front();
                let Some(next) = self.source.take(now_ns - self.zero_ns) else { return };
                self.send(index, next, now_ns);
            } else if self.hopeless() {
                let Some(next) = self.source.take(now_ns - self.zero_ns) else { return };
                self.not_sent(next, Outcome::Connect, now_ns - self.zero_ns);
            } else {
                return self.grow(now_ns);
            }
            now_ns = clock::now_ns();
        }
    }

    fn send(&mut self, index: u32, next: Intended, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let free_ns = conn.free_since_ns.saturating_sub(self.zero_ns);
        let flight = Flight {
            number: next.number,
            intended_ns: next.offset_ns,
            possible_ns: next.offset_ns.max(free_ns),
            sent_ns: now_ns - self.zero_ns,
            first_byte_ns: 0,
        };
        if conn.session.is_some() {
            return self.send_stream(index, flight);
        }
        conn.flight = flight;
        conn.carries = true;
        self.busy.push(index);
        if conn.state == State::Parked {
            // The connect is part of the request, and so of its service time.
            self.recorder.sent(&flight);
            return self.open(index, now_ns);
        }
        conn.state = State::Busy;
        self.recorder.sent(&flight);
        self.write(index, next.number);
    }

    /// Writes the request of a connection that is busy with it.
    pub(super) fn write(&mut self, index: u32, number: u64) {
        let conn = &mut self.conns[index as usize];
        let Some(link) = &mut conn.link else { return };
        let (bytes, bodiless) = self.requests.bytes(number);
        conn.answer.start(bodiless);
        conn.received = 0;
        match link.write(bytes) {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => conn.unwritten.extend_from_slice(&bytes[count..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => conn.unwritten.extend_from_slice(bytes),
            Err(error) => self.write_failed(index, &error),
        }
    }

    /// Goes on with what the kernel did not take; false if the link broke.
    pub(super) fn write_rest(&mut self, index: u32) -> bool {
        let conn = &mut self.conns[index as usize];
        let Some(link) = &mut conn.link else { return false };
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
        self.end_flight(key, Outcome::Timeout, now_ns);
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

    /// The request under way on this connection has ended.
    pub(super) fn end_flight(&mut self, index: u32, outcome: Outcome, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let (flight, status, received) = (conn.flight, conn.answer.status, conn.received);
        conn.carries = false;
        conn.received = 0;
        conn.answer.status = 0;
        self.busy.remove(index);
        self.note_end(&flight, outcome, now_ns, status, received);
    }

    /// Records the end of a request that was sent. `status` 0: none.
    pub(super) fn note_end(&mut self, flight: &Flight, outcome: Outcome, now_ns: u64, status: u16, received: u64) {
        let done_ns = now_ns - self.zero_ns;
        self.recorder.done(flight, outcome, done_ns, status, received);
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
            });
        }
    }

    /// A request ends without having been sent.
    pub(super) fn not_sent(&mut self, request: Intended, outcome: Outcome, at_ns: u64) {
        self.recorder.not_sent(request.offset_ns, outcome, at_ns);
        if let Some(log) = &mut self.log {
            let (number, intended_ns) = (request.number, request.offset_ns);
            log.push(Row { flight: None, number, intended_ns, done_ns: None, outcome, status: None });
        }
    }
}

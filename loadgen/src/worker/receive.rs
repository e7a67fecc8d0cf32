//! Receiving: bytes become answers, answers end requests.

use super::Worker;
use crate::clock;
use crate::conn::State;
use crate::http1::Fed;
use aefm_workloads::load::Outcome;
use std::io;

/// How a request ends that was answered with this status.
pub(super) const fn outcome_of(status: u16) -> Outcome {
    match status {
        ..400 => Outcome::Ok,
        400..500 => Outcome::Http4xx,
        500..600 => Outcome::Http5xx,
        _ => Outcome::Protocol,
    }
}

impl Worker {
    /// Reads what is there. `closing`: the server has closed its side already.
    pub(super) fn receive(&mut self, index: u32, closing: bool) {
        let generation = self.conns[index as usize].generation;
        // An answer may let the next request go on this very connection, whose answer may be there in turn.
        while self.conns[index as usize].generation == generation {
            let conn = &mut self.conns[index as usize];
            let Some(link) = &mut conn.link else { return };
            let short_is_all = link.drained_by_short_read() && !closing;
            match link.read(&mut self.scratch) {
                Ok(0) => return self.ended(index),
                Ok(count) => {
                    self.take(index, count, closing);
                    if short_is_all && count < self.scratch.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(index, &error),
            }
        }
    }

    /// `count` bytes have come into the scratch buffer.
    fn take(&mut self, index: u32, count: usize, closing: bool) {
        let now_ns = clock::now_ns();
        let conn = &mut self.conns[index as usize];
        if conn.state != State::Busy {
            self.recorder.totals_mut().fault("read: bytes that no request asked for".to_owned());
            return self.close(index, now_ns, false);
        }
        if conn.flight.first_byte_ns == 0 {
            conn.flight.first_byte_ns = now_ns - self.zero_ns;
        }
        conn.received += count as u64;
        match conn.answer.feed(&self.scratch[..count]) {
            Ok(Fed::More) => {}
            Ok(Fed::Done(used)) => self.answered(index, now_ns, used < count || closing),
            Err(fault) => {
                self.recorder.totals_mut().fault(fault.to_string());
                self.end_flight(index, Outcome::Protocol, now_ns);
                self.close(index, now_ns, false);
            }
        }
    }

    /// The answer is complete. `last`: the connection cannot carry another one.
    fn answered(&mut self, index: u32, now_ns: u64, last: bool) {
        let conn = &mut self.conns[index as usize];
        let outcome = outcome_of(conn.answer.status);
        conn.answers += 1;
        conn.failures = 0;
        // An answer before the request was out leaves the stream in the middle of it.
        let last = last || !conn.answer.keep_alive || !conn.unwritten.is_empty() || !self.shared.plan.keepalive;
        self.end_flight(index, outcome, now_ns);
        if last {
            self.close(index, now_ns, true);
        } else {
            self.set_idle(index, now_ns);
        }
        self.release(now_ns);
    }

    /// The server closed its side.
    fn ended(&mut self, index: u32) {
        let now_ns = clock::now_ns();
        let conn = &self.conns[index as usize];
        if conn.state == State::Busy {
            if conn.answer.end() {
                return self.answered(index, now_ns, true);
            }
            let text = if conn.answer.untouched() { "before the answer" } else { "in the answer" };
            self.recorder.totals_mut().fault(format!("read: the server closed the connection {text}"));
            self.end_flight(index, Outcome::Reset, now_ns);
        }
        self.close(index, now_ns, false);
    }

    fn broken(&mut self, index: u32, error: &io::Error) {
        let now_ns = clock::now_ns();
        self.recorder.totals_mut().fault(format!("read: {error}"));
        if self.conns[index as usize].carries {
            // What is no TLS is no protocol; all else is a connection that broke.
            let outcome = if error.kind() == io::ErrorKind::InvalidData { Outcome::Protocol } else { Outcome::Reset };
            self.end_flight(index, outcome, now_ns);
        }
        self.close(index, now_ns, false);
    }
}

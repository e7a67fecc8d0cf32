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
        let mut from = 0;
        loop {
            let conn = &mut self.conns[index as usize];
            if conn.state != State::Busy {
                self.recorder
                    .totals_mut()
                    .fault("read: bytes that no request asked for".to_owned());
                return self.close(index, now_ns, false);
            }
            if conn.flight.first_byte_ns == 0 {
                conn.flight.first_byte_ns = now_ns - self.zero_ns;
            }
            match conn.answer.feed(&self.scratch[from..count]) {
                Ok(Fed::More) => {
                    conn.received += (count - from) as u64;
                    return;
                }
                Ok(Fed::Done(used)) => {
                    conn.received += used as u64;
                    from += used;
                    if conn.behind.is_empty() {
                        return self.answered(index, now_ns, from < count || closing);
                    }
                    self.end_answer(index, now_ns);
                    if from == count {
                        return;
                    }
                }
                Err(fault) => {
                    self.recorder.totals_mut().fault(fault.to_string());
                    self.end_flights(index, Outcome::Protocol, now_ns);
                    return self.close(index, now_ns, false);
                }
            }
        }
    }

    /// An answer is complete. Whether the connection may carry another one.
    fn end_answer(&mut self, index: u32, now_ns: u64) -> bool {
        let conn = &mut self.conns[index as usize];
        let mut outcome = outcome_of(conn.answer.status);
        conn.answers += 1;
        conn.failures = 0;
        // An answer before the request was out leaves the stream in the middle of it.
        let usable =
            conn.answer.keep_alive && conn.unwritten.is_empty() && self.shared.plan.keepalive;
        if let Some(heard) = &conn.answer.heard
            && let Err(fault) = self.requests.hear(index, conn.answer.status, heard)
        {
            self.recorder.totals_mut().fault(fault);
            outcome = Outcome::Protocol;
        }
        self.end_flight(index, outcome, now_ns);
        usable
    }

    /// The last answer that is awaited is complete. `last`: the connection cannot carry another one.
    fn answered(&mut self, index: u32, now_ns: u64, last: bool) {
        if self.end_answer(index, now_ns) && !last {
            self.set_idle(index, now_ns);
        } else {
            if self.conns[index as usize].carries {
                self.recorder
                    .totals_mut()
                    .fault("read: the server closed the connection within a pipeline".to_owned());
                self.end_flights(index, Outcome::Reset, now_ns);
            }
            self.close(index, now_ns, true);
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
            let text = if conn.answer.untouched() {
                "before the answer"
            } else {
                "in the answer"
            };
            self.recorder
                .totals_mut()
                .fault(format!("read: the server closed the connection {text}"));
            self.end_flights(index, Outcome::Reset, now_ns);
        }
        self.close(index, now_ns, false);
    }

    fn broken(&mut self, index: u32, error: &io::Error) {
        let now_ns = clock::now_ns();
        self.recorder.totals_mut().fault(format!("read: {error}"));
        if self.conns[index as usize].carries {
            // What is no TLS is no protocol; all else is a connection that broke.
            let outcome = if error.kind() == io::ErrorKind::InvalidData {
                Outcome::Protocol
            } else {
                Outcome::Reset
            };
            self.end_flights(index, outcome, now_ns);
        }
        self.close(index, now_ns, false);
    }
}

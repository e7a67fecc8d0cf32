//! Receiving: bytes become answers, answers end requests.

use super::Worker;
use super::budget::Budget;
use crate::clock;
use crate::conn::State;
use crate::http1::Fed;
use aefm_workloads::load::Outcome;
use std::io;

/// What is said of an answer whose head came in time.
pub(super) const LATE_BODY: &str = "read the answer in time: its body did not end";

/// How a request ends that was answered with this status. What is no status counts as a server's error (RFC 9110,
/// section 15).
pub(super) const fn outcome_of(status: u16) -> Outcome {
    match status {
        100..400 => Outcome::Ok,
        400..500 => Outcome::Http4xx,
        _ => Outcome::Http5xx,
    }
}

impl Worker {
    /// Reads what is there, as far as a turn goes. `closing`: the server has closed its side already.
    pub(super) fn receive(&mut self, index: u32, closing: bool) {
        let generation = self.conns[index as usize].generation;
        self.conns[index as usize].closing |= closing;
        let mut budget = Budget::of_a_turn();
        // An answer may let the next request go on this very connection, whose answer may be there in turn.
        while self.conns[index as usize].generation == generation {
            if budget.is_used_up() {
                return self.put_off(index);
            }
            let conn = &mut self.conns[index as usize];
            let Some(link) = &mut conn.link else { return };
            let short_is_all = link.drained_by_short_read() && !conn.closing;
            match link.read(&mut self.scratch) {
                Ok(0) => return self.ended(index, false),
                Ok(count) => {
                    let drained = short_is_all && count < self.scratch.len();
                    self.take(index, count, drained);
                    if drained {
                        return;
                    }
                    budget.spend(count, 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.drained(index);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => budget.spend(0, 0),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.ended(index, true);
                }
                Err(error) => return self.broken(index, &error),
            }
        }
    }

    /// Nothing more is there: what was answered is free.
    fn drained(&mut self, index: u32) {
        if self.conns[index as usize].state == State::Draining {
            let now_ns = clock::now_ns();
            self.set_idle(index, now_ns);
            self.release(now_ns);
        }
    }

    /// `count` bytes have come into the scratch buffer. `drained`: that was all.
    fn take(&mut self, index: u32, count: usize, drained: bool) {
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
                        let last = from < count || conn.closing;
                        return self.answered(index, now_ns, last, drained);
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

    /// The last answer that is awaited is complete. `last`: the connection cannot carry another one. `drained`: nothing
    /// more has come; otherwise a request that goes now might get an answer that is there already.
    fn answered(&mut self, index: u32, now_ns: u64, last: bool, drained: bool) {
        if self.end_answer(index, now_ns) && !last {
            if !drained {
                self.conns[index as usize].state = State::Draining;
                return;
            }
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

    /// The server closed its side. `cut`: without saying so in TLS, so that what has come may not be all.
    fn ended(&mut self, index: u32, cut: bool) {
        let now_ns = clock::now_ns();
        let conn = &self.conns[index as usize];
        if conn.state == State::Busy {
            if conn.answer.end() && !cut {
                return self.answered(index, now_ns, true, true);
            }
            let text = if conn.answer.untouched() {
                "before the answer"
            } else if conn.answer.end() {
                "without TLS's close_notify: the answer may be cut off"
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

    /// A request is given up: what kept it, where more is known than that no answer came.
    pub(super) fn name_what_was_late(&mut self, index: u32) {
        if self.conns[index as usize].answer.in_body() {
            self.recorder.totals_mut().fault(LATE_BODY.to_owned());
        }
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

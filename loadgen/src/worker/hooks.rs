//! What a script decides beyond requests: rests between them, and the end of its thread.

use super::{Told, Worker};
use crate::conn::State;
use std::cmp::Reverse;
use std::time::Duration;

impl Worker {
    /// The connection can carry a request, now or after the rest that a script wants.
    pub(super) fn set_idle(&mut self, index: u32, now_ns: u64) {
        match self.requests.rest() {
            Ok(None | Some(Duration::ZERO)) => self.set_free(index, now_ns),
            Ok(Some(rest)) => self.rest(index, now_ns + rest.as_nanos() as u64),
            Err(fault) => {
                self.recorder.totals_mut().fault(fault);
                self.set_free(index, now_ns);
            }
        }
    }

    pub(super) fn rest(&mut self, index: u32, until_ns: u64) {
        let conn = &mut self.conns[index as usize];
        conn.state = State::Resting;
        conn.rests_until_ns = until_ns;
        self.timers
            .push(Reverse((until_ns, index, conn.generation)));
    }

    /// The connection is free from now on.
    pub(super) fn set_free(&mut self, index: u32, now_ns: u64) {
        self.free_since(index, now_ns);
        let conn = &mut self.conns[index as usize];
        conn.state = if conn.link.is_some() {
            State::Idle
        } else {
            State::Parked
        };
        let entry = (index, conn.generation);
        // A session that has begun goes on before others begin.
        if self.requests.goes_on(index) {
            self.idle.push_front(entry);
        } else {
            self.idle.push_back(entry);
        }
    }

    /// If the script has stopped this worker it sends nothing more. The run is over when all workers are stopped.
    pub(super) fn heed_stop(&mut self, now_ns: u64) {
        if !self.stopped && self.requests.stopped() {
            self.stopped = true;
            let at_ns = (now_ns - self.zero_ns).max(self.ahead_ns);
            // The receiver is only gone when the whole run is.
            let _ = self.tell.send(Told::Stopped { at_ns });
        }
    }
}

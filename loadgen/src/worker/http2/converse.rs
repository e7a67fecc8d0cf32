//! What is read from an HTTP/2 connection, what follows from it, and what is written.

use crate::clock;
use crate::conn::State;
use crate::http2::{End, Event, Fault};
use crate::worker::Worker;
use crate::worker::budget::Budget;
use crate::worker::receive::outcome_of;
use aefm_workloads::load::Outcome;
use std::cmp::Reverse;
use std::io;

/// Why nothing more comes from a connection.
enum Broken {
    /// The server closed its side.
    Closed,
    Io(io::Error),
    Fault(Fault),
}

impl Worker {
    /// Something has happened to a connection with a session. `closing`: the server has closed its side.
    pub(in crate::worker) fn converse(&mut self, index: u32, closing: bool) {
        self.conns[index as usize].closing |= closing;
        let read = self.read_frames(index);
        let now_ns = clock::now_ns();
        match read {
            Ok(()) => {
                // Whatever waited for the kernel may go now, and make room.
                self.flush(index);
                self.settle(index, now_ns);
            }
            Err(broken) => self.break_off(index, &broken, now_ns),
        }
        self.release(now_ns);
        self.flush_all();
    }

    /// Reads what is there, as far as a turn goes.
    fn read_frames(&mut self, index: u32) -> Result<(), Broken> {
        let mut budget = Budget::of_a_turn();
        loop {
            if budget.is_used_up() {
                self.put_off(index);
                return Ok(());
            }
            let conn = &mut self.conns[index as usize];
            let (Some(link), Some(session), Some(http2)) =
                (&mut conn.link, &mut conn.session, &mut self.http2)
            else {
                return Ok(());
            };
            match link.read(&mut self.scratch) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => {
                    let short =
                        link.drained_by_short_read() && !conn.closing && count < self.scratch.len();
                    let before = session.frames();
                    let fed = session.feed(&self.scratch[..count], &mut http2.events);
                    budget.spend(count, session.frames() - before);
                    self.take_events(index, clock::now_ns());
                    fed.map_err(Broken::Fault)?;
                    if short {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => budget.spend(0, 0),
                // Where answers end is said in frames: no end of TLS can cut one off unseen.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Broken::Closed);
                }
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }

    fn take_events(&mut self, index: u32, now_ns: u64) {
        let Some(http2) = &mut self.http2 else { return };
        let mut events = std::mem::take(&mut http2.events);
        for event in events.drain(..) {
            match event {
                Event::Begun { key } => {
                    if let Some(http2) = &mut self.http2 {
                        http2.under_way[key as usize].flight.first_byte_ns = now_ns - self.zero_ns;
                    }
                }
                Event::Ended {
                    key,
                    end,
                    status,
                    bytes,
                } => {
                    let outcome = self.outcome(index, end, status);
                    self.end_stream(key, outcome, now_ns, status, bytes);
                }
            }
        }
        if let Some(http2) = &mut self.http2 {
            http2.events = events;
        }
    }

    fn outcome(&mut self, index: u32, end: End, status: u16) -> Outcome {
        let (outcome, fault) = match end {
            End::Answered => {
                let conn = &mut self.conns[index as usize];
                conn.answers += 1;
                conn.failures = 0;
                return outcome_of(status);
            }
            End::Reset(code) => (
                Outcome::Reset,
                format!("read: the server reset the stream ({code})"),
            ),
            End::Malformed(what) => (Outcome::Protocol, format!("read the answer: {what}")),
            End::NotTaken(code) => (
                Outcome::Reset,
                format!("send: the server went away before it took the request ({code})"),
            ),
        };
        self.recorder.totals_mut().fault(fault);
        outcome
    }

    /// What follows from a session's new state: for the connection's, and for bodies that wait.
    pub(super) fn settle(&mut self, index: u32, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let Some(session) = &mut conn.session else {
            return;
        };
        if session.is_leaving() {
            return match session.under_way() {
                0 if conn.state == State::Opening => {
                    self.open_failed(index, now_ns, &io::Error::other("the server goes away"));
                }
                0 => self.close(index, now_ns, false),
                _ => self.replace(index, now_ns),
            };
        }
        let waits = session.refuses() && session.under_way() == 0;
        match conn.state {
            State::Opening if session.greeted() && !waits => self.opened(index, now_ns),
            State::Idle | State::Busy if waits => self.await_streams(index, now_ns),
            State::Busy if session.has_room() => self.set_idle(index, now_ns),
            _ => {}
        }
    }

    /// The server allows no streams any more: as at the beginning it has as long as a connect may take to allow some.
    fn await_streams(&mut self, index: u32, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        conn.state = State::Opening;
        conn.opening_ns = now_ns;
        self.opening += 1;
        let deadline_ns = now_ns + self.shared.plan.connect_timeout_ns;
        self.timers
            .push(Reverse((deadline_ns, index, conn.generation)));
    }

    /// The link has ended, and with it all requests on it.
    fn break_off(&mut self, index: u32, broken: &Broken, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let (Some(link), Some(session)) = (&mut conn.link, &mut conn.session) else {
            return;
        };
        let (outcome, text) = match broken {
            Broken::Closed => (
                Outcome::Reset,
                "the server closed the connection".to_owned(),
            ),
            // What is no TLS is no protocol; all else is a connection that broke.
            Broken::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                (Outcome::Protocol, error.to_string())
            }
            Broken::Io(error) => (Outcome::Reset, error.to_string()),
            Broken::Fault(fault) => {
                session.say_goodbye(*fault);
                // It is worth a try.
                let _ = link.write(session.waiting());
                (Outcome::Protocol, fault.to_string())
            }
        };
        if conn.state == State::Opening {
            return self.open_failed(index, now_ns, &io::Error::other(text));
        }
        // An idle connection that is closed is no fault.
        if session.under_way() > 0 || !matches!(broken, Broken::Closed) {
            self.recorder.totals_mut().fault(format!("read: {text}"));
        }
        while let Some((key, status, bytes)) = self.conns[index as usize]
            .session
            .as_mut()
            .and_then(|own| own.take())
        {
            self.end_stream(key, outcome, now_ns, status, bytes);
        }
        self.close(index, now_ns, false);
    }

    /// Sends what waits on all connections; whether one of them takes requests again that was full before.
    pub(in crate::worker) fn flush_all(&mut self) -> bool {
        let (mut freed, mut now_ns) = (false, 0);
        while let Some(index) = self.http2.as_mut().and_then(|http2| http2.unsent.pop()) {
            let busy = self.conns[index as usize].state == State::Busy;
            self.flush(index);
            now_ns = clock::now_ns();
            self.settle(index, now_ns);
            freed |= busy && self.conns[index as usize].state == State::Idle;
        }
        if now_ns > 0 {
            self.streams_have_left(now_ns);
        }
        freed
    }

    /// Sends what the kernel takes, bodies that waited for room included.
    fn flush(&mut self, index: u32) {
        loop {
            let conn = &mut self.conns[index as usize];
            let (Some(link), Some(session), Some(http2)) =
                (&mut conn.link, &mut conn.session, &mut self.http2)
            else {
                return;
            };
            while let Some((stream, key)) = session.next_waiting() {
                let flight = http2.flight_mut(key);
                // That there is room was seen only now.
                let now_ns = clock::now_ns();
                let since_ns = self.attention.unseen_since(now_ns);
                let since_zero = |at_ns: u64| at_ns.saturating_sub(self.zero_ns);
                flight.hold(since_zero(since_ns), since_zero(now_ns));
                let number = flight.number;
                session.send_body(stream, http2.requests.parts(number).body);
            }
            let bytes = session.waiting();
            let wrote = if bytes.is_empty() {
                link.flush().map(|()| 0)
            } else {
                link.write(bytes)
            };
            match wrote {
                Ok(0) => return,
                Ok(count) => session.took(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_broke(index, &error),
            }
        }
    }

    /// The server closed on us. It may have answered before it did, so what is there is read first.
    fn write_broke(&mut self, index: u32, error: &io::Error) {
        self.recorder.totals_mut().fault(format!("send: {error}"));
        self.conns[index as usize].closing = true;
        let broken = self.read_frames(index).err().unwrap_or(Broken::Closed);
        self.break_off(index, &broken, clock::now_ns());
    }
}

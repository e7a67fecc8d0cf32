//! Opening and closing connections, with a back-off that never holds up the schedule.

use super::Worker;
use super::http2::Http2;
use crate::clock;
use crate::conn::{Conn, State, back_off_ns};
use crate::link::Link;
use crate::record::notable;
use aefm_workloads::load::Outcome;
use std::cmp::Reverse;
use std::io;

/// How long a connection that was opened for a request is waited for alone.
const REOPEN_NS: u64 = 10_000_000;

impl Worker {
    /// Starts all connections; without keep-alive they open with their requests.
    pub(super) fn open_all(&mut self) {
        let now_ns = clock::now_ns();
        for index in 0..self.conns.len() as u32 {
            if self.shared.plan.keepalive {
                self.open(index, now_ns);
            } else {
                self.set_idle(index, now_ns);
            }
        }
    }

    /// Whether the pool may grow now: one connection at a time, since the one that is opening may be enough.
    pub(super) fn may_grow(&self) -> bool {
        let opening = self
            .conns
            .last()
            .is_some_and(|last| last.state == State::Opening);
        let beyond = self.http2.as_ref().map_or(0, Http2::beyond);
        self.conns.len() - beyond < self.connections_max && !opening
    }

    /// One more connection, if the pool may grow.
    pub(super) fn grow(&mut self, now_ns: u64) {
        if self.may_grow() {
            let index = self.conns.len() as u32;
            self.conns.push(Conn::new(self.requests.hears()));
            self.conns[index as usize].tried = true;
            self.busy.grow();
            self.open(index, now_ns);
        }
    }

    /// Starts a link on a connection that has none.
    pub(super) fn open(&mut self, index: u32, now_ns: u64) {
        let connection = index as usize * self.shared.plan.workers() + self.index;
        let conn = &mut self.conns[index as usize];
        conn.next_generation();
        conn.state = State::Opening;
        conn.opening_ns = now_ns;
        conn.connected_ns = 0;
        conn.answers = 0;
        conn.reached = false;
        self.hopeful += 1;
        self.opening += 1;
        // Each try goes to the next address, so that one that is down does not take a share of the load with it.
        let address = self.requests.address();
        let address = address.or_else(|| {
            self.shared
                .addresses
                .get(connection + conn.failures as usize)
        });
        let link = match &address {
            Some(address) => Link::connect(address, self.shared.tls.as_ref()),
            None => Err(io::Error::other("its name has no address")),
        };
        match link.and_then(|link| Ok(self.poll.watch(&link, conn.token(index)).map(|()| link)?)) {
            Ok(link) => {
                conn.link = Some(link);
                let deadline_ns = now_ns + self.shared.plan.connect_timeout_ns;
                self.timers
                    .push(Reverse((deadline_ns, index, conn.generation)));
            }
            Err(error) => self.open_failed(index, now_ns, &error),
        }
    }

    /// Something has happened to a link that is opening.
    pub(super) fn opening(&mut self, index: u32) {
        let now_ns = clock::now_ns();
        self.goes_on(index, now_ns);
        let conn = &mut self.conns[index as usize];
        let Some(link) = &mut conn.link else { return };
        if conn.connected_ns == 0 {
            if let Err(error) = link.connected() {
                return self.open_failed(index, now_ns, &error);
            }
            conn.connected_ns = now_ns;
            self.recorder
                .totals_mut()
                .connect
                .saturating_record(now_ns - conn.opening_ns);
        }
        match link.handshake() {
            Ok(true) => self.secured(index),
            Ok(false) => {}
            Err(error) => self.open_failed(index, now_ns, &error),
        }
    }

    /// The link carries bytes.
    fn secured(&mut self, index: u32) {
        // The handshake may have gone all the way since the connect was seen.
        let now_ns = clock::now_ns();
        if self.shared.tls.is_some() {
            let connected_ns = self.conns[index as usize].connected_ns;
            self.recorder
                .totals_mut()
                .tls
                .saturating_record(now_ns - connected_ns);
        }
        if self.http2.is_some() {
            self.greet(index, now_ns);
        } else {
            self.opened(index, now_ns);
        }
    }

    /// The link carries requests.
    pub(super) fn opened(&mut self, index: u32, now_ns: u64) {
        self.has_tried(index);
        self.owe(index, now_ns);
        self.conns[index as usize].reached = true;
        self.opening -= 1;
        let open = (self.hopeful - self.opening) as u64;
        let totals = self.recorder.totals_mut();
        totals.open_most = totals.open_most.max(open);
        let conn = &mut self.conns[index as usize];
        if conn.carries {
            conn.state = State::Busy;
            self.write_rest(index);
        } else {
            self.set_idle(index, now_ns);
        }
    }

    pub(super) fn open_failed(&mut self, index: u32, now_ns: u64, error: &io::Error) {
        let opening = &self.conns[index as usize];
        let step = match opening.connected_ns {
            0 => "connect",
            _ if opening.session.is_some() => "agree on HTTP/2",
            _ => "agree on TLS",
        };
        let text = format!("{step}: {error}");
        self.last_fault = Some(text.clone());
        self.recorder.totals_mut().fault(text);
        if self.conns[index as usize].carries {
            self.end_flights(index, Outcome::Connect, now_ns);
        }
        self.close(index, now_ns, false);
        if self.conns[index as usize].state == State::Closed {
            self.charge(now_ns);
        }
    }

    /// The resting connection that may be opened before its time because a request wants one: one that was there
    /// before, or any where nothing is open. Where others are open the request can go there, and a connect that has
    /// just failed is not tried again at once.
    pub(super) fn next_resting(&mut self) -> Option<u32> {
        if !self.source.is_open() {
            return None;
        }
        while let Some(&(index, generation)) = self.resting.front() {
            let conn = &self.conns[index as usize];
            if conn.generation == generation && conn.state == State::Closed {
                return (conn.reached || self.hopeful == self.opening).then_some(index);
            }
            self.resting.pop_front();
        }
        None
    }

    /// From when on it may: one at a time, since the one that is opening may be enough, unless it takes long.
    pub(super) const fn reopens_from_ns(&self) -> u64 {
        if self.opening == 0 {
            0
        } else {
            self.reopened_ns + REOPEN_NS
        }
    }

    /// Opens a resting connection for a request that waits. Whether there was one.
    pub(super) fn reopen(&mut self, now_ns: u64) -> bool {
        if now_ns < self.reopens_from_ns() {
            return false;
        }
        let Some(index) = self.next_resting() else {
            return false;
        };
        self.resting.pop_front();
        self.reopened_ns = now_ns;
        self.open(index, now_ns);
        true
    }

    /// The first link of a connection has come about, or its first try has failed at all addresses.
    fn has_tried(&mut self, index: u32) {
        if !std::mem::replace(&mut self.conns[index as usize].tried, true) {
            self.untried = self.untried.saturating_sub(1);
        }
    }

    /// Ends the link. It is opened again at once if it had answered before, after a back-off otherwise.
    pub(super) fn close(&mut self, index: u32, now_ns: u64, served: bool) {
        let keepalive = self.shared.plan.keepalive;
        let conn = &mut self.conns[index as usize];
        conn.failures = if served || conn.answers > 0 {
            0
        } else {
            conn.failures.saturating_add(1)
        };
        conn.link = None;
        conn.session = None;
        conn.next_generation();
        conn.carries = false;
        conn.unwritten.clear();
        if conn.state != State::Parked {
            self.hopeful -= 1;
        }
        if conn.state == State::Opening {
            self.opening -= 1;
        }
        conn.state = State::Closed;
        if std::mem::take(&mut conn.replaced) {
            return self.spare(index);
        }
        let failures = conn.failures;
        let more_addresses = failures > 0 && (failures as usize) < self.shared.addresses.len();
        if keepalive && (failures == 0 || more_addresses) {
            self.recorder.totals_mut().reconnects += u64::from(failures == 0);
            return self.open(index, now_ns);
        }
        self.has_tried(index);
        if !keepalive && (failures == 0 || self.source.is_open()) {
            self.set_idle(index, now_ns);
        } else {
            self.rest_closed(index, now_ns + back_off_ns(failures));
        }
    }

    /// It is opened again then, or when a request wants it.
    fn rest_closed(&mut self, index: u32, until_ns: u64) {
        let conn = &mut self.conns[index as usize];
        // What it owed has gone by with the rest.
        conn.late_ns = 0;
        let entry = (index, conn.generation);
        if self.shared.plan.keepalive {
            if conn.reached {
                self.resting.push_front(entry);
            } else {
                self.resting.push_back(entry);
            }
        }
        self.timers.push(Reverse((until_ns, index, entry.1)));
    }

    /// A deadline of an opening link, or the time to try again.
    pub(super) fn timer_fired(&mut self, index: u32, now_ns: u64) {
        match self.conns[index as usize].state {
            State::Opening => self.opening_took_too_long(index, now_ns),
            State::Closed if self.shared.plan.keepalive => self.open(index, now_ns),
            State::Closed => self.set_idle(index, now_ns),
            State::Resting if now_ns >= self.conns[index as usize].rests_until_ns => {
                let until_ns = self.conns[index as usize].rests_until_ns;
                self.conns[index as usize].late_ns += notable(now_ns - until_ns);
                self.set_free(index, now_ns);
            }
            State::Resting | State::Parked | State::Idle | State::Busy | State::Draining => {}
        }
    }

    fn opening_took_too_long(&mut self, index: u32, now_ns: u64) {
        let conn = &self.conns[index as usize];
        if now_ns < conn.opening_ns + self.shared.plan.connect_timeout_ns {
            // It has begun to wait for streams since, with a deadline of its own.
            return;
        }
        let refuses = conn.session.as_ref().is_some_and(|own| own.refuses());
        let error = if refuses {
            io::Error::other("the server allows no streams (MAX_CONCURRENT_STREAMS is 0)")
        } else {
            io::ErrorKind::TimedOut.into()
        };
        self.open_failed(index, now_ns, &error);
    }
}

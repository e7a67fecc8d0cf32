//! What the worker knows of its own lateness: it reads the clock through here, and books to itself what it was late for.

use super::{Told, Worker, WorkerError};
use crate::attention::Gap;
use crate::clock;
use crate::conn::State;
use crate::ledger::Ledger;
use crate::record::{End, Flight, LATE_NS, Parts, notable};
use crate::stall::Stalled;
use aefm_workloads::load::Outcome;

impl Worker {
    /// From time zero on the loop's attention counts.
    pub(super) fn begin_attention(&mut self) {
        let now_ns = clock::now_ns();
        self.ledger = Ledger::of_this_thread();
        let script_bytes = self.requests.script_bytes().unwrap_or(0);
        self.ledger.look(now_ns, script_bytes);
        self.attention.begin(now_ns);
        self.looked_ns = now_ns;
    }

    /// The time, while the loop is at work.
    pub(super) fn now_ns(&mut self) -> u64 {
        let now_ns = clock::now_ns();
        self.heed(now_ns);
        now_ns
    }

    /// The clock was read while the loop is at work.
    pub(super) fn heed(&mut self, now_ns: u64) {
        if self.zero_ns > 0
            && let Some(gap) = self.attention.at(now_ns)
        {
            self.note_stall(gap);
        }
    }

    /// The loop is back from waiting until `due_ns` at the latest. Tells the time.
    pub(super) fn wake(&mut self, due_ns: Option<u64>) -> u64 {
        let now_ns = clock::now_ns();
        if self.zero_ns == 0 || now_ns < self.zero_ns {
            self.attention.begin(now_ns);
        } else if let Some(gap) = self.attention.woke(now_ns, due_ns) {
            self.note_stall(gap);
        } else if self.ledger.is_old(now_ns) {
            let script_bytes = self.requests.script_bytes().unwrap_or(0);
            self.ledger.look(now_ns, script_bytes);
        }
        now_ns
    }

    fn note_stall(&mut self, gap: Gap) {
        let script_bytes = self.requests.script_bytes();
        let (before, after) = self.ledger.look(gap.to_ns, script_bytes.unwrap_or(0));
        let since_zero = |at_ns: u64| at_ns.saturating_sub(self.zero_ns);
        let stalled = Stalled {
            gap: Gap {
                from_ns: since_zero(gap.from_ns),
                to_ns: since_zero(gap.to_ns),
                ..gap
            },
            before,
            after,
            core: nix::sched::sched_getcpu().ok(),
            script: script_bytes.is_some(),
        };
        // The receiver is only gone when the whole run is.
        let _ = self.tell.send(Told::Stalled(Box::new(stalled)));
    }

    /// Sees to it that the next read of this connection asks when its bytes came, where that matters.
    pub(super) fn ask_for_stamps(&mut self, index: u32) {
        let wanted = self.attention.wants_stamps();
        if let Some(link) = &mut self.conns[index as usize].link {
            link.stamps().want(wanted);
        }
    }

    /// When a request ended that is over at `now_ns` for us.
    fn end_of(&mut self, index: u32, flight: &Flight, outcome: Outcome, now_ns: u64) -> End {
        let over_ns = self.source.end_ns() + self.shared.plan.grace_ns;
        let link = &mut self.conns[index as usize].link;
        let stamps = link.as_mut().map(|link| &*link.stamps());
        let known_ns = stamps.and_then(|stamps| stamps.arrived_ns());
        let clogged_ns = stamps.map_or(0, |stamps| stamps.clogged_before_ns());
        if let Some(known_ns) = known_ns {
            self.attention.saw(known_ns, now_ns);
        }
        let arrived_ns = match outcome {
            Outcome::Timeout => flight.sent_ns + self.shared.plan.timeout_ns,
            Outcome::Unfinished => over_ns,
            _ => known_ns
                .unwrap_or_else(|| self.attention.unseen_since(now_ns))
                .saturating_sub(self.zero_ns),
        };
        End {
            done_ns: now_ns - self.zero_ns,
            arrived_ns,
            clogged_ns,
        }
    }

    /// Books the end of a request that was sent. Tells where its time went.
    pub(super) fn book_end(
        &mut self,
        index: u32,
        flight: &Flight,
        outcome: Outcome,
        now_ns: u64,
        (status, bytes): (u16, u64),
    ) -> Parts {
        let end = self.end_of(index, flight, outcome, now_ns);
        self.heed(now_ns);
        // What comes next on the connection has to wait for so much longer.
        self.conns[index as usize].late_ns = flight.delays_ns(&end);
        self.recorder.done(flight, outcome, &end, status, bytes)
    }

    /// The connection is free at `now_ns`, and would have been free earlier by what it owes.
    pub(super) fn free_since(&mut self, index: u32, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        conn.free_since_ns = now_ns.saturating_sub(conn.late_ns);
    }

    /// Something that no stamp tells of was seen on a connection: what it owes grows by what we were late for it.
    pub(super) fn owe(&mut self, index: u32, now_ns: u64) {
        if self.zero_ns == 0 || now_ns < self.zero_ns {
            return;
        }
        let unseen_ns = now_ns - self.attention.unseen_since(now_ns).min(now_ns);
        self.conns[index as usize].late_ns += notable(unseen_ns);
    }

    /// The request on this connection was handed to the kernel, `bytes` of it, at some time between its look at the clock
    /// and `now_ns`. If that was long, only the kernel knows when; a connect that has only begun leaves no trace there.
    pub(super) fn has_left(&mut self, index: u32, bytes: usize, now_ns: u64) {
        let conn = &mut self.conns[index as usize];
        let from_ns = self.zero_ns + conn.flight.sent_ns;
        // To copy it takes the kernel about a nanosecond a byte.
        if !conn.carries || now_ns.saturating_sub(from_ns) < LATE_NS + bytes as u64 {
            return;
        }
        let left_ns = match &conn.link {
            Some(link) if conn.state != State::Opening => link.left_ns(from_ns, now_ns),
            _ => now_ns,
        };
        self.held_up(index, from_ns, left_ns);
    }

    /// Something happened to a connection that lets its request go on, and may have happened since the last look.
    pub(super) fn goes_on(&mut self, index: u32, now_ns: u64) {
        if self.conns[index as usize].carries {
            self.held_up(index, self.attention.unseen_since(now_ns), now_ns);
        }
    }

    fn held_up(&mut self, index: u32, from_ns: u64, to_ns: u64) {
        let zero_ns = self.zero_ns;
        let since_zero = |at_ns: u64| at_ns.saturating_sub(zero_ns);
        let conn = &mut self.conns[index as usize];
        let behind = conn.behind.iter_mut().map(|behind| &mut behind.flight);
        for flight in std::iter::once(&mut conn.flight).chain(behind) {
            flight.hold(since_zero(from_ns), since_zero(to_ns));
        }
    }

    /// Where the time of a request went that was never sent, and is given up at `at_ns`.
    pub(super) fn never_sent(&mut self, intended_ns: u64, outcome: Outcome, at_ns: u64) -> Parts {
        let age_ns = at_ns.saturating_sub(intended_ns);
        let over_ns = self.source.end_ns() + self.shared.plan.grace_ns;
        let own_ns = match outcome {
            // It could not be made.
            Outcome::Protocol => age_ns,
            Outcome::Unsent => {
                let free_ns = self.next_idle().map(|index| {
                    let free_ns = self.conns[index as usize].free_since_ns;
                    free_ns.saturating_sub(self.zero_ns).max(intended_ns)
                });
                // One that is free was left unused; one that is busy would be free earlier by what it owes.
                let late_ns = match free_ns {
                    Some(free_ns) => over_ns.saturating_sub(free_ns),
                    None => self.owed_ns,
                };
                late_ns + at_ns.saturating_sub(over_ns)
            }
            _ => 0,
        };
        let generator_ns = own_ns.min(age_ns);
        Parts {
            wait_ns: age_ns - generator_ns,
            server_ns: 0,
            generator_ns,
        }
    }

    /// At the end: what has come by now is an answer, though the loop was too late to see it in time.
    pub(super) fn look_once_more(&mut self) -> Result<(), WorkerError> {
        self.stopped = true;
        if self.zero_ns == 0 || self.shared.control.abandoned() {
            return Ok(());
        }
        self.turn_with(true, true)
    }
}

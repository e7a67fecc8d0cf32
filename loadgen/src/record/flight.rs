//! A request under way, and where its time went when it has ended.

/// A request under way. Times are ns since time zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Its number in the schedule.
    pub number: u64,
    /// When it was to be sent.
    pub intended_ns: u64,
    /// When it was sent: before it was due, where it is pipelined behind another one.
    pub sent_ns: u64,
    /// When it would have been sent by a generator that is never late: the later of intended and the moment at which
    /// its connection would have been free then.
    pub possible_ns: u64,
    /// When the first byte of its answer came; 0 for not yet.
    pub first_byte_ns: u64,
    /// The part of its send lag that also delays what its connection carries next.
    pub late_ns: u64,
    /// How long its connection had been clogged in all when it was sent.
    pub clogged_ns: u64,
    /// How long the generator held it up after it counted as sent: the loop did not run between its look at the clock
    /// and the system call, or saw late that the connection could take more of it.
    pub held_ns: u64,
    /// Until when that has been counted.
    pub held_to_ns: u64,
}

/// How much later than it could something has to happen for it to delay what comes behind. Below this it is the time
/// that a loop takes for its work, which a server that is the bottleneck does not notice.
pub const LATE_NS: u64 = 200_000;

/// When a request ended, ns since time zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// When it was over for the generator, which may have been late to see it.
    pub done_ns: u64,
    /// When it was over for the kernel.
    pub arrived_ns: u64,
    /// How long its connection has been clogged in all.
    pub clogged_ns: u64,
}

/// Where a request's time went, ns. The three add up to its response time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Waiting for a connection that the server kept busy, or did not let come about.
    pub wait_ns: u64,
    /// The wire and the server.
    pub server_ns: u64,
    /// The generator: sending late, reading late, and what it owed to earlier requests on the connection.
    pub generator_ns: u64,
}

impl Parts {
    /// Done minus intended.
    #[must_use]
    pub const fn response_ns(&self) -> u64 {
        self.wait_ns + self.server_ns + self.generator_ns
    }
}

impl Flight {
    /// The moment from which its response time counts.
    const fn begin_ns(&self) -> u64 {
        if self.sent_ns < self.intended_ns {
            self.sent_ns
        } else {
            self.intended_ns
        }
    }

    /// When it could have been sent, within what is possible.
    fn could_ns(&self) -> u64 {
        self.possible_ns.clamp(self.begin_ns(), self.sent_ns)
    }

    /// How much later than it could it was sent: the generator's doing. The wait for a free connection is not in it.
    #[must_use]
    pub fn lag_ns(&self) -> u64 {
        self.sent_ns - self.could_ns()
    }

    /// The wait for a connection, without what the generator added to it.
    #[must_use]
    pub fn wait_ns(&self) -> u64 {
        self.could_ns() - self.begin_ns()
    }

    /// The generator did nothing for it from `since_ns` until now, and could have.
    pub fn hold(&mut self, since_ns: u64, now_ns: u64) {
        let since_ns = since_ns.max(self.sent_ns).max(self.held_to_ns);
        let held_ns = notable(now_ns.saturating_sub(since_ns));
        if held_ns > 0 {
            self.held_ns += held_ns;
            self.held_to_ns = now_ns;
        }
    }

    /// How long the generator kept it or its answer waiting: the request on its way out, the answer in the kernel or
    /// before it, where there was no room.
    fn kept_ns(&self, end: &End) -> u64 {
        let arrived_ns = end
            .arrived_ns
            .clamp(self.sent_ns, end.done_ns.max(self.sent_ns));
        let held_ns = end.clogged_ns.saturating_sub(self.clogged_ns) + self.held_ns;
        end.done_ns.max(self.sent_ns) - arrived_ns + held_ns.min(arrived_ns - self.sent_ns)
    }

    /// Where its time went.
    #[must_use]
    pub fn parts(&self, end: &End) -> Parts {
        let kept_ns = self.kept_ns(end);
        Parts {
            wait_ns: self.wait_ns(),
            server_ns: end.done_ns.max(self.sent_ns) - self.sent_ns - kept_ns,
            generator_ns: self.lag_ns() + kept_ns,
        }
    }

    /// How much earlier its connection would have been free of it without the generator.
    #[must_use]
    pub fn delays_ns(&self, end: &End) -> u64 {
        self.late_ns + notable(self.kept_ns(end))
    }
}

/// A delay, where it is one that others notice.
#[must_use]
pub const fn notable(delay_ns: u64) -> u64 {
    if delay_ns < LATE_NS { 0 } else { delay_ns }
}

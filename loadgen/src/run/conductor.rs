//! Follows a run: fixes time zero, collects what workers tell, obeys commands, and ends it.

use super::machine::runs_on;
use super::{Event, Finished, RunError, Throttling};
use crate::clock;
use crate::commands::Command;
use crate::lua;
use crate::plan::Loop;
use crate::request_log::LogEnd;
use crate::stall::{Stall, Stalled, Stalls};
use crate::tally::Tally;
use crate::worker::{Shared, Told};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Time for workers to get to their timers between hearing of time zero and time zero.
const LEAD_NS: u64 = 3_000_000;
/// How often the run is looked at, should the workers have nothing to say.
const TICK_NS: u64 = 1_000_000_000;
/// How far ahead an early end is set, so that all workers hear of it before it comes.
const CUT_LEAD_NS: u64 = 10_000_000;

/// A process that shares a core: its id and its name.
type Sharer = (u32, String);

/// What is known of a run while it goes on.
pub(super) struct Conductor {
    shared: Arc<Shared>,
    receiver: Receiver<Told>,
    zero_wall_ns: Arc<AtomicU64>,
    zero_ns: u64,
    pub(super) tally: Tally,
    running: usize,
    /// Workers that their script has stopped, and the last intended time of those.
    stopped: usize,
    stop_ns: u64,
    /// All of them: the end is as the script wants it.
    ended_by_script: bool,
    open: usize,
    cut_ns: u64,
    /// When workers did not do their work.
    stalls: Stalls,
    /// What the quota had cost when it was last looked at.
    throttling: Throttling,
    /// Who ran on a core, and when it was looked up, monotonic ns: a run of stalls must not make a run of searches.
    sharer: Option<(u64, usize, Option<Sharer>)>,
    interrupts: u32,
    orphaned: bool,
}

impl Conductor {
    pub(super) fn new(
        shared: Arc<Shared>,
        receiver: Receiver<Told>,
        zero_wall_ns: Arc<AtomicU64>,
    ) -> Self {
        let plan = &shared.plan;
        let workers = plan.workers();
        Self {
            tally: Tally::new(plan.calendar(), workers, plan.schedule()),
            shared,
            receiver,
            zero_wall_ns,
            zero_ns: 0,
            running: workers,
            stopped: 0,
            stop_ns: 0,
            ended_by_script: false,
            open: 0,
            cut_ns: u64::MAX,
            stalls: Stalls::default(),
            throttling: Throttling::default(),
            sharer: None,
            interrupts: 0,
            orphaned: false,
        }
    }

    /// Waits for the workers' connections, and fixes time zero.
    pub(super) fn get_ready(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        let start_at_ns = self.shared.plan.start_at_ns;
        if let Some(late_ns) = start_at_ns
            .map(|at_ns| clock::wall_ns() - at_ns)
            .filter(|&late_ns| late_ns > 0)
        {
            self.shared.control.abandon();
            return Err(RunError::Late(late_ns / 1_000_000));
        }
        let mut unready = self.running;
        let mut fault = None;
        while unready > 0 && self.interrupts == 0 && !self.orphaned {
            let left_ns = start_at_ns.map_or(i64::MAX, |at_ns| {
                at_ns - clock::wall_ns() - LEAD_NS.cast_signed()
            });
            let Ok(left_ns) = u64::try_from(left_ns) else {
                break;
            };
            match self.receiver.recv_timeout(Duration::from_nanos(left_ns)) {
                Ok(Told::Ready { open, fault: own }) => {
                    self.open += open;
                    fault = fault.or(own);
                    unready -= 1;
                }
                Ok(told) => self.hear(told)?,
                Err(_) => break,
            }
        }
        tell(Event::Ready {
            open: self.open,
            fault: fault.as_deref(),
        });
        self.start(start_at_ns);
        tell(Event::Started(
            self.zero_wall_ns.load(Ordering::Relaxed).cast_signed(),
        ));
        Ok(())
    }

    fn start(&mut self, start_at_ns: Option<i64>) {
        let (now_ns, wall_ns) = (clock::now_ns(), clock::wall_ns());
        let lead_ns =
            start_at_ns.map_or(LEAD_NS, |at_ns| u64::try_from(at_ns - wall_ns).unwrap_or(0));
        self.zero_ns = now_ns + lead_ns;
        self.zero_wall_ns
            .store(wall_ns.cast_unsigned() + lead_ns, Ordering::Relaxed);
        if self.interrupts > 0 || self.orphaned {
            self.cut(0);
        }
        self.shared.control.start(self.zero_ns);
    }

    /// Collects until all workers have ended.
    pub(super) fn go_on(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        self.throttling = Throttling::now();
        let mut tick_ns = self.zero_ns + TICK_NS;
        while self.running > 0 {
            let left_ns = tick_ns.saturating_sub(clock::now_ns());
            match self.receiver.recv_timeout(Duration::from_nanos(left_ns)) {
                Ok(told) => self.hear(told)?,
                Err(RecvTimeoutError::Timeout) => {
                    self.throttling = Throttling::now();
                    let at_ns = tick_ns - self.zero_ns;
                    if let Some(second) = self.tally.overdue(at_ns) {
                        tell(Event::Waiting {
                            second,
                            at: at_ns / TICK_NS,
                        });
                    }
                    tick_ns += TICK_NS;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Broken),
            }
            while let Some(second) = self.tally.take_second() {
                tell(Event::Second(&second));
            }
        }
        Ok(())
    }

    fn hear(&mut self, told: Told) -> Result<(), RunError> {
        match told {
            Told::Ready { open, .. } => self.open += open,
            Told::Bin { worker, bin } => self.tally.add(worker, *bin),
            Told::Stalled(stalled) => self.hear_stall(&stalled),
            Told::Stopped { at_ns } => self.hear_stop(at_ns),
            Told::Ended { totals } => {
                self.tally.totals.add(&totals);
                self.running -= 1;
            }
            Told::Failed(error) => {
                self.shared.control.abandon();
                return Err(error.into());
            }
            Told::Command(command) => self.obey(command),
        }
        Ok(())
    }

    fn hear_stall(&mut self, stalled: &Stalled) {
        let throttling = Throttling::now();
        let held = throttling.since(self.throttling);
        self.throttling = throttling;
        let known = &mut self.sharer;
        let cause = stalled.cause(held.held_ns, |core| {
            let now_ns = clock::now_ns();
            match known {
                Some((at_ns, same, with)) if *same == core && now_ns - *at_ns < TICK_NS => {
                    with.clone()
                }
                _ => {
                    let with = runs_on(core);
                    *known = Some((now_ns, core, with.clone()));
                    with
                }
            }
        });
        self.stalls.add(Stall {
            from_ns: stalled.gap.from_ns,
            to_ns: stalled.gap.to_ns,
            cause,
        });
    }

    /// A worker's script has stopped it. With the last one the schedule ends.
    fn hear_stop(&mut self, at_ns: u64) {
        self.stopped += 1;
        self.stop_ns = self.stop_ns.max(at_ns);
        if self.stopped == self.shared.plan.workers() && self.cut_ns == u64::MAX {
            self.ended_by_script = true;
            self.cut(self.stop_ns + 1);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Stop => self.cut_here(),
            Command::Interrupt => self.interrupts += 1,
            Command::Orphaned => self.orphaned = true,
        }
        if self.interrupts > 0 || self.orphaned {
            self.cut_here();
        }
        if self.interrupts > 1 || self.orphaned {
            self.shared.control.abandon();
        }
    }

    /// Ends the schedule a moment from now.
    fn cut_here(&mut self) {
        if self.zero_ns == 0 {
            self.interrupts = self.interrupts.max(1);
        } else {
            self.cut((clock::now_ns() + CUT_LEAD_NS).saturating_sub(self.zero_ns));
        }
    }

    fn cut(&mut self, offset_ns: u64) {
        let plan_end_ns = self.shared.plan.end_ns();
        if offset_ns < self.cut_ns && offset_ns < plan_end_ns {
            self.cut_ns = offset_ns;
            self.tally.cut(offset_ns);
            self.shared.control.cut(offset_ns);
        }
    }

    pub(super) fn finish(
        self,
        log: LogEnd,
        script: Option<lua::Session>,
        throttled: Throttling,
    ) -> Finished {
        let plan = &self.shared.plan;
        let limited = match &plan.load {
            Loop::Open(schedule) => schedule.limit().is_some(),
            Loop::Closed { limit } => limit.is_some(),
        };
        let mut end_ns = self.cut_ns.min(plan.end_ns());
        if limited {
            // The run is over when its requests are.
            end_ns = end_ns.min(self.tally.totals.wall_ns);
        }
        let interrupted = self.cut_ns < plan.end_ns() && !self.ended_by_script;
        Finished {
            measured_ns: end_ns.saturating_sub(plan.warmup_ns),
            interrupted,
            stopped_ns: self.ended_by_script.then_some(self.cut_ns),
            orphaned: self.orphaned,
            log,
            script,
            throttling: Throttling::now().since(throttled),
            stalls: self.stalls,
            open: self.open,
            zero_wall_ns: self.zero_wall_ns.load(Ordering::Relaxed).cast_signed(),
            tally: self.tally,
        }
    }
}

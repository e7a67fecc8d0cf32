//! The end of a worker: what is left gets its outcome.

use super::{Told, Worker};
use crate::clock;
use aefm_workloads::load::Outcome;

impl Worker {
    /// Gives every request that is left its outcome, and hands in the record.
    pub(super) fn wind_up(mut self) -> Result<(), std::sync::mpsc::SendError<Told>> {
        let now_ns = clock::now_ns();
        self.owed_ns = self.busy.first().map_or(0, |key| self.flight(key).late_ns);
        while let Some(key) = self.busy.first() {
            self.give_up(key, Outcome::Unfinished, now_ns);
        }
        let at_ns = now_ns.saturating_sub(self.zero_ns);
        while let Some(left) = self.source.take_left() {
            // Hours may be left: their bins go out as they fill up.
            while let Some(bin) = self.recorder.take_closed(left.offset_ns) {
                self.tell.send(Told::Bin {
                    worker: self.index,
                    bin: Box::new(bin),
                })?;
            }
            self.not_sent(left, Outcome::Unsent, at_ns);
        }
        drop(self.log);
        let (bins, totals) = self.recorder.finish();
        for bin in bins {
            self.tell.send(Told::Bin {
                worker: self.index,
                bin: Box::new(bin),
            })?;
        }
        self.tell.send(Told::Ended {
            totals: Box::new(totals),
        })
    }
}

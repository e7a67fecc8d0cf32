//! What a container wrote: kept as lines with their instants, and followed by who wants more.

use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Mutex;
use tokio::sync::watch;

/// One line, with its end.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    /// 1: stdout, 2: stderr.
    pub(crate) channel: u8,
    pub(crate) text: Bytes,
}

/// The lines of one run of a container.
pub(crate) struct Log {
    lines: Mutex<Vec<Line>>,
    /// Lines so far, and whether there will be no more.
    progress: watch::Sender<(usize, bool)>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            progress: watch::Sender::new((0, false)),
        }
    }
}

impl Log {
    pub(crate) fn push(&self, channel: u8, text: Bytes) {
        let count = {
            let mut lines = super::open(&self.lines);
            lines.push(Line {
                at: Timestamp::now(),
                channel,
                text,
            });
            lines.len()
        };
        self.progress.send_modify(|progress| progress.0 = count);
    }

    pub(crate) fn close(&self) {
        self.progress.send_modify(|progress| progress.1 = true);
    }

    pub(crate) fn len(&self) -> usize {
        self.progress.borrow().0
    }

    /// Lines from `from` on.
    pub(crate) fn since(&self, from: usize) -> Vec<Line> {
        super::open(&self.lines)
            .get(from..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Waits until there is more after `from`; false when there never will be.
    pub(crate) async fn more(&self, from: usize) -> bool {
        let mut progress = self.progress.subscribe();
        let there = progress
            .wait_for(|(count, closed)| *count > from || *closed)
            .await;
        there.is_ok_and(|progress| progress.0 > from)
    }
}

//! Traces asked for by their ids, where searches fell short.

use super::{Jaeger, Plan, Pool};
use aefm_workloads::ids::TraceId;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

/// Questions under way at a time: one trace is a small answer.
const AT_A_TIME: usize = 8;
/// Where nothing of the load came by search, and so many questions by id bring nothing, there is nothing to be had.
const HOPELESS: usize = 100;
/// Down is down: each further id would wait through all its attempts again.
const FAILURES: usize = 20;

impl Jaeger {
    /// Asks by id for expected traces that no search found, and for those that miss spans, until `end`.
    pub(super) async fn ask_by_id(&self, plan: &Plan, pool: &mut Pool, end: Instant) {
        let (_, unanswered) = pool.unanswered(&plan.learned);
        let wanted: Vec<TraceId> =
            [pool.absent(plan), pool.incomplete(plan.whose), unanswered].concat();
        let (count, was_empty) = (wanted.len(), pool.traces() == 0);
        let mut answers = futures_util::stream::iter(wanted)
            .map(|id| self.trace(id))
            .buffer_unordered(AT_A_TIME);
        let (mut asked, mut failed) = (0, 0);
        loop {
            let Ok(answer) = timeout_at(end, answers.next()).await else {
                let reason = format!(
                    "{} traces were not asked for by id: `settle` ({:?}) was over",
                    count - asked,
                    plan.settle.patience
                );
                return pool.collected.failures.push(reason);
            };
            let Some(answer) = answer else { return };
            asked += 1;
            pool.collected.questions += 1;
            match answer {
                Ok(found) => {
                    pool.hear(&found.said);
                    let brought: usize = found
                        .traces
                        .into_iter()
                        .map(|trace| pool.take(trace, plan.whose).len())
                        .sum();
                    pool.collected.by_id += usize::from(brought > 0);
                }
                Err(error) => {
                    failed += 1;
                    // Without its id the sentence is the same for all that fail alike.
                    pool.fail(format!("a trace could not be asked for by id: {error}"));
                }
            }
            let is_hopeless = was_empty && pool.traces() == 0 && asked >= HOPELESS;
            if (is_hopeless || failed > FAILURES) && asked < count {
                let reason = format!(
                    "{} traces were not asked for by id, since {asked} others brought nothing",
                    count - asked
                );
                return pool.collected.failures.push(reason);
            }
        }
    }
}

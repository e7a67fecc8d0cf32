//! Whether spans of a case came after its tables were written: later cases ask about some traces of earlier ones.

use aefm_collector::jaeger::{Collected, Jaeger};
use aefm_workloads::ids::TraceId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many traces of a case are asked for once more: what is late is late for most of them.
const WITNESSES: usize = 20;

/// The latest traces of the run's cases, with how many spans each had.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<Vec<Witnesses>>);

#[derive(Debug)]
struct Witnesses {
    case: String,
    traces: Vec<(TraceId, usize)>,
}

impl Late {
    /// Keeps the latest traces of a case, for those that are collected after it.
    pub(super) fn remember(&self, case: &str, collected: &Collected) {
        let mut traces: HashMap<TraceId, (i64, usize)> = HashMap::new();
        for span in &collected.spans {
            let trace = traces.entry(span.trace_id).or_insert((span.start_ns, 0));
            trace.0 = trace.0.max(span.start_ns);
            trace.1 += 1;
        }
        let mut traces: Vec<_> = traces.into_iter().collect();
        traces.sort_unstable_by_key(|(id, (latest_ns, _))| (std::cmp::Reverse(*latest_ns), *id));
        let traces = traces
            .into_iter()
            .take(WITNESSES)
            .map(|(id, (_, spans))| (id, spans))
            .collect();
        self.known().push(Witnesses {
            case: case.to_owned(),
            traces,
        });
    }

    /// Asks about earlier cases, each once. Says of which spans came too late, in words.
    pub(super) async fn ask(&self, jaeger: &Jaeger) -> Vec<String> {
        let earlier = std::mem::take(&mut *self.known());
        let mut said = Vec::new();
        for Witnesses { case, traces } in earlier {
            let (mut asked, mut grown) = (0, 0);
            for (id, spans) in traces {
                // One that is not answered says nothing.
                let Ok(found) = jaeger.trace(id).await else {
                    continue;
                };
                let mut ids: Vec<_> = found
                    .traces
                    .iter()
                    .flatten()
                    .map(|span| (span.span_id, span.kind))
                    .collect();
                ids.sort_unstable();
                ids.dedup();
                asked += 1;
                grown += usize::from(ids.len() > spans);
            }
            if grown > 0 {
                said.push(format!(
                    "{grown} of {asked} traces of case {case} have more spans by now than when its tables were written: \
                     `aefm collect` takes them in, and a longer `collect.flush` waits for them"
                ));
            }
        }
        said
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Witnesses>> {
        // Nothing in there is left half done by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A scenario's sessions in one worker, one a connection.

use crate::http1::Heard;
use crate::schedule::Share;
use aefm_workloads::mix::Request;
use aefm_workloads::scenario::{Scenario, Session};
use std::sync::Arc;

/// Sessions under way, and the number of the next one.
#[derive(Debug)]
pub(crate) struct Sessions {
    scenario: Arc<Scenario>,
    seed: u64,
    prefix: String,
    next: u64,
    step: u64,
    /// By connection.
    under_way: Vec<Option<Session>>,
}

impl Sessions {
    /// Sessions `share.index`, `share.index + share.of`, ...: no two workers or shards have the same.
    pub(super) fn new(scenario: &Arc<Scenario>, seed: u64, prefix: &str, share: Share) -> Self {
        Self {
            scenario: Arc::clone(scenario),
            seed,
            prefix: prefix.to_owned(),
            next: share.index,
            step: share.of,
            under_way: Vec::new(),
        }
    }

    /// Makes `request` the next one of this connection's session, or the first of a new one.
    ///
    /// # Errors
    /// A value that an answer brought cannot stand where it has to.
    pub(super) fn fill(&mut self, connection: u32, request: &mut Request) -> Result<(), String> {
        let index = connection as usize;
        if self.under_way.len() <= index {
            self.under_way.resize_with(index + 1, || None);
        }
        let ongoing = self.under_way[index]
            .as_mut()
            .is_some_and(|session| session.next(&self.scenario, request));
        if !ongoing {
            let mut session = self.scenario.start(self.seed, self.next);
            self.next += self.step;
            session.next(&self.scenario, request);
            self.under_way[index] = Some(session);
        }
        if let Some(fault) = fault(request) {
            self.under_way[index] = None;
            return Err(fault);
        }
        request.target.insert_str(0, &self.prefix);
        Ok(())
    }

    /// Whether answers are read.
    pub(super) fn hears(&self) -> bool {
        self.scenario.reads_answers()
    }

    /// Takes from the answer what later requests need. After an error there are none.
    pub(super) fn hear(
        &mut self,
        connection: u32,
        status: u16,
        heard: &Heard,
    ) -> Result<(), String> {
        let Some(Some(session)) = self.under_way.get_mut(connection as usize) else {
            return Ok(());
        };
        if status >= 400 {
            self.end(connection);
            return Ok(());
        }
        let taken = session.answer(&self.scenario, |name| heard.values(name), heard.body());
        taken.map_err(|error| {
            self.end(connection);
            error.to_string()
        })
    }

    pub(super) fn end(&mut self, connection: u32) {
        if let Some(session) = self.under_way.get_mut(connection as usize) {
            *session = None;
        }
    }

    pub(super) fn goes_on(&self, connection: u32) -> bool {
        let session = self
            .under_way
            .get(connection as usize)
            .and_then(Option::as_ref);
        session.is_some_and(|session| session.goes_on(&self.scenario))
    }
}

/// What would break the request's head: blanks and control characters that an answer or a file brought along.
fn fault(request: &Request) -> Option<String> {
    if request
        .target
        .bytes()
        .any(|byte| byte <= b' ' || byte == 0x7f)
    {
        return Some(format!(
            "send the path `{}`: write ${{name:url}} for values with blanks",
            request.target.escape_debug()
        ));
    }
    let field = request
        .headers
        .iter()
        .find(|(_, value)| value.contains(['\r', '\n', '\0']))?;
    Some(format!(
        "send the header `{}`: its value has a line break",
        field.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_workers_or_shards_have_the_same_session() {
        let text = "name: x\nvalues: {n: {sequence: {}}}\nsessions: [{name: s, requests: [{path: '/${n}/a'}, {path: '/${n}/b'}]}]";
        let scenario = Arc::new(Scenario::from_yaml(text, |_| Err(String::new())).unwrap());
        let mut seen = BTreeSet::new();
        for (shard, worker) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let share = Share {
                index: shard,
                of: 2,
            }
            .part(worker, 2);
            let mut sessions = Sessions::new(&scenario, 1, "/p", share);
            let mut request = Request::default();
            for _ in 0..10 {
                // Two connections in turn.
                for connection in [0, 1] {
                    sessions.fill(connection, &mut request).unwrap();
                    assert!(request.target.starts_with("/p/"));
                    assert!(
                        seen.insert(request.target.clone()),
                        "{} comes twice",
                        request.target
                    );
                }
            }
        }
        // 4 workers, each with 2 connections of 5 sessions.
        let expected: BTreeSet<_> = (0..40)
            .flat_map(|n| [format!("/p/{n}/a"), format!("/p/{n}/b")])
            .collect();
        assert_eq!(seen, expected);
    }
}

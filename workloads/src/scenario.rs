//! Scenario files: workloads without code. A scenario is weighted sessions of one or more requests, whose templates
//! take seeded values, and values from the answers of requests before.
//!
//! A session is drawn from (seed, number) alone, as a native workload's request is. An engine gives each connection a
//! session, sends its next request at the next intended time after the answer before it, without think time, and starts
//! another session when there is none left: the rate counts requests, and every request has its intended time.

mod check;
mod draws;
mod file;
mod take;
mod template;

pub use check::ScenarioFault;
pub use take::TakeError;

use crate::draw::{Stream, derive_text, draw};
use crate::mix::Request;
use crate::yaml;
use draws::Generator;
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;
use std::collections::BTreeMap;
use take::Taker;
use template::Template;

/// The JSON Schema of scenario files, for editors.
pub const SCHEMA: &str = include_str!("../scenario.schema.json");

/// A checked scenario: every template can be filled, every weight counts.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    about: String,
    values: BTreeMap<String, Generator>,
    sessions: Vec<SessionPlan>,
    weights: WeightedAliasIndex<f64>,
}

/// What one kind of session sends.
#[derive(Clone, Debug)]
struct SessionPlan {
    name: String,
    requests: Vec<RequestPlan>,
}

#[derive(Clone, Debug)]
struct RequestPlan {
    method: &'static str,
    path: Template,
    headers: Vec<(&'static str, Template)>,
    body: Template,
    take: Vec<(String, Taker)>,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not a scenario at all; says where.
    #[error("read the scenario: {0}")]
    Syntax(String),
    /// It is one, and wrong.
    #[error("use the scenario: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<ScenarioFault>),
}

/// One session under way. All its methods take the scenario that started it.
#[derive(Clone, Debug)]
pub struct Session {
    kind: usize,
    seed: u64,
    number: u64,
    next: usize,
    taken: BTreeMap<String, String>,
}

impl Scenario {
    /// The scenario that a YAML text describes. `read` gives the text of a CSV file that it names, or says why not.
    ///
    /// # Errors
    /// When the text is no scenario or has faults: all of them, each with line and column.
    pub fn from_yaml(
        text: &str,
        read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, ScenarioError> {
        let file =
            yaml::read_one(text).map_err(|wrong| ScenarioError::Syntax(wrong.to_string()))?;
        check::check(file, read).map_err(ScenarioError::Faults)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it sends, in a line.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Whether something is taken from an answer, so that answers have to be read.
    #[must_use]
    pub fn reads_answers(&self) -> bool {
        self.sessions
            .iter()
            .flat_map(|session| &session.requests)
            .any(|request| !request.take.is_empty())
    }

    /// Session `number` under `seed`, before its first request.
    #[must_use]
    pub fn start(&self, seed: u64, number: u64) -> Session {
        let kind = self
            .weights
            .sample(&mut draw(seed, Stream::Content, number));
        Session {
            kind,
            seed,
            number,
            next: 0,
            taken: BTreeMap::new(),
        }
    }
}

impl Session {
    /// The kind of session this is.
    #[must_use]
    pub fn name<'a>(&self, scenario: &'a Scenario) -> &'a str {
        &scenario.sessions[self.kind].name
    }

    /// Whether it has begun and has more requests to come.
    #[must_use]
    pub fn goes_on(&self, scenario: &Scenario) -> bool {
        (1..scenario.sessions[self.kind].requests.len()).contains(&self.next)
    }

    /// Makes `request` the session's next request. False: there is none. The answer of each request must go to
    /// [`answer`](Self::answer) before the next one.
    pub fn next(&mut self, scenario: &Scenario, request: &mut Request) -> bool {
        let Some(plan) = scenario.sessions[self.kind].requests.get(self.next) else {
            return false;
        };
        self.next += 1;
        request.start(plan.method);
        let value = |name: &str, out: &mut Vec<u8>| self.value(scenario, name, out);
        let text = |template: &Template| {
            let mut bytes = Vec::new();
            template.fill(value, &mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        request.target.push_str(&text(&plan.path));
        request.headers.extend(
            plan.headers
                .iter()
                .map(|(name, template)| (*name, text(template).into())),
        );
        plan.body.fill(value, &mut request.body);
        true
    }

    /// Takes from the answer to the last request what later ones need. `header` looks up the values of all fields of a
    /// name, which is in lower case.
    ///
    /// # Errors
    /// When something is not there: the session cannot go on.
    pub fn answer<'b>(
        &mut self,
        scenario: &Scenario,
        header: impl Fn(&str) -> Vec<&'b str>,
        body: &[u8],
    ) -> Result<(), TakeError> {
        let requests = &scenario.sessions[self.kind].requests;
        let Some(plan) = self.next.checked_sub(1).and_then(|at| requests.get(at)) else {
            return Ok(());
        };
        for (name, taker) in &plan.take {
            let text = taker.take(name, &header, body)?;
            self.taken.insert(name.clone(), text);
        }
        Ok(())
    }

    /// Adds a value: one taken from an answer, else one drawn. The check has made sure that there is one.
    fn value(&self, scenario: &Scenario, name: &str, out: &mut Vec<u8>) {
        if let Some(text) = self.taken.get(name) {
            out.extend(text.as_bytes());
            return;
        }
        // A row's columns are of one row: the draw is that of the row's name.
        let (name, column) = name
            .split_once('.')
            .map_or((name, None), |(name, column)| (name, Some(column)));
        if let Some(generator) = scenario.values.get(name) {
            let mut draw = draw(derive_text(self.seed, name), Stream::Content, self.number);
            generator.write(&mut draw, self.number, column, out);
        }
    }
}

#[cfg(test)]
mod tests;

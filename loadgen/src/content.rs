//! What requests ask for, apart from any protocol.

use crate::lua::Script;
use crate::target::Target;
use aefm_workloads::mix::{Request, Workload};
use aefm_workloads::scenario::Scenario;
use std::sync::Arc;

const AUTHORIZATION: &str = "Authorization";

/// Where requests' contents come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// The same request each time.
    Fixed(Request),
    /// A native workload's.
    Workload(Drawn),
    /// A scenario's sessions, drawn from (seed, session).
    Scenario {
        /// The scenario.
        scenario: Arc<Scenario>,
        /// Its seed.
        seed: u64,
        /// Path in front of the scenario's own, without a slash at its end; mostly empty.
        prefix: String,
    },
    /// A Lua script's, in HTTP/1.1 as the script wrote it.
    Script(Arc<Script>),
}

/// A native workload: request `n` is drawn from (seed, n).
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The workload.
    pub workload: Workload,
    /// Its seed.
    pub seed: u64,
    /// Path in front of the workload's own, without a slash at its end; mostly empty.
    pub prefix: String,
}

impl Drawn {
    /// Makes `request` the request of that number.
    pub fn fill(&self, number: u64, request: &mut Request) {
        self.workload.fill(self.seed, number, request);
        if !self.prefix.is_empty() {
            request.target.insert_str(0, &self.prefix);
        }
    }
}

/// Header fields of every request: the user's, and those that follow from the URL. A request's own fields yield to the
/// user's of the same name; what follows from the URL yields to both.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The user's, name and value, in the order in which they are sent.
    pub fields: Vec<(String, String)>,
    /// The URL's: Host, and Authorization where it has a user's name and password.
    pub defaults: Vec<(String, String)>,
}

impl Fields {
    /// What follows from a URL.
    #[must_use]
    pub fn of_url(target: &Target) -> Self {
        let host = ("Host".to_owned(), target.authority.clone());
        let authorization = target
            .authorization
            .clone()
            .map(|value| (AUTHORIZATION.to_owned(), value));
        Self {
            fields: Vec::new(),
            defaults: std::iter::once(host).chain(authorization).collect(),
        }
    }

    /// What a script's table of fields starts with: its Host it makes by itself.
    #[must_use]
    pub fn for_script(&self) -> Vec<(String, String)> {
        let authorization = self
            .defaults
            .iter()
            .filter(|(name, _)| name == AUTHORIZATION && !self.has(name));
        self.fields.iter().chain(authorization).cloned().collect()
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// All fields to send with this request but Content-Length and the trace context.
    pub fn for_request<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_ref()));
        let named = |name: &str| {
            let mut own = request.headers.iter();
            self.has(name) || own.any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let defaults = self.defaults.iter().filter(move |(name, _)| !named(name));
        defaults
            .chain(&self.fields)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(own.filter(|(name, _)| !self.has(name)))
    }
}

//! What goes wrong on a test's word: refusals, cuts, verbs that are denied.

use super::refusal::Refusal;
use super::resource::{RESOURCES, Resource};
use super::route::Request;

/// Requests that fare differently.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; "" for any.
    pub verb: &'static str,
    /// Plural name, with its subresource: `pods`, `pods/log`; "" for any.
    pub resource: &'static str,
    /// How many requests; then it is over.
    pub times: usize,
    /// What they get.
    pub answer: Failure,
}

/// What a request gets instead of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429, come back in a second.
    TooManyRequests,
    /// 409: somebody else was faster.
    Conflict,
    /// 410: the revision is gone.
    Expired,
    /// 500.
    Internal,
    /// The connection ends without an answer.
    Cut,
    /// The request is carried out, and then the connection ends without an answer.
    CutAfter,
}

/// What is wrong at present.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pending: Vec<Fault>,
    denied: Vec<(String, String)>,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.pending.push(fault);
        }
    }

    /// How many requests are still to meet one.
    pub(crate) fn unmet(&self) -> usize {
        self.pending.iter().map(|fault| fault.times).sum()
    }

    pub(crate) fn deny(&mut self, verb: &str, resource: &str) {
        self.denied.push((verb.to_owned(), resource.to_owned()));
    }

    /// Whether somebody may do this (`*` in a denial is any).
    pub(crate) fn allows(&self, verb: &str, resource: &str) -> bool {
        let is = |pattern: &String, word: &str| pattern == "*" || pattern == word;
        !self
            .denied
            .iter()
            .any(|(denied, what)| is(denied, verb) && is(what, resource))
    }

    /// The fault that a request meets, one less of its times.
    pub(crate) fn meet(&mut self, request: &Request) -> Option<Failure> {
        let resource = request.named();
        let met = |fault: &Fault| {
            (fault.verb.is_empty() || fault.verb == request.verb)
                && (fault.resource.is_empty() || fault.resource == resource)
        };
        let at = self.pending.iter().position(met)?;
        self.pending[at].times -= 1;
        let answer = self.pending[at].answer;
        self.pending.retain(|fault| fault.times > 0);
        Some(answer)
    }
}

impl Failure {
    /// As the API puts it; nothing for a cut.
    pub(crate) fn refusal(self, request: &Request) -> Option<Refusal> {
        let resource: &Resource = request.resource.unwrap_or(&RESOURCES[0]);
        match self {
            Self::TooManyRequests => Some(Refusal::too_many_requests()),
            Self::Conflict => Some(Refusal::conflict(
                resource,
                &request.name,
                "the object has been modified; please apply your changes to the latest version and try again",
            )),
            Self::Expired => Some(Refusal::expired("The provided resource version is too old")),
            Self::Internal => Some(Refusal::internal(
                "Internal error occurred: a fault of the test's",
            )),
            Self::Cut | Self::CutAfter => None,
        }
    }
}

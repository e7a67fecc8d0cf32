//! Native workloads: what each request of a mix asks for, drawn from (seed, request number) alone.

mod hotel;

use std::fmt;

/// A request to send, without what the client adds (Host, Content-Length, trace context). Meant to be reused: filling
/// it again keeps its buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: &'static str,
    /// Path and query (origin form).
    pub target: String,
    /// Header fields beyond those that the client adds.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty means none.
    pub body: Vec<u8>,
}

impl Request {
    /// Starts over with this method, keeping the buffers.
    pub fn start(&mut self, method: &'static str) {
        self.method = method;
        self.target.clear();
        self.headers.clear();
        self.body.clear();
    }
}

/// A native workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// `<application>/<mix>`.
    pub name: &'static str,
    /// One line on what it sends.
    pub about: &'static str,
    fill: fn(u64, u64, &mut Request),
}

impl Workload {
    /// All native workloads, by name.
    pub const ALL: &'static [Self] = hotel::WORKLOADS;

    /// The workload of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|workload| workload.name == name)
    }

    /// Makes `request` the request of that number under `seed`.
    pub fn fill(self, seed: u64, number: u64, request: &mut Request) {
        (self.fill)(seed, number, request);
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

//! Native workloads: what each request of a mix asks for, drawn from (seed, request number) alone.

mod hotel;
mod media;
pub(crate) mod social;
pub(crate) mod text;
mod train;

use crate::catalogue::names;
use crate::draw::{Draw, Stream, draw};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// A request to send, without what the client adds (Host, Content-Length, trace context). Meant to be reused: filling
/// it again keeps its buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: &'static str,
    /// Path and query (origin form).
    pub target: String,
    /// Header fields beyond those that the client adds.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
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

    /// Starts over with a form to come.
    pub(crate) fn start_form(&mut self, method: &'static str) {
        self.start(method);
        self.headers
            .push(("Content-Type", "application/x-www-form-urlencoded".into()));
    }

    /// Starts over with JSON to come.
    pub(crate) fn start_json(&mut self, method: &'static str) {
        self.start(method);
        self.headers
            .push(("Content-Type", "application/json".into()));
    }

    /// Adds to the target.
    fn write(&mut self, target: fmt::Arguments<'_>) {
        // A string takes any text: there is no error to lose.
        let _ = self.target.write_fmt(target);
    }
}

/// A native workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// `<application>/<mix>`.
    pub name: &'static str,
    /// One line on what it sends.
    pub about: &'static str,
    fill: fn(&mut Draw, &mut Request),
}

impl Workload {
    /// All native workloads, one application after another.
    pub const ALL: &'static [Self] = &[
        Self::new(
            "hotel-reservation/mixed",
            "60 % search, 39 % recommendation, 0.5 % login, 0.5 % reservation",
            hotel::mixed,
        ),
        Self::new(
            "hotel-reservation/search",
            "hotels near a place that are free between two days",
            hotel::search,
        ),
        Self::new(
            "hotel-reservation/recommendation",
            "hotels near a place by distance, rating or price",
            hotel::recommend,
        ),
        Self::new("hotel-reservation/login", "a user logs in", hotel::login),
        Self::new(
            "hotel-reservation/reservation",
            "a user books a room",
            hotel::reserve,
        ),
        Self::new(
            "social-network/mixed",
            "60 % reads of a home timeline, 30 % of a user's timeline, 10 % new posts",
            social::mixed,
        ),
        Self::new(
            "social-network/compose-post",
            "a user posts a text with mentions, links and media",
            social::compose,
        ),
        Self::new(
            "social-network/read-home-timeline",
            "ten posts of those whom a user follows",
            social::read_home,
        ),
        Self::new(
            "social-network/read-user-timeline",
            "ten posts of a user",
            social::read_user,
        ),
        Self::new(
            "media-microservices/compose-review",
            "a user rates a movie and writes about it",
            media::compose_review,
        ),
        Self::new(
            "train-ticket/query",
            "trips that are left between two cities, half of them each way",
            train::query,
        ),
    ];

    const fn new(
        name: &'static str,
        about: &'static str,
        fill: fn(&mut Draw, &mut Request),
    ) -> Self {
        Self { name, about, fill }
    }

    /// The application whose entry takes the requests.
    #[must_use]
    pub fn app(self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(app, _)| app)
    }

    /// The workload of that name, or of another one that it has ([`names::native`]).
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let other = names::native(name);
        let name = other.as_deref().unwrap_or(name);
        Self::ALL
            .iter()
            .copied()
            .find(|workload| workload.name == name)
    }

    /// Makes `request` the request of that number under `seed`.
    pub fn fill(self, seed: u64, number: u64, request: &mut Request) {
        (self.fill)(&mut draw(seed, Stream::Content, number), request);
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
pub(crate) mod tests;

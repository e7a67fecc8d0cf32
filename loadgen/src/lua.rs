//! wrk's and wrk2's Lua scripts: what to send, and what to do with answers, decided by a script as it was written for
//! them. One virtual machine a worker, as one a thread there, and one for `setup` and `done`.
//!
//! A script's faults before the load end the program; those in mid-run end the request they concern.

mod address;
mod fault;
mod machine;
mod player;
mod session;
mod stats;
mod thread;
mod totals;
mod transfer;
mod wire;

pub use fault::{Hook, ScriptError};
pub(crate) use player::Player;
pub(crate) use session::Session;
pub(crate) use totals::Totals;

use crate::target::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A script and what it is given. Not yet run.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its file, for messages.
    pub path: PathBuf,
    /// Its text.
    pub source: Arc<[u8]>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The URL's host, without brackets.
    pub host: String,
    /// The same for this machine's resolver: with its zone.
    pub lookup_name: String,
    /// The URL's port, if it has one.
    pub port: Option<u16>,
    /// The URL's path and query.
    pub target: String,
    /// The method that `wrk.method` starts with.
    pub method: String,
    /// The body that `wrk.body` starts with.
    pub body: Option<Vec<u8>>,
    /// What `wrk.headers` starts with.
    pub headers: Vec<(String, String)>,
    /// The global `url`, which DeathStarBench's fork of wrk2 sets: the URL as typed.
    pub url: String,
    /// `init`'s arguments: the URL, then the script's own.
    pub args: Vec<String>,
    /// What `math.randomseed` does: draws from this seed, shard and worker, or (none) what it is told.
    pub seed: Option<u64>,
    /// What the script prints goes to standard error, because standard output has its own form.
    pub prints_to_stderr: bool,
}

impl Script {
    /// The script as it is without any option, and with a random seed of the wall clock's.
    pub(crate) fn new(path: &Path, source: Vec<u8>, target: &Target) -> Self {
        Self {
            path: path.to_owned(),
            source: source.into(),
            scheme: if target.tls { "https" } else { "http" },
            host: target.host.clone(),
            lookup_name: target.lookup_name(),
            port: target.named_port(),
            target: target.path.clone(),
            method: "GET".to_owned(),
            body: None,
            headers: Vec::new(),
            url: String::new(),
            args: Vec::new(),
            seed: None,
            prints_to_stderr: false,
        }
    }

    /// What `wrk.lookup` takes for the URL's port.
    fn service(&self) -> String {
        self.port
            .map_or_else(|| self.scheme.to_owned(), |port| port.to_string())
    }
}

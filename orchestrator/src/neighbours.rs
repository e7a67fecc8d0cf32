//! Other runs on this machine, found without a file: each run binds an abstract socket, and the kernel lists them.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

const PREFIX: &str = "aefm-run/";

/// Says that this run is here until it is dropped, and knows who else was when it began.
#[derive(Debug)]
pub(crate) struct Presence {
    _socket: UnixListener,
    others: Vec<String>,
}

impl Presence {
    /// Announces a run.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub(crate) fn announce(run_id: &str) -> io::Result<Self> {
        let others = running();
        let address = SocketAddr::from_abstract_name(format!("{PREFIX}{run_id}"))?;
        Ok(Self {
            _socket: UnixListener::bind_addr(&address)?,
            others,
        })
    }

    /// Ids of the runs that were under way.
    #[must_use]
    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }
}

/// Ids of the runs that are under way on this machine.
#[must_use]
pub(crate) fn running() -> Vec<String> {
    fs::read_to_string("/proc/net/unix")
        .map(|table| runs(&table))
        .unwrap_or_default()
}

/// Run ids in the kernel's table of unix sockets, where an abstract name begins with `@`.
fn runs(table: &str) -> Vec<String> {
    let id = |line: &str| {
        line.split_whitespace()
            .last()?
            .strip_prefix('@')?
            .strip_prefix(PREFIX)
            .map(str::to_owned)
    };
    table.lines().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_sees_the_first_and_not_itself() {
        let first = Presence::announce("test-first").expect("a socket");
        let second = Presence::announce("test-second").expect("a socket");
        assert!(second.others().contains(&"test-first".to_owned()));
        assert!(!second.others().contains(&"test-second".to_owned()));
        drop(first);
        let third = Presence::announce("test-third").expect("a socket");
        assert!(!third.others().contains(&"test-first".to_owned()));
    }
}

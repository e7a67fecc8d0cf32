//! Ports for servers that tests start, and ports where nobody is.
//!
//! To bind port 0, look and let go is not it: until a server takes the port, any connection of this machine's may get it for
//! its own end, and a child that another thread is just starting still listens there until it runs its program.

use nix::sys::socket::{Shutdown, shutdown};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what Linux gives connections (from 32768) and Kubernetes gives services (from 30000).
const RANGE: std::ops::Range<u32> = 12_000..29_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on loopback that nobody has, and that nobody gets who does not ask for it by number.
///
/// # Panics
/// All are taken.
#[must_use]
pub fn free() -> u16 {
    // Test programs that run at the same time start in different places.
    let start = std::process::id().wrapping_mul(7_919);
    let nobody = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_err();
    (0..RANGE.len())
        .map(|_| {
            RANGE.start
                + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
                    % (RANGE.end - RANGE.start)
        })
        .map(|port| u16::try_from(port).expect("the range has ports only"))
        .find(nobody)
        .expect("some port is free")
}

/// Closes a listener, in every process that has it.
///
/// # Panics
/// It does not listen.
pub fn close(listener: impl AsRawFd) {
    shutdown(listener.as_raw_fd(), Shutdown::Both).expect("it listens");
    drop(listener);
}

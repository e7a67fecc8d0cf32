//! What scripts are made of.

use super::Wire;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// An answer with this status and body.
pub fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Ends the connection with RST instead of FIN.
pub fn reset(wire: &mut Wire) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = setsockopt(wire.stream(), Linger, &linger);
    wire.forget_close();
}

/// A gate that all answers of a server pass, closed for `stall` at the end of every `period` since it was first passed.
pub fn gate(period: Duration, stall: Duration) -> Arc<impl Fn() + Send + Sync> {
    let zero = OnceLock::new();
    Arc::new(move || {
        let zero: &Instant = zero.get_or_init(Instant::now);
        let at = Duration::from_nanos((zero.elapsed().as_nanos() % period.as_nanos()) as u64);
        if at >= period - stall {
            std::thread::sleep(period - at);
        }
    })
}

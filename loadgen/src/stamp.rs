//! When the kernel received what a socket hands out: so that an answer that was read late is not taken for a late answer.
//!
//! The kernel notes the wall time of each segment that comes in, and one read tells that of the last segment it took.
//! Asking for it costs a little, so it is asked for where it matters: once a turn of the loop, and for all of a turn that
//! turned out to be late.

use crate::clock;
use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, TimestampingFlag, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use socket2::Socket;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd};

/// As much in the receive buffer may have closed the window: from here on the server may have had to wait for us. The
/// kernel's first window is 64 KiB.
const CLOGGED_BYTES: usize = 32 * 1024;

/// What is known of one socket's arrivals. Times are monotonic ns.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// Ask the kernel.
    wanted: bool,
    /// When the bytes of the last read had arrived; 0 where nobody asked, or nobody knows.
    arrived_ns: u64,
    /// For how long in all the receive buffer may have been full because it was not read.
    clogged_ns: u64,
    /// What the last read has added to that.
    last_clogged_ns: u64,
    /// Until when that has been counted.
    counted_ns: u64,
    /// The kernel's control message; kept for its memory.
    control: Vec<u8>,
}

impl Stamps {
    /// Has the kernel note arrivals on this socket. Where it cannot (unix sockets), times of arrival stay unknown.
    pub(crate) fn on(socket: &Socket) -> Self {
        let software = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        let known = setsockopt(&socket.as_fd(), Timestamping, &software).is_ok();
        Self {
            control: if known {
                nix::cmsg_space!([TimeSpec; 3])
            } else {
                Vec::new()
            },
            ..Self::default()
        }
    }

    /// Whether the reads that follow are to ask.
    pub(crate) fn want(&mut self, wanted: bool) {
        self.wanted = wanted && self.control.capacity() > 0;
        self.arrived_ns = 0;
    }

    /// When the bytes of the last read had arrived, if that is known.
    pub(crate) fn arrived_ns(&self) -> Option<u64> {
        Some(self.arrived_ns).filter(|&at_ns| at_ns > 0)
    }

    /// For how long in all the server may have had to wait until we read.
    pub(crate) const fn clogged_ns(&self) -> u64 {
        self.clogged_ns
    }

    /// The same before the last read, whose bytes were late as a whole.
    pub(crate) const fn clogged_before_ns(&self) -> u64 {
        self.clogged_ns - self.last_clogged_ns
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.last_clogged_ns = 0;
        if !self.wanted {
            return socket.read(buffer);
        }
        let room = buffer.len();
        let mut pieces = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut pieces,
            Some(&mut self.control),
            MsgFlags::empty(),
        )?;
        let count = message.bytes;
        let stamp_ns = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampsns(stamps) => Some(wall_ns(stamps.system)),
                _ => None,
            })
        });
        if let Some(stamp_ns) = stamp_ns {
            let (now_ns, now_wall_ns) = (clock::now_ns(), clock::wall_ns());
            let ago_ns = u64::try_from(now_wall_ns - stamp_ns).unwrap_or(0);
            self.arrived_ns = now_ns.saturating_sub(ago_ns);
            let full = count >= CLOGGED_BYTES
                || (count == room && count + waiting(socket) >= CLOGGED_BYTES);
            if full {
                let since_ns = self.arrived_ns.max(self.counted_ns).min(now_ns);
                self.last_clogged_ns = now_ns - since_ns;
                self.clogged_ns += self.last_clogged_ns;
                self.counted_ns = now_ns;
            }
        }
        Ok(count)
    }
}

fn wall_ns(time: TimeSpec) -> i64 {
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Bytes that are left in the receive buffer.
#[expect(
    unsafe_code,
    reason = "nix has no call for FIONREAD; it writes one int"
)]
fn waiting(socket: &Socket) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and FIONREAD writes one int to where it is told.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if done == 0 {
        usize::try_from(count).unwrap_or(0)
    } else {
        0
    }
}

/// When the last data left by this socket, between the two times in which it must have been: the kernel counts that in
/// ticks of some milliseconds. The later one where it cannot tell.
#[expect(
    unsafe_code,
    reason = "nix has no TCP_INFO; the kernel writes at most as much as it is told there is room for"
)]
pub(crate) fn left_ns(socket: &impl AsRawFd, from_ns: u64, to_ns: u64) -> u64 {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; pointer and length describe `info`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if done == 0 {
        let ago_ns = u64::from(info.tcpi_last_data_sent) * 1_000_000;
        to_ns.saturating_sub(ago_ns).max(from_ns)
    } else {
        to_ns
    }
}

/// A socket that is read with its stamps: what TLS takes its records from.
pub(crate) struct Stamped<'a>(pub(crate) &'a Socket, pub(crate) &'a mut Stamps);

impl Read for Stamped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.read(self.0, buffer)
    }
}

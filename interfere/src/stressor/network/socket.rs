//! What the standard library's sockets do not offer: discarding what arrives without copying it, asking what is not yet
//! acknowledged, letting the kernel space packets out, and looking without waiting.

#![expect(unsafe_code, reason = "system calls that no safe wrapper offers")]

use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Most that is discarded in one call.
const DISCARD_BYTES: usize = 4 << 20;

/// Takes what has arrived and throws it away inside the kernel. Zero: the other side is done.
pub(super) fn discard(stream: &TcpStream) -> io::Result<u64> {
    // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the buffer, which therefore may be null.
    let length = unsafe {
        libc::recv(
            stream.as_raw_fd(),
            std::ptr::null_mut(),
            DISCARD_BYTES,
            libc::MSG_TRUNC,
        )
    };
    u64::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Bytes that were written and not yet acknowledged by the other side.
pub(super) fn unacknowledged(stream: &TcpStream) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the call writes one int to where it is told, which is one.
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == 0 {
        Ok(u64::try_from(bytes).unwrap_or(0))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the kernel send no faster than that (bytes a second; none: as fast as it can).
pub(super) fn pace(stream: &TcpStream, bytes_per_s: Option<f64>) -> io::Result<()> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, as it should"
    )]
    let rate: u64 = bytes_per_s.map_or(u64::MAX, |rate| rate.max(1.0) as u64);
    let size = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(8);
    // SAFETY: the kernel reads eight bytes from where it is told, where there are eight.
    let done = unsafe {
        let value = (&raw const rate).cast();
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            value,
            size,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads what is there, without waiting for more; `WouldBlock` when nothing is.
pub(super) fn read_now(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    Ok(recv(stream.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT)?)
}

/// Writes as much as goes without waiting; `WouldBlock` when nothing does.
pub(super) fn write_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(
        stream.as_raw_fd(),
        bytes,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    )?)
}

/// Whether the other end is closed, and all that it sent is read.
pub(super) fn gone(stream: &TcpStream) -> bool {
    let peek = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
    !matches!(
        recv(stream.as_raw_fd(), &mut [0], peek),
        Ok(1..) | Err(nix::Error::EAGAIN | nix::Error::EINTR)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn what_arrives_can_be_thrown_away_and_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        pace(&near, Some(1e9)).unwrap();
        near.write_all(&[1; 5000]).unwrap();
        let mut thrown = 0;
        while thrown < 5000 {
            thrown += discard(&far).unwrap();
        }
        while unacknowledged(&near).unwrap() > 0 {
            std::thread::yield_now();
        }
        assert!(
            !gone(&far)
                && read_now(&far, &mut [0])
                    .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        );
        assert_eq!(write_now(&far, &[7]).unwrap(), 1);
        assert_eq!((read_now(&near, &mut [0; 9]).unwrap_or(1)), 1);
        drop(near);
        assert_eq!(discard(&far).unwrap(), 0);
        assert!(gone(&far));
    }
}

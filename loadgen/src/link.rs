//! A connection's bytes: TCP, unix socket, or TLS over either, all non-blocking.

use crate::stamp::{Stamps, left_ns};
use crate::target::Address;
use crate::tls::{Tls, TlsConfig};
use nix::sys::socket::{getsockopt, sockopt::SocketError};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// An open or opening connection.
#[derive(Debug)]
pub(crate) enum Link {
    Plain(Socket, Stamps),
    Tls(Box<Tls>),
}

impl Link {
    /// Starts connecting. Whether it came about shows when the socket gets writable: see [`Self::connected`].
    pub(crate) fn connect(address: &Address, tls: Option<&TlsConfig>) -> io::Result<Self> {
        let (domain, address) = match address {
            Address::Ip(ip) => (Domain::for_address(*ip), SockAddr::from(*ip)),
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)?;
        if domain != Domain::UNIX {
            socket.set_tcp_nodelay(true)?;
        }
        match socket.connect(&address) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(match tls {
            None => {
                let stamps = Stamps::on(&socket);
                Self::Plain(socket, stamps)
            }
            Some(config) => Self::Tls(Box::new(Tls::new(socket, config)?)),
        })
    }

    /// The connect's result, once the socket is writable.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match getsockopt(&self.as_fd(), SocketError)? {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// Goes on with the TLS handshake: done, or waiting for the network.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(..) => Ok(true),
            Self::Tls(tls) => tls.handshake(),
        }
    }

    /// Whether the handshake has agreed on HTTP/2; without TLS both sides know beforehand.
    pub(crate) fn speaks_http2(&self) -> bool {
        match self {
            Self::Plain(..) => true,
            Self::Tls(tls) => tls.protocol() == Some(b"h2"),
        }
    }

    /// Reads what is there. Would-block ends a round; 0 is the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket, stamps) => stamps.read(socket, buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Writes what the kernel takes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // `send` with MSG_NOSIGNAL: a peer that is gone is an error here, not a signal.
            Self::Plain(socket, _) => socket.send_with_flags(bytes, libc::MSG_NOSIGNAL),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Whether bytes that were taken by [`Self::write`] still wait for the kernel (TLS buffers records).
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(..) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// Whether a read shorter than the buffer means that there is no more. TLS hands out one record at a time.
    pub(crate) fn drained_by_short_read(&self) -> bool {
        matches!(self, Self::Plain(..))
    }

    /// What is known of when its bytes came.
    pub(crate) fn stamps(&mut self) -> &mut Stamps {
        match self {
            Self::Plain(_, stamps) => stamps,
            Self::Tls(tls) => tls.stamps(),
        }
    }

    /// For how long in all the server may have had to wait until we read.
    pub(crate) fn clogged_ns(&self) -> u64 {
        match self {
            Self::Plain(_, stamps) => stamps.clogged_ns(),
            Self::Tls(tls) => tls.clogged_ns(),
        }
    }

    /// When what was written last left, between the two times in which it was written.
    pub(crate) fn left_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        left_ns(self.socket(), from_ns, to_ns)
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket, _) => socket,
            Self::Tls(tls) => tls.socket(),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

//! The server: one listener for any number of clients, a thread a connection, each bounded by its client's life.

use super::StartError;
use super::auth::{Answer, Request, Token, challenge, random_bytes, write_line};
use super::client::{Sender, control_line};
use super::{socket, udp};
use crate::clock;
use crate::crew::pin;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A client has so long to prove itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a thread that waits looks whether it should stop.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// More connections than this are refused: each costs a thread.
const MOST_CONNECTIONS: usize = 4096;
/// Where the server sends, it stops when its client said nothing for so long.
const LEASE_NS: u64 = 5 * clock::SECOND_NS;
/// Grid on which the server sends.
const PERIOD_NS: u64 = 5_000_000;

/// What the server's threads share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    stop: AtomicBool,
    bytes: AtomicU64,
    connections: AtomicUsize,
    refused: AtomicU64,
}

impl Shared {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A server at work. Dropping it closes everything.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens there; its threads run on those cores.
    pub(super) fn start(
        address: SocketAddr,
        token: Token,
        cores: Vec<usize>,
    ) -> Result<Self, StartError> {
        let failed = |error| StartError::system(format!("listen on {address}"), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let common = Arc::clone(&shared);
        let thread = thread::Builder::new().name("net-listen".to_owned());
        let thread = thread
            .spawn(move || listen(&listener, &token, &cores, &common))
            .map_err(failed)?;
        Ok(Self {
            address,
            shared,
            listener: Some(thread),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that it received and sent.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn failure(&self) -> Option<String> {
        let over = self.listener.as_ref().is_none_or(JoinHandle::is_finished);
        over.then(|| "go on listening: the listener's thread is gone".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It joins its connections. A panic has been printed.
            let _ = listener.join();
        }
    }
}

fn listen(listener: &TcpListener, token: &Token, cores: &[usize], shared: &Arc<Shared>) {
    let mut connections: Vec<JoinHandle<()>> = Vec::new();
    while !shared.stopped() {
        match listener.accept() {
            Ok((stream, peer)) => {
                connections.retain(|connection| !connection.is_finished());
                if connections.len() >= MOST_CONNECTIONS {
                    continue;
                }
                let (token, shared) = (token.clone(), Arc::clone(shared));
                let core = cores[connections.len() % cores.len()];
                let thread = thread::Builder::new()
                    .name("net-serve".to_owned())
                    .stack_size(256 << 10);
                let serving = thread.spawn(move || {
                    // Pinning is a wish here: a server serves wherever it may run.
                    let _ = pin(core);
                    let _ = prctl::set_timerslack(1);
                    admit(stream, peer, &token, &shared);
                });
                connections.extend(serving);
            }
            Err(_) => wait_for(listener),
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
}

/// Until something comes, but no longer than a look takes.
pub(super) fn wait_for(socket: &impl AsFd) {
    let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
    // Whatever ends the wait, the caller looks again.
    let _ = poll(
        &mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)],
        timeout,
    );
}

/// Serves a connection if its client proves to hold the token.
fn admit(mut stream: TcpStream, peer: SocketAddr, token: &Token, shared: &Shared) {
    let proved = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_nodelay(true))
        // A client that asks for nothing says nothing: the system finds out whether it is still there.
        .and_then(|()| socket2::SockRef::from(&stream).set_keepalive(true))
        .and_then(|()| challenge(&mut stream, token));
    match proved {
        Ok(request) => {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            // How a connection ends is its client's matter; what it moved has been counted.
            let _ = serve(stream, peer, request, shared);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Said the first time, and then counted only: a log that strangers can fill is a way to harm.
            if shared.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                eprintln!("network: refused {peer}: the token is wrong");
            }
            let answer = Answer {
                udp_port: None,
                flow: 0,
                refused: Some("the token is wrong".to_owned()),
            };
            let _ = serde_json::to_string(&answer).map(|line| write_line(&mut stream, &line));
        }
        Err(_) => {}
    }
}

fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    request: Request,
    shared: &Shared,
) -> io::Result<()> {
    let flow = u64::from_le_bytes(random_bytes()?);
    let socket = if request.udp {
        Some(udp::bind_beside(&stream)?)
    } else {
        None
    };
    let udp_port = match &socket {
        Some(socket) => Some(socket.local_addr()?.port()),
        None => None,
    };
    let answer = Answer {
        udp_port,
        flow,
        refused: None,
    };
    write_line(&mut stream, &serde_json::to_string(&answer)?)?;
    stream.set_read_timeout(Some(LOOK))?;
    match (socket, request.down) {
        (None, false) => sink(&stream, shared),
        (None, true) => source(&stream, shared),
        (Some(socket), false) => udp::sink(&stream, &socket, peer.ip(), flow, shared),
        (Some(socket), true) => udp::source(&stream, &socket, peer.ip(), flow, shared),
    }
}

/// Throws away what arrives, until the client is done.
fn sink(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    while !shared.stopped() {
        match socket::discard(stream) {
            Ok(0) => return Ok(()),
            Ok(bytes) => shared.count(bytes),
            Err(error) if idle(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends at the rate that the client asks for, as long as it goes on asking.
fn source(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut sender = Sender::new(stream.try_clone()?)?;
    let mut asked = Asked::default();
    let mut pacer = crate::duty::Duty::new(1.0).carrying(2.0);
    let mut edge_ns = clock::mono_ns();
    while !shared.stopped() && asked.hear(stream)? {
        let quota = asked.bytes_per_s * crate::holding::seconds(PERIOD_NS);
        let used = sender.send(pacer.grant(quota), asked.bytes_per_s, edge_ns + PERIOD_NS)?;
        shared.count(used);
        let periods = (clock::mono_ns().saturating_sub(edge_ns) / PERIOD_NS).max(1);
        edge_ns += periods * PERIOD_NS;
        #[expect(
            clippy::cast_precision_loss,
            reason = "what one period sends is far below 2^52"
        )]
        pacer.settle(quota, periods, used as f64);
        asked.pause(stream, edge_ns);
    }
    Ok(())
}

/// What a client wants to be sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) bytes_per_s: f64,
    heard_ns: u64,
    line: Vec<u8>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            bytes_per_s: 0.0,
            heard_ns: clock::mono_ns(),
            line: Vec::new(),
        }
    }
}

impl Asked {
    /// Takes what the client said. False: it is gone, or silent for too long.
    pub(super) fn hear(&mut self, control: &TcpStream) -> io::Result<bool> {
        let mut bytes = [0; 512];
        match socket::read_now(control, &mut bytes) {
            Ok(0) => return Ok(false),
            Ok(length) => {
                self.line.extend_from_slice(&bytes[..length]);
                self.heard_ns = clock::mono_ns();
                while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.line.drain(..=end).collect();
                    self.bytes_per_s = control_line::parse(&line).unwrap_or(self.bytes_per_s);
                }
                // No control is longer: whoever sends such is no client.
                if self.line.len() > 4096 {
                    return Ok(false);
                }
            }
            Err(error) if idle(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(self.bytes_per_s == 0.0 || clock::mono_ns() - self.heard_ns < LEASE_NS)
    }

    /// Until the next period begins; while nothing is asked for, until the client says something.
    pub(super) fn pause(&self, control: &TcpStream, edge_ns: u64) {
        if self.bytes_per_s == 0.0 {
            wait_for(control);
        } else {
            clock::sleep_until(edge_ns);
        }
    }
}

/// Nothing came within the time-out.
pub(super) fn idle(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

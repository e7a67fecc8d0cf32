//! Datagrams beside an authenticated connection, which stays open as long as they flow.
//!
//! Every datagram begins with the flow's number, which only that connection's two ends know. A server takes datagrams
//! from its client's address alone, and sends only to the address and port from which such a datagram came: it cannot
//! be made to send to a third party.

use super::client::{BoxedFlow, Flow, Quiet, Renewal, quota};
use super::server::{Asked, Shared, idle, wait_for};
use super::socket;
use crate::clock;
use crate::crew::Shift;
use crate::duty::Duty;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Fits into one packet of every usual network.
pub(super) const PAYLOAD_BYTES: usize = 1400;
/// Room for bursts between two looks of the receiver.
const BUFFER_BYTES: usize = 4 << 20;
/// How often the receiver says what came.
const TELL_NS: u64 = 10_000_000;
/// Grid on which the server sends.
const PERIOD_NS: u64 = 5_000_000;

/// A datagram socket at the same address as a connection.
pub(super) fn bind_beside(stream: &TcpStream) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((stream.local_addr()?.ip(), 0))?;
    // Less room than that means more loss, which is counted.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES);
    socket.set_read_timeout(Some(Duration::from_nanos(TELL_NS)))?;
    Ok(socket)
}

/// The server's side of a flow that the client sends: counts it, and says so.
pub(super) fn sink(
    stream: &TcpStream,
    datagrams: &UdpSocket,
    peer: IpAddr,
    flow: u64,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = [0; 65_536];
    let (mut all, mut told, mut told_ns) = (0_u64, 0, 0);
    while !shared.stopped() {
        match datagrams.recv_from(&mut buffer) {
            Ok((length, from)) if from.ip() == peer && belongs(&buffer[..length], flow) => {
                all += length as u64;
                shared.count(length as u64);
            }
            Ok(_) => {}
            // All that came is told: whoever asks for nothing is waited for.
            Err(error) if idle(&error) && told == all => wait_for(datagrams),
            Err(error) if idle(&error) => {}
            Err(error) => return Err(error),
        }
        if clock::mono_ns() - told_ns >= TELL_NS {
            told_ns = clock::mono_ns();
            if told != all {
                match socket::write_now(stream, format!("{all}\n").as_bytes()) {
                    Ok(_) => told = all,
                    Err(error) if idle(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            if socket::gone(stream) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The server's side of a flow that it sends.
#[expect(
    clippy::cast_precision_loss,
    reason = "what one period sends is far below 2^52"
)]
pub(super) fn source(
    stream: &TcpStream,
    datagrams: &UdpSocket,
    peer: IpAddr,
    flow: u64,
    shared: &Shared,
) -> io::Result<()> {
    let Some(to) = await_client(stream, datagrams, peer, flow, shared)? else {
        return Ok(());
    };
    let datagram = datagram(flow);
    let mut asked = Asked::default();
    let mut account = Duty::new(PAYLOAD_BYTES as f64).carrying(2.0);
    let mut edge_ns = clock::mono_ns();
    while !shared.stopped() && asked.hear(stream)? {
        let due = quota(asked.bytes_per_s);
        let grant = account.grant(due);
        let mut sent = 0;
        while (sent as f64) < grant && clock::mono_ns() < edge_ns + PERIOD_NS {
            // What the network does not take is lost, as datagrams are.
            let _ = datagrams.send_to(&datagram, to);
            sent += PAYLOAD_BYTES as u64;
        }
        shared.count(sent);
        let periods = (clock::mono_ns().saturating_sub(edge_ns) / PERIOD_NS).max(1);
        edge_ns += periods * PERIOD_NS;
        account.settle(due, periods, sent as f64);
        asked.pause(stream, edge_ns);
    }
    Ok(())
}

/// Where the client's first datagram comes from; none when the client goes away first.
fn await_client(
    control: &TcpStream,
    datagrams: &UdpSocket,
    peer: IpAddr,
    flow: u64,
    shared: &Shared,
) -> io::Result<Option<SocketAddr>> {
    let mut buffer = [0; 2048];
    let start_ns = clock::mono_ns();
    while !shared.stopped() && clock::mono_ns() - start_ns < 5 * clock::SECOND_NS {
        match datagrams.recv_from(&mut buffer) {
            Ok((length, from)) if from.ip() == peer && belongs(&buffer[..length], flow) => {
                return Ok(Some(from));
            }
            Ok(_) => {}
            Err(error) if idle(&error) => {}
            Err(error) => return Err(error),
        }
        if socket::gone(control) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The client's side.
pub(super) fn flow(
    stream: TcpStream,
    to: SocketAddr,
    flow: u64,
    down: bool,
) -> io::Result<BoxedFlow> {
    let socket = bind_beside(&stream)?;
    socket.connect(to)?;
    if down {
        socket.set_read_timeout(Some(Duration::from_nanos(PERIOD_NS)))?;
        return Ok(Box::new(Receiver {
            stream,
            socket,
            flow,
            ask: Renewal::default(),
            heard: false,
            target: to,
            quiet: Quiet::default(),
        }));
    }
    Ok(Box::new(Sender {
        stream,
        socket,
        datagram: datagram(flow),
        line: Vec::new(),
        arrived: 0,
    }))
}

struct Sender {
    stream: TcpStream,
    socket: UdpSocket,
    datagram: Vec<u8>,
    line: Vec<u8>,
    arrived: u64,
}

impl Flow for Sender {
    fn go(&mut self, _: &Shift, bytes: u64, _: f64) -> io::Result<(u64, u64)> {
        let datagrams = bytes.div_ceil(PAYLOAD_BYTES as u64).min(64);
        for _ in 0..datagrams {
            // What the network does not take is lost, as datagrams are; the receiver's count is what matters.
            let _ = self.socket.send(&self.datagram);
        }
        let before = self.arrived;
        self.listen()?;
        Ok((datagrams * PAYLOAD_BYTES as u64, self.arrived - before))
    }
}

impl Sender {
    /// Takes what the receiver says.
    fn listen(&mut self) -> io::Result<()> {
        let mut bytes = [0; 1024];
        match socket::read_now(&self.stream, &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::ConnectionReset.into()),
            Ok(length) => self.line.extend_from_slice(&bytes[..length]),
            Err(error) if idle(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let said = std::str::from_utf8(&line)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            self.arrived = self.arrived.max(said.unwrap_or(0));
        }
        Ok(())
    }
}

struct Receiver {
    stream: TcpStream,
    socket: UdpSocket,
    flow: u64,
    ask: Renewal,
    heard: bool,
    target: SocketAddr,
    quiet: Quiet,
}

impl Flow for Receiver {
    fn go(&mut self, shift: &Shift, _: u64, bytes_per_s: f64) -> io::Result<(u64, u64)> {
        let mut buffer = [0; 65_536];
        let mut all = 0;
        while !shift.stopped() && shift.dial().to_bits() == (bytes_per_s * 8.0).to_bits() {
            self.ask.renew(&mut self.stream, bytes_per_s)?;
            if !self.heard {
                // Shows the server where to send; the first may be lost.
                let _ = self.socket.send(&self.flow.to_le_bytes());
            }
            match self.socket.recv(&mut buffer) {
                Ok(length) if belongs(&buffer[..length], self.flow) => {
                    self.heard = true;
                    all += length as u64;
                    shift.add(length as u64 * 8);
                    self.quiet.look(shift, true, self.target);
                }
                Ok(_) => {}
                Err(error) if idle(&error) && socket::gone(&self.stream) => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Err(error) if idle(&error) => self.quiet.look(shift, false, self.target),
                Err(error) => return Err(error),
            }
        }
        self.ask.renew(&mut self.stream, shift.dial() / 8.0)?;
        Ok((all, 0))
    }
}

fn belongs(datagram: &[u8], flow: u64) -> bool {
    datagram
        .get(..8)
        .is_some_and(|start| start == flow.to_le_bytes())
}

fn datagram(flow: u64) -> Vec<u8> {
    let mut datagram = vec![0x5a; PAYLOAD_BYTES];
    datagram[..8].copy_from_slice(&flow.to_le_bytes());
    datagram
}

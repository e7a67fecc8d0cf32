//! The client: streams under the common pacer, each with a connection that is made again when it breaks.

use super::auth::{Answer, Request, Token, read_line, respond};
use super::server::idle;
use super::{socket, udp};
use crate::clock;
use crate::crew::Shift;
use crate::hindrance::Hindrance;
use crate::holding::seconds;
use crate::paced::{Pace, Paced, Scale, Work};
use crate::stressor::{Ask, StartError};
use aefm_workloads::interference::{Direction, NetworkOptions, Protocol, Why};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Most bytes in one write.
const WRITE_BYTES: usize = 1 << 20;
/// Grid on which bytes are due; the kernel spaces them out within it.
const PERIOD_NS: u64 = 5_000_000;
/// The kernel may send so much faster than asked: the account decides on the mean, the kernel smooths.
const PACING_MARGIN: f64 = 1.1;
/// A connection attempt takes no longer, and is made again no sooner.
const CONNECT: Duration = Duration::from_millis(500);
const RETRY_NS: u64 = 250_000_000;
/// Writes return after that long, so that a worker notices that it should stop.
const WRITE_PATIENCE: Duration = Duration::from_millis(100);
/// A peer is quiet when nothing has arrived for that long.
const QUIET_NS: u64 = 400_000_000;
/// How long a peer has to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// Starts the streams.
pub(super) fn start(
    ask: &Ask<'_>,
    options: &NetworkOptions,
    target: SocketAddr,
    token: &Token,
    scale: Scale,
) -> Result<Paced, StartError> {
    let streams = usize::try_from(options.streams.max(1)).unwrap_or(1);
    // Both directions are twice the streams; the intensity is each direction's.
    let (workers, factor) = if options.direction == Direction::Both {
        (2 * streams, 2.0)
    } else {
        (streams, 1.0)
    };
    let (direction, protocol, token) = (options.direction, options.protocol, token.clone());
    let pace = Pace {
        period_ns: PERIOD_NS,
        quantum: WRITE_BYTES as u64,
        grain: if protocol == Protocol::Udp {
            udp::PAYLOAD_BYTES as f64 * 8.0
        } else {
            8.0
        },
        carry: 4.0,
        make: Arc::new(move |shift| {
            let down = match direction {
                Direction::Up => false,
                Direction::Down => true,
                Direction::Both => shift.index % 2 == 1,
            };
            let request = Request {
                udp: protocol == Protocol::Udp,
                down,
            };
            Ok(stream(
                Peer {
                    target,
                    token: token.clone(),
                    request,
                },
                shift.index,
            ))
        }),
    };
    let cores: Vec<_> = (0..workers)
        .map(|index| Some(ask.cores[index % ask.cores.len()]))
        .collect();
    let scale = match scale {
        Scale::Fixed(bits) => Scale::Fixed(bits * factor),
        peak => peak,
    };
    Ok(Paced::start(&cores, pace, scale, Some(1.0 / 8.0))?)
}

/// Whom to press towards, and how.
#[derive(Clone)]
struct Peer {
    target: SocketAddr,
    token: Token,
    request: Request,
}

/// One way of moving bytes over a connection.
pub(super) trait Flow {
    /// Moves up to that many bytes (the dial is bytes a second); how many were used up, and how many arrived since the
    /// last call.
    fn go(&mut self, shift: &Shift, bytes: u64, bytes_per_s: f64) -> io::Result<(u64, u64)>;
}

/// The work of one stream. Units are bits. While there is no connection nothing is moved, and one is sought.
fn stream(peer: Peer, index: usize) -> Work {
    let mut flow: Option<BoxedFlow> = None;
    let mut next_try_ns = 0;
    let mut said = false;
    let mut quiet = Quiet::default();
    Box::new(move |shift: &Shift, amount: u64| {
        let bytes_per_s = shift.dial() / 8.0;
        let Some(connected) = &mut flow else {
            if clock::mono_ns() < next_try_ns {
                return Ok(0);
            }
            next_try_ns = clock::mono_ns() + RETRY_NS;
            match connect(&peer) {
                Ok(connected) => {
                    flow = Some(connected);
                    quiet.end(shift);
                }
                // Waiting does not make a wrong token right.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(format!("press towards {}: {error}", peer.target));
                }
                Err(error) => {
                    quiet.begin(shift, format!("{} ({error})", peer.target));
                    if !std::mem::replace(&mut said, true) && index == 0 {
                        eprintln!(
                            "network: {} cannot be reached ({error}): trying again until it can",
                            peer.target
                        );
                    }
                }
            }
            return Ok(0);
        };
        match connected.go(shift, amount.div_ceil(8), bytes_per_s) {
            Ok((used, arrived)) => {
                said = false;
                shift.add(arrived * 8);
                quiet.look(shift, arrived > 0, peer.target);
                Ok(used * 8)
            }
            Err(error) => {
                eprintln!("network: lost {}: {error}", peer.target);
                quiet.begin(shift, format!("{} ({error})", peer.target));
                flow = None;
                Ok(0)
            }
        }
    })
}

/// A peer that lets nothing arrive, although something is asked: no room of this machine's is behind that.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    since_ns: Option<u64>,
    told: bool,
}

impl Quiet {
    /// From now on, for that reason.
    fn begin(&mut self, shift: &Shift, reason: String) {
        self.told = true;
        shift.hinder(Some(Hindrance::new(Why::Unreachable, reason)));
    }

    fn end(&mut self, shift: &Shift) {
        self.since_ns = None;
        if std::mem::take(&mut self.told) {
            shift.hinder(None);
        }
    }

    /// Books one look at what arrives.
    pub(super) fn look(&mut self, shift: &Shift, has_arrived: bool, target: SocketAddr) {
        let now_ns = clock::mono_ns();
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if has_arrived {
            self.end(shift);
        } else if now_ns - since_ns >= QUIET_NS && !self.told {
            self.begin(shift, format!("nothing arrives at {target} any more"));
        }
    }
}

fn connect(peer: &Peer) -> io::Result<BoxedFlow> {
    let mut stream = TcpStream::connect_timeout(&peer.target, CONNECT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
    respond(&mut stream, &peer.token, peer.request)?;
    let answer: Answer = serde_json::from_str(&read_line(&mut stream)?)?;
    if let Some(reason) = answer.refused {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    let udp_port = answer
        .udp_port
        .map(|port| SocketAddr::new(peer.target.ip(), port));
    Ok(match (udp_port, peer.request.down) {
        (None, false) => Box::new(Sender::new(stream)?),
        (None, true) => Box::new(Receiver::new(stream)?),
        (Some(to), down) => udp::flow(stream, to, answer.flow, down)?,
    })
}

/// Any of them.
pub(super) type BoxedFlow = Box<dyn Flow>;

/// Sends over TCP, and counts what was acknowledged.
pub(super) struct Sender {
    stream: TcpStream,
    payload: Vec<u8>,
    paced_at: f64,
    written: u64,
    acknowledged: u64,
}

impl Sender {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Self {
            stream,
            payload: vec![0x5a; WRITE_BYTES],
            paced_at: -1.0,
            written: 0,
            acknowledged: 0,
        })
    }

    /// Sends up to `grant` bytes until `end_ns`; how many.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by the payload's length"
    )]
    #[expect(
        clippy::cast_precision_loss,
        reason = "what one period sends is far below 2^52"
    )]
    pub(super) fn send(&mut self, grant: f64, bytes_per_s: f64, end_ns: u64) -> io::Result<u64> {
        let mut sent = 0;
        while (sent as f64) < grant && clock::mono_ns() < end_ns {
            let length = (grant - sent as f64).min(WRITE_BYTES as f64).ceil() as usize;
            match self.write(length, bytes_per_s)? {
                0 => break,
                written => sent += written,
            }
        }
        Ok(sent)
    }

    fn write(&mut self, length: usize, bytes_per_s: f64) -> io::Result<u64> {
        if self.paced_at.to_bits() != bytes_per_s.to_bits() {
            self.paced_at = bytes_per_s;
            socket::pace(
                &self.stream,
                bytes_per_s
                    .is_finite()
                    .then_some(bytes_per_s * PACING_MARGIN),
            )?;
        }
        match self.stream.write(&self.payload[..length.min(WRITE_BYTES)]) {
            Ok(written) => {
                self.written += written as u64;
                Ok(written as u64)
            }
            Err(error) if idle(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Flow for Sender {
    fn go(&mut self, _: &Shift, bytes: u64, bytes_per_s: f64) -> io::Result<(u64, u64)> {
        let used = self.write(usize::try_from(bytes).unwrap_or(WRITE_BYTES), bytes_per_s)?;
        let acknowledged = self.written - socket::unacknowledged(&self.stream)?.min(self.written);
        let arrived = acknowledged.saturating_sub(self.acknowledged);
        self.acknowledged = self.acknowledged.max(acknowledged);
        Ok((used, arrived))
    }
}

/// Is sent to over TCP, at the rate that it asks for.
struct Receiver {
    stream: TcpStream,
    ask: Renewal,
    target: SocketAddr,
    quiet: Quiet,
}

impl Receiver {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_nanos(PERIOD_NS)))?;
        let target = stream.peer_addr()?;
        Ok(Self {
            stream,
            ask: Renewal::default(),
            target,
            quiet: Quiet::default(),
        })
    }
}

impl Flow for Receiver {
    fn go(&mut self, shift: &Shift, _: u64, bytes_per_s: f64) -> io::Result<(u64, u64)> {
        let mut all = 0;
        // The server keeps the pace: whatever comes is taken, at once and until the request changes.
        while !shift.stopped() && shift.dial().to_bits() == (bytes_per_s * 8.0).to_bits() {
            self.ask.renew(&mut self.stream, bytes_per_s)?;
            match socket::discard(&self.stream) {
                Ok(0) => return Err(io::ErrorKind::ConnectionReset.into()),
                Ok(bytes) => {
                    all += bytes;
                    shift.add(bytes * 8);
                    self.quiet.look(shift, true, self.target);
                }
                Err(error) if idle(&error) => self.quiet.look(shift, false, self.target),
                Err(error) => return Err(error),
            }
        }
        // Also when nothing more is asked for: then this work is not called again.
        self.ask.renew(&mut self.stream, shift.dial() / 8.0)?;
        Ok((all, 0))
    }
}

/// Says what is wanted, when it changes and once a second.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    said: Option<(u64, u64)>,
}

impl Renewal {
    pub(super) fn renew(&mut self, stream: &mut impl Write, bytes_per_s: f64) -> io::Result<()> {
        let now_ns = clock::mono_ns();
        let fresh = |(rate, at): (u64, u64)| {
            rate == bytes_per_s.to_bits() && now_ns - at < clock::SECOND_NS
        };
        if !self.said.is_some_and(fresh) {
            self.said = Some((bytes_per_s.to_bits(), now_ns));
            stream.write_all(control_line::format(bytes_per_s).as_bytes())?;
        }
        Ok(())
    }
}

/// What a client says to a server that sends: bytes a second, `max` without limit.
pub(super) mod control_line {
    pub(in super::super) fn format(bytes_per_s: f64) -> String {
        if bytes_per_s.is_finite() {
            format!("{bytes_per_s}\n")
        } else {
            "max\n".to_owned()
        }
    }

    pub(in super::super) fn parse(line: &[u8]) -> Option<f64> {
        match std::str::from_utf8(line).ok()?.trim() {
            "max" => Some(f64::INFINITY),
            number => number
                .parse()
                .ok()
                .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0),
        }
    }
}

/// Bytes due in a period.
pub(super) fn quota(bytes_per_s: f64) -> f64 {
    bytes_per_s * seconds(PERIOD_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        for rate in [0.0, 1.0, 1.25e9, f64::INFINITY] {
            assert_eq!(
                control_line::parse(control_line::format(rate).as_bytes()),
                Some(rate)
            );
        }
        for wrong in ["", "-1\n", "nan\n", "fast\n"] {
            assert_eq!(control_line::parse(wrong.as_bytes()), None);
        }
    }
}

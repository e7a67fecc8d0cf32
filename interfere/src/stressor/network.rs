//! `network`: bytes between two programs at a held rate: a server that only serves whoever proves a shared token, and
//! clients that press on the way to it. Without either, both run on loopback in this process.
//!
//! What counts is what arrived: over TCP what was acknowledged (or received, where the server sends), over UDP what the
//! other side received.

mod auth;
mod client;
mod link;
mod server;
mod socket;
mod udp;

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::clock;
use crate::crew::Crew;
use crate::holding::seconds;
use crate::monitor::Reached;
use crate::paced::{Paced, Scale};
use aefm_workloads::interference::{Kind, NetworkOptions};
use aefm_workloads::quantity::Unit;
use auth::Token;
use server::Server;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// A client, and on loopback its server.
struct Client {
    paced: Paced,
    // Dropped after the client, which would otherwise try to reconnect.
    _server: Option<Server>,
}

impl Stressor for Client {
    fn set(&mut self, intensity: f64) {
        self.paced.set(intensity);
    }

    fn reached(&mut self, now_ns: u64) -> Reached {
        self.paced.reached(now_ns)
    }

    fn crew(&self) -> Option<&Crew> {
        self.paced.crew()
    }

    fn failure(&self) -> Option<String> {
        self.paced.failure()
    }

    fn peak_per_s(&self) -> Option<f64> {
        self.paced.peak_per_s()
    }
}

/// A server alone: its intensity is what its clients make it.
struct Serving {
    server: Server,
    bits_per_unit: f64,
    seen: u64,
    seen_at_ns: u64,
}

impl Stressor for Serving {
    fn set(&mut self, _: f64) {}

    #[expect(
        clippy::cast_precision_loss,
        reason = "what one window counts is far below 2^52"
    )]
    fn reached(&mut self, now_ns: u64) -> Reached {
        let bytes = self.server.bytes();
        let span_s = seconds(now_ns.saturating_sub(self.seen_at_ns).max(1));
        let rate = (bytes - self.seen) as f64 / span_s;
        (self.seen, self.seen_at_ns) = (bytes, now_ns);
        Reached {
            bytes_per_s: Some(rate),
            ..Reached::of(8.0 * rate / self.bits_per_unit)
        }
    }

    /// Its threads run wherever they may: what a server reaches is its clients' matter.
    fn crew(&self) -> Option<&Crew> {
        None
    }

    fn failure(&self) -> Option<String> {
        self.server.failure()
    }
}

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let options = &ask.spec.options.network;
    if let Some(listen) = &options.listen {
        let token = Token::new(options.token.as_deref().unwrap_or_default());
        let server = Server::start(resolve(listen)?, token, ask.cores.clone())?;
        eprintln!("network: serving on {}", server.address());
        return Ok(Box::new(Serving {
            server,
            bits_per_unit: 1.0,
            seen: 0,
            seen_at_ns: clock::mono_ns(),
        }));
    }
    let (target, token, server) = match &options.target {
        Some(target) => (
            resolve(target)?,
            Token::new(options.token.as_deref().unwrap_or_default()),
            None,
        ),
        None => {
            let token =
                Token::random().map_err(|error| StartError::system("draw a token", error))?;
            let server = Server::start(
                SocketAddr::from(([127, 0, 0, 1], 0)),
                token.clone(),
                ask.cores.clone(),
            )?;
            (server.address(), token, Some(server))
        }
    };
    let scale = scale(ask, options, target.ip())?;
    let paced = client::start(ask, options, target, &token, scale)?;
    Ok(Box::new(Client {
        paced,
        _server: server,
    }))
}

/// The first address of a name and port.
fn resolve(name: &str) -> Result<SocketAddr, StartError> {
    let failed = |error| StartError::system(format!("resolve {name:?} (write host:port)"), error);
    let found = name.to_socket_addrs().map_err(failed)?.next();
    found.ok_or_else(|| failed(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

/// Bits a second in one unit: percent is of the link's speed, on loopback of the measured peak.
fn scale(ask: &Ask<'_>, options: &NetworkOptions, target: IpAddr) -> Result<Scale, StartError> {
    if ask.unit != Unit::Percent {
        return Ok(Scale::Fixed(1.0));
    }
    let kept = || {
        if target.is_loopback() {
            ask.peak("tcp")
        } else {
            ask.spec.options.peak_per_s
        }
    };
    if let Some(speed) = options.link_bit_per_s.or_else(kept) {
        return Ok(Scale::Peak(Some(speed)));
    }
    if target.is_loopback() {
        return Ok(Scale::Peak(None));
    }
    match link::speed_bits_per_s(ask.machine, target) {
        Some(speed) => Ok(Scale::Peak(Some(speed))),
        None => Err(StartError::Unsupported {
            kind: "network",
            reason: format!(
                "the speed of the link to {target} is not known here, so percent means nothing: give the intensity in \
                 bit/s, or the speed (--link 10Gbit/s)"
            ),
        }),
    }
}

/// See the module.
pub(super) static NETWORK: Descriptor = Descriptor {
    kind: Kind::Network,
    about: "bit/s to a server (by default on loopback), TCP or UDP, up, down or both; or percent of the link",
    tolerance: two_percent,
    has_peak: true,
    support: |_| Ok(()),
    start,
};

//! The ends of the `network` kind on the command line.

use aefm_workloads::interference::{Direction, NetworkOptions, Protocol};
use aefm_workloads::quantity::{Quantity, Unit};
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The port where none is named.
const DEFAULT_PORT: u16 = 34_567;

/// Who talks to whom.
#[derive(Debug, Args)]
pub(crate) struct Ends {
    /// Serve clients that prove the token, on this address [default: 127.0.0.1:34567; loopback unless told otherwise]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "", conflicts_with = "client")]
    server: Option<String>,
    /// Press on the way to this server
    #[arg(long, value_name = "HOST[:PORT]")]
    client: Option<String>,
    /// A file with the secret that both sides share; without it the variable AEFM_TOKEN has it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Datagrams instead of a byte stream
    #[arg(long)]
    udp: bool,
    /// Who sends: the client, the server or both
    #[arg(long, value_enum, default_value = "up")]
    direction: Way,
    /// Connections that share the intensity
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    streams: u32,
    /// Speed of the link, for percent where the system does not know it, such as 10Gbit/s
    #[arg(long, value_name = "SPEED")]
    link: Option<String>,
}

/// See [`Direction`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    Up,
    Down,
    Both,
}

impl Ends {
    /// The options that they mean.
    pub(super) fn options(self) -> anyhow::Result<NetworkOptions> {
        let link = self
            .link
            .as_deref()
            .map(|text| Quantity::parse(text, Unit::BitsPerS))
            .transpose()?;
        if let Some(link) = link.filter(|link| link.unit != Unit::BitsPerS) {
            return Err(anyhow!(
                "take {} {} as a speed: write such as 10Gbit/s",
                link.value,
                link.unit
            ));
        }
        let named = self.server.is_some() || self.client.is_some();
        Ok(NetworkOptions {
            listen: self.server.as_deref().map(|address| {
                with_port(if address.is_empty() {
                    "127.0.0.1"
                } else {
                    address
                })
            }),
            target: self.client.as_deref().map(with_port),
            token: if named {
                Some(token(self.token_file)?)
            } else {
                None
            },
            protocol: if self.udp {
                Protocol::Udp
            } else {
                Protocol::Tcp
            },
            direction: match self.direction {
                Way::Up => Direction::Up,
                Way::Down => Direction::Down,
                Way::Both => Direction::Both,
            },
            streams: self.streams,
            link_bit_per_s: link.map(|link| link.value),
        })
    }
}

/// The secret: from a file, or from the environment (never from an argument, which every user of the machine can read).
fn token(file: Option<PathBuf>) -> anyhow::Result<String> {
    let text = match file {
        Some(path) => std::fs::read_to_string(&path)
            .with_context(|| format!("read the token {}", path.display()))?,
        None => std::env::var("AEFM_TOKEN").map_err(|_| {
            anyhow!("prove a token: name a file with it (--token-file) or set AEFM_TOKEN")
        })?,
    };
    Ok(text.trim().to_owned())
}

/// The address with the default port, where it has none. `[::1]:5` and `::1` are told apart by the brackets.
fn with_port(address: &str) -> String {
    let has_port = match address.rfind(']') {
        Some(end) => address[end..].contains(':'),
        None => address.matches(':').count() == 1,
    };
    match (has_port, address.contains(':') && !address.starts_with('[')) {
        (true, _) => address.to_owned(),
        (false, true) => format!("[{address}]:{DEFAULT_PORT}"),
        (false, false) => format!("{address}:{DEFAULT_PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        let pairs = [
            ("host", "host:34567"),
            ("host:5", "host:5"),
            ("::1", "[::1]:34567"),
            ("[::1]", "[::1]:34567"),
            ("[::1]:5", "[::1]:5"),
        ];
        for (typed, meant) in pairs {
            assert_eq!(with_port(typed), meant);
        }
    }
}

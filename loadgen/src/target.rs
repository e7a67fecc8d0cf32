//! Where to send: the URL, and the addresses behind its name.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use thiserror::Error;

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// A scheme that is not spoken here.
    #[error("use `{0}`: a URL starts with http://, https:// or unix:/path/to/socket")]
    Scheme(String),
    /// No host.
    #[error("find a host in `{0}`")]
    Host(String),
    /// A port that is none.
    #[error("use the port `{0}`: it has to be between 1 and 65535")]
    Port(String),
    /// Bytes that would break the request.
    #[error("use `{0}`: blanks and control characters have to be percent-encoded")]
    Character(String),
}

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https`.
    pub tls: bool,
    /// Name or address, without brackets; for a unix socket `localhost`.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The socket's path, where it is a unix socket.
    pub unix: Option<PathBuf>,
    /// What stands in `Host`.
    pub authority: String,
    /// Path and query; starts with `/`.
    pub path: String,
}

impl Target {
    /// Takes `http://host:port/path?query`, `https://...` or `unix:/socket` (`unix:/socket:/path` with a path).
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(UrlError::Character(url.to_owned()));
        }
        if let Some(rest) = url.strip_prefix("unix:") {
            let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
            if socket.is_empty() {
                return Err(UrlError::Host(url.to_owned()));
            }
            return Ok(Self {
                tls: false,
                host: "localhost".to_owned(),
                port: 0,
                unix: Some(PathBuf::from(socket)),
                authority: "localhost".to_owned(),
                path: rooted(path),
            });
        }
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| UrlError::Scheme(url.to_owned()))?;
        let tls = match scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(UrlError::Scheme(url.to_owned())),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // Credentials do not belong into Host.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(UrlError::Host(url.to_owned()));
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            unix: None,
            authority: authority.to_owned(),
            path: rooted(path),
        })
    }

    /// The port, if the URL names one.
    #[must_use]
    pub fn named_port(&self) -> Option<u16> {
        split_port(&self.authority).ok().and_then(|(_, port)| port)
    }

    /// Asks the resolver for the addresses. Blocks.
    ///
    /// # Errors
    /// The resolver's.
    pub fn resolve(&self) -> std::io::Result<Vec<Address>> {
        if let Some(path) = &self.unix {
            return Ok(vec![Address::Unix(path.clone())]);
        }
        let mut found: Vec<Address> = (self.host.as_str(), self.port)
            .to_socket_addrs()?
            .map(Address::Ip)
            .collect();
        found.dedup();
        Ok(found)
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| UrlError::Host(authority.to_owned()))?;
            (host, after.strip_prefix(':'))
        }
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    match port {
        None | Some("") => Ok((host, None)),
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok((host, Some(number))),
            _ => Err(UrlError::Port(port.to_owned())),
        },
    }
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address of either family.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The addresses that connections are spread over. Read when a connection opens, replaced when a name that could not
/// be resolved at first comes to resolve.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<RwLock<Vec<Address>>>);

impl Addresses {
    /// Replaces all.
    pub fn set(&self, addresses: Vec<Address>) {
        if let Ok(mut own) = self.0.write() {
            *own = addresses;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().map_or(0, |own| own.len())
    }

    /// Whether the name has not been resolved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `index`-th, round and round; none if there are none.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Address> {
        let own = self.0.read().ok()?;
        own.get(index.checked_rem(own.len())?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let parts = |url: &str| {
            let target = Target::parse(url).unwrap();
            (
                target.tls,
                target.host,
                target.port,
                target.authority,
                target.path,
            )
        };
        let own = |tls, host: &str, port, authority: &str, path: &str| {
            (
                tls,
                host.to_owned(),
                port,
                authority.to_owned(),
                path.to_owned(),
            )
        };
        assert_eq!(
            parts("http://a.b:81/x?y=z#q"),
            own(false, "a.b", 81, "a.b:81", "/x?y=z")
        );
        assert_eq!(parts("HTTPS://a?y"), own(true, "a", 443, "a", "/?y"));
        assert_eq!(
            parts("http://u:p@[::1]:8080"),
            own(false, "::1", 8080, "[::1]:8080", "/")
        );
        let unix = Target::parse("unix:/run/x.sock:/status").unwrap();
        assert_eq!(
            (unix.unix, unix.path.as_str()),
            (Some(PathBuf::from("/run/x.sock")), "/status")
        );
    }

    #[test]
    fn a_port_may_go_without_saying() {
        let named = |url| Target::parse(url).unwrap().named_port();
        assert_eq!(
            (
                named("http://a"),
                named("http://[::1]:80/"),
                named("unix:/x")
            ),
            (None, Some(80), None)
        );
    }

    #[test]
    fn what_is_no_url_is_named() {
        assert!(matches!(
            Target::parse("localhost:80"),
            Err(UrlError::Scheme(_))
        ));
        assert!(matches!(Target::parse("ftp://x"), Err(UrlError::Scheme(_))));
        assert!(matches!(Target::parse("http:///x"), Err(UrlError::Host(_))));
        assert!(matches!(
            Target::parse("http://x:0/"),
            Err(UrlError::Port(_))
        ));
        assert!(matches!(
            Target::parse("http://x/a b\r\n"),
            Err(UrlError::Character(_))
        ));
    }

    #[test]
    fn addresses_go_round() {
        let addresses = Addresses::default();
        assert_eq!(addresses.get(3), None);
        let ports = [1, 2, 3].map(|port| Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))));
        addresses.set(ports.to_vec());
        assert_eq!(addresses.get(4), Some(ports[1].clone()));
    }
}

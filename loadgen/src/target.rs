//! Where to send: the URL, and the addresses behind its name.

mod address;

pub use address::{Address, Addresses};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use thiserror::Error;

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// A scheme that is not spoken here.
    #[error("use `{0}`: a URL starts with http://, https:// or unix:/path/to/socket")]
    Scheme(String),
    /// No host.
    #[error(
        "find a host in `{0}`: write http://HOST/ or http://HOST:PORT/, an IPv6 address in brackets"
    )]
    Host(String),
    /// A port that is none.
    #[error("use the port `{0}`: it has to be between 1 and 65535")]
    Port(String),
    /// Bytes that would break the request.
    #[error("use `{0}`: blanks and control characters have to be percent-encoded")]
    Character(String),
    /// A percent sign that encodes nothing.
    #[error(
        "use `{0}`: a percent sign stands in front of two hexadecimal digits (%25 is the sign itself)"
    )]
    Percent(String),
    /// Something that is not sent in the place where it stands.
    #[error("use `{0}`: {1}")]
    Place(String, &'static str),
}

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https`.
    pub tls: bool,
    /// Name or address, without brackets and zone; for a unix socket `localhost`.
    pub host: String,
    /// The zone of an IPv6 address: a network interface of this machine, by name or number. It is nobody else's business
    /// and is not sent (RFC 6874).
    pub zone: Option<String>,
    /// The port.
    pub port: u16,
    /// The socket's path, where it is a unix socket.
    pub unix: Option<PathBuf>,
    /// What stands in `Host`.
    pub authority: String,
    /// Path and query; starts with `/`.
    pub path: String,
    /// The value of `Authorization` that the URL's user and password make.
    pub authorization: Option<String>,
}

impl Target {
    /// Takes `http://user:password@host:port/path?query`, `https://...` or `unix:/socket` (`unix:/socket:/path` with a
    /// path).
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(UrlError::Character(url.to_owned()));
        }
        if let Some(rest) = url.strip_prefix("unix:") {
            return Self::unix(url, rest);
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
        let (credentials, authority) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(own, host)| (Some(own), host));
        let (host, port) = split_port(authority)?;
        let (host, zone) = split_zone(host);
        if host.is_empty() {
            return Err(UrlError::Host(url.to_owned()));
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            zone: zone.map(str::to_owned),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            unix: None,
            authority: match (zone, port) {
                (None, _) => authority.to_owned(),
                (Some(_), None) => format!("[{host}]"),
                (Some(_), Some(port)) => format!("[{host}]:{port}"),
            },
            path: rooted(path),
            authorization: credentials
                .filter(|own| !own.is_empty())
                .map(basic)
                .transpose()?,
        })
    }

    /// The socket's path goes on up to `:/`: a colon alone may be part of it.
    fn unix(url: &str, rest: &str) -> Result<Self, UrlError> {
        let (socket, path) = match rest.find(":/") {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, "/"),
        };
        if socket.is_empty() {
            return Err(UrlError::Host(url.to_owned()));
        }
        let socket = decoded(socket)?;
        if socket.contains(&0) {
            return Err(UrlError::Character(url.to_owned()));
        }
        Ok(Self {
            tls: false,
            host: "localhost".to_owned(),
            zone: None,
            port: 0,
            unix: Some(PathBuf::from(OsString::from_vec(socket))),
            authority: "localhost".to_owned(),
            path: rooted(path.split('#').next().unwrap_or_default()),
            authorization: None,
        })
    }

    /// A place to connect to: `HOST:PORT` and nothing else.
    ///
    /// # Errors
    /// It is something else, or more.
    pub fn place(text: &str) -> Result<Self, UrlError> {
        if text.contains(['/', '?', '#', '@']) && !text.starts_with("unix:") {
            return Err(UrlError::Place(
                text.to_owned(),
                "write HOST:PORT and nothing else",
            ));
        }
        if text.starts_with("unix:") {
            return Self::parse(text);
        }
        Self::parse(&format!("http://{text}"))
    }

    /// The port, if the URL names one.
    #[must_use]
    pub fn named_port(&self) -> Option<u16> {
        split_port(&self.authority).ok().and_then(|(_, port)| port)
    }

    /// The host as this machine's resolver takes it, with its zone.
    #[must_use]
    pub fn lookup_name(&self) -> String {
        match &self.zone {
            Some(zone) => format!("{}%{zone}", self.host),
            None => self.host.clone(),
        }
    }

    /// The URL as it was typed, but for what is secret in it.
    #[must_use]
    pub fn shown(&self, typed: &str) -> String {
        if self.authorization.is_none() {
            return typed.to_owned();
        }
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// Asks the resolver for the addresses. Blocks.
    ///
    /// # Errors
    /// The resolver's.
    pub fn resolve(&self) -> std::io::Result<Vec<Address>> {
        if let Some(path) = &self.unix {
            return Ok(vec![Address::Unix(path.clone())]);
        }
        if let (Some(zone), Ok(ip)) = (&self.zone, self.host.parse::<Ipv6Addr>()) {
            let scope = match zone.parse() {
                Ok(number) => number,
                Err(_) => nix::net::if_::if_nametoindex(zone.as_str())?,
            };
            let address = SocketAddrV6::new(ip, self.port, 0, scope);
            return Ok(vec![Address::Ip(SocketAddr::V6(address))]);
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
            let wrong = || UrlError::Host(authority.to_owned());
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            let (address, _) = split_zone(host);
            if !matches!(address.parse(), Ok(IpAddr::V6(_))) {
                return Err(wrong());
            }
            match after.strip_prefix(':') {
                None if !after.is_empty() => return Err(wrong()),
                port => (host, port),
            }
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

/// The zone of an IPv6 address: behind `%25`, as URLs have it, or behind a plain `%`, as people type it.
fn split_zone(host: &str) -> (&str, Option<&str>) {
    match host.split_once('%') {
        Some((address, zone)) if address.contains(':') => {
            let zone = zone
                .strip_prefix("25")
                .filter(|zone| !zone.is_empty())
                .unwrap_or(zone);
            (address, Some(zone))
        }
        _ => (host, None),
    }
}

/// `user:password`, percent-encoded, as the value of `Authorization` (RFC 7617).
fn basic(credentials: &str) -> Result<String, UrlError> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (mut text, password) = (decoded(user)?, decoded(password)?);
    text.push(b':');
    text.extend(password);
    Ok(format!("Basic {}", STANDARD.encode(text)))
}

/// The bytes that a percent-encoded text stands for.
fn decoded(text: &str) -> Result<Vec<u8>, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digit = |at: usize| {
            after
                .get(at)
                .and_then(|&byte| char::from(byte).to_digit(16))
        };
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(UrlError::Percent(text.to_owned()));
        };
        bytes.push((high << 4 | low) as u8);
        rest = &after[2..];
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

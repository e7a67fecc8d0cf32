//! The addresses behind a URL's name.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

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
    fn addresses_go_round() {
        let addresses = Addresses::default();
        assert_eq!(addresses.get(3), None);
        let ports = [1, 2, 3].map(|port| Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))));
        addresses.set(ports.to_vec());
        assert_eq!(addresses.get(4), Some(ports[1].clone()));
    }
}

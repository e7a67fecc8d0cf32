//! The speed of the link on the way to an address, as the kernel knows it.

use crate::machine::Machine;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Bits a second of the interface through which `target` is reached; none where it has no speed (virtual links).
pub(super) fn speed_bits_per_s(machine: &Machine, target: IpAddr) -> Option<f64> {
    let interface = interface_to(target)?;
    let megabits: i64 = machine
        .read(&format!("sys/class/net/{interface}/speed"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // -1 is how a driver says that it does not know.
    u32::try_from(megabits)
        .ok()
        .filter(|megabits| *megabits > 0)
        .map(|megabits| f64::from(megabits) * 1e6)
}

/// The interface whose address a packet to `target` would carry. Nothing is sent: connecting a datagram socket only asks
/// the routing table.
fn interface_to(target: IpAddr) -> Option<String> {
    let any: IpAddr = if target.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    let local = socket.local_addr().ok()?.ip();
    nix::ifaddrs::getifaddrs()
        .ok()?
        .find(|address| ip_of(address) == Some(local))
        .map(|address| address.interface_name)
}

fn ip_of(address: &nix::ifaddrs::InterfaceAddress) -> Option<IpAddr> {
    let storage = address.address?;
    let v4 = storage
        .as_sockaddr_in()
        .map(|v4| SocketAddr::from((v4.ip(), 0)));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::from((v6.ip(), 0)))
    })
    .map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_loopback_is_the_loopback_interface() {
        assert_eq!(interface_to([127, 0, 0, 1].into()).as_deref(), Some("lo"));
    }

    #[test]
    fn speeds_are_read_and_unknown_ones_are_none() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path(), vec![0]);
        let folder = root.path().join("sys/class/net/lo");
        std::fs::create_dir_all(&folder).unwrap();
        let speed = |text: &str| {
            std::fs::write(folder.join("speed"), text).unwrap();
            speed_bits_per_s(&machine, [127, 0, 0, 1].into())
        };
        assert_eq!(speed("10000\n"), Some(1e10));
        assert_eq!(speed("-1\n"), None);
        assert_eq!(speed("4294967295\n"), Some(4_294_967_295.0 * 1e6));
    }
}

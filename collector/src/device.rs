//! Which network and block devices count: traffic passes a bond and its cards, a bridge and what hangs on it, a logical
//! volume and its disks, and is counted by each of them. What was moved is what the lowest of them moved.

/// How far above the hardware a device stands, by its name: 0 is hardware.
pub(crate) type Height = u8;

/// Devices with traffic of nobody else's: loopback, memory. They never count.
const APART: [&str; 5] = ["lo", "loop", "ram", "zram", "dummy"];

/// How high a network device stands; none for one that never counts.
pub(crate) fn network_height(name: &str) -> Option<Height> {
    if is_numbered(name, &APART) {
        return None;
    }
    // A VLAN has its card's name and a number; an alias, too.
    if name.contains(['.', '@', ':']) {
        return Some(3);
    }
    const BONDS: [&str; 2] = ["bond", "team"];
    const BRIDGES: [&str; 6] = ["br", "docker", "cni", "virbr", "lxcbr", "cbr"];
    // The ends of cables into containers and machines, tunnels, and what only has an address.
    const ENDS: [&str; 29] = [
        "veth",
        "cali",
        "cilium",
        "lxc",
        "vnet",
        "tap",
        "tun",
        "tunl",
        "flannel",
        "vxlan",
        "geneve",
        "gre",
        "gretap",
        "erspan",
        "sit",
        "ip6tnl",
        "ip6gre",
        "ip_vti",
        "ip6_vti",
        "ipip",
        "wg",
        "ifb",
        "kube-",
        "nodelocaldns",
        "weave",
        "ovs",
        "genev_sys",
        "azv",
        "eni",
    ];
    let begins = |names: &[&str]| names.iter().any(|beginning| name.starts_with(beginning));
    Some(if begins(&BONDS) {
        1
    } else if begins(&BRIDGES) {
        2
    } else if begins(&ENDS) {
        4
    } else {
        0
    })
}

/// How high a block device stands (`/dev/` before its name does not matter); none for one that never counts.
pub(crate) fn disk_height(name: &str) -> Option<Height> {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    if is_numbered(name, &APART) {
        return None;
    }
    if name.starts_with("md") {
        return Some(2);
    }
    if name.starts_with("dm-") || name.starts_with("mapper/") || name.starts_with("bcache") {
        return Some(3);
    }
    // A path of a disk that several lead to, which has its own name.
    let is_path = name
        .strip_prefix("nvme")
        .is_some_and(|rest| rest.contains('c') && rest.contains('n'));
    Some(match is_path {
        true => 4,
        false => u8::from(is_partition(name)),
    })
}

/// `sda1`, `nvme0n1p2`, `mmcblk0p1`: a part of a disk that has its own name.
fn is_partition(name: &str) -> bool {
    let whole = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if whole.len() == name.len() {
        return false;
    }
    let lettered = ["sd", "hd", "vd", "xvd"].iter().any(|kind| {
        whole
            .strip_prefix(kind)
            .is_some_and(|disk| !disk.is_empty() && disk.bytes().all(|c| c.is_ascii_lowercase()))
    });
    let numbered = ["nvme", "mmcblk", "nbd"]
        .iter()
        .any(|kind| name.starts_with(kind));
    lettered || (numbered && whole.ends_with('p') && whole.len() > 1)
}

/// One of these names, with a number behind it or without.
fn is_numbered(name: &str, names: &[&str]) -> bool {
    names.iter().any(|beginning| {
        name.strip_prefix(beginning)
            .is_some_and(|rest| rest.bytes().all(|c| c.is_ascii_digit()))
    })
}

/// Of names with a height, those of the lowest that is there.
pub(crate) fn lowest<'a>(
    names: impl IntoIterator<Item = &'a str>,
    height: impl Fn(&str) -> Option<Height>,
) -> Vec<&'a str> {
    let known: Vec<_> = names
        .into_iter()
        .filter_map(|name| Some((height(name)?, name)))
        .collect();
    let least = known.iter().map(|(height, _)| *height).min();
    known
        .into_iter()
        .filter(|(height, _)| Some(*height) == least)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_counts_once_where_devices_stand_on_each_other() {
        let network = |names: &[&'static str]| lowest(names.iter().copied(), network_height);
        assert_eq!(
            network(&[
                "lo", "eth0", "veth12ab", "cni0", "bond0", "eth0.100", "docker0", "br-1f2e",
                "tunl0", "wg0", "dummy0"
            ]),
            ["eth0"]
        );
        assert_eq!(
            network(&["enp1s0", "eno1", "ens5", "wlan0", "ib0", "usb0"]).len(),
            6
        );
        // In a container, or where only the bond is told of.
        assert_eq!(network(&["lo", "bond0", "bond0.7", "cali77"]), ["bond0"]);
        assert_eq!(network(&["lo", "veth1"]), ["veth1"]);
        let disks = |names: &[&'static str]| lowest(names.iter().copied(), disk_height);
        assert_eq!(
            disks(&[
                "sda",
                "sda1",
                "dm-0",
                "md127",
                "loop3",
                "ram0",
                "zram0",
                "nvme0n1",
                "nvme0n1p2",
                "nvme0c0n1"
            ]),
            ["sda", "nvme0n1"]
        );
        assert_eq!(
            disks(&["/dev/vda", "/dev/vda3", "/dev/mapper/root"]),
            ["/dev/vda"]
        );
        assert_eq!(
            disks(&["mmcblk0", "mmcblk0p1", "xvda", "sr0"]),
            ["mmcblk0", "xvda", "sr0"]
        );
        // All that the exporter was told to show.
        assert_eq!(disks(&["dm-0", "dm-1", "loop0"]), ["dm-0", "dm-1"]);
    }
}

//! The devices of this machine that count: what passes several of them is counted by the lowest.

use super::parse;
use crate::device::{disk_height, lowest, network_height};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Numbers (such as `253:0`) of block devices whose traffic passes others, too.
pub(super) type Apart = Arc<HashSet<String>>;

/// Those that were there at the start: a sum to which others come would jump.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Names of network devices that count.
    pub(super) networks: Vec<String>,
    /// Names of disks that count.
    pub(super) disks: Vec<String>,
    /// Those that do not, by their numbers.
    pub(super) apart: Apart,
}

impl Devices {
    /// Looks into the kernel's tree of devices at `sys`; `interfaces` is the text of `/proc/net/dev`.
    pub(super) fn look(sys: &Path, interfaces: &str) -> Self {
        let names = names(&sys.join("block"));
        // What a volume or a RAID is made of stands in this folder.
        let is_whole = |name: &&String| {
            let block = sys.join("block").join(name);
            let parts = fs::read_dir(block.join("slaves"));
            let is_hidden =
                fs::read_to_string(block.join("hidden")).is_ok_and(|text| text.trim() == "1");
            parts.map_or(true, |mut parts| parts.next().is_none()) && !is_hidden
        };
        let whole: Vec<&String> = names.iter().filter(is_whole).collect();
        let disks: Vec<String> = lowest(whole.into_iter().map(String::as_str), disk_height)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let number = |name: &&String| {
            let text = fs::read_to_string(sys.join("block").join(name).join("dev")).ok()?;
            Some(text.trim().to_owned())
        };
        let others = names.iter().filter(|name| !disks.contains(name));
        let apart = Arc::new(others.filter_map(|name| number(&name)).collect());
        Self {
            networks: networks(sys, interfaces),
            disks,
            apart,
        }
    }
}

/// Cards, which have a device behind them. In a container, or where there is no card, those that stand on no other.
fn networks(sys: &Path, interfaces: &str) -> Vec<String> {
    let folder = |name: &str| sys.join("class/net").join(name);
    let is_card = |name: &&str| folder(name).join("device").exists();
    let stands_on_another = |name: &str| {
        names(&folder(name))
            .iter()
            .any(|entry| entry.starts_with("lower_"))
    };
    let all = || parse::interface_names(interfaces);
    let cards: Vec<_> = all().filter(is_card).collect();
    let counting = if cards.is_empty() {
        lowest(
            all().filter(|name| !stands_on_another(name)),
            network_height,
        )
    } else {
        cards
    };
    counting.into_iter().map(str::to_owned).collect()
}

/// Names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(sys: &Path, folders: &[&str], files: &[(&str, &str)]) {
        for folder in folders {
            fs::create_dir_all(sys.join(folder)).unwrap();
        }
        for (file, text) in files {
            fs::write(sys.join(file), text).unwrap();
        }
    }

    fn interfaces(names: &[&str]) -> String {
        let lines = names
            .iter()
            .map(|name| format!("{name}: 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n"));
        format!("Inter-|\n face |\n{}", lines.collect::<String>())
    }

    #[test]
    fn disks_count_and_what_stands_on_them_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let folders = [
            "block/sda/slaves",
            "block/nvme0n1/slaves",
            "block/nvme0c0n1/slaves",
            "block/dm-0/slaves/sda2",
            "block/md0/slaves/sda",
            "block/loop1/slaves",
            "block/zram0/slaves",
        ];
        let files = [
            ("block/sda/dev", "8:0\n"),
            ("block/dm-0/dev", "253:0\n"),
            ("block/md0/dev", "9:0\n"),
            ("block/nvme0c0n1/hidden", "1\n"),
        ];
        make(dir.path(), &folders, &files);
        let devices = Devices::look(dir.path(), "");
        assert_eq!(devices.disks, ["nvme0n1", "sda"]);
        assert_eq!(
            *devices.apart,
            HashSet::from(["253:0".to_owned(), "9:0".to_owned()])
        );
        // Where the disks below cannot be seen, what can be seen counts.
        assert_eq!(
            Devices::look(&dir.path().join("none"), "").disks,
            [] as [String; 0]
        );
    }

    #[test]
    fn cards_count_and_where_there_is_none_what_stands_on_no_other() {
        let dir = tempfile::tempdir().unwrap();
        make(
            dir.path(),
            &[
                "class/net/enp3s0/device",
                "class/net/veth1",
                "class/net/bond0/lower_enp3s0",
            ],
            &[],
        );
        let all = interfaces(&["lo", "enp3s0", "veth1", "cni0", "bond0"]);
        assert_eq!(Devices::look(dir.path(), &all).networks, ["enp3s0"]);
        // As in a container: no device is behind its end of the cable.
        let none = tempfile::tempdir().unwrap();
        make(
            none.path(),
            &["class/net/eth0", "class/net/mesh0/lower_eth0"],
            &[],
        );
        assert_eq!(
            Devices::look(none.path(), &interfaces(&["lo", "eth0", "mesh0"])).networks,
            ["eth0"]
        );
    }
}

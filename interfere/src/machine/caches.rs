//! Caches by core, from `/sys/devices/system/cpu`.

use super::cores::parse_list;
use super::{Machine, MachineError};

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Data only.
    Data,
    /// Instructions only.
    Instructions,
    /// Both.
    Unified,
}

/// One cache that a core uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// 1, 2, 3...
    pub level: u8,
    /// What it holds.
    pub holds: Holds,
    /// Its size.
    pub bytes: usize,
    /// Bytes of a line.
    pub line_bytes: usize,
    /// Cores that share it.
    pub shared: Vec<usize>,
}

impl Machine {
    /// The caches of a core, as far as the kernel knows them (in some virtual machines: not at all).
    #[must_use]
    pub fn caches(&self, core: usize) -> Vec<Cache> {
        (0..16)
            .map_while(|index| self.cache(core, index).ok())
            .collect()
    }

    /// The core's data (or unified) cache of that level.
    #[must_use]
    pub fn data_cache(&self, core: usize, level: u8) -> Option<Cache> {
        self.caches(core)
            .into_iter()
            .find(|cache| cache.level == level && cache.holds != Holds::Instructions)
    }

    /// The core's first-level instruction cache.
    #[must_use]
    pub fn instruction_cache(&self, core: usize) -> Option<Cache> {
        self.caches(core)
            .into_iter()
            .find(|cache| cache.level == 1 && cache.holds == Holds::Instructions)
    }

    /// The core's last cache before memory.
    #[must_use]
    pub fn last_cache(&self, core: usize) -> Option<Cache> {
        self.caches(core)
            .into_iter()
            .filter(|cache| cache.holds != Holds::Instructions)
            .max_by_key(|cache| cache.level)
    }

    fn cache(&self, core: usize, index: usize) -> Result<Cache, MachineError> {
        let folder = format!("sys/devices/system/cpu/cpu{core}/cache/index{index}");
        let missing = |what, file: &str| MachineError::Missing {
            what,
            path: self.path(&format!("{folder}/{file}")),
        };
        let read = |file: &str| self.read(&format!("{folder}/{file}"));
        let holds = match read("type")?.trim() {
            "Data" => Holds::Data,
            "Instruction" => Holds::Instructions,
            _ => Holds::Unified,
        };
        Ok(Cache {
            level: read("level")?
                .trim()
                .parse()
                .map_err(|_| missing("a level", "level"))?,
            holds,
            bytes: parse_size(&read("size")?).ok_or_else(|| missing("a size", "size"))?,
            line_bytes: read("coherency_line_size")
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(64),
            shared: parse_list(&read("shared_cpu_list")?).unwrap_or_else(|_| vec![core]),
        })
    }
}

/// `32K`, `1024K`, `32M`, or plain bytes.
fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, factor) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1024),
        b'M' => (&text[..text.len() - 1], 1024 * 1024),
        b'G' => (&text[..text.len() - 1], 1024 * 1024 * 1024),
        _ => (text, 1),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|value| value.checked_mul(factor))
        .filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put(
        root: &std::path::Path,
        index: usize,
        level: &str,
        holds: &str,
        size: &str,
        shared: &str,
    ) {
        let folder = root.join(format!("sys/devices/system/cpu/cpu0/cache/index{index}"));
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [
            ("level", level),
            ("type", holds),
            ("size", size),
            ("shared_cpu_list", shared),
        ] {
            fs::write(folder.join(file), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn caches_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), 0, "1", "Data", "32K", "0");
        put(root.path(), 1, "1", "Instruction", "64K", "0");
        put(root.path(), 2, "2", "Unified", "1024K", "0");
        put(root.path(), 3, "3", "Unified", "32M", "0-7");
        let machine = Machine::at(root.path(), vec![0]);
        assert_eq!(machine.data_cache(0, 1).unwrap().bytes, 32 << 10);
        assert_eq!(machine.instruction_cache(0).unwrap().bytes, 64 << 10);
        let last = machine.last_cache(0).unwrap();
        assert_eq!(
            (last.level, last.bytes, last.shared.len(), last.line_bytes),
            (3, 32 << 20, 8, 64)
        );
    }

    #[test]
    fn a_machine_that_says_nothing_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert!(Machine::at(root.path(), vec![0]).last_cache(0).is_none());
        put(root.path(), 0, "1", "Data", "many", "0");
        assert!(Machine::at(root.path(), vec![0]).caches(0).is_empty());
    }
}

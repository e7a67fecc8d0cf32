//! What an ELF program says about itself: its machine, its loader, the libraries it is linked to. Only segments are
//! read, as a loader does it: a stripped program may have no sections.

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

/// Machines by their name in images.
const ARCHITECTURES: [(u16, &str); 5] = [
    (elf::EM_X86_64, "amd64"),
    (elf::EM_AARCH64, "arm64"),
    (elf::EM_RISCV, "riscv64"),
    (elf::EM_PPC64, "ppc64le"),
    (elf::EM_S390, "s390x"),
];

/// Why a file is no program that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is something else.
    #[error("it is no 64-bit ELF program; name one with --binary")]
    NoProgram,
    /// It ends early, or points beyond its end.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// No image could say for which machine it is.
    #[error("it is for machine {0} of ELF, and images have no name for that")]
    Machine(u16),
}

/// What a program or library needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The machine, as ELF numbers it.
    pub machine: u16,
    /// The path of its loader; a static program and a library have none.
    pub loader: Option<String>,
    /// Names of libraries.
    pub needed: Vec<String>,
    /// Where it wants them to be looked for first; `$ORIGIN` is its own folder.
    pub folders: Vec<String>,
}

impl Facts {
    /// The machine, as images name it.
    ///
    /// # Errors
    /// When they have no name for it.
    pub fn architecture(&self) -> Result<&'static str, ElfError> {
        let known = ARCHITECTURES
            .iter()
            .find(|(machine, _)| *machine == self.machine);
        known
            .map(|(_, name)| *name)
            .ok_or(ElfError::Machine(self.machine))
    }
}

/// Reads an ELF file.
///
/// # Errors
/// When it is none, or damaged.
pub fn read(data: &[u8]) -> Result<Facts, ElfError> {
    let header = FileHeader64::<Endianness>::parse(data).map_err(|_| ElfError::NoProgram)?;
    let endian = header.endian().map_err(|_| ElfError::NoProgram)?;
    let damaged = |_| ElfError::Damaged("its segments cannot be read");
    let segments = header.program_headers(endian, data).map_err(damaged)?;
    let mut facts = Facts {
        machine: header.e_machine(endian),
        ..Facts::default()
    };
    let mut entries = Vec::new();
    for segment in segments {
        if let Some(loader) = segment.interpreter(endian, data).map_err(damaged)? {
            facts.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
        if let Some(dynamic) = segment.dynamic(endian, data).map_err(damaged)? {
            entries.extend(
                dynamic
                    .iter()
                    .map(|entry| (entry.d_tag(endian), entry.d_val(endian))),
            );
        }
    }
    entries.truncate(
        entries
            .iter()
            .position(|(tag, _)| *tag == elf::DT_NULL)
            .unwrap_or(entries.len()),
    );
    let value = |wanted| {
        entries
            .iter()
            .find(|(tag, _)| *tag == wanted)
            .map(|(_, value)| *value)
    };
    let (Some(table), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
        return Ok(facts);
    };
    let strings = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let strings = strings
        .filter_map(|segment| segment.data_range(endian, data, table, size).ok().flatten())
        .next();
    let strings = strings.ok_or(ElfError::Damaged("its strings are in none of its segments"))?;
    for (tag, at) in entries {
        if tag == elf::DT_NEEDED {
            facts.needed.push(text(strings, at)?);
        } else if [elf::DT_RPATH, elf::DT_RUNPATH].contains(&tag) {
            facts
                .folders
                .extend(text(strings, at)?.split(':').map(str::to_owned));
        }
    }
    Ok(facts)
}

fn text(strings: &[u8], at: u64) -> Result<String, ElfError> {
    let rest = usize::try_from(at)
        .ok()
        .and_then(|at| strings.get(at..))
        .unwrap_or_default();
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(ElfError::Damaged("a name in it has no end"))?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_program_names_the_loader_and_the_libraries_that_the_kernel_gave_it() {
        let facts = read(&own()).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = |name: &str| maps.lines().any(|line| line.ends_with(&format!("/{name}")));
        for name in &facts.needed {
            assert!(mapped(name), "{name} is not mapped:\n{maps}");
        }
        // A static build of the tests has neither.
        assert_eq!(
            facts.loader.is_some(),
            facts.needed.iter().any(|name| name.starts_with("libc."))
        );
        assert!(facts.architecture().is_ok());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert_eq!(read(b"#!/bin/sh\n"), Err(ElfError::NoProgram));
        assert_eq!(
            read(&own()[..64]),
            Err(ElfError::Damaged("its segments cannot be read"))
        );
        assert_eq!(
            Facts {
                machine: 2,
                ..Facts::default()
            }
            .architecture(),
            Err(ElfError::Machine(2))
        );
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..4096, byte: u8, length in 0_usize..4096) {
            let mut data = own();
            data[at] = byte;
            drop(read(&data));
            drop(read(&data[..length]));
        }
    }
}

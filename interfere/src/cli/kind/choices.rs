//! What can be chosen by a word on the command line.

use aefm_workloads::interference::{Access, CpuClass, CpuWork};
use clap::ValueEnum;

/// See [`CpuWork`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Work {
    Integer,
    Float,
    Simd,
}

/// See [`CpuClass`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Class {
    Fair,
    Weight,
    Reserved,
}

/// See [`Access`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum MemoryAccess {
    Read,
    Write,
    #[value(name = "non_temporal", alias = "nt")]
    NonTemporal,
    Copy,
    Random,
}

/// See [`Access`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum DiskAccess {
    Read,
    Write,
    Random,
}

impl From<Work> for CpuWork {
    fn from(work: Work) -> Self {
        match work {
            Work::Integer => Self::Integer,
            Work::Float => Self::Float,
            Work::Simd => Self::Simd,
        }
    }
}

impl From<Class> for CpuClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Fair => Self::Fair,
            Class::Weight => Self::Weight,
            Class::Reserved => Self::Reserved,
        }
    }
}

impl From<MemoryAccess> for Access {
    fn from(access: MemoryAccess) -> Self {
        match access {
            MemoryAccess::Read => Self::Read,
            MemoryAccess::Write => Self::Write,
            MemoryAccess::NonTemporal => Self::NonTemporal,
            MemoryAccess::Copy => Self::Copy,
            MemoryAccess::Random => Self::Random,
        }
    }
}

impl From<DiskAccess> for Access {
    fn from(access: DiskAccess) -> Self {
        match access {
            DiskAccess::Read => Self::Read,
            DiskAccess::Write => Self::Write,
            DiskAccess::Random => Self::Random,
        }
    }
}

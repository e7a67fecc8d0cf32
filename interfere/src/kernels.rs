//! The instructions that press on a machine, chosen at run time by what it can do.

mod burn;
pub mod code;
pub mod pages;
pub mod stream;

pub use burn::Burn;

/// The widest vectors that this machine has and these kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// 512 bit.
    Avx512,
    /// 256 bit.
    Avx2,
    /// 128 bit.
    Neon,
    /// Whatever the compiler makes of plain code.
    Portable,
}

impl Vectors {
    /// What this machine has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma")
            {
                return Self::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Self::Neon;
        }
        Self::Portable
    }

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Neon => "NEON",
            Self::Portable => "portable",
        }
    }
}

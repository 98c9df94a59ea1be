//! Which instructions the kernels may use.
//!
//! A [`Level`] can only be made for instructions that this processor has, which is what makes it safe to run on.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Isa {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// An instruction level that this processor has; levels are ordered by what they can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(Isa);

impl Level {
    /// Plain Rust, present everywhere: the twin that the others are tested against.
    pub const SCALAR: Level = Level(Isa::Scalar);

    /// AVX2 with FMA and F16C, if the processor has them.
    pub fn avx2() -> Option<Level> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            return Some(Level(Isa::Avx2));
        }
        None
    }

    /// AVX-512 (F, BW, DQ, VL) with VNNI, if the processor has them.
    pub fn avx512() -> Option<Level> {
        #[cfg(target_arch = "x86_64")]
        if Level::avx2().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
        {
            return Some(Level(Isa::Avx512));
        }
        None
    }

    /// The highest level of this processor.
    pub fn best() -> Level {
        Level::avx512().or_else(Level::avx2).unwrap_or(Level::SCALAR)
    }

    /// Every level of this processor, lowest first.
    pub fn available() -> Vec<Level> {
        [Some(Level::SCALAR), Level::avx2(), Level::avx512()].into_iter().flatten().collect()
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Which instructions the kernels may use.
//!
//! A [`Level`] can only be made for instructions that this processor has, which is what makes it safe to run on.

use crate::Error;
use crate::lanes::{Op, Scalar};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Isa {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Amx,
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

    /// AVX-512 with VNNI and AMX tiles of bytes, if the processor has them and the system lets this process use them.
    pub fn amx() -> Option<Level> {
        #[cfg(target_arch = "x86_64")]
        if Level::avx512().is_some() && crate::amx::usable() {
            return Some(Level(Isa::Amx));
        }
        None
    }

    /// The highest level of this processor.
    pub fn best() -> Level {
        Level::amx().or_else(Level::avx512).or_else(Level::avx2).unwrap_or(Level::SCALAR)
    }

    /// Every level of this processor, lowest first.
    pub fn available() -> Vec<Level> {
        [Some(Level::SCALAR), Level::avx2(), Level::avx512(), Level::amx()].into_iter().flatten().collect()
    }

    /// The level of that name (`scalar`, `avx2`, `avx512`, `amx`, `best`), refused where the processor lacks it.
    pub fn parse(name: &str) -> Result<Level, Error> {
        let (level, asked) = match name {
            "best" => return Ok(Level::best()),
            "scalar" => return Ok(Level::SCALAR),
            "avx2" => (Level::avx2(), "avx2"),
            "avx512" => (Level::avx512(), "avx512"),
            "amx" => (Level::amx(), "amx"),
            _ => return Err(Error::LevelName(name.to_string())),
        };
        level.ok_or(Error::LevelMissing { asked, best: Level::best().name() })
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => "amx",
        }
    }

    /// Thirty-two registers of sixteen floats each.
    #[inline]
    pub(crate) fn is_wide(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 >= Isa::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Tiles of bytes multiply tiles of bytes: what [`crate::amx`] needs.
    #[inline]
    pub(crate) fn has_tiles(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 == Isa::Amx;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Work that only a level with tiles is to do: it is compiled for no other.
    #[inline]
    pub(crate) fn run_with_tiles<O: Op>(self, op: O) -> Option<O::Out> {
        #[cfg(target_arch = "x86_64")]
        if self.has_tiles() {
            // SAFETY: a level with tiles is only made after the processor was asked for these features.
            return Some(unsafe { crate::lanes::avx512::run(op) });
        }
        drop(op);
        None
    }

    #[inline]
    pub(crate) fn run<O: Op>(self, op: O) -> O::Out {
        match self.0 {
            Isa::Scalar => op.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level with this value is only made after the processor was asked for these features.
            Isa::Avx2 => unsafe { crate::lanes::avx2::run(op) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 | Isa::Amx => unsafe { crate::lanes::avx512::run(op) },
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_back_and_forth() {
        for level in Level::available() {
            assert_eq!(Level::parse(level.name()), Ok(level));
        }
        assert_eq!(Level::parse("best"), Ok(Level::best()));
        assert_eq!(Level::parse("AVX9"), Err(Error::LevelName("AVX9".into())));
    }

    #[test]
    fn available_levels_are_ordered_and_end_with_the_best() {
        let levels = Level::available();
        assert!(levels.is_sorted());
        assert_eq!(levels.first(), Some(&Level::SCALAR));
        assert_eq!(levels.last(), Some(&Level::best()));
    }
}

//! Sixteen lanes of numbers, and what can be done to them: the vocabulary that every kernel is written in.
//!
//! A token of a type that implements [`Lanes`] proves that the processor has the instructions, so the methods are safe.
//! All implementations agree bit for bit: multiply-adds are fused, [`Lanes::sum`] adds in one fixed order, and
//! `min` and `max` return the second operand where the first is NaN or neither is greater.
//!
//! Left out: anything that only one instruction set can do well.

mod scalar;
pub(crate) use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;

/// Lanes in a vector.
pub(crate) const N: usize = 16;

/// Work that [`crate::Level::run`] compiles once per instruction set. Implementations must be `#[inline(always)]`, and
/// so must every function they pass their token to: only code inlined into the entry is compiled with its instructions.
/// Closures can't be, so none may use a token: one that did was measured at a twentieth of the speed.
pub(crate) trait Op {
    type Out;
    fn run<S: Lanes>(self, s: S) -> Self::Out;
}

pub(crate) trait Lanes: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32, or the sixty-four bytes of them in little-endian order.
    type I: Copy;

    /// Sums of products in sixteen bits, where that is quicker than in thirty-two.
    type Short: Copy;

    /// Products of quanta of at most four bits are quicker added up as [`Lanes::Short`], eight at a time.
    const SHORT: bool;
    /// Wide enough in registers for two vectors of accumulators by six rows.
    const WIDE: bool;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32; N]) -> Self::F;
    fn load_f32(self, bytes: &[u8; 64]) -> Self::F;
    fn load_f16(self, bytes: &[u8; 32]) -> Self::F;
    fn load_bf16(self, bytes: &[u8; 32]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; N]);
    fn store_f32(self, x: Self::F, to: &mut [u8; 64]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a·b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// Halves to even.
    fn round(self, a: Self::F) -> Self::F;
    /// 2 to the power of a whole number in -126..=127.
    fn exp2_whole(self, n: Self::F) -> Self::F;
    fn to_array(self, a: Self::F) -> [f32; N];

    fn splat_i(self, x: i32) -> Self::I;
    fn load_i(self, bytes: &[u8; 64]) -> Self::I;
    fn store_i(self, x: Self::I, to: &mut [u8; 64]);
    /// Sixteen signed bytes, widened.
    fn widen_i8(self, bytes: &[u8; 16]) -> Self::I;
    /// Sixteen unsigned bytes, widened.
    fn widen_u8(self, bytes: &[u8; 16]) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn shl(self, a: Self::I, by: u32) -> Self::I;
    fn shr(self, a: Self::I, by: u32) -> Self::I;
    fn to_f(self, a: Self::I) -> Self::F;
    /// 3·2²² and the whole number, exact for numbers of at most 22 bits on either side, without an operation on floats.
    #[inline(always)]
    fn above_base(self, a: Self::I) -> Self::F {
        self.add(self.splat(12_582_912.0), self.to_f(a))
    }
    /// The nearest whole number, halves to even; what is outside of i32 is unspecified.
    fn to_i(self, a: Self::F) -> Self::I;
    /// Each byte less `by`, as signed bytes.
    fn less_bytes(self, a: Self::I, by: u8) -> Self::I;
    /// Of sixteen rows, the four words of each: vector `w` has word `w` of row `r` in lane `r`.
    fn across(self, rows: [&[u8; 16]; N]) -> [Self::I; 4];
    /// The low byte of each lane, for lanes in -128..=127.
    fn narrow(self, a: Self::I) -> [u8; 16];
    /// `acc + Σ w·a` over the four bytes of each lane; `w` unsigned and at most 127, `a` signed.
    fn dot(self, acc: Self::I, w: Self::I, a: Self::I) -> Self::I;
    /// The same with `w` up to 255.
    fn dot_wide(self, acc: Self::I, w: Self::I, a: Self::I) -> Self::I;
    /// No products yet.
    fn short(self) -> Self::Short;
    /// As [`Lanes::dot`] for `w` of at most 15 and at most eight times; `a` must be above -128.
    fn dot_short(self, acc: Self::Short, w: Self::I, a: Self::I) -> Self::Short;
    /// `acc` and the sum of the products.
    fn add_short(self, acc: Self::I, short: Self::Short) -> Self::I;
    /// Asks for the cache line `ahead` bytes after the start of `at`, which may lie past its end. It goes to the second
    /// cache: the first has too few places for lines on their way, and a loop by itself lost a quarter with it.
    fn prefetch(self, at: &[u8], ahead: usize);

    /// Pairwise: lane i with lane i + 8, then + 4, + 2, + 1.
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        let mut x = self.to_array(a);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                x[i] += x[i + half];
            }
        }
        x[0]
    }

    /// The greatest lane; NaNs may be lost.
    fn greatest(self, a: Self::F) -> f32;

    /// The bits of the greatest magnitude of both: at least those of infinity where one of them is none of the numbers.
    fn most_bits(self, a: Self::F, b: Self::F) -> u32;

    /// The first lanes from a slice of at most sixteen, `fill` in the others.
    #[inline(always)]
    fn load_part(self, x: &[f32], fill: f32) -> Self::F {
        match x.first_chunk() {
            Some(full) => self.load(full),
            None => {
                let mut lanes = [fill; N];
                lanes[..x.len()].copy_from_slice(x);
                self.load(&lanes)
            }
        }
    }

    /// As many lanes as the slice takes, at most sixteen.
    #[inline(always)]
    fn store_part(self, x: Self::F, to: &mut [f32]) {
        match to.first_chunk_mut() {
            Some(full) => self.store(x, full),
            None => {
                let lanes = self.to_array(x);
                let n = to.len();
                to.copy_from_slice(&lanes[..n]);
            }
        }
    }

    /// e to the power of x, within 2 units in the last place; 0 below -104, infinite above 88.8, NaN stays.
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        // Cody and Waite's reduction to |r| <= ln(2)/2, then a polynomial, then 2^n in two steps so that it neither
        // overflows early nor loses subnormal results.
        let x = self.min(self.splat(100.0), self.max(self.splat(-104.0), x));
        let n = self.round(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        let r = self.fma(n, self.splat(-0.693_145_75), x);
        let r = self.fma(n, self.splat(-1.428_606_8e-6), r);
        let mut p = self.splat(1.0 / 5040.0);
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = self.fma(p, r, self.splat(c));
        }
        let half = self.round(self.mul(n, self.splat(0.5)));
        let p = self.mul(p, self.exp2_whole(half));
        self.mul(p, self.exp2_whole(self.sub(n, half)))
    }
}

/// Sixteen-lane chunks of a slice of f32 and what remains.
#[inline(always)]
pub(crate) fn chunks(x: &[f32]) -> (&[[f32; N]], &[f32]) {
    x.as_chunks()
}

/// Reading sixteen numbers as they are stored.
pub(crate) trait Stored {
    type Vector;
    fn vectors(bytes: &[u8]) -> &[Self::Vector];
    fn load<S: Lanes>(s: S, vector: &Self::Vector) -> S::F;
    /// Fewer than sixteen, zeros in the other lanes.
    fn load_part<S: Lanes>(s: S, bytes: &[u8]) -> S::F;
}

/// F32.
pub(crate) struct Single;
/// F16.
pub(crate) struct Half;
/// BF16.
pub(crate) struct Brain;

macro_rules! stored {
    ($name:ident, $bytes:literal, $load:ident) => {
        impl Stored for $name {
            type Vector = [u8; $bytes];

            #[inline(always)]
            fn vectors(bytes: &[u8]) -> &[[u8; $bytes]] {
                bytes.as_chunks().0
            }
            #[inline(always)]
            fn load<S: Lanes>(s: S, vector: &[u8; $bytes]) -> S::F {
                s.$load(vector)
            }
            #[inline(always)]
            fn load_part<S: Lanes>(s: S, bytes: &[u8]) -> S::F {
                let mut padded = [0; $bytes];
                let n = bytes.len().min($bytes);
                padded[..n].copy_from_slice(&bytes[..n]);
                s.$load(&padded)
            }
        }
    };
}

stored!(Single, 64, load_f32);
stored!(Half, 32, load_f16);
stored!(Brain, 32, load_bf16);

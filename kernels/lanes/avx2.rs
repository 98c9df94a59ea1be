//! Lanes in two 256-bit registers: lanes 0 to 7 and 8 to 15.

use super::{Lanes, N, Op};
use std::arch::x86_64::*;

/// Exists only inside of [`run`], so wherever there is one, the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) unsafe fn run<O: Op>(op: O) -> O::Out {
    op.run(Avx2(()))
}

type F = (__m256, __m256);
type I = (__m256i, __m256i);

/// Calls intrinsics that touch no memory but what their reference arguments cover.
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: the token proves the features, and every pointer stays within an array reference of the full width.
        unsafe { $($body)* }
    }};
}

/// The same intrinsic on both halves.
macro_rules! both {
    ($f:path, $($x:expr),+) => { simd!(($f($($x.0),+), $f($($x.1),+))) };
}

impl Avx2 {
    #[inline(always)]
    fn dot_half(acc: __m256i, w: __m256i, a: __m256i) -> __m256i {
        simd!(_mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1))))
    }

    #[inline(always)]
    fn two_rows(rows: &[&[u8; 16]; N], first: usize) -> __m256i {
        simd!({
            let low = _mm256_castsi128_si256(_mm_loadu_si128(rows[first].as_ptr().cast()));
            _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(rows[first + 4].as_ptr().cast()))
        })
    }

    #[inline(always)]
    fn across_half(rows: &[&[u8; 16]; N], first: usize) -> [__m256i; 4] {
        let (a, b) = (Avx2::two_rows(rows, first), Avx2::two_rows(rows, first + 1));
        let (c, d) = (Avx2::two_rows(rows, first + 2), Avx2::two_rows(rows, first + 3));
        simd!({
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ef, gh) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(ef, gh),
                _mm256_unpackhi_epi64(ef, gh),
            ]
        })
    }

    /// By nibbles, since two products of a full byte overflow the sixteen bits between the two multiplications.
    #[inline(always)]
    fn dot_wide_half(acc: __m256i, w: __m256i, a: __m256i) -> __m256i {
        simd!({
            let mask = _mm256_set1_epi8(15);
            let low = _mm256_and_si256(w, mask);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(w), mask);
            let low = _mm256_madd_epi16(_mm256_maddubs_epi16(low, a), _mm256_set1_epi16(1));
            let high = _mm256_madd_epi16(_mm256_maddubs_epi16(high, a), _mm256_set1_epi16(16));
            _mm256_add_epi32(acc, _mm256_add_epi32(low, high))
        })
    }
}

impl Lanes for Avx2 {
    type F = F;
    type I = I;
    /// 8 · 2 · 15 · 127 = 30,480 still fits.
    type Short = I;
    const SHORT: bool = true;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        let v = simd!(_mm256_set1_ps(x));
        (v, v)
    }
    #[inline(always)]
    fn load(self, x: &[f32; N]) -> F {
        simd!((_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))))
    }
    #[inline(always)]
    fn load_f32(self, bytes: &[u8; 64]) -> F {
        let (a, b) = self.load_i(bytes);
        simd!((_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
    }
    #[inline(always)]
    fn load_f16(self, bytes: &[u8; 32]) -> F {
        let p = bytes.as_ptr();
        simd!((_mm256_cvtph_ps(_mm_loadu_si128(p.cast())), _mm256_cvtph_ps(_mm_loadu_si128(p.add(16).cast()))))
    }
    #[inline(always)]
    fn load_bf16(self, bytes: &[u8; 32]) -> F {
        let p = bytes.as_ptr();
        simd!({
            let a = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            let b = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.add(16).cast()));
            (_mm256_castsi256_ps(_mm256_slli_epi32::<16>(a)), _mm256_castsi256_ps(_mm256_slli_epi32::<16>(b)))
        })
    }
    #[inline(always)]
    fn store(self, x: F, to: &mut [f32; N]) {
        simd!({
            _mm256_storeu_ps(to.as_mut_ptr(), x.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x.1);
        })
    }
    #[inline(always)]
    fn store_f32(self, x: F, to: &mut [u8; 64]) {
        simd!({
            _mm256_storeu_ps(to.as_mut_ptr().cast(), x.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(32).cast(), x.1);
        })
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        both!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        both!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        both!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        both!(_mm256_div_ps, a, b)
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        both!(_mm256_fmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        both!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        both!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        let sign = self.splat(-0.0);
        both!(_mm256_andnot_ps, sign, a)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        both!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>, a)
    }
    #[inline(always)]
    fn exp2_whole(self, n: F) -> F {
        let n = self.to_i(n);
        let biased = both!(_mm256_add_epi32, n, self.splat_i(127));
        let bits = self.shl(biased, 23);
        both!(_mm256_castsi256_ps, bits)
    }
    #[inline(always)]
    fn to_array(self, a: F) -> [f32; N] {
        let mut out = [0.0; N];
        self.store(a, &mut out);
        out
    }
    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        simd!({
            let x = _mm256_add_ps(a.0, a.1);
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn greatest(self, a: F) -> f32 {
        simd!({
            let x = _mm256_max_ps(a.0, a.1);
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn most_bits(self, a: F, b: F) -> u32 {
        let (a, b) = (self.abs(a), self.abs(b));
        simd!({
            let x = _mm256_max_epi32(_mm256_castps_si256(a.0), _mm256_castps_si256(a.1));
            let y = _mm256_max_epi32(_mm256_castps_si256(b.0), _mm256_castps_si256(b.1));
            let x = _mm256_max_epi32(x, y);
            let x = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            let x = _mm_max_epi32(x, _mm_shuffle_epi32::<0b00_00_11_10>(x));
            _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32::<1>(x))) as u32
        })
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> I {
        let v = simd!(_mm256_set1_epi32(x));
        (v, v)
    }
    #[inline(always)]
    fn load_i(self, bytes: &[u8; 64]) -> I {
        let p = bytes.as_ptr();
        simd!((_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(32).cast())))
    }
    #[inline(always)]
    fn store_i(self, x: I, to: &mut [u8; 64]) {
        let p = to.as_mut_ptr();
        simd!({
            _mm256_storeu_si256(p.cast(), x.0);
            _mm256_storeu_si256(p.add(32).cast(), x.1);
        })
    }
    #[inline(always)]
    fn widen_i8(self, bytes: &[u8; 16]) -> I {
        simd!({
            let x = _mm_loadu_si128(bytes.as_ptr().cast());
            (_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(x)))
        })
    }
    #[inline(always)]
    fn widen_u8(self, bytes: &[u8; 16]) -> I {
        simd!({
            let x = _mm_loadu_si128(bytes.as_ptr().cast());
            (_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(x)))
        })
    }
    #[inline(always)]
    fn and(self, a: I, b: I) -> I {
        both!(_mm256_and_si256, a, b)
    }
    #[inline(always)]
    fn or(self, a: I, b: I) -> I {
        both!(_mm256_or_si256, a, b)
    }
    #[inline(always)]
    fn shl(self, a: I, by: u32) -> I {
        simd!({
            let k = _mm_cvtsi32_si128(by as i32);
            (_mm256_sll_epi32(a.0, k), _mm256_sll_epi32(a.1, k))
        })
    }
    #[inline(always)]
    fn shr(self, a: I, by: u32) -> I {
        simd!({
            let k = _mm_cvtsi32_si128(by as i32);
            (_mm256_srl_epi32(a.0, k), _mm256_srl_epi32(a.1, k))
        })
    }
    #[inline(always)]
    fn to_f(self, a: I) -> F {
        both!(_mm256_cvtepi32_ps, a)
    }
    #[inline(always)]
    fn to_i(self, a: F) -> I {
        both!(_mm256_cvtps_epi32, a)
    }
    #[inline(always)]
    fn less_bytes(self, a: I, by: u8) -> I {
        let by = simd!(_mm256_set1_epi8(by as i8));
        both!(_mm256_sub_epi8, a, (by, by))
    }
    #[inline(always)]
    fn across(self, rows: [&[u8; 16]; N]) -> [I; 4] {
        let (low, high) = (Avx2::across_half(&rows, 0), Avx2::across_half(&rows, 8));
        [(low[0], high[0]), (low[1], high[1]), (low[2], high[2]), (low[3], high[3])]
    }
    #[inline(always)]
    fn narrow(self, a: I) -> [u8; 16] {
        let mut out = [0; 16];
        simd!({
            let words = _mm256_packs_epi32(a.0, a.1);
            let bytes = _mm256_packs_epi16(words, words);
            let order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
            let bytes = _mm256_permutevar8x32_epi32(bytes, order);
            _mm_storeu_si128(out.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes));
        });
        out
    }
    #[inline(always)]
    fn dot(self, acc: I, w: I, a: I) -> I {
        (Avx2::dot_half(acc.0, w.0, a.0), Avx2::dot_half(acc.1, w.1, a.1))
    }
    #[inline(always)]
    fn dot_wide(self, acc: I, w: I, a: I) -> I {
        (Avx2::dot_wide_half(acc.0, w.0, a.0), Avx2::dot_wide_half(acc.1, w.1, a.1))
    }
    #[inline(always)]
    fn short(self) -> I {
        self.splat_i(0)
    }
    #[inline(always)]
    fn dot_short(self, acc: I, w: I, a: I) -> I {
        let products = both!(_mm256_maddubs_epi16, w, a);
        both!(_mm256_add_epi16, acc, products)
    }
    #[inline(always)]
    fn add_short(self, acc: I, short: I) -> I {
        let ones = simd!(_mm256_set1_epi16(1));
        let sums = both!(_mm256_madd_epi16, short, (ones, ones));
        both!(_mm256_add_epi32, acc, sums)
    }
    #[inline(always)]
    fn prefetch(self, at: &[u8], ahead: usize) {
        // SAFETY: a prefetch of any address has no effect that a program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.as_ptr().wrapping_add(ahead).cast()) }
    }
}

//! Lanes in one 512-bit register.

use super::{Lanes, N, Op};
use std::arch::x86_64::*;

/// Exists only inside of [`run`], so wherever there is one, the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn run<O: Op>(op: O) -> O::Out {
    op.run(Avx512(()))
}

/// Calls an intrinsic that touches no memory but what its reference arguments cover.
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: the token proves the features, and every pointer comes from an array reference of the full width.
        unsafe { $($body)* }
    }};
}

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    type Short = __m512i;
    const SHORT: bool = false;
    const WIDE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        simd!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32; N]) -> __m512 {
        simd!(_mm512_loadu_ps(x.as_ptr()))
    }
    #[inline(always)]
    fn load_f32(self, bytes: &[u8; 64]) -> __m512 {
        simd!(_mm512_castsi512_ps(_mm512_loadu_si512(bytes.as_ptr().cast())))
    }
    #[inline(always)]
    fn load_f16(self, bytes: &[u8; 32]) -> __m512 {
        simd!(_mm512_cvtph_ps(_mm256_loadu_si256(bytes.as_ptr().cast())))
    }
    #[inline(always)]
    fn load_bf16(self, bytes: &[u8; 32]) -> __m512 {
        simd!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(
            bytes.as_ptr().cast()
        )))))
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; N]) {
        simd!(_mm512_storeu_ps(to.as_mut_ptr(), x))
    }
    #[inline(always)]
    fn store_f32(self, x: __m512, to: &mut [u8; 64]) {
        simd!(_mm512_storeu_ps(to.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        simd!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        simd!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        simd!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        simd!(_mm512_roundscale_ps::<8>(a))
    }
    #[inline(always)]
    fn exp2_whole(self, n: __m512) -> __m512 {
        simd!({
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        })
    }
    #[inline(always)]
    fn to_array(self, a: __m512) -> [f32; N] {
        let mut out = [0.0; N];
        self.store(a, &mut out);
        out
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        simd!({
            let x = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn greatest(self, a: __m512) -> f32 {
        simd!({
            let x = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn most_bits(self, a: __m512, b: __m512) -> u32 {
        simd!({
            let (a, b) = (_mm512_castps_si512(_mm512_abs_ps(a)), _mm512_castps_si512(_mm512_abs_ps(b)));
            let x = _mm512_max_epi32(a, b);
            let x = _mm256_max_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x));
            let x = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            let x = _mm_max_epi32(x, _mm_shuffle_epi32::<0b00_00_11_10>(x));
            _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32::<1>(x))) as u32
        })
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> __m512i {
        simd!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    fn load_i(self, bytes: &[u8; 64]) -> __m512i {
        simd!(_mm512_loadu_si512(bytes.as_ptr().cast()))
    }
    #[inline(always)]
    fn store_i(self, x: __m512i, to: &mut [u8; 64]) {
        simd!(_mm512_storeu_si512(to.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn widen_i8(self, bytes: &[u8; 16]) -> __m512i {
        simd!(_mm512_cvtepi8_epi32(_mm_loadu_si128(bytes.as_ptr().cast())))
    }
    #[inline(always)]
    fn widen_u8(self, bytes: &[u8; 16]) -> __m512i {
        simd!(_mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.as_ptr().cast())))
    }
    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_and_si512(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn shl(self, a: __m512i, by: u32) -> __m512i {
        simd!(_mm512_sll_epi32(a, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn shr(self, a: __m512i, by: u32) -> __m512i {
        simd!(_mm512_srl_epi32(a, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn to_f(self, a: __m512i) -> __m512 {
        simd!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn above_base(self, a: __m512i) -> __m512 {
        simd!(_mm512_castsi512_ps(_mm512_add_epi32(a, _mm512_castps_si512(_mm512_set1_ps(12_582_912.0)))))
    }
    #[inline(always)]
    fn to_i(self, a: __m512) -> __m512i {
        simd!(_mm512_cvtps_epi32(a))
    }
    #[inline(always)]
    fn less_bytes(self, a: __m512i, by: u8) -> __m512i {
        simd!(_mm512_sub_epi8(a, _mm512_set1_epi8(by as i8)))
    }
    #[inline(always)]
    fn across(self, rows: [&[u8; 16]; N]) -> [__m512i; 4] {
        simd!({
            let mut four = [_mm512_setzero_si512(); 4];
            for j in 0..4 {
                let x = _mm512_castsi128_si512(_mm_loadu_si128(rows[j].as_ptr().cast()));
                let x = _mm512_inserti32x4::<1>(x, _mm_loadu_si128(rows[4 + j].as_ptr().cast()));
                let x = _mm512_inserti32x4::<2>(x, _mm_loadu_si128(rows[8 + j].as_ptr().cast()));
                four[j] = _mm512_inserti32x4::<3>(x, _mm_loadu_si128(rows[12 + j].as_ptr().cast()));
            }
            let (ab, cd) = (_mm512_unpacklo_epi32(four[0], four[1]), _mm512_unpacklo_epi32(four[2], four[3]));
            let (ef, gh) = (_mm512_unpackhi_epi32(four[0], four[1]), _mm512_unpackhi_epi32(four[2], four[3]));
            [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(ef, gh),
                _mm512_unpackhi_epi64(ef, gh),
            ]
        })
    }
    #[inline(always)]
    fn narrow(self, a: __m512i) -> [u8; 16] {
        let mut out = [0; 16];
        simd!(_mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(a)));
        out
    }
    #[inline(always)]
    fn dot(self, acc: __m512i, w: __m512i, a: __m512i) -> __m512i {
        simd!(_mm512_dpbusd_epi32(acc, w, a))
    }
    #[inline(always)]
    fn dot_wide(self, acc: __m512i, w: __m512i, a: __m512i) -> __m512i {
        simd!(_mm512_dpbusd_epi32(acc, w, a))
    }
    #[inline(always)]
    fn short(self) -> __m512i {
        self.splat_i(0)
    }
    #[inline(always)]
    fn dot_short(self, acc: __m512i, w: __m512i, a: __m512i) -> __m512i {
        self.dot(acc, w, a)
    }
    #[inline(always)]
    fn add_short(self, acc: __m512i, short: __m512i) -> __m512i {
        simd!(_mm512_add_epi32(acc, short))
    }
    #[inline(always)]
    fn prefetch(self, at: &[u8], ahead: usize) {
        // SAFETY: a prefetch of any address has no effect that a program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.as_ptr().wrapping_add(ahead).cast()) }
    }
}

//! Lanes in plain Rust: the twin of the others, and what runs where there is no other.

use super::{Lanes, N};

#[derive(Clone, Copy)]
pub(crate) struct Scalar;

#[inline(always)]
fn zip<A: Copy, B: Copy, C>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn dot4(acc: i32, w: i32, a: i32) -> i32 {
    let (w, a) = (w.to_le_bytes(), a.to_le_bytes());
    (0..4).fold(acc, |sum, i| sum.wrapping_add(i32::from(w[i]) * i32::from(a[i] as i8)))
}

impl Lanes for Scalar {
    type F = [f32; N];
    type I = [i32; N];
    type Short = [i32; N];
    const SHORT: bool = false;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; N] {
        [x; N]
    }
    #[inline(always)]
    fn load(self, x: &[f32; N]) -> [f32; N] {
        *x
    }
    #[inline(always)]
    fn load_f32(self, bytes: &[u8; 64]) -> [f32; N] {
        let words = bytes.as_chunks::<4>().0;
        std::array::from_fn(|i| f32::from_le_bytes(words[i]))
    }
    #[inline(always)]
    fn load_f16(self, bytes: &[u8; 32]) -> [f32; N] {
        let words = bytes.as_chunks::<2>().0;
        std::array::from_fn(|i| half::f16::from_le_bytes(words[i]).to_f32())
    }
    #[inline(always)]
    fn load_bf16(self, bytes: &[u8; 32]) -> [f32; N] {
        let words = bytes.as_chunks::<2>().0;
        std::array::from_fn(|i| f32::from_bits(u32::from(u16::from_le_bytes(words[i])) << 16))
    }
    #[inline(always)]
    fn store(self, x: [f32; N], to: &mut [f32; N]) {
        *to = x;
    }
    #[inline(always)]
    fn store_f32(self, x: [f32; N], to: &mut [u8; 64]) {
        to.as_chunks_mut().0.iter_mut().zip(x).for_each(|(to, x)| *to = x.to_le_bytes())
    }
    #[inline(always)]
    fn add(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: [f32; N]) -> [f32; N] {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn round(self, a: [f32; N]) -> [f32; N] {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn exp2_whole(self, n: [f32; N]) -> [f32; N] {
        n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) << 23) as u32))
    }
    #[inline(always)]
    fn to_array(self, a: [f32; N]) -> [f32; N] {
        a
    }
    #[inline(always)]
    fn greatest(self, a: [f32; N]) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, |m, x| if x > m { x } else { m })
    }
    #[inline(always)]
    fn most_bits(self, a: [f32; N], b: [f32; N]) -> u32 {
        a.into_iter().chain(b).fold(0, |most, x| x.abs().to_bits().max(most))
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> [i32; N] {
        [x; N]
    }
    #[inline(always)]
    fn load_i(self, bytes: &[u8; 64]) -> [i32; N] {
        let words = bytes.as_chunks::<4>().0;
        std::array::from_fn(|i| i32::from_le_bytes(words[i]))
    }
    #[inline(always)]
    fn store_i(self, x: [i32; N], to: &mut [u8; 64]) {
        for (word, x) in to.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            *word = x.to_le_bytes();
        }
    }
    #[inline(always)]
    fn widen_i8(self, bytes: &[u8; 16]) -> [i32; N] {
        bytes.map(|b| i32::from(b as i8))
    }
    #[inline(always)]
    fn widen_u8(self, bytes: &[u8; 16]) -> [i32; N] {
        bytes.map(i32::from)
    }
    #[inline(always)]
    fn and(self, a: [i32; N], b: [i32; N]) -> [i32; N] {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: [i32; N], b: [i32; N]) -> [i32; N] {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn shl(self, a: [i32; N], by: u32) -> [i32; N] {
        a.map(|a| ((a as u32) << by) as i32)
    }
    #[inline(always)]
    fn shr(self, a: [i32; N], by: u32) -> [i32; N] {
        a.map(|a| ((a as u32) >> by) as i32)
    }
    #[inline(always)]
    fn to_f(self, a: [i32; N]) -> [f32; N] {
        a.map(|a| a as f32)
    }
    #[inline(always)]
    fn to_i(self, a: [f32; N]) -> [i32; N] {
        a.map(|a| a.round_ties_even() as i32)
    }
    #[inline(always)]
    fn less_bytes(self, a: [i32; N], by: u8) -> [i32; N] {
        a.map(|a| i32::from_le_bytes(a.to_le_bytes().map(|b| b.wrapping_sub(by))))
    }
    #[inline(always)]
    fn across(self, rows: [&[u8; 16]; N]) -> [[i32; N]; 4] {
        std::array::from_fn(|w| rows.map(|row| i32::from_le_bytes(row.as_chunks().0[w])))
    }
    #[inline(always)]
    fn narrow(self, a: [i32; N]) -> [u8; 16] {
        a.map(|a| a as u8)
    }
    #[inline(always)]
    fn dot(self, acc: [i32; N], w: [i32; N], a: [i32; N]) -> [i32; N] {
        std::array::from_fn(|i| dot4(acc[i], w[i], a[i]))
    }
    #[inline(always)]
    fn dot_wide(self, acc: [i32; N], w: [i32; N], a: [i32; N]) -> [i32; N] {
        self.dot(acc, w, a)
    }
    #[inline(always)]
    fn short(self) -> [i32; N] {
        [0; N]
    }
    #[inline(always)]
    fn dot_short(self, acc: [i32; N], w: [i32; N], a: [i32; N]) -> [i32; N] {
        self.dot(acc, w, a)
    }
    #[inline(always)]
    fn add_short(self, acc: [i32; N], short: [i32; N]) -> [i32; N] {
        zip(acc, short, i32::wrapping_add)
    }
    #[inline(always)]
    fn prefetch(self, _at: &[u8], _ahead: usize) {}
}

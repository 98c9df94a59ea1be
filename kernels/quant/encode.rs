//! f32 to blocks.

use super::Format;
use crate::error::{Error, length};
use half::{bf16, f16};

/// The same as [`quantize`], with a search for the scales where there is one: for models that others will use.
pub fn quantize_well(format: Format, x: &[f32], out: &mut [u8]) -> Result<(), Error> {
    if format != Format::Q4_K {
        return quantize(format, x, out);
    }
    length("bytes for the quantised values", format.bytes(x.len())?, out.len())?;
    for (x, block) in x.chunks_exact(format.block_len()).zip(out.chunks_exact_mut(format.block_bytes())) {
        block.fill(0);
        super::search::q4_k(x, block);
    }
    Ok(())
}

/// Writes `x` in the format; `out` must have the length that [`Format::bytes`] says.
pub fn quantize(format: Format, x: &[f32], out: &mut [u8]) -> Result<(), Error> {
    length("bytes for the quantised values", format.bytes(x.len())?, out.len())?;
    let encode: fn(&[f32], &mut [u8]) = match format {
        Format::F32 => |x, b| b.copy_from_slice(&x[0].to_le_bytes()),
        Format::F16 => |x, b| b.copy_from_slice(&f16::from_f32(x[0]).to_le_bytes()),
        Format::BF16 => |x, b| b.copy_from_slice(&bf16::from_f32(x[0]).to_le_bytes()),
        Format::Q8_0 => q8_0,
        Format::Q4_0 => |x, b| symmetric::<4>(x, b),
        Format::Q5_0 => |x, b| symmetric::<5>(x, b),
        Format::Q4_1 => |x, b| affine::<4>(x, b),
        Format::Q5_1 => |x, b| affine::<5>(x, b),
        Format::Q2_K => q2_k,
        Format::Q3_K => q3_k,
        Format::Q4_K => |x, b| q45_k::<4>(x, b),
        Format::Q5_K => |x, b| q45_k::<5>(x, b),
        Format::Q6_K => q6_k,
    };
    for (x, block) in x.chunks_exact(format.block_len()).zip(out.chunks_exact_mut(format.block_bytes())) {
        block.fill(0);
        encode(x, block);
    }
    Ok(())
}

fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Stores a half float and returns what was stored.
pub(super) fn put_f16(bytes: &mut [u8], x: f32) -> f32 {
    let half = f16::from_f32(x);
    bytes[..2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// The value that is farthest from zero, with its sign.
fn farthest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |m: f32, v| if v.abs() > m.abs() { *v } else { m })
}

fn range(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)))
}

fn nearest(x: f32, max: u8) -> u8 {
    x.round().clamp(0.0, f32::from(max)) as u8
}

fn q8_0(x: &[f32], b: &mut [u8]) {
    let d = farthest(x).abs() / 127.0;
    let id = inverse(d);
    put_f16(b, d);
    for (q, x) in b[2..].iter_mut().zip(x) {
        *q = (x * id).round() as i8 as u8;
    }
}

/// Puts 32 values of four or five bits: a fifth bit in `high`, the others in nibbles.
fn put_32<const BITS: u32>(b: &mut [u8], high: usize, nibbles: usize, value: impl Fn(usize) -> u8) {
    for j in 0..32 {
        let q = value(j);
        b[nibbles + j % 16] |= (q & 15) << (j / 16 * 4);
        if BITS == 5 {
            b[high + j / 8] |= (q >> 4) << (j % 8);
        }
    }
}

fn symmetric<const BITS: u32>(x: &[f32], b: &mut [u8]) {
    let zero = (1 << (BITS - 1)) as f32;
    let d = farthest(x) / -zero;
    let id = inverse(d);
    put_f16(b, d);
    let top = (1u8 << BITS) - 1;
    put_32::<BITS>(b, 2, if BITS == 5 { 6 } else { 2 }, |j| ((x[j] * id + (zero + 0.5)) as u8).min(top));
}

fn affine<const BITS: u32>(x: &[f32], b: &mut [u8]) {
    let (lo, hi) = range(x);
    let top = (1u8 << BITS) - 1;
    let d = (hi - lo) / f32::from(top);
    let id = inverse(d);
    put_f16(b, d);
    put_f16(&mut b[2..], lo);
    put_32::<BITS>(b, 4, if BITS == 5 { 8 } else { 4 }, |j| (((x[j] - lo) * id + 0.5) as u8).min(top));
}

/// Scales and minima for sub-blocks of `N` values in 0..=top, as multiples up to `limit` of two common factors.
struct Affine<const SUBS: usize> {
    d: f32,
    dmin: f32,
    scale: [u8; SUBS],
    min: [u8; SUBS],
}

fn affine_scales<const SUBS: usize>(x: &[f32], top: u8, limit: u8) -> Affine<SUBS> {
    let size = x.len() / SUBS;
    let (mut scales, mut mins) = ([0.0f32; SUBS], [0.0f32; SUBS]);
    for (j, x) in x.chunks_exact(size).enumerate() {
        let (lo, hi) = range(x);
        mins[j] = -lo.min(0.0);
        scales[j] = (hi.max(0.0) + mins[j]) / f32::from(top);
    }
    let d = f16::from_f32(farthest(&scales) / f32::from(limit)).to_f32();
    let dmin = f16::from_f32(farthest(&mins) / f32::from(limit)).to_f32();
    Affine {
        d,
        dmin,
        scale: scales.map(|s| nearest(s * inverse(d), limit)),
        min: mins.map(|m| nearest(m * inverse(dmin), limit)),
    }
}

impl<const SUBS: usize> Affine<SUBS> {
    fn value(&self, x: f32, sub: usize, top: u8) -> u8 {
        let (d, m) = (self.d * f32::from(self.scale[sub]), self.dmin * f32::from(self.min[sub]));
        nearest((x + m) * inverse(d), top)
    }
}

fn q2_k(x: &[f32], b: &mut [u8]) {
    let a = affine_scales::<16>(x, 3, 15);
    for j in 0..16 {
        b[j] = a.scale[j] | a.min[j] << 4;
    }
    put_f16(&mut b[80..], a.d);
    put_f16(&mut b[82..], a.dmin);
    for (j, x) in x.iter().enumerate() {
        b[16 + j / 128 * 32 + j % 32] |= a.value(*x, j / 16, 3) << (j % 128 / 32 * 2);
    }
}

fn q45_k<const BITS: u32>(x: &[f32], b: &mut [u8]) {
    let top = (1u8 << BITS) - 1;
    let a = affine_scales::<8>(x, top, 63);
    put_f16(b, a.d);
    put_f16(&mut b[2..], a.dmin);
    if BITS == 4 {
        return pack_q4_k(b, &a.scale, &a.min, |j| a.value(x[j], j / 32, top));
    }
    put_scales(b, &a.scale, &a.min);
    for (j, x) in x.iter().enumerate() {
        let q = a.value(*x, j / 32, top);
        b[48 + j / 64 * 32 + j % 32] |= (q & 15) << (j % 64 / 32 * 4);
        b[16 + j % 32] |= (q >> 4) << (j / 32);
    }
}

/// Eight scales and eight minima of six bits each, in twelve bytes.
fn put_scales(b: &mut [u8], scale: &[u8; 8], min: &[u8; 8]) {
    for j in 0..4 {
        b[4 + j] = scale[j] | scale[j + 4] >> 4 << 6;
        b[8 + j] = min[j] | min[j + 4] >> 4 << 6;
        b[12 + j] = scale[j + 4] & 15 | (min[j + 4] & 15) << 4;
    }
}

/// All of a block of Q4_K but its two half floats.
pub(super) fn pack_q4_k(b: &mut [u8], scale: &[u8; 8], min: &[u8; 8], value: impl Fn(usize) -> u8) {
    put_scales(b, scale, min);
    for j in 0..256 {
        b[16 + j / 64 * 32 + j % 32] |= value(j) << (j % 64 / 32 * 4);
    }
}

/// The common factor and the multiples of it, up to `limit`, that scale 16 sub-blocks to whole numbers up to `top`.
fn symmetric_scales(x: &[f32], top: f32, limit: f32) -> (f32, [i8; 16]) {
    let scales: [f32; 16] = std::array::from_fn(|j| farthest(&x[j * 16..][..16]) / -top);
    let d = f16::from_f32(farthest(&scales) / -limit).to_f32();
    (d, scales.map(|s| (s * inverse(d)).round().clamp(-limit, limit - 1.0) as i8))
}

fn symmetric_value(x: f32, d: f32, scale: i8, zero: f32) -> u8 {
    nearest(x * inverse(d * f32::from(scale)) + zero, (2.0 * zero) as u8 - 1)
}

fn q3_k(x: &[f32], b: &mut [u8]) {
    let (d, scales) = symmetric_scales(x, 4.0, 32.0);
    put_f16(&mut b[108..], d);
    for (j, scale) in scales.iter().enumerate() {
        let s = (scale + 32) as u8;
        b[96 + j % 8] |= (s & 15) << (j / 8 * 4);
        b[104 + j % 4] |= (s >> 4) << (j / 4 * 2);
    }
    for (j, x) in x.iter().enumerate() {
        let q = symmetric_value(*x, d, scales[j / 16], 4.0);
        b[32 + j / 128 * 32 + j % 32] |= (q & 3) << (j % 128 / 32 * 2);
        b[j % 32] |= (q >> 2) << (j / 32);
    }
}

fn q6_k(x: &[f32], b: &mut [u8]) {
    let (d, scales) = symmetric_scales(x, 32.0, 128.0);
    put_f16(&mut b[208..], d);
    for (j, scale) in scales.iter().enumerate() {
        b[192 + j] = *scale as u8;
    }
    for (j, x) in x.iter().enumerate() {
        let q = symmetric_value(*x, d, scales[j / 16], 32.0);
        b[j / 128 * 64 + j % 64] |= (q & 15) << (j % 128 / 64 * 4);
        b[128 + j / 128 * 32 + j % 32] |= (q >> 4) << (j % 128 / 32 * 2);
    }
}

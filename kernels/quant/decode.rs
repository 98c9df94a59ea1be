//! Blocks to f32, byte by byte, as the formats are defined.

use super::Format;
use crate::error::{Error, length};
use half::{bf16, f16};

/// The half float at the start of `bytes`.
#[inline(always)]
pub(crate) fn f16_at(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// Scale and minimum of sub-block `j` (of 8) from the 12 bytes in which Q4_K and Q5_K keep them, six bits each.
#[inline(always)]
pub(crate) fn k4_scale_min(packed: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    }
}

/// Scale of sub-block `j` (of 16) from the 12 bytes in which Q3_K keeps them, six bits each, offset by 32.
#[inline(always)]
pub(crate) fn q3_scale(packed: &[u8], j: usize) -> i8 {
    let low = if j < 8 { packed[j] & 15 } else { packed[j - 8] >> 4 };
    let high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    (low | high << 4) as i8 - 32
}

/// The values that `bytes` stand for; `out` says how many, and the two must agree.
pub fn dequantize(format: Format, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
    length("bytes of the quantised values", format.bytes(out.len())?, bytes.len())?;
    let blocks = bytes.chunks_exact(format.block_bytes()).zip(out.chunks_exact_mut(format.block_len()));
    let decode: fn(&[u8], &mut [f32]) = match format {
        Format::F32 => |b, y| y[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        Format::F16 => |b, y| y[0] = f16_at(b),
        Format::BF16 => |b, y| y[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        Format::Q8_0 => q8_0,
        Format::Q4_0 => q4_0,
        Format::Q4_1 => q4_1,
        Format::Q5_0 => q5_0,
        Format::Q5_1 => q5_1,
        Format::Q2_K => q2_k,
        Format::Q3_K => q3_k,
        Format::Q4_K => q4_k,
        Format::Q5_K => q5_k,
        Format::Q6_K => q6_k,
    };
    for (block, y) in blocks {
        decode(block, y);
    }
    Ok(())
}

fn q8_0(b: &[u8], y: &mut [f32]) {
    let d = f16_at(b);
    for (y, q) in y.iter_mut().zip(&b[2..]) {
        *y = d * f32::from(*q as i8);
    }
}

/// Calls `set(column, nibble)` for 16 bytes whose low nibbles come before their high ones.
fn nibbles(bytes: &[u8], mut set: impl FnMut(usize, u8)) {
    let half = bytes.len();
    for (j, b) in bytes.iter().enumerate() {
        set(j, b & 15);
        set(j + half, b >> 4);
    }
}

fn q4_0(b: &[u8], y: &mut [f32]) {
    let d = f16_at(b);
    nibbles(&b[2..], |j, q| y[j] = d * (f32::from(q) - 8.0));
}

fn q4_1(b: &[u8], y: &mut [f32]) {
    let (d, m) = (f16_at(b), f16_at(&b[2..]));
    nibbles(&b[4..], |j, q| y[j] = d * f32::from(q) + m);
}

fn fifth_bit(b: &[u8], j: usize) -> u8 {
    (b[j / 8] >> (j % 8) & 1) << 4
}

fn q5_0(b: &[u8], y: &mut [f32]) {
    let d = f16_at(b);
    nibbles(&b[6..], |j, q| y[j] = d * (f32::from(q | fifth_bit(&b[2..], j)) - 16.0));
}

fn q5_1(b: &[u8], y: &mut [f32]) {
    let (d, m) = (f16_at(b), f16_at(&b[2..]));
    nibbles(&b[8..], |j, q| y[j] = d * f32::from(q | fifth_bit(&b[4..], j)) + m);
}

/// The two bits of column `j` in 64 bytes that hold 256: per 128 columns, 32 bytes of four pairs each.
fn two_bits(qs: &[u8], j: usize) -> u8 {
    qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3
}

fn q2_k(b: &[u8], y: &mut [f32]) {
    let (scales, qs) = (&b[..16], &b[16..80]);
    let (d, dmin) = (f16_at(&b[80..]), f16_at(&b[82..]));
    for (j, y) in y.iter_mut().enumerate() {
        let scale = scales[j / 16];
        *y = d * f32::from(scale & 15) * f32::from(two_bits(qs, j)) - dmin * f32::from(scale >> 4);
    }
}

fn q3_k(b: &[u8], y: &mut [f32]) {
    let (high, qs, scales, d) = (&b[..32], &b[32..96], &b[96..108], f16_at(&b[108..]));
    for (j, y) in y.iter_mut().enumerate() {
        let q = two_bits(qs, j) | (high[j % 32] >> (j / 32) & 1) << 2;
        *y = d * f32::from(q3_scale(scales, j / 16)) * (f32::from(q) - 4.0);
    }
}

fn q4_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (f16_at(b), f16_at(&b[2..]));
    for (j, y) in y.iter_mut().enumerate() {
        let (scale, min) = k4_scale_min(&b[4..16], j / 32);
        let q = b[16 + j / 64 * 32 + j % 32] >> (j % 64 / 32 * 4) & 15;
        *y = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

fn q5_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (f16_at(b), f16_at(&b[2..]));
    for (j, y) in y.iter_mut().enumerate() {
        let (scale, min) = k4_scale_min(&b[4..16], j / 32);
        let q = b[48 + j / 64 * 32 + j % 32] >> (j % 64 / 32 * 4) & 15;
        let q = q | (b[16 + j % 32] >> (j / 32) & 1) << 4;
        *y = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

fn q6_k(b: &[u8], y: &mut [f32]) {
    let (low, high, scales, d) = (&b[..128], &b[128..192], &b[192..208], f16_at(&b[208..]));
    for (j, y) in y.iter_mut().enumerate() {
        let q = low[j / 128 * 64 + j % 64] >> (j % 128 / 64 * 4) & 15 | two_bits(high, j) << 4;
        *y = d * f32::from(scales[j / 16] as i8) * (f32::from(q) - 32.0);
    }
}

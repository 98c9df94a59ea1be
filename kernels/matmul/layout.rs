//! How packed weights lie in memory, format by format.
//!
//! A tile holds 16 rows × up to 256 columns, so that one vector load brings the same four columns of all 16 rows.
//! Columns are cut in runs of 32. Of each run, first come the quanta, in planes: four vectors of nibbles, two of bit
//! pairs, one of single bits, or eight of whole bytes, as many as the format has bits. A plane's vector holds the
//! quads (four columns) of two, four or eight places of the run. After the quanta of all runs come the scales.
//!
//! Tiles follow each other along the columns; a strip is 16 rows of the matrix.

use crate::Format;
use crate::lanes::Lanes;
use crate::quant::{k4_scale_min, q3_scale};

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Columns of a tile; the last may have fewer, a multiple of 32.
pub(super) const SPAN: usize = 256;
/// Bytes of the largest tile.
pub(super) const TILE: usize = 8 * 64 * 8 + 8 * 32;

/// What is true of a format's tiles, and how to make and read them.
pub(super) trait Layout: Copy {
    const FORMAT: Format;
    /// Bits of a quantum.
    const BITS: usize;
    /// The quantum that stands for zero.
    const ZERO: i32;
    /// Scales are per 16 columns, not 32.
    const HALVES: bool;
    /// There is a minimum beside each scale, taken from the product of scale and quantum.
    const MINS: bool;
    /// Bytes of the scales of a tile with that many runs.
    fn side(runs: usize) -> usize;
    /// The quanta of run `run` of sixteen rows: eight vectors, four columns to a lane.
    fn quads<S: Lanes>(s: S, rows: &Rows, run: usize) -> [S::I; 8];
    /// Writes one row's scales.
    fn put_side(row: &[u8], r: usize, side: &mut [u8]);
    /// Scale and minimum of group `group` (32 or 16 columns) for the 16 rows.
    fn scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F);
}

pub(super) fn tile_bytes<L: Layout>(runs: usize) -> usize {
    runs * 64 * L::BITS + L::side(runs)
}

/// Bytes of 16 rows of that many columns; none for formats that aren't packed.
pub(super) fn strip_bytes(format: Format, cols: usize) -> Option<usize> {
    fn bytes<L: Layout>(cols: usize) -> usize {
        let rest = cols % SPAN / 32;
        cols / SPAN * tile_bytes::<L>(8) + if rest > 0 { tile_bytes::<L>(rest) } else { 0 }
    }
    macro_rules! of {
        ($layout:ty) => {
            Some(bytes::<$layout>(cols))
        };
        () => {
            None
        };
    }
    crate::matmul::layout::with_layout!(format, of)
}

/// Expands to `$then!(Layout)` for the format's layout, to `$then!()` for those that have none.
macro_rules! with_layout {
    ($format:expr, $then:ident) => {
        match $format {
            $crate::Format::Q8_0 => $then!($crate::matmul::layout::Q8_0),
            $crate::Format::Q4_0 => $then!($crate::matmul::layout::Q4_0),
            $crate::Format::Q4_1 => $then!($crate::matmul::layout::Q4_1),
            $crate::Format::Q5_0 => $then!($crate::matmul::layout::Q5_0),
            $crate::Format::Q5_1 => $then!($crate::matmul::layout::Q5_1),
            $crate::Format::Q2_K => $then!($crate::matmul::layout::Q2_K),
            $crate::Format::Q3_K => $then!($crate::matmul::layout::Q3_K),
            $crate::Format::Q4_K => $then!($crate::matmul::layout::Q4_K),
            $crate::Format::Q5_K => $then!($crate::matmul::layout::Q5_K),
            $crate::Format::Q6_K => $then!($crate::matmul::layout::Q6_K),
            $crate::Format::F32 | $crate::Format::F16 | $crate::Format::BF16 => $then!(),
        }
    };
}
pub(super) use with_layout;

/// The bytes of sixteen rows for the columns of a tile; what is beyond the matrix is zeros.
pub(super) type Rows<'a> = [&'a [u8]; ROWS];

/// Makes the tile of sixteen rows, of which the first `count` are the matrix's.
#[inline(always)]
pub(super) fn pack<S: Lanes, L: Layout>(s: S, rows: &Rows, count: usize, runs: usize, tile: &mut [u8]) {
    let (quanta, side) = tile.split_at_mut(runs * 64 * L::BITS);
    for (run, quanta) in quanta.chunks_exact_mut(64 * L::BITS).enumerate() {
        put_planes(s, L::BITS, L::quads(s, rows, run), quanta);
    }
    for (r, row) in rows.iter().enumerate().take(count) {
        L::put_side(row, r, side);
    }
}

const ONES: u32 = 0x0101_0101;
const PAIRS: u32 = 0x0303_0303;
const NIBBLES: u32 = 0x0f0f_0f0f;

#[inline(always)]
fn put_planes<S: Lanes>(s: S, bits: usize, quads: [S::I; 8], quanta: &mut [u8]) {
    let vectors = quanta.as_chunks_mut::<64>().0;
    if bits == 8 {
        for i in 0..8 {
            s.store_i(quads[i], &mut vectors[i]);
        }
        return;
    }
    let mut next = 0;
    let mut shift = 0u32;
    if bits & 4 != 0 {
        let mask = s.splat_i(NIBBLES as i32);
        for i in 0..4 {
            let high = s.shl(s.and(quads[i + 4], mask), 4);
            s.store_i(s.or(s.and(quads[i], mask), high), &mut vectors[i]);
        }
        next += 4;
        shift += 4;
    }
    if bits & 2 != 0 {
        let mask = s.splat_i(PAIRS as i32);
        for i in 0..2 {
            let mut pairs = s.splat_i(0);
            for k in 0..4 {
                let pair = s.and(s.shr(quads[i + 2 * k], shift), mask);
                pairs = s.or(pairs, s.shl(pair, 2 * k as u32));
            }
            s.store_i(pairs, &mut vectors[next + i]);
        }
        next += 2;
        shift += 2;
    }
    if bits & 1 != 0 {
        let mask = s.splat_i(ONES as i32);
        let mut ones = s.splat_i(0);
        for k in 0..8 {
            ones = s.or(ones, s.shl(s.and(s.shr(quads[k], shift), mask), k as u32));
        }
        s.store_i(ones, &mut vectors[next]);
    }
}

/// The quanta of one run: eight vectors, each four columns of 16 rows.
#[inline(always)]
pub(super) fn planes<S: Lanes>(s: S, bits: usize, quanta: &[u8]) -> [S::I; 8] {
    let vectors = quanta.as_chunks::<64>().0;
    let mut out = [s.splat_i(0); 8];
    if bits == 8 {
        for i in 0..8 {
            out[i] = s.load_i(&vectors[i]);
        }
        return out;
    }
    let mut next = 0;
    let mut shift = 0u32;
    if bits & 4 != 0 {
        let mask = s.splat_i(NIBBLES as i32);
        for i in 0..4 {
            let v = s.load_i(&vectors[i]);
            out[i] = s.and(v, mask);
            out[i + 4] = s.and(s.shr(v, 4), mask);
        }
        next += 4;
        shift += 4;
    }
    if bits & 2 != 0 {
        let mask = s.splat_i((PAIRS << shift) as i32);
        for i in 0..2 {
            let v = s.load_i(&vectors[next + i]);
            for k in 0..4 {
                let place = i + 2 * k;
                let to = shift as i32 - 2 * k as i32;
                let moved = if to >= 0 { s.shl(v, to as u32) } else { s.shr(v, -to as u32) };
                out[place] = s.or(out[place], s.and(moved, mask));
            }
        }
        next += 2;
        shift += 2;
    }
    if bits & 1 != 0 {
        let mask = s.splat_i((ONES << shift) as i32);
        let v = s.load_i(&vectors[next]);
        for (k, out) in out.iter_mut().enumerate() {
            let to = shift as i32 - k as i32;
            let moved = if to >= 0 { s.shl(v, to as u32) } else { s.shr(v, -to as u32) };
            *out = s.or(*out, s.and(moved, mask));
        }
    }
    out
}

/// Four words of each row from `at`.
#[inline(always)]
fn four<S: Lanes>(s: S, rows: &Rows, at: usize) -> [S::I; 4] {
    const NOTHING: &[u8; 16] = &[0; 16];
    let mut parts = [NOTHING; ROWS];
    for (part, row) in parts.iter_mut().zip(rows) {
        *part = row.get(at..).and_then(<[u8]>::first_chunk).unwrap_or(NOTHING);
    }
    s.across(parts)
}

/// Eight words of each row from `at`.
#[inline(always)]
fn eight<S: Lanes>(s: S, rows: &Rows, at: usize) -> [S::I; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (four(s, rows, at), four(s, rows, at + 16));
    [a, b, c, d, e, f, g, h]
}

/// Some bits of each byte, moved down.
#[inline(always)]
fn bits_of<S: Lanes>(s: S, words: [S::I; 8], shift: usize, mask: u32) -> [S::I; 8] {
    let mut out = words;
    for word in &mut out {
        *word = s.and(s.shr(*word, shift as u32), s.splat_i(mask as i32));
    }
    out
}

/// The same bits above those that are there.
#[inline(always)]
fn add_bits<S: Lanes>(s: S, words: &mut [S::I; 8], above: [S::I; 8], by: u32) {
    for (word, above) in words.iter_mut().zip(above) {
        *word = s.or(*word, s.shl(above, by));
    }
}

#[inline(always)]
fn half_lanes<S: Lanes>(s: S, side: &[u8], at: usize) -> S::F {
    match side[at..].first_chunk() {
        Some(bytes) => s.load_f16(bytes),
        None => s.splat(0.0),
    }
}

/// The quanta of a block of 32 whose nibbles begin at `at`: low nibbles first.
#[inline(always)]
fn nibble_quads<S: Lanes>(s: S, rows: &Rows, at: usize) -> [S::I; 8] {
    let [a, b, c, d] = four(s, rows, at);
    let mask = s.splat_i(NIBBLES as i32);
    let mut out = [a, b, c, d, a, b, c, d];
    for (i, word) in out.iter_mut().enumerate() {
        *word = s.and(if i < 4 { *word } else { s.shr(*word, 4) }, mask);
    }
    out
}

/// Fifth bits of a block of 32, which lie one after the other in the four bytes at `at`.
#[inline(always)]
fn add_fifth_bits<S: Lanes>(s: S, quads: &mut [S::I; 8], rows: &Rows, at: usize) {
    let [bits, ..] = four(s, rows, at);
    for (i, quad) in quads.iter_mut().enumerate() {
        let four = s.shr(bits, 4 * i as u32);
        for k in 0..4 {
            // Bit k goes to the fifth place of byte k.
            let bit = s.and(four, s.splat_i(1 << k));
            *quad = s.or(*quad, s.shl(bit, 4 + 7 * k));
        }
    }
}

macro_rules! blocks_of_32 {
    ($name:ident, $bits:literal, $zero:literal, $mins:literal, |$s:ident, $rows:ident, $at:ident| $quads:expr) => {
        #[derive(Clone, Copy)]
        #[allow(non_camel_case_types)]
        pub(super) struct $name;

        impl Layout for $name {
            const FORMAT: Format = Format::$name;
            const BITS: usize = $bits;
            const ZERO: i32 = $zero;
            const HALVES: bool = false;
            const MINS: bool = $mins;

            fn side(runs: usize) -> usize {
                runs * if $mins { 64 } else { 32 }
            }
            #[inline(always)]
            fn quads<S: Lanes>($s: S, $rows: &Rows, run: usize) -> [S::I; 8] {
                let $at = run * Format::$name.block_bytes();
                $quads
            }
            #[inline(always)]
            fn put_side(row: &[u8], r: usize, side: &mut [u8]) {
                let blocks = row.chunks_exact(Format::$name.block_bytes());
                for (block, side) in blocks.zip(side.chunks_exact_mut(Self::side(1))) {
                    side[r * 2..][..2].copy_from_slice(&block[..2]);
                    if $mins {
                        side[32 + r * 2..][..2].copy_from_slice(&block[2..4]);
                    }
                }
            }
            #[inline(always)]
            fn scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F) {
                let at = group * Self::side(1);
                let zero = s.splat(0.0);
                let min = if $mins { s.sub(zero, half_lanes(s, side, at + 32)) } else { zero };
                (half_lanes(s, side, at), min)
            }
        }
    };
}

blocks_of_32!(Q8_0, 8, 128, false, |s, rows, at| {
    let mut quads = eight(s, rows, at + 2);
    for quad in &mut quads {
        *quad = s.less_bytes(*quad, 128);
    }
    quads
});
blocks_of_32!(Q4_0, 4, 8, false, |s, rows, at| nibble_quads(s, rows, at + 2));
blocks_of_32!(Q4_1, 4, 0, true, |s, rows, at| nibble_quads(s, rows, at + 4));
blocks_of_32!(Q5_0, 5, 16, false, |s, rows, at| {
    let mut quads = nibble_quads(s, rows, at + 6);
    add_fifth_bits(s, &mut quads, rows, at + 2);
    quads
});
blocks_of_32!(Q5_1, 5, 0, true, |s, rows, at| {
    let mut quads = nibble_quads(s, rows, at + 8);
    add_fifth_bits(s, &mut quads, rows, at + 4);
    quads
});

/// Scales of Q4_K and Q5_K: the two common factors as halves, then per row three words: the low four bits of the
/// eight scales, those of the eight minima, and the high two bits of both.
#[inline(always)]
fn put_k4_side(row: &[u8], r: usize, side: &mut [u8]) {
    side[r * 2..][..2].copy_from_slice(&row[..2]);
    side[32 + r * 2..][..2].copy_from_slice(&row[2..4]);
    let (mut scales, mut mins, mut tops) = (0u32, 0u32, 0u32);
    for j in 0..8 {
        let (scale, min) = k4_scale_min(&row[4..16], j);
        scales |= u32::from(scale & 15) << (4 * j);
        mins |= u32::from(min & 15) << (4 * j);
        tops |= u32::from(scale >> 4) << (2 * j) | u32::from(min >> 4) << (16 + 2 * j);
    }
    for (k, word) in [scales, mins, tops].into_iter().enumerate() {
        side[64 + k * 64 + r * 4..][..4].copy_from_slice(&word.to_le_bytes());
    }
}

#[inline(always)]
fn k4_scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F) {
    let words = side[64..].as_chunks::<64>().0;
    let (scales, mins, tops) = (s.load_i(&words[0]), s.load_i(&words[1]), s.load_i(&words[2]));
    let (low, high) = (s.splat_i(15), s.splat_i(3));
    let (scale_tops, min_tops) = (s.shr(tops, 2 * group as u32), s.shr(tops, 16 + 2 * group as u32));
    let by = 4 * group as u32;
    let scale = s.or(s.and(s.shr(scales, by), low), s.shl(s.and(scale_tops, high), 4));
    let min = s.or(s.and(s.shr(mins, by), low), s.shl(s.and(min_tops, high), 4));
    let scale = s.mul(half_lanes(s, side, 0), s.to_f(scale));
    let min = s.mul(half_lanes(s, side, 32), s.to_f(min));
    (scale, min)
}

/// One signed byte per 16 columns and row, after the common factor.
#[inline(always)]
fn signed_scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F) {
    let scales = side[32..].as_chunks().0;
    (s.mul(half_lanes(s, side, 0), s.to_f(s.widen_i8(&scales[group]))), s.splat(0.0))
}

macro_rules! k_quants {
    ($name:ident, $bits:literal, $zero:literal, $halves:literal, $mins:literal, $side:literal,
     |$s:ident, $rows:ident, $run:ident| $quads:expr, $put_side:expr, $scale:path) => {
        #[derive(Clone, Copy)]
        #[allow(non_camel_case_types)]
        pub(super) struct $name;

        impl Layout for $name {
            const FORMAT: Format = Format::$name;
            const BITS: usize = $bits;
            const ZERO: i32 = $zero;
            const HALVES: bool = $halves;
            const MINS: bool = $mins;

            fn side(_runs: usize) -> usize {
                $side
            }
            #[inline(always)]
            fn quads<S: Lanes>($s: S, $rows: &Rows, $run: usize) -> [S::I; 8] {
                $quads
            }
            #[inline(always)]
            fn put_side(row: &[u8], r: usize, side: &mut [u8]) {
                let put: fn(&[u8], usize, &mut [u8]) = $put_side;
                put(row, r, side)
            }
            #[inline(always)]
            fn scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F) {
                $scale(s, side, group)
            }
        }
    };
}

k_quants!(
    Q4_K,
    4,
    0,
    false,
    true,
    256,
    |s, rows, run| bits_of(s, eight(s, rows, 16 + run / 2 * 32), run % 2 * 4, NIBBLES),
    put_k4_side,
    k4_scale
);
k_quants!(
    Q5_K,
    5,
    0,
    false,
    true,
    256,
    |s, rows, run| {
        let mut quads = bits_of(s, eight(s, rows, 48 + run / 2 * 32), run % 2 * 4, NIBBLES);
        add_bits(s, &mut quads, bits_of(s, eight(s, rows, 16), run, ONES), 4);
        quads
    },
    put_k4_side,
    k4_scale
);
k_quants!(
    Q6_K,
    6,
    32,
    true,
    false,
    320,
    |s, rows, run| {
        let mut quads = bits_of(s, eight(s, rows, run / 4 * 64 + run % 2 * 32), run % 4 / 2 * 4, NIBBLES);
        add_bits(s, &mut quads, bits_of(s, eight(s, rows, 128 + run / 4 * 32), run % 4 * 2, PAIRS), 4);
        quads
    },
    |row, r, side| {
        side[r * 2..][..2].copy_from_slice(&row[208..210]);
        for j in 0..16 {
            side[32 + j * 16 + r] = row[192 + j];
        }
    },
    signed_scale
);
k_quants!(
    Q3_K,
    3,
    4,
    true,
    false,
    320,
    |s, rows, run| {
        let mut quads = bits_of(s, eight(s, rows, 32 + run / 4 * 32), run % 4 * 2, PAIRS);
        add_bits(s, &mut quads, bits_of(s, eight(s, rows, 0), run, ONES), 2);
        quads
    },
    |row, r, side| {
        side[r * 2..][..2].copy_from_slice(&row[108..110]);
        for j in 0..16 {
            side[32 + j * 16 + r] = q3_scale(&row[96..108], j) as u8;
        }
    },
    signed_scale
);
k_quants!(
    Q2_K,
    2,
    0,
    true,
    true,
    320,
    |s, rows, run| bits_of(s, eight(s, rows, 16 + run / 4 * 32), run % 4 * 2, PAIRS),
    |row, r, side| {
        side[r * 2..][..2].copy_from_slice(&row[80..82]);
        side[32 + r * 2..][..2].copy_from_slice(&row[82..84]);
        for j in 0..16 {
            side[64 + j * 16 + r] = row[j];
        }
    },
    q2_scale
);

#[inline(always)]
fn q2_scale<S: Lanes>(s: S, side: &[u8], group: usize) -> (S::F, S::F) {
    let pairs = s.widen_u8(&side[64..].as_chunks().0[group]);
    let scale = s.mul(half_lanes(s, side, 0), s.to_f(s.and(pairs, s.splat_i(15))));
    let min = s.mul(half_lanes(s, side, 32), s.to_f(s.shr(pairs, 4)));
    (scale, min)
}

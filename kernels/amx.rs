//! AMX: registers of sixteen rows by 64 bytes, and one instruction that multiplies two of them.
//!
//! A product of tiles is exact, so whoever scales its sums as the other levels do gets their bits. Left out: what the
//! numbers mean.

/// Rows of a tile, and sums of a row.
pub(crate) const SIDE: usize = 16;

/// The products of one tile by another: for each row of the first, sixteen sums as little-endian i32.
pub(crate) type Sums = [[u8; 64]; SIDE];

/// Of two neighbouring pieces of the columns.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Pair(pub(crate) [Sums; 2]);

impl Pair {
    pub(crate) const EMPTY: Pair = Pair([[[0; 64]; SIDE]; 2]);
}

/// Signed bytes of up to sixteen rows, of which two neighbouring pieces of `depth` bytes are multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    /// From the first row's first piece to the last row's last.
    pub(crate) bytes: &'a [u8],
    /// From one row to the next.
    pub(crate) stride: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Left, Pair, SIDE};
    use std::arch::asm;
    use std::cell::Cell;
    use std::sync::OnceLock;

    thread_local! {
        /// Whether this thread's registers are somebody's.
        static TAKEN: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether the processor has tiles of bytes, and the system lets this process use them: Linux wants to be asked,
    /// since tiles make what it keeps of a thread larger.
    pub(crate) fn usable() -> bool {
        static USABLE: OnceLock<bool> = OnceLock::new();
        *USABLE.get_or_init(|| present() && permitted())
    }

    fn present() -> bool {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        const TILES: u32 = 1 << 24;
        const BYTES: u32 = 1 << 25;
        if !is_x86_feature_detected!("xsave") || __cpuid(0).eax < 7 {
            return false;
        }
        __cpuid_count(7, 0).edx & (TILES | BYTES) == TILES | BYTES
    }

    #[cfg(target_os = "linux")]
    fn permitted() -> bool {
        const ASK_FOR_STATE: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: the call takes two numbers and changes nothing but what this process may use.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0 }
    }

    #[cfg(not(target_os = "linux"))]
    fn permitted() -> bool {
        false
    }

    /// Tile registers as this thread has set them up; given back when dropped.
    pub(crate) struct Tiles {
        rows: usize,
        depth: usize,
        /// They belong to one thread.
        here: std::marker::PhantomData<*const ()>,
    }

    /// What `ldtilecfg` reads.
    #[repr(C, align(64))]
    struct Setup {
        palette: u8,
        start: u8,
        unused: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    impl Tiles {
        /// For up to sixteen rows on the left and pieces of `depth` bytes, a multiple of four up to 64. None where
        /// there are no tiles.
        pub(crate) fn new(rows: usize, depth: usize) -> Option<Tiles> {
            let fit = (1..=SIDE).contains(&rows) && (4..=64).contains(&depth) && depth.is_multiple_of(4);
            if !fit || !usable() {
                return None;
            }
            assert!(!TAKEN.replace(true), "invariant: one set-up of tiles at a time");
            let mut setup = Setup { palette: 1, start: 0, unused: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
            for sums in 0..4 {
                (setup.rows[sums], setup.row_bytes[sums]) = (rows as u8, 64);
            }
            for left in 4..6 {
                (setup.rows[left], setup.row_bytes[left]) = (rows as u8, depth as u16);
            }
            for right in 6..8 {
                (setup.rows[right], setup.row_bytes[right]) = ((depth / 4) as u8, 64);
            }
            // SAFETY: the processor has tiles, the setup is one that it takes, and registers of this thread change
            // that no other code uses.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const setup, options(nostack, preserves_flags, readonly)) };
            Some(Tiles { rows, depth, here: std::marker::PhantomData })
        }

        /// Takes the pieces that the next products are of.
        #[inline(always)]
        pub(crate) fn left(&self, left: Left) {
            assert!(left.bytes.len() >= (self.rows - 1) * left.stride + 2 * self.depth);
            let first = left.bytes.as_ptr();
            // SAFETY: the registers are set up, for as many rows and bytes as the line above found within the slice.
            // They are this value's until it is dropped, and nothing else on this thread touches them.
            unsafe {
                asm!(
                    "tileloadd tmm4, [{left} + {stride}*1]",
                    "tileloadd tmm5, [{next} + {stride}*1]",
                    left = in(reg) first,
                    next = in(reg) first.add(self.depth),
                    stride = in(reg) left.stride,
                    options(nostack, preserves_flags, readonly),
                );
            }
        }

        /// Begins to multiply each piece with `right[piece]`, whose rows hold four columns for each of sixteen weights.
        /// There are two turns, so that one's products can be taken while the other's are made.
        #[inline(always)]
        pub(crate) fn start(&self, turn: bool, right: [&[[u8; 64]]; 2]) {
            assert!(right.iter().all(|tile| tile.len() >= self.depth / 4));
            let (a, b) = (right[0].as_ptr(), right[1].as_ptr());
            macro_rules! start {
                ($first:literal, $second:literal) => {
                    // SAFETY: as above; the right sides have as many rows of 64 bytes as the registers are set up for.
                    unsafe {
                        asm!(
                            concat!("tilezero ", $first),
                            concat!("tilezero ", $second),
                            "tileloadd tmm6, [{a} + {line}*1]",
                            concat!("tdpbssd ", $first, ", tmm4, tmm6"),
                            "tileloadd tmm7, [{b} + {line}*1]",
                            concat!("tdpbssd ", $second, ", tmm5, tmm7"),
                            a = in(reg) a,
                            b = in(reg) b,
                            line = in(reg) 64usize,
                            options(nostack, preserves_flags, readonly),
                        )
                    }
                };
            }
            if turn {
                start!("tmm2", "tmm3");
            } else {
                start!("tmm0", "tmm1");
            }
        }

        /// The products that were begun last in this turn; zeros where none were.
        #[inline(always)]
        pub(crate) fn take(&self, turn: bool, out: &mut Pair) {
            let to = out.0.as_mut_ptr();
            macro_rules! take {
                ($first:literal, $second:literal) => {
                    // SAFETY: twice sixteen rows of 64 bytes are written at most, which is what the output has.
                    unsafe {
                        asm!(
                            concat!("tilestored [{to} + {line}*1], ", $first),
                            concat!("tilestored [{to} + {line}*1 + 1024], ", $second),
                            to = in(reg) to,
                            line = in(reg) 64usize,
                            options(nostack, preserves_flags),
                        )
                    }
                };
            }
            if turn {
                take!("tmm2", "tmm3");
            } else {
                take!("tmm0", "tmm1");
            }
        }

        /// Nothing but products, `times` eight of them: what the processor can do at most.
        pub(crate) fn peak(&self, times: u64) {
            for _ in 0..times {
                // SAFETY: only registers that are set up change.
                unsafe {
                    asm!(
                        "tdpbssd tmm0, tmm4, tmm6",
                        "tdpbssd tmm1, tmm4, tmm7",
                        "tdpbssd tmm2, tmm5, tmm6",
                        "tdpbssd tmm3, tmm5, tmm7",
                        "tdpbssd tmm0, tmm4, tmm6",
                        "tdpbssd tmm1, tmm4, tmm7",
                        "tdpbssd tmm2, tmm5, tmm6",
                        "tdpbssd tmm3, tmm5, tmm7",
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        options(nostack, preserves_flags, nomem),
                    );
                }
            }
        }
    }

    impl Drop for Tiles {
        fn drop(&mut self) {
            // SAFETY: the registers were this value's.
            unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
            TAKEN.set(false);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    use super::{Left, Pair};

    /// There are none.
    pub(crate) enum Tiles {}

    impl Tiles {
        pub(crate) fn new(_rows: usize, _depth: usize) -> Option<Tiles> {
            None
        }
        pub(crate) fn left(&self, _left: Left) {
            match *self {}
        }
        pub(crate) fn start(&self, _turn: bool, _right: [&[[u8; 64]]; 2]) {
            match *self {}
        }
        pub(crate) fn take(&self, _turn: bool, _out: &mut Pair) {
            match *self {}
        }
        pub(crate) fn peak(&self, _times: u64) {
            match *self {}
        }
    }
}

pub(crate) use x86::Tiles;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::usable;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn products_are_exact_for_every_size() {
        for (rows, depth) in [(16, 32), (16, 16), (1, 64), (5, 4), (16, 64), (7, 32)] {
            let Some(tiles) = Tiles::new(rows, depth) else { return };
            let bytes = |n: usize, seed| noise(n, seed).iter().map(|x| (x.to_bits() >> 9) as u8).collect::<Vec<u8>>();
            let (stride, left) = (2 * depth + 12, bytes(rows * (2 * depth + 12), 1));
            let right = [2, 3, 4, 5].map(|seed| bytes(depth * 16, seed).as_chunks().0.to_vec());
            let mut out = [Pair([[[7; 64]; SIDE]; 2]); 2];
            tiles.left(Left { bytes: &left, stride });
            tiles.start(false, [&right[0], &right[1]]);
            tiles.start(true, [&right[2], &right[3]]);
            tiles.take(false, &mut out[0]);
            tiles.take(true, &mut out[1]);
            for (place, row) in (0..4).flat_map(|place| (0..SIDE).map(move |row| (place, row))) {
                let (turn, piece) = (place / 2, place % 2);
                for lane in 0..16 {
                    let found = i32::from_le_bytes(out[turn].0[piece][row].as_chunks::<4>().0[lane]);
                    if row >= rows {
                        assert_eq!(found, 0x0707_0707);
                        continue;
                    }
                    let product = |k: usize| {
                        let a = left[row * stride + piece * depth + k] as i8;
                        let b = right[place][k / 4][lane * 4 + k % 4] as i8;
                        i32::from(a) * i32::from(b)
                    };
                    assert_eq!(found, (0..depth).map(product).sum::<i32>(), "{rows} rows of {depth}");
                }
            }
        }
        assert!(Tiles::new(0, 32).is_none() && Tiles::new(17, 32).is_none() && Tiles::new(1, 30).is_none());
    }
}

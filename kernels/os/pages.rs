//! Pages straight from the system: zeroed, page-aligned, taken when touched, and refused rather than fatal.

use crate::Error;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[derive(Debug)]
pub struct Pages {
    map: Option<MmapMut>,
}

impl Pages {
    pub fn zeroed(bytes: usize) -> Result<Pages, Error> {
        if bytes == 0 {
            return Ok(Pages { map: None });
        }
        let map = MmapMut::map_anon(bytes).map_err(|_| Error::Memory { bytes })?;
        Ok(Pages { map: Some(map) })
    }

    /// Asks for huge pages: fewer misses in the translation buffers for what is read from end to end. Only Linux has
    /// them on request, and it may still say no.
    pub fn huge(self) -> Pages {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        self
    }

    /// The bytes as words; a rest of fewer than eight is left out.
    pub fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: every pattern of bytes is a u64, and the borrow is exclusive.
        unsafe { self.align_to_mut::<u64>().1 }
    }
}

/// What a huge page begins at a multiple of, where there are any.
const HUGE: usize = 2 << 20;
/// Parts begin at multiples of a cache line.
const LINE: usize = 64;

/// Room in huge pages for many things that are read often: side by side, since a thing of its own pages fills few huge
/// ones to their ends. Memory is taken from the system as parts are written, and given back when the last is gone.
#[derive(Debug)]
pub struct Arena {
    room: usize,
    piece: Option<(Arc<Piece>, usize)>,
}

impl Arena {
    /// Room for that many bytes together; more is found when needed.
    pub fn new(room: usize) -> Arena {
        Arena { room, piece: None }
    }

    /// Zeroed memory that nobody else has.
    pub fn take(&mut self, bytes: usize) -> Result<Part, Error> {
        let used = match &self.piece {
            Some((piece, used)) if piece.len - used >= bytes => *used,
            _ => {
                let piece = Piece::new(bytes.max(self.room))?;
                self.piece = Some((Arc::new(piece), 0));
                0
            }
        };
        let Some((piece, end)) = &mut self.piece else { return Err(Error::Memory { bytes }) };
        *end = used.saturating_add(bytes).next_multiple_of(LINE).min(piece.len);
        Ok(Part { piece: Arc::clone(piece), start: used, bytes })
    }
}

#[derive(Debug)]
struct Piece {
    start: *mut u8,
    len: usize,
    /// Holds the memory, which is reached through `start` alone.
    _map: Option<MmapMut>,
}

// SAFETY: the memory belongs to the piece, and is handed out in parts that don't overlap.
unsafe impl Send for Piece {}
// SAFETY: as above; a shared piece gives nobody access to a part that is another's.
unsafe impl Sync for Piece {}

impl Piece {
    fn new(bytes: usize) -> Result<Piece, Error> {
        if bytes == 0 {
            return Ok(Piece { start: std::ptr::NonNull::dangling().as_ptr(), len: 0, _map: None });
        }
        let pages = Pages::zeroed(bytes.checked_add(HUGE).ok_or(Error::Memory { bytes })?)?.huge();
        let mut map = pages.map;
        let first = map.as_mut().map_or(std::ptr::null_mut(), |map| map.as_mut_ptr());
        Ok(Piece { start: first.wrapping_add(first.align_offset(HUGE) % HUGE), len: bytes, _map: map })
    }
}

/// A range of an [`Arena`] that is its holder's alone.
#[derive(Debug)]
pub struct Part {
    piece: Arc<Piece>,
    start: usize,
    bytes: usize,
}

impl Deref for Part {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: within the piece's memory, which lives as long as the part does; no other part reaches here.
        unsafe { std::slice::from_raw_parts(self.piece.start.add(self.start), self.bytes) }
    }
}

impl DerefMut for Part {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this part is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.piece.start.add(self.start), self.bytes) }
    }
}

impl Deref for Pages {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or(&mut [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_writable_and_refuses_the_absurd() {
        let mut memory = Pages::zeroed(5000).unwrap().huge();
        assert!(memory.iter().all(|b| *b == 0));
        memory[4999] = 7;
        assert_eq!((memory.len(), memory[4999]), (5000, 7));
        assert_eq!((memory.words_mut().len(), memory.words_mut()[624] >> 56), (625, 7));
        assert!(Pages::zeroed(0).unwrap().is_empty());
        assert!(matches!(Pages::zeroed(usize::MAX / 2), Err(Error::Memory { .. })));
    }

    #[test]
    fn parts_of_an_arena_share_pages_and_nothing_else() {
        let mut arena = Arena::new(10_000);
        let sizes = [0, 1, 64, 4097, 5000, 900, 3 << 20, 7];
        let mut parts: Vec<Part> = sizes.iter().map(|n| arena.take(*n).unwrap()).collect();
        for (i, part) in parts.iter_mut().enumerate() {
            assert!(part.iter().all(|b| *b == 0));
            part.fill(i as u8 + 1);
        }
        drop(arena);
        for (i, (part, size)) in parts.iter().zip(sizes).enumerate() {
            assert!(part.len() == size && part.iter().all(|b| *b == i as u8 + 1));
            assert!(part.as_ptr().addr().is_multiple_of(LINE) || size == 0);
        }
        assert!(matches!(Arena::new(0).take(usize::MAX - 5), Err(Error::Memory { .. })));
        assert!(matches!(Arena::new(0).take(usize::MAX / 2), Err(Error::Memory { .. })));
    }
}

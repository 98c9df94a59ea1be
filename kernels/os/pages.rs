//! Pages straight from the system: zeroed, page-aligned, taken when touched, and refused rather than fatal.

use crate::Error;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

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
}

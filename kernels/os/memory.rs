//! Memory straight from the system: zeroed, page-aligned, taken when touched, and refused rather than fatal.

use crate::Error;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

#[derive(Debug)]
pub struct Memory {
    map: Option<MmapMut>,
}

impl Memory {
    pub fn zeroed(bytes: usize) -> Result<Memory, Error> {
        if bytes == 0 {
            return Ok(Memory { map: None });
        }
        let map = MmapMut::map_anon(bytes).map_err(|_| Error::Memory { bytes })?;
        Ok(Memory { map: Some(map) })
    }

    /// Asks for huge pages: fewer misses in the translation buffers for what is read from end to end. Only Linux has
    /// them on request, and it may still say no.
    pub fn huge(self) -> Memory {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        self
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or(&mut [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_writable_and_refuses_the_absurd() {
        let mut memory = Memory::zeroed(5000).unwrap().huge();
        assert!(memory.iter().all(|b| *b == 0));
        memory[4999] = 7;
        assert_eq!((memory.len(), memory[4999]), (5000, 7));
        assert!(Memory::zeroed(0).unwrap().is_empty());
        assert!(matches!(Memory::zeroed(usize::MAX / 2), Err(Error::Memory { .. })));
    }
}

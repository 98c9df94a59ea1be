//! Files in memory, read-only.

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

/// A file's bytes, read from disk where they are touched.
///
/// While it is mapped, the file belongs to others too. One that is changed underneath shows its new bytes at any time;
/// one that is cut short ends the process (with a sentence and exit code 3, on Unix) when bytes beyond its new end are
/// touched. So whoever maps a file
/// keeps its length and time of change, asks again afterwards, and calls the answer void if they differ. Nothing in
/// this crate relies on two reads of a byte giving the same.
#[derive(Debug)]
pub struct Mapped {
    map: Option<Mmap>,
}

impl Mapped {
    /// Maps a whole file; an empty one gives no bytes.
    pub fn open(path: &Path) -> io::Result<Mapped> {
        Mapped::of(&File::open(path)?)
    }

    /// Maps an open file, which may be closed afterwards. What is no plain file is refused.
    pub fn of(file: &File) -> io::Result<Mapped> {
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if about.len() == 0 {
            return Ok(Mapped { map: None });
        }
        super::cut_short::expect();
        // SAFETY: the bytes are only read. That others may change them is documented above, and no code here draws
        // conclusions about memory from a byte that it could read again.
        let map = unsafe { Mmap::map(file)? };
        Ok(Mapped { map: Some(map) })
    }

    /// Tells the system that these bytes will be read soon, in order. Does nothing where that can't be said.
    pub fn will_need(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let (Some(map), true) = (&self.map, range.start < range.end && range.end <= self.len()) {
            // Advice: a refusal changes nothing.
            let _ = map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = range;
    }

    /// Gives back the memory of whole pages in the range; they are read from the file again when touched.
    pub fn release(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map {
            let page = rustix::param::page_size();
            let start = range.start.next_multiple_of(page);
            let end = range.end.min(map.len()) / page * page;
            if start < end {
                // SAFETY: a private read-only mapping of a file has no content of its own to lose.
                let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("bizra-map-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn gives_the_bytes_of_the_file_also_after_release() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
        let path = file("bytes", &bytes);
        let mapped = Mapped::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(mapped[..] == bytes[..]);
        mapped.will_need(0..50_000);
        mapped.will_need(5..200_000);
        mapped.release(0..usize::MAX);
        mapped.release(10..20);
        assert!(mapped[..] == bytes[..]);
    }

    #[test]
    fn empty_files_directories_and_missing_ones() {
        let path = file("empty", b"");
        assert!(Mapped::open(&path).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Mapped::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(Mapped::open(&std::env::temp_dir()).is_err());
    }
}

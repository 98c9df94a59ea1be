//! A file of lines that grows: whole lines only, whatever interrupts the writing, and one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};

/// The most that is read of an earlier run's lines.
const LONGEST: u64 = 4 << 30;

#[derive(Debug)]
pub struct Lines {
    file: File,
    path: PathBuf,
}

impl Lines {
    /// A file that must not be there yet.
    pub fn create(path: &Path) -> Result<Lines> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::usage("it is there already, and nothing is written over")
                .at(Place::file(path))
                .hint("--resume goes on with it; another --output begins anew"),
            _ => Error::writing(path.display(), &e),
        })?;
        Lines::locked(file, path)
    }

    /// A file that may be there, and its whole lines. Half a line at its end was cut short and is taken away.
    pub fn reopen(path: &Path) -> Result<(Lines, Vec<u8>)> {
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::invalid("this is no plain file, so nothing can be taken up again").at(Place::file(path)));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut lines = Lines::locked(file.map_err(|e| Error::writing(path.display(), &e))?, path)?;
        let mut bytes = Vec::new();
        (&mut lines.file).take(LONGEST).read_to_end(&mut bytes).map_err(|e| Error::reading(path, &e))?;
        if bytes.len() as u64 == LONGEST {
            return Err(Error::invalid(format!("it is longer than {LONGEST} bytes")).at(Place::file(path)));
        }
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        lines.cut(bytes.len() as u64)?;
        Ok((lines, bytes))
    }

    fn locked(file: File, path: &Path) -> Result<Lines> {
        match file.try_lock() {
            Ok(()) => Ok(Lines { file, path: path.to_owned() }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::cannot("another run is writing it").at(Place::file(path)).hint("wait for its end"))
            }
            // Where locks are unknown, two runs at once are the user's to avoid.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Lines { file, path: path.to_owned() })
            }
            Err(TryLockError::Error(e)) => Err(Error::writing(path.display(), &e)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes away what stands after so many bytes, and goes on there.
    pub fn cut(&mut self, bytes: u64) -> Result<()> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        cut.map(drop).map_err(|e| Error::writing(self.path.display(), &e))
    }

    /// Appends a line; where that fails, the file ends with the line before.
    pub fn append(&mut self, line: &str) -> Result<()> {
        let before = self.file.stream_position().map_err(|e| Error::writing(self.path.display(), &e))?;
        let mut text = Vec::with_capacity(line.len() + 1);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        self.file.write_all(&text).map_err(|e| {
            // Best effort: half a line is taken away by the next run too.
            let _ = self.file.set_len(before);
            Error::writing(self.path.display(), &e)
        })
    }

    /// What was appended outlasts a power cut.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::writing(self.path.display(), &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn lines_are_whole_and_no_file_is_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.jsonl");
        let mut lines = Lines::create(&path).expect("made");
        assert_eq!(Lines::reopen(&path).expect_err("locked").exit, Exit::Cannot);
        lines.append("one").expect("written");
        lines.append("two").expect("written");
        lines.sync().expect("synced");
        drop(lines);
        assert_eq!(Lines::create(&path).expect_err("it is there").exit, Exit::Usage);
        let whole = std::fs::read(&path).expect("there");
        std::fs::write(&path, [&whole[..], b"thr"].concat()).expect("a half line");
        let (mut lines, bytes) = Lines::reopen(&path).expect("reopened");
        assert_eq!(bytes, b"one\ntwo\n");
        lines.cut(4).expect("cut");
        lines.append("2").expect("written");
        drop(lines);
        assert_eq!(std::fs::read(&path).expect("there"), b"one\n2\n");
        assert_eq!(Lines::reopen(folder.path()).expect_err("a folder").exit, Exit::Invalid);
    }
}

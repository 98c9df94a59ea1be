//! Files written so that a crash leaves the old one or the new one, never half of one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Place, Result};

/// Who may read a file that is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Everyone,
    /// Its owner alone: 0600 where the platform knows modes.
    Owner,
}

/// Replaces `path` whole: written beside it, synced, renamed over it.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    replace_by(path, access, &mut |file| file.write_all(bytes))
}

/// The same with what `write` writes, for what is too large to be held whole.
pub fn replace_by(path: &Path, access: Access, write: &mut dyn FnMut(&mut File) -> io::Result<()>) -> Result<()> {
    if is_device(path) {
        return Err(Error::cannot("it is a device or a pipe, and would be replaced by a file")
            .at(Place::file(path))
            .hint("name a file"));
    }
    write_beside(path, access, write).map_err(|e| Error::writing(path.display(), &e))
}

/// Renaming over a device, or over the link of a standard stream, would take it away from everybody.
fn is_device(path: &Path) -> bool {
    let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    is_special || std::fs::read_link(path).is_ok_and(|target| target.starts_with("/proc"))
}

fn write_beside(path: &Path, access: Access, write: &mut dyn FnMut(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(beside);
    let written = create(&beside, access).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(&beside, path)).and_then(|()| sync_folder(folder));
    if done.is_err() {
        // Best effort: the error that matters is the one being returned.
        let _ = std::fs::remove_file(&beside);
    }
    done
}

/// Makes `path`, which must not be there yet.
pub(super) fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

/// A new name is durable once its folder is; platforms where a folder can't be opened sync it with the file.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes a folder for its owner alone, with those above it.
pub fn private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| Error::writing(folder.display(), &e))
}

/// Whether others than the owner may read it; never where the platform has no modes.
pub fn others_may_read(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(path)?;
        Ok(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        std::fs::metadata(path)?;
        Ok(false)
    }
}

/// A file that the user named.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::reading(path, &e))
}

/// A file that the user named, at most `most` bytes of it.
pub fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::reading(path, &e))?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::reading(path, &e))?;
    if bytes.len() > most {
        return Err(Error::invalid(format!("it is longer than {most} bytes")).at(Place::file(path)));
    }
    Ok(bytes)
}

/// The SHA-256 of a file that the user named, however large it is.
pub fn sha256(path: &Path) -> Result<[u8; 32]> {
    let unreadable = |e: io::Error| Error::reading(path, &e);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
        }
    }
}

/// A file that need not be there and that nobody named. Where a clone has a link to a device or a pipe in its place,
/// reading would never end.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() || found.is_dir() => read(path).map(Some),
        Ok(_) => Err(Error::invalid("it is a device or a pipe, and a file is needed here").at(Place::file(path))),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::reading(path, &e)),
    }
}

/// `path` from the folder that the user stands in.
pub fn from(cwd: &Path, path: &Path) -> PathBuf {
    cwd.join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        replace(&path, b"one", Access::Everyone).expect("written");
        replace(&path, b"two", Access::Owner).expect("replaced");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        assert!(!others_may_read(&path).expect("there"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        let refused = replace(&folder.path().join("none/f"), b"x", Access::Everyone).expect_err("no such folder");
        assert_eq!(refused.exit, crate::error::Exit::Cannot);
    }

    #[test]
    fn long_files_are_refused_before_they_are_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, b"12345").expect("written");
        assert_eq!(read_at_most(&path, 5).expect("short enough"), b"12345");
        assert!(read_at_most(&path, 4).is_err());
        let digest = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";
        assert_eq!(crate::receipts::hex::encode(&sha256(&path).expect("there")), digest);
        assert_eq!(read_if_there(&folder.path().join("none")).expect("no error"), None);
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_streams_are_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let (null, stream) = (folder.path().join("null"), folder.path().join("stream"));
        std::os::unix::fs::symlink("/dev/null", &null).expect("linked");
        std::os::unix::fs::symlink("/proc/self/fd/1", &stream).expect("linked");
        for path in [&socket, &null, &stream] {
            let refused = replace(path, b"x", Access::Everyone).expect_err("no file");
            assert_eq!(refused.exit, crate::error::Exit::Cannot);
            assert!(!std::fs::symlink_metadata(path).expect("still there").is_file());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_device_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
        assert_eq!(read_if_there(&path).expect_err("it never ends").exit, crate::error::Exit::Invalid);
        assert!(read_if_there(folder.path()).is_err(), "a folder");
    }
}

//! The files that standups are kept in, below a repository's root. A link in the place of one of their folders would lead
//! out of the repository, so none is followed.

use std::path::{Path, PathBuf};

use super::files::{self, Access};
use crate::error::{Error, Place, Result};

/// `sprints/ID/standups/DAY.md`.
pub fn path(sprint: &str, day: &str) -> Result<String> {
    if sprint.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::invalid(format!("`{sprint}` can't be the name of a folder"))
            .hint("give the sprint an id without `.` and `..` between slashes"));
    }
    Ok(format!("{}/{sprint}/standups/{day}.md", super::plans::SPRINTS))
}

fn inside(root: &Path, path: &str) -> Result<PathBuf> {
    let mut full = root.to_owned();
    for part in path.split('/') {
        full.push(part);
        if std::fs::symlink_metadata(&full).is_ok_and(|found| found.file_type().is_symlink()) {
            return Err(Error::invalid("it is a link, and standups are kept in the repository itself")
                .at(Place::file(full))
                .hint("put a folder or a file in its place"));
        }
    }
    Ok(full)
}

/// What is there, if anything is.
pub fn read(root: &Path, path: &str) -> Result<Option<String>> {
    let full = inside(root, path)?;
    match files::read_if_there(&full)? {
        None => Ok(None),
        Some(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
            Error::invalid("this is no valid UTF-8").at(Place::file(path)).hint("move it away, or save it as UTF-8")
        }),
    }
}

pub fn write(root: &Path, path: &str, text: &str) -> Result<()> {
    let full = inside(root, path)?;
    if let Some(folder) = full.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder.display(), &e))?;
    }
    files::replace(&full, text.as_bytes(), Access::Everyone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standups_stay_below_the_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = path("s", "3").expect("a path");
        assert_eq!(place, "sprints/s/standups/3.md");
        assert_eq!(read(folder.path(), &place).expect("nothing there"), None);
        write(folder.path(), &place, "text").expect("written");
        assert_eq!(read(folder.path(), &place).expect("there").as_deref(), Some("text"));
        for bad in ["..", "a/../..", ".", "/etc", "a//b"] {
            assert!(path(bad, "3").is_err(), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let (folder, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another"));
        std::fs::create_dir(folder.path().join("sprints")).expect("made");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("sprints/s")).expect("linked");
        let place = path("s", "3").expect("a path");
        assert!(write(folder.path(), &place, "text").is_err() && read(folder.path(), &place).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).expect("a folder").count(), 0);
    }
}

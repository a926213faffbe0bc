//! Files that hold secrets: replaced as a whole, in their place, with the mode and the owner that they had.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Links that lead to a file, one after the other; the kernel follows as many.
const LINKS_MAX: usize = 40;

/// Writes `text` to `path`, so that there is either the old file or the new one.
///
/// A link stays a link: the file that it leads to is replaced. A file that was there keeps mode and owner; a new one is for its owner alone.
///
/// # Errors
/// If it cannot be written, or cannot be given to the owner that it had. The old file is there then.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let path = &target(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id())); // nodes on one machine may share the file
    let beside = Path::new(&beside);
    match std::fs::remove_file(beside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    let written = like_before(&file, path)
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all());
    if let Err(e) = written.and_then(|()| std::fs::rename(beside, path)) {
        let _ = std::fs::remove_file(beside);
        return Err(e);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all() // so that the new name is there after a crash
}

/// The file that a path leads to, which need not be there.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(to) = std::fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    Err(io::Error::other(format!("more than {LINKS_MAX} links lead to it")))
}

/// Gives a new file, before a secret is in it, the owner and the mode of the one that it replaces.
#[cfg(unix)]
fn like_before(new: &std::fs::File, old: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let before = match std::fs::metadata(old) {
        Ok(before) => before,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let is = new.metadata()?;
    if (is.uid(), is.gid()) != (before.uid(), before.gid()) {
        fchown(new, Some(before.uid()), Some(before.gid()))?;
    }
    new.set_permissions(std::fs::Permissions::from_mode(before.mode() & 0o7777))
}

#[cfg(not(unix))]
fn like_before(_: &std::fs::File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("rumormill-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_another_text_replaces_it() {
        let dir = Dir::new("private");
        let path = dir.0.join("keys");
        write_private(&path, "old").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_owner() {
        let dir = Dir::new("kept");
        let path = dir.0.join("keys");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only user 0 may give a file away; for others the owner is their own.
        let owner = match chown(&path, Some(12_345), Some(23_456)) {
            Ok(()) => (12_345, 23_456),
            Err(_) => (fs::metadata(&path).unwrap().uid(), fs::metadata(&path).unwrap().gid()),
        };
        write_private(&path, "new").unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o640));
        assert_eq!((meta.uid(), meta.gid()), owner);
    }

    #[test]
    fn a_link_stays_a_link_and_its_target_is_written_even_if_it_is_not_there_yet() {
        let dir = Dir::new("links");
        fs::create_dir_all(dir.0.join("secrets")).unwrap();
        let (file, second, first) = (dir.0.join("secrets/v1"), dir.0.join("secrets/now"), dir.0.join("keys"));
        symlink("v1", &second).unwrap();
        symlink("secrets/now", &first).unwrap();
        for text in ["first", "second"] {
            write_private(&first, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        for link in [&first, &second] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink(), "{}", link.display());
        }
        assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
        let circle = dir.0.join("circle");
        symlink("circle", &circle).unwrap();
        assert!(write_private(&circle, "x").is_err());
    }
}

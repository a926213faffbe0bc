//! A file system of a few kilobytes, to be filled up.

use crate::process::{Scratch, run};
use std::path::Path;
use std::process::{Command, Stdio};

/// A mounted `tmpfs` of a given size, gone when dropped. Needs `root`.
pub struct Small {
    at: Scratch,
}

impl Small {
    /// Mounts one of `size_kib` KiB.
    ///
    /// # Panics
    /// If the machine does not let it; ask for `needs!("root")` first.
    pub fn mount(size_kib: u32) -> Small {
        let at = Scratch::new("disk");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size_kib}k"), "rumormill-test"])
            .arg(at.path()));
        Small { at }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// Writes a file until not one byte more fits, and returns how many did.
    ///
    /// # Panics
    /// If it fails for another reason than a full disk.
    pub fn fill(&self) -> usize {
        use std::io::Write;
        let file = std::fs::File::options().create(true).append(true).open(self.path().join("ballast"));
        let mut file = file.expect("the ballast file");
        let mut bytes = 0;
        for chunk in [4096, 1] {
            loop {
                match file.write(&vec![0; chunk]) {
                    Ok(n) => bytes += n,
                    Err(e) if e.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(e) => panic!("filling the disk: {e}"),
                }
            }
        }
        bytes
    }

    /// Makes room again: removes what [`fill`](Small::fill) wrote.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub fn drain(&self) {
        std::fs::remove_file(self.path().join("ballast")).expect("the ballast file");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: an agent that is still being reaped may hold a file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_fills_up_and_is_unmounted() {
        crate::needs!("root");
        let disk = Small::mount(64);
        let path = disk.path().to_owned();
        assert!((1..=64 * 1024).contains(&disk.fill()));
        assert!(std::fs::write(path.join("more"), [0; 4096]).is_err());
        disk.drain();
        std::fs::write(path.join("more"), [0; 4096]).unwrap();
        drop(disk);
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(path.to_str().unwrap()));
    }
}

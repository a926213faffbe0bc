//! File systems that misbehave: one of a few kilobytes, to be filled up, and one that hangs.

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

/// An ext4 file system on a loop device, gone when dropped, whose writes hang while it is frozen. Needs `root`, `losetup`, `mkfs.ext4` and `fsfreeze`.
///
/// A thread that writes to a frozen file system waits where no signal reaches it: its process cannot be reaped before it thaws.
pub struct Freezing {
    at: Scratch,
    image: Scratch,
    device: String,
}

impl Freezing {
    /// Mounts one of 16 MiB.
    ///
    /// # Panics
    /// If the machine does not let it; ask for `needs!("root", "losetup", "mkfs.ext4", "fsfreeze")` first.
    pub fn mount() -> Freezing {
        let (at, image) = (Scratch::new("freezing"), Scratch::new("image"));
        let file = image.join("image");
        let made = std::fs::File::create(&file).and_then(|file| file.set_len(16 << 20));
        made.unwrap_or_else(|e| panic!("cannot make {}: {e}", file.display()));
        run(Command::new(tool("mkfs.ext4")).arg("-q").arg(&file));
        let device = run(Command::new(tool("losetup")).args(["-f", "--show"]).arg(&file)).trim().to_owned();
        let freezing = Freezing { at, image, device };
        run(Command::new("mount").arg(&freezing.device).arg(freezing.path()));
        freezing
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// From now on writes hang, until what this returns is dropped. Keep it behind the processes that write, so that it is dropped before them.
    ///
    /// # Panics
    /// If it does not freeze.
    pub fn freeze(&self) -> Frozen<'_> {
        run(Command::new(tool("fsfreeze")).arg("-f").arg(self.path()));
        Frozen(self.path())
    }
}

/// A frozen file system. Dropped, it thaws: writes that hang go on.
pub struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new(tool("fsfreeze")).arg("-u").arg(self.0).status();
    }
}

impl Drop for Freezing {
    fn drop(&mut self) {
        // Best effort, in a drop that may run while the test panics.
        let quietly = |command: &mut Command| {
            let _ = command.stderr(Stdio::null()).status();
        };
        quietly(Command::new("umount").arg("-l").arg(self.path()));
        quietly(Command::new(tool("losetup")).args(["-d", &self.device]));
        let _ = std::fs::remove_file(self.image.join("image"));
    }
}

fn tool(name: &str) -> std::path::PathBuf {
    crate::tools::which(name).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_disk_keeps_a_writer_waiting_until_it_thaws() {
        crate::needs!("root", "losetup", "mkfs.ext4", "fsfreeze");
        let disk = Freezing::mount();
        let file = disk.path().join("file");
        let frozen = disk.freeze();
        let (done, writes) = std::sync::mpsc::channel();
        let path = file.clone();
        let writer = std::thread::spawn(move || done.send(std::fs::write(path, "late").is_ok()));
        assert!(writes.recv_timeout(std::time::Duration::from_millis(200)).is_err(), "it waits");
        drop(frozen);
        assert_eq!(writes.recv(), Ok(true));
        writer.join().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "late");
    }

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

//! Pipes that are read late, or never.

use rustix::pipe::fcntl_setpipe_size;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// The smallest pipe that Linux makes: a page.
const PIPE_BYTES: usize = 4096;

/// A pipe of 4 KiB whose reader does nothing until it is told to.
pub struct Unread {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Unread {
    /// An empty one.
    ///
    /// # Panics
    /// If the system makes none.
    pub fn new() -> Unread {
        let (reader, writer) = io::pipe().expect("the system makes a pipe");
        fcntl_setpipe_size(&writer, PIPE_BYTES).expect("a pipe can be as small as a page");
        Unread { reader, writer }
    }

    /// Its writing end, for a process.
    ///
    /// # Panics
    /// If there are too many descriptors.
    pub fn writer(&self) -> OwnedFd {
        self.writer.try_clone().expect("a descriptor can be duplicated").into()
    }

    /// Fills it to the last byte, so that whatever is written to it waits.
    ///
    /// # Panics
    /// If it fails for another reason than that it is full.
    pub fn fill(&self) {
        // A description of its own: what is set on that of the process, it would share.
        let path = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut writer =
            File::options().write(true).custom_flags(nonblock).open(path).expect("the pipe opens");
        loop {
            match writer.write(b".") {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("filling a pipe: {e}"),
            }
        }
    }

    /// Reads to the end, on a thread of its own; what it read when all writers are gone.
    pub fn read(self) -> std::thread::JoinHandle<String> {
        let Unread { mut reader, writer } = self;
        drop(writer);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = reader.read_to_end(&mut bytes); // what came so far
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
}

impl Default for Unread {
    fn default() -> Self {
        Unread::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_takes_nothing_until_it_is_read() {
        let pipe = Unread::new();
        pipe.fill();
        let mut writer = File::from(pipe.writer());
        let writing = std::thread::spawn(move || writer.write_all(b"behind").unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!writing.is_finished());
        let read = pipe.read();
        writing.join().unwrap();
        let read = read.join().unwrap();
        assert_eq!(read.trim_start_matches('.'), "behind");
        assert_eq!(read.len(), PIPE_BYTES + "behind".len());
    }
}

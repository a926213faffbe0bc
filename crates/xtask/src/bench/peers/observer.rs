//! One thread that hears all agents of a cluster: their logs from pipes, their events from streams, each when the kernel says that there is something.
//!
//! Both sides are heard alike: a time is when the bytes were read here. Where thousands of deliveries a second are counted, it pauses between two rounds, so that
//! hearing costs the machine little; the pause is part of the latencies of both sides.

use super::super::sides::Side;
use super::lines;
use super::record::Record;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Something that is heard.
pub trait Source: Send {
    /// What the kernel is asked about. It does not block.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Reads what there is. False once there will be nothing more.
    fn read(&mut self, record: &mut Record) -> Result<bool>;
    /// Whose it is, for messages.
    fn whose(&self) -> usize;
}

/// The thread; it ends when this is dropped.
pub struct Observer {
    shared: Arc<Shared>,
    new: mpsc::Sender<Box<dyn Source>>,
    waker: UnixStream,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    record: Mutex<Record>,
    heard: Condvar,
    pause_ms: AtomicU64,
    is_over: AtomicBool,
}

impl Observer {
    /// For `n` agents.
    pub fn new(n: usize) -> Result<Observer> {
        let (waker, woken) = UnixStream::pair().context("no pair of sockets")?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (new, inbox) = mpsc::channel();
        let shared = Arc::new(Shared {
            record: Mutex::new(Record::new(n)),
            heard: Condvar::new(),
            pause_ms: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("observer".into())
            .spawn(move || hear(&theirs, &inbox, woken))?;
        Ok(Observer { shared, new, waker, thread: Some(thread) })
    }

    /// Hears this one too.
    pub fn add(&self, source: Box<dyn Source>) {
        let _ = self.new.send(source); // fails only if the thread is gone, and then all waits end without result
        self.wake();
    }

    fn wake(&self) {
        let _ = (&self.waker).write(&[0]); // full means that it is awake
    }

    /// How long it rests between two rounds.
    pub fn pause(&self, pause: Duration) {
        self.shared.pause_ms.store(pause.as_millis() as u64, Ordering::Relaxed);
    }

    /// What was heard so far.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds something in what was heard; none after `timeout`.
    pub fn wait<T>(&self, timeout: Duration, mut look: impl FnMut(&Record) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut record = self.record();
        loop {
            if let Some(found) = look(&record) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.shared.heard.wait_timeout(record, left);
            record = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // if it panicked, it has said so
        }
    }
}

fn hear(shared: &Shared, inbox: &mpsc::Receiver<Box<dyn Source>>, mut woken: UnixStream) {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    while !shared.is_over.load(Ordering::Relaxed) {
        sources.extend(inbox.try_iter());
        let fds = std::iter::once(woken.as_fd()).chain(sources.iter().map(|source| source.fd()));
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        if poll(&mut fds, None).is_err() {
            continue; // interrupted
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[0] {
            let _ = woken.read(&mut [0; 64]); // only to empty it
        }
        let mut record = shared.record.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nth = 0;
        sources.retain_mut(|source| {
            nth += 1;
            !ready[nth] || is_open(source.as_mut(), &mut record)
        });
        drop(record);
        shared.heard.notify_all();
        std::thread::sleep(Duration::from_millis(shared.pause_ms.load(Ordering::Relaxed)));
    }
}

fn is_open(source: &mut dyn Source, record: &mut Record) -> bool {
    match source.read(record) {
        Ok(is_open) => is_open,
        Err(error) => {
            let whose = source.whose();
            record.problems.push(format!("n{whose}: {error:#}"));
            false
        }
    }
}

/// Adds to `buffer` all that `from` has. False at its end.
pub fn read_on(from: &mut impl Read, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let old = buffer.len();
        buffer.resize(old + CHUNK, 0);
        let read = from.read(&mut buffer[old..]);
        buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => return Ok(false),
            Ok(read) if read < CHUNK => return Ok(true), // what comes now wakes us again
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What an agent prints.
pub struct Log {
    side: Side,
    by: usize,
    pipe: PipeReader,
    buffer: Vec<u8>,
}

impl Log {
    /// Of agent `by`.
    pub fn new(side: Side, by: usize, pipe: PipeReader) -> Result<Log> {
        rustix::io::ioctl_fionbio(&pipe, true).context("a pipe that must block")?;
        Ok(Log { side, by, pipe, buffer: Vec::new() })
    }
}

impl Source for Log {
    fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    fn read(&mut self, record: &mut Record) -> Result<bool> {
        let is_open = read_on(&mut self.pipe, &mut self.buffer)?;
        let now = Instant::now();
        let whole = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in String::from_utf8_lossy(&self.buffer[..whole]).lines() {
            record.line(self.by, line, lines::read(&self.side, line), now);
        }
        self.buffer.drain(..whole);
        Ok(is_open)
    }

    fn whose(&self) -> usize {
        self.by
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::What;
    use super::*;

    #[test]
    fn a_line_is_heard_once_it_is_whole() {
        let observer = Observer::new(3).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        observer.add(Box::new(Log::new(Side::Serf("serf".into()), 0, reader).unwrap()));
        writer.write_all(b"[INFO] serf: EventMemberJoin: n2 127").unwrap();
        assert!(observer.wait(Duration::from_millis(50), |record| record.changes.first().copied()).is_none());
        writer.write_all(b".1.0.3\n").unwrap();
        let heard = observer.wait(Duration::from_secs(60), |record| record.changes.first().copied()).unwrap();
        assert_eq!((heard.by, heard.whom, heard.what), (0, 2, What::Up));
    }
}

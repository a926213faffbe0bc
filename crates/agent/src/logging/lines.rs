//! Lines on their way to an output that may not be read: a pipe that is full, a terminal that was stopped, a file on a disk that hangs.
//!
//! Whoever says something puts it into a bounded queue and goes on; a thread of its own writes. What finds the queue full is lost, and counted, and
//! as soon as there is room again one line of the log tells how many were. (`tracing-appender` bounds lines and not bytes, and prints to standard
//! output when it cannot end, which may be the same pipe.)

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait to be written; what does not fit is lost (our guess: five thousand lines).
const QUEUE_BYTES_MAX: usize = 1 << 20;
/// How long an output that takes nothing for now, such as a terminal shared with another program, is left alone.
const TAKES_NOTHING: Duration = Duration::from_millis(20);
/// An output that takes nothing for so long is not read (our guess: a busy reader comes back sooner).
const UNREAD_AFTER: Duration = Duration::from_secs(2);

/// The way to one output. Cloned, it is the same.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    arrived: Condvar,
    /// All is written.
    drained: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Since when the writer has been at a line.
    writing: Option<Instant>,
    /// Lines that found the queue full.
    shed: u64,
    /// Those of them that the log was told of.
    told: u64,
    /// Lines that the output refused.
    refused: u64,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.writing.is_none()
    }
}

impl Lines {
    /// Starts to write to `out`. `shed` is called on the writer's thread, when there is room again after so many lines were lost.
    pub(super) fn start(name: &str, out: OwnedFd, shed: impl Fn(u64) + Send + 'static) -> io::Result<Lines> {
        let lines = Lines(Arc::default());
        let (shared, mut out) = (lines.0.clone(), File::from(out));
        std::thread::Builder::new().name(name.into()).spawn(move || {
            loop {
                shared.write_one(&mut out);
                if let Some(lost) = shared.untold() {
                    shed(lost);
                }
            }
        })?;
        Ok(lines)
    }

    /// Has `line` written, if there is room. Never waits.
    pub(super) fn push(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.bytes + line.len() > QUEUE_BYTES_MAX {
            queue.shed += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.into());
        self.0.arrived.notify_one();
    }

    /// How many lines were lost.
    pub(super) fn lost(&self) -> u64 {
        let queue = self.0.lock();
        queue.shed + queue.refused
    }

    /// For how long the output has taken nothing, if that is a while.
    pub(super) fn unread(&self) -> Option<Duration> {
        self.0.lock().writing.map(|since| since.elapsed()).filter(|unread| *unread >= UNREAD_AFTER)
    }

    /// Waits until all is written, but not longer than `wait`.
    pub(super) fn flush(&self, wait: Duration) {
        let unwritten = |queue: &mut Queue| !queue.is_empty();
        let _ = self.0.drained.wait_timeout_while(self.0.lock(), wait, unwritten);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a line and writes it. The queue is not held while it writes.
    fn write_one(&self, out: &mut File) {
        let mut queue = self.lock();
        let line = loop {
            match queue.lines.pop_front() {
                Some(line) => break line,
                None => queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        queue.writing = Some(Instant::now());
        drop(queue);
        let written = write_all(out, &line);
        let mut queue = self.lock();
        queue.writing = None;
        queue.bytes -= line.len();
        queue.refused += u64::from(written.is_err());
        if queue.lines.is_empty() {
            self.drained.notify_all();
        }
    }

    /// How many lines were lost that the log was not told of, once there is room to tell it.
    fn untold(&self) -> Option<u64> {
        let mut queue = self.lock();
        let lost = queue.shed - queue.told;
        let has_room = queue.bytes <= QUEUE_BYTES_MAX / 2;
        (lost > 0 && has_room).then(|| {
            queue.told = queue.shed;
            lost
        })
    }
}

/// Writes all, also to an output that does not wait itself.
fn write_all(out: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(TAKES_NOTHING),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc;

    fn line(n: usize) -> Vec<u8> {
        format!("{n:>1023}\n").into_bytes()
    }

    #[test]
    fn an_unread_pipe_keeps_nobody_waiting_and_when_it_is_read_what_was_lost_is_told() {
        let (reader, writer) = io::pipe().unwrap();
        let (told, lost) = mpsc::channel();
        let lines = Lines::start("test", writer.into(), move |count| told.send(count).unwrap()).unwrap();
        let count = 4 * QUEUE_BYTES_MAX / 1024;
        (0..count).for_each(|n| lines.push(&line(n)));
        lines.flush(Duration::from_millis(50)); // it returns
        let lost_now = lines.lost();
        assert!(lost_now as usize > count / 2, "{lost_now} of {count}");
        assert!(lost.try_recv().is_err(), "nobody reads yet");
        let mut read =
            BufReader::new(reader).lines().map(|line| line.unwrap().trim().parse::<usize>().unwrap());
        let kept: Vec<usize> = read.by_ref().take(count - lost_now as usize).collect();
        assert!(kept.is_sorted_by(|a, b| a < b), "in order, and none twice");
        assert_eq!(lost.recv().unwrap(), lost_now);
        lines.push(&line(7));
        assert_eq!(read.next(), Some(7), "it goes on");
        lines.flush(Duration::from_secs(60));
        assert_eq!((lines.lost(), lines.unread()), (lost_now, None));
    }

    #[test]
    fn a_reader_that_is_gone_costs_the_lines_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let lines = Lines::start("test", writer.into(), |_| panic!("nobody could read of it")).unwrap();
        (0..10).for_each(|n| lines.push(&line(n)));
        lines.flush(Duration::from_secs(60));
        assert_eq!(lines.lost(), 10);
    }
}

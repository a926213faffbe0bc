//! How full the disks are, asked in a way that a hung one (a file server that is gone) holds up nobody.
//!
//! A helper thread asks one disk after the other. A reading waits a few milliseconds for it; what has not answered by the next reading is
//! reported as hung, and the thread is left to it. Another thread takes the other disks over; no second one is ever started for a disk that hangs.

use super::proc::ProcFile;
use super::{DISKS_MAX, Disk, MOUNT_BYTES_MAX};
use procfs::{FromRead, MountEntry};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// File systems that are asked at all, the root first (our guess; the largest of so many are told of).
const CANDIDATES_MAX: usize = 16;
/// How long a reading waits for answers, in milliseconds (our guess: a healthy disk answers in microseconds, the agent's only thread waits).
const WAIT_MS: u64 = 5;
/// A disk that has not answered for so many seconds at the next reading hangs (our guess: a disk that slept may take as long to spin up).
const HUNG_AFTER_S: u64 = 1;
/// The list of mounts is read again after so many seconds.
const MOUNTS_INTERVAL_S: u64 = 60;
/// File systems that are disks although they have no device below `/dev`.
const DEVICELESS: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "9p",
    "virtiofs",
    "zfs",
    "afs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
];
/// File systems on a device that are always full, by design.
const IMAGES: [&str; 3] = ["squashfs", "iso9660", "erofs"];

/// Total and used size of a disk, in bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub total: u64,
    pub used: u64,
}

/// Asks the kernel; may hang.
pub(super) fn stat_disk(path: &Path) -> Option<Size> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Size { total: bytes(stat.f_blocks), used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)) })
}

type Ask = fn(&Path) -> Option<Size>;
/// Which candidate, by a number of its own, and what it said.
type Answer = (u64, Option<Size>);

struct Candidate {
    number: u64,
    /// As the machine itself names it.
    mount: PathBuf,
    /// Where it is seen from here.
    path: PathBuf,
    last: Option<Size>,
    state: State,
}

#[derive(Copy, Clone, PartialEq)]
enum State {
    /// Free to be asked.
    Idle,
    /// Asked at this reading or the one before, by the helper that now works.
    Asked,
    /// It has not answered since an earlier reading; a helper of its own waits for it.
    Hung,
}

struct Helper {
    questions: SyncSender<(u64, PathBuf)>,
    answers: Receiver<Answer>,
    /// What it was asked and has not answered, in order: it is at the first.
    owed: VecDeque<u64>,
    asked_at: Duration,
    is_given_up: Arc<AtomicBool>,
}

pub(super) struct Disks {
    root: PathBuf,
    mounts: ProcFile,
    mounts_read: Option<Duration>,
    ask: Ask,
    candidates: Vec<Candidate>,
    /// The one that is asked.
    helper: Option<Helper>,
    /// Those that hang.
    stuck: Vec<Helper>,
    next_number: u64,
}

impl Disks {
    pub(super) fn new(root: &Path, mounts: PathBuf, ask: Ask) -> Disks {
        Disks {
            root: root.into(),
            mounts: ProcFile::new(mounts),
            mounts_read: None,
            ask,
            candidates: Vec::new(),
            helper: None,
            stuck: Vec::new(),
            next_number: 0,
        }
    }

    /// The root and the largest others, as they answer now, or answered last.
    pub(super) fn read(&mut self, at: Duration, buffer: &mut Vec<u8>) -> Vec<Disk> {
        let is_due = |read: Duration| at.saturating_sub(read) >= Duration::from_secs(MOUNTS_INTERVAL_S);
        if self.mounts_read.is_none_or(is_due) {
            self.mounts_read = Some(at);
            self.list(buffer);
        }
        self.hear_late();
        self.give_up(at);
        self.ask_all(at);
        self.hear(Instant::now() + Duration::from_millis(WAIT_MS));
        self.report()
    }

    /// Reads the list of mounts; what is known of a disk that is still there is kept.
    fn list(&mut self, buffer: &mut Vec<u8>) {
        let Some(mounts) = self.mounts.read(buffer).and_then(|b| Vec::<MountEntry>::from_read(b).ok()) else {
            return;
        };
        let mut before = std::mem::take(&mut self.candidates);
        for mount in real_disks(mounts) {
            match before.iter().position(|c| c.mount == mount) {
                Some(known) => self.candidates.push(before.swap_remove(known)),
                None => {
                    self.next_number += 1;
                    let path = match mount.strip_prefix("/") {
                        Ok(below) => self.root.join(below),
                        Err(_) => mount.clone(),
                    };
                    let number = self.next_number;
                    self.candidates.push(Candidate { number, mount, path, last: None, state: State::Idle });
                }
            }
        }
        // A hung disk that is no longer listed still has a thread: it is kept, or a second one would follow when it is listed again.
        self.candidates.extend(before.into_iter().filter(|c| c.state == State::Hung));
        self.candidates.truncate(2 * CANDIDATES_MAX);
    }

    /// Takes what came since the last reading, also from helpers that were stuck.
    fn hear_late(&mut self) {
        let mut answers: Vec<Answer> = Vec::new();
        if let Some(helper) = &mut self.helper {
            answers.extend(helper.answers.try_iter());
            helper.owed.drain(..answers.len());
        }
        self.stuck.retain(|helper| {
            let answer = helper.answers.try_recv();
            answers.extend(answer);
            answer.is_err() // once it answered it ends, as nobody asks it any more
        });
        answers.into_iter().for_each(|answer| self.note(answer));
    }

    /// If the helper still owes answers from the reading before, it hangs at the first of them.
    fn give_up(&mut self, at: Duration) {
        let is_late =
            |helper: &Helper| at.saturating_sub(helper.asked_at) >= Duration::from_secs(HUNG_AFTER_S);
        let Some(helper) = self.helper.take_if(|h| !h.owed.is_empty() && is_late(h)) else { return };
        for candidate in self.candidates.iter_mut().filter(|c| c.state == State::Asked) {
            let is_at_it = helper.owed.front() == Some(&candidate.number);
            candidate.state = if is_at_it { State::Hung } else { State::Idle };
        }
        // It can only answer for the one it is at, and end: the others are asked of the next.
        helper.is_given_up.store(true, Ordering::Relaxed);
        self.stuck.push(helper);
    }

    fn ask_all(&mut self, at: Duration) {
        if self.candidates.iter().all(|c| c.state != State::Idle) {
            return;
        }
        if self.helper.is_none() {
            self.helper = start_helper(self.ask);
        }
        let Some(helper) = self.helper.as_mut().filter(|helper| helper.owed.is_empty()) else { return };
        helper.asked_at = at;
        for candidate in self.candidates.iter_mut().filter(|c| c.state == State::Idle) {
            match helper.questions.try_send((candidate.number, candidate.path.clone())) {
                Ok(()) => {
                    candidate.state = State::Asked;
                    helper.owed.push_back(candidate.number);
                }
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => break,
            }
        }
    }

    fn hear(&mut self, until: Instant) {
        while let Some(helper) = self.helper.as_mut().filter(|helper| !helper.owed.is_empty()) {
            match helper.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(answer) => {
                    helper.owed.pop_front();
                    self.note(answer);
                }
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    // It ended without being told to: what it owes is asked again.
                    self.helper = None;
                    self.candidates
                        .iter_mut()
                        .filter(|c| c.state == State::Asked)
                        .for_each(|c| c.state = State::Idle);
                }
            }
        }
    }

    fn note(&mut self, (number, size): Answer) {
        if let Some(candidate) = self.candidates.iter_mut().find(|c| c.number == number) {
            candidate.last = size;
            candidate.state = State::Idle;
        }
    }

    fn report(&self) -> Vec<Disk> {
        let mut shown: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|c| c.last.is_some_and(|size| size.total > 0) || c.state == State::Hung)
            .collect();
        // The root, those that hang, then by size.
        shown.sort_by_key(|c| {
            let is_root = c.mount == Path::new("/");
            let is_hung = c.state == State::Hung;
            std::cmp::Reverse((is_root, is_hung, c.last.map_or(0, |size| size.total)))
        });
        shown.into_iter().take(DISKS_MAX).map(disk).collect()
    }
}

fn disk(candidate: &Candidate) -> Disk {
    let mib = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    Disk {
        mount: shortened(&candidate.mount.to_string_lossy()),
        total_mib: candidate.last.map_or(0, |size| mib(size.total)),
        used_mib: candidate.last.map_or(0, |size| mib(size.used)),
        is_hung: candidate.state == State::Hung,
    }
}

/// The end of a name that is too long: that is where mount points differ.
fn shortened(mount: &str) -> String {
    if mount.len() <= MOUNT_BYTES_MAX {
        return mount.to_string();
    }
    let dots = "…";
    let start = mount.ceil_char_boundary(mount.len() - (MOUNT_BYTES_MAX - dots.len()));
    format!("{dots}{}", &mount[start..])
}

/// The mount points that are disks, each device once, the root first.
fn real_disks(mounts: Vec<MountEntry>) -> Vec<PathBuf> {
    let mut disks: Vec<MountEntry> = mounts
        .into_iter()
        .filter(|m| {
            let kind = m.fs_vfstype.as_str();
            let is_root = m.fs_file == "/" && kind != "rootfs";
            is_root
                || DEVICELESS.contains(&kind)
                || (m.fs_spec.starts_with("/dev/") && !IMAGES.contains(&kind))
        })
        .collect();
    // Of a device that is mounted more than once, the shortest name; of those mounted over each other, any: it is one name.
    disks.sort_by(|a, b| (a.fs_file.len(), &a.fs_file).cmp(&(b.fs_file.len(), &b.fs_file)));
    let mut devices = BTreeSet::new();
    let mut names = BTreeSet::new();
    disks.retain(|m| devices.insert(m.fs_spec.clone()) && names.insert(m.fs_file.clone()));
    disks.into_iter().take(CANDIDATES_MAX).map(|m| PathBuf::from(m.fs_file)).collect()
}

/// Starts a thread that answers until nobody can ask it; nothing if the system has no thread to give.
fn start_helper(ask: Ask) -> Option<Helper> {
    let (questions, asked) = sync_channel::<(u64, PathBuf)>(2 * CANDIDATES_MAX);
    let (answer, answers) = sync_channel(2 * CANDIDATES_MAX);
    let is_given_up = Arc::new(AtomicBool::new(false));
    let is_over = is_given_up.clone();
    std::thread::Builder::new()
        .name("disks".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            while let Ok((number, path)) = asked.recv() {
                if is_over.load(Ordering::Relaxed) || answer.send((number, ask(&path))).is_err() {
                    break;
                }
            }
        })
        .ok()?;
    Some(Helper { questions, answers, owed: VecDeque::new(), asked_at: Duration::ZERO, is_given_up })
}

//! A worker thread for calls that may hang: a disk that is gone, a service manager that does not read.
//!
//! Everything else in an agent runs in one thread, gossip included, so that thread must never make such a call itself. A [`Worker`] owns what the
//! calls are about, takes them as jobs in a bounded queue, and carries them out one after the other. A caller waits [`ANSWER_WAIT`] at most. A job
//! whose caller has given up is not begun; one that had been begun is undone if its caller says how.

use rumormill_core::words;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};

/// How long a caller waits for its job (our guess: longer than a loaded disk takes to sync, shorter than an operator's patience).
pub const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A job that has been running for so long hangs, and further jobs are refused at once. A little less than [`ANSWER_WAIT`]: the caller that
/// waited so long for it in vain knows then why.
const HANGS_AFTER: Duration = Duration::from_millis(1_900);
/// Jobs that wait for their turn; more are refused (our guess: each connection to the API may bring one).
const JOBS_MAX: usize = 512;
/// How often a start that waits for a disk says so again (our guess).
const SAY_AGAIN: Duration = Duration::from_secs(60);

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Why a job has no result.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stuck {
    /// The job, or one before it, has not returned in time.
    #[error("no answer within {} s", ANSWER_WAIT.as_secs())]
    Hangs,
    /// The thread ends.
    #[error("the agent stops")]
    Closed,
}

/// A thread that owns an `S`, and works on it for others.
pub struct Worker<S> {
    /// What it is about, for the log.
    what: String,
    jobs: Mutex<Option<SyncSender<Job<S>>>>,
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
}

#[derive(Default)]
struct Shared {
    /// Since when the present job runs.
    busy: Mutex<Option<Instant>>,
    /// The log says that it hangs.
    is_told: AtomicBool,
    gave_up: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread. Fails if the system gives none.
    pub fn start(name: &str, what: String, mut state: S) -> io::Result<Worker<S>> {
        let (jobs, to_do) = sync_channel::<Job<S>>(JOBS_MAX);
        let shared = Arc::new(Shared::default());
        let (end, ended) = watch::channel(false);
        let (told, about) = (shared.clone(), what.clone());
        std::thread::Builder::new().name(name.into()).spawn(move || {
            work(&mut state, &to_do, &told, &about);
            drop(state); // it may hang as well, and is not ended before
            let _ = end.send(true); // nobody may be waiting
        })?;
        Ok(Worker { what, jobs: Mutex::new(Some(jobs)), shared, ended })
    }

    /// Has the thread carry out `job`, and waits for its result, [`ANSWER_WAIT`] at most.
    ///
    /// If it fails the job was not carried out, or it is under way and its result is lost.
    pub async fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Stuck> {
        self.promise(job, |_, _| ()).await
    }

    /// The same for what must not stay if this fails: a job that ends too late is followed by `undo`, which is given its result.
    pub async fn promise<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> R + Send + 'static,
        undo: impl FnOnce(&mut S, R) + Send + 'static,
    ) -> Result<R, Stuck> {
        if self.hangs().is_some() {
            return Err(self.gives_up());
        }
        let mut result = self.begin(job, undo)?;
        match tokio::time::timeout(ANSWER_WAIT, &mut result).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(Stuck::Closed),
            Err(_) => {
                result.close(); // from here on the thread knows that nobody waits
                result.try_recv().map_err(|_| self.gives_up())
            }
        }
    }

    /// The same without a limit, for a caller that cannot go on without the result; the log says why it takes so long.
    pub async fn wait_for<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Stuck> {
        let result = self.begin(job, |_, _| ())?;
        patiently(&self.what, result).await.map_err(|_| Stuck::Closed)
    }

    fn begin<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> R + Send + 'static,
        undo: impl FnOnce(&mut S, R) + Send + 'static,
    ) -> Result<oneshot::Receiver<R>, Stuck> {
        let (reply, result) = oneshot::channel();
        let job = Box::new(move |state: &mut S| {
            if reply.is_closed() {
                return;
            }
            let result = job(state);
            if let Err(unheard) = reply.send(result) {
                undo(state, unheard);
            }
        });
        let jobs = lock(&self.jobs);
        match jobs.as_ref().ok_or(Stuck::Closed)?.try_send(job) {
            Ok(()) => Ok(result),
            Err(TrySendError::Full(_)) => Err(self.gives_up()),
            Err(TrySendError::Disconnected(_)) => Err(Stuck::Closed),
        }
    }

    /// Enqueues a job without a result, such as a notification. False if it is not carried out.
    pub fn tell(&self, job: impl FnOnce(&mut S) + Send + 'static) -> bool {
        let jobs = lock(&self.jobs);
        self.hangs().is_none() && jobs.as_ref().is_some_and(|jobs| jobs.try_send(Box::new(job)).is_ok())
    }

    fn gives_up(&self) -> Stuck {
        self.shared.gave_up.fetch_add(1, Relaxed);
        if self.hangs().is_some() && !self.shared.is_told.swap(true, Relaxed) {
            tracing::warn!(
                "{} does not answer for {} s: its disk may hang",
                self.what,
                ANSWER_WAIT.as_secs()
            );
        }
        Stuck::Hangs
    }

    /// For how long the present job has been running, if that is so long that it hangs.
    pub fn hangs(&self) -> Option<Duration> {
        lock(&self.shared.busy).map(|since| since.elapsed()).filter(|busy| *busy >= HANGS_AFTER)
    }

    /// How many jobs their callers gave up on.
    pub fn gave_up(&self) -> u64 {
        self.shared.gave_up.load(Relaxed)
    }

    /// Takes no more jobs, and waits until those before are done and what they were about is closed, [`ANSWER_WAIT`] at most. False if that took longer.
    pub async fn close(&self) -> bool {
        drop(lock(&self.jobs).take());
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(|ended| *ended);
        tokio::time::timeout(ANSWER_WAIT, ended).await.is_ok()
    }
}

/// Carries jobs out until the queue is closed.
fn work<S>(state: &mut S, to_do: &Receiver<Job<S>>, shared: &Shared, what: &str) {
    while let Ok(job) = to_do.recv() {
        let begun = Instant::now();
        *lock(&shared.busy) = Some(begun);
        job(state);
        *lock(&shared.busy) = None;
        if shared.is_told.swap(false, Relaxed) {
            tracing::warn!("{what} answers again after {}", words::span(begun.elapsed().as_secs_f64()));
        }
    }
}

/// Makes one call that may hang on a thread of its own, and waits for it without a limit; the log says why it takes so long.
///
/// Fails if the system gives no thread.
pub async fn once<R: Send + 'static>(what: &str, call: impl FnOnce() -> R + Send + 'static) -> io::Result<R> {
    let (reply, result) = oneshot::channel();
    std::thread::Builder::new().name("once".into()).spawn(move || {
        let _ = reply.send(call()); // nobody may be waiting any more
    })?;
    patiently(what, result).await.map_err(io::Error::other)
}

/// Rare calls that may hang, one at a time, each on a thread that ends with it.
#[derive(Clone)]
pub struct Single(Arc<Semaphore>);

impl Default for Single {
    fn default() -> Single {
        Single(Arc::new(Semaphore::new(1)))
    }
}

impl Single {
    /// Makes a call, and waits for it, [`ANSWER_WAIT`] at most; then it is left to itself, and no other one is begun before it has ended.
    pub async fn ask<R: Send + 'static>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Stuck> {
        let deadline = tokio::time::Instant::now() + ANSWER_WAIT;
        let turn = tokio::time::timeout_at(deadline, self.0.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Stuck::Hangs)?.map_err(|_| Stuck::Closed)?;
        let (reply, result) = oneshot::channel();
        let call = move || {
            let _turn = turn;
            let _ = reply.send(call()); // nobody may be waiting any more
        };
        std::thread::Builder::new().name("single".into()).spawn(call).map_err(|_| Stuck::Closed)?;
        let result = tokio::time::timeout_at(deadline, result).await;
        result.map_err(|_| Stuck::Hangs)?.map_err(|_| Stuck::Closed)
    }
}

async fn patiently<R>(what: &str, result: oneshot::Receiver<R>) -> Result<R, oneshot::error::RecvError> {
    let begun = Instant::now();
    let mut result = std::pin::pin!(result);
    let mut wait = ANSWER_WAIT;
    loop {
        if let Ok(result) = tokio::time::timeout(wait, result.as_mut()).await {
            return result;
        }
        let waited = words::span(begun.elapsed().as_secs_f64());
        tracing::warn!("{what} has not answered for {waited}: its disk may hang; this agent waits for it");
        wait = SAY_AGAIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    type Held = (Worker<Vec<u32>>, mpsc::Sender<()>, Arc<Mutex<mpsc::Receiver<()>>>);

    /// A thread whose jobs end when the test lets them.
    fn held() -> Held {
        let (go, wait) = mpsc::channel();
        (Worker::start("held", "the test".into(), Vec::new()).unwrap(), go, Arc::new(Mutex::new(wait)))
    }

    #[tokio::test]
    async fn what_was_refused_is_undone_or_never_begun_and_what_comes_later_is_carried_out() {
        let (worker, go, wait) = held();
        let stuck = wait.clone();
        let begun = worker.promise(
            move |list: &mut Vec<u32>| {
                lock(&stuck).recv().unwrap();
                list.push(1);
            },
            |list: &mut Vec<u32>, ()| {
                list.pop();
                list.push(10);
            },
        );
        let behind = worker.ask(|list: &mut Vec<u32>| list.push(2));
        let (begun, behind) = tokio::join!(begun, behind);
        assert_eq!((begun, behind), (Err(Stuck::Hangs), Err(Stuck::Hangs)));
        assert!(worker.hangs().is_some());
        // While it hangs nobody waits, and nothing is queued.
        assert_eq!(worker.ask(|list: &mut Vec<u32>| list.push(3)).await, Err(Stuck::Hangs));
        assert_eq!(worker.gave_up(), 3);
        go.send(()).unwrap();
        let list = worker.wait_for(|list: &mut Vec<u32>| list.clone()).await.unwrap();
        assert_eq!(list, [10]);
        assert_eq!(worker.ask(|list: &mut Vec<u32>| list.len()).await, Ok(1));
        assert!(worker.hangs().is_none());
    }

    #[tokio::test]
    async fn closing_ends_in_bounded_time_and_takes_no_more_jobs() {
        let (worker, go, wait) = held();
        assert!(worker.tell(move |_| lock(&wait).recv().unwrap()));
        assert!(!worker.close().await, "a job hangs");
        assert!(worker.ask(|_| ()).await.is_err());
        go.send(()).unwrap();
        assert!(worker.close().await);
    }
}

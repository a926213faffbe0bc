//! A stream for each subscriber, bounded in number and bytes: a subscriber that reads too slowly misses the oldest items, and reads how many.

use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// Items that wait for one subscriber, unless it asks for another number (our guess: some seconds of a busy cluster).
pub const ITEMS_MAX: usize = 1_024;
/// Their bytes (our guess: as many as the events' window holds, four times).
pub const BYTES_MAX: usize = 16 << 20;

/// An item of a feed.
pub trait Item: Clone {
    /// So many items were missed.
    fn missed(count: u64) -> Self;
    /// Its size in memory, about.
    fn bytes(&self) -> usize;
}

struct Queue<T> {
    items: VecDeque<T>,
    items_max: usize,
    bytes: usize,
    missed: u64,
    waker: Option<Waker>,
    is_closed: bool,
}

impl<T: Item> Queue<T> {
    fn push(&mut self, item: T) {
        self.bytes += item.bytes();
        self.items.push_back(item);
        while (self.items.len() > self.items_max || self.bytes > BYTES_MAX)
            && let Some(oldest) = self.items.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.missed += 1;
        }
    }

    fn pop(&mut self) -> Option<T> {
        if self.missed > 0 {
            return Some(T::missed(std::mem::take(&mut self.missed)));
        }
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes();
        Some(item)
    }
}

fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The subscribers of a feed.
pub(crate) struct Subscribers<T>(Mutex<All<T>>);

struct All<T> {
    queues: Vec<Weak<Mutex<Queue<T>>>>,
    is_closed: bool,
}

impl<T> Default for Subscribers<T> {
    fn default() -> Self {
        Subscribers(Mutex::new(All { queues: Vec::new(), is_closed: false }))
    }
}

impl<T: Item> Subscribers<T> {
    /// Subscribes to what is pushed from now on; at most `items_max` items wait.
    pub fn subscribe(&self, items_max: usize) -> Feed<T> {
        let mut all = self.all();
        let (items, items_max, is_closed) = (VecDeque::new(), items_max.max(1), all.is_closed);
        let queue = Queue { items, items_max, bytes: 0, missed: 0, waker: None, is_closed };
        let queue = Arc::new(Mutex::new(queue));
        all.queues.push(Arc::downgrade(&queue));
        Feed(queue)
    }

    /// Hands an item to each subscriber, without waiting.
    pub fn push(&self, item: &T) {
        self.each(|queue| queue.push(item.clone()));
    }

    /// Ends all streams behind what waits in them.
    pub fn close(&self) {
        self.all().is_closed = true;
        self.each(|queue| queue.is_closed = true);
    }

    fn all(&self) -> MutexGuard<'_, All<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the readers behind the locks: a waker may be anything.
    fn each(&self, change: impl Fn(&mut Queue<T>)) {
        let mut wakers = Vec::new();
        self.all().queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut queue = lock(&queue);
            change(&mut queue);
            wakers.extend(queue.waker.take());
            true
        });
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// One subscriber's stream. It ends when the node stops.
pub struct Feed<T>(Arc<Mutex<Queue<T>>>);

impl<T: Item> Feed<T> {
    /// The next item; none once the node has stopped and all was read. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The next item if one waits.
    pub fn try_next(&mut self) -> Option<T> {
        lock(&self.0).pop()
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut queue = lock(&self.0);
        match queue.pop() {
            Some(item) => Poll::Ready(Some(item)),
            None if queue.is_closed => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T: Item> Stream for Feed<T> {
    type Item = T;
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx)
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({} wait)", lock(&self.0).items.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[derive(Clone, Debug, PartialEq)]
    enum Number {
        Is(u64),
        Missed(u64),
    }

    impl Item for Number {
        fn missed(count: u64) -> Number {
            Number::Missed(count)
        }
        fn bytes(&self) -> usize {
            8
        }
    }

    #[tokio::test]
    async fn a_slow_subscriber_misses_the_oldest_and_reads_how_many() {
        let subscribers = Subscribers::default();
        let (mut slow, mut fast) = (subscribers.subscribe(3), subscribers.subscribe(ITEMS_MAX));
        (0..5).for_each(|n| subscribers.push(&Number::Is(n)));
        subscribers.close();
        let (slow, fast) = (slow.by_ref().collect::<Vec<_>>().await, fast.by_ref().collect::<Vec<_>>().await);
        assert_eq!(slow, [Number::Missed(2), Number::Is(2), Number::Is(3), Number::Is(4)]);
        assert_eq!(fast, (0..5).map(Number::Is).collect::<Vec<_>>());
        assert_eq!(subscribers.subscribe(1).next().await, None, "the node has stopped");
    }

    #[tokio::test]
    async fn a_waiting_subscriber_is_woken_and_one_that_is_gone_costs_nothing() {
        let subscribers = Arc::new(Subscribers::default());
        let mut feed = subscribers.subscribe(ITEMS_MAX);
        drop(subscribers.subscribe(ITEMS_MAX));
        let pushing = subscribers.clone();
        let pushed = tokio::spawn(async move { pushing.push(&Number::Is(7)) });
        assert_eq!(feed.next().await, Some(Number::Is(7)));
        pushed.await.unwrap();
        assert_eq!(subscribers.all().queues.len(), 1);
    }
}

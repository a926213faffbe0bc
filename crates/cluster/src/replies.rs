//! The replies to a query of this node, as a stream.

use crate::node::WeakHandle;
use crate::queries::open::{Inbox, Reply, Responder, Summary};
use crate::shared::Shared;
use futures_core::Stream;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::spread::queries;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The replies to one query: a stream that ends after [`Reply::Done`], or when the node stops. Dropped before its end, the query is cancelled.
#[derive(Debug)]
pub struct Replies {
    /// Live members that are meant, as far as this node knows.
    pub expected: u32,
    /// The time for answers.
    pub timeout: Duration,
    pub(crate) asked: Asked,
    pub(crate) inbox: Inbox,
}

/// An open query, which is cancelled when this is dropped.
#[derive(Debug)]
pub(crate) struct Asked {
    pub ticket: u64,
    pub handle: WeakHandle,
    pub shared: Arc<Shared>,
    pub is_over: bool,
}

/// All that came of a query.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The answers.
    pub answers: Vec<(Responder, Payload)>,
    /// Members that failed to answer, with the reason.
    pub failures: Vec<(Responder, String)>,
    /// The totals; none if the node stopped before.
    pub summary: Option<Summary>,
}

impl Replies {
    /// The next reply; none after [`Reply::Done`], or if the node stops.
    pub async fn next(&mut self) -> Option<Reply> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Waits for all answers, or until the time for them is over.
    pub async fn collect(mut self) -> Collected {
        let mut collected = Collected::default();
        while let Some(reply) = self.next().await {
            match reply {
                Reply::Ack(_) => {}
                Reply::Answer(from, payload) => collected.answers.push((from, payload)),
                Reply::Failed(from, why) => collected.failures.push((from, why)),
                Reply::Done(summary) => collected.summary = Some(summary),
            }
        }
        collected
    }
}

impl Stream for Replies {
    type Item = Reply;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let reply = std::task::ready!(self.inbox.poll_next(cx));
        self.asked.is_over |= matches!(reply, Some(Reply::Done(_)) | None);
        Poll::Ready(reply)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let ticket = self.ticket;
        self.shared.queries().close(ticket);
        // Without a runtime or a node the query has ended.
        if let (Some(handle), Ok(runtime)) = (self.handle.upgrade(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { handle.call(Call::Queries(queries::Call::Cancel { ticket })).await });
        }
    }
}

//! Replies to Serf's clients: answers, records of streams, and the bounded way to a client.

use super::codec::encode;
use super::messages::Response;
use crate::refusal::Refusal;
use serde::Serialize;
use std::pin::Pin;
use tokio::sync::mpsc;

/// Writes a body.
pub(crate) fn body<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

/// A stream of records, begun once its request has been answered.
pub(crate) type Records = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a request is answered.
#[derive(Default)]
pub(crate) struct Answer {
    /// What went wrong; empty if nothing did.
    pub error: String,
    /// Behind the header; empty if there is none.
    pub body: Vec<u8>,
    /// What follows.
    pub records: Option<Records>,
}

impl Answer {
    /// That, and no more.
    pub fn of<T: Serialize>(value: &T) -> Answer {
        Answer { body: body(value), ..Answer::default() }
    }

    /// Done, and this follows.
    pub fn then(records: impl Future<Output = ()> + Send + 'static) -> Answer {
        Answer { records: Some(Box::pin(records)), ..Answer::default() }
    }
}

/// What is answered, or what is wrong with the request.
pub(crate) type Answered = Result<Answer, String>;

/// A refusal as one line, which is all that Serf's clients show: what is wrong, and what to do.
pub(crate) fn text(refusal: &Refusal) -> String {
    format!("{}; {}", refusal.error, refusal.hint)
}

/// The way to a client: in order, and bounded.
#[derive(Clone)]
pub(crate) struct Out(mpsc::Sender<Vec<u8>>);

impl Out {
    /// The way to a client, and its other end; at most so many answers and records wait in it.
    pub(super) fn queue(max: usize) -> (Out, mpsc::Receiver<Vec<u8>>) {
        let (queue, queued) = mpsc::channel(max);
        (Out(queue), queued)
    }

    /// Sends a header and what belongs to it. False if the client is gone.
    pub async fn answer(&self, seq: u64, error: &str, body: &[u8]) -> bool {
        let mut bytes = Vec::new();
        encode(&Response { error: error.into(), seq }, &mut bytes);
        bytes.extend_from_slice(body);
        self.0.send(bytes).await.is_ok()
    }

    /// Sends a record of a stream. False if the client is gone.
    pub async fn record<T: Serialize>(&self, seq: u64, record: &T) -> bool {
        self.answer(seq, "", &body(record)).await
    }
}

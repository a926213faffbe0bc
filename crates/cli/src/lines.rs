//! An answer that is read line by line.

use crate::outcome::{Failure, Outcome};
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

/// The longest line of an answer that is read: 60 KiB, each byte of it escaped, and some (our guess).
const LINE_BYTES_MAX: usize = 1 << 20;

/// Lines of JSON, as they come.
pub struct Lines {
    body: Incoming,
    read: BytesMut,
    /// So many bytes of it hold no end of a line.
    looked: usize,
}

impl Lines {
    /// Of that answer.
    pub fn new(body: Incoming) -> Lines {
        Lines { body, read: BytesMut::new(), looked: 0 }
    }

    /// The next line; none when the agent ended the answer. Safe to drop and call again.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Outcome<Option<T>> {
        loop {
            if let Some(at) = self.read[self.looked..].iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(self.looked + at + 1);
                self.looked = 0;
                return serde_json::from_slice(&line).map(Some).map_err(|e| {
                    Failure::Failed(format!(
                        "a line of the answer is not what this version expects ({e}); is the agent of another version?"
                    ))
                });
            }
            self.looked = self.read.len();
            if self.looked > LINE_BYTES_MAX {
                return Err(Failure::Failed(
                    "a line of the answer is too long; is it an agent that answers?".into(),
                ));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(Failure::Failed(format!("the agent's answer broke off: {error}")));
                }
                Some(Ok(frame)) => self.read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
        }
    }
}

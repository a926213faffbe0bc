//! The answer to a client for which there is no room.

use super::codec::{Frames, decode, encode};
use super::messages::{Request, Response};
use crate::admission::overflow::reason;
use rumormill_runtime::admission::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers the client's first request with the reason, and closes the connection. The request is read first: Serf's clients take no answer before they
/// have asked, and bytes left unread would have the kernel throw the answer away.
pub(crate) async fn refuse(stream: TcpStream, full: Full) {
    let (read, mut write) = stream.into_split();
    let mut frames = Frames::new(read);
    let seq = match frames.next().await {
        Ok(frame) => decode::<Request>(&frame).map(|request| request.seq).unwrap_or_default(),
        Err(_) => return, // it has gone, or does not speak this protocol
    };
    let error = format!("{}; close one, and try again", reason(full));
    let mut answer = Vec::new();
    encode(&Response { error, seq }, &mut answer);
    if write.write_all(&answer).await.is_ok() {
        // The client closes: Serf's own takes an end that comes close behind an answer for a lost connection, and shows that instead.
        let mut rest = frames.into_inner();
        let mut ignored = [0; 1024];
        while let Ok(1..) = rest.read(&mut ignored).await {}
    }
}

//! Messages of a client, checked before anything reads them.
//!
//! The decoder behind this takes a message of up to a gigabyte, from a client without a password too, and relies on each to be whole inside. So each
//! is bounded here, gathered, and compared with its format; only then its bytes are passed on. A client that breaks the format gets an error and is
//! closed, as PostgreSQL does it.

use bytes::{Buf, BytesMut};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Bytes of a message: the text of a statement (64 KiB), or its parameters.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Bytes of the first message; PostgreSQL's bound.
const STARTUP_BYTES_MAX: usize = 10_000;
/// Bytes that are asked of the system at once.
const CHUNK: usize = 4 << 10;

/// The codes of requests that come before or in place of the first message.
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// A connection of which only whole and well-formed messages are read.
pub struct Intake<S> {
    socket: S,
    raw: BytesMut,
    /// The bytes at the head of `raw` that may be read.
    checked: usize,
    phase: Phase,
}

/// The kind of message that may come next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// A message without a tag.
    Startup,
    /// The client's choice of a mechanism, in the first message about the password.
    Password,
    /// Any message.
    Open,
}

/// A message that PostgreSQL would not take: why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl<S> Intake<S> {
    pub fn new(socket: S) -> Self {
        Self { socket, raw: BytesMut::new(), checked: 0, phase: Phase::Startup }
    }

    /// Checks the messages that have come so far.
    fn check(&mut self) -> Result<(), Malformed> {
        while let Some(length) = next(&mut self.phase, &self.raw[self.checked..])? {
            self.checked += length;
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Intake<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.checked == 0 {
            this.raw.reserve(CHUNK);
            let read = ready!(poll_read_buf(Pin::new(&mut this.socket), cx, &mut this.raw))?;
            if read == 0 {
                return Poll::Ready(Ok(())); // the end; half a message is dropped
            }
            this.check().map_err(io::Error::other)?;
        }
        let bytes = this.checked.min(into.remaining());
        into.put_slice(&this.raw[..bytes]);
        this.raw.advance(bytes);
        this.checked -= bytes;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Intake<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The length of the message at the head of `bytes`; none if it is not whole yet.
fn next(phase: &mut Phase, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let tag = match (*phase, bytes.first()) {
        (_, None) => return Ok(None),
        (Phase::Startup, _) => None,
        (_, Some(tag)) => Some(*tag),
    };
    let head = usize::from(tag.is_some());
    let Some(length) = bytes[head..].first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    let bounds = if tag.is_some() { 4..=MESSAGE_BYTES_MAX } else { 8..=STARTUP_BYTES_MAX };
    if !bounds.contains(&length) {
        return Err(Malformed(format!("invalid length of a message: {length} bytes")));
    }
    let Some(body) = bytes.get(head + 4..head + length) else { return Ok(None) };
    let mut body = Body(body);
    let is_whole = match tag {
        None => startup(&mut body, phase),
        Some(tag) => {
            let is_whole = tagged(tag, *phase, &mut body)
                .ok_or_else(|| Malformed(format!("invalid frontend message type {tag}")))?;
            if tag == b'p' {
                *phase = Phase::Open;
            }
            is_whole
        }
    };
    match is_whole {
        Some(()) if body.0.is_empty() => Ok(Some(head + length)),
        _ => Err(Malformed("invalid message format".into())),
    }
}

/// A first message, or a request in its place. None if it does not have its format.
fn startup(body: &mut Body<'_>, phase: &mut Phase) -> Option<()> {
    match body.int()? {
        SSL | GSS => Some(()),
        CANCEL => body.skip(4).and_then(|()| if body.0.len() >= 4 { body.skip(body.0.len()) } else { None }),
        _ => {
            *phase = Phase::Password;
            while body.0.first()? != &0 {
                body.text()?;
                body.text()?;
            }
            body.skip(1)
        }
    }
}

/// Reads a message of that tag. The outer value is none if there is no such message, the inner one if it does not have its format.
fn tagged(tag: u8, phase: Phase, body: &mut Body<'_>) -> Option<Option<()>> {
    Some(match tag {
        b'Q' | b'f' => body.text(),
        b'P' => body.text().and_then(|()| body.text()).and_then(|()| body.list(4)),
        b'B' => bind(body),
        b'D' | b'C' => match body.0.split_first() {
            Some((b'S' | b'P', rest)) => {
                body.0 = rest;
                body.text()
            }
            _ => None,
        },
        b'E' => body.text().and_then(|()| body.skip(4)),
        b'H' | b'S' | b'X' | b'c' => Some(()),
        b'p' if phase == Phase::Password => body.text().and_then(|()| body.value()),
        b'p' | b'd' => body.skip(body.0.len()),
        _ => return None,
    })
}

fn bind(body: &mut Body<'_>) -> Option<()> {
    body.text()?;
    body.text()?;
    body.list(2)?;
    for _ in 0..body.short()? {
        body.value()?;
    }
    body.list(2)
}

/// The unread rest of a message.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn short(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    fn int(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    /// UTF-8 that ends with a zero.
    fn text(&mut self) -> Option<()> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&self.0[..end]).ok()?;
        self.skip(end + 1)
    }

    /// A count, and so many items of `bytes`.
    fn list(&mut self, bytes: usize) -> Option<()> {
        let count = usize::from(self.short()?);
        self.skip(count * bytes)
    }

    /// A length and so many bytes, or a negative length alone.
    fn value(&mut self) -> Option<()> {
        let length = self.int()?;
        if length > i32::MAX as u32 { Some(()) } else { self.skip(length as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, body].concat()
    }

    fn first(body: &[u8]) -> Vec<u8> {
        message(0, body)[1..].to_vec()
    }

    /// Each message with the phase before it, and whether it is taken.
    fn cases() -> Vec<(Phase, Vec<u8>, bool)> {
        use Phase::{Open, Password, Startup};
        let version = 196_608u32.to_be_bytes();
        let with = |rest: &[u8]| first(&[&version[..], rest].concat());
        vec![
            (Startup, first(&SSL.to_be_bytes()), true),
            (Startup, first(&GSS.to_be_bytes()), true),
            (Startup, first(&[&SSL.to_be_bytes()[..], b"x"].concat()), false),
            (Startup, first(&[&CANCEL.to_be_bytes()[..], &[0; 8]].concat()), true),
            (Startup, first(&[&CANCEL.to_be_bytes()[..], &[0; 3]].concat()), false),
            (Startup, with(b"user\0ann\0\0"), true),
            (Startup, with(b"user\0ann\0"), false),
            (Startup, with(b"user\0\0"), false),
            (Startup, with(b""), false),
            (Password, message(b'p', b"SCRAM-SHA-256\0\0\0\0\x02ab"), true),
            (Password, message(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"), true),
            (Password, message(b'p', b"SCRAM-SHA-256\0\0\0"), false),
            (Password, message(b'p', b"SCRAM-SHA-256\0\0\0\0\x05ab"), false),
            (Open, message(b'p', b"anything"), true),
            (Open, message(b'Q', b"SELECT 1\0"), true),
            (Open, message(b'Q', b"SELECT 1"), false),
            (Open, message(b'Q', b"SELECT 1\0rest"), false),
            (Open, message(b'Q', b"SELECT '\xff'\0"), false),
            (Open, message(b'P', b"s\0SELECT 1\0\0\x01\0\0\0\x14"), true),
            (Open, message(b'P', b"s\0SELECT 1\0\0\x02\0\0\0\x14"), false),
            (Open, message(b'P', b"s\0SELECT 1\0"), false),
            (Open, message(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0"), true),
            (Open, message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x09x\0\0"), false),
            (Open, message(b'B', b"\0s\0\0\0\xff\xff\0\0"), false),
            (Open, message(b'B', b"\0s\0"), false),
            (Open, message(b'D', b"Ss\0"), true),
            (Open, message(b'D', b"Xs\0"), false),
            (Open, message(b'D', b""), false),
            (Open, message(b'C', b"P\0"), true),
            (Open, message(b'E', b"\0\0\0\0\x01"), true),
            (Open, message(b'E', b"\0"), false),
            (Open, message(b'S', b""), true),
            (Open, message(b'S', b"x"), false),
            (Open, message(b'!', b""), false),
        ]
    }

    #[test]
    fn a_message_is_taken_when_it_is_whole_and_has_its_format() {
        for (phase, bytes, is_taken) in cases() {
            for length in 0..bytes.len() {
                let mut phase = phase;
                match next(&mut phase, &bytes[..length]) {
                    Ok(found) => assert_eq!(found, None, "{length} bytes of {bytes:?}"),
                    Err(_) => assert!(!is_taken, "{length} bytes of {bytes:?}"),
                }
            }
            let mut phase = phase;
            let more = [&bytes[..], b"next"].concat();
            assert_eq!(next(&mut phase, &more).ok(), is_taken.then_some(Some(bytes.len())), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_the_message_comes() {
        let head = |mut phase, length: u32| {
            let bytes = [&b"Q"[usize::from(phase == Phase::Startup)..], &length.to_be_bytes()].concat();
            next(&mut phase, &bytes)
        };
        for length in [0, 3, 4 + MESSAGE_BYTES_MAX as u32, 1 << 30, u32::MAX] {
            assert!(head(Phase::Open, length).is_err(), "{length}");
        }
        for length in [0, 7, 10_001, 0x1603_0100, u32::MAX] {
            assert!(head(Phase::Startup, length).is_err(), "{length}");
        }
        assert_eq!(head(Phase::Open, MESSAGE_BYTES_MAX as u32), Ok(None));
    }

    #[tokio::test]
    async fn whole_messages_pass_in_any_pieces_and_half_a_one_never_does() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut client, server) = tokio::io::duplex(64);
        let startup = first(&[&196_608u32.to_be_bytes()[..], b"user\0ann\0\0"].concat());
        let query = message(b'Q', &[b"SELECT '".to_vec(), vec![b'x'; 9_000], b"'\0".to_vec()].concat());
        let sent = [first(&SSL.to_be_bytes()), startup, query].concat();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            for piece in sent.chunks(7) {
                client.write_all(piece).await.unwrap();
            }
            client.write_all(&message(b'Q', b"SELECT 1\0")[..8]).await.unwrap();
        });
        let mut read = Vec::new();
        Intake::new(server).read_to_end(&mut read).await.unwrap();
        writer.await.unwrap();
        assert_eq!(read, expected);
    }
}

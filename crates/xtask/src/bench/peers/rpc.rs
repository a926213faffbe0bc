//! Serf's RPC as a client uses it (MessagePack over TCP): events go in by `event`, and come out of a `stream`, as fast as they are told.

use super::super::sides::{API_PORT, host};
use super::observer::{Source, read_on};
use super::payload::NAME;
use super::record::Record;
use anyhow::{Context, Result, bail};
use rmpv::Value;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Within this an agent answers, however busy the machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to an agent.
pub struct Rpc {
    stream: TcpStream,
    nth: usize,
    buffer: Vec<u8>,
    seq: u64,
}

impl Rpc {
    /// To agent `nth`.
    pub fn connect(nth: usize) -> Result<Rpc> {
        let stream = TcpStream::connect((host(nth), API_PORT)).context("no connection to an agent's RPC")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut rpc = Rpc { stream, nth, buffer: Vec::new(), seq: 0 };
        let hello = rpc.request("handshake", &[("Version", Value::from(1))])?;
        rpc.stream.write_all(&hello)?;
        rpc.answered()?;
        Ok(rpc)
    }

    fn request(&mut self, command: &str, body: &[(&str, Value)]) -> Result<Vec<u8>> {
        self.seq += 1;
        let mut bytes = Vec::new();
        let head = map(&[("Command", Value::from(command)), ("Seq", Value::from(self.seq))]);
        rmpv::encode::write_value(&mut bytes, &head)?;
        rmpv::encode::write_value(&mut bytes, &map(body))?;
        Ok(bytes)
    }

    /// Waits for one answer that has no body.
    fn answered(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            if let Some(head) = value(&mut self.buffer)? {
                return accepted(&head);
            }
            if !read_on(&mut self.stream, &mut self.buffer)? {
                bail!("the agent closed its RPC");
            }
        }
        bail!("the agent's RPC did not answer within {} s", TIMEOUT.as_secs())
    }

    /// Publishes events of these payloads; returns how many were taken.
    pub fn publish<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Result<usize> {
        let (mut requests, mut count) = (Vec::new(), 0);
        for payload in payloads {
            let (name, payload) = (Value::from(NAME), Value::from(payload));
            let body = [("Name", name), ("Payload", payload), ("Coalesce", Value::from(false))];
            requests.extend(self.request("event", &body)?);
            count += 1;
        }
        self.stream.write_all(&requests)?;
        let mut taken = 0;
        for _ in 0..count {
            taken += usize::from(self.answered().is_ok());
        }
        Ok(taken)
    }
}

fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect())
}

fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

/// Whether the head of an answer says that all is well.
fn accepted(head: &Value) -> Result<()> {
    let error = field(head, "Error").and_then(Value::as_str).context("an answer without a head")?;
    if !error.is_empty() {
        bail!("serf refuses: {error}");
    }
    Ok(())
}

/// Takes a whole value from the front of `buffer`, if it is there.
fn value(buffer: &mut Vec<u8>) -> Result<Option<Value>> {
    let mut rest = &buffer[..];
    match rmpv::decode::read_value(&mut rest) {
        Ok(value) => {
            let used = buffer.len() - rest.len();
            buffer.drain(..used);
            Ok(Some(value))
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("serf's RPC sent no MessagePack"),
    }
}

/// The stream of an agent's events.
pub struct Events {
    rpc: Rpc,
}

impl Events {
    /// Of agent `nth`, from now on: what is published after this returns is heard.
    pub fn open(nth: usize) -> Result<Events> {
        let mut rpc = Rpc::connect(nth)?;
        let ask = rpc.request("stream", &[("Type", Value::from(format!("user:{NAME}")))])?;
        rpc.stream.write_all(&ask)?;
        rpc.answered()?;
        rpc.stream.set_nonblocking(true)?;
        Ok(Events { rpc })
    }
}

impl Source for Events {
    fn fd(&self) -> BorrowedFd<'_> {
        self.rpc.stream.as_fd()
    }

    fn read(&mut self, record: &mut Record) -> Result<bool> {
        let is_open = read_on(&mut self.rpc.stream, &mut self.rpc.buffer)?;
        let now = Instant::now();
        while let Some(value) = value(&mut self.rpc.buffer)? {
            match field(&value, "Payload") {
                Some(payload) => {
                    record.told(self.rpc.nth, payload.as_slice().context("a payload of no bytes")?, now)
                }
                None => accepted(&value)?, // the head before each event
            }
        }
        Ok(is_open)
    }

    fn whose(&self) -> usize {
        self.rpc.nth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As serf 0.9.4 sends it: strings and bytes alike in the old raw form.
    fn told(payload: &[u8]) -> Vec<u8> {
        let mut bytes =
            b"\x82\xa5Error\xa0\xa3Seq\x01\x85\xa5Event\xa4user\xa5LTime\x01\xa4Name\xa5bench\xa7Payload"
                .to_vec();
        bytes.extend([0xda, 0, payload.len() as u8]);
        bytes.extend(payload);
        bytes.extend(b"\xa8Coalesce\xc2");
        bytes
    }

    #[test]
    fn values_are_taken_one_by_one_once_they_are_whole() {
        let payload = super::super::payload::payload(1, 0);
        let (mut buffer, bytes) = (Vec::new(), told(&payload));
        let mut found = Vec::new();
        for byte in bytes {
            buffer.push(byte);
            found.extend(value(&mut buffer).unwrap());
        }
        assert!(buffer.is_empty() && found.len() == 2, "a head and an event");
        accepted(&found[0]).unwrap();
        assert_eq!(field(&found[1], "Payload").unwrap().as_slice(), Some(&payload[..]));
    }

    #[test]
    fn a_refusal_is_an_error_with_serfs_words() {
        let head = map(&[("Seq", Value::from(1)), ("Error", Value::from("Unsupported command"))]);
        assert!(accepted(&head).unwrap_err().to_string().contains("Unsupported command"));
        assert!(accepted(&map(&[])).is_err());
    }
}

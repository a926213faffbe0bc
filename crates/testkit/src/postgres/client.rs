//! A client that sends what it is told to, and shows each message that comes back.

use bytes::BytesMut;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer must come within this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    /// The server's parameters, as it has told them so far.
    pub parameters: BTreeMap<String, String>,
    /// Process and secret, by which another connection can cancel.
    pub key: (i32, i32),
}

/// A message of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its kind, such as `Z`.
    pub tag: u8,
    /// Its content behind the length.
    pub body: Vec<u8>,
}

impl Frame {
    /// The field of an error or a notice: `C` is the code, `M` the message, `S` the severity.
    pub fn field(&self, name: u8) -> Option<String> {
        let fields = self.body.split(|byte| *byte == 0);
        let found = fields.filter_map(|field| field.split_first()).find(|(kind, _)| **kind == name);
        found.map(|(_, text)| String::from_utf8_lossy(text).into_owned())
    }

    /// The cells of a row, as they came; none is null.
    pub fn cells(&self) -> Vec<Option<Vec<u8>>> {
        let mut rest = &self.body[2..];
        let mut cells = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            cells.push(length.map(|length| tail[..length].to_vec()));
            rest = &tail[length.unwrap_or(0)..];
        }
        cells
    }
}

/// The tag, and what a person wants to see of the rest: `E 42601`, `Z I`, `C SELECT 1`.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        let tag = char::from(self.tag);
        match self.tag {
            b'E' | b'N' => write!(f, "{tag} {}", self.field(b'C').unwrap_or_default()),
            b'Z' | b'C' => write!(f, "{tag} {}", text(&self.body)),
            b'D' => {
                let cells = self.cells().into_iter().map(|cell| cell.map_or("-".into(), |cell| text(&cell)));
                write!(f, "{tag} {}", cells.collect::<Vec<_>>().join("|"))
            }
            _ => write!(f, "{tag}"),
        }
    }
}

impl Client {
    /// Opens a connection, and says nothing yet.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn open(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream), parameters: BTreeMap::new(), key: (0, 0) })
    }

    /// Connects, and waits until the server is ready.
    ///
    /// # Errors
    /// If the server refuses, with what it says.
    pub fn connect(address: SocketAddr, user: &str, database: &str, password: &str) -> Result<Client> {
        let mut client = Client::open(address)?;
        client.log_in(user, database, password)?;
        Ok(client)
    }

    /// Logs in on an open connection, and waits until the server is ready.
    ///
    /// # Errors
    /// If the server refuses, with what it says.
    pub fn log_in(&mut self, user: &str, database: &str, password: &str) -> Result<()> {
        self.say(|out| frontend::startup_message([("user", user), ("database", database)], out))?;
        self.authenticate(password)?;
        self.until_ready().map(drop)
    }

    fn authenticate(&mut self, password: &str) -> Result<()> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let frame = self.frame()?;
            let Some((kind, rest)) = frame.body.split_first_chunk::<4>().filter(|_| frame.tag == b'R') else {
                return Err(Error::other(format!("{frame:?}: {}", frame.field(b'M').unwrap_or_default())));
            };
            match i32::from_be_bytes(*kind) {
                0 => return Ok(()),
                10 => self.say(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?,
                11 => {
                    scram.update(rest)?;
                    self.say(|out| frontend::sasl_response(scram.message(), out))?;
                }
                12 => scram.finish(rest)?,
                other => return Err(Error::other(format!("authentication {other} is not known here"))),
            }
        }
    }

    /// Sends messages that `write` writes, all at once.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn say(&mut self, write: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
        let mut out = BytesMut::new();
        write(&mut out)?;
        self.send(&out)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next byte: the answer to a request for encryption is no message.
    ///
    /// # Errors
    /// As [`frame`](Client::frame).
    pub fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// The next message. Parameters are kept, too.
    ///
    /// # Errors
    /// If the connection ends, or nothing comes.
    pub fn frame(&mut self) -> Result<Frame> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let length = length.checked_sub(4).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no length"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let frame = Frame { tag: head[0], body };
        match frame.tag {
            b'S' => {
                let text = String::from_utf8_lossy(&frame.body).into_owned();
                let mut parts = text.split('\0').map(str::to_owned);
                self.parameters.extend(parts.next().zip(parts.next()));
            }
            b'K' => {
                let number =
                    |at: usize| i32::from_be_bytes(frame.body[at..at + 4].try_into().expect("4 bytes"));
                self.key = (number(0), number(4));
            }
            _ => {}
        }
        Ok(frame)
    }

    /// All messages up to `ReadyForQuery`, with it.
    ///
    /// # Errors
    /// As [`frame`](Client::frame).
    pub fn until_ready(&mut self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame()?);
            if frames.last().is_some_and(|frame| frame.tag == b'Z') {
                return Ok(frames);
            }
        }
    }

    /// Sends a simple query, and returns what comes back.
    ///
    /// # Errors
    /// If the connection ends.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Frame>> {
        self.say(|out| frontend::query(sql, out))?;
        self.until_ready()
    }

    /// The rows of a simple query, as text; null is nothing.
    ///
    /// # Errors
    /// If the connection ends, or the server answers with an error.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>> {
        let frames = self.query(sql)?;
        if let Some(error) = frames.iter().find(|frame| frame.tag == b'E') {
            return Err(Error::other(format!("{sql}: {}", error.field(b'M').unwrap_or_default())));
        }
        let text = |cell: Option<Vec<u8>>| String::from_utf8_lossy(&cell.unwrap_or_default()).into_owned();
        let rows = frames.iter().filter(|frame| frame.tag == b'D');
        Ok(rows.map(|row| row.cells().into_iter().map(text).collect()).collect())
    }

    /// True if nothing comes for so long.
    pub fn is_silent(&mut self, time: Duration) -> bool {
        if !self.stream.buffer().is_empty() || self.stream.get_ref().set_read_timeout(Some(time)).is_err() {
            return false;
        }
        let peeked = self.stream.get_ref().peek(&mut [0]);
        let reset = self.stream.get_ref().set_read_timeout(Some(TIMEOUT));
        reset.is_ok() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// True if the server has closed the connection: nothing comes any more.
    pub fn is_closed(&mut self) -> bool {
        loop {
            let mut rest = [0; 512];
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

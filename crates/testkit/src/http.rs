//! Just enough HTTP/1.1 to ask an agent something, over TCP or its Unix socket, without a client that a test would test as well.

use serde_json::Value;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// A whole answer must come within this.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Where an agent's API is.
#[derive(Clone, Debug)]
pub enum Place {
    /// On loopback.
    Tcp(SocketAddr),
    /// A path, which processes in any network namespace reach.
    Unix(PathBuf),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Place {
    /// Sends one request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// If nobody listens, nothing comes within 15 s, or what comes is not HTTP.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut answer = String::new();
        self.send(method, path, body)?.read_to_string(&mut answer)?;
        parse(&answer)
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("not an answer: {answer:.200}")))
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Box<dyn ReadWrite>> {
        let (mut stream, host): (Box<dyn ReadWrite>, String) = match self {
            Place::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                (Box::new(stream), address.to_string())
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                (Box::new(stream), "localhost".into())
            }
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        Ok(stream)
    }

    /// The status that a request is answered with, as soon as it comes: the body may never end.
    ///
    /// # Errors
    /// As [`ask`](Place::ask).
    pub fn status(&self, method: &str, path: &str, body: Option<&Value>) -> Result<u16> {
        let mut stream = self.send(method, path, body)?;
        let mut head = [0; 12]; // HTTP/1.1 200
        stream.read_exact(&mut head)?;
        let head = std::str::from_utf8(&head).ok();
        let status = head.and_then(|head| head.strip_prefix("HTTP/1.1 ")?.parse().ok());
        status.ok_or_else(|| Error::new(ErrorKind::InvalidData, "not an answer"))
    }

    /// The JSON that `GET path` answers with.
    ///
    /// # Errors
    /// As [`ask`](Place::ask), and if the status is not 200 or the body is no JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.expect(self.ask("GET", path, None)?, path)
    }

    /// The JSON that `POST path` answers with.
    ///
    /// # Errors
    /// As [`get`](Place::get).
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect(self.ask("POST", path, Some(body))?, path)
    }

    fn expect(&self, answer: Answer, path: &str) -> Result<Value> {
        if answer.status / 100 != 2 {
            return Err(Error::other(format!("{path}: {} {}", answer.status, answer.body)));
        }
        serde_json::from_str(&answer.body).map_err(|e| Error::other(format!("{path}: {e}: {}", answer.body)))
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunk(body)? } else { body.to_owned() };
    Some(Answer { status, body })
}

fn unchunk(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, tail) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(tail.get(..size)?);
        rest = tail.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_status_and_chunks_are_joined() {
        let plain = parse("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (404, "no"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, "abcd");
        assert!(unchunk("9\r\nabc\r\n").is_none());
        assert!(parse("SSH-2.0").is_none());
    }
}

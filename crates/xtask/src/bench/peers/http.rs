//! Our agents' API as a consumer uses it: one kept connection, on which a question for the next events always waits.

use super::super::sides::{API_PORT, host};
use super::observer::{Source, read_on};
use super::payload::NAME;
use super::record::Record;
use anyhow::{Context, Result, bail};
use data_encoding::BASE64;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Within this an agent answers, however busy the machine.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that was quiet for longer is made anew: the agent closes those that say nothing.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// How long a question waits at the agent for something to be told, in seconds: as long as it lets us.
const WAIT_S: u32 = 60;
/// Events in an answer: as many as it gives.
const PAGE: usize = 1_024;

/// A connection to an agent.
pub struct Http {
    stream: TcpStream,
    nth: usize,
    buffer: Vec<u8>,
    /// When it was last answered.
    used: Instant,
}

/// `GET /v1/events`, as far as it is looked at.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<ReadEvent<'a>>,
    cursor: String,
    gap: Option<Gap>,
}

#[derive(Deserialize)]
struct ReadEvent<'a> {
    kind: &'a str,
    #[serde(borrow)]
    payload: Option<Cow<'a, str>>,
    payload_base64: Option<&'a str>,
    sequence: u64,
    last_sequence: Option<u64>,
}

#[derive(Deserialize)]
struct Gap {
    missed: Option<u64>,
}

/// What became of events that were handed over.
#[derive(Deserialize)]
struct Published {
    events: Vec<PublishedEvent>,
}

#[derive(Deserialize)]
struct PublishedEvent {
    state: String,
}

impl Http {
    /// To agent `nth`.
    pub fn connect(nth: usize) -> Result<Http> {
        let stream = TcpStream::connect((host(nth), API_PORT)).context("no connection to an agent's API")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Http { stream, nth, buffer: Vec::new(), used: Instant::now() })
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let (host, length) = (host(self.nth), body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}:{API_PORT}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Sends a request and waits for the answer.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        if self.used.elapsed() > IDLE_MAX {
            *self = Http::connect(self.nth)?;
        }
        self.send(method, path, body)?;
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            if let Some(answer) = answer(&mut self.buffer)? {
                self.used = Instant::now();
                return Ok(answer);
            }
            if !read_on(&mut self.stream, &mut self.buffer)? {
                bail!("the agent closed its API");
            }
        }
        bail!("{path} was not answered within {} s", TIMEOUT.as_secs())
    }

    /// Publishes events of these payloads; returns how many were taken.
    pub fn publish<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Result<usize> {
        let event = |payload| format!(r#"{{"name":"{NAME}","payload_base64":"{}"}}"#, BASE64.encode(payload));
        let events = payloads.map(event).collect::<Vec<_>>().join(",");
        let (status, body) = self.ask("POST", "/v1/events", &format!(r#"{{"events":[{events}]}}"#))?;
        match status {
            200 => {
                let published: Published = serde_json::from_slice(&body)?;
                Ok(published.events.iter().filter(|became| became.state != "refused").count())
            }
            503 => Ok(0), // the queue is full: all are refused
            _ => bail!("publishing: {status} {}", String::from_utf8_lossy(&body)),
        }
    }
}

/// Takes a whole answer from the front of `buffer`, if it is there.
fn answer(buffer: &mut Vec<u8>) -> Result<Option<(u16, Vec<u8>)>> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end]).context("an answer's head is no text")?;
    let status =
        head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("not HTTP")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.context("an answer of unknown length")??;
    let body = end + 4;
    if buffer.len() < body + length {
        return Ok(None);
    }
    let answer = (status, buffer[body..body + length].to_vec());
    buffer.drain(..body + length);
    Ok(Some(answer))
}

/// A consumer of an agent's events.
pub struct EventReader {
    http: Http,
}

impl EventReader {
    /// Of agent `nth`, from now on: what is published after this returns is heard.
    pub fn open(nth: usize) -> Result<EventReader> {
        let mut http = Http::connect(nth)?;
        let (status, body) = http.ask("GET", "/v1/events?cursor=now&limit=1", "")?;
        if status != 200 {
            bail!("n{nth} lets nobody read its events: {status} {}", String::from_utf8_lossy(&body));
        }
        let cursor = serde_json::from_slice::<Page<'_>>(&body)?.cursor;
        let mut reader = EventReader { http };
        reader.ask_on(&cursor)?;
        reader.http.stream.set_nonblocking(true)?;
        Ok(reader)
    }

    fn ask_on(&mut self, cursor: &str) -> Result<()> {
        let path = format!("/v1/events?cursor={cursor}&wait_s={WAIT_S}&limit={PAGE}");
        self.http.send("GET", &path, "") // a hundred bytes into an empty buffer: it does not block
    }
}

impl Source for EventReader {
    fn fd(&self) -> BorrowedFd<'_> {
        self.http.stream.as_fd()
    }

    fn read(&mut self, record: &mut Record) -> Result<bool> {
        let is_open = read_on(&mut self.http.stream, &mut self.http.buffer)?;
        let now = Instant::now();
        while let Some((status, body)) = answer(&mut self.http.buffer)? {
            if status != 200 {
                bail!("reading events: {status} {}", String::from_utf8_lossy(&body));
            }
            let page: Page<'_> = serde_json::from_slice(&body).context("a page of events")?;
            self.ask_on(&page.cursor)?; // first: the agent answers while we look at what it sent
            hear(record, self.http.nth, &page, now)?;
        }
        Ok(is_open)
    }

    fn whose(&self) -> usize {
        self.http.nth
    }
}

fn hear(record: &mut Record, by: usize, page: &Page<'_>, now: Instant) -> Result<()> {
    if let Some(gap) = &page.gap {
        record.lost(gap.missed.unwrap_or(1));
    }
    for told in &page.events {
        match (told.kind, told.payload_base64, &told.payload) {
            ("event", Some(text), _) => record.told(by, &BASE64.decode(text.as_bytes())?, now),
            ("event", None, Some(text)) => record.told(by, text.as_bytes(), now),
            _ => record.lost(told.last_sequence.unwrap_or(told.sequence) - told.sequence + 1),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::payload::payload;
    use super::*;

    #[test]
    fn answers_are_taken_one_by_one_once_they_are_whole() {
        let mut buffer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nn".to_vec();
        assert_eq!(answer(&mut buffer).unwrap(), Some((200, b"first".to_vec())));
        assert_eq!(answer(&mut buffer).unwrap(), None);
        buffer.push(b'o');
        assert_eq!(answer(&mut buffer).unwrap(), Some((503, b"no".to_vec())));
        assert!(buffer.is_empty());
        assert!(answer(&mut b"SSH-2.0 hello\r\n\r\n".to_vec()).is_err());
    }

    #[test]
    fn a_page_tells_events_and_what_is_lost() {
        let text = format!(
            r#"{{"events":[{{"kind":"event","cursor":"c-1-1","id":"i","origin":"o","origin_name":"n1","epoch":1,"sequence":1,"name":"bench","payload":null,"payload_base64":"{}","unordered":false,"coalesce":false,"heard_unix_ms":1}},{{"kind":"lost","cursor":"c-1-2","id":"i","origin":"o","origin_name":null,"epoch":1,"sequence":2,"last_sequence":4,"name":"","payload":null,"payload_base64":null,"unordered":false,"coalesce":false,"heard_unix_ms":1}}],"cursor":"c-1-2","gap":{{"reason":"slow","missed":5}}}}"#,
            BASE64.encode(&payload(9, 0))
        );
        let page: Page<'_> = serde_json::from_str(&text).unwrap();
        let mut record = Record::new(2);
        record.expect(9, 1);
        hear(&mut record, 1, &page, Instant::now()).unwrap();
        assert!(record.came(0)[1].is_some());
        assert_eq!((record.odd().lost, record.odd().strangers), (8, 0));
    }
}

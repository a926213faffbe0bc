//! Reads server-sent events (WHATWG HTML, section 9.2) out of a stream of bytes.

use std::collections::VecDeque;

/// The largest event that is read: the state of ten thousand members (our guess, as for answers).
const EVENT_BYTES_MAX: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id:` seen.
    pub id: String,
    /// Its kind; `message` if it names none.
    pub event: String,
    /// Its data, lines joined by a newline.
    pub data: String,
}

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    id: String,
    event: String,
    data: Option<String>,
    after_return: bool,
    ready: VecDeque<Event>,
}

impl Parser {
    /// Takes in more bytes. An error is final: an event is larger than anything an agent sends.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false, // the second half of \r\n
                b'\n' => self.end_line(),
                b'\r' => {
                    self.end_line();
                    self.after_return = true;
                }
                _ => {
                    self.after_return = false;
                    self.line.push(byte);
                }
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > EVENT_BYTES_MAX {
                return Err(format!("the agent sent an event of more than {EVENT_BYTES_MAX} bytes"));
            }
        }
        Ok(())
    }

    /// The oldest event that is complete.
    pub fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.into(),
            "event" => self.event = value.into(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.into()),
            },
            _ => {} // a comment, `retry`, or something newer
        }
    }

    fn end_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        if let Some(data) = self.data.take() {
            let event = if event.is_empty() { "message".into() } else { event };
            self.ready.push_back(Event { id: self.id.clone(), event, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        for chunk in chunks {
            parser.feed(chunk).unwrap();
        }
        std::iter::from_fn(|| parser.next()).collect()
    }

    fn event(id: &str, event: &str, data: &str) -> Event {
        Event { id: id.into(), event: event.into(), data: data.into() }
    }

    #[test]
    fn an_event_has_an_id_a_kind_and_data() {
        let events = parse(&[b"id: 7\nevent: change\ndata: {\"a\":1}\n\n"]);
        assert_eq!(events, [event("7", "change", "{\"a\":1}")]);
    }

    #[test]
    fn an_event_may_come_in_any_pieces() {
        let whole = "id: 1\r\nevent: state\r\ndata: ü\r\ndata: b\r\n\r\ndata:c\n\n".as_bytes();
        let expected = [event("1", "state", "ü\nb"), event("1", "message", "c")];
        assert_eq!(parse(&[whole]), expected);
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(parse(&bytes), expected);
    }

    #[test]
    fn comments_and_events_without_data_are_passed_over() {
        assert_eq!(parse(&[b": keep-alive\n\nevent: x\n\nretry: 3\ndata\n\n"]), [event("", "message", "")]);
    }

    #[test]
    fn an_unfinished_event_is_not_given_out() {
        assert_eq!(parse(&[b"data: a\n"]), []);
    }
}

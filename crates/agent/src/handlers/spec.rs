//! Which command is run on what: `WHAT=COMMAND`.

use crate::describe::model::ChangeKind;
use std::fmt;
use std::str::FromStr;

/// Handlers of one agent (our guess).
pub const HANDLERS_MAX: usize = 32;
/// What can be handled, for messages.
const KNOWN: &str = "member-join, member-leave, member-failed, member-update, event:NAME, event:PREFIX*, query:NAME, query:PREFIX*, *";

/// On what a command is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum On {
    /// Whatever can be handled.
    All,
    /// This happened to another member.
    Member(Happened),
    /// An event of this name was delivered, or with a `*` at its end: one that begins so.
    Event(String),
    /// A query of this name was asked, or with a `*` at its end: one that begins so. What the command says is the answer.
    Query(String),
}

/// What happens to members.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It is alive, for the first time or again.
    Join,
    /// It left.
    Leave,
    /// It failed.
    Failed,
    /// What it says of itself changed.
    Update,
}

impl Happened {
    const ALL: [Happened; 4] = [Happened::Join, Happened::Leave, Happened::Failed, Happened::Update];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Happened::Join => "member-join",
            Happened::Leave => "member-leave",
            Happened::Failed => "member-failed",
            Happened::Update => "member-update",
        }
    }

    /// What a change is to handlers; none if it is nothing to them.
    pub fn of(change: ChangeKind) -> Option<Happened> {
        match change {
            ChangeKind::Up => Some(Happened::Join),
            ChangeKind::Left => Some(Happened::Leave),
            ChangeKind::Failed => Some(Happened::Failed),
            ChangeKind::Changed | ChangeKind::Tags => Some(Happened::Update),
            ChangeKind::Suspected | ChangeKind::Refuted | ChangeKind::Forgotten => None,
            ChangeKind::NameTaken | ChangeKind::Superseded => None,
        }
    }
}

impl On {
    /// Whether it is run on that.
    pub fn is_member(&self, happened: Happened) -> bool {
        matches!(self, On::All) || *self == On::Member(happened)
    }

    /// The events it is run on, as the feed is asked for them; none if it is run on no event.
    pub fn events(&self) -> Option<&str> {
        match self {
            On::All => Some("*"),
            On::Member(_) | On::Query(_) => None,
            On::Event(name) => Some(name),
        }
    }

    /// Whether it is run on queries of that name.
    pub fn is_query(&self, name: &[u8]) -> bool {
        match self {
            On::All => true,
            On::Member(_) | On::Event(_) => false,
            On::Query(known) => match known.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix.as_bytes()),
                None => name == known.as_bytes(),
            },
        }
    }
}

impl FromStr for On {
    type Err = String;
    fn from_str(text: &str) -> Result<On, String> {
        match text.split_once(':') {
            None if text == "*" => Ok(On::All),
            Some(("event", name)) if !name.is_empty() => Ok(On::Event(name.into())),
            Some(("query", name)) if !name.is_empty() => Ok(On::Query(name.into())),
            _ => {
                let happened = Happened::ALL.into_iter().find(|happened| happened.as_str() == text);
                happened
                    .map(On::Member)
                    .ok_or_else(|| format!("nothing is called {text:?}; there are {KNOWN}"))
            }
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            On::All => f.write_str("*"),
            On::Member(happened) => f.write_str(happened.as_str()),
            On::Event(name) => write!(f, "event:{name}"),
            On::Query(name) => write!(f, "query:{name}"),
        }
    }
}

/// A command that is run on something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handler {
    /// On what.
    pub on: On,
    /// For `sh -c`.
    pub command: String,
}

impl FromStr for Handler {
    type Err = String;
    fn from_str(text: &str) -> Result<Handler, String> {
        let (on, command) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is no handler; write for example event:deploy=COMMAND"))?;
        if command.trim().is_empty() {
            return Err(format!("{text:?} has no command; write for example {on}=COMMAND"));
        }
        Ok(Handler { on: on.trim().parse()?, command: command.into() })
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.on, self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_reads_as_it_was_written() {
        for text in [
            "member-failed=logger a=b",
            "event:deploy=./run",
            "event:cache*=true",
            "query:load=uptime",
            "*=cat",
        ] {
            assert_eq!(text.parse::<Handler>().unwrap().to_string(), text);
        }
        let all: On = "*".parse().unwrap();
        assert!(all.is_member(Happened::Leave) && all.events() == Some("*"));
        let failed: On = "member-failed".parse().unwrap();
        assert!(failed.is_member(Happened::Failed) && !failed.is_member(Happened::Join));
        let query: On = "query:lo*".parse().unwrap();
        assert!(query.is_query(b"load") && !query.is_query(b"l") && all.is_query(b"any"));
        assert!(query.events().is_none() && !failed.is_query(b"member-failed"));
        assert_eq!((failed.events(), "event:a*".parse::<On>().unwrap().events()), (None, Some("a*")));
    }

    #[test]
    fn what_is_no_handler_is_told_why() {
        for wrong in ["", "deploy", "deploy=x", "event:=x", "query:=x", "member-gone=x", "event:deploy= "] {
            assert!(wrong.parse::<Handler>().is_err(), "{wrong:?}");
        }
    }
}

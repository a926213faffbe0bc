//! Refusal: why the agent does not do what it was asked, and what to do about it.
//!
//! A refusal knows no protocol. The HTTP API maps its [`Kind`] to a status; Serf's RPC writes it as one line.

use crate::store::NotStored;

/// The class of a refusal. Callers act on it, people read the texts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request makes no sense, whatever state the agent is in.
    Invalid,
    /// The request names something that does not exist.
    NotFound,
    /// The present state does not allow the request.
    Conflict,
    /// The request is larger than its bound.
    TooLarge,
    /// The configuration that the request refers to is not usable.
    Unusable,
    /// The agent is overloaded, has no node now, or its disk does not answer. The same request may succeed later.
    Unavailable,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class.
    pub kind: Kind,
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// For an ambiguous name: the ids of the members that carry it.
    pub candidates: Vec<String>,
}

impl Refusal {
    fn new(kind: Kind, error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { kind, error: error.into(), hint: hint.into(), candidates: Vec::new() }
    }

    /// [`Kind::Invalid`].
    pub fn invalid(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::Invalid, error, hint)
    }

    /// [`Kind::NotFound`].
    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::NotFound, error, hint)
    }

    /// [`Kind::Conflict`].
    pub fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::Conflict, error, hint)
    }

    /// [`Kind::TooLarge`].
    pub fn too_large(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::TooLarge, error, hint)
    }

    /// [`Kind::Unusable`].
    pub fn unusable(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::Unusable, error, hint)
    }

    /// [`Kind::Unavailable`].
    pub fn unavailable(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::new(Kind::Unavailable, error, hint)
    }

    /// Too many requests of this sort are under way.
    pub fn busy(error: impl Into<String>) -> Refusal {
        Refusal::unavailable(error, "try again in a moment")
    }

    /// The disk refused a write, or does not answer.
    pub fn not_stored(error: &NotStored, hint: &str) -> Refusal {
        Refusal::unavailable(format!("not stored: {error}"), hint)
    }

    /// The node's task did not answer.
    pub fn gone() -> Refusal {
        let hint =
            "the agent is starting, stopping or overloaded: try again in a moment, and look at its log";
        Refusal::unavailable("the node does not answer", hint)
    }
}

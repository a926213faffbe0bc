//! The names of strategies, and of the rules by which a rumor ends.

use rumormill_protocols::catalog::Catalogued;
use rumormill_protocols::spread::direct_mail::DirectMail;
use rumormill_protocols::spread::rumor::Rumor;
use rumormill_protocols::spread::{self, Spreader};
use std::fmt;
use std::str::FromStr;

/// A way for the update to spread.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Rumor mongering: nodes that know tell.
    Push,
    /// Rumor mongering: nodes ask.
    Pull,
    /// Rumor mongering: nodes tell and ask.
    PushPull,
    /// Anti-entropy: pairs of stores are compared, and both take the newer updates of the other.
    AntiEntropy,
    /// Anti-entropy: pairs of stores are compared, and the one that is called takes newer updates.
    AntiEntropyPush,
    /// Anti-entropy: pairs of stores are compared, and the caller takes newer updates.
    AntiEntropyPull,
    /// Any other spreader, by its name in the catalog.
    Spreader(&'static str),
}

/// The rule by which a node loses interest in a rumor (Demers 1987, section 1.4).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Never: the simple epidemic.
    None,
    /// After k useless contacts.
    FeedbackCounter,
    /// At each useless contact with probability 1/k.
    FeedbackCoin,
    /// After k contacts of any kind.
    BlindCounter,
    /// At each contact of any kind with probability 1/k.
    BlindCoin,
}

/// The rule by which contacts count as useful.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Counting {
    /// As the paper's tables need it: a contact is useful if its receiver did not know when the round began, and resets the counter; in a pull one useful
    /// request in a round outweighs all useless ones.
    Tables,
    /// As the paper's text and equations have it: only the first contact that tells is useful, and nothing resets a counter.
    Plain,
}

/// Rumor mongering by the direction of its contacts.
const RUMORS: [(&str, Strategy); 3] =
    [("push", Strategy::Push), ("pull", Strategy::Pull), ("push-pull", Strategy::PushPull)];
/// Anti-entropy likewise.
const COMPARISONS: [(&str, Strategy); 3] = [
    ("anti-entropy", Strategy::AntiEntropy),
    ("anti-entropy-push", Strategy::AntiEntropyPush),
    ("anti-entropy-pull", Strategy::AntiEntropyPull),
];
/// A spreader that has a shorter name here than in the catalog.
const SHORT: (&str, &str) = (DirectMail::NAME, "mail");

struct Name;

impl spread::Visit for Name {
    type Out = &'static str;
    fn visit<P: Spreader>(self) -> &'static str {
        P::NAME
    }
}

/// All strategies by name: the spreaders of the catalog, and those that differ by the direction of their contacts.
fn strategies() -> Vec<(&'static str, Strategy)> {
    let spreaders = spread::each(|| Name).into_iter().filter(|name| *name != Rumor::NAME);
    let named = |name| (if name == SHORT.0 { SHORT.1 } else { name }, Strategy::Spreader(name));
    RUMORS.into_iter().chain(spreaders.map(named)).chain(COMPARISONS).collect()
}

const REMOVALS: [(&str, Removal); 5] = [
    ("none", Removal::None),
    ("feedback-counter", Removal::FeedbackCounter),
    ("feedback-coin", Removal::FeedbackCoin),
    ("blind-counter", Removal::BlindCounter),
    ("blind-coin", Removal::BlindCoin),
];

const COUNTINGS: [(&str, Counting); 2] = [("tables", Counting::Tables), ("plain", Counting::Plain)];

fn named<T: Copy>(all: &[(&'static str, T)], text: &str, what: &str) -> Result<T, String> {
    let known = all.iter().find(|(name, _)| *name == text);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        format!("there is no {what} {text:?}: it is one of {}", names.join(", "))
    })
}

fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, other)| other == value).map_or("", |(name, _)| name)
}

impl FromStr for Strategy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&strategies(), text, "strategy")
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&strategies(), self))
    }
}

impl FromStr for Removal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&REMOVALS, text, "removal")
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&REMOVALS, self))
    }
}

impl FromStr for Counting {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&COUNTINGS, text, "counting")
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&COUNTINGS, self))
    }
}

impl Counting {
    /// Both rules.
    pub fn all() -> Vec<Counting> {
        COUNTINGS.map(|(_, counting)| counting).into()
    }
}

impl Removal {
    /// All rules.
    pub fn all() -> Vec<Removal> {
        REMOVALS.map(|(_, removal)| removal).into()
    }

    /// Whether the receiver reports if it knew the update.
    pub fn has_feedback(self) -> bool {
        matches!(self, Removal::FeedbackCounter | Removal::FeedbackCoin)
    }
}

impl Strategy {
    /// All rules, by name.
    pub fn names() -> Vec<&'static str> {
        strategies().into_iter().map(|(name, _)| name).collect()
    }

    /// All strategies.
    pub fn all() -> Vec<Strategy> {
        strategies().into_iter().map(|(_, strategy)| strategy).collect()
    }

    /// The strategy of a spreader.
    pub const fn of<P: Spreader>() -> Strategy {
        Strategy::Spreader(P::NAME)
    }
}

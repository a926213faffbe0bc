//! The targets of an action.

use crate::ids::{Ids, Written};
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::words;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// The targets of an action. In a file `all`, `3`, `0..10`, `1,2,7..9`, `10%`, `5 nodes`, or a list of ids.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// All candidates.
    All,
    /// These nodes.
    Ids(Ids),
    /// A share of the candidates, drawn at random; rounded to the nearest number of nodes, but one at least if the share is above 0.
    Share(f64),
    /// This number of candidates, drawn at random; all if there are fewer.
    Count(u64),
}

impl Who {
    /// A single node.
    pub fn one(id: NodeId) -> Who {
        Who::Ids(Ids::of([id.0]))
    }

    /// The nodes among `candidates`, which are sorted. A node that is named is taken even if it is no candidate.
    pub(crate) fn draw(&self, candidates: impl FnOnce() -> Vec<NodeId>, rng: &mut Rng) -> Vec<NodeId> {
        let count = match self {
            Who::All => return candidates(),
            Who::Ids(ids) => return ids.iter().collect(),
            Who::Share(_) | Who::Count(_) => |all: usize| match self {
                Who::Share(share) if *share > 0.0 => ((all as f64 * share).round() as usize).max(1),
                Who::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
                _ => 0,
            },
        };
        let mut drawn = candidates();
        rng.shuffle(&mut drawn);
        drawn.truncate(count(drawn.len()));
        drawn.sort();
        drawn
    }

    /// Whether it names nodes, whose existence can be checked beforehand.
    pub fn ids(&self) -> Option<&Ids> {
        match self {
            Who::Ids(ids) => Some(ids),
            _ => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::All => f.write_str("all"),
            Who::Ids(ids) => ids.fmt(f),
            Who::Share(share) => write!(f, "{}%", share * 100.0),
            Who::Count(number) => f.write_str(&words::count(*number, "node")),
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        let text = text.trim();
        let refused = || {
            format!(
                "{text:?} names no nodes: write all, 3, 0..10, 1,2,7..9, 10% or 5 nodes, or a list of ids"
            )
        };
        if text == "all" {
            return Ok(Who::All);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| refused())?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(refused());
            }
            return Ok(Who::Share(percent / 100.0));
        }
        if let Some(count) = text.strip_suffix("nodes").or_else(|| text.strip_suffix("node")) {
            return count.trim().parse().map(Who::Count).map_err(|_| refused());
        }
        text.parse().map(Who::Ids).map_err(|_: String| refused())
    }
}

impl Serialize for Who {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Who::Ids(ids) if ids.len() == 1 => serializer.serialize_u64(ids.last().map_or(0, |id| id.0)),
            _ => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Who, D::Error> {
        Written::deserialize(deserializer)?.text().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_is_written_and_read_alike() {
        for text in ["all", "3", "0..10", "1..3,7", "10%", "12.5%", "1 node", "5 nodes"] {
            let who: Who = text.parse().unwrap();
            assert_eq!(who.to_string(), text);
        }
        for text in ["", "some", "120%", "-1", "x nodes"] {
            assert!(text.parse::<Who>().is_err_and(|e| e.contains("10%")), "{text}");
        }
    }

    #[test]
    fn a_smaller_number_is_drawn_from_the_larger_ones_choice() {
        let candidates = || (0..100).map(NodeId).collect();
        let draw = |who: Who| who.draw(candidates, &mut Rng::seeded(4));
        let (ten, five) = (draw(Who::Share(0.1)), draw(Who::Count(5)));
        assert_eq!((ten.len(), five.len()), (10, 5));
        assert!(five.iter().all(|id| ten.contains(id)));
        assert!(ten.is_sorted());
        assert_eq!(draw(Who::Share(0.001)).len(), 1, "a part of something is something");
        assert_eq!(draw(Who::Share(0.0)).len(), 0);
        assert_eq!(draw(Who::Count(1_000)).len(), 100);
        assert_eq!(draw(Who::Ids(Ids::of([500]))), [NodeId(500)]);
    }
}

//! Sets of nodes: as text, `3`, `0..10`, `1,2,7..9`, and for look-up.

use rumormill_core::identity::NodeId;
use rumormill_core::rng::mix;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Upper bound on the ranges of one set.
pub const RANGES_MAX: usize = 1 << 20;
/// A set of ids below this is a bit set; with larger ids it is searched.
const DENSE_MAX: u64 = 1 << 26;

/// Node ids, as sorted ranges that do not touch. As text `1,2,7..9`, without the 9 (`7..=9` includes it).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ids(Vec<Range<u64>>);

impl Ids {
    /// The set of these ids.
    pub fn of(ids: impl IntoIterator<Item = u64>) -> Ids {
        Ids::of_ranges(ids.into_iter().map(|id| id..id.saturating_add(1)).collect())
    }

    /// The set of a range.
    pub fn range(range: Range<u64>) -> Ids {
        Ids::of_ranges(vec![range])
    }

    fn of_ranges(mut ranges: Vec<Range<u64>>) -> Ids {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Ids(merged)
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: NodeId) -> bool {
        let at = self.0.partition_point(|range| range.end <= id.0);
        self.0.get(at).is_some_and(|range| range.contains(&id.0))
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().flat_map(|range| range.clone().map(NodeId))
    }

    /// Number of ids.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The greatest id.
    pub fn last(&self) -> Option<NodeId> {
        self.0.last().map(|range| NodeId(range.end - 1))
    }

    /// The first `n` ids.
    pub fn first(&self, n: u64) -> Ids {
        let mut left = n;
        let mut ranges = self.0.clone();
        for range in &mut ranges {
            let take = left.min(range.end - range.start);
            range.end = range.start + take;
            left -= take;
        }
        Ids::of_ranges(ranges)
    }

    /// All ids but the first `n`.
    pub fn without_first(&self, n: u64) -> Ids {
        let mut left = n;
        let mut ranges = self.0.clone();
        for range in &mut ranges {
            let drop = left.min(range.end - range.start);
            range.start += drop;
            left -= drop;
        }
        Ids::of_ranges(ranges)
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match range.end - range.start {
                1 => write!(f, "{comma}{}", range.start)?,
                _ => write!(f, "{comma}{}..{}", range.start, range.end)?,
            }
        }
        Ok(())
    }
}

impl FromStr for Ids {
    type Err = String;

    fn from_str(text: &str) -> Result<Ids, String> {
        let refused = || format!("{text:?} names no nodes: write them like 3, 0..10 or 1,2,7..9");
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim) {
            let number = |text: &str| text.trim().parse::<u64>().map_err(|_| refused());
            ranges.push(match part.split_once("..") {
                None => number(part)?..number(part)?.checked_add(1).ok_or_else(refused)?,
                Some((start, end)) => {
                    let end = match end.strip_prefix('=') {
                        Some(last) => number(last)?.checked_add(1).ok_or_else(refused)?,
                        None => number(end)?,
                    };
                    number(start)?..end
                }
            });
            if ranges.last().is_some_and(|range| range.is_empty()) {
                return Err(format!("{part:?} is empty: write the smaller id first"));
            }
            if ranges.len() > RANGES_MAX {
                return Err(format!("more than {RANGES_MAX} ranges of nodes"));
            }
        }
        Ok(Ids::of_ranges(ranges))
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ids, D::Error> {
        Written::deserialize(deserializer)?.text().parse().map_err(D::Error::custom)
    }
}

/// A set of nodes in a file: a number, a list of numbers, or a text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "nodes are a number, a list of numbers, or a text like \"0..10\"")]
pub(crate) enum Written {
    One(u64),
    Many(Vec<u64>),
    Text(String),
}

impl Written {
    pub fn text(self) -> String {
        match self {
            Written::One(id) => id.to_string(),
            Written::Many(ids) => ids.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
            Written::Text(text) => text,
        }
    }
}

/// A set of ids that is looked up for each packet: a bit set where ids are small, as in all our simulations.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdSet {
    bits: Vec<u64>,
    rest: Vec<NodeId>,
}

impl IdSet {
    pub fn of(ids: impl IntoIterator<Item = NodeId>) -> IdSet {
        let mut set = IdSet::default();
        for id in ids {
            if id.0 >= DENSE_MAX {
                set.rest.push(id);
                continue;
            }
            let word = (id.0 / 64) as usize;
            if word >= set.bits.len() {
                set.bits.resize(word + 1, 0);
            }
            set.bits[word] |= 1 << (id.0 % 64);
        }
        set.rest.sort();
        set
    }

    pub fn contains(&self, id: NodeId) -> bool {
        match self.bits.get((id.0 / 64) as usize) {
            Some(word) => word >> (id.0 % 64) & 1 == 1,
            None => id.0 >= DENSE_MAX && self.rest.binary_search(&id).is_ok(),
        }
    }
}

/// A group of nodes: the nodes it names, or a share of the nodes that no group names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Name of the group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The nodes that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Ids>,
    /// Its share of the nodes that no group names, relative to the sum of all weights; drawn by a hash of their ids.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: f64,
}

impl Group {
    pub(crate) fn pair(&self) -> (Option<&Ids>, f64) {
        (self.ids.as_ref(), self.weight)
    }
}

pub(crate) fn is_zero(weight: &f64) -> bool {
    *weight == 0.0
}

/// The group of a node among `groups`, each with the nodes it names and a weight: the first that names the node, else one drawn by weight
/// from `salt` and the id; `None` if no group names it and none has a weight.
pub(crate) fn group_of<'a>(
    groups: impl Iterator<Item = (Option<&'a Ids>, f64)> + Clone,
    id: NodeId,
    salt: u64,
) -> Option<usize> {
    let named = groups.clone().position(|(ids, _)| ids.is_some_and(|ids| ids.contains(id)));
    if named.is_some() {
        return named;
    }
    let sum: f64 = groups.clone().map(|(_, weight)| weight).sum();
    if sum <= 0.0 {
        return None;
    }
    let mut left = (mix(mix(salt) ^ id.0) >> 11) as f64 / (1u64 << 53) as f64 * sum;
    let mut last = None;
    for (at, (_, weight)) in groups.enumerate().filter(|(_, (_, weight))| *weight > 0.0) {
        if left < weight {
            return Some(at);
        }
        left -= weight;
        last = Some(at);
    }
    last
}

/// Refuses the weight of a group if it is negative or no number.
pub(crate) fn check_weight(weight: f64) -> Result<(), String> {
    if !weight.is_finite() || weight < 0.0 {
        return Err(format!("the weight of a group is {weight}: give 0 or more"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_and_read_alike() {
        for (text, shown, len) in [
            ("3", "3", 1),
            ("0..10", "0..10", 10),
            ("7..=9, 1,2", "1..3,7..10", 5),
            ("5,4,5,6..8", "4..8", 4),
        ] {
            let ids: Ids = text.parse().unwrap();
            assert_eq!((ids.to_string().as_str(), ids.len()), (shown, len), "{text}");
            assert_eq!(ids.to_string().parse::<Ids>().unwrap(), ids);
            assert_eq!(ids.iter().count() as u64, len);
            assert!(ids.iter().all(|id| ids.contains(id)) && !ids.contains(NodeId(99)));
        }
        for text in ["", "x", "3..", "9..3", "1,,2", "-1"] {
            assert!(text.parse::<Ids>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_is_cut_in_two() {
        let ids: Ids = "1,3..6,9".parse().unwrap();
        assert_eq!(ids.first(3), Ids::of([1, 3, 4]));
        assert_eq!(ids.without_first(3), Ids::of([5, 9]));
        assert_eq!(ids.last(), Some(NodeId(9)));
    }

    #[test]
    fn a_set_in_bits_holds_the_same_as_a_list() {
        let ids = [0, 63, 64, 1_000, DENSE_MAX, u64::MAX].map(NodeId);
        let set = IdSet::of(ids);
        assert!(ids.iter().all(|id| set.contains(*id)));
        assert!([1, 65, 999, DENSE_MAX + 1].iter().all(|id| !set.contains(NodeId(*id))));
    }

    #[test]
    fn groups_get_their_share_and_those_they_name() {
        let groups = [
            Group { weight: 1.0, ..Group::default() },
            Group { ids: Some(Ids::range(0..100)), ..Group::default() },
            Group { weight: 3.0, ..Group::default() },
        ];
        let mut sizes = [0u32; 3];
        (0..10_100)
            .for_each(|id| sizes[group_of(groups.iter().map(Group::pair), NodeId(id), 7).unwrap()] += 1);
        assert_eq!(sizes[1], 100);
        // 10,000 draws with probability 1/4: 4 standard errors are 173.
        assert!((2_327..2_673).contains(&sizes[0]), "{sizes:?}");
        assert_eq!(group_of(groups[1..2].iter().map(Group::pair), NodeId(100), 7), None);
    }
}

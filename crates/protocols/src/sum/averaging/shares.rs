//! What is averaged: one number, or many counts by their tags.

use alloc::boxed::Box;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::wire::Item;

/// Leaders of one epoch that are followed at most, those with the smallest tags (our guess: twice what is worth asking for).
pub const LEADERS_MAX: usize = 64;

/// Part of one count.
#[derive(Copy, Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Share {
    /// Whose count, and of which epoch.
    #[n(0)]
    pub tag: u32,
    /// How much of it.
    #[n(1)]
    pub amount: f64,
}

impl Item for Share {
    // An array of two, a tag of a byte at least, a float of nine.
    const BYTES_MIN: usize = 11;
}

/// What is averaged, and what moves.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub enum Shares {
    /// Of the one average.
    #[n(0)]
    One(#[n(0)] f64),
    /// Of each count, by tag; what is not in it is 0.
    #[n(1)]
    #[allow(clippy::box_collection)]
    // two words are all that each node's shares, and those it remembers, take
    Many(#[cbor(n(0), with = "boxed")] Box<Vec<Share>>),
}

#[allow(clippy::box_collection)] // as there
mod boxed {
    use super::*;
    use minicbor::{Decoder, Encoder};
    use rumormill_core::wire::list;

    pub fn encode<C, W: minicbor::encode::Write>(
        shares: &[Share],
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        list::encode(shares, e, c)
    }

    pub fn decode<'b, C>(d: &mut Decoder<'b>, c: &mut C) -> Result<Box<Vec<Share>>, minicbor::decode::Error> {
        list::decode(d, c).map(Box::new)
    }

    pub fn cbor_len<C>(shares: &[Share], c: &mut C) -> usize {
        list::cbor_len(shares, c)
    }
}

impl Shares {
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Shares::One(x) => x.is_finite(),
            Shares::Many(shares) => {
                let sorted = shares.windows(2).all(|pair| pair[0].tag < pair[1].tag);
                shares.len() <= LEADERS_MAX && sorted && shares.iter().all(|share| share.amount.is_finite())
            }
        }
    }

    /// Adds `factor * other`, for each count by itself; of too many counts, those with the smallest tags stay.
    pub(super) fn add(&mut self, factor: f64, other: &Shares) {
        let (mine, theirs) = match (self, other) {
            (Shares::One(mine), Shares::One(theirs)) => return *mine += factor * theirs,
            (Shares::Many(mine), Shares::Many(theirs)) => (mine, theirs),
            _ => return, // another cluster's setting: nothing of it is ours
        };
        let mut sum = Vec::with_capacity(mine.len().max(theirs.len()));
        let (mut own, mut theirs) = (mine.iter().peekable(), theirs.iter().peekable());
        while sum.len() < LEADERS_MAX {
            let tags = (own.peek().map(|share| share.tag), theirs.peek().map(|share| share.tag));
            let Some(tag) = tags.0.into_iter().chain(tags.1).min() else { break };
            let amount = own.next_if(|share| share.tag == tag).map_or(0.0, |share| share.amount);
            let moved = theirs.next_if(|share| share.tag == tag).map_or(0.0, |share| share.amount);
            sum.push(Share { tag, amount: amount + factor * moved });
        }
        **mine = sum;
    }

    /// Half of what `self` is more than `other`: what moves from the one to the other.
    pub(super) fn half_of_difference(mut self, other: &Shares) -> Shares {
        self.add(-1.0, other);
        match &mut self {
            Shares::One(x) => *x /= 2.0,
            Shares::Many(shares) => shares.iter_mut().for_each(|share| share.amount /= 2.0),
        }
        self
    }

    pub(super) fn is_like(&self, other: &Shares) -> bool {
        matches!((self, other), (Shares::One(_), Shares::One(_)) | (Shares::Many(_), Shares::Many(_)))
    }
}

/// What these counts come to: the mean of the middle third, as in the paper.
pub(super) fn trimmed_mean_of_counts(shares: &[Share]) -> Option<f64> {
    let positive = |share: &Share| (share.amount > 0.0).then_some(1.0 / share.amount);
    let mut counts: Vec<f64> = shares.iter().filter_map(positive).collect();
    counts.sort_by(f64::total_cmp);
    let cut = counts.len() / 3;
    let middle = &counts[cut..counts.len() - cut];
    (!middle.is_empty()).then(|| middle.iter().sum::<f64>() / middle.len() as f64)
}

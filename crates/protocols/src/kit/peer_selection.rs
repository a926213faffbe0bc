//! Peer selection: uniformly, nearer peers with a greater chance, or level by level.
//!
//! Demers et al. 1987, section 3.1: with uniform choice every link of a network carries traffic for everybody. Choosing a site at
//! distance d with a chance that falls like d^-a, or in an arbitrary network like Q(d)^-a, where Q(d) counts the sites within d,
//! keeps most conversations near at a small price in time.

use crate::kit::locality::Locality;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::Rng;
use smallvec::SmallVec;

/// Draws for one choice, at most, until one is a peer; then it is made uniformly (our guess: a view that lists a tenth of the sites
/// is missed by all of them once in a thousand times).
pub const DRAWS_MAX: u32 = 64;
/// Sites of a table of distances, at most: it has an entry for each pair.
pub const SITES_MAX: usize = 4_096;

/// How a peer is chosen. Tables are shared: a clone costs a reference count. In a file: `"uniform"`, or `{ ring = { sites = 100, exponent = 2.0 } }`; the
/// others cannot be written.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum PeerSelection {
    /// All alike.
    #[default]
    Uniform,
    /// The nearer on a ring the likelier.
    Ring(#[cfg_attr(feature = "serde", serde(with = "ring_text"))] Arc<Ring>),
    /// The nearer in any network the likelier.
    #[cfg_attr(feature = "serde", serde(skip))]
    Sites(Arc<Sites>),
    /// A level first (host, rack, site), then uniformly in it.
    #[cfg_attr(feature = "serde", serde(skip))]
    Locality(Arc<Locality>),
}

impl PeerSelection {
    /// d^-`exponent` on a ring of the ids `0..sites`: see [`Ring::new`].
    pub fn ring(sites: u64, exponent: f64) -> PeerSelection {
        PeerSelection::Ring(Arc::new(Ring::new(sites, exponent)))
    }

    /// Q(d)^-`exponent` among the ids `0..sites`: see [`Sites::new`].
    pub fn sites(sites: usize, exponent: f64, distance: impl Fn(usize, usize) -> u64) -> PeerSelection {
        let ids = (0..sites as u64).map(NodeId).collect();
        PeerSelection::Sites(Arc::new(Sites::new(ids, exponent, distance)))
    }

    /// Level by level.
    pub fn locality(locality: Locality) -> PeerSelection {
        PeerSelection::Locality(Arc::new(locality))
    }

    /// One of `peers` other than `me`. Who is in no table chooses, and is chosen, uniformly when nobody else can be.
    pub fn pick(&self, peers: &Peers, me: NodeId, rng: &mut Rng) -> Option<NodeId> {
        let drawn = match self {
            PeerSelection::Uniform => None,
            PeerSelection::Ring(ring) => among(peers, || ring.draw(me, rng)),
            PeerSelection::Sites(sites) => among(peers, || sites.draw(me, rng)),
            PeerSelection::Locality(locality) => among(peers, || locality.draw(me, rng)),
        };
        drawn.or_else(|| peers.pick(me, rng))
    }

    /// `count` different ones of `peers` other than `me`, drawn one after the other; all of them if they are fewer. A single one is drawn as
    /// [`PeerSelection::pick`] draws it.
    pub fn several(&self, peers: &Peers, me: NodeId, rng: &mut Rng, count: u32) -> SmallVec<[NodeId; 4]> {
        if count == 1 {
            return self.pick(peers, me, rng).into_iter().collect();
        }
        if matches!(self, PeerSelection::Uniform) {
            return peers.several(me, rng, count as usize);
        }
        let mut drawn: SmallVec<[NodeId; 4]> = SmallVec::new();
        for _ in 0..count {
            let mut fresh = (0..DRAWS_MAX).filter_map(|_| self.pick(peers, me, rng));
            let fresh = fresh.find(|peer| !drawn.contains(peer));
            // The likeliest ones are drawn again and again: then it is one of the others, in their order.
            let other = || peers.iter().find(|peer| *peer != me && !drawn.contains(peer));
            let Some(peer) = fresh.or_else(other) else { break };
            drawn.push(peer);
        }
        drawn
    }
}

/// A ring in a file: what it is made from.
#[cfg(feature = "serde")]
mod ring_text {
    use super::{Arc, Ring};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        sites: u64,
        exponent: f64,
    }

    pub(super) fn serialize<S: Serializer>(ring: &Arc<Ring>, serializer: S) -> Result<S::Ok, S::Error> {
        Shape { sites: ring.sites, exponent: ring.exponent }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Ring>, D::Error> {
        Shape::deserialize(deserializer).map(|shape| Arc::new(Ring::new(shape.sites, shape.exponent)))
    }
}

/// The first of at most [`DRAWS_MAX`] draws that is one of `peers`.
fn among(peers: &Peers, mut draw: impl FnMut() -> Option<NodeId>) -> Option<NodeId> {
    for _ in 0..DRAWS_MAX {
        let drawn = draw()?;
        if peers.contains(drawn) {
            return Some(drawn);
        }
    }
    None
}

/// A ring of sites: the chance of each falls like d^-a with its distance d from the one that chooses.
///
/// No tables: distances are drawn by rejection-inversion (Hörmann and Derflinger 1996), which hits the discrete law exactly and takes
/// little more than one draw on average, whatever the number of sites.
#[derive(Clone, Debug)]
pub struct Ring {
    sites: u64,
    farthest: u64,
    exponent: f64,
    /// The integral of x^-a up to the upper end of what stands for distance 1, less its weight; and to that of the farthest.
    area: (f64, f64),
    /// Who is inverted to at most so far below a distance is accepted without a look at the weight.
    margin: f64,
}

impl Ring {
    /// The ids `0..sites` in a ring; `exponent` is a in d^-a, 0 for uniform. A negative or undefined one counts as 0.
    pub fn new(sites: u64, exponent: f64) -> Ring {
        let exponent = if exponent > 0.0 { exponent } else { 0.0 };
        let farthest = (sites / 2).max(1);
        let integral = |x| integral(exponent, x);
        let second = inverse(exponent, integral(2.5) - weight(exponent, 2.0));
        let area = (integral(1.5) - 1.0, integral(farthest as f64 + 0.5));
        Ring { sites, farthest, exponent, area, margin: 2.0 - second }
    }

    /// One of the others; `None` if `me` is not on the ring, or alone there.
    pub fn draw(&self, me: NodeId, rng: &mut Rng) -> Option<NodeId> {
        if me.0 >= self.sites || self.sites < 2 {
            return None;
        }
        loop {
            let (distance, right) = (self.distance(rng), rng.next() >> 63 == 1);
            // Right opposite both ways end at the same site, so one of them does not count.
            if right || 2 * distance < self.sites {
                let step = if right { distance } else { self.sites - distance };
                return Some(NodeId((me.0 + step) % self.sites));
            }
        }
    }

    fn distance(&self, rng: &mut Rng) -> u64 {
        loop {
            let area = self.area.1 + rng.unit() * (self.area.0 - self.area.1);
            let x = inverse(self.exponent, area);
            let distance = (x + 0.5).clamp(1.0, self.farthest as f64) as u64;
            let d = distance as f64;
            if d - x <= self.margin || area >= integral(self.exponent, d + 0.5) - weight(self.exponent, d) {
                return distance;
            }
        }
    }
}

/// x^-a.
fn weight(a: f64, x: f64) -> f64 {
    libm::exp(-a * libm::log(x))
}

/// The integral of t^-a from 1 to x: ln x where a is 1.
fn integral(a: f64, x: f64) -> f64 {
    let log = libm::log(x);
    let t = (1.0 - a) * log;
    if libm::fabs(t) < 1e-8 { log * (1.0 + t / 2.0) } else { libm::expm1(t) / t * log }
}

/// The x whose [`integral`] is `area`.
fn inverse(a: f64, area: f64) -> f64 {
    let t = ((1.0 - a) * area).max(-1.0);
    libm::exp(if libm::fabs(t) < 1e-8 { area * (1.0 - t / 2.0) } else { libm::log1p(t) / t * area })
}

/// Sites of any network: the chance of each falls like Q(d)^-a, where Q(d) counts the sites within its distance d of the one that
/// chooses, that one included (section 3.1; Q(0) = 2 for two sites at one hub).
#[derive(Clone, Debug)]
pub struct Sites {
    /// Sorted; a site's place here is its number.
    ids: Vec<NodeId>,
    /// For each site the others, the nearest first.
    nearest: Vec<Vec<u32>>,
    /// For each site, per distance: the chance of all up to it, summed, and where in `nearest` they end.
    shells: Vec<Vec<(f64, u32)>>,
}

impl Sites {
    /// A table over `ids`; `distance(i, j)` is that from the i-th to the j-th of them in ascending order.
    ///
    /// # Panics
    /// If there are more than [`SITES_MAX`].
    pub fn new(mut ids: Vec<NodeId>, exponent: f64, distance: impl Fn(usize, usize) -> u64) -> Sites {
        assert!(ids.len() <= SITES_MAX, "a table of distances is for at most {SITES_MAX} sites");
        ids.sort_unstable();
        ids.dedup();
        let (mut nearest, mut shells) = (Vec::new(), Vec::new());
        for site in 0..ids.len() {
            let mut others: Vec<u32> =
                (0..ids.len() as u32).filter(|other| *other as usize != site).collect();
            others.sort_by_key(|other| distance(site, *other as usize));
            let mut shell: Vec<(f64, u32)> = Vec::new();
            let mut sum = 0.0;
            for group in others.chunk_by(|a, b| distance(site, *a as usize) == distance(site, *b as usize)) {
                let end = shell.last().map_or(0, |(_, end)| *end) + group.len() as u32;
                let within = f64::from(end + 1);
                sum += group.len() as f64 * libm::exp(-exponent * libm::log(within));
                shell.push((sum, end));
            }
            nearest.push(others);
            shells.push(shell);
        }
        Sites { ids, nearest, shells }
    }

    /// One of the others; `None` if `me` is not among the sites, or alone there.
    pub fn draw(&self, me: NodeId, rng: &mut Rng) -> Option<NodeId> {
        let site = self.ids.binary_search(&me).ok()?;
        let shells = &self.shells[site];
        let at = rng.unit() * shells.last()?.0;
        let shell = shells.partition_point(|(sum, _)| *sum <= at).min(shells.len() - 1);
        let begin = if shell == 0 { 0 } else { shells[shell - 1].1 };
        let within = rng.below((shells[shell].1 - begin) as usize);
        let other = self.nearest[site][begin as usize + within];
        Some(self.ids[other as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const DRAWS: usize = 200_000;

    fn ring_distance(sites: u64, a: u64, b: u64) -> u64 {
        let d = a.abs_diff(b);
        d.min(sites - d)
    }

    /// Mean and standard error of the distances that are chosen.
    fn mean_distance(sites: u64, exponent: f64) -> (f64, f64) {
        let (choice, peers, mut rng) =
            (PeerSelection::ring(sites, exponent), Peers::Everyone(sites), Rng::seeded(sites));
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..DRAWS as u64 {
            let me = NodeId(i % sites);
            let d = ring_distance(sites, me.0, choice.pick(&peers, me, &mut rng).unwrap().0) as f64;
            (sum, squares) = (sum + d, squares + d * d);
        }
        let mean = sum / DRAWS as f64;
        (mean, libm::sqrt((squares / DRAWS as f64 - mean * mean) / DRAWS as f64))
    }

    /// Demers 1987, section 3.1, as traffic per link: the mean distance is what one conversation loads a ring with.
    #[test]
    fn conversations_on_a_ring_are_as_far_apart_as_the_exponent_says() {
        for (sites, exponent, expected) in [
            (1_000, 0.0, 250.0),
            (10_000, 0.0, 2_500.0),
            (1_000, 1.0, 73.6),
            (10_000, 1.0, 550.0),
            (100_000, 1.0, 4_387.0),
            (1_000, 1.5, 17.2),
            (10_000, 1.5, 54.2),
            (1_000, 2.0, 4.13),
            (10_000, 2.0, 5.53),
            (1_000, 3.0, 1.37),
            (100_000, 3.0, 1.37),
        ] {
            let (mean, error) = mean_distance(sites, exponent);
            let rounding = expected * 0.004; // the golden figures have three digits
            assert!(
                libm::fabs(mean - expected) < 4.0 * error + rounding,
                "n = {sites}, a = {exponent}: {mean:.3} +- {error:.3}, expected {expected}"
            );
        }
    }

    #[test]
    fn every_site_of_a_ring_has_exactly_its_chance() {
        for (sites, exponent) in [(9u64, 0.0), (10, 0.0), (10, 1.0), (11, 1.7), (12, 3.0), (2, 1.0), (3, 2.0)]
        {
            let (ring, mut rng, me) = (Ring::new(sites, exponent), Rng::seeded(5), NodeId(sites - 1));
            let mut hits = vec![0u32; sites as usize];
            (0..DRAWS).for_each(|_| hits[ring.draw(me, &mut rng).unwrap().0 as usize] += 1);
            let law = |other: u64| match ring_distance(sites, me.0, other) {
                0 => 0.0,
                d => weight(exponent, d as f64),
            };
            let total: f64 = (0..sites).map(law).sum();
            for other in 0..sites {
                let p = law(other) / total;
                let (expected, error) = (p * DRAWS as f64, libm::sqrt(p * (1.0 - p) * DRAWS as f64));
                assert!(
                    libm::fabs(f64::from(hits[other as usize]) - expected) <= 4.5 * error,
                    "{sites} sites, a = {exponent}: site {other} was hit {} times, expected {expected:.0}",
                    hits[other as usize]
                );
            }
        }
    }

    /// The pitfall of section 3.2: under 1/Q^2 two sites at one hub choose each other eight times as often as all others together.
    #[test]
    fn two_sites_at_a_hub_keep_to_themselves() {
        // 0 and 1 at the hub, 28 more at distance 1.
        let distance = |a: usize, b: usize| u64::from(a.max(b) > 1);
        let (choice, peers, mut rng) =
            (PeerSelection::sites(30, 2.0, distance), Peers::Everyone(30), Rng::seeded(3));
        let pair = (0..DRAWS).filter(|_| choice.pick(&peers, NodeId(0), &mut rng) == Some(NodeId(1))).count();
        let ratio = pair as f64 / (DRAWS - pair) as f64;
        assert!(libm::fabs(ratio / (0.25 / (28.0 / 900.0)) - 1.0) < 0.03, "{ratio:.2}");
    }

    #[test]
    fn on_a_line_of_sites_the_table_is_as_near_as_the_ring() {
        // Q(d) is 2d + 1 in the middle of a line, so 1/Q^2 chooses distances with a mean of a few.
        let (choice, peers, mut rng) = (
            PeerSelection::sites(1_001, 2.0, |a, b| a.abs_diff(b) as u64),
            Peers::Everyone(1_001),
            Rng::seeded(4),
        );
        let law = |d: f64| libm::pow(2.0 * d + 1.0, -2.0);
        let (mut above, mut below) = (0.0, 0.0);
        for d in 1..=500 {
            let d = f64::from(d);
            (above, below) = (above + d * law(d), below + law(d));
        }
        let mean = (0..DRAWS)
            .map(|_| choice.pick(&peers, NodeId(500), &mut rng).unwrap().0.abs_diff(500) as f64)
            .sum::<f64>()
            / DRAWS as f64;
        assert!(libm::fabs(mean / (above / below) - 1.0) < 0.05, "{mean:.2}, expected {:.2}", above / below);
    }

    #[test]
    fn several_choices_are_different_nodes_however_likely_one_of_them_is() {
        let mut rng = Rng::seeded(8);
        for choice in [PeerSelection::Uniform, PeerSelection::ring(20, 6.0)] {
            for count in [0, 1, 2, 7, 19, 40] {
                let drawn = choice.several(&Peers::Everyone(20), NodeId(5), &mut rng, count);
                let set: alloc::collections::BTreeSet<NodeId> = drawn.iter().copied().collect();
                assert_eq!((drawn.len(), set.len()), (count.min(19) as usize, drawn.len()), "{count}");
                assert!(!set.contains(&NodeId(5)));
            }
        }
        let near = PeerSelection::ring(1_000, 3.0).several(&Peers::Everyone(1_000), NodeId(500), &mut rng, 4);
        assert!(near.iter().filter(|id| id.0.abs_diff(500) < 20).count() >= 2, "{near:?}");
    }

    #[test]
    fn who_is_in_no_table_or_has_a_small_view_still_finds_somebody() {
        let mut rng = Rng::seeded(6);
        for choice in [
            PeerSelection::Uniform,
            PeerSelection::ring(1_000, 4.0),
            PeerSelection::sites(100, 4.0, |a, b| a.abs_diff(b) as u64),
        ] {
            let far = Peers::listed([NodeId(90), NodeId(5_000)]);
            for me in [0, 4_000] {
                let picked = choice.pick(&far, NodeId(me), &mut rng).unwrap();
                assert!([90, 5_000].contains(&picked.0), "{me} picked {picked}");
            }
            assert_eq!(choice.pick(&Peers::default(), NodeId(1), &mut rng), None);
        }
    }
}

//! A graph, and how each topology is drawn.

use super::Topology;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_protocols::kit::random_graph::RandomGraph;

/// The neighbours of all nodes; each is its neighbours' neighbour.
#[derive(Debug, PartialEq)]
pub struct Graph {
    /// Where the neighbours of each node end, and with that where those of the next begin.
    ends: Vec<usize>,
    all: Vec<NodeId>,
}

impl Graph {
    pub(super) fn new(nodes: u64, edges: &[(u64, u64)]) -> Graph {
        let both = edges.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]);
        let mut both: Vec<(u64, u64)> = both.collect();
        both.sort_unstable();
        both.dedup();
        let ends = (0..nodes).map(|id| both.partition_point(|(from, _)| *from <= id)).collect();
        Graph { ends, all: both.into_iter().map(|(_, to)| NodeId(to)).collect() }
    }

    /// The number of nodes.
    pub fn nodes(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The number of edges.
    pub fn edges(&self) -> u64 {
        self.all.len() as u64 / 2
    }

    /// The first node to which no edges lead from node 0.
    pub(super) fn unreached(&self) -> Option<u64> {
        let (mut reached, mut next) = (vec![false; self.ends.len()], vec![NodeId(0)]);
        while let Some(id) = next.pop() {
            let Some(place) = reached.get_mut(id.0 as usize) else { continue };
            if !std::mem::replace(place, true) {
                next.extend(self.neighbours(id));
            }
        }
        reached.iter().position(|reached| !reached).map(|at| at as u64)
    }

    /// The neighbours of a node, in the order of their ids; none of a node that is not in the graph.
    pub fn neighbours(&self, id: NodeId) -> &[NodeId] {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX);
        let Some(end) = self.ends.get(at) else { return &[] };
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[begin..*end]
    }
}

/// Draws a topology that was checked.
pub(super) fn draw(topology: &Topology, nodes: u64, seed: u64) -> Graph {
    let mut rng = Rng::seeded(seed);
    let edges = match topology {
        Topology::Full => (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect(),
        Topology::Grid { width } => grid(nodes, width.unwrap_or_else(|| square(nodes))),
        Topology::Ring => (0..nodes).map(|id| (id, (id + 1) % nodes)).filter(|(a, b)| a != b).collect(),
        Topology::Line => (1..nodes).map(|id| (id - 1, id)).collect(),
        Topology::Star => (1..nodes).map(|id| (0, id)).collect(),
        Topology::RandomRegular { degree } => random_regular(nodes, *degree, seed),
        Topology::SmallWorld { degree, rewiring } => small_world(nodes, *degree, *rewiring, &mut rng),
        Topology::ScaleFree { attachment } => scale_free(nodes, u64::from(*attachment), &mut rng),
        Topology::File(_) => Vec::new(), // refused by the check: it was not read
        Topology::Edges(edges) => edges.clone(),
    };
    Graph::new(nodes, &edges)
}

/// The width of the smallest square that holds them.
fn square(nodes: u64) -> u64 {
    let root = nodes.isqrt();
    if root * root < nodes { root + 1 } else { root }.max(1)
}

fn grid(nodes: u64, width: u64) -> Vec<(u64, u64)> {
    let beside = (0..nodes).filter(|id| (id + 1) % width != 0 && id + 1 < nodes).map(|id| (id, id + 1));
    let below = (0..nodes).filter(|id| id + width < nodes).map(|id| (id, id + width));
    beside.chain(below).collect()
}

fn random_regular(nodes: u64, degree: u32, seed: u64) -> Vec<(u64, u64)> {
    let (graph, mut edges) = (RandomGraph::new(nodes, degree, seed), Vec::new());
    (0..nodes).for_each(|id| graph.neighbours(id, |other| edges.push((id, other))));
    edges
}

/// Watts and Strogatz 1998: first the edges to the nearest neighbours are visited once around the ring, then those to the second nearest, and so on; each is moved
/// with the chance `rewiring` to another end, drawn among all nodes to which there is no edge yet.
fn small_world(nodes: u64, degree: u32, rewiring: f64, rng: &mut Rng) -> Vec<(u64, u64)> {
    let mut joined: Vec<Vec<u64>> = vec![Vec::new(); nodes as usize];
    let lattice =
        (1..=u64::from(degree / 2)).flat_map(|by| (0..nodes).map(move |id| (id, (id + by) % nodes)));
    let join = |joined: &mut Vec<Vec<u64>>, a: u64, b: u64| {
        joined[a as usize].push(b);
        joined[b as usize].push(a);
    };
    let mut edges = Vec::new();
    for (a, b) in lattice {
        // In a small ring the one opposite is met from both sides.
        if !joined[a as usize].contains(&b) {
            join(&mut joined, a, b);
            edges.push((a, b));
        }
    }
    for (a, b) in &mut edges {
        let is_full = joined[*a as usize].len() as u64 + 1 >= nodes;
        if is_full || !rng.chance(rewiring) {
            continue;
        }
        let end = loop {
            let end = rng.below(nodes as usize) as u64;
            if end != *a && !joined[*a as usize].contains(&end) {
                break end;
            }
        };
        joined[*a as usize].retain(|other| other != b);
        joined[*b as usize].retain(|other| other != a);
        join(&mut joined, *a, end);
        *b = end;
    }
    edges
}

/// Barabási and Albert 1999: the first node that comes to `attachment` nodes without an edge is joined to all of them; each further one to as many nodes, which are
/// drawn with a chance that is proportional to the number of their neighbours.
fn scale_free(nodes: u64, attachment: u64, rng: &mut Rng) -> Vec<(u64, u64)> {
    let mut edges: Vec<(u64, u64)> = (0..attachment).map(|id| (attachment, id)).collect();
    // Each node as often as it has neighbours.
    let mut ends: Vec<u64> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
    for id in attachment + 1..nodes {
        let mut chosen: Vec<u64> = Vec::with_capacity(attachment as usize);
        while (chosen.len() as u64) < attachment {
            let other = ends[rng.below(ends.len())];
            if !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        for other in chosen {
            edges.push((id, other));
            ends.extend([id, other]);
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SEED: u64 = 7;

    fn of(text: &str, nodes: u64) -> Graph {
        text.parse::<Topology>()
            .and_then(|topology| topology.graph(nodes, SEED))
            .unwrap_or_else(|e| panic!("{e}"))
    }

    fn ids(graph: &Graph, id: u64) -> Vec<u64> {
        graph.neighbours(NodeId(id)).iter().map(|other| other.0).collect()
    }

    /// The nodes that are reached from node 0, and the hops to the farthest.
    fn reach(graph: &Graph) -> (u64, u64) {
        let (mut seen, mut shell, mut hops) = (BTreeSet::from([0]), vec![0], 0);
        loop {
            shell = shell.iter().flat_map(|id| ids(graph, *id)).filter(|id| seen.insert(*id)).collect();
            if shell.is_empty() {
                return (seen.len() as u64, hops);
            }
            hops += 1;
        }
    }

    #[test]
    fn plain_shapes_are_what_their_names_say() {
        let grid = of("grid", 11); // rows of 4, 4 and 3
        assert_eq!(
            (ids(&grid, 0), ids(&grid, 5), ids(&grid, 10)),
            (vec![1, 4], vec![1, 4, 6, 9], vec![6, 9])
        );
        assert_eq!(ids(&of("grid:width=2", 6), 3), [1, 2, 5]);
        assert_eq!((ids(&of("ring", 5), 0), ids(&of("ring", 2), 0)), (vec![1, 4], vec![1]));
        assert_eq!((ids(&of("line", 5), 4), ids(&of("star", 5), 4)), (vec![3], vec![0]));
        assert_eq!(ids(&of("full", 4), 2), [0, 1, 3]);
        assert_eq!(reach(&of("line", 50)), (50, 49));
        assert_eq!(reach(&of("star", 50)), (50, 1));
    }

    #[test]
    fn all_are_connected_symmetric_and_the_same_again() {
        for topology in Topology::all() {
            for nodes in [11, 12, 200] {
                let graph = topology.graph(nodes, SEED).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(graph, topology.graph(nodes, SEED).unwrap());
                assert_eq!(
                    (graph.nodes(), reach(&graph).0),
                    (nodes, nodes),
                    "seed {SEED}: {topology} of {nodes}"
                );
                for id in 0..nodes {
                    let all = ids(&graph, id);
                    assert!(all.is_sorted_by(|a, b| a < b) && !all.contains(&id), "{topology}: {all:?}");
                    assert!(all.iter().all(|other| ids(&graph, *other).contains(&id)));
                }
            }
        }
        let random = |seed| Topology::ScaleFree { attachment: 2 }.graph(50, seed).unwrap();
        assert_ne!(random(1), random(2));
        assert!(of("ring", 5).neighbours(NodeId(5)).is_empty(), "a node that is not in the graph");
    }

    /// Watts and Strogatz 1998: a tenth of the edges rewired shortens the paths of a lattice to nearly those of a random graph.
    #[test]
    fn a_small_world_keeps_its_edges_and_has_short_paths() {
        let (lattice, small) = (of("small-world:rewiring=0", 1_000), of("small-world", 1_000));
        assert_eq!((lattice.edges(), small.edges()), (5_000, 5_000));
        assert_eq!(ids(&lattice, 500), [495, 496, 497, 498, 499, 501, 502, 503, 504, 505]);
        assert_eq!(reach(&lattice).1, 100);
        assert!(reach(&small).1 <= 8, "seed {SEED}: {} hops", reach(&small).1);
        assert_eq!(
            of("small-world:degree=4,rewiring=1", 5).edges(),
            10,
            "where all are joined nothing can move"
        );
    }

    /// Barabási and Albert 1999: P(k) = 2 m (m + 1) / (k (k + 1) (k + 2)), so that a share m (m + 1) / (K (K + 1)) has K neighbours or more.
    #[test]
    fn a_scale_free_graph_has_hubs_as_its_law_says() {
        let (graph, m) = (of("scale-free:attachment=3", 10_000), 3.0);
        assert_eq!(graph.edges(), 3 * (10_000 - 3));
        for least in [6, 12, 30] {
            let have = (0..10_000).filter(|id| ids(&graph, *id).len() >= least).count() as f64 / 1e4;
            let law = m * (m + 1.0) / (least as f64 * (least as f64 + 1.0));
            let error = libm::sqrt(law / 1e4);
            assert!(
                (have - law).abs() < 5.0 * error + 0.1 * law,
                "seed {SEED}: {have} of {law} with {least}"
            );
        }
    }
}

//! Graphs as data: who knows whom, where it is not everyone.
//!
//! In a scenario's file `topology = "ring"`, `topology = { small-world = { degree = 10, rewiring = 0.1 } }` or `topology = { file = "edges.txt" }`; on the
//! command line `--topology ring`, `small-world:degree=10,rewiring=0.1` or `file:edges.txt`. A node then knows its neighbours and nobody else.
//!
//! | file | contents |
//! | --- | --- |
//! | `mod` | the names, their parameters and their notation |
//! | `graph` | a graph, and how each is drawn |
//! | `edges` | graphs from files |

mod edges;
mod graph;

pub use graph::Graph;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::mix;
use rumormill_core::words::count;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Makes the draw of a graph independent of other draws by the same seed.
const SALT: u64 = 0x9a4f;
/// Degree of a random regular graph (our guess: that of `flood`).
const REGULAR_DEGREE: u32 = 4;
/// Degree of a small world: Watts and Strogatz 1998, figure 2.
const SMALL_WORLD_DEGREE: u32 = 10;
/// Chance that an edge of a small world is rewired: within the range in which figure 2 of Watts and Strogatz 1998 has short paths and many triangles (our
/// guess).
const REWIRING: f64 = 0.1;
/// Edges that a new node of a scale-free graph brings: Barabási and Albert 1999, figure 2.
const ATTACHMENT: u32 = 5;

/// A graph of neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Topology {
    /// Everyone knows everyone.
    Full,
    /// Rows of nodes, each joined to those beside, above and below it; the last row may be short.
    Grid {
        /// Nodes of a row; by default the square root of all, rounded up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u64>,
    },
    /// Each node joined to the next, and the last to the first.
    Ring,
    /// Each node joined to the next.
    Line,
    /// All joined to node 0.
    Star,
    /// Every node with the same number of random neighbours: the union of random rings.
    RandomRegular {
        /// Number of neighbours, an even one.
        #[serde(default = "regular_degree")]
        degree: u32,
    },
    /// A ring in which each node is joined to its nearest, and some edges are moved to random nodes (Watts and Strogatz 1998).
    SmallWorld {
        /// Neighbours of a node before edges are moved, an even number.
        #[serde(default = "small_world_degree")]
        degree: u32,
        /// Chance of each edge to be moved.
        #[serde(default = "rewiring")]
        rewiring: f64,
    },
    /// Nodes come one after the other, each joined to nodes that are the likelier the more neighbours they have (Barabási and Albert 1999).
    ScaleFree {
        /// Edges that a node brings.
        #[serde(default = "attachment")]
        attachment: u32,
    },
    /// The edges in this file, two ids on each line.
    File(String),
    /// These edges, each between two ids.
    Edges(Vec<(u64, u64)>),
}

fn regular_degree() -> u32 {
    REGULAR_DEGREE
}

fn small_world_degree() -> u32 {
    SMALL_WORLD_DEGREE
}

fn rewiring() -> f64 {
    REWIRING
}

fn attachment() -> u32 {
    ATTACHMENT
}

/// The topologies that have a name alone, with their default parameters.
fn named() -> [(&'static str, Topology); 8] {
    [
        ("full", Topology::Full),
        ("grid", Topology::Grid { width: None }),
        ("ring", Topology::Ring),
        ("line", Topology::Line),
        ("star", Topology::Star),
        ("random-regular", Topology::RandomRegular { degree: REGULAR_DEGREE }),
        ("small-world", Topology::SmallWorld { degree: SMALL_WORLD_DEGREE, rewiring: REWIRING }),
        ("scale-free", Topology::ScaleFree { attachment: ATTACHMENT }),
    ]
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Topology::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Topology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Topology, D::Error> {
        deserializer.deserialize_any(Notation)
    }
}

/// A name alone, or a table of one name with its parameters.
struct Notation;

impl<'de> Visitor<'de> for Notation {
    type Value = Topology;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a topology: {}, or {{ file = \"edges.txt\" }}", names())
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Topology, E> {
        match named().into_iter().find(|(known, _)| *known == name) {
            Some((_, topology)) => Ok(topology),
            // The derived notation says what there is, or which parameter is missing.
            None => Topology::deserialize(StrDeserializer::new(name)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Topology, A::Error> {
        Topology::deserialize(MapAccessDeserializer::new(map))
    }
}

fn names() -> String {
    named().map(|(name, _)| format!("\"{name}\"")).join(", ")
}

impl FromStr for Topology {
    type Err = String;

    /// `NAME`, `NAME:PARAMETER=VALUE,...` or `file:PATH`.
    fn from_str(text: &str) -> Result<Topology, String> {
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Topology::File(path.to_owned()));
        }
        if let Some((_, topology)) = named().into_iter().find(|(known, _)| *known == text) {
            return Ok(topology);
        }
        let known = named().map(|(name, _)| name).join(", ");
        let refused = |why: &str| {
            format!(
                "topology {text:?}: {why}; it is one of {known}, as in small-world:degree=10,rewiring=0.1, or file:PATH"
            )
        };
        let (name, parameters) = text.split_once(':').ok_or_else(|| refused("there is none of that name"))?;
        if named().iter().all(|(known, _)| *known != name) {
            return Err(refused("there is none of that name"));
        }
        let table: toml::Table = toml::from_str(&format!("{name} = {{ {parameters} }}"))
            .map_err(|_| refused("its parameters are NAME=NUMBER, with commas between them"))?;
        table.try_into().map_err(|e: toml::de::Error| refused(e.message()))
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topology::Full => f.write_str("full"),
            Topology::Grid { width: None } => f.write_str("grid"),
            Topology::Grid { width: Some(width) } => write!(f, "grid:width={width}"),
            Topology::Ring => f.write_str("ring"),
            Topology::Line => f.write_str("line"),
            Topology::Star => f.write_str("star"),
            Topology::RandomRegular { degree } => write!(f, "random-regular:degree={degree}"),
            Topology::SmallWorld { degree, rewiring } => {
                write!(f, "small-world:degree={degree},rewiring={rewiring}")
            }
            Topology::ScaleFree { attachment } => write!(f, "scale-free:attachment={attachment}"),
            Topology::File(path) => write!(f, "file:{path}"),
            Topology::Edges(edges) => f.write_str(&count(edges.len(), "edge")),
        }
    }
}

impl Topology {
    /// The topologies by their names, each with its default parameters.
    pub fn all() -> Vec<Topology> {
        named().map(|(_, topology)| topology).into()
    }

    /// Whether every node knows every other: then none needs a list.
    pub fn is_full(&self) -> bool {
        *self == Topology::Full
    }

    /// Puts the edges of a file in its place. `read` returns the text of a file.
    ///
    /// # Errors
    /// Names the file, and says what is wrong there.
    pub fn load(
        &mut self,
        nodes: u64,
        read: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        if let Topology::File(path) = self {
            let edges = edges::parse(&read(path)?, nodes).map_err(|e| format!("{path}, {e}"))?;
            edges::check(&edges, nodes).map_err(|e| format!("{path}: {e}"))?;
            *self = Topology::Edges(edges);
        }
        Ok(())
    }

    /// Refuses parameters that make no graph of this number of nodes.
    ///
    /// # Errors
    /// Names the parameter, and what to give instead.
    pub fn check(&self, nodes: u64) -> Result<(), String> {
        let even = |degree: u32| degree >= 2 && degree.is_multiple_of(2) && u64::from(degree) < nodes;
        let refused = |why: String| Err(format!("topology {self}: {why}"));
        match self {
            Topology::Full | Topology::Ring | Topology::Line | Topology::Star => Ok(()),
            Topology::Grid { width } => match width {
                Some(width) if *width == 0 || *width > nodes => {
                    refused(format!("a row has 1 to {nodes} nodes"))
                }
                _ => Ok(()),
            },
            Topology::RandomRegular { degree } | Topology::SmallWorld { degree, .. } if !even(*degree) => {
                refused(format!("give an even degree from 2 up, and below the number of nodes, {nodes}"))
            }
            Topology::SmallWorld { rewiring, .. } if !(0.0..=1.0).contains(rewiring) => {
                refused("rewiring is a chance: give 0 to 1".into())
            }
            Topology::ScaleFree { attachment } if *attachment == 0 || u64::from(*attachment) >= nodes => {
                refused(format!("give an attachment from 1 up, and below the number of nodes, {nodes}"))
            }
            Topology::RandomRegular { .. } | Topology::SmallWorld { .. } | Topology::ScaleFree { .. } => {
                Ok(())
            }
            Topology::File(path) => Err(format!("topology: the file {path} was not read")),
            Topology::Edges(list) => edges::check(list, nodes).map_err(|e| format!("topology: {e}")),
        }
    }

    /// The graph of the nodes `0..nodes`. What is drawn at random follows from `seed`.
    ///
    /// # Errors
    /// As [`Topology::check`].
    pub fn graph(&self, nodes: u64, seed: u64) -> Result<Graph, String> {
        self.check(nodes)?;
        Ok(graph::draw(self, nodes, seed))
    }

    /// Bytes of a node's neighbours, about: as the graph lists them, and as the node does.
    pub fn node_bytes(&self, nodes: u64) -> u64 {
        let degree = match self {
            Topology::Full => return 0,
            Topology::Ring | Topology::Line | Topology::Star | Topology::File(_) => 2,
            Topology::Grid { .. } => 4,
            Topology::RandomRegular { degree } | Topology::SmallWorld { degree, .. } => u64::from(*degree),
            Topology::ScaleFree { attachment } => 2 * u64::from(*attachment),
            Topology::Edges(edges) => 2 * edges.len() as u64 / nodes.max(1) + 1,
        };
        64 + 24 * degree
    }
}

/// The peers that nodes are given, where no protocol beneath finds them.
#[derive(Clone, Debug)]
pub struct Known {
    nodes: u64,
    graph: Option<Arc<Graph>>,
}

impl Known {
    /// Everyone of this number of nodes.
    pub fn everyone(nodes: u64) -> Known {
        Known { nodes, graph: None }
    }

    /// Everyone, or the neighbours in a graph.
    ///
    /// # Errors
    /// As [`Topology::check`].
    pub fn new(topology: Option<&Topology>, nodes: u64, seed: u64) -> Result<Known, String> {
        let graph = topology
            .filter(|topology| !topology.is_full())
            .map(|topology| topology.graph(nodes, mix(seed ^ SALT)));
        Ok(Known { nodes, graph: graph.transpose()?.map(Arc::new) })
    }

    /// The number of nodes of the beginning.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The graph, unless everyone knows everyone.
    pub fn graph(&self) -> Option<&Graph> {
        self.graph.as_deref()
    }

    /// The peers of a node.
    pub fn peers(&self, id: NodeId) -> Peers {
        match &self.graph {
            None => Peers::Everyone(self.nodes),
            Some(graph) => Peers::listed(graph.neighbours(id).iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct File {
        topology: Topology,
    }

    fn read(value: &str) -> Result<Topology, String> {
        let file: Result<File, _> = toml::from_str(&format!("topology = {value}"));
        file.map(|file| file.topology).map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_alone_has_the_papers_parameters_and_a_table_names_others() {
        assert_eq!(read("\"small-world\""), Ok(Topology::SmallWorld { degree: 10, rewiring: 0.1 }));
        assert_eq!(
            read("{ small-world = { rewiring = 0.5 } }"),
            Ok(Topology::SmallWorld { degree: 10, rewiring: 0.5 })
        );
        assert_eq!(read("{ scale-free = {} }"), Ok(Topology::ScaleFree { attachment: 5 }));
        assert_eq!(read("{ file = \"edges.txt\" }"), Ok(Topology::File("edges.txt".into())));
        assert_eq!(read("{ edges = [[0, 1], [1, 2]] }"), Ok(Topology::Edges(vec![(0, 1), (1, 2)])));
    }

    #[test]
    fn each_is_written_and_read_again_in_a_file_and_on_the_command_line() {
        for topology in Topology::all() {
            assert_eq!(topology.to_string().parse(), Ok(topology.clone()));
            let text = toml::to_string(&File { topology: topology.clone() }).expect("it is data");
            let again: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(again.topology, topology, "{text}");
        }
        let mut file: Topology = "file:a:b.txt".parse().expect("any path");
        assert!(file.check(3).unwrap_err().contains("a:b.txt was not read"));
        file.load(3, |path| Ok(format!("# {path}\n0 1\n1 2\n"))).expect("two edges");
        assert_eq!(file, Topology::Edges(vec![(0, 1), (1, 2)]));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_there_is() {
        for (text, parts) in [
            ("\"moebius\"", &["moebius", "small-world", "scale-free"][..]),
            ("{ small-world = { k = 4 } }", &["`k`", "degree"]),
            ("7", &["a topology", "\"grid\"", "edges.txt"]),
        ] {
            let refused = read(text).unwrap_err();
            assert!(parts.iter().all(|part| refused.contains(part)), "{text}: {refused}");
        }
        for (text, part) in [
            ("moebius", "scale-free"),
            ("moebius:degree=3", "scale-free"),
            ("small-world:degree", "NAME=NUMBER"),
            ("small-world:k=4", "`k`"),
        ] {
            let refused = text.parse::<Topology>().unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
        for (text, part) in [
            ("random-regular:degree=3", "even"),
            ("random-regular:degree=20", "below the number of nodes, 20"),
            ("small-world:rewiring=1.5", "0 to 1"),
            ("scale-free:attachment=0", "from 1 up"),
            ("grid:width=21", "1 to 20"),
        ] {
            let refused = text.parse::<Topology>().expect("a topology").check(20).unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}

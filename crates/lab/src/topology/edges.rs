//! Graphs from files: an edge on each line, as two node ids.

use super::graph::Graph;
use std::collections::BTreeSet;

/// The edges of a file. `#` begins a comment; two ids may have spaces, tabs or a comma between them.
///
/// # Errors
/// Names the line, and says what is wrong there.
pub(super) fn parse(text: &str, nodes: u64) -> Result<Vec<(u64, u64)>, String> {
    let mut edges = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let edge = line.split('#').next().unwrap_or_default();
        if edge.trim().is_empty() {
            continue;
        }
        edges.push(read(edge, nodes).map_err(|e| format!("line {}: {e}", at + 1))?);
    }
    Ok(edges)
}

fn read(text: &str, nodes: u64) -> Result<(u64, u64), String> {
    let words: Vec<&str> = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
    let [a, b] = words[..] else {
        return Err(format!("{:?} is no edge: write two node ids, such as `0 1`", text.trim()));
    };
    let id =
        |word: &str| word.parse().map_err(|_| format!("{word:?} is no node id: write a number from 0 up"));
    let edge = (id(a)?, id(b)?);
    fits(edge, nodes)?;
    Ok(edge)
}

fn fits((a, b): (u64, u64), nodes: u64) -> Result<(), String> {
    match a.max(b) {
        id if id >= nodes => Err(format!("node {id}: there are nodes 0 to {}", nodes.saturating_sub(1))),
        _ if a == b => Err(format!("node {a} is joined to itself: an edge joins two nodes")),
        _ => Ok(()),
    }
}

/// Refuses edges that do not fit the nodes, and a graph that is not connected, which is a slip of the pen: no news cross it.
pub(super) fn check(edges: &[(u64, u64)], nodes: u64) -> Result<(), String> {
    for (at, edge) in edges.iter().enumerate() {
        fits(*edge, nodes).map_err(|e| format!("edge {}: {e}", at + 1))?;
    }
    let joined: BTreeSet<u64> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
    if let Some(id) = (0..nodes).find(|id| !joined.contains(id)) {
        return Err(format!("node {id} has no edge: give it one, or give fewer nodes than {nodes}"));
    }
    match Graph::new(nodes, edges).unreached() {
        None => Ok(()),
        Some(id) => Err(format!("no edges lead from node 0 to node {id}: add one between their parts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_commas_and_empty_lines_are_read() {
        let text = "# three nodes\n0 1\n\n1,2 # the last\n\t2\t0\n";
        assert_eq!(parse(text, 3), Ok(vec![(0, 1), (1, 2), (2, 0)]));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, parts) in [
            ("0 1\n1 3\n", &["line 2", "node 3", "0 to 2"][..]),
            ("0 1\n\n# x\n2 2\n", &["line 4", "joined to itself"]),
            ("0 1 5\n", &["line 1", "\"0 1 5\"", "two node ids"]),
            ("a b\n", &["line 1", "\"a\" is no node id"]),
            ("0 -1\n", &["line 1", "\"-1\""]),
        ] {
            let refused = parse(text, 3).unwrap_err();
            assert!(parts.iter().all(|part| refused.contains(part)), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_node_without_an_edge_is_named() {
        assert_eq!(check(&[(0, 1), (1, 2)], 3), Ok(()));
        assert_eq!(check(&[], 0), Ok(()));
        assert!(check(&[(0, 1)], 3).unwrap_err().contains("node 2 has no edge"));
        assert!(check(&[(0, 9)], 3).unwrap_err().contains("edge 1: node 9"));
    }

    #[test]
    fn a_graph_in_two_parts_is_refused_with_a_node_of_each() {
        let refused = check(&[(0, 1), (4, 3), (2, 3)], 5).unwrap_err();
        assert!(refused.contains("from node 0 to node 2: add one"), "{refused}");
        assert_eq!(check(&[(0, 1), (4, 3), (2, 3), (1, 4)], 5), Ok(()));
    }
}

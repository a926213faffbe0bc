//! No protocol uses another: a file of a protocol uses its own protocol, `kit`, and `core`; `kit` uses no protocol. Only the lists of the
//! catalog, in `lib.rs` and in the `mod.rs` of each family, name them all.

use super::modules::Edges;

/// Where the protocols are.
const PROTOCOLS: &str = "crates/protocols/src/";
/// The folders of protocols; each entry of one is a protocol.
const FAMILIES: [&str; 7] = ["detect", "member", "view", "spread", "agree", "sum", "find"];

/// A finding for each use of a protocol by a file that is neither its own nor a list.
pub fn check(edges: &Edges) -> Vec<String> {
    let files = edges.iter().filter(|(from, _)| from.starts_with(PROTOCOLS) && !is_list(from));
    let uses = files.flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let foreign =
        uses.filter(|(from, to)| protocol_of(to).is_some_and(|used| protocol_of(from) != Some(used)));
    foreign.map(|(from, to)| format!("{from} uses {to}: no protocol uses another")).collect()
}

/// The family and the name of the protocol that a file belongs to.
fn protocol_of(path: &str) -> Option<(&str, &str)> {
    let (family, inside) = path.strip_prefix(PROTOCOLS)?.split_once('/')?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (FAMILIES.contains(&family) && name != "mod").then_some((family, name))
}

/// Whether a file lists protocols: that of the crate, or of a family.
fn is_list(path: &str) -> bool {
    let inside = path.trim_start_matches(PROTOCOLS);
    inside == "lib.rs"
        || inside.split_once('/').is_some_and(|(family, file)| FAMILIES.contains(&family) && file == "mod.rs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules::edges;

    /// The findings in a crate where this text is in the file of that name, beside a protocol `agree::lww`.
    fn found(name: &str, text: &str) -> usize {
        let files = [
            ("lib.rs", "pub mod agree; pub mod kit; pub mod member; pub mod spread;"),
            ("agree/mod.rs", "pub mod lww; family!(Store: lww::Lww);"),
            ("agree/lww.rs", "pub struct Lww;"),
            ("kit/mod.rs", "pub mod peers;"),
            ("kit/peers.rs", "pub struct Peers;"),
            ("member/mod.rs", "pub mod swim;"),
            ("member/swim/mod.rs", "mod probe; mod record; pub struct Config;"),
            ("member/swim/record.rs", "pub struct Card;"),
            ("member/swim/probe.rs", ""),
            ("spread/mod.rs", "pub mod rumor; pub struct Update;"),
            ("spread/rumor.rs", ""),
        ];
        let sources = files.map(|(file, own)| {
            (
                format!("{PROTOCOLS}{file}"),
                if file == name { format!("{own} {text}") } else { own.to_owned() },
            )
        });
        check(&edges(&sources)).len()
    }

    #[test]
    fn a_protocol_uses_itself_its_family_and_the_kit_alone() {
        let own = "use super::record::Card; use crate::kit::peers::Peers; use crate::member::swim::Config;";
        assert_eq!(found("member/swim/probe.rs", own), 0);
        assert_eq!(found("spread/rumor.rs", "use super::Update;"), 0);
        let other = "use crate::agree::lww::Lww;";
        assert_eq!(found("member/swim/probe.rs", other), 1);
        assert_eq!(found("kit/peers.rs", other), 1);
        assert_eq!(found("member/swim/probe.rs", "use crate::{kit::peers::Peers, agree::lww};"), 1);
        assert_eq!(found("spread/rumor.rs", "fn f(x: super::super::agree::lww::Lww) {}"), 1);
        assert_eq!(found("lib.rs", other), 0);
    }

    #[test]
    fn tests_may_set_one_against_another() {
        assert_eq!(found("member/swim/mod.rs", "#[cfg(test)] mod tests { use crate::agree::lww::Lww; }"), 0);
    }
}

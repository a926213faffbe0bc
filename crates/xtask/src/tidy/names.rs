//! No protocol names another: what one file of `protocols` may name of the rest is its own module, `kit`, and `core`.

/// The folders of protocols; in each, an entry is one protocol.
const FAMILIES: [&str; 7] = ["detect", "member", "view", "spread", "agree", "sum", "find"];

/// The findings in one file, which may be any.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let Some(inside) = path.strip_prefix("crates/protocols/src/") else { return Vec::new() };
    let module = module_of(inside);
    if module.is_empty() {
        return Vec::new(); // lib.rs is the map, and names them all
    }
    let own = own_protocol(&module);
    let mut findings = Vec::new();
    // Tests stand at the end of a file, and may set one protocol against another.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (at, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default();
        for named in names(line, &module) {
            let is_family = named.first().is_some_and(|head| FAMILIES.contains(&head.as_str()));
            if is_family && named.len() >= 2 && Some(&named[..2]) != own {
                findings.push(format!(
                    "{path}:{}: names {}; no protocol names another",
                    at + 1,
                    named.join("::")
                ));
            }
        }
    }
    findings
}

/// `member/swim/probe.rs` is the module `member::swim::probe`.
fn module_of(inside: &str) -> Vec<String> {
    let path = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib" && *part != "mod").map(str::to_owned).collect()
}

/// The protocol a module belongs to: `member::swim`; none for the kit and for a family's own list.
fn own_protocol(module: &[String]) -> Option<&[String]> {
    (module.len() >= 2 && FAMILIES.contains(&module[0].as_str())).then(|| &module[..2])
}

/// Paths in a line that begin with `crate` or `super`, or stand in the braces of `use crate::{…}`, resolved.
fn names(line: &str, module: &[String]) -> Vec<Vec<String>> {
    let braces = line.trim_start().starts_with("use crate::{");
    let absolute = |path: &str| path.starts_with("crate::") || braces && !path.starts_with("super::");
    line.split(|c: char| !is_word(c) && c != ':')
        .filter(|path| absolute(path) || path.starts_with("super::"))
        .map(|path| {
            let mut at = if absolute(path) { Vec::new() } else { module.to_vec() };
            for word in path.split("::") {
                match word {
                    "crate" | "self" | "" => {}
                    "super" => drop(at.pop()),
                    _ => at.push(word.to_owned()),
                }
            }
            at
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_names_itself_and_the_kit_alone() {
        let own = "use super::record::Card;\nuse crate::kit::peers::Peers;\nuse crate::member::swim::Config;";
        assert_eq!(check("crates/protocols/src/member/swim/probe.rs", own), [""; 0]);
        let other = "use crate::agree::latest::Latest;";
        assert_eq!(check("crates/protocols/src/member/swim/probe.rs", other).len(), 1);
        assert_eq!(check("crates/protocols/src/kit/peers.rs", other).len(), 1);
        let both = "use crate::{kit::peers::Peers, agree::latest};";
        assert_eq!(check("crates/protocols/src/member/swim/probe.rs", both).len(), 1);
        assert_eq!(check("crates/protocols/src/spread/plumtree.rs", "use super::rumor::Rumor;").len(), 1);
        assert_eq!(check("crates/protocols/src/lib.rs", other), [""; 0]);
    }

    #[test]
    fn tests_may_set_one_against_another() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests { use crate::agree::latest::Latest; }";
        assert_eq!(check("crates/protocols/src/member/swim/mod.rs", text), [""; 0]);
    }
}

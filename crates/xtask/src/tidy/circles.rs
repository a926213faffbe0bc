//! Circles of files: files of one crate that use each other, directly or through others. Such files can only be read all together.

use super::modules::Edges;
use std::collections::{BTreeMap, BTreeSet};

/// A finding for each circle of files.
pub fn check(edges: &Edges) -> Vec<String> {
    let finding =
        |circle: &Vec<String>| format!("{} files use each other: {}", circle.len(), circle.join(", "));
    find(edges).iter().map(finding).collect()
}

/// The circles, the largest first.
fn find(edges: &Edges) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|from| (from.as_str(), reachable(edges, from))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (from, reached) in &reach {
        if reaches(from, from) && !circles.iter().flatten().any(|file| file == from) {
            let circle = reached.iter().filter(|to| reaches(to, from));
            circles.push(circle.map(|file| (*file).to_owned()).collect());
        }
    }
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

/// The files that `from` uses, directly or through others.
fn reachable<'a>(edges: &'a Edges, from: &str) -> BTreeSet<&'a str> {
    let uses = |file: &str| edges.get(file).into_iter().flatten().map(String::as_str);
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = uses(from).collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(uses(file));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules::{Source, edges};

    /// The circles in a crate of these files, each with its name below `src`.
    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources: Vec<Source> =
            files.iter().map(|(name, text)| (format!("crates/x/src/{name}"), (*text).to_owned())).collect();
        let short = |circle: Vec<String>| {
            circle.into_iter().map(|file| file.trim_start_matches("crates/x/src/").to_owned()).collect()
        };
        find(&edges(&sources)).into_iter().map(short).collect()
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b; mod c; pub use b::B;");

    #[test]
    fn a_planted_circle_is_found_whatever_way_its_files_name_each_other() {
        let ways = [
            "use crate::b::B;",
            "use super::b::B as Other;",
            "use crate::{c::C, b::{self, B}};",
            "use crate::b; fn f() { b::make(); }",
            "fn f() -> super::b::B { super::b::make() }",
            "fn f() { crate::b::make() }",
            "use crate::B;", // the root re-exports it
            "fn f(b: crate::B) {}",
            "use super::*; fn f(b: B) {}",
            "use super::b::*; fn f() { make(); }",
            "mod inner { use super::super::b::make; }",
            "pub(crate) use self::inner::X; mod inner { pub struct X(crate::b::B); }",
        ];
        for way in ways {
            let files = [ROOT, ("a.rs", way), ("b.rs", "use crate::c::C; pub struct B; pub fn make() {}")];
            assert_eq!(
                circles(&[&files[..], &[("c.rs", "pub struct C;")]].concat()),
                Vec::<Vec<String>>::new()
            );
            let closed = ("c.rs", "pub struct C; impl C { fn f(a: crate::a::A) {} }");
            let own = format!("pub struct A; {way}");
            let files = [files[0], ("a.rs", own.as_str()), files[2], closed];
            assert_eq!(circles(&files), [["a.rs", "b.rs", "c.rs"]], "{way}");
        }
    }

    #[test]
    fn a_re_export_leads_to_the_file_that_defines_the_name() {
        let root = ("lib.rs", "mod a; mod b;");
        let list = ("b/mod.rs", "mod x; mod y; pub use x::X; pub use y::*;");
        let a = ("a.rs", "use crate::b::{X, Y}; pub struct A(X, Y);");
        let closed = [root, list, a, ("b/x.rs", "pub struct X(crate::a::A);"), ("b/y.rs", "pub struct Y;")];
        assert_eq!(circles(&closed), [["a.rs", "b/x.rs"]]);
        let by_glob = [root, list, a, ("b/x.rs", "pub struct X;"), ("b/y.rs", "pub struct Y(crate::a::A);")];
        assert_eq!(circles(&by_glob), [["a.rs", "b/y.rs"]]);
    }

    #[test]
    fn tests_make_no_circle_nor_does_a_part_that_uses_its_whole() {
        let root = ("lib.rs", "mod a; mod b;");
        let b = ("b.rs", "use crate::a::A; pub struct B;");
        let tests = (
            "a.rs",
            "pub struct A; #[cfg(test)] mod tests { use crate::b::B; fn f(b: super::super::b::B) {} }",
        );
        assert!(circles(&[root, tests, b]).is_empty());
        let whole = ("a/mod.rs", "mod part; use part::Part; pub struct A; // use crate::b::B;");
        let part =
            ("a/part.rs", "use super::A; pub struct Part(&'static str); const TEXT: &str = \"crate::b::B\";");
        assert!(circles(&[root, whole, part, b]).is_empty());
        let sideways = ("a/part.rs", "use crate::b::B; pub struct Part(B);");
        assert_eq!(circles(&[root, whole, sideways, b]), [["a/mod.rs", "a/part.rs", "b.rs"]]);
    }

    #[test]
    fn a_circle_in_a_finished_crate_is_a_finding() {
        let source = |name: &str, text: &str| (format!("crates/x/src/{name}"), text.to_owned());
        let sources = [
            source("lib.rs", "mod a; mod b;"),
            source("a.rs", "use crate::b::B; struct A;"),
            source("b.rs", "use super::a::A; struct B;"),
        ];
        assert_eq!(check(&edges(&sources)), ["2 files use each other: crates/x/src/a.rs, crates/x/src/b.rs"]);
    }
}

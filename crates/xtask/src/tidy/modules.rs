//! The modules of a crate, and the files in which the names that they use are defined.
//!
//! Names are resolved as the compiler does it, as far as files are concerned: `crate`, `self` and `super`, imports with their renames and
//! globs, and re-exports, which lead to the file that defines the name. Code under `#[cfg(test)]` does not count. Methods are not
//! resolved: that `x.f()` is defined in another file makes no edge, only the name of a type, function or constant does.

use super::tokens::{Token, after_group, tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};

/// Re-exports that lead to each other end here.
const DEPTH_MAX: usize = 16;

/// A source file: its path, and its text.
pub type Source = (String, String);

#[derive(Default)]
struct Module {
    path: Vec<String>,
    /// The file that it stands in.
    file: String,
    /// What is defined here: a name, and the module if it is one.
    defined: BTreeMap<String, Option<usize>>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Paths that are used here, with those that are imported. What only re-exports is not among them.
    used: BTreeSet<Vec<String>>,
}

/// For each file the files that it uses.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// The edges within each crate among `sources`.
pub fn edges(sources: &[Source]) -> Edges {
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    let mut edges = Edges::new();
    for (root, _) in sources.iter().filter(|(path, _)| is_root(path)) {
        for (from, to) in Crate::read(root, sources).edges() {
            edges.entry(from.to_owned()).or_default().extend(to.into_iter().map(str::to_owned));
        }
    }
    edges
}

/// The modules of one crate.
struct Crate {
    modules: Vec<Module>,
}

/// What a path leads to.
#[derive(Copy, Clone, PartialEq)]
enum Target {
    Module(usize),
    /// Something defined in this module.
    Item(usize),
}

impl Crate {
    /// Reads a crate from the file of its root and all files beside and below it.
    fn read(root: &str, sources: &[Source]) -> Crate {
        let mut read = Crate { modules: Vec::new() };
        if let Some((path, text)) = sources.iter().find(|(path, _)| path == root) {
            let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
            read.add_file(&[], path, text, dir, sources);
        }
        read
    }

    /// For each file the files that it uses. A module and the modules that it is cut into are one: that a module uses something of the
    /// module that it stands in makes no edge, while the outer one's use of the inner one does.
    fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let from = edges.entry(&module.file).or_default();
            for path in &module.used {
                let Some(Target::Item(of) | Target::Module(of)) = self.resolve(at, path, 0) else { continue };
                let used = &self.modules[of];
                if used.file != module.file && !module.path.starts_with(&used.path) {
                    from.insert(&used.file);
                }
            }
        }
        edges
    }

    fn add_file(&mut self, path: &[String], file: &str, text: &str, dir: &str, sources: &[Source]) -> usize {
        let all = tokens(text);
        let code = without_tests(&all);
        self.add(path, file, &code, dir, sources)
    }

    /// Adds a module and those in it. `dir` is where the files of its submodules lie.
    fn add(&mut self, path: &[String], file: &str, code: &[Token], dir: &str, sources: &[Source]) -> usize {
        let this = self.modules.len();
        self.modules.push(Module { path: path.to_vec(), file: file.to_owned(), ..Module::default() });
        let mut at = 0;
        while at < code.len() {
            let ends = |ahead: usize, texts: &[&str]| {
                code.get(at + ahead).is_some_and(|token| texts.contains(&token.text))
            };
            at = match code[at].text {
                "mod" if ends(2, &["{", ";"]) => {
                    let name = code[at + 1].text;
                    let inner = [path, &[name.to_owned()]].concat();
                    let below = format!("{dir}/{name}");
                    let end = if ends(2, &["{"]) { after_group(code, at + 2) } else { at + 3 };
                    let child = match code.get(at + 3..end - 1) {
                        Some(body) => Some(self.add(&inner, file, body, &below, sources)),
                        None => {
                            let files = [format!("{below}.rs"), format!("{below}/mod.rs")];
                            let source = sources.iter().find(|(path, _)| files.contains(path));
                            source.map(|(file, text)| self.add_file(&inner, file, text, &below, sources))
                        }
                    };
                    self.modules[this].defined.insert(name.to_owned(), child);
                    end
                }
                "use" => {
                    let end = code[at..].iter().position(|token| token.text == ";");
                    let end = end.map_or(code.len(), |n| at + n);
                    let is_public = at > 0 && [")", "pub"].contains(&code[at - 1].text);
                    self.modules[this].import(Vec::new(), &code[at + 1..end], is_public);
                    end
                }
                "pub" if ends(1, &["("]) && ends(2, &["crate", "super", "self", "in"]) => {
                    after_group(code, at + 1)
                }
                _ => self.modules[this].read(code, at),
            };
        }
        this
    }

    /// Where `path`, used in module `from`, leads to; `None` if out of the crate, or nowhere.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let here = &self.modules[from];
        let start = match first.as_str() {
            "crate" => Some(Target::Module(0)),
            "self" => Some(Target::Module(from)),
            "super" => self.parent(here).map(Target::Module),
            name => self.name_in(from, name, depth, true),
        };
        rest.iter().try_fold(start?, |at, name| match (at, name.as_str()) {
            (Target::Item(_), _) => Some(at), // a variant, an associated function
            (Target::Module(of), "super") => self.parent(&self.modules[of]).map(Target::Module),
            (Target::Module(_), "self") => Some(at),
            (Target::Module(of), name) => self.name_in(of, name, depth, false),
        })
    }

    fn parent(&self, of: &Module) -> Option<usize> {
        let (_, path) = of.path.split_last()?;
        self.modules.iter().position(|module| module.path == path)
    }

    /// What `name` is in module `of`.
    fn name_in(&self, of: usize, name: &str, depth: usize, from_inside: bool) -> Option<Target> {
        if depth > DEPTH_MAX {
            return None;
        }
        let module = &self.modules[of];
        match module.defined.get(name) {
            Some(Some(child)) => return Some(Target::Module(*child)),
            Some(None) => return Some(Target::Item(of)),
            None => {}
        }
        if let Some(path) = module.imports.get(name) {
            let is_itself = from_inside && path.len() == 1 && path[0] == name;
            return if is_itself { None } else { self.resolve(of, path, depth + 1) };
        }
        module.globs.iter().find_map(|glob| match self.resolve(of, glob, depth + 1)? {
            Target::Module(inside) if inside != of => self.name_in(inside, name, depth + 1, false),
            Target::Item(inside) => self.modules[inside].defined.get(name).map(|_| Target::Item(inside)),
            Target::Module(_) => None,
        })
    }
}

impl Module {
    /// Reads the tokens of a `use`, after `prefix`.
    fn import(&mut self, prefix: Vec<String>, tree: &[Token], is_public: bool) {
        let mut path = prefix;
        let mut at = 0;
        while at < tree.len() {
            match tree[at].text {
                "::" => {}
                "{" => {
                    let end = after_group(tree, at);
                    for part in split(&tree[at + 1..end - 1]) {
                        self.import(path.clone(), part, is_public);
                    }
                    return;
                }
                "*" => {
                    self.globs.push(path);
                    return;
                }
                "as" => {
                    self.bind(tree[at + 1].text, path, is_public);
                    return;
                }
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            at += 1;
        }
        if let Some(name) = path.last().cloned() {
            self.bind(&name, path, is_public);
        }
    }

    fn bind(&mut self, name: &str, path: Vec<String>, is_public: bool) {
        if !is_public {
            self.used.insert(path.clone());
        }
        self.imports.insert(name.to_owned(), path);
    }

    /// Reads a definition or a path at `at`, and returns where to go on.
    fn read(&mut self, code: &[Token], at: usize) -> usize {
        const DEFINES: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];
        let token = code[at];
        let next = code.get(at + 1).copied().unwrap_or(token);
        if DEFINES.contains(&token.text) && next.is_word() {
            self.defined.entry(next.text.to_owned()).or_insert(None);
            return at + 2;
        }
        if token.text == "macro_rules" {
            if let Some(name) = code.get(at + 2) {
                self.defined.entry(name.text.to_owned()).or_insert(None);
            }
            return at + 3;
        }
        let before = at.checked_sub(1).map_or("", |at| code[at].text);
        if !token.is_word() || before == "." || before == "'" || before == "::" {
            return at + 1;
        }
        let mut path = vec![token.text.to_owned()];
        let mut end = at + 1;
        while code.get(end).is_some_and(|token| token.text == "::")
            && let Some(word) = code.get(end + 1).filter(|token| token.is_word())
        {
            path.push(word.text.to_owned());
            end += 2;
        }
        // A single lower-case word may be a variable: it counts as a name only where it is called.
        let is_called = code.get(end).is_some_and(|token| ["(", "!", "<"].contains(&token.text));
        let is_name = path.len() > 1 || is_called || token.text.starts_with(char::is_uppercase);
        if is_name && !(path.len() == 1 && ["self", "super", "crate"].contains(&token.text)) {
            self.used.insert(path);
        }
        end
    }
}

/// The parts between commas, those in braces left whole.
fn split<'a, 'b>(tree: &'b [Token<'a>]) -> Vec<&'b [Token<'a>]> {
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < tree.len() {
        match tree[at].text {
            "{" => at = after_group(tree, at) - 1,
            "," => {
                parts.push(&tree[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&tree[begin..]);
    parts.retain(|part| !part.is_empty());
    parts
}

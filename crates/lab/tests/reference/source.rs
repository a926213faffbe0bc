//! Types that a scenario is made of, as the source describes them. Serde knows their keys and defaults at run time; the meaning is in their comments.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use syn::{Attribute, BinOp, Expr, Fields, Item, Lit, Meta, Type, UseTree};

/// A type and the module that it stands in.
pub struct Found {
    pub module: Vec<String>,
    pub about: String,
    pub shape: Shape,
    /// It is read by the code that serde derives, field by field.
    pub is_derived: bool,
    /// A missing field has its default.
    pub has_defaults: bool,
}

pub enum Shape {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

pub struct Field {
    /// Its key in a file; empty in a tuple.
    pub name: String,
    pub about: String,
    /// Its type without `Option`, `Vec` and `Arc`, as a path.
    pub of: Vec<String>,
    pub is_list: bool,
    pub has_default: bool,
    /// Its own keys stand in the place of its name.
    pub is_flat: bool,
}

pub struct Variant {
    pub name: String,
    pub about: String,
    pub fields: Vec<Field>,
    pub is_tuple: bool,
}

/// The type of that full name, as `std::any::type_name` has it.
pub fn named(full: &str) -> Found {
    let path: Vec<String> = full.split('<').next().unwrap_or(full).split("::").map(str::to_owned).collect();
    find(&path[..path.len() - 1], &path[path.len() - 1]).unwrap_or_else(|| panic!("no source of {full}"))
}

/// The type that a module means by that path; none for the types of other crates.
pub fn meant(module: &[String], path: &[String]) -> Option<Found> {
    match path {
        [] => None,
        [name] => find(module, name),
        [first, .., name] => {
            let file = file(module)?;
            let (_, target) = imports(&file).into_iter().find(|(alias, _)| alias == first)?;
            find(&absolute(module, &target), name)
        }
    }
}

/// The comment of a module's file, as lines.
pub fn module_comment(module: &[&str]) -> Vec<String> {
    let module: Vec<String> = module.iter().map(ToString::to_string).collect();
    doc_lines(&file(&module).expect("a module").attrs)
}

fn find(module: &[String], name: &str) -> Option<Found> {
    let file = file(module)?;
    let about = |attrs: &[Attribute]| explained(module, &doc(attrs));
    let fields = |of: &Fields| {
        let mut fields = fields(of);
        fields.iter_mut().for_each(|field| field.about = explained(module, &field.about));
        fields
    };
    for item in &file.items {
        let (attrs, shape) = match item {
            Item::Struct(item) if item.ident == name => (&item.attrs, Shape::Struct(fields(&item.fields))),
            Item::Enum(item) if item.ident == name => {
                let kebab = words(&item.attrs, &["serde", "cfg_attr"]).contains(&"kebab-case".to_owned());
                let variants = item.variants.iter().filter(|variant| !is_skipped(&variant.attrs));
                let variants = variants.map(|variant| Variant {
                    name: if kebab || !derived(&item.attrs) {
                        kebab_case(&variant.ident)
                    } else {
                        variant.ident.to_string()
                    },
                    about: about(&variant.attrs),
                    fields: fields(&variant.fields),
                    is_tuple: matches!(variant.fields, Fields::Unnamed(_)),
                });
                (&item.attrs, Shape::Enum(variants.collect()))
            }
            _ => continue,
        };
        let serde = words(attrs, &["serde", "cfg_attr"]);
        return Some(Found {
            module: module.to_vec(),
            about: about(attrs),
            shape,
            is_derived: derived(attrs) && !serde.iter().any(|word| word == "try_from"),
            has_defaults: serde.iter().any(|word| word == "default"),
        });
    }
    let (_, target) = imports(&file).into_iter().find(|(alias, _)| alias == name)?;
    let target = absolute(module, &target);
    (target[..] != [module, &[name.to_owned()]].concat())
        .then(|| find(&target[..target.len() - 1], &target[target.len() - 1]))?
}

fn fields(fields: &Fields) -> Vec<Field> {
    let kept = fields.iter().filter(|field| !is_skipped(&field.attrs));
    kept.map(|field| {
        let serde = words(&field.attrs, &["serde", "cfg_attr"]);
        let is = |word: &str| serde.iter().any(|found| found == word);
        let renamed = serde.iter().position(|word| word == "rename").and_then(|at| serde.get(at + 1));
        let (of, is_list) = inner(&field.ty);
        Field {
            name: renamed
                .cloned()
                .unwrap_or_else(|| field.ident.as_ref().map(ToString::to_string).unwrap_or_default()),
            about: doc(&field.attrs),
            of,
            is_list,
            has_default: is("default"),
            is_flat: is("flatten"),
        }
    })
    .collect()
}

/// The type within `Option`, `Vec` and `Arc`, and whether there may be several.
fn inner(of: &Type) -> (Vec<String>, bool) {
    let Type::Path(path) = of else { return (Vec::new(), false) };
    let Some(last) = path.path.segments.last() else { return (Vec::new(), false) };
    if let syn::PathArguments::AngleBracketed(generic) = &last.arguments
        && let Some(syn::GenericArgument::Type(within)) = generic.args.first()
    {
        let (of, is_list) = inner(within);
        return (of, is_list || last.ident == "Vec");
    }
    (path.path.segments.iter().map(|segment| segment.ident.to_string()).collect(), false)
}

thread_local! {
    /// The files that were parsed.
    static FILES: RefCell<HashMap<Vec<String>, Option<Rc<syn::File>>>> = RefCell::default();
}

fn file(module: &[String]) -> Option<Rc<syn::File>> {
    if let Some(known) = FILES.with_borrow(|files| files.get(module).cloned()) {
        return known;
    }
    let parsed = parsed(module).map(Rc::new);
    FILES.with_borrow_mut(|files| files.insert(module.to_vec(), parsed.clone()));
    parsed
}

fn parsed(module: &[String]) -> Option<syn::File> {
    let (krate, modules) = module.split_first()?;
    let folder = krate.strip_prefix("rumormill_")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
    let below: PathBuf = modules.iter().collect();
    let candidates = match modules {
        [] => vec![source.join("lib.rs")],
        _ => vec![source.join(&below).with_extension("rs"), source.join(&below).join("mod.rs")],
    };
    let text = candidates.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(syn::parse_file(&text).expect("sources that compile"))
}

/// What a file imports: the name that it uses, and the path behind it.
fn imports(file: &syn::File) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for item in &file.items {
        if let Item::Use(item) = item {
            flatten(&item.tree, &[], &mut found);
        }
    }
    found
}

fn flatten(tree: &UseTree, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), found),
        UseTree::Name(name) if name.ident == "self" => {
            found.extend(before.last().map(|last| (last.clone(), before.to_vec())));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), with(&name.ident))),
        UseTree::Rename(rename) => found.push((rename.rename.to_string(), with(&rename.ident))),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
        UseTree::Glob(_) => {}
    }
}

fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path;
    while let [first, others @ ..] = rest {
        match first.as_str() {
            "crate" => base.truncate(1),
            "self" => {}
            "super" => drop(base.pop()),
            name if name.starts_with("rumormill_") => base = vec![name.to_owned()],
            _ => break,
        }
        rest = others;
    }
    [&base[..], rest].concat()
}

fn doc(attrs: &[Attribute]) -> String {
    let lines = doc_lines(attrs);
    plain(&lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

fn doc_lines(attrs: &[Attribute]) -> Vec<String> {
    let line = |attr: &Attribute| match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => {
                    Some(text.value().strip_prefix(' ').map(str::to_owned).unwrap_or(text.value()))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    attrs.iter().filter_map(line).collect()
}

/// A comment without its links.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.trim();
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        plain += &format!("{before}`{name}`");
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + rest
}

/// A comment for readers of a file: a constant by its value, and a name of the code without its path.
fn explained(module: &[String], text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => {
            let name = part.rsplit("::").next().unwrap_or(part);
            let is_constant = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let value = is_constant.then(|| constant(module, name)).flatten();
            value.unwrap_or_else(|| format!("`{name}`"))
        }
    });
    parts.collect()
}

/// The value of a constant that a module or one above it has or imports.
fn constant(module: &[String], name: &str) -> Option<String> {
    let file = file(module)?;
    let here = file.items.iter().find_map(|item| match item {
        Item::Const(item) if item.ident == name => Some(&*item.expr),
        _ => None,
    });
    if let Some(value) = here {
        return match value {
            Expr::Call(call) => Some(format!("{} s", number(call.args.first()?)?)), // a time in seconds
            value => number(value).map(|number| number.to_string()),
        };
    }
    let imported = imports(&file).into_iter().find(|(alias, _)| alias == name);
    let (above, target) = (module.split_last()?.1, imported.map(|(_, target)| absolute(module, &target)));
    match target.as_deref().and_then(<[String]>::split_last) {
        Some((name, target)) => constant(target, name),
        None => constant(above, name),
    }
}

fn number(value: &Expr) -> Option<u64> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Binary(pair) if matches!(pair.op, BinOp::Mul(_)) => {
            Some(number(&pair.left)? * number(&pair.right)?)
        }
        _ => None,
    }
}

/// The words within the attributes of these names.
fn words(attrs: &[Attribute], names: &[&str]) -> Vec<String> {
    let lists = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::List(list) if names.iter().any(|name| list.path.is_ident(name)) => {
            Some(list.tokens.to_string())
        }
        _ => None,
    });
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    lists
        .flat_map(|text| {
            text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn derived(attrs: &[Attribute]) -> bool {
    words(attrs, &["derive", "cfg_attr"]).contains(&"Deserialize".to_owned())
}

fn is_skipped(attrs: &[Attribute]) -> bool {
    words(attrs, &["serde", "cfg_attr"]).contains(&"skip".to_owned())
}

fn kebab_case(name: &syn::Ident) -> String {
    let mut kebab = String::new();
    for (at, c) in name.to_string().chars().enumerate() {
        if c.is_uppercase() && at > 0 {
            kebab.push('-');
        }
        kebab.extend(c.to_lowercase());
    }
    kebab
}

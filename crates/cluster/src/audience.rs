//! The audience of a query: a filter by name, by a pattern for the name, by patterns for tags.
//!
//! It travels in the question, and each member decides for itself, by its own name and tags of that moment. Patterns come from other members, so
//! all that they may cost is bounded: their length, their syntax tree (`cost`), what they are compiled to, the values they are held against, and how
//! many are compiled in a second ([`compiled`]).

pub mod compiled;
mod cost;
pub mod tags;

use cost::Cost;
use minicbor::{CborLen, Decode, Encode};
use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::ParserBuilder;
use rumormill_core::payload::Payload;
use rumormill_core::wire;
use rumormill_core::words;
use rumormill_protocols::member::swim::Member;
use rumormill_protocols::member::swim::record::TagMap;
use std::collections::BTreeMap;

/// A filter, in bytes as it travels (our guess: some hundred names).
pub const FILTER_BYTES_MAX: usize = 8 * 1024;
/// A pattern, in bytes (our guess).
pub const PATTERN_BYTES_MAX: usize = 512;
/// Patterns for tags in one filter (our guess).
pub const TAGS_MAX: usize = 16;
/// What a pattern may be compiled to, in bytes (our guess: a few times `[\w.-]+`).
const COMPILED_BYTES_MAX: usize = 128 * 1024;
/// How deep a pattern may be nested (our guess).
const NEST_MAX: u32 = 32;
/// A longer value matches no pattern: matching takes as many steps as value and compiled pattern are long, multiplied (our guess).
pub const VALUE_BYTES_MAX: usize = 1024;

/// A filter of members. All its conditions must hold; without conditions it matches every member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Filter {
    /// The member is called one of these.
    #[n(0)]
    pub names: Vec<String>,
    /// Its name as a whole matches this pattern.
    #[n(1)]
    pub node: Option<String>,
    /// It has each of these tags, and the tag's value as a whole matches the pattern.
    #[n(2)]
    pub tags: Vec<TagPattern>,
}

/// A tag, and a pattern for the whole of its value.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct TagPattern {
    /// The tag.
    #[n(0)]
    pub key: String,
    /// The pattern.
    #[n(1)]
    pub pattern: String,
}

/// Why a filter cannot be used; the text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// It is no filter, or one of a newer version.
    #[error("the filter cannot be read; is it of a newer version?")]
    Unreadable,
    /// It has too much of something.
    #[error(
        "the filter takes {} and {}; {FILTER_BYTES_MAX} bytes and {TAGS_MAX} tags are the most",
        words::count(*.0, "byte"),
        words::count(*.1, "tag")
    )]
    TooLarge(usize, usize),
    /// A pattern is too long.
    #[error("a pattern takes {0} bytes; {PATTERN_BYTES_MAX} are the most")]
    TooLong(usize),
    /// A pattern is none, or takes too much when it is compiled.
    #[error("{pattern:?} is no pattern that can be used: {why}")]
    Pattern {
        /// Which.
        pattern: String,
        /// Why.
        why: String,
    },
}

/// A filter that is ready to be held against members.
#[derive(Debug)]
pub struct Patterns {
    names: Vec<String>,
    node: Option<Regex>,
    tags: Vec<(String, Regex)>,
}

impl Filter {
    /// Only members of this name, or of another one that is given so.
    pub fn name(mut self, name: impl Into<String>) -> Filter {
        self.names.push(name.into());
        self
    }

    /// Only members whose whole name matches this pattern, a regular expression.
    pub fn names_like(mut self, pattern: impl Into<String>) -> Filter {
        self.node = Some(pattern.into());
        self
    }

    /// Only members with this tag, the whole value of which matches the pattern, a regular expression.
    pub fn tag(mut self, key: impl Into<String>, pattern: impl Into<String>) -> Filter {
        self.tags.push(TagPattern { key: key.into(), pattern: pattern.into() });
        self
    }

    /// The bytes that travel: none if all are meant.
    pub fn encoded(&self) -> Payload {
        if *self == Filter::default() {
            return Payload::EMPTY;
        }
        let mut out = Vec::new();
        wire::put(self, &mut out);
        Payload::from(&out[..])
    }

    /// Reads them back.
    ///
    /// # Errors
    /// If they are too many or no filter.
    pub fn decode(bytes: &[u8]) -> Result<Filter, BadFilter> {
        match bytes.len() {
            0 => Ok(Filter::default()),
            1..=FILTER_BYTES_MAX => wire::decode(bytes).map_err(|_| BadFilter::Unreadable),
            many => Err(BadFilter::TooLarge(many, 0)),
        }
    }

    /// Compiles the patterns.
    ///
    /// # Errors
    /// At the first that cannot be used, and if there is too much of anything.
    pub fn compile(self) -> Result<Patterns, BadFilter> {
        let bytes = wire::len(&self);
        if bytes > FILTER_BYTES_MAX || self.tags.len() > TAGS_MAX {
            return Err(BadFilter::TooLarge(bytes, self.tags.len()));
        }
        let mut cost = Cost::default();
        let node = self.node.as_deref().map(|pattern| whole(pattern, &mut cost)).transpose()?;
        let tag = |tag: TagPattern| Ok((tag.key, whole(&tag.pattern, &mut cost)?));
        let tags = self.tags.into_iter().map(tag).collect::<Result<_, BadFilter>>()?;
        Ok(Patterns { names: self.names, node, tags })
    }
}

/// The pattern for whole values. It must be one by itself too: `a)(b` in brackets would be. `cost` is that of all patterns so far.
fn whole(pattern: &str, cost: &mut Cost) -> Result<Regex, BadFilter> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(BadFilter::TooLong(pattern.len()));
    }
    let bad = |why: String| BadFilter::Pattern { pattern: pattern.into(), why };
    let last_line = |error: &dyn ToString| {
        let text = error.to_string();
        bad(text.lines().last().unwrap_or_default().trim_start_matches("error: ").into())
    };
    let parsed = ParserBuilder::new().nest_limit(NEST_MAX).build().parse(pattern);
    *cost = *cost + Cost::of(&parsed.map_err(|error| last_line(&error))?);
    if let Some(excess) = cost.excess() {
        return Err(bad(excess));
    }
    let mut builder = RegexBuilder::new(&format!(r"\A(?:{pattern})\z"));
    let builder = builder.size_limit(COMPILED_BYTES_MAX).nest_limit(NEST_MAX);
    builder.build().map_err(|error| last_line(&error))
}

impl Patterns {
    /// Whether a member is meant.
    pub fn matches_member(&self, member: &Member<'_>) -> bool {
        let name = &member.card.name;
        // Tags may be many: they are read only if they are asked for.
        self.matches_name(name) && (self.tags.is_empty() || self.matches_tags(&tags_of(member)))
    }

    fn matches_name(&self, name: &str) -> bool {
        (self.names.is_empty() || self.names.iter().any(|known| known == name))
            && self.node.as_ref().is_none_or(|pattern| matches(pattern, name))
    }

    fn matches_tags(&self, tags: &BTreeMap<String, String>) -> bool {
        self.tags.iter().all(|(key, pattern)| tags.get(key).is_some_and(|value| matches(pattern, value)))
    }
}

fn matches(pattern: &Regex, value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX && pattern.is_match(value)
}

/// A member's tags, as far as they are here.
fn tags_of(member: &Member<'_>) -> BTreeMap<String, String> {
    member.tags.and_then(TagMap::decode).unwrap_or_default().0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, pattern: &str) -> TagPattern {
        TagPattern { key: key.into(), pattern: pattern.into() }
    }

    fn meant(filter: &Filter, name: &str, tags: &[(&str, &str)]) -> bool {
        let again = Filter::decode(&filter.encoded()).unwrap();
        assert_eq!(again, *filter, "it comes as it was sent");
        let patterns = again.compile().unwrap();
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        patterns.matches_name(name) && patterns.matches_tags(&tags)
    }

    #[test]
    fn all_that_a_filter_says_must_hold_of_the_whole_value() {
        assert!(meant(&Filter::default(), "web1", &[]) && Filter::default().encoded().is_empty());
        let web = Filter { node: Some(r"web[\w.-]+|db".into()), ..Filter::default() };
        let named = |name| meant(&web, name, &[]);
        assert!(named("web1") && named("web-ü.example") && named("db"));
        assert!(!named("web") && !named("a-web1") && !named("dbx") && !named("web1\n"));
        let tagged = Filter { tags: vec![tag("role", "web|db"), tag("dc", "(?i)eu.*")], ..Filter::default() };
        assert!(meant(&tagged, "any", &[("role", "db"), ("dc", "EU-1")]));
        assert!(!meant(&tagged, "any", &[("role", "db")]) && !meant(&tagged, "any", &[]));
        assert!(!meant(&tagged, "any", &[("role", "webs"), ("dc", "eu")]));
        let listed = Filter { names: vec!["a".into(), "b".into()], ..Filter::default() };
        assert!(meant(&listed, "b", &[]) && !meant(&listed, "c", &[]));
        let long = Filter { tags: vec![tag("k", ".*")], ..Filter::default() };
        assert!(!meant(&long, "any", &[("k", &"x".repeat(VALUE_BYTES_MAX + 1))]));
    }

    /// Each of these cost milliseconds to tens of milliseconds, to be compiled or to be held against a name of 255 bytes.
    #[test]
    fn patterns_made_to_be_dear_are_refused_before_they_are_compiled() {
        let folded = format!("(?i){}", r"[\x{1}-\x{10ffff}]".repeat(12));
        let inner = format!("(?i){}", r"[[[!-\x{10ffff}]]]".repeat(12));
        let nested = format!("{}a{}", "(?:".repeat(14), "){1,2}".repeat(14));
        let dear: Vec<String> = [
            "(a{1,50}){1,50}",
            "((a?){30}){40}",
            "(a{0,40}){40}b",
            "(x+x+){600}y",
            "(((a|b?){9}){9}){9}",
            "(){1000}(){1000}",
            r"(?i)[\W]",
            r"(?i)[[^a]]",
            r"(?i:[\D-])",
            r"(?s-u:.){9000}",
            r"(?i)[\w--[^a]]",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            folded,
            inner,
            nested,
            format!("[{}]", r"\w".repeat(100)),
            format!("[{}a]", r"\w&&".repeat(20)),
        ])
        .chain([r"[\w.-]".repeat(60), r"(?i)[\w.-]+".repeat(2)])
        .collect();
        for pattern in dear {
            assert!(pattern.len() <= PATTERN_BYTES_MAX, "{pattern}: another bound is meant");
            let why = |filter: Filter| match filter.compile().unwrap_err() {
                BadFilter::Pattern { why, .. } => why,
                other => panic!("{pattern}: {other:?}"),
            };
            let of_node = why(Filter { node: Some(pattern.clone()), ..Filter::default() });
            assert!(of_node.contains("are the most"), "{pattern}: {of_node}");
            why(Filter { tags: vec![tag("k", &pattern)], ..Filter::default() });
        }
        // What is dear by its number.
        let many = Filter { tags: vec![tag("k", &"a".repeat(100)); TAGS_MAX], ..Filter::default() };
        assert!(many.compile().is_err());
    }

    #[test]
    fn patterns_that_people_write_are_taken() {
        let names = (0..80).map(|n| format!("web{n}")).collect::<Vec<_>>().join("|");
        let usual = [
            r"[\w.-]+",
            r"(?i)[\w.-]+",
            r"web-\d{1,3}\.(eu|us)-\d+\..*",
            r"(?i)eu.*",
            r"[^-]+-[^-]+-\d+",
            ".*",
            r"\S+",
            "",
            r"(?:[a-z0-9]{1,63}\.){1,8}[a-z]{2,10}",
            r"(?i)[a-z]+\d{4}",
            &names,
        ];
        for pattern in usual {
            let filter = Filter { node: Some(pattern.into()), ..Filter::default() };
            assert_eq!(filter.compile().map(drop), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_would_cost_too_much_or_is_no_pattern_is_refused_and_says_why() {
        for wrong in ["a)(b", "(", "*", r"\w{1000}", "((a{100}){100}){100}", &"(".repeat(100), "(?x)a#"] {
            let filter = Filter { node: Some(wrong.into()), ..Filter::default() };
            let error = filter.compile().unwrap_err();
            assert!(
                matches!(&error, BadFilter::Pattern { why, .. } if !why.is_empty()),
                "{wrong}: {error:?}"
            );
        }
        let compile = |filter: Filter| filter.compile().map(drop).unwrap_err();
        let long = Filter { node: Some("a".repeat(PATTERN_BYTES_MAX + 1)), ..Filter::default() };
        assert_eq!(compile(long), BadFilter::TooLong(PATTERN_BYTES_MAX + 1));
        let many = Filter { tags: vec![tag("k", "v"); TAGS_MAX + 1], ..Filter::default() };
        assert!(matches!(compile(many), BadFilter::TooLarge(_, _)));
        let names = Filter { names: vec!["a".repeat(100); 100], ..Filter::default() };
        assert!(Filter::decode(&names.encoded()).is_err());
        assert!(matches!(compile(names), BadFilter::TooLarge(_, _)));
        assert_eq!(Filter::decode(b"?"), Err(BadFilter::Unreadable));
    }
}

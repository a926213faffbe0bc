//! Tags as a filter of members: `members --tag` and `GET /v1/members?tag=`. Its patterns are those of queries.

use crate::audience::{BadFilter, Filter, Patterns, TagPattern};
use std::collections::BTreeMap;

/// The hint for a pattern that cannot be used.
pub const PATTERN_HINT: &str = "patterns are regular expressions for the whole name, or the whole value of a tag: node web.*, tag role=web|db";

/// Tags that a member must have. Without any it matches every member.
#[derive(Debug)]
pub struct TagFilter {
    /// Tags whose value does not matter.
    keys: Vec<String>,
    patterns: Patterns,
}

impl TagFilter {
    /// Reads `KEY=PATTERN`, which the whole value must match, or `KEY` for any value.
    ///
    /// # Errors
    /// At the first pattern that no query could use either.
    pub fn parse(texts: &[impl AsRef<str>]) -> Result<TagFilter, BadFilter> {
        let (mut keys, mut filter) = (Vec::new(), Filter::default());
        for text in texts {
            match text.as_ref().split_once('=') {
                Some((key, pattern)) => {
                    filter.tags.push(TagPattern { key: key.into(), pattern: pattern.into() })
                }
                None => keys.push(text.as_ref().into()),
            }
        }
        Ok(TagFilter { keys, patterns: filter.compile()? })
    }

    /// Whether it names no tag: tags need not be read then.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.patterns.tags.is_empty()
    }

    /// Whether a member with these tags is meant.
    pub fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        self.keys.iter().all(|key| tags.contains_key(key)) && self.patterns.matches_tags(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_by_its_whole_value_or_by_its_key_alone() {
        let long = "x".repeat(super::super::VALUE_BYTES_MAX + 1);
        let tags = [("role", "web"), ("zone", "eu-1"), ("note", long.as_str())];
        let tags = BTreeMap::from(tags.map(|(key, value): (&str, &str)| (key.to_owned(), value.to_owned())));
        let matches = |texts: &[&str]| TagFilter::parse(texts).unwrap().matches(&tags);
        assert!(matches(&[]) && matches(&["role"]) && matches(&["role=web|db"]) && matches(&["note"]));
        assert!(matches(&["role=w.b", "zone=eu-.*"]) && matches(&["zone=(?i)EU-1"]));
        assert!(
            !matches(&["role=we"]) && !matches(&["role="]) && !matches(&["rack"]) && !matches(&["rack=.*"])
        );
        assert!(!matches(&["role=web", "zone=us-.*"]));
    }

    #[test]
    fn what_no_query_takes_is_refused_with_the_same_words() {
        for (text, word) in [("role=(", "no pattern"), (r"role=\w{9999}", "no pattern")] {
            let error = TagFilter::parse(&[text]).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        let many = vec!["role=web"; super::super::TAGS_MAX + 1];
        assert!(matches!(TagFilter::parse(&many), Err(BadFilter::TooLarge(..))));
    }
}

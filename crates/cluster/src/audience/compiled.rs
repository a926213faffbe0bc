//! Filters that were compiled lately, and how many others may be compiled in a second: questions come from other members, as fast as they like.

use crate::audience::{BadFilter, Filter, Patterns};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_node::{Audience, Meant};
use rumormill_protocols::kit::rate_limit::RateLimit;
use rumormill_protocols::member::swim::Member;
use rumormill_runtime::lru::Lru;

/// Filters that are kept compiled, bad ones as well (our guess: what the operators of one cluster ask at one time). Each takes at most 2 MiB, and
/// a hundredth of that as people write them.
pub const FILTERS_MAX: usize = 8;
/// Filters that are compiled in a second; a question with one more is passed over and counted (our guess: each takes a millisecond, or five if it is
/// made to).
pub const COMPILED_PER_S_MAX: u32 = 16;

/// Filters by their bytes.
#[derive(Default)]
pub struct CompiledFilters {
    filters: Lru<Payload, Result<Patterns, BadFilter>>,
    rate_limit: RateLimit,
}

impl CompiledFilters {
    /// The compiled filter of these bytes; none if too many others were compiled in this second.
    pub fn compiled(&mut self, bytes: &Payload, now: Time) -> Option<&Result<Patterns, BadFilter>> {
        if !self.filters.contains(bytes) {
            if !self.rate_limit.take(now, Duration::from_secs(1), COMPILED_PER_S_MAX) {
                return None;
            }
            if self.filters.len() >= FILTERS_MAX {
                self.filters.pop_oldest();
            }
            let compiled = Filter::decode(bytes).and_then(Filter::compile);
            self.filters.insert(bytes.clone(), compiled);
        }
        self.filters.touch(bytes).map(|compiled| &*compiled)
    }
}

impl Audience for CompiledFilters {
    fn is_meant(&mut self, filter: &Payload, me: &Member<'_>, now: Time) -> Meant {
        match self.compiled(filter, now) {
            Some(Ok(patterns)) if patterns.matches_member(me) => Meant::Yes,
            Some(Ok(_)) => Meant::No,
            Some(Err(error)) => {
                tracing::debug!(%error, "the filter of a query cannot be read; the query is not answered here");
                Meant::Unreadable
            }
            None => Meant::Shed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(node: &str) -> Payload {
        Filter { node: Some(node.into()), ..Filter::default() }.encoded()
    }

    #[test]
    fn a_filter_is_compiled_once_and_of_others_a_bounded_number_a_second() {
        let (mut filters, second) = (CompiledFilters::default(), |n: u64| Time(n * 1_000_000_000));
        for _ in 0..1_000 {
            let compiled = filters.compiled(&named("web.*"), second(5)).unwrap();
            assert!(compiled.as_ref().unwrap().matches_name("web1"));
            assert!(filters.compiled(&named("("), second(5)).unwrap().is_err());
        }
        let flood = |filters: &mut CompiledFilters, at| {
            let compiled =
                |filters: &mut CompiledFilters, n| filters.compiled(&named(&format!("x{n}.*")), at).is_some();
            let all = 0..1_000;
            all.filter(|n| {
                assert!(filters.compiled(&named("web.*"), at).is_some(), "one in use is always at hand");
                compiled(filters, *n)
            })
            .count()
        };
        assert_eq!(flood(&mut filters, second(5)), COMPILED_PER_S_MAX as usize - 2);
        assert_eq!(flood(&mut filters, second(6)), COMPILED_PER_S_MAX as usize);
        assert_eq!(filters.filters.len(), FILTERS_MAX);
    }
}

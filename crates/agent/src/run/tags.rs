//! This agent's tags: set at run time and kept on disk, or from the configuration.

use super::agent::Agent;
use crate::api::shape;
use crate::node::Call;
use crate::refusal::Refusal;
use rumormill_core::payload::Payload;
use rumormill_protocols::member::swim;
use rumormill_protocols::member::swim::record::{TAGS_BYTES_MAX, TagMap};
use std::collections::BTreeMap;
use std::sync::Arc;

type Map = BTreeMap<String, String>;

impl Agent {
    /// To be held while tags are read, changed and set.
    pub async fn tags_lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.tags.lock().await
    }

    /// Keeps these encoded tags and gossips them.
    pub async fn set_tags(&self, encoded: &[u8]) -> Result<(), Refusal> {
        self.store.save_tags(encoded.to_vec()).await.map_err(|error| {
            let hint = "nothing was changed; the data directory must be writable, on a disk that has room and answers";
            Refusal::not_stored(&error, hint)
        })?;
        self.gossip_tags(encoded).await
    }

    async fn gossip_tags(&self, encoded: &[u8]) -> Result<(), Refusal> {
        self.call(Call::Swim(swim::Call::SetTags(Payload::from(encoded)))).await
    }

    /// Changes those tags that the configuration changed.
    pub(super) async fn retag(self: &Arc<Self>, before: &Map, after: &Map) -> Result<(), String> {
        let _one_at_a_time = self.tags_lock().await;
        let current = self.inspect(|inside| shape::tags(&inside.node.swim.me())).await;
        let tags = merged(current.map_err(|refusal| refusal.error)?, before, after);
        let encoded = TagMap(tags).encoded();
        let bytes = encoded.len();
        if bytes > TAGS_BYTES_MAX {
            return Err(format!(
                "with those set at run time they take {bytes} bytes; {TAGS_BYTES_MAX} are the most"
            ));
        }
        // Only tags set at run time are kept on disk, where they win over the configuration at the next start.
        let is_kept = self.store.tags().await.map_err(|error| error.to_string())?.is_some();
        let set = if is_kept { self.set_tags(&encoded).await } else { self.gossip_tags(&encoded).await };
        set.map_err(|refusal| refusal.error)
    }
}

/// A tag that the configuration changed is as it says now; one that it no longer names goes, unless it was set otherwise at run time.
fn merged(mut tags: Map, before: &Map, after: &Map) -> Map {
    tags.retain(|name, value| after.contains_key(name) || before.get(name) != Some(value));
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    tags.extend(changed.map(|(name, value)| (name.clone(), value.clone())));
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn what_was_set_at_run_time_stays_unless_the_configuration_says_something_new_of_it() {
        for (current, before, after, expected) in [
            ("a=1", "a=1", "a=2", "a=2"),                 // changed
            ("a=1 b=2", "a=1 b=2", "a=1", "a=1"),         // no longer named
            ("a=1", "a=1", "a=1 c=3", "a=1 c=3"),         // added
            ("a=run x=run", "a=1", "a=1", "a=run x=run"), // not changed in the file
            ("a=run", "a=1", "", "a=run"),                // no longer named, but set otherwise
            ("a=run", "a=1", "a=2", "a=2"),               // the later word holds
            ("", "a=1", "a=1", ""),                       // removed at run time
        ] {
            assert_eq!(
                merged(map(current), &map(before), &map(after)),
                map(expected),
                "{current} {before} {after}"
            );
        }
    }
}

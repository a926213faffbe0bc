//! This agent's tags: set at run time and kept on disk, or from the configuration.

use crate::agent::Agent;
use crate::config::Config;
use crate::node::Call;
use crate::refusal::Refusal;
use crate::states::lock;
use crate::{describe, model};
use rumormill_core::payload::Payload;
use rumormill_protocols::member::swim;
use rumormill_protocols::member::swim::record::{TAGS_BYTES_MAX, TagMap};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Tags of the configuration that are in force, and the lock of changes.
#[derive(Default)]
pub(super) struct Tags {
    configured: Mutex<Map>,
    /// Held while tags are read, changed and set.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Tags {
    pub(super) fn of(config: &Config) -> Tags {
        Tags { configured: Mutex::new(config.tags.clone()), ..Tags::default() }
    }
}

type Map = BTreeMap<String, String>;

/// The tags with which a node starts, encoded: those set at run time, or else the configuration's.
pub(crate) fn at_start(agent: &Agent, kept: Option<Vec<u8>>) -> Payload {
    let configured = || TagMap(lock(&agent.state::<Tags>().configured).clone()).encoded();
    Payload::from(&kept.unwrap_or_else(configured)[..])
}

impl Agent {
    /// Replaces this agent's tags. They are kept in the data directory, where they win over the configuration's at the next start.
    pub async fn replace_tags(&self, tags: Map) -> Result<Map, Refusal> {
        let _one_at_a_time = self.state::<Tags>().one_at_a_time.lock().await;
        self.set_tags(tags).await
    }

    /// Sets and removes tags. A tag that is both is set.
    pub async fn patch_tags(self: &Arc<Self>, patch: model::TagsPatch) -> Result<Map, Refusal> {
        let _one_at_a_time = self.state::<Tags>().one_at_a_time.lock().await;
        let mut tags = self.inspect(|inside| describe::tags(&inside.node.swim.me())).await?;
        patch.remove.iter().for_each(|name| drop(tags.remove(name)));
        tags.extend(patch.set);
        self.set_tags(tags).await
    }

    async fn set_tags(&self, tags: Map) -> Result<Map, Refusal> {
        if tags.keys().any(String::is_empty) {
            return Err(Refusal::invalid("a tag has no name", "give every tag a name"));
        }
        let map = TagMap(tags);
        let encoded = map.encoded();
        if encoded.len() > TAGS_BYTES_MAX {
            let error = format!("the tags take {} bytes; {TAGS_BYTES_MAX} are the most", encoded.len());
            let hint = "remove some: tags are for telling members apart, not for storing data";
            return Err(Refusal::too_large(error, hint));
        }
        self.keep_tags(&encoded).await?;
        Ok(map.0)
    }

    async fn keep_tags(&self, encoded: &[u8]) -> Result<(), Refusal> {
        self.store.save_tags(encoded.to_vec()).await.map_err(|error| {
            let hint = "nothing was changed; the data directory must be writable, on a disk that has room and answers";
            Refusal::not_stored(&error, hint)
        })?;
        self.gossip_tags(encoded).await
    }

    async fn gossip_tags(&self, encoded: &[u8]) -> Result<(), Refusal> {
        self.call(Call::Swim(swim::Call::SetTags(Payload::from(encoded)))).await
    }
}

/// Puts those tags in force that the configuration changed.
pub(super) async fn apply(agent: &Arc<Agent>, after: &Map) -> Result<(), String> {
    let state = agent.state::<Tags>();
    let _one_at_a_time = state.one_at_a_time.lock().await;
    let before = lock(&state.configured).clone();
    let current = agent.inspect(|inside| describe::tags(&inside.node.swim.me())).await;
    let tags = merged(current.map_err(|refusal| refusal.error)?, &before, after);
    let encoded = TagMap(tags).encoded();
    let bytes = encoded.len();
    if bytes > TAGS_BYTES_MAX {
        return Err(format!(
            "with those set at run time they take {bytes} bytes; {TAGS_BYTES_MAX} are the most"
        ));
    }
    // Only tags set at run time are kept on disk, where they win over the configuration at the next start.
    let is_kept = agent.store.tags().await.map_err(|error| error.to_string())?.is_some();
    let set = if is_kept { agent.keep_tags(&encoded).await } else { agent.gossip_tags(&encoded).await };
    set.map_err(|refusal| refusal.error)?;
    lock(&state.configured).clone_from(after);
    Ok(())
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

//! A protocol's settings as they are written: what is left out stays as it is, what is unknown is refused.

use rumormill_core::time::Duration;
use rumormill_sim::humane;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A duration as people write it.
#[derive(Copy, Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Span(#[serde(with = "humane")] Duration);

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        span.0
    }
}

/// Reads the settings of `name`.
pub(super) fn read<K: DeserializeOwned>(name: &str, table: &toml::Table) -> Result<K, String> {
    toml::Value::Table(table.clone())
        .try_into()
        .map_err(|e: toml::de::Error| format!("[settings.{name}]: {}", e.message()))
}

/// Settings that may be given for a configuration, each by the name of its field.
macro_rules! knobs {
    ($name:ident for $config:ty { $($field:ident: $kind:ty,)* }) => {
        #[derive(Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $name {
            $($field: Option<$kind>,)*
        }

        impl $name {
            #[allow(clippy::useless_conversion)] // some are written as they are, some are not
            fn apply(self, config: &mut $config) {
                $(if let Some(given) = self.$field { config.$field = given.into(); })*
            }
        }
    };
}
pub(super) use knobs;

//! The settings of a protocol in a scenario: its own `Config`. A file names the values that differ from the default.

use crate::topology::Known;
use rumormill_core::time::{Duration, text};
use rumormill_protocols::catalog::{Catalogued, Settings};
use serde::Deserialize;
use serde::de::value::Error as Found;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

/// Key that stands for a ring of the scenario's nodes in place of `choice`; its value is a in d^-a.
const DISTANCE_EXPONENT: &str = "distance_exponent";

/// Takes `name` out of the table.
pub(super) fn take<T: for<'de> Deserialize<'de>>(
    of: &str,
    table: &mut Table,
    name: &str,
) -> Result<Option<T>, String> {
    let value = table.remove(name).map(Value::try_into);
    value.transpose().map_err(|e| format!("[settings.{of}]: {name}: {}", e.message()))
}

/// The settings of `P`: `base`, overridden by the table.
pub(super) fn read<P: Catalogued>(table: &Table, nodes: u64, base: &P::Config) -> Result<P::Config, String> {
    let mut given = table.clone();
    if keys::<P::Config>().contains(&"choice")
        && let Some(exponent) = take::<f64>(P::NAME, &mut given, DISTANCE_EXPONENT)?
    {
        let ring = Table::from_iter([
            ("sites".to_owned(), Value::Integer(nodes.cast_signed())),
            ("exponent".to_owned(), Value::Float(exponent)),
        ]);
        given.insert("choice".to_owned(), Value::Table(Table::from_iter([("ring".to_owned(), ring.into())])));
    }
    let refused = |why: &str| format!("[settings.{}]: {why}", P::NAME);
    let mut whole = Table::try_from(base).map_err(|e| refused(&e.to_string()))?;
    lay(&mut whole, given);
    check_period(&whole).map_err(|e| refused(&e))?;
    let config = whole.try_into().map_err(|e: toml::de::Error| refused(e.message()))?;
    P::check(&config).map_err(|e| refused(&e))?;
    Ok(config)
}

/// Refuses a period that would begin again and again at one instant.
fn check_period(settings: &Table) -> Result<(), String> {
    let time = |key| text::parse(settings.get(key)?.as_str()?).ok();
    match (time("period"), time("jitter")) {
        (Some(Duration::ZERO), _) => Err("period is 0s: give a time above 0, like 200ms".into()),
        (Some(period), Some(jitter)) if jitter > period => {
            let (jitter, period) = (text::show(jitter), text::show(period));
            Err(format!("jitter is {jitter}: give at most the period, {period}"))
        }
        _ => Ok(()),
    }
}

/// The settings of `P` for nodes that know these peers: its defaults, overridden by the table.
pub(super) fn read_for<P: Catalogued>(table: &Table, known: &Known) -> Result<P::Config, String> {
    let config = read::<P>(table, known.nodes(), &P::Config::default())?;
    if known.graph().is_none() {
        return Ok(config);
    }
    P::on_graph(&config, known.nodes()).map_err(|e| format!("topology: {e}"))
}

/// Overrides values of `whole` by `given`, in inner tables key by key. A table with one variant of a choice replaces another variant.
fn lay(whole: &mut Table, given: Table) {
    for (key, value) in given {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(value))
                if value.keys().all(|key| below.contains_key(key)) =>
            {
                lay(below, value);
            }
            (_, value) => drop(whole.insert(key, value)),
        }
    }
}

/// The keys of a struct in a file.
pub fn keys<C: Settings>() -> Vec<&'static str> {
    let mut keys = Vec::new();
    let _ = C::deserialize(Keys(&mut keys)); // fails on purpose: it is only asked for its fields
    keys
}

struct Keys<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Found;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        self.0.extend(fields);
        Err(Found::custom("asked for its fields alone"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found::custom("settings are a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

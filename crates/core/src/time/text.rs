//! Durations as people write them: `500ms`, `1.5s`, `1m30s`. With the feature `serde`, as a field's `#[serde(with = "rumormill_core::time::text")]`.

use super::Duration;
use alloc::format;
use alloc::string::String;
#[cfg(feature = "serde")]
use core::fmt::{self, Display, Formatter};
#[cfg(feature = "serde")]
use serde::de::{Deserialize, Deserializer, Error, Visitor};
#[cfg(feature = "serde")]
use serde::ser::Serializer;

/// Units by name, in nanoseconds, from the largest.
const UNITS: [(&str, u64); 9] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];
/// The units that [`show`] writes.
const SHOWN: [(&str, u64); 7] = [UNITS[0], UNITS[1], UNITS[3], UNITS[4], UNITS[5], UNITS[6], UNITS[8]];

/// Reads one or more numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`, `us`, `ns`), and adds them up.
///
/// # Errors
/// Says what cannot be read, and what would be.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no duration: write it like 500ms, 1.5s or 1m30s");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(refused());
    }
    let mut nanos = 0.0f64;
    let mut whole = 0u64; // kept apart, so that what is written in whole numbers is read exactly
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let (_, unit) = *UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        match number.parse::<u64>() {
            Ok(number) => {
                let more = number.checked_mul(unit).ok_or_else(refused)?;
                whole = whole.checked_add(more).ok_or_else(refused)?;
            }
            Err(_) => nanos += number.parse::<f64>().map_err(|_| refused())? * unit as f64,
        }
        rest = tail.trim_start();
    }
    if nanos >= u64::MAX as f64 {
        return Err(refused());
    }
    let rounded = nanos as u64 + u64::from(nanos % 1.0 >= 0.5);
    whole.checked_add(rounded).map(Duration::from_nanos).ok_or_else(refused)
}

/// Writes a duration so that [`parse`] reads the same again: `1m30s500ms`. What is above 584 years is written as that.
pub fn show(duration: Duration) -> String {
    let mut nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (name, unit) in SHOWN {
        if nanos >= unit {
            text += &format!("{}{name}", nanos / unit);
            nanos %= unit;
        }
    }
    text
}

/// For serde.
///
/// # Errors
/// Those of the serializer.
#[cfg(feature = "serde")]
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*duration))
}

/// For serde.
///
/// # Errors
/// If it is no text that [`parse`] reads.
#[cfg(feature = "serde")]
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

/// A duration as it is written in a file. Numbers are refused with the text that was meant, as their unit could be any.
#[cfg(feature = "serde")]
struct Written(Duration);

#[cfg(feature = "serde")]
impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Written)
    }
}

#[cfg(feature = "serde")]
struct Reader;

#[cfg(feature = "serde")]
impl Visitor<'_> for Reader {
    type Value = Duration;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes, like \"500ms\", \"1.5s\" or \"1m30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        Err(without_unit(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
        Err(without_unit(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Duration, E> {
        Err(without_unit(number))
    }
}

#[cfg(feature = "serde")]
fn without_unit<E: Error>(number: impl Display) -> E {
    E::custom(format!("{number} has no unit: write it like \"{number}s\" or \"{number}ms\""))
}

/// The same for a duration that may be missing.
#[cfg(feature = "serde")]
pub mod option {
    use super::*;

    /// For serde.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&show(*duration)),
            None => serializer.serialize_none(),
        }
    }

    /// For serde.
    ///
    /// # Errors
    /// If it is no text that [`parse`] reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Written>::deserialize(deserializer)?.map(|written| written.0))
    }
}

/// The same for two durations, in a list.
#[cfg(feature = "serde")]
pub mod pair {
    use super::*;
    use serde::Serialize;

    /// For serde.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(pair: &(Duration, Duration), serializer: S) -> Result<S::Ok, S::Error> {
        (show(pair.0), show(pair.1)).serialize(serializer)
    }

    /// For serde.
    ///
    /// # Errors
    /// If it is not two texts that [`parse`] reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Duration, Duration), D::Error> {
        <(Written, Written)>::deserialize(deserializer).map(|(first, second)| (first.0, second.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let ms = Duration::from_millis;
        for (text, duration) in [
            ("500ms", ms(500)),
            ("1.5s", ms(1_500)),
            ("1m30s", ms(90_000)),
            ("1min 30s", ms(90_000)),
            ("2h", ms(7_200_000)),
            ("0", ms(0)),
            ("0.1us", Duration::from_nanos(100)),
            ("1d1ns", Duration::from_nanos(86_400_000_000_001)),
        ] {
            assert_eq!(parse(text), Ok(duration), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "5", "ms", "5 parsecs", "-1s", "1..5s", "99999999999999999999s", "1e3s"] {
            assert!(parse(text).is_err_and(|e| e.contains("500ms")), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_exactly() {
        let mut rng = crate::Rng::seeded(4);
        for shift in 0..64 {
            let duration = Duration::from_nanos(rng.next() >> shift);
            assert_eq!(parse(&show(duration)), Ok(duration), "{}", show(duration));
        }
        assert_eq!(show(Duration::from_millis(90_500)), "1m30s500ms");
    }
}

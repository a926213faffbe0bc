//! How a single setting is read: from a TOML value, or from the text of an environment variable.

use std::collections::BTreeMap;
use std::time::Duration;
use toml::de::DeValue;

/// A value as its source has it.
pub(super) enum Raw<'a> {
    /// From a file.
    Toml(&'a DeValue<'a>),
    /// From the environment.
    Text(&'a str),
}

/// What a setting can be.
pub(super) trait Kind: Sized {
    /// What is expected, for the message when it is not found.
    const WANTS: &'static str;
    /// Reads it, or nothing if it is something else.
    fn read(raw: Raw<'_>) -> Option<Self>;
}

impl Kind for String {
    const WANTS: &'static str = "text";
    fn read(raw: Raw<'_>) -> Option<String> {
        match raw {
            Raw::Toml(DeValue::String(s)) => Some(s.to_string()),
            Raw::Toml(_) => None,
            Raw::Text(s) => Some(s.to_string()),
        }
    }
}

impl Kind for bool {
    const WANTS: &'static str = "on or off";
    fn read(raw: Raw<'_>) -> Option<bool> {
        match raw {
            Raw::Toml(DeValue::Boolean(b)) => Some(*b),
            Raw::Toml(DeValue::String(s)) => switch(s),
            Raw::Toml(_) => None,
            Raw::Text(s) => switch(s),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

impl Kind for u64 {
    const WANTS: &'static str = "a whole number, zero or more";
    fn read(raw: Raw<'_>) -> Option<u64> {
        match raw {
            Raw::Toml(DeValue::Integer(i)) => u64::from_str_radix(i.as_str(), i.radix()).ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.trim().parse().ok(),
        }
    }
}

impl Kind for f64 {
    const WANTS: &'static str = "a number";
    fn read(raw: Raw<'_>) -> Option<f64> {
        let number: f64 = match raw {
            Raw::Toml(DeValue::Integer(i)) => i.as_str().parse().ok()?,
            Raw::Toml(DeValue::Float(x)) => x.as_str().parse().ok()?,
            Raw::Toml(_) => return None,
            Raw::Text(s) => s.trim().parse().ok()?,
        };
        number.is_finite().then_some(number)
    }
}

/// A number of bytes: `2048`, `"2 KiB"`, `"8MiB/s"`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Kind for Bytes {
    const WANTS: &'static str = "a number of bytes such as 2048 or \"8 MiB\"";
    fn read(raw: Raw<'_>) -> Option<Bytes> {
        match raw {
            Raw::Toml(DeValue::Integer(_)) => u64::read(raw).map(Bytes),
            Raw::Toml(DeValue::String(s)) => s.parse().ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.parse().ok(),
        }
    }
}

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl std::str::FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Bytes, String> {
        let wrong = || format!("{text:?} is not {}", Bytes::WANTS);
        let bare = text.trim().strip_suffix("/s").unwrap_or(text).trim();
        let digits = bare.find(|c: char| !c.is_ascii_digit()).unwrap_or(bare.len());
        let number: u64 = bare[..digits].parse().map_err(|_| wrong())?;
        let unit = match bare[digits..].trim() {
            "" => 1,
            unit => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|u| u.1)
                .ok_or_else(wrong)?,
        };
        number.checked_mul(unit).map(Bytes).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = UNITS[..4].iter().rev().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size));
        match unit {
            Some((name, size)) => write!(f, "{} {name}", self.0 / size),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A length of time: `"30s"`, `"1m 30s"`, or whole seconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Kind for Span {
    const WANTS: &'static str = "a time such as \"30s\" or \"5m\"";
    fn read(raw: Raw<'_>) -> Option<Span> {
        match raw {
            Raw::Toml(DeValue::Integer(_)) => u64::read(raw).map(|s| Span(Duration::from_secs(s))),
            Raw::Toml(DeValue::String(s)) => s.parse().ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.parse().ok(),
        }
    }
}

impl std::str::FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Span, String> {
        humantime::parse_duration(text.trim())
            .map(Span)
            .map_err(|_| format!("{text:?} is not {}", Span::WANTS))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl Kind for Vec<String> {
    const WANTS: &'static str = "a list of texts";
    fn read(raw: Raw<'_>) -> Option<Vec<String>> {
        match raw {
            Raw::Toml(DeValue::Array(items)) => {
                items.iter().map(|item| String::read(Raw::Toml(item.get_ref()))).collect()
            }
            Raw::Toml(DeValue::String(s)) => Some(comma_separated(s)),
            Raw::Toml(_) => None,
            Raw::Text(s) => Some(comma_separated(s)),
        }
    }
}

/// Texts that may hold commas: a list, or one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

impl Kind for Lines {
    const WANTS: &'static str = "a list of texts, or one a line";
    fn read(raw: Raw<'_>) -> Option<Lines> {
        let lines =
            |text: &str| text.lines().filter(|line| !line.trim().is_empty()).map(str::to_string).collect();
        match raw {
            Raw::Toml(DeValue::String(s)) => Some(Lines(lines(s))),
            Raw::Toml(_) => Vec::<String>::read(raw).map(Lines),
            Raw::Text(s) => Some(Lines(lines(s))),
        }
    }
}

fn comma_separated(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_string).collect()
}

impl Kind for BTreeMap<String, String> {
    const WANTS: &'static str = "a table of texts, or K=V,K=V";
    fn read(raw: Raw<'_>) -> Option<BTreeMap<String, String>> {
        match raw {
            Raw::Toml(DeValue::Table(table)) => table
                .iter()
                .map(|(key, value)| {
                    let text = match value.get_ref() {
                        DeValue::String(s) => s.to_string(),
                        DeValue::Integer(i) => i.as_str().to_string(),
                        DeValue::Float(x) => x.as_str().to_string(),
                        DeValue::Boolean(b) => b.to_string(),
                        _ => return None,
                    };
                    Some((key.get_ref().to_string(), text))
                })
                .collect(),
            Raw::Toml(_) => None,
            Raw::Text(s) => comma_separated(s)
                .iter()
                .map(|pair| pair.split_once('=').map(|(k, v)| (k.trim().into(), v.trim().into())))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_units_and_written_back() {
        for (text, bytes, shown) in [
            ("2048", 2048, "2 KiB"),
            ("2KiB/s", 2048, "2 KiB"),
            ("8 MiB", 8 << 20, "8 MiB"),
            ("1 mb", 1_000_000, "1000000 B"),
            ("0", 0, "0 B"),
        ] {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (bytes, shown), "{text}");
        }
        for wrong in ["", "MiB", "1 parsec", "-1", "99999999999 GiB"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_with_their_units_and_written_back() {
        for (text, ms, shown) in [
            ("30s", 30_000, "30s"),
            (" 90s ", 90_000, "1m 30s"),
            ("1m 30s", 90_000, "1m 30s"),
            ("250ms", 250, "250ms"),
            ("1h", 3_600_000, "1h"),
        ] {
            let read: Span = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (Duration::from_millis(ms), shown), "{text}");
            assert_eq!(Span::read(Raw::Text(text)), Some(read), "{text}");
        }
        for wrong in ["", "s", "30", "-1s", "1 fortnight", "99999999999999999999s"] {
            let error = wrong.parse::<Span>().unwrap_err();
            assert!(error.contains("is not a time such as"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_number_in_a_file_is_a_time_in_seconds() {
        let table = toml::de::DeTable::parse("a = 30\nb = \"5m\"\nc = -1\nd = 1.5").unwrap();
        let read = |key: &str| Span::read(Raw::Toml(table.get_ref()[key].get_ref()));
        assert_eq!(read("a"), Some(Span(Duration::from_secs(30))));
        assert_eq!(read("b"), Some(Span(Duration::from_secs(300))));
        assert_eq!((read("c"), read("d")), (None, None));
    }
}

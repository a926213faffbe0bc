//! Files in another language than TOML. A parser of TOML has little to say of them that helps.

use serde_json::{Map, Value};

/// The error for a text that is JSON or YAML where `wanted` is TOML: it names the language, and shows a line of the text in TOML, or `example` if there is none
/// that TOML can hold. `None` if the text is neither.
pub fn fault(text: &str, wanted: &str, example: &str) -> Option<String> {
    let language = language(text)?;
    let line = serde_json::from_str(text).ok().and_then(|object| line(&object));
    let line = line.as_deref().unwrap_or(example);
    Some(format!("this is {language}; {wanted} is TOML, with lines such as `{line}`"))
}

fn language(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if first.starts_with('{') || serde_json::from_str::<Vec<Value>>(text).is_ok_and(|list| !list.is_empty()) {
        return Some("JSON");
    }
    let yaml = first == "---" || first.split_once(':').is_some_and(|(key, _)| is_key(key.trim_end()));
    yaml.then_some("YAML")
}

/// The first member of an object that TOML can hold, as a line of TOML.
fn line(object: &Map<String, Value>) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        let value = toml::Value::try_from(value).ok()?;
        Some(format!("{key} = {value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_are_named_and_toml_is_let_through() {
        const EXAMPLE: &str = "bind = \"10.0.0.5:7900\"";
        let fault = |text: &str| fault(text, "the configuration", EXAMPLE);
        let said = |text: &str| fault(text).unwrap_or_default();
        let json = said("{\n  \"bind\": \"10.0.0.5:7000\", \"vitals\": false }");
        assert!(json.starts_with("this is JSON; the configuration is TOML"), "{json}");
        assert!(json.contains("`bind = \"10.0.0.5:7000\"`"), "{json}");
        assert!(said("{ \"tags\": { \"role\": \"db\" } }").contains("`tags = { role = \"db\" }`"));
        assert!(said("{ // broken\n").contains(EXAMPLE));
        for yaml in ["---\nbind: 10.0.0.5", "# ours\nbind: 10.0.0.5\n", "tags:\n  role: db"] {
            assert!(said(yaml).starts_with("this is YAML;"), "{yaml}");
        }
        for toml in [
            "",
            "# bind: here\n",
            "bind = \"a:1\"",
            "[tags]\nrole = \"db\"",
            "[ swim ]",
            "\"a:b\" = 1",
            "bind",
        ] {
            assert_eq!(fault(toml), None, "{toml}");
        }
    }
}

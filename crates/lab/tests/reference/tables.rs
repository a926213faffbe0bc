//! A table of the keys of a type: default and meaning of each.

use super::source::{Field, Found, Shape, Variant, meant};
use std::collections::BTreeSet;
use toml::Value;

/// Makes the table of a type from its default in a file.
pub struct Tables {
    values: Value,
    /// A value that has what is missing in the default.
    specimen: Value,
    without: BTreeSet<&'static str>,
    text: String,
    /// The choices of keys that have some, as lists below the table.
    choices: String,
}

impl Tables {
    pub fn of(values: Value) -> Tables {
        let text = "| key | default | meaning |\n| --- | --- | --- |\n".to_owned();
        Tables { specimen: values.clone(), values, without: BTreeSet::new(), text, choices: String::new() }
    }

    /// Takes the defaults within tables that are missing by default from this value.
    pub fn specimen(mut self, specimen: Value) -> Tables {
        self.specimen = specimen;
        self
    }

    /// Leaves out these keys.
    pub fn without(mut self, keys: &[&'static str]) -> Tables {
        self.without = keys.iter().copied().collect();
        self
    }

    /// Adds a key that the type does not have.
    pub fn and(mut self, key: &str, default: &str, about: &str) -> Tables {
        self.row(key, default, about);
        self
    }

    pub fn rows(mut self, of: &Found) -> String {
        self.add("", of);
        self.text + &self.choices
    }

    fn add(&mut self, before: &str, of: &Found) {
        let Shape::Struct(fields) = &of.shape else { panic!("{before} is no struct") };
        for field in fields {
            if !self.without.contains(field.name.as_str()) {
                self.field(before, of, field);
            }
        }
    }

    fn field(&mut self, before: &str, of: &Found, field: &Field) {
        let key = format!("{before}{}", field.name);
        let nested = meant(&of.module, &field.of);
        if field.is_flat {
            let Some(Found { shape: Shape::Enum(variants), module, .. }) = nested else {
                panic!("{key} is no enum")
            };
            return variants.into_iter().for_each(|variant| self.variant(before, &module, variant));
        }
        let is_here = before.is_empty() || look_up(&self.values, before.trim_end_matches('.')).is_some();
        let value = look_up(if is_here { &self.values } else { &self.specimen }, &key);
        let is_table = matches!(&value, Some(Value::Table(_)));
        let default = match &value {
            _ if of.is_derived && !of.has_defaults && !field.has_default => "required".to_owned(),
            None => "-".into(),
            Some(Value::Array(list)) if list.iter().any(Value::is_table) => "-".into(),
            Some(value) => format!("`{value}`"),
        };
        match nested {
            Some(inner @ Found { shape: Shape::Struct(_), .. }) if inner.is_derived || is_table => {
                let default = if is_table && default != "required" { "as below" } else { default.as_str() };
                self.row(&key, default, &field.about);
                self.add(&format!("{key}{}.", if field.is_list { "[]" } else { "" }), &inner);
            }
            Some(Found { shape: Shape::Enum(variants), is_derived: true, module, .. }) => {
                self.row(&key, &default, &field.about);
                self.choose(&key, &module, &variants);
            }
            _ => self.row(&key, &default, &field.about),
        }
    }

    /// The variant of a flattened enum: a table of its own.
    fn variant(&mut self, before: &str, module: &[String], variant: Variant) {
        let key = format!("{before}{}", variant.name);
        self.row(&key, "-", &variant.about);
        let fields = Found {
            module: module.to_vec(),
            about: String::new(),
            shape: Shape::Struct(variant.fields),
            is_derived: true,
            has_defaults: false,
        };
        self.add(&format!("{key}."), &fields);
    }

    /// Lists what a key may be.
    fn choose(&mut self, key: &str, module: &[String], variants: &[Variant]) {
        self.choices += &format!("\n`{key}` is one of\n\n");
        for variant in variants {
            let name = &variant.name;
            let within = |field: &Field| meant(module, &field.of);
            let (form, fields) = match (&variant.fields[..], variant.is_tuple) {
                ([], _) => (format!("\"{name}\""), String::new()),
                ([only], true) => match within(only) {
                    Some(Found { shape: Shape::Struct(fields), is_derived: true, .. }) => {
                        (format!("{{ {name} = {{ {} }} }}", keys(&fields)), meanings(&fields))
                    }
                    _ => (format!("{{ {name} = … }}"), String::new()),
                },
                (several, true) => {
                    (format!("{{ {name} = [{}] }}", vec!["…"; several.len()].join(", ")), String::new())
                }
                (fields, false) if fields.iter().all(|field| field.has_default) => {
                    (format!("\"{name}\"` or `{{ {name} = {{ {} }} }}", keys(fields)), meanings(fields))
                }
                (fields, false) => (format!("{{ {name} = {{ {} }} }}", keys(fields)), meanings(fields)),
            };
            self.choices += &format!("- `{form}`: {}{fields}\n", variant.about);
        }
    }

    fn row(&mut self, key: &str, default: &str, about: &str) {
        self.text += &format!("| `{key}` | {default} | {} |\n", about.replace('|', "\\|"));
    }
}

fn keys(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{} = …", field.name)).collect::<Vec<_>>().join(", ")
}

fn meanings(fields: &[Field]) -> String {
    fields.iter().map(|field| format!(" `{}`: {}", field.name, field.about)).collect()
}

/// The value at a path such as `world.lines[].weight`, in any element of a list that has it.
fn look_up(values: &Value, path: &str) -> Option<Value> {
    path.split('.')
        .try_fold(vec![values.clone()], |values, key| {
            let key = key.trim_end_matches("[]");
            let elements = values.into_iter().flat_map(|value| match value {
                Value::Array(list) => list,
                value => vec![value],
            });
            let found: Vec<Value> = elements.filter_map(|value| value.get(key).cloned()).collect();
            (!found.is_empty()).then_some(found)
        })?
        .into_iter()
        .next()
}

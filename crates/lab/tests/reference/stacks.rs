//! The stacks: what each does, its settings, calls and checks.

use super::source::{Shape, named};
use super::tables::Tables;
use rumormill_lab::scenario::{StackInfo, keys, stacks};
use rumormill_protocols::catalog::{self, Catalogued};
use rumormill_protocols::sum;
use std::any::type_name;

const INTRODUCTION: &str = "
## Stacks

`stack` names one of the following. Each but `swim` and `agent` also runs `on swim` (`stack = \"rumor on swim\"`), the view of which then gives it its peers; alone,
all nodes know those of the beginning. The settings of a protocol stand in `[settings.NAME]`, also in a stack on SWIM. `agent` has those of `swim`, `latest` and
`phi`; without `[settings.phi]` phi is off.

Checks are written `always NAME`, `eventually NAME within 10s`, `eventually NAME within 10s after 1m`, `sometimes NAME` or `finally NAME`.
";

struct Protocol {
    name: &'static str,
    paper: &'static str,
    settings: String,
}

struct Describe;

impl catalog::Visit for Describe {
    type Out = Protocol;
    fn visit<P: Catalogued>(self) -> Protocol {
        let of = named(type_name::<P::Config>());
        let Shape::Struct(fields) = &of.shape else { panic!("{}: settings are a struct", P::NAME) };
        let documented: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(documented, keys::<P::Config>(), "{}: keys in the source and for serde", P::NAME);
        let values = toml::Value::try_from(P::Config::default()).expect("settings can be written");
        let mut tables = Tables::of(values);
        if P::NAME == "swim" {
            tables = tables.and(
                "preset",
                "`\"lan\"`",
                "`\"local\"`, `\"lan\"` or `\"wan\"`: whose defaults the other keys have.",
            );
        }
        if documented.contains(&"choice") {
            let about = "In place of `choice`: a ring of all nodes, on which a peer at distance d is drawn in proportion to d^-a; its value is a.";
            tables = tables.and("distance_exponent", "-", about);
        }
        if sum::each(|| Name).contains(&P::NAME) {
            let values = named("rumormill_lab::scenario::aggregator::Values");
            let Shape::Enum(kinds) = &values.shape else { panic!("values are an enum") };
            let kinds: Vec<String> =
                kinds.iter().map(|kind| format!("`\"{}\"`: {}", kind.name, kind.about)).collect();
            tables = tables.and("values", "`\"uniform\"`", &format!("{} {}", values.about, kinds.join(" ")));
        }
        Protocol { name: P::NAME, paper: P::PAPER, settings: tables.rows(&of) }
    }
}

struct Name;

impl sum::Visit for Name {
    type Out = &'static str;
    fn visit<P: sum::Aggregator>(self) -> &'static str {
        P::NAME
    }
}

/// The section of all stacks.
pub fn section() -> String {
    let protocols = catalog::each(|| Describe);
    let mut text = INTRODUCTION.to_owned();
    for StackInfo { name, about, calls, checks } in stacks() {
        text += &format!("\n### `{name}`\n\n{about}.");
        let first = name.split_whitespace().next().unwrap_or_default();
        match protocols.iter().find(|protocol| protocol.name == first) {
            Some(Protocol { paper, settings, .. }) => {
                text += &format!(" Paper: {paper}.\n\n`[settings.{first}]`:\n\n{settings}");
            }
            None => text += "\n",
        }
        for (title, names) in [("calls", calls), ("checks", checks)] {
            if !names.is_empty() {
                text += &format!("\nIts {title}:\n\n");
                text +=
                    &names.iter().map(|(name, about)| format!("- `{name}`: {about}\n")).collect::<String>();
            }
        }
    }
    text
}

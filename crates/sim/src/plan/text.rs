//! A step in a file: one flat table, of which each kind of step uses its own fields and no others.

use super::{Action, Kind, Partition, Step, Who};
use crate::loss::Bursts;
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};

macro_rules! written {
    ($($(#[$attribute:meta])* $field:ident as $name:literal: $type:ty,)*) => {
        /// A step in a file.
        #[derive(Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Written {
            #[serde(with = "text")]
            at: Duration,
            #[serde(rename = "do")]
            name: String,
            $($(#[$attribute])* #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")] $field: Option<$type>,)*
        }

        impl Written {
            /// Names of the fields that have not been used.
            fn left(&self) -> Vec<&'static str> {
                let mut left = Vec::new();
                $(if self.$field.is_some() { left.push($name); })*
                left
            }
        }
    };
}

written! {
    kind as "kind": String,
    who as "who": Who,
    from as "from": Who,
    to as "to": Who,
    #[serde(with = "text::option")]
    lasting as "for": Duration,
    #[serde(with = "text::option")]
    cut as "cut": Duration,
    #[serde(with = "text::option")]
    whole as "whole": Duration,
    datagrams_only as "datagrams_only": bool,
    wipe as "wipe": bool,
    factor as "factor": f64,
    loss as "loss": f64,
    bursts as "bursts": Bursts,
    offset_ms as "offset_ms": i64,
    drift_ppm as "drift_ppm": i32,
    call as "call": String,
    with as "with": String,
    draw as "draw": u64,
}

/// The names of all actions.
const ACTIONS: &str =
    "crash, restart, leave, freeze, thaw, block, unblock, slow, partition, heal, loss, clock, call";
/// The names of all kinds of partitions.
const KINDS: &str = "pair, one-way, split, isolate, minority-third, majorities-ring, bridge, swizzle";

impl TryFrom<Written> for Step {
    type Error = String;

    fn try_from(mut written: Written) -> Result<Step, String> {
        let name = std::mem::take(&mut written.name);
        let (lasting, draw) = (written.lasting.take(), written.draw.take());
        let action = written.action(&name)?;
        let left = written.left();
        if !left.is_empty() {
            return Err(format!("{name} has no `{}`: leave it out", left.join("` and no `")));
        }
        let step = Step { at: written.at, action, lasting, draw };
        step.check()?;
        Ok(step)
    }
}

impl Written {
    fn who(&mut self, name: &str) -> Result<Who, String> {
        self.who.take().ok_or_else(|| format!("{name} whom? Give `who`: 3, \"0..10\", \"10%\" or \"all\""))
    }

    fn action(&mut self, name: &str) -> Result<Action, String> {
        Ok(match name {
            "crash" => Action::Crash { who: self.who(name)?, wipe: self.wipe.take().unwrap_or(false) },
            "restart" => Action::Restart { who: self.who(name)? },
            "leave" => Action::Leave { who: self.who(name)? },
            "freeze" => Action::Freeze { who: self.who(name)? },
            "thaw" => Action::Thaw { who: self.who(name)? },
            "block" => Action::Block { who: self.who(name)? },
            "unblock" => Action::Unblock { who: self.who(name)? },
            "slow" => Action::Slow {
                who: self.who(name)?,
                factor: self.factor.take().ok_or("slow by how much? Give `factor`")?,
            },
            "partition" => Action::Partition(self.partition()?),
            "heal" => Action::Heal,
            "loss" => {
                let (loss, bursts) = (self.loss.take(), self.bursts.take());
                if loss.is_none() && bursts.is_none() {
                    return Err("how much loss? Give `loss`, or `bursts`, or both".into());
                }
                Action::Loss { loss: loss.unwrap_or(0.0), bursts }
            }
            "clock" => Action::Clock {
                who: self.who(name)?,
                offset_ms: self.offset_ms.take().unwrap_or(0),
                drift_ppm: self.drift_ppm.take().unwrap_or(0),
            },
            "call" => Action::Call {
                who: self.who(name)?,
                call: self.call.take().ok_or("which call? Give `call`")?,
                with: self.with.take().unwrap_or_default(),
            },
            _ => return Err(format!("nothing is called {name:?}: there are {ACTIONS}")),
        })
    }

    fn partition(&mut self) -> Result<Partition, String> {
        let kind = self.kind.take().ok_or_else(|| format!("which partition? Give `kind`: {KINDS}"))?;
        let who_or = |who: Option<Who>, other| who.unwrap_or(other);
        let kind = match kind.as_str() {
            "pair" | "one-way" => {
                let (Some(from), Some(to)) = (self.from.take(), self.to.take()) else {
                    return Err(format!("{kind} between whom? Give `from` and `to`"));
                };
                if kind == "pair" { Kind::Pair { from, to } } else { Kind::OneWay { from, to } }
            }
            "split" => Kind::Split { who: who_or(self.who.take(), Who::Share(0.5)) },
            "isolate" => Kind::Isolate { who: who_or(self.who.take(), Who::Count(1)) },
            "minority-third" => Kind::MinorityThird,
            "majorities-ring" => Kind::MajoritiesRing,
            "bridge" => Kind::Bridge,
            "swizzle" => Kind::Swizzle { who: who_or(self.who.take(), Who::Share(0.5)) },
            _ => return Err(format!("no partition is called {kind:?}: there are {KINDS}")),
        };
        let flapping = match (self.cut.take(), self.whole.take()) {
            (None, None) => None,
            (Some(cut), Some(whole)) => Some((cut, whole)),
            _ => return Err("a partition that comes and goes needs both `cut` and `whole`".into()),
        };
        Ok(Partition { kind, datagrams_only: self.datagrams_only.take().unwrap_or(false), flapping })
    }
}

impl From<Step> for Written {
    fn from(step: Step) -> Written {
        let mut written = Written {
            at: step.at,
            name: step.action.name().into(),
            lasting: step.lasting,
            draw: step.draw,
            ..Written::default()
        };
        match step.action {
            Action::Crash { who, wipe } => {
                (written.who, written.wipe) = (Some(who), wipe.then_some(true));
            }
            Action::Restart { who }
            | Action::Leave { who }
            | Action::Freeze { who }
            | Action::Thaw { who }
            | Action::Block { who }
            | Action::Unblock { who } => written.who = Some(who),
            Action::Slow { who, factor } => (written.who, written.factor) = (Some(who), Some(factor)),
            Action::Partition(partition) => written.set_partition(partition),
            Action::Heal => {}
            Action::Loss { loss, bursts } => (written.loss, written.bursts) = (Some(loss), bursts),
            Action::Clock { who, offset_ms, drift_ppm } => {
                written.who = Some(who);
                (written.offset_ms, written.drift_ppm) = (Some(offset_ms), Some(drift_ppm));
            }
            Action::Call { who, call, with } => {
                (written.who, written.call) = (Some(who), Some(call));
                written.with = (!with.is_empty()).then_some(with);
            }
        }
        written
    }
}

impl Written {
    fn set_partition(&mut self, partition: Partition) {
        self.kind = Some(partition.kind.name().into());
        match partition.kind {
            Kind::Pair { from, to } | Kind::OneWay { from, to } => {
                (self.from, self.to) = (Some(from), Some(to));
            }
            Kind::Split { who } | Kind::Isolate { who } | Kind::Swizzle { who } => self.who = Some(who),
            Kind::MinorityThird | Kind::MajoritiesRing | Kind::Bridge => {}
        }
        self.datagrams_only = partition.datagrams_only.then_some(true);
        (self.cut, self.whole) = partition.flapping.unzip();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Plan};
    use super::*;

    fn refused(step: &str) -> String {
        toml::from_str::<Plan>(&format!("[[step]]\nat = \"1s\"\n{step}")).unwrap_err().to_string()
    }

    #[test]
    fn any_plan_is_written_and_read_back() {
        for seed in 0..50 {
            let plan = Plan::random(seed, &Bounds { steps: 30, ..Bounds::default() });
            let plan = if seed % 2 == 0 { plan.pin() } else { plan };
            let text = toml::to_string(&plan).unwrap();
            assert_eq!(toml::from_str::<Plan>(&text).unwrap(), plan, "seed {seed}:\n{text}");
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "seed {seed}:\n{json}");
        }
    }

    #[test]
    fn a_plan_is_read_as_people_write_it() {
        let plan: Plan = toml::from_str(
            r#"
            [[step]]
            at = "10s"
            do = "crash"
            who = [1, 2]
            for = "1m30s"
            wipe = true
            [[step]]
            at = "2s"
            do = "partition"
            kind = "isolate"
            cut = "500ms"
            whole = "1s"
            [[step]]
            at = "0"
            do = "loss"
            bursts = { to_bad = 0.01, to_good = 0.1 }
            [[step]]
            at = "3s"
            do = "call"
            who = 7
            call = "publish"
            with = "hello"
            "#,
        )
        .unwrap();
        let crash = Action::Crash { who: "1,2".parse().unwrap(), wipe: true };
        assert_eq!(plan.steps[0], Step::new(Duration::from_secs(10), crash).lasting(Duration::from_secs(90)));
        assert_eq!(
            plan.steps[1].action,
            Action::Partition(Partition {
                kind: Kind::Isolate { who: Who::Count(1) },
                datagrams_only: false,
                flapping: Some((Duration::from_millis(500), Duration::from_secs(1))),
            })
        );
        assert_eq!(plan.end(), Duration::from_secs(100));
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_to_do() {
        assert!(refused("do = \"explode\"").contains("there are crash, restart"));
        assert!(refused("do = \"crash\"").contains("Give `who`"));
        assert!(refused("do = \"crash\"\nwho = 3\nfactor = 2").contains("crash has no `factor`"));
        assert!(refused("do = \"heal\"\nfor = \"1s\"").contains("cannot be undone"));
        assert!(refused("do = \"crash\"\nwho = 3\nhow = 2").contains("unknown field `how`"));
        assert!(refused("do = \"partition\"\nkind = \"half\"").contains("majorities-ring"));
        assert!(refused("do = \"partition\"\nkind = \"bridge\"\ncut = \"1s\"").contains("both"));
        assert!(refused("do = \"partition\"\nkind = \"swizzle\"").contains("with `for`"));
        assert!(refused("do = \"loss\"\nloss = 2").contains("between 0 and 1"));
        assert!(refused("do = \"loss\"").contains("Give `loss`"));
        assert!(refused("do = \"crash\"\nwho = \"half\"").contains("10%"));
    }
}

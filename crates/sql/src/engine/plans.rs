//! Plans of the statements that were asked last. A client asks the same few again and again, and describes each before it runs it.

use crate::error::Error;
use crate::plan::Plan;
use crate::types::Type;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Plans that are kept (our guess: the panels of a dashboard).
const KEPT: usize = 32;
/// Bytes of the text of a statement whose plan is kept, before and after it was rewritten.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// The plans, the newest first.
#[derive(Default)]
pub struct Plans(Mutex<VecDeque<Kept>>);

struct Kept {
    sql: String,
    given: Vec<Option<Type>>,
    plan: Arc<Plan>,
}

impl Plans {
    /// The plan of a statement, if it is kept.
    pub fn find(&self, sql: &str, given: &[Option<Type>]) -> Option<Arc<Plan>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|kept| kept.sql == sql && kept.given == given)?;
        let found = kept.remove(at)?;
        let plan = found.plan.clone();
        kept.push_front(found);
        Some(plan)
    }

    /// The plan of a statement: a kept one, or what `make` makes, which is kept.
    pub fn plan(
        &self,
        sql: &str,
        given: &[Option<Type>],
        make: impl FnOnce() -> Result<Plan, Error>,
    ) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.find(sql, given) {
            return Ok(plan);
        }
        let plan = Arc::new(make()?);
        if sql.len().max(plan.sqlite.len()) <= TEXT_BYTES_MAX {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(KEPT - 1);
            kept.push_front(Kept { sql: sql.to_owned(), given: given.to_vec(), plan: plan.clone() });
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sqlite: usize) -> Plan {
        Plan { sqlite: "x".repeat(sqlite), columns: Vec::new(), params: Vec::new(), reads: Vec::new() }
    }

    #[test]
    fn the_plans_asked_last_are_kept_by_text_and_types() {
        let plans = Plans::default();
        let never = || -> Result<Plan, Error> { panic!("it is kept") };
        plans.plan("a", &[], || Ok(made(1))).unwrap();
        assert_eq!(plans.plan("a", &[], never).unwrap().sqlite, "x");
        assert!(plans.find("a", &[Some(Type::Int)]).is_none(), "other types are another statement");
        for n in 0..KEPT - 1 {
            plans.plan(&format!("b{n}"), &[], || Ok(made(1))).unwrap();
            assert!(plans.find("a", &[]).is_some(), "it was asked lately");
        }
        plans.plan("c", &[], || Ok(made(1))).unwrap();
        assert!(plans.find("b0", &[]).is_none(), "the one that was asked longest ago makes room");
        plans.plan("long", &[], || Ok(made(TEXT_BYTES_MAX + 1))).unwrap();
        assert!(plans.find("long", &[]).is_none());
    }
}

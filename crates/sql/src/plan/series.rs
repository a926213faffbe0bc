//! `generate_series(…)` in FROM, as a recursive query of SQLite.

use super::Planner;
use super::typed::{Ty, Typed};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::types::Type::{Int, Interval, Time};
use sqlparser::ast::{FunctionArg, FunctionArgExpr, TableAlias};

impl Planner<'_> {
    /// The series as a table of one column.
    pub fn series(&mut self, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<String, Error> {
        let mut typed = Vec::new();
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return Err(Error::unsupported(format!("the argument {arg}")));
            };
            // The arguments do not see the tables beside the series.
            let scope = self.scopes.pop();
            let planned = self.expr(expr);
            self.scopes.extend(scope);
            typed.push(planned?);
        }
        let ty = match typed.iter().find_map(Typed::known_type) {
            Some(ty @ (Int | Time)) => ty,
            _ => {
                let error = Error::unsupported("generate_series of anything but whole numbers and times");
                return Err(error.hint("Cast the bounds, for example to timestamptz."));
            }
        };
        let step_type = if ty == Int { Int } else { Interval };
        let (start, end, step) = match <[Typed; 3]>::try_from(typed) {
            Ok([start, end, step]) => (start, end, self.coerce(step, step_type)?),
            Err(typed) => match <[Typed; 2]>::try_from(typed) {
                Ok([start, end]) if ty == Int => (start, end, "1".to_owned()),
                _ => {
                    let message = "generate_series takes a start, an end, and a step, which times need";
                    return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message));
                }
            },
        };
        let (start, end) = (self.coerce(start, ty)?, self.coerce(end, ty)?);
        let (series, table) = (self.fresh(), self.fresh());
        let within = sqlite_name_of(".within", &[ty, ty, step_type]);
        let next = format!("{}(c1, {step})", sqlite_name_of(".add", &[ty, step_type]));
        let sql = format!(
            "(WITH RECURSIVE {series}(c1) AS (SELECT {start} WHERE {within}({start}, {end}, {step}) \
             UNION ALL SELECT {next} FROM {series} WHERE {within}({next}, {end}, {step})) SELECT c1 FROM {series}) AS {table}"
        );
        let mut column = "generate_series".to_owned();
        let mut relation = column.clone();
        if let Some(alias) = alias {
            relation = super::folded(&alias.name);
            column = super::shape::alias_columns(alias, 1)?.pop().unwrap_or_else(|| relation.clone());
        }
        self.add_relation(relation, &table, &[(column, Ty::Known(ty))])?;
        Ok(sql)
    }
}

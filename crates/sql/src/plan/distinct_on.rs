//! `SELECT DISTINCT ON (…)`: the first row of each group of rows, by ORDER BY.

use super::Planner;
use super::shape::{Core, comparable, direction, output_of};
use super::typed::{Ty, Typed, ordered};
use crate::error::{Error, SqlState};
use sqlparser::ast::{Expr, OrderByExpr};

impl Planner<'_> {
    /// The SELECT of `items` and `tail` with one row for each value of `on`.
    pub fn distinct_on(
        &mut self,
        on: &[Expr],
        order: &[OrderByExpr],
        items: Vec<(String, Typed)>,
        tail: &str,
    ) -> Result<Core, Error> {
        let mut settled = Vec::new();
        for (name, item) in items {
            let ty = item.ty.or_text();
            settled.push((name, Typed::known(self.coerce(item, ty)?, ty)));
        }
        let on: Vec<Typed> = on.iter().map(|expr| self.key(expr, &settled)).collect::<Result<_, _>>()?;
        let sorted: Vec<Typed> =
            order.iter().map(|term| self.key(&term.expr, &settled)).collect::<Result<_, _>>()?;
        if sorted.iter().take(on.len()).any(|term| !on.iter().any(|key| key.sql == term.sql)) {
            let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
            return Err(Error::new(SqlState::INVALID_REFERENCE, message));
        }
        let mut outputs = Vec::new();
        for (i, (_, item)) in settled.iter().enumerate() {
            outputs.push(format!("{} AS c{}", ordered(&item.sql, item.ty.or_text()), i + 1));
        }
        let (mut groups, mut terms) = (Vec::new(), Vec::new());
        for (i, key) in on.iter().enumerate() {
            outputs.push(format!("{} AS g{}", ordered(&key.sql, key.ty.or_text()), i + 1));
            groups.push(ordered(&format!("g{}", i + 1), key.ty.or_text()));
        }
        for (i, (key, term)) in sorted.iter().zip(order).enumerate() {
            outputs.push(format!("{} AS o{}", ordered(&key.sql, key.ty.or_text()), i + 1));
            terms.push(direction(&format!("o{}", i + 1), key.ty.or_text(), &term.options)?);
        }
        let order = if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) };
        let rows = format!("SELECT {}{tail}", outputs.join(", "));
        let numbered = format!(
            "SELECT *, row_number() OVER (PARTITION BY {}{order}) AS place FROM ({rows})",
            groups.join(", ")
        );
        let column = |(i, (name, item)): (usize, (String, Typed))| {
            (name, Typed::known(format!("c{}", i + 1), item.ty.or_text()))
        };
        let items = settled.into_iter().enumerate().map(column).collect();
        Ok(Core { distinct: false, items, tail: format!(" FROM ({numbered}) WHERE place = 1{order}") })
    }

    /// An expression, or the output that it means by position or name.
    fn key(&mut self, expr: &Expr, items: &[(String, Typed)]) -> Result<Typed, Error> {
        let names = items.iter().map(|(name, _)| name.as_str());
        let key = match output_of(expr, names)? {
            Some(place) => items[place].1.clone(),
            None => {
                let key = self.expr(expr)?;
                let ty = key.ty.or_text();
                Typed::known(self.coerce(key, ty)?, ty)
            }
        };
        comparable(&Ty::Known(key.ty.or_text()), "DISTINCT ON")?;
        Ok(key)
    }
}

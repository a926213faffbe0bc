//! Aggregates that keep all values: percentiles, the most frequent value, arrays, joined texts.

use super::Planner;
use super::shape::{Call, comparable};
use super::typed::{Ty, Typed};
use crate::error::{Error, SqlState};
use crate::schema::Namespace;
use crate::types::Type::{self, Float, Int, Interval, Numeric, Oid, Text};
use crate::types::array_of;
use sqlparser::ast::OrderBySort;

impl Planner<'_> {
    /// One of these aggregates: the text of the call, and its type.
    pub fn keeping(&mut self, call: &Call<'_>, args: Vec<Typed>) -> Result<(String, Type), Error> {
        let name = call.name.as_str();
        // PostgreSQL sorts the values of some of these.
        if call.distinct {
            return Err(Error::unsupported(format!("DISTINCT in {name}")));
        }
        let sorted = matches!(name, "string_agg" | "array_agg");
        if !sorted && !call.order.is_empty() || sorted && !call.within.is_empty() {
            return Err(Error::unsupported(format!("this order in {name}")));
        }
        if !sorted {
            return self.ordered_set(call, args);
        }
        let (function, list, ty) = if name == "string_agg" {
            let [text, separator] = <[Typed; 2]>::try_from(args)
                .map_err(|_| Error::new(SqlState::UNDEFINED_FUNCTION, "string_agg takes two arguments"))?;
            let (text, separator) = (self.coerce(text, Text)?, self.coerce(separator, Text)?);
            ("group_concat", format!("{text}, {separator}"), Text)
        } else {
            let (element, ty) = self.array_agg(args)?;
            ("pg_array_agg", element, ty)
        };
        let order = self.order_list(call.order)?;
        let order = if order.is_empty() { order } else { format!(" ORDER BY {order}") };
        Ok((format!("{function}({list}{order})"), ty))
    }

    /// `percentile_cont`, `percentile_disc` and `mode`, with WITHIN GROUP.
    fn ordered_set(&mut self, call: &Call<'_>, args: Vec<Typed>) -> Result<(String, Type), Error> {
        let name = call.name.as_str();
        let [term] = call.within else {
            let message = format!("{name} needs WITHIN GROUP (ORDER BY …) with one expression");
            return Err(Error::new(SqlState::SYNTAX, message));
        };
        let descending = match (&term.options.sort, term.options.nulls_first) {
            (None | Some(OrderBySort::Asc), None) => false,
            (Some(OrderBySort::Desc), None) => true,
            _ => return Err(Error::unsupported("this order in WITHIN GROUP")),
        };
        let fraction = match (name, <[Typed; 1]>::try_from(args)) {
            ("mode", Err(args)) if args.is_empty() => "0.0".to_owned(),
            ("mode", _) | (_, Err(_)) => {
                return Err(Error::new(SqlState::UNDEFINED_FUNCTION, format!("{name} has other arguments")));
            }
            (_, Ok([fraction])) => self.coerce(fraction, Float)?,
        };
        let value = self.expr(&term.expr)?;
        let own = value.ty.or_text();
        comparable(&Ty::Known(own), name)?;
        let (function, ty) = match (name, own) {
            ("percentile_cont", Int | Float | Numeric) => ("pg_percentile_cont".to_owned(), Float),
            ("percentile_cont", _) => {
                return Err(Error::unsupported(format!("percentile_cont of {}", own.name())));
            }
            (_, Numeric) => (format!("pg_{name}_n"), own),
            (_, Interval) => (format!("pg_{name}_d"), own),
            _ => (format!("pg_{name}_t"), own),
        };
        let value = self.coerce(value, ty)?;
        Ok((format!("{function}({value}, {fraction}, {})", i32::from(descending)), ty))
    }

    /// `array_agg`: the text of its element, and its type.
    fn array_agg(&mut self, args: Vec<Typed>) -> Result<(String, Type), Error> {
        let [value] = <[Typed; 1]>::try_from(args)
            .map_err(|_| Error::new(SqlState::UNDEFINED_FUNCTION, "array_agg takes one argument"))?;
        let ty = value.ty.or_text();
        let catalog = self.scopes.last().is_some_and(|scope| {
            let of_catalog = |entry: crate::schema::Entry| entry.namespace == Namespace::Catalog;
            scope.relations.iter().all(|relation| relation.entry.is_some_and(of_catalog))
        });
        // The catalog's numbers are of a type of their own, of which clients know the arrays without asking for it.
        let array = array_of(if catalog && ty == Int { Oid } else { ty });
        let array = array.ok_or_else(|| Error::unsupported("an array of several dimensions"))?;
        let sql = self.coerce(value, ty)?;
        Ok((self.element(sql, ty)?, array))
    }
}

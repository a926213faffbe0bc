//! Calls of functions.

use super::shape::{Call, comparable};
use super::typed::{Ty, Typed, compared};
use super::{Planner, folded};
use crate::error::{Error, SqlState};
use crate::functions::{self, sqlite_name, sqlite_name_of};
use crate::types::Type::{self, Array, Bool, Float, Int, Interval, Json, Numeric, Oid, Text, Time};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments,
};

impl Planner<'_> {
    /// A call.
    pub fn function(&mut self, function: &Function) -> Result<Typed, Error> {
        let call = take_apart(function)?;
        if let Some(found) = self.catalog_call(&call)? {
            return Ok(found);
        }
        if super::aggregate::is_aggregate(&call.name) || call.over.is_some() {
            return self.aggregate(&call);
        }
        let plain = call.order.is_empty() && call.within.is_empty() && call.filter.is_none();
        if call.star || call.distinct || !plain {
            let message = format!("{} is not an aggregate function", call.name);
            return Err(Error::new(SqlState("42809"), message));
        }
        if call.subquery.is_some() {
            return Err(Error::unsupported("a query as an argument"));
        }
        match call.name.as_str() {
            "coalesce" => self.coalesce(&call.args),
            "nullif" => self.nullif(&call.args),
            "greatest" | "least" => self.extreme(&call.name, &call.args),
            "concat" => self.texts("concat", &[Text], &call.args),
            "concat_ws" => self.texts("concat_ws", &[Text, Text], &call.args),
            "json_build_object" | "jsonb_build_object" => self.json_object(&call.args),
            "power" | "pow" if call.args.len() == 2 => self.call_named("power", &call.args),
            name => self.call_named(name, &call.args),
        }
    }

    /// The function of the list that fits the arguments best.
    pub fn call_named(&mut self, name: &str, args: &[&Expr]) -> Result<Typed, Error> {
        let mut typed = Vec::new();
        for arg in args {
            typed.push(self.expr(arg)?);
        }
        let fits = |function: &&'static functions::Function| {
            function.name == name && !function.variadic && function.args.len() == typed.len()
        };
        let cost = |function: &'static functions::Function| -> Option<usize> {
            function.args.iter().zip(&typed).map(|(want, have)| distance(&have.ty, *want)).sum()
        };
        let best = functions::all().filter(fits).filter_map(|f| Some((cost(f)?, f))).min_by_key(|(c, _)| *c);
        let Some((_, function)) = best else {
            let types: Vec<_> = typed.iter().map(Typed::type_name).collect();
            let known = functions::all().any(|function| function.name == name);
            let name = name.trim_start_matches('.');
            let message = format!("function {name}({}) does not exist", types.join(", "));
            let hint = if known {
                "The function takes other types of arguments. An explicit type cast may be needed.".to_owned()
            } else {
                super::nearest::function_hint(name)
            };
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(hint));
        };
        // PostgreSQL has these for numeric too, with more digits than a float.
        const ALSO_NUMERIC: [&str; 6] = ["exp", "ln", "log", "log10", "pow", "power"];
        let is = |ty| typed.iter().any(|arg| arg.known_type() == Some(ty));
        if ALSO_NUMERIC.contains(&name) && is(Numeric) && !is(Float) {
            let hint = format!("Cast to double precision, for example {name}(value::float8).");
            return Err(Error::unsupported(format!("{name} of numeric")).hint(hint));
        }
        let args: Result<Vec<_>, _> =
            typed.into_iter().zip(function.args).map(|(arg, ty)| self.coerce(arg, *ty)).collect();
        let sql = format!("{}({})", sqlite_name(function), args?.join(", "));
        Ok(Typed::known(sql, function.gives))
    }

    fn coalesce(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let (items, alike) = self.all_alike(args, "COALESCE")?;
        Ok(match items.as_slice() {
            [] => return Err(Error::new(SqlState::SYNTAX, "COALESCE needs an argument")),
            [one] => Typed { sql: one.clone(), ..alike },
            _ => Typed { sql: format!("coalesce({})", items.join(", ")), ..alike },
        })
    }

    fn nullif(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let (items, alike) = self.all_alike(args, "NULLIF")?;
        comparable(&alike.ty, "NULLIF")?;
        match items.as_slice() {
            [_, right] => {
                let left = compared(&items, alike.ty.or_text());
                Ok(Typed { sql: format!("nullif({left}, {right})"), ..alike })
            }
            _ => Err(Error::new(SqlState::SYNTAX, "NULLIF needs two arguments")),
        }
    }

    fn extreme(&mut self, name: &str, args: &[&Expr]) -> Result<Typed, Error> {
        let (items, alike) = self.all_alike(args, &name.to_uppercase())?;
        comparable(&alike.ty, name)?;
        if items.is_empty() {
            return Err(Error::new(SqlState::SYNTAX, format!("{} needs an argument", name.to_uppercase())));
        }
        // All that SQLite carries as what it is has one function.
        let ty = match alike.ty.or_text() {
            ty @ (Numeric | Interval) => ty,
            _ => Int,
        };
        let function = sqlite_name_of(&format!(".{name}"), &[ty]);
        Ok(Typed { sql: format!("{function}({})", items.join(", ")), ..alike })
    }

    /// The arguments as their common type, and an empty expression of that type.
    fn all_alike(&mut self, args: &[&Expr], clause: &str) -> Result<(Vec<String>, Typed), Error> {
        let mut items = Vec::new();
        for arg in args {
            items.push(self.expr(arg)?);
        }
        let (items, ty) = self.unified(items, clause)?;
        Ok((items, Typed::known("", ty)))
    }

    /// A JSON object of names and values.
    fn json_object(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        if args.len() % 2 == 1 {
            let message = "argument list must have even number of elements";
            return Err(Error::new(SqlState::INVALID_PARAMETER, message));
        }
        let mut list = Vec::new();
        for (i, arg) in args.iter().enumerate() {
            let typed = self.expr(arg)?;
            list.push(match typed.known_type() {
                _ if i % 2 == 0 => self.shown_as_text(typed)?,
                Some(Bool) => format!("(CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)", typed.sql),
                Some(Int | Numeric | Json) => self.shown_as_text(typed)?,
                Some(Float | Time | Interval | Array(_) | Oid) => {
                    return Err(Error::unsupported(format!("{} in json_build_object", typed.type_name())));
                }
                Some(Text) | None => {
                    format!("{}({})", sqlite_name_of(".quoted", &[Text]), self.coerce(typed, Text)?)
                }
            });
        }
        Ok(Typed::known(format!("{}({})", sqlite_name_of(".object", &[Text]), list.join(", ")), Json))
    }

    /// A function of any number of values, each as its text.
    fn texts(&mut self, name: &str, types: &[Type], args: &[&Expr]) -> Result<Typed, Error> {
        if args.len() < types.len() {
            let message = format!("function {name} needs more arguments");
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message));
        }
        let mut texts = Vec::new();
        for arg in args {
            let typed = self.expr(arg)?;
            texts.push(match typed.known_type() {
                // The text of an output, not that of a cast.
                Some(Bool) => format!("(CASE {} WHEN 1 THEN 't' WHEN 0 THEN 'f' END)", typed.sql),
                _ => self.shown_as_text(typed)?,
            });
        }
        Ok(Typed::known(format!("{}({})", sqlite_name_of(name, types), texts.join(", ")), Text))
    }
}

/// The distance of a type from another; none if it is not converted by itself.
fn distance(have: &Ty, want: Type) -> Option<usize> {
    match (have, want) {
        (Ty::Known(have), want) if *have == want => Some(0),
        // PostgreSQL prefers floats.
        (Ty::Known(Int | Numeric), Float) => Some(10),
        (Ty::Known(Int), Numeric) => Some(11),
        (Ty::Known(_), _) => None,
        (Ty::Open(_), Text) => Some(1),
        (Ty::Open(_), Float) => Some(2),
        (Ty::Open(_), _) => Some(3),
    }
}

fn take_apart(function: &Function) -> Result<Call<'_>, Error> {
    let parts: Option<Vec<_>> = function.name.0.iter().map(|part| part.as_ident()).collect();
    let name = match parts.as_deref() {
        Some([name]) => folded(name),
        Some([namespace, name]) if folded(namespace) == "pg_catalog" => folded(name),
        _ => return Err(Error::unsupported(format!("the function {}", function.name))),
    };
    let foreign = function.uses_odbc_syntax
        || !matches!(function.parameters, FunctionArguments::None)
        || function.null_treatment.is_some();
    if foreign {
        return Err(Error::unsupported(format!("this form of calling {name}")));
    }
    let mut call = Call {
        name,
        args: Vec::new(),
        star: false,
        distinct: false,
        order: &[],
        within: &function.within_group,
        filter: function.filter.as_deref(),
        over: function.over.as_ref(),
        subquery: None,
    };
    match &function.args {
        FunctionArguments::None => {}
        FunctionArguments::Subquery(query) => call.subquery = Some(query),
        FunctionArguments::List(list) => {
            call.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            for arg in &list.args {
                match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => call.args.push(expr),
                    FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => call.star = true,
                    other => return Err(Error::unsupported(format!("the argument {other}"))),
                }
            }
            for clause in &list.clauses {
                match clause {
                    FunctionArgumentClause::OrderBy(order) => call.order = order,
                    other => return Err(Error::unsupported(format!("in a call, {other}"))),
                }
            }
        }
    }
    Ok(call)
}

//! Calls that only clients' catalog queries make: what they ask about is always so here.

use super::Planner;
use super::shape::Call;
use super::typed::{Typed, quoted};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::source::Wanted;
use crate::types::Type::{self, Bool, Int, Text, Time};
use sqlparser::ast::{BinaryOperator, Expr};

/// The answer of `version()`. Clients read the number at the start.
pub const VERSION: &str = "PostgreSQL 14.0 (rumormill)";
/// The only database.
pub const DATABASE: &str = "rumormill";

/// Columns of the catalog that are arrays. They are text here, as arrays are shown.
const ARRAYS: [&str; 24] = [
    "polroles",
    "indkey",
    "conkey",
    "confkey",
    "proargtypes",
    "stxkeys",
    "indoption",
    "indclass",
    "indcollation",
    "reloptions",
    "relacl",
    "datacl",
    "nspacl",
    "stxkind",
    "attacl",
    "attoptions",
    "ftoptions",
    "prattrs",
    "proacl",
    "rolconfig",
    "setconfig",
    "spcacl",
    "spcoptions",
    "attfdwoptions",
];

/// A word that is a call without parentheses.
pub fn is_word(name: &str) -> bool {
    const WORDS: [&str; 10] = [
        "current_timestamp",
        "localtimestamp",
        "current_user",
        "session_user",
        "user",
        "current_role",
        "current_catalog",
        "current_schema",
        "current_date",
        "current_time",
    ];
    WORDS.contains(&name.to_ascii_lowercase().as_str())
}

impl Planner<'_> {
    /// A call without parentheses.
    pub fn word(&mut self, name: &str) -> Result<Typed, Error> {
        match name.to_ascii_lowercase().as_str() {
            "current_timestamp" | "localtimestamp" => self.call_named("now", &[]),
            "current_date" | "current_time" => Err(Error::unsupported(name)
                .hint("Use date_trunc('day', now()), which gives the day's first moment.")),
            "current_schema" => Ok(Typed::known("'public'", Text)),
            _ => Ok(Typed::known(quoted(DATABASE), Text)),
        }
    }

    /// A call of the catalog's; none if it is another one.
    pub fn catalog_call(&mut self, call: &Call<'_>) -> Result<Option<Typed>, Error> {
        if is_word(&call.name) && call.args.is_empty() {
            return self.word(&call.name).map(Some);
        }
        match call.name.as_str() {
            "pg_postmaster_start_time" => return self.call_named("now", &[]).map(Some),
            "pg_table_is_visible" => return self.visible(&call.args).map(Some),
            "obj_description" | "col_description" => return self.description(&call.args).map(Some),
            "array_to_string" if call.args.first().is_some_and(|array| is_of_catalog(array)) => {
                return self.array_to_string(&call.args).map(Some);
            }
            "array_length" if call.args.first().is_some_and(|array| is_array(array)) => {
                self.expr(call.args[0])?;
                return Ok(Some(Typed::known("NULL", Int)));
            }
            "array_to_string" | "array_length" | "cardinality" => {
                return self.array_call(&call.name, &call.args);
            }
            "array" => return self.array(call).map(Some),
            // All arrays of the catalog are null.
            "unnest" | "generate_subscripts" if call.args.first().is_some_and(|array| is_array(array)) => {
                self.expr(call.args[0])?;
                return Ok(Some(Typed::known("NULL", Int)));
            }
            "current_setting" => return self.setting(&call.args).map(Some),
            _ => {}
        }
        let Some(fixed) = fixed(&call.name) else { return Ok(None) };
        for arg in &call.args {
            self.expr(arg)?;
        }
        Ok(Some(fixed))
    }

    /// The tables of information_schema are not found without their namespace.
    fn visible(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let oid = self.one(args)?;
        let (low, high) = crate::catalog::INFORMATION_OIDS;
        Ok(Typed::known(format!("({oid} NOT BETWEEN {low} AND {high})"), Bool))
    }

    fn one(&mut self, args: &[&Expr]) -> Result<String, Error> {
        let [arg] = args else {
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, "the function takes one argument"));
        };
        let typed = self.expr(arg)?;
        self.coerce(typed, Int)
    }

    /// The comment of a table or a column, from `pg_description`.
    fn description(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let Some(entry) = self.schema.find(Some("pg_catalog"), "pg_description") else {
            return Ok(Typed::known("NULL", Text));
        };
        self.reads.entry(entry.id()).or_insert((entry, Wanted::ALL)).1 = Wanted::ALL;
        let oid = match args.first() {
            Some(first) => self.one(&[first])?,
            None => return Err(Error::new(SqlState::UNDEFINED_FUNCTION, "the description of nothing")),
        };
        let column = match args.get(1) {
            Some(second) => {
                let typed = self.expr(second)?;
                if typed.known_type() == Some(Int) { typed.sql } else { "0".to_owned() }
            }
            None => "0".to_owned(),
        };
        let name = self.fresh();
        Ok(Typed::known(
            format!(
                "(SELECT {name}.\"description\" FROM \"{}\" AS {name} WHERE {name}.\"objoid\" = {oid} AND {name}.\"objsubid\" = {column})",
                entry.sqlite_name()
            ),
            Text,
        ))
    }

    /// The name that a table of the catalog has for a number.
    pub fn name_of(&mut self, table: &str, column: &str, oid: &str) -> String {
        let Some(entry) = self.schema.find(Some("pg_catalog"), table) else { return "NULL".to_owned() };
        self.reads.entry(entry.id()).or_insert((entry, Wanted::ALL)).1 = Wanted::ALL;
        let name = self.fresh();
        let source = entry.sqlite_name();
        format!("(SELECT {name}.\"{column}\" FROM \"{source}\" AS {name} WHERE {name}.\"oid\" = {oid})")
    }

    /// The number of the table that a text names; the first of several is one of the source's.
    pub fn relation_named(&mut self, text: &str) -> String {
        let Some(entry) = self.schema.find(Some("pg_catalog"), "pg_class") else { return "NULL".to_owned() };
        self.reads.entry(entry.id()).or_insert((entry, Wanted::ALL)).1 = Wanted::ALL;
        let (name, source) = (self.fresh(), entry.sqlite_name());
        let last = sqlite_name_of("split_part", &[Text, Text, Int]);
        let missing = sqlite_name_of(".no_relation", &[Text]);
        format!(
            "coalesce((SELECT {name}.\"oid\" FROM \"{source}\" AS {name} \
             WHERE {name}.\"relname\" = {last}({text}, '.', -1) LIMIT 1), {missing}({text}))"
        )
    }

    fn array_to_string(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let [array, separator] = args else {
            return Err(Error::unsupported("this form of array_to_string"));
        };
        if let Expr::Function(function) = array
            && function.name.to_string().eq_ignore_ascii_case("array")
            && let sqlparser::ast::FunctionArguments::Subquery(query) = &function.args
        {
            let body = self.query(query, true)?;
            let separator = self.expr(separator)?;
            let separator = self.coerce(separator, Text)?;
            let ty = body.columns.first().map_or(Text, |(_, ty)| ty.or_text());
            let text = self.shown_as_text(Typed::known("c1", ty))?;
            let sql = format!("(SELECT coalesce(group_concat({text}, {separator}), '') FROM ({}))", body.sql);
            return Ok(Typed::known(sql, Text));
        }
        // An array column of the catalog, or one with something added: all are null here.
        match array {
            Expr::BinaryOp { left, op: BinaryOperator::StringConcat, .. } if is_array(left) => {
                Ok(Typed::known("''", Text))
            }
            array if is_array(array) => {
                let typed = self.expr(array)?;
                Ok(Typed::known(self.shown_as_text(typed)?, Text))
            }
            _ => Err(Error::unsupported("an array as a value")),
        }
    }

    /// `ARRAY(SELECT …)` of plain names: the text that PostgreSQL shows.
    fn array(&mut self, call: &Call<'_>) -> Result<Typed, Error> {
        let Some(query) = call.subquery else { return Err(Error::unsupported("an array as a value")) };
        let body = self.query(query, true)?;
        let ty = body.columns.first().map_or(Text, |(_, ty)| ty.or_text());
        let text = self.shown_as_text(Typed::known("c1", ty))?;
        let element = sqlite_name_of(".element", &[Text]);
        let sql = format!(
            "(SELECT '{{' || coalesce(group_concat({element}({text}), ','), '') || '}}' FROM ({}))",
            body.sql
        );
        Ok(Typed::known(sql, Text))
    }

    /// `left = ANY (right)` where `right` is an array of the catalog.
    pub fn any_of_catalog(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<Typed, Error> {
        if let Expr::Function(function) = right
            && function.name.to_string().to_lowercase().ends_with("current_schemas")
        {
            let typed = self.expr(left)?;
            let text = self.coerce(typed, Text)?;
            let not = if negated { "NOT " } else { "" };
            return Ok(Typed::known(format!("({text} {not}IN ('pg_catalog', 'public'))"), Bool));
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let left = self.shown_as_text(left)?;
        let right = self.shown_as_text(right)?;
        let not = if negated { "NOT " } else { "" };
        let member = sqlite_name_of(".member", &[Text, Text]);
        Ok(Typed::known(format!("({not}{member}({left}, {right}))"), Bool))
    }

    fn setting(&mut self, args: &[&Expr]) -> Result<Typed, Error> {
        let name = match args.first() {
            Some(Expr::Value(value)) => value.value.clone().into_string(),
            _ => None,
        };
        let Some(name) = name else { return Err(Error::unsupported("this form of current_setting")) };
        match (crate::catalog::setting(&name), args.len()) {
            (Some(value), _) => Ok(Typed::known(quoted(&value), Type::Text)),
            (None, 2) => Ok(Typed::known("NULL", Type::Text)),
            (None, _) => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
            }
        }
    }
}

/// Functions whose answer is always the same here.
fn fixed(name: &str) -> Option<Typed> {
    Some(match name {
        "version" => Typed::known(quoted(VERSION), Text),
        "current_database" | "pg_get_userbyid" | "pg_get_role_name" => Typed::known(quoted(DATABASE), Text),
        "pg_backend_pid"
        | "pg_my_temp_schema"
        | "pg_relation_size"
        | "pg_total_relation_size"
        | "pg_table_size"
        | "pg_indexes_size"
        | "pg_database_size"
        | "txid_current" => Typed::known("0", Int),
        "pg_size_pretty" => Typed::known("'0 bytes'", Text),
        "pg_encoding_to_char" => Typed::known("'UTF8'", Text),
        "pg_is_in_recovery" | "pg_is_other_temp_schema" | "pg_relation_is_publishable" => {
            Typed::known("0", Bool)
        }
        "has_table_privilege"
        | "has_schema_privilege"
        | "has_database_privilege"
        | "has_column_privilege"
        | "has_any_column_privilege"
        | "has_function_privilege"
        | "has_tablespace_privilege"
        | "pg_has_role"
        | "pg_type_is_visible"
        | "pg_function_is_visible"
        | "pg_collation_is_visible"
        | "pg_operator_is_visible"
        | "pg_opclass_is_visible"
        | "pg_statistics_obj_is_visible" => Typed::known("1", Bool),
        "pg_get_expr"
        | "pg_get_constraintdef"
        | "pg_get_indexdef"
        | "pg_get_viewdef"
        | "pg_get_ruledef"
        | "pg_get_triggerdef"
        | "pg_get_partkeydef"
        | "pg_get_serial_sequence"
        | "pg_tablespace_location"
        | "pg_get_statisticsobjdef_columns"
        | "pg_get_function_sqlbody"
        | "pg_get_functiondef"
        | "shobj_description"
        | "inet_server_addr"
        | "inet_client_addr" => Typed::known("NULL", Text),
        "pg_conf_load_time" => Typed::known("NULL", Time),
        _ => return None,
    })
}

/// True of the arrays that clients turn into text: columns of the catalog, and `ARRAY(SELECT …)`.
fn is_of_catalog(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, .. } => is_array(left),
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("array"),
        other => is_array(other),
    }
}

/// True of `current_schemas(…)` and of columns that are arrays.
pub fn is_array_of_catalog(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return is_array(expr) };
    function.name.to_string().to_lowercase().ends_with("current_schemas")
}

fn is_array(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    name.is_some_and(|name| ARRAYS.contains(&name.value.to_lowercase().as_str()))
}

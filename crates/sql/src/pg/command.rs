//! The statements of a text. Queries are handed to the engine as they are; what a client says to a server besides is answered here.

use super::copy::Options;
use crate::error::{Error, SqlState};
use crate::plan::parse::{is_write, offset, read_only};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// A statement.
#[derive(Clone, Debug)]
pub enum Command {
    /// A query, by its text.
    Query(String),
    /// `COPY … TO STDOUT` of a query.
    Copy(String, Options),
    /// `SHOW name`.
    Show(String),
    /// `SET name = value`.
    Set(String, String),
    /// `RESET name`, of all if there is none. The tag is its name for the client: `DISCARD ALL` resets as well.
    Reset(Option<String>, &'static str),
    /// `DEALLOCATE name`, of all if there is none.
    Deallocate(Option<String>),
    /// `BEGIN` or `START TRANSACTION`, by its name for the client.
    Begin(&'static str),
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// Nothing to do; answered with its name.
    Nothing(&'static str),
}

/// Splits a text at its semicolons.
pub fn split(sql: &str, longest: usize) -> Result<Vec<Command>, Error> {
    if sql.len() > longest {
        return Err(Error::new(SqlState::TOO_COMPLEX, format!("the text is longer than {longest} bytes")));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().map_err(|e| {
        let error = Error::new(SqlState::SYNTAX, format!("syntax error: {}", e.message));
        match offset(sql, e.location.line, e.location.column) {
            Some(position) => error.at(position),
            None => error,
        }
    })?;
    let tokens: Vec<_> = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let parts = tokens.split(|token| token.token == Token::SemiColon);
    parts.filter(|part| !part.is_empty()).map(|part| command(sql, part)).collect()
}

/// The text from the first to the last of the tokens.
fn text_of(sql: &str, tokens: &[TokenWithSpan]) -> String {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return String::new() };
    let place = |line, column| offset(sql, line, column).map_or(0, |place| place - 1);
    let start = place(first.span.start.line, first.span.start.column);
    let end = place(last.span.end.line, last.span.end.column);
    sql.chars().skip(start).take(end.saturating_sub(start)).collect()
}

fn word(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        other => other.to_string(),
    }
}

fn command(sql: &str, tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let words: Vec<String> = tokens.iter().take(4).map(word).collect();
    let at = |i: usize| words.get(i).map_or("", String::as_str);
    Ok(match at(0) {
        "SELECT" | "WITH" | "VALUES" | "TABLE" | "(" => Command::Query(text_of(sql, tokens)),
        "SHOW" => Command::Show(rest(tokens, 1).join(" ")),
        "SET" => set(tokens)?,
        "RESET" => reset(tokens)?,
        "BEGIN" | "START" => begin(tokens)?,
        "COMMIT" | "END" => Command::Commit,
        "ROLLBACK" | "ABORT" if at(1) != "TO" => Command::Rollback,
        "DISCARD" if at(1) == "ALL" => Command::Reset(None, "DISCARD ALL"),
        "DISCARD" => Command::Nothing("DISCARD"),
        "DEALLOCATE" => deallocate(tokens)?,
        "UNLISTEN" => Command::Nothing("UNLISTEN"),
        "CLOSE" => Command::Nothing("CLOSE CURSOR"),
        "SAVEPOINT" => Command::Nothing("SAVEPOINT"),
        "RELEASE" => Command::Nothing("RELEASE"),
        "ROLLBACK" | "ABORT" => Command::Nothing("ROLLBACK"),
        "COPY" => copy(sql, tokens)?,
        name if is_write(name) => return Err(read_only(name)),
        name => {
            let shown: String = name.chars().take(30).collect();
            return Err(if name.chars().all(char::is_alphabetic) {
                Error::unsupported(shown).hint("SELECT, WITH, VALUES, TABLE, SHOW and COPY … TO STDOUT are.")
            } else {
                Error::new(SqlState::SYNTAX, format!("syntax error at or near \"{shown}\"")).at(1)
            });
        }
    })
}

/// The words from the given place on, unquoted.
fn rest(tokens: &[TokenWithSpan], from: usize) -> Vec<String> {
    let plain = |token: &TokenWithSpan| match &token.token {
        Token::SingleQuotedString(text) => text.clone(),
        Token::Word(word) => word.value.clone(),
        other => other.to_string(),
    };
    tokens.iter().skip(from).map(plain).collect()
}

/// `RESET name`, `RESET ALL`, `RESET TIME ZONE`.
fn reset(tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let words: Vec<String> = rest(tokens, 1).iter().map(|word| word.to_lowercase()).collect();
    let name = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["all"] => None,
        ["time", "zone"] => Some("timezone".to_owned()),
        [name] => Some((*name).to_owned()),
        _ => return Err(Error::new(SqlState::SYNTAX, "RESET needs a name, or ALL")),
    };
    Ok(Command::Reset(name, "RESET"))
}

/// `DEALLOCATE [PREPARE] name`, `DEALLOCATE ALL`.
fn deallocate(tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let mut names = tokens[1..].iter().filter(|token| word(token) != "PREPARE");
    match (names.next(), names.next()) {
        (Some(name), None) if word(name) == "ALL" => Ok(Command::Deallocate(None)),
        (Some(TokenWithSpan { token: Token::Word(name), .. }), None) => {
            let is_quoted = name.quote_style.is_some();
            let name = if is_quoted { name.value.clone() } else { name.value.to_lowercase() };
            Ok(Command::Deallocate(Some(name)))
        }
        _ => Err(Error::new(SqlState::SYNTAX, "DEALLOCATE needs a name, or ALL")),
    }
}

/// `BEGIN …`, `START TRANSACTION …`: any isolation is given; a transaction that writes is not.
fn begin(tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let words: Vec<String> = rest(tokens, 1).iter().map(|word| word.to_lowercase()).collect();
    if words.windows(2).any(|pair| pair == ["read", "write"]) {
        return Err(read_only("BEGIN READ WRITE"));
    }
    Ok(Command::Begin(if word(&tokens[0]) == "START" { "START TRANSACTION" } else { "BEGIN" }))
}

/// `SET [SESSION|LOCAL] name {TO|=} value`, `SET TIME ZONE value`, `SET TRANSACTION …`.
fn set(tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let mut words = rest(tokens, 1);
    if words.first().is_some_and(|w| matches!(w.to_uppercase().as_str(), "SESSION" | "LOCAL")) {
        words.remove(0);
    }
    let lower: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let (name, value) = match lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["transaction" | "characteristics", ..] => {
            if lower.windows(2).any(|pair| pair == ["read", "write"]) {
                return Err(read_only("SET TRANSACTION READ WRITE"));
            }
            return Ok(Command::Nothing("SET"));
        }
        ["time", "zone", ..] => ("timezone".to_owned(), words[2..].join(" ")),
        [name, "to" | "=", ..] => ((*name).to_owned(), words[2..].join(" ")),
        ["names", ..] => ("client_encoding".to_owned(), words[1..].join(" ")),
        _ => return Err(Error::new(SqlState::SYNTAX, "SET needs a name, = and a value")),
    };
    let wanted = value.to_lowercase();
    let fixed: &[&str] = match name.as_str() {
        "timezone" => &["utc", "etc/utc", "gmt", "default", "0", "local"],
        "client_encoding" => &["utf8", "utf-8", "unicode", "default"],
        "standard_conforming_strings" => &["on", "true", "1", "default"],
        "datestyle" => &["iso", "iso , mdy", "default", "iso, mdy"],
        "intervalstyle" => &["postgres", "default"],
        "default_transaction_read_only" | "transaction_read_only" => &["on", "true", "1", "default"],
        _ => return Ok(Command::Set(name, value)),
    };
    if fixed.contains(&wanted.as_str()) {
        return Ok(Command::Nothing("SET"));
    }
    Err(Error::unsupported(format!("SET {name} = {value}")).hint(format!("It is always {}.", fixed[0])))
}

/// `COPY (query) TO STDOUT [WITH] (options)` or `COPY table [(columns)] TO STDOUT …`.
fn copy(sql: &str, tokens: &[TokenWithSpan]) -> Result<Command, Error> {
    let bad =
        || Error::new(SqlState::SYNTAX, "COPY is written COPY (query) TO STDOUT or COPY table TO STDOUT");
    let mut depth = 0;
    let place = tokens.iter().position(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(word(token).as_str(), "TO" | "FROM")
    });
    let place = place.ok_or_else(bad)?;
    if word(&tokens[place]) == "FROM" {
        return Err(read_only("COPY FROM"));
    }
    if tokens.get(place + 1).map(word).as_deref() != Some("STDOUT") {
        return Err(Error::unsupported("COPY to a file or a program").hint("COPY … TO STDOUT is."));
    }
    let source = &tokens[1..place];
    let query = match source.first().map(|token| &token.token) {
        Some(Token::LParen) if source.len() > 2 => text_of(sql, &source[1..source.len() - 1]),
        Some(_) => match source.iter().position(|token| token.token == Token::LParen) {
            Some(list) if list + 2 < source.len() => {
                let columns = text_of(sql, &source[list + 1..source.len() - 1]);
                format!("SELECT {columns} FROM {}", text_of(sql, &source[..list]))
            }
            _ => format!("TABLE {}", text_of(sql, source)),
        },
        None => return Err(bad()),
    };
    let options: Vec<TokenWithSpan> = tokens[place + 2..]
        .iter()
        .filter(|token| !matches!(token.token, Token::LParen | Token::RParen | Token::Comma))
        .cloned()
        .collect();
    Ok(Command::Copy(query, Options::read(&rest(&options, 0))?))
}

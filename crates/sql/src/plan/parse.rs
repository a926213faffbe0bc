//! The text's syntax tree, within bounds.

use crate::error::{Error, SqlState};
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// Operators of one statement. The parser makes a chain of them a tree as deep as the chain is long.
const OPERATORS_MAX: usize = 1_000;
/// Nested parentheses and queries.
const NESTING_MAX: usize = 50;

/// The statements of a text.
pub fn parse(sql: &str, longest: usize) -> Result<Vec<Statement>, Error> {
    if sql.len() > longest {
        return Err(Error::new(SqlState::TOO_COMPLEX, format!("the text is longer than {longest} bytes")));
    }
    if sql.contains('\0') {
        return Err(Error::new(SqlState::SYNTAX, "the text holds a zero byte"));
    }
    let dialect = PostgreSqlDialect {};
    let mut tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| {
        let error = Error::new(SqlState::SYNTAX, format!("syntax error: {}", e.message));
        match offset(sql, e.location.line, e.location.column) {
            Some(position) => error.at(position),
            None => error,
        }
    })?;
    if tokens.iter().filter(|token| is_operator(&token.token)).count() > OPERATORS_MAX {
        let message = format!("the statement has more than {OPERATORS_MAX} operators");
        return Err(Error::new(SqlState::TOO_COMPLEX, message));
    }
    if let Some(refused) = refused_write(&tokens) {
        return Err(refused);
    }
    forget_foreign_keywords(&mut tokens);
    // The parser knows TABLE only inside of other statements.
    if let Some((word, rest)) = sql.trim_start().split_at_checked(5)
        && word.eq_ignore_ascii_case("table")
        && rest.starts_with(char::is_whitespace)
    {
        return parse(&format!("SELECT * FROM{rest}"), longest.saturating_add(20));
    }
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let statements = parser.parse_statements().map_err(|e| failure(sql, e))?;
    // The parser stops at END, and what follows would be ignored in silence.
    match parser.peek_token().token {
        Token::EOF => Ok(statements),
        rest => Err(Error::new(SqlState::SYNTAX, format!("syntax error at or near \"{rest}\""))),
    }
}

/// Words that mean something in the parser's other dialects are plain names in PostgreSQL: a column may be called `top`.
fn forget_foreign_keywords(tokens: &mut [TokenWithSpan]) {
    const FOREIGN: [Keyword; 16] = [
        Keyword::ANTI,
        Keyword::ASOF,
        Keyword::CONNECT,
        Keyword::DISTRIBUTE,
        Keyword::DIV,
        Keyword::MATCH_RECOGNIZE,
        Keyword::MINUS,
        Keyword::PIVOT,
        Keyword::PREWHERE,
        Keyword::QUALIFY,
        Keyword::SAMPLE,
        Keyword::SEMI,
        Keyword::SETTINGS,
        Keyword::SORT,
        Keyword::TOP,
        Keyword::UNPIVOT,
    ];
    for token in tokens {
        if let Token::Word(word) = &mut token.token
            && FOREIGN.contains(&word.keyword)
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Statements that change something are refused even where the parser does not know their syntax.
fn refused_write(tokens: &[TokenWithSpan]) -> Option<Error> {
    let first = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)))?;
    let Token::Word(word) = &first.token else { return None };
    let name = word.value.to_uppercase();
    is_write(&name).then(|| read_only(&name))
}

/// True if a statement that begins with that word, in capitals, would change something.
pub fn is_write(word: &str) -> bool {
    const WRITES: [&str; 17] = [
        "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "GRANT", "REVOKE",
        "VACUUM", "REINDEX", "CLUSTER", "COMMENT", "REFRESH", "REPLACE", "IMPORT",
    ];
    WRITES.contains(&word)
}

/// The error for a statement that would change something.
pub fn read_only(what: &str) -> Error {
    Error::new(SqlState::READ_ONLY, format!("cannot execute {what} in a read-only transaction"))
        .hint("All tables are read-only views of a running program.")
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::BETWEEN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::NOTNULL
                | Keyword::OPERATOR
                | Keyword::OVERLAPS
        ),
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_)
        | Token::Comma
        | Token::Period
        | Token::SemiColon
        | Token::LParen
        | Token::RParen
        | Token::RBracket
        | Token::EOF => false,
        _ => true,
    }
}

fn failure(sql: &str, error: ParserError) -> Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Error::new(SqlState::TOO_COMPLEX, "the statement is nested too deep");
        }
    };
    let place = message.rfind(" at Line: ").and_then(|at| {
        let (line, column) = message[at + 10..].split_once(", Column: ")?;
        offset(sql, line.parse().ok()?, column.trim().parse().ok()?)
    });
    let text = message.split(" at Line: ").next().unwrap_or(&message);
    let error = Error::new(SqlState::SYNTAX, format!("syntax error: {text}"));
    match place {
        Some(position) => error.at(position),
        None => error,
    }
}

/// The number of a character, from 1, by its line and column, which count from 1 too.
pub fn offset(sql: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let before: usize = sql.split('\n').take(line).map(|line| line.chars().count() + 1).sum();
    Some(before + usize::try_from(column).ok()?)
}

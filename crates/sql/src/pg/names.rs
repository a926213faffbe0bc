//! The names of a connection's prepared statements and portals: bounded, and each given once, as in PostgreSQL.

use crate::error::{Error, SqlState};
use std::collections::BTreeSet;

/// Prepared statements of one connection (our guess: drivers keep a hundred).
const STATEMENTS_MAX: usize = 256;
/// Portals of one connection: each may hold an answer.
const PORTALS_MAX: usize = 16;

/// The names in use. The unnamed statement and the unnamed portal are made anew each time.
#[derive(Debug, Default)]
pub struct Names {
    statements: BTreeSet<String>,
    portals: BTreeSet<String>,
}

impl Names {
    /// A statement gets a name.
    pub fn add_statement(&mut self, name: Option<&str>) -> Result<(), Error> {
        let Some(name) = name else { return Ok(()) };
        if self.statements.contains(name) {
            return Err(Error::new(
                SqlState("42P05"),
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        add(&mut self.statements, name, STATEMENTS_MAX, "prepared statements")
    }

    /// A portal gets a name.
    pub fn add_portal(&mut self, name: Option<&str>) -> Result<(), Error> {
        let Some(name) = name else { return Ok(()) };
        if self.portals.contains(name) {
            return Err(Error::new(SqlState("42P03"), format!("cursor \"{name}\" already exists")));
        }
        add(&mut self.portals, name, PORTALS_MAX, "portals")
    }

    /// A statement is closed.
    pub fn remove_statement(&mut self, name: Option<&str>) {
        self.statements.remove(name.unwrap_or_default());
    }

    /// A portal is closed.
    pub fn remove_portal(&mut self, name: Option<&str>) {
        self.portals.remove(name.unwrap_or_default());
    }

    /// All portals are closed.
    pub fn remove_portals(&mut self) {
        self.portals.clear();
    }

    /// `DEALLOCATE`: returns the statements that are closed, that of the name or all.
    pub fn deallocate(&mut self, name: Option<&str>) -> Result<Vec<String>, Error> {
        match name {
            None => Ok(std::mem::take(&mut self.statements).into_iter().collect()),
            Some(name) if self.statements.remove(name) => Ok(vec![name.to_owned()]),
            Some(name) => {
                let message = format!("prepared statement \"{name}\" does not exist");
                Err(Error::new(SqlState("26000"), message))
            }
        }
    }
}

fn add(names: &mut BTreeSet<String>, name: &str, most: usize, what: &str) -> Result<(), Error> {
    if names.len() >= most {
        let error = Error::new(SqlState::LIMIT_EXCEEDED, format!("a connection has at most {most} {what}"));
        return Err(error.hint("Close those that are not needed any more."));
    }
    names.insert(name.to_owned());
    Ok(())
}

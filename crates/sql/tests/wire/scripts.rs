//! Messages as a client sends them, and what PostgreSQL answers.

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use std::io::Result;

/// Messages that a client sends in one flight, how often the server says that it is ready, and its answers: `T D 1 C SELECT 1 Z I`.
pub struct Script {
    pub name: &'static str,
    pub write: fn(&mut BytesMut) -> Result<()>,
    pub ready: usize,
    pub answers: &'static str,
}

fn parse(name: &str, sql: &str, out: &mut BytesMut) -> Result<()> {
    frontend::parse(name, sql, [], out)
}

/// Binds texts.
fn bind(portal: &str, statement: &str, values: &[&str], out: &mut BytesMut) -> Result<()> {
    let value = |text: &&str, out: &mut BytesMut| {
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    };
    frontend::bind(portal, statement, [], values, value, [], out).map_err(|_| std::io::Error::other("bind"))
}

fn sync(out: &mut BytesMut) -> Result<()> {
    frontend::sync(out);
    Ok(())
}

fn query(sql: &str, out: &mut BytesMut) -> Result<()> {
    frontend::query(sql, out)
}

pub const SCRIPTS: &[Script] = &[
    Script {
        name: "a query without a statement",
        write: |out| {
            query("", out)?;
            query(" ; ;", out)?;
            query("-- nothing", out)
        },
        ready: 3,
        answers: "I, Z I, I, Z I, I, Z I",
    },
    Script {
        name: "several statements in one query",
        write: |out| query("SELECT 1; SELECT 'a', NULL; SELECT 2", out),
        ready: 1,
        answers: "T, D 1, C SELECT 1, T, D a|-, C SELECT 1, T, D 2, C SELECT 1, Z I",
    },
    Script {
        name: "what follows an error in one query is not run",
        write: |out| query("SELECT 1; SELECT 1/0; SELECT 2", out),
        ready: 1,
        answers: "T, D 1, C SELECT 1, E 22012, Z I",
    },
    Script {
        name: "a transaction with an error takes nothing but its end",
        write: |out| {
            query("BEGIN READ ONLY", out)?;
            query("SELECT nix", out)?;
            query("SELECT 1", out)?;
            query("COMMIT", out)?;
            query("SELECT 1", out)
        },
        ready: 5,
        answers: "C BEGIN, Z T, E 42703, Z E, E 25P02, Z E, C ROLLBACK, Z I, T, D 1, C SELECT 1, Z I",
    },
    Script {
        name: "a transaction ends in either way",
        write: |out| {
            query("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", out)?;
            query("END", out)?;
            query("BEGIN", out)?;
            query("ROLLBACK", out)
        },
        ready: 4,
        answers: "C START TRANSACTION, Z T, C COMMIT, Z I, C BEGIN, Z T, C ROLLBACK, Z I",
    },
    Script {
        name: "an unnamed statement",
        write: |out| {
            parse("", "SELECT $1::text || 'x'", out)?;
            frontend::describe(b'S', "", out)?;
            bind("", "", &["y"], out)?;
            frontend::describe(b'P', "", out)?;
            frontend::execute("", 0, out)?;
            sync(out)
        },
        ready: 1,
        answers: "1, t, T, 2, T, D yx, C SELECT 1, Z I",
    },
    Script {
        name: "what follows an error is skipped until Sync",
        write: |out| {
            parse("", "SELECT 1 / (x - x) FROM (VALUES (1), (2)) AS v (x)", out)?;
            bind("", "", &[], out)?;
            frontend::execute("", 0, out)?;
            parse("", "SELECT 1", out)?;
            bind("", "", &[], out)?;
            frontend::execute("", 0, out)?;
            sync(out)?;
            parse("", "SELECT 2", out)?;
            bind("", "", &[], out)?;
            frontend::execute("", 0, out)?;
            sync(out)
        },
        ready: 2,
        answers: "1, 2, E 22012, Z I, 1, 2, D 2, C SELECT 1, Z I",
    },
    Script {
        name: "a portal with a limit of rows is suspended and goes on",
        write: |out| {
            query("BEGIN", out)?;
            parse("s", "SELECT x FROM (VALUES (1), (2), (3)) AS v (x) ORDER BY x", out)?;
            bind("p", "s", &[], out)?;
            frontend::execute("p", 2, out)?;
            sync(out)?;
            frontend::execute("p", 2, out)?;
            frontend::execute("p", 2, out)?;
            frontend::close(b'P', "p", out)?;
            frontend::close(b'S', "s", out)?;
            sync(out)?;
            query("COMMIT", out)
        },
        ready: 4,
        answers: "C BEGIN, Z T, 1, 2, D 1, D 2, s, Z T, D 3, C SELECT 1, C SELECT 0, 3, 3, Z T, C COMMIT, Z I",
    },
    Script {
        name: "a portal ends with its transaction",
        write: |out| {
            parse("s", "SELECT x FROM (VALUES (1), (2)) AS v (x) ORDER BY x", out)?;
            bind("p", "s", &[], out)?;
            frontend::execute("p", 1, out)?;
            sync(out)?;
            frontend::execute("p", 1, out)?;
            sync(out)?;
            frontend::close(b'S', "s", out)?;
            sync(out)
        },
        ready: 3,
        answers: "1, 2, D 1, s, Z I, E 34000, Z I, 3, Z I",
    },
    Script {
        name: "limits of rows beyond any answer",
        write: |out| {
            for limit in [i32::MAX, -1, i32::MIN] {
                parse("", "SELECT 1", out)?;
                bind("", "", &[], out)?;
                frontend::execute("", limit, out)?;
            }
            sync(out)
        },
        ready: 1,
        answers: "1, 2, D 1, C SELECT 1, 1, 2, D 1, C SELECT 1, 1, 2, D 1, C SELECT 1, Z I",
    },
    Script {
        name: "names that stand for nothing",
        write: |out| {
            frontend::describe(b'S', "nix", out)?;
            sync(out)?;
            frontend::describe(b'P', "nix", out)?;
            sync(out)?;
            bind("", "nix", &[], out)?;
            sync(out)?;
            frontend::execute("nix", 0, out)?;
            sync(out)?;
            frontend::close(b'S', "nix", out)?;
            sync(out)
        },
        ready: 5,
        answers: "E 26000, Z I, E 34000, Z I, E 26000, Z I, E 34000, Z I, 3, Z I",
    },
    Script {
        name: "a name that is taken",
        write: |out| {
            parse("s", "SELECT 1", out)?;
            parse("s", "SELECT 2", out)?;
            sync(out)?;
            frontend::close(b'S', "s", out)?;
            parse("s", "SELECT 2", out)?;
            frontend::close(b'S', "s", out)?;
            sync(out)
        },
        ready: 2,
        answers: "1, E 42P05, Z I, 3, 1, 3, Z I",
    },
    Script {
        name: "more parameters than the statement has, and fewer",
        write: |out| {
            parse("", "SELECT 1", out)?;
            bind("", "", &vec!["1"; 32_767], out)?;
            sync(out)?;
            parse("", "SELECT $1::text", out)?;
            bind("", "", &[], out)?;
            sync(out)
        },
        ready: 2,
        answers: "1, E 08P01, Z I, 1, E 08P01, Z I",
    },
    Script {
        name: "an empty statement",
        write: |out| {
            parse("", "", out)?;
            frontend::describe(b'S', "", out)?;
            bind("", "", &[], out)?;
            frontend::describe(b'P', "", out)?;
            frontend::execute("", 0, out)?;
            sync(out)
        },
        ready: 1,
        answers: "1, t, n, 2, n, I, Z I",
    },
    Script {
        name: "two statements cannot be prepared as one",
        write: |out| {
            parse("", "SELECT 1; SELECT 2", out)?;
            sync(out)
        },
        ready: 1,
        answers: "E 42601, Z I",
    },
    Script {
        name: "settings are set, shown and reset",
        write: |out| {
            query("SET statement_timeout = '1500ms'; SHOW statement_timeout", out)?;
            query("SET application_name TO 'me'; SHOW application_name", out)?;
            query("RESET application_name", out)?;
            query("SHOW nix", out)?;
            query("RESET ALL", out)?;
            query("DISCARD ALL", out)
        },
        ready: 6,
        answers: "C SET, T, D 1500ms, C SHOW, Z I, C SET, T, D me, C SHOW, Z I, C RESET, Z I, E 42704, Z I, C RESET, Z I, C DISCARD ALL, Z I",
    },
    Script {
        name: "prepared statements are deallocated",
        write: |out| {
            parse("s", "SELECT 1", out)?;
            sync(out)?;
            query("DEALLOCATE s", out)?;
            query("DEALLOCATE s", out)?;
            query("DEALLOCATE ALL", out)
        },
        ready: 4,
        answers: "1, Z I, C DEALLOCATE, Z I, E 26000, Z I, C DEALLOCATE ALL, Z I",
    },
    Script {
        name: "rows are copied out",
        write: |out| {
            query("COPY (SELECT 1, NULL) TO STDOUT", out)?;
            query("SELECT 1", out)
        },
        ready: 2,
        answers: "H, d, c, C COPY 1, Z I, T, D 1, C SELECT 1, Z I",
    },
    Script {
        name: "what belongs to a copy is ignored outside of one",
        write: |out| {
            frontend::copy_done(out);
            frontend::copy_fail("nothing", out)?;
            query("SELECT 1", out)
        },
        ready: 1,
        answers: "T, D 1, C SELECT 1, Z I",
    },
];

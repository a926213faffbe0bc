//! Tools that a test may lack, and how it says so.
//!
//! A test that is not run must not look like one that passed. [`needs!`](crate::needs) prints `SKIPPED name: needs tool (reason)` and, where the
//! environment names a file in `RUMORMILL_SKIPS`, appends `name<TAB>tool<TAB>reason` to it: `cargo xtask test` lists them at the end. Where
//! `RUMORMILL_REQUIRE` lists the tool (`a,b,c`), the test panics instead: on a machine that was set up to have it, its lack is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The file that skips are appended to.
pub const SKIPS_ENV: &str = "RUMORMILL_SKIPS";
/// The tools whose lack is a failure, separated by commas.
pub const REQUIRE_ENV: &str = "RUMORMILL_REQUIRE";

/// Returns from the calling test, and records that it was skipped, unless this machine has all the tools named.
///
/// A tool is the name of a program on the `PATH`; or `root`: user 0, with the right to make network namespaces; or `serfclient`: a `python3` on the
/// `PATH` that can import it; or `pgclients`: PostgreSQL's drivers in `target/pgclients`. A tool from PyPI, such as `schemathesis`, is a program of an environment (venv) whose `bin` is on the `PATH`.
#[macro_export]
macro_rules! needs {
    ($($tool:expr),+ $(,)?) => {{
        fn here() {}
        $(
            if !$crate::tools::granted(&$crate::tools::test_name(::std::any::type_name_of_val(&here)), $tool) {
                return ::std::default::Default::default();
            }
        )+
    }};
}

/// The test's name from the name of a function inside it: what [`needs!`](crate::needs) hands to [`granted`].
pub fn test_name(inside: &str) -> String {
    inside.trim_end_matches("::here").replace("::{{closure}}", "")
}

/// Whether this machine has `tool`; if not, the skip of `test` is recorded.
///
/// # Panics
/// If `RUMORMILL_REQUIRE` lists `tool` and it is missing.
pub fn granted(test: &str, tool: &str) -> bool {
    let Err(reason) = find(tool) else { return true };
    let required = std::env::var(REQUIRE_ENV).unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == tool),
        "{test} needs {tool}, which {REQUIRE_ENV} demands: {reason}"
    );
    eprintln!("SKIPPED {test}: needs {tool} ({reason})");
    if let Some(file) = std::env::var_os(SKIPS_ENV) {
        record(Path::new(&file), test, tool, &reason);
    }
    false
}

/// One `write` of one line: whole even where several tests append at once.
fn record(file: &Path, test: &str, tool: &str, reason: &str) {
    let line = format!("{test}\t{tool}\t{}\n", reason.replace(['\t', '\n'], " "));
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap_or_else(|e| {
            panic!("{SKIPS_ENV} names {}, which cannot be appended to: {e}", file.display())
        });
    file.write_all(line.as_bytes()).expect("a skip could not be recorded");
}

/// Whether this machine has `tool`, and why not.
pub fn find(tool: &str) -> Result<(), String> {
    match tool {
        "root" => ROOT.get_or_init(root).clone(),
        "serfclient" => SERFCLIENT.get_or_init(serfclient).clone(),
        "pgclients" => PGCLIENTS.get_or_init(pgclients).clone(),
        program => which(program).map(drop).ok_or_else(|| format!("no {program} on the PATH")),
    }
}

static ROOT: OnceLock<Result<(), String>> = OnceLock::new();
static SERFCLIENT: OnceLock<Result<(), String>> = OnceLock::new();
static PGCLIENTS: OnceLock<Result<(), String>> = OnceLock::new();

/// The Python of the environment that `.ci/run` makes for PostgreSQL's drivers. It is not the first on the `PATH`, which is serfclient's.
pub fn pgclients_python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pgclients/bin/python3")
}

fn pgclients() -> Result<(), String> {
    let python = pgclients_python();
    let imports = Command::new(&python)
        .args(["-c", "import psycopg2, psycopg, asyncpg, sqlalchemy, pg8000"])
        .stderr(Stdio::null())
        .status();
    match imports {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "{} cannot import psycopg2, psycopg, asyncpg, sqlalchemy and pg8000",
            python.display()
        )),
    }
}

fn serfclient() -> Result<(), String> {
    let imports = Command::new("python3").args(["-c", "import serfclient"]).stderr(Stdio::null()).status();
    match imports {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            Err("python3 cannot import serfclient: install it with pip into a venv, and put that on the PATH"
                .into())
        }
        Err(e) => Err(format!("cannot run python3: {e}")),
    }
}

fn root() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("not user 0".into());
    }
    match Command::new("unshare").args(["--net", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status()
    {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("user 0, but not allowed to make a network namespace".into()),
        Err(e) => Err(format!("cannot run unshare: {e}")),
    }
}

/// Where `program` lies: on the `PATH`, or in the directories for administrators that a user's `PATH` often lacks.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_knows_its_own_name() {
        fn here() {}
        let name = test_name(std::any::type_name_of_val(&here));
        assert_eq!(name, "rumormill_testkit::tools::tests::a_test_knows_its_own_name");
    }

    #[test]
    fn a_missing_tool_is_recorded_by_name() {
        let file = std::env::temp_dir().join(format!("rumormill-skips-{}", std::process::id()));
        record(&file, "a::b", "root", "no\tsuch\nluck");
        record(&file, "a::c", "serf", "none");
        let found = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(found, "a::b\troot\tno such luck\na::c\tserf\tnone\n");
    }

    #[test]
    fn programs_are_looked_for_on_the_path() {
        assert!(find("sh").is_ok());
        assert!(find("no-such-program-anywhere").unwrap_err().contains("no-such-program-anywhere"));
    }
}

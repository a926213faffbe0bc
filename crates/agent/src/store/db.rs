//! The SQLite file: its schema, how it is opened, repaired, read and written.

use super::failed::from_sqlite;
use super::record::{KnownMember, MEMBERS_MAX};
use crate::identity::SEED_BYTES;
use rumormill_cluster::data_dir::error::{DATABASE as NAME, StoreError};
use rumormill_cluster::data_dir::sidecar::{Identity, NAME as SECOND_COPY, aside};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version of the schema that this program writes.
pub const VERSION: u32 = 2;

/// From nothing to version 1.
const SCHEMA: &str = "
    CREATE TABLE identity (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seed BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        rekeys INTEGER NOT NULL,
        copied_from INTEGER
    ) STRICT;
    CREATE TABLE members (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        contact BLOB NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// From version `i` to the next.
const UPGRADES: [&str; VERSION as usize] = [SCHEMA, crate::features::events::store::SCHEMA];

/// How a connection behaves. Little memory: 64 KiB of pages, and no memory map.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA cache_size = -64;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 64;
    PRAGMA journal_size_limit = 262144;
    PRAGMA synchronous = NORMAL;
";

pub(super) struct Opened {
    pub db: Connection,
    pub identity: Option<Identity>,
}

enum Refusal {
    Newer(u32),
    Damaged(String),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(e: rusqlite::Error) -> Refusal {
        match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Refusal::Damaged(e.to_string()),
            _ => Refusal::Failed(e),
        }
    }
}

/// Opens the database, makes it if it is missing. A damaged one is moved aside if `may_replace`, as the identity is known from elsewhere.
pub(super) fn open(dir: &Path, may_replace: bool, repairs: &mut Vec<String>) -> Result<Opened, StoreError> {
    let path = dir.join(NAME);
    match open_checked(&path) {
        Ok((db, identity)) => Ok(Opened { db, identity }),
        Err(Refusal::Newer(found)) => Err(StoreError::Newer { dir: dir.into(), found, known: VERSION }),
        Err(Refusal::Failed(e)) => Err(from_sqlite(dir, "open the database", e)),
        Err(Refusal::Damaged(why)) if !may_replace => {
            let detail = format!("{NAME} is damaged: {why}, and there is no sound {}", SECOND_COPY);
            Err(StoreError::IdentityLost { dir: dir.into(), detail })
        }
        Err(Refusal::Damaged(why)) => {
            let aside = set_aside(&path)
                .map_err(|e| StoreError::from_io(dir, "move the damaged database aside", e))?;
            repairs.push(format!("{NAME} is damaged ({why}); moved to {}", aside.display()));
            match open_checked(&path) {
                Ok((db, identity)) => Ok(Opened { db, identity }),
                Err(Refusal::Failed(e)) => Err(from_sqlite(dir, "make a new database", e)),
                Err(Refusal::Newer(_) | Refusal::Damaged(_)) => Err(StoreError::Other {
                    what: "make a new database",
                    dir: dir.into(),
                    detail: "what was just written reads differently".into(),
                }),
            }
        }
    }
}

fn open_checked(path: &Path) -> Result<(Connection, Option<Identity>), Refusal> {
    // The file must be there with its mode before SQLite opens it; its log takes the same mode.
    let created = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    if let Err(e) = created {
        let text = Some(format!("{}: {e}", path.display()));
        let code = match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => rusqlite::ffi::SQLITE_FULL,
            _ => rusqlite::ffi::SQLITE_CANTOPEN,
        };
        return Err(Refusal::Failed(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), text)));
    }
    if let Some(version) = version_in_header(path).filter(|version| *version > VERSION) {
        return Err(Refusal::Newer(version));
    }
    let mut db = Connection::open(path)?;
    // One process alone has it: the index of its log is kept in memory and needs no file.
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    // Until its version is known, nothing may change, not even by closing it again.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Refusal::Newer(version));
    }
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Refusal::Damaged(verdict));
    }
    db.execute_batch(PRAGMAS)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    for upgrade in &UPGRADES[version as usize..] {
        let change = db.transaction()?;
        change.execute_batch(upgrade)?;
        change.commit()?;
    }
    let identity = read_identity(&db)?;
    Ok((db, identity))
}

/// The version that the file's header gives (SQLite's file format, section 1.3: magic at 0, user version at 60), read without SQLite, which
/// would leave a log beside it. What the log holds beyond it is seen when the file is opened.
fn version_in_header(path: &Path) -> Option<u32> {
    use std::io::Read;
    let mut header = [0; 64];
    std::fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
    let (_, version) = header.split_last_chunk::<4>()?;
    header.starts_with(b"SQLite format 3\0").then_some(u32::from_be_bytes(*version))
}

fn read_identity(db: &Connection) -> Result<Option<Identity>, Refusal> {
    let row = db
        .query_row("SELECT seed, epoch, rekeys, copied_from FROM identity", [], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, Option<i64>>(3)?,
            ))
        })
        .optional();
    let (seed, epoch, rekeys, copied_from) = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(None),
        Err(e @ rusqlite::Error::SqliteFailure(..)) if e.sqlite_error_code() != Some(ErrorCode::Unknown) => {
            return Err(e.into());
        }
        Err(e) => return Err(Refusal::Damaged(format!("it has no readable identity: {e}"))),
    };
    let whole = <[u8; SEED_BYTES]>::try_from(seed)
        .ok()
        .zip(u64::try_from(epoch).ok())
        .zip(u64::try_from(rekeys).ok());
    let ((seed, epoch), rekeys) =
        whole.ok_or_else(|| Refusal::Damaged("its identity has the wrong size".into()))?;
    Ok(Some(Identity { seed, epoch, rekeys, copied_from: copied_from.map(|id| NodeId(id as u64)) }))
}

/// Writes the identity and waits until it is on disk.
pub(super) fn write_identity(db: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA synchronous = FULL")?;
    let written = db.execute(
        "INSERT OR REPLACE INTO identity (one, seed, epoch, rekeys, copied_from) VALUES (1, ?1, ?2, ?3, ?4)",
        params![
            identity.seed,
            identity.epoch as i64,
            identity.rekeys as i64,
            identity.copied_from.map(|id| id.0 as i64)
        ],
    );
    db.execute_batch("PRAGMA synchronous = NORMAL")?;
    written.map(|_| ())
}

/// All members, the most recently seen first.
pub(super) fn members(db: &Connection) -> rusqlite::Result<Vec<KnownMember>> {
    let mut query =
        db.prepare("SELECT id, name, contact, seen_ms FROM members ORDER BY seen_ms DESC, id LIMIT ?1")?;
    let rows = query.query_map([MEMBERS_MAX as i64], |row| {
        Ok(KnownMember {
            id: NodeId(row.get::<_, i64>(0)? as u64),
            name: row.get(1)?,
            contact: row.get(2)?,
            seen: Wall(row.get::<_, i64>(3)? as u64),
        })
    })?;
    rows.collect()
}

/// Adds or replaces members, and drops those not seen for longest beyond [`MEMBERS_MAX`].
pub(super) fn save_members(db: &mut Connection, members: &[KnownMember]) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    {
        let mut insert = change
            .prepare("INSERT OR REPLACE INTO members (id, name, contact, seen_ms) VALUES (?1, ?2, ?3, ?4)")?;
        for member in members {
            insert.execute(params![member.id.0 as i64, member.name, member.contact, member.seen.0 as i64])?;
        }
        change.execute(
            "DELETE FROM members WHERE id IN (SELECT id FROM members ORDER BY seen_ms DESC, id LIMIT -1 OFFSET ?1)",
            [MEMBERS_MAX as i64],
        )?;
    }
    change.commit()
}

/// Drops members.
pub(super) fn forget_members(db: &mut Connection, ids: &[NodeId]) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    {
        let mut delete = change.prepare("DELETE FROM members WHERE id = ?1")?;
        for id in ids {
            delete.execute([id.0 as i64])?;
        }
    }
    change.commit()
}

/// The value under a name.
pub(super) fn get(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional()
}

/// Puts a value under a name.
pub(super) fn put(db: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)", params![name, value])
        .map(|_| ())
}

/// Removes the value under a name, if there is one.
pub(super) fn remove(db: &Connection, name: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM settings WHERE name = ?1", [name]).map(|_| ())
}

/// Moves the database and its log out of the way.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let to = aside(path);
    std::fs::rename(path, &to)?;
    for suffix in ["-wal", "-shm"] {
        let with = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match std::fs::rename(with(path), with(&to)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(to)
}

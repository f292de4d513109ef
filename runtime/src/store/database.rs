//! The database: which blobs are whole, which key gave which outputs, what was used when.
//!
//! One SQLite file in write-ahead mode that several processes use at once. It knows digests
//! and names, never a path: that a named blob's file is really there is checked elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::rows::{
    Key, Size, delete_realisation, facts, insert_blobs, insert_derivation, insert_realisation, outputs,
};
use super::{Object, Realisation};
use crate::failure::{Failure, Result};

/// The schema this version writes; a store of a greater one is refused.
const SCHEMA: i64 = 1;

const TABLES: &str = "
    CREATE TABLE blobs (digest BLOB PRIMARY KEY, size INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE realisations (key BLOB PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE outputs (
        key BLOB NOT NULL, name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('file', 'executable', 'tree')),
        digest BLOB NOT NULL, size INTEGER NOT NULL,
        PRIMARY KEY (key, name)) WITHOUT ROWID;
    CREATE TABLE facts (
        key BLOB NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (key, name)) WITHOUT ROWID;
    CREATE TABLE derivations (id BLOB PRIMARY KEY, key BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE ready (tree BLOB PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;
";

/// How long a statement waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(60);

/// A use is written down again only when the last one noted is older than this many seconds.
const USE_GRAIN: i64 = 3600;

/// What was used since the last time uses were written, by table.
#[derive(Default)]
struct Uses {
    blobs: BTreeSet<Digest>,
    keys: BTreeSet<Digest>,
    ids: BTreeSet<Digest>,
    ready: BTreeSet<Digest>,
}

pub(super) struct Database {
    connection: Mutex<Connection>,
    uses: Mutex<Uses>,
    path: PathBuf,
}

/// Seconds since 1970 by the machine's clock; only ages are computed from it.
pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

impl Database {
    /// Opens the database, making its tables if `first` (held by one process at a time) says it may.
    pub(super) fn open(path: &Path, first: impl FnOnce() -> Result<super::KeyLock>) -> Result<Database> {
        let wrong = |error| failure("open", path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags).map_err(wrong)?;
        connection.busy_timeout(PATIENCE).map_err(wrong)?;
        if schema_of(&connection).map_err(wrong)? == 0 {
            let _lock = first()?;
            create(&mut connection).map_err(wrong)?;
        }
        let schema = schema_of(&connection).map_err(wrong)?;
        if schema > SCHEMA {
            let message = format!("the store at `{}` was made by a newer rbld", parent(path).display());
            return Err(Failure::world(message)
                .fact(format!("its schema is {schema}, this rbld knows {SCHEMA}"))
                .help("use that rbld, or set RBLD_STORE to another folder"));
        }
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(wrong)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Database { connection: Mutex::new(connection), uses: Mutex::default(), path: path.to_owned() })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(super) fn read<R>(&self, what: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R> {
        what(&self.connection()).map_err(|error| failure("read", &self.path, &error))
    }

    /// Writes in one transaction.
    pub(super) fn write<R>(&self, what: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>) -> Result<R> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = what(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| failure("write", &self.path, &error))
    }

    /// The size of a blob that a committed record names.
    pub(super) fn blob(&self, digest: Digest) -> Result<Option<u64>> {
        let row = self.read(|connection| {
            connection
                .prepare_cached("SELECT size, used FROM blobs WHERE digest = ?1")?
                .query_row([Key(digest)], |row| Ok((row.get::<_, Size>(0)?.0, row.get::<_, i64>(1)?)))
                .optional()
        })?;
        Ok(row.map(|(size, used)| {
            if used + USE_GRAIN < now() {
                self.uses().blobs.insert(digest);
            }
            size
        }))
    }

    /// Names a blob that was hashed.
    pub(super) fn add_blob(&self, digest: Digest, size: u64) -> Result<()> {
        self.write(|transaction| insert_blobs(transaction, &[(digest, size)]))
    }

    /// Names blobs and realisations, all or nothing; a realisation of the same key is replaced.
    /// Gives back the first output whose object no record names: then nothing is written.
    pub(super) fn commit(
        &self,
        blobs: &[(Digest, u64)],
        realisations: &[(DerivationId, Realisation)],
    ) -> Result<Option<(Digest, String)>> {
        if blobs.is_empty() && realisations.is_empty() {
            return Ok(None);
        }
        let mut connection = self.connection();
        let mut run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            insert_blobs(&transaction, blobs)?;
            for (id, realisation) in realisations {
                if let Some(missing) = insert_realisation(&transaction, *id, realisation)? {
                    return Ok(Some((realisation.key, missing)));
                }
            }
            transaction.commit()?;
            Ok(None)
        };
        run().map_err(|error| failure("write", &self.path, &error))
    }

    /// What a key gave.
    pub(super) fn realisation(&self, key: Digest) -> Result<Option<Realisation>> {
        let found = self.read(|connection| {
            let used = connection
                .prepare_cached("SELECT used FROM realisations WHERE key = ?1")?
                .query_row([Key(key)], |row| row.get::<_, i64>(0))
                .optional()?;
            let Some(used) = used else { return Ok(None) };
            Ok(Some((used, outputs(connection, key)?, facts(connection, key)?)))
        })?;
        Ok(found.map(|(used, outputs, facts)| {
            if used + USE_GRAIN < now() {
                self.uses().keys.insert(key);
            }
            Realisation { key, outputs, facts }
        }))
    }

    /// The key a derivation was last resolved to.
    pub(super) fn key_of(&self, id: DerivationId) -> Result<Option<Digest>> {
        let row = self.read(|connection| {
            connection
                .prepare_cached("SELECT key, used FROM derivations WHERE id = ?1")?
                .query_row([Key(id.0)], |row| Ok((row.get::<_, Key>(0)?.0, row.get::<_, i64>(1)?)))
                .optional()
        })?;
        Ok(row.map(|(key, used)| {
            if used + USE_GRAIN < now() {
                self.uses().ids.insert(id.0);
            }
            key
        }))
    }

    /// Remembers the key a derivation was resolved to.
    pub(super) fn record(&self, id: DerivationId, key: Digest) -> Result<()> {
        self.write(|transaction| insert_derivation(transaction, id, key))
    }

    /// Whether a tree's ready folder was finished.
    pub(super) fn is_ready(&self, tree: Digest) -> Result<bool> {
        let used = self.read(|connection| {
            connection
                .prepare_cached("SELECT used FROM ready WHERE tree = ?1")?
                .query_row([Key(tree)], |row| row.get::<_, i64>(0))
                .optional()
        })?;
        if used.is_some_and(|used| used + USE_GRAIN < now()) {
            self.uses().ready.insert(tree);
        }
        Ok(used.is_some())
    }

    /// Says that a tree's ready folder is finished.
    pub(super) fn add_ready(&self, tree: Digest) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO ready VALUES (?1, ?2)", params![Key(tree), now()])
        })?;
        Ok(())
    }

    /// Forgets a ready folder.
    pub(super) fn drop_ready(&self, tree: Digest) -> Result<()> {
        self.write(|transaction| transaction.execute("DELETE FROM ready WHERE tree = ?1", [Key(tree)]))?;
        Ok(())
    }

    /// All digests of a table's first column, in order.
    pub(super) fn all(&self, table: Table) -> Result<Vec<Digest>> {
        let (column, name) = table.names();
        self.read(|connection| {
            connection
                .prepare(&format!("SELECT {column} FROM {name} ORDER BY {column}"))?
                .query_map([], |row| Ok(row.get::<_, Key>(0)?.0))?
                .collect()
        })
    }

    /// All named blobs with their sizes, in the order of their digests.
    pub(super) fn blobs(&self) -> Result<BTreeMap<Digest, u64>> {
        self.read(|connection| {
            connection
                .prepare("SELECT digest, size FROM blobs")?
                .query_map([], |row| Ok((row.get::<_, Key>(0)?.0, row.get::<_, Size>(1)?.0)))?
                .collect()
        })
    }

    /// The outputs of all realisations, by key.
    pub(super) fn outputs(&self) -> Result<Vec<(Digest, Vec<Object>)>> {
        let keys = self.all(Table::Realisations)?;
        let of = |key| self.read(|connection| outputs(connection, key));
        keys.into_iter().map(|key| Ok((key, of(key)?.into_values().collect()))).collect()
    }

    /// Writes down what was used; called now and then, so that reading stays reading.
    pub(super) fn write_uses(&self) -> Result<()> {
        let uses = std::mem::take(&mut *self.uses());
        let sets = [
            (Table::Blobs, uses.blobs),
            (Table::Realisations, uses.keys),
            (Table::Derivations, uses.ids),
            (Table::Ready, uses.ready),
        ];
        if sets.iter().all(|(_, set)| set.is_empty()) {
            return Ok(());
        }
        let now = now();
        self.write(|transaction| {
            for (table, set) in sets {
                let (column, name) = table.names();
                let mut update =
                    transaction.prepare(&format!("UPDATE {name} SET used = ?2 WHERE {column} = ?1"))?;
                for digest in set {
                    update.execute(params![Key(digest), now])?;
                }
            }
            Ok(())
        })
    }

    /// What was last used at the cutoff (seconds since 1970) or before.
    pub(super) fn unused_since(&self, cutoff: i64) -> Result<Unused> {
        let of = |table: Table| {
            let (column, name) = table.names();
            self.read(|connection| {
                connection
                    .prepare(&format!("SELECT {column} FROM {name} WHERE used <= ?1 ORDER BY {column}"))?
                    .query_map([cutoff], |row| Ok(row.get::<_, Key>(0)?.0))?
                    .collect()
            })
        };
        Ok(Unused {
            blobs: of(Table::Blobs)?,
            keys: of(Table::Realisations)?,
            ids: of(Table::Derivations)?,
            ready: of(Table::Ready)?,
        })
    }

    /// Deletes rows, all or nothing.
    pub(super) fn delete(&self, unused: &Unused) -> Result<()> {
        self.write(|transaction| {
            let sets = [
                (Table::Blobs, &unused.blobs),
                (Table::Derivations, &unused.ids),
                (Table::Ready, &unused.ready),
            ];
            for (table, digests) in sets {
                let (column, name) = table.names();
                let mut delete = transaction.prepare(&format!("DELETE FROM {name} WHERE {column} = ?1"))?;
                for digest in digests {
                    delete.execute([Key(*digest)])?;
                }
            }
            unused.keys.iter().try_for_each(|key| delete_realisation(transaction, *key))
        })
    }

    /// Gives the room of deleted rows back, if there is room enough to do so.
    pub(super) fn compact(&self) {
        let _ = self.connection().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
    }

    /// What sqlite itself finds wrong with the file.
    pub(super) fn check(&self) -> Result<Vec<String>> {
        let found: Vec<String> = self.read(|connection| {
            connection.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get(0))?.collect()
        })?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }
}

/// Rows by table: what nobody used for a while.
#[derive(Debug, Default)]
pub(super) struct Unused {
    pub(super) blobs: Vec<Digest>,
    pub(super) keys: Vec<Digest>,
    pub(super) ids: Vec<Digest>,
    pub(super) ready: Vec<Digest>,
}

/// The tables whose rows are digests that get used.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Blobs,
    Realisations,
    Derivations,
    Ready,
}

impl Table {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Table::Blobs => ("digest", "blobs"),
            Table::Realisations => ("key", "realisations"),
            Table::Derivations => ("id", "derivations"),
            Table::Ready => ("tree", "ready"),
        }
    }
}

fn schema_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    if schema_of(connection)? != 0 {
        return Ok(());
    }
    // A file system without shared memory answers with another mode: slower, and as safe.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// A failure of the database, in the words that tell what to do.
fn failure(doing: &str, path: &Path, error: &rusqlite::Error) -> Failure {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Failure::io(
            format!("{doing} the store's database `{shown}`"),
            &std::io::Error::from_raw_os_error(libc::ENOSPC),
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Failure::world(format!("the store's database `{shown}` is damaged"))
                .fact(error.to_string())
                .help("move it away: the objects stay, and each is hashed again before it is used")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::world(format!("the store's database `{shown}` is held by another process for too long"))
                .help("see with `fuser` which process has it open, and try again")
        }
        _ => Failure::world(format!("could not {doing} the store's database `{shown}`: {error}")),
    }
}

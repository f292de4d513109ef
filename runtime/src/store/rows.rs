//! Rows: how digests, sizes and realisations stand in the database's tables.

use std::collections::BTreeMap;

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, params};

use super::database::now;
use super::{Object, Realisation};

/// A digest as sqlite keeps it: 32 bytes.
pub(super) struct Key(pub(super) Digest);

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Key {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Key> {
        let bytes = value.as_blob()?;
        let bytes = bytes
            .try_into()
            .map_err(|_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: bytes.len() })?;
        Ok(Key(Digest::from_bytes(bytes)))
    }
}

/// A size as sqlite keeps it: it has no unsigned integers.
pub(super) struct Size(pub(super) u64);

impl ToSql for Size {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let size =
            i64::try_from(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(ToSqlOutput::Owned(size.into()))
    }
}

impl FromSql for Size {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Size> {
        let size = value.as_i64()?;
        u64::try_from(size).map(Size).map_err(|_| FromSqlError::OutOfRange(size))
    }
}

pub(super) fn insert_blobs(transaction: &Transaction<'_>, blobs: &[(Digest, u64)]) -> rusqlite::Result<()> {
    let now = now();
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO blobs VALUES (?1, ?2, ?3)")?;
    for (digest, size) in blobs {
        insert.execute(params![Key(*digest), Size(*size), now])?;
    }
    Ok(())
}

pub(super) fn insert_derivation(
    transaction: &Transaction<'_>,
    id: DerivationId,
    key: Digest,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO derivations VALUES (?1, ?2, ?3)")?
        .execute(params![Key(id.0), Key(key), now()])?;
    Ok(())
}

pub(super) fn insert_realisation(
    transaction: &Transaction<'_>,
    id: DerivationId,
    realisation: &Realisation,
) -> rusqlite::Result<Option<String>> {
    delete_realisation(transaction, realisation.key)?;
    let key = Key(realisation.key);
    transaction.prepare_cached("INSERT INTO realisations VALUES (?1, ?2)")?.execute(params![key, now()])?;
    for (name, object) in &realisation.outputs {
        let known = transaction
            .prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?
            .exists([Key(object.digest())])?;
        if !known {
            return Ok(Some(name.clone()));
        }
        transaction.prepare_cached("INSERT INTO outputs VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            key,
            name,
            kind_of(object),
            Key(object.digest()),
            Size(object.size())
        ])?;
    }
    for (name, value) in &realisation.facts {
        transaction
            .prepare_cached("INSERT INTO facts VALUES (?1, ?2, ?3)")?
            .execute(params![key, name, value])?;
    }
    insert_derivation(transaction, id, realisation.key)?;
    Ok(None)
}

/// Deletes a realisation with its outputs and facts.
pub(super) fn delete_realisation(transaction: &Transaction<'_>, key: Digest) -> rusqlite::Result<()> {
    for table in ["realisations", "outputs", "facts"] {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?.execute([Key(key)])?;
    }
    Ok(())
}

fn kind_of(object: &Object) -> &'static str {
    match object {
        Object::File { executable: false, .. } => "file",
        Object::File { executable: true, .. } => "executable",
        Object::Tree { .. } => "tree",
    }
}

pub(super) fn outputs(connection: &Connection, key: Digest) -> rusqlite::Result<BTreeMap<String, Object>> {
    connection
        .prepare_cached("SELECT name, kind, digest, size FROM outputs WHERE key = ?1")?
        .query_map([Key(key)], |row| {
            let kind: String = row.get(1)?;
            let digest = row.get::<_, Key>(2)?.0;
            let size = row.get::<_, Size>(3)?.0;
            let object = match kind.as_str() {
                "tree" => Object::Tree { digest, size },
                kind => Object::File { digest, size, executable: kind == "executable" },
            };
            Ok((row.get(0)?, object))
        })?
        .collect()
}

pub(super) fn facts(connection: &Connection, key: Digest) -> rusqlite::Result<BTreeMap<String, String>> {
    connection
        .prepare_cached("SELECT name, value FROM facts WHERE key = ?1")?
        .query_map([Key(key)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

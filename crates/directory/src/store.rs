//! The file: which tables it has, how it is made and opened, and who may open it.
//!
//! Format 3, one redb file `directory.redb`. Ids count up from 1 and are never used again; 0 is the
//! place above all names.
//!
//! | table | key | value |
//! |---|---|---|
//! | head | name | number: format, next id, USN, counts |
//! | names | attribute number | name as first written, for attributes that no schema row has |
//! | objects | id | the record, see `codec` |
//! | children | parent id, normal form of the RDN | id |
//! | guids | objectGUID | id |
//! | values | index number, 64 bits of the value's hash, id | nothing |
//! | links | owner, pair, delegate | nothing |
//! | back_links | delegate, pair, owner | nothing |
//! | owners | pair, owner | nothing |
//! | passwords | id | salted hashes, see `password` |
//!
//! Invariant: `back_links` is the inverse of `links`, `owners` its projection; all three change in
//! one transaction. An object's name is its parent and its RDN, so moving a tree is one write.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};

use crate::error::Error;
use crate::reading::Reading;
use crate::schema;
use crate::writing::Writing;

/// Name of the file inside its folder.
pub const FILE: &str = "directory.redb";

/// The format this program writes, and the only one it reads. Format 1 had passwords among the values of
/// objects, as the LDIF had them; format 2 could not find an archive by its GUID.
pub const FORMAT: u64 = 3;

/// How much of the file is kept in memory by default, in bytes. The system's page cache holds the rest.
pub const CACHE_BYTES: usize = 32 << 20;

/// How many attributes that the schema doesn't know a directory holds.
pub const MAX_NAMES: u64 = 20_000;

/// Attribute numbers from here on are given in the order names are first written.
const FIRST_NAMED: u32 = 0x1_0000;

pub(crate) const HEAD: TableDefinition<&str, u64> = TableDefinition::new("head");
/// In the head once an NT hash is kept.
pub(crate) const NT_HASHES: &str = "nt_hashes";
pub(crate) const NAMES: TableDefinition<u32, &str> = TableDefinition::new("names");
pub(crate) const OBJECTS: TableDefinition<u64, &[u8]> = TableDefinition::new("objects");
pub(crate) const CHILDREN: TableDefinition<(u64, &[u8]), u64> = TableDefinition::new("children");
pub(crate) const GUIDS: TableDefinition<&[u8; 16], u64> = TableDefinition::new("guids");
pub(crate) const VALUES: TableDefinition<&[u8; 17], ()> = TableDefinition::new("values");
pub(crate) const LINKS: TableDefinition<(u64, u16, u64), ()> = TableDefinition::new("links");
pub(crate) const BACK_LINKS: TableDefinition<(u64, u16, u64), ()> =
    TableDefinition::new("back_links");
pub(crate) const OWNERS: TableDefinition<(u16, u64), ()> = TableDefinition::new("owners");
pub(crate) const PASSWORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("passwords");

/// The embedded directory: one file, any number of readers, one writer at a time.
#[derive(Clone, Debug)]
pub struct Directory {
    database: Arc<Database>,
    folder: PathBuf,
    /// Names of attributes, as far as any reader has needed them.
    dictionary: Arc<Mutex<Arc<Dictionary>>>,
    /// How many times something was committed since the file was opened.
    commits: Arc<AtomicU64>,
}

impl Directory {
    /// Makes an empty directory in `folder`, which is made too if it isn't there.
    ///
    /// # Errors
    ///
    /// [`Error::Present`], [`Error::Io`], [`Error::Store`].
    pub fn create(folder: &Path) -> Result<Self, Error> {
        Self::create_with_cache(folder, CACHE_BYTES)
    }

    /// [`Directory::create`] with a cache of `cache_bytes` instead of [`CACHE_BYTES`]; a big one
    /// makes importing millions of objects faster.
    ///
    /// # Errors
    ///
    /// As [`Directory::create`].
    pub fn create_with_cache(folder: &Path, cache_bytes: usize) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|source| Error::Io {
            what: "cannot make the directory's folder",
            source,
        })?;
        let path = folder.join(FILE);
        if path.exists() {
            return Err(Error::Present {
                folder: folder.to_owned(),
            });
        }
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create(path)
            .map_err(|error| opening(error, folder))?;
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        {
            let mut head = transaction.open_table(HEAD)?;
            head.insert("format", FORMAT)?;
            transaction.open_table(NAMES)?;
            transaction.open_table(OBJECTS)?;
            transaction.open_table(CHILDREN)?;
            transaction.open_table(GUIDS)?;
            transaction.open_table(VALUES)?;
            transaction.open_table(LINKS)?;
            transaction.open_table(BACK_LINKS)?;
            transaction.open_table(OWNERS)?;
            transaction.open_table(PASSWORDS)?;
        }
        transaction.commit()?;
        Ok(Self::new(database, folder))
    }

    /// Opens the directory in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error::Absent`], [`Error::Locked`], [`Error::Newer`], [`Error::Older`], [`Error::Damaged`],
    /// [`Error::Store`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_with_cache(folder, CACHE_BYTES)
    }

    /// [`Directory::open`] with a cache of `cache_bytes` instead of [`CACHE_BYTES`].
    ///
    /// # Errors
    ///
    /// As [`Directory::open`].
    pub fn open_with_cache(folder: &Path, cache_bytes: usize) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(Error::Absent {
                folder: folder.to_owned(),
            });
        }
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .open(path)
            .map_err(|error| opening(error, folder))?;
        let format = match database.begin_read()?.open_table(HEAD) {
            Ok(head) => head.get("format")?.map(|found| found.value()),
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        match format {
            Some(found) if found > FORMAT => Err(Error::Newer {
                found,
                known: FORMAT,
            }),
            Some(found) if found < FORMAT => Err(Error::Older {
                found,
                known: FORMAT,
            }),
            Some(_) => Ok(Self::new(database, folder)),
            None => Err(Error::Damaged {
                what: "it was not made by this program".to_owned(),
            }),
        }
    }

    fn new(database: Database, folder: &Path) -> Self {
        Self {
            database: Arc::new(database),
            folder: folder.to_owned(),
            dictionary: Arc::default(),
            commits: Arc::default(),
        }
    }

    /// The folder of the file.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A snapshot: what is committed now, unmoved by later writes for as long as it is held.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] or [`Error::Damaged`].
    pub fn read(&self) -> Result<Reading, Error> {
        Reading::begin(&self.database.begin_read()?, |names| {
            let mut shared = self
                .dictionary
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Names are only ever added, so a longer dictionary serves older snapshots too.
            if (shared.names.len() as u64) < names.len()? {
                *shared = Arc::new(Dictionary::load(names)?);
            }
            Ok(Arc::clone(&shared))
        })
    }

    /// Begins a write at the moment `now`, in seconds since 1970; waits for another writer to end.
    /// Dropped without [`Writing::commit`], it never happened.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] or [`Error::Damaged`].
    pub fn write(&self, now: u64) -> Result<Writing, Error> {
        let mut transaction = self.database.begin_write()?;
        // Opening after a crash must not read the whole file.
        transaction.set_quick_repair(true);
        Writing::begin(transaction, now, Arc::clone(&self.commits))
    }

    /// A number that grows with every commit; while it stays, so does everything that was read.
    /// Counted anew each time the file is opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }
}

fn opening(error: DatabaseError, folder: &Path) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::Locked {
            folder: folder.to_owned(),
        },
        DatabaseError::Storage(redb::StorageError::Io(source))
            if source.kind() == std::io::ErrorKind::InvalidData =>
        {
            Error::Damaged {
                what: source.to_string(),
            }
        }
        error => error.into(),
    }
}

/// Attribute numbers and names: the schema's rows, then whatever names were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    names: Vec<Arc<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Dictionary {
    pub(crate) fn load(table: &impl ReadableTable<u32, &'static str>) -> Result<Self, Error> {
        let mut dictionary = Self::default();
        for row in table.iter()? {
            let (number, name) = row?;
            if dictionary.next() != Some(number.value()) {
                return Err(Error::Damaged {
                    what: "attribute numbers have a gap".to_owned(),
                });
            }
            dictionary.push(number.value(), name.value());
        }
        Ok(dictionary)
    }

    /// The name of a number; `None` for a number that was never given.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        if let Some(attribute) = schema::by_row(number) {
            return Some(attribute.name);
        }
        let at = usize::try_from(number.checked_sub(FIRST_NAMED)?).ok()?;
        self.names.get(at).map(AsRef::as_ref)
    }

    /// The number of a name in any case; `None` if nobody has written it.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        schema::row(name).or_else(|| {
            self.numbers
                .get(name.to_ascii_lowercase().as_str())
                .copied()
        })
    }

    /// The number that the next new name is given.
    pub(crate) fn next(&self) -> Option<u32> {
        FIRST_NAMED.checked_add(u32::try_from(self.names.len()).ok()?)
    }

    pub(crate) fn push(&mut self, number: u32, name: &str) {
        self.names.push(name.into());
        self.numbers
            .insert(name.to_ascii_lowercase().into(), number);
    }
}

/// Follows a normal form from the root; gives the id, or the depth and id of the lowest ancestor.
pub(crate) fn descend(
    children: &impl ReadableTable<(u64, &'static [u8]), u64>,
    path: &[&[u8]],
) -> Result<Result<u64, (usize, u64)>, Error> {
    let mut at = 0;
    for (depth, part) in path.iter().enumerate() {
        match children.get((at, *part))? {
            Some(id) => at = id.value(),
            None => return Ok(Err((depth, at))),
        }
    }
    Ok(Ok(at))
}

/// The key of a value in the value index.
///
/// FNV-1a: it never changes, and a collision only costs a second look at the object.
pub(crate) fn value_key(index: u8, normal: &[u8], id: u64) -> [u8; 17] {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in normal {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut key = [0; 17];
    let parts = std::iter::once(index)
        .chain(hash.to_be_bytes())
        .chain(id.to_be_bytes());
    for (slot, byte) in key.iter_mut().zip(parts) {
        *slot = byte;
    }
    key
}

/// The object id at the end of a key of the value index.
pub(crate) fn value_key_id(key: &[u8; 17]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |id| u64::from_be_bytes(*id))
}

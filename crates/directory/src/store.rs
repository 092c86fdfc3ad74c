//! The file: which tables it has, how it is made and opened, and who may open it.
//!
//! Format 3, one redb file `directory.redb`. Ids count up from 1 and are never used again; 0 is the
//! place above all names.
//!
//! The tables stand in `tables`. Invariant: one process has the file open, and a reader never waits for the
//! writer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTableMetadata};

use crate::error::Error;
use crate::reading::Reading;
use crate::tables::{
    BACK_LINKS, CHILDREN, Dictionary, GUIDS, HEAD, LINKS, NAMES, OBJECTS, OWNERS, PASSWORDS, VALUES,
};
use crate::writing::Writing;

/// Name of the file inside its folder.
pub const FILE: &str = "directory.redb";

/// The format this program writes, and the only one it reads. Format 1 had passwords among the values of
/// objects, as the LDIF had them; format 2 could not find an archive by its GUID.
pub const FORMAT: u64 = 3;

/// How much of the file is kept in memory by default, in bytes. The system's page cache holds the rest.
pub const CACHE_BYTES: usize = 32 << 20;

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
    /// Counted again each time the file is opened.
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

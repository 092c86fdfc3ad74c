//! The one directory that several servers must hold, so that none is taken for a copy that it is not.
//!
//! Invariant: a server that holds another directory than the first one that answered is refused, and the
//! refusal names both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Which directory a server holds.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The domain, or else every naming context, in lower case.
    pub contexts: BTreeSet<String>,
    /// The GUID of the domain or of the only naming context, where the account may read it.
    pub guid: Option<String>,
}

/// The one directory that several servers hold: that of the first server that answers.
#[derive(Clone, Debug, Default)]
pub struct OneDirectory(Arc<Mutex<Option<(String, Identity)>>>);

/// A server holds another directory than the one that answered first.
#[derive(Debug, thiserror::Error)]
#[error(
    "{other} holds {other_holds}, and {first} holds {first_holds}: several servers in --directory must \
     be copies of one directory"
)]
pub struct OtherDirectory {
    first: String,
    first_holds: String,
    other: String,
    other_holds: String,
}

impl Identity {
    /// By the GUIDs where both are known, or else by the names.
    fn is(&self, other: &Self) -> bool {
        match (&self.guid, &other.guid) {
            (Some(one), Some(other)) => one == other,
            _ => self.contexts == other.contexts,
        }
    }

    fn shown(&self) -> String {
        let names: Vec<&str> = self.contexts.iter().map(String::as_str).collect();
        let names = if names.is_empty() {
            "no naming context".to_owned()
        } else {
            names.join(" and ")
        };
        match &self.guid {
            Some(guid) => format!("{names} ({guid})"),
            None => names,
        }
    }
}

impl OneDirectory {
    /// Checks that the server at `url`, which holds the directory `identity`, holds that of the first server
    /// that was checked.
    pub fn check(&self, url: String, identity: Identity) -> Result<(), OtherDirectory> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, known)) = &*first else {
            *first = Some((url, identity));
            return Ok(());
        };
        if known.is(&identity) {
            return Ok(());
        }
        Err(OtherDirectory {
            first: at.clone(),
            first_holds: known.shown(),
            other: url,
            other_holds: identity.shown(),
        })
    }
}

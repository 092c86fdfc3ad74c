//! Which objects reach another one over links of a pair, however many steps it takes.
//!
//! Specification: [MS-ADTS] 3.1.1.3.4.4.3 (LDAP_MATCHING_RULE_TRANSITIVE_EVAL).
//!
//! Invariant: an object is looked at once, so circles end; a snapshot looks at no more than
//! [`MAX_CHAINED`] objects for all its chains together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redb::ReadOnlyTable;

use crate::error::Error;
use crate::schema::Link;
use crate::tables::span;

/// How many objects the chains of one snapshot may hold together.
const MAX_CHAINED: usize = 1_000_000;

/// The chains that were followed in a snapshot.
#[derive(Default)]
pub(crate) struct Chains {
    found: HashMap<(Link, u64), Arc<HashSet<u64>>>,
    held: usize,
}

impl Chains {
    /// The objects that reach `target` over `link` in one step or more; `back` holds the steps from
    /// each object to those before it. They are remembered.
    pub(crate) fn find(
        &mut self,
        back: &ReadOnlyTable<(u64, u16, u64), ()>,
        link: Link,
        pair: u16,
        target: u64,
    ) -> Result<Arc<HashSet<u64>>, Error> {
        if let Some(found) = self.found.get(&(link, target)) {
            return Ok(Arc::clone(found));
        }
        let mut found = HashSet::new();
        let mut waiting = vec![target];
        while let Some(at) = waiting.pop() {
            for row in back.range(span(at, pair))? {
                let other = row?.0.value().2;
                if found.insert(other) {
                    let held = self.held + found.len();
                    if held > MAX_CHAINED {
                        return Err(Error::Limit {
                            what: "objects in chains of links",
                            max: MAX_CHAINED as u64,
                            found: held as u64,
                        });
                    }
                    waiting.push(other);
                }
            }
        }
        // An empty chain takes room, too.
        self.held += found.len() + 1;
        let found = Arc::new(found);
        self.found.insert((link, target), Arc::clone(&found));
        Ok(found)
    }
}

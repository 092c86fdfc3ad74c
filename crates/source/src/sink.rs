//! Who takes what a source streams.

use anyhow::Result;
use automend_core::entry::Entry;

/// What takes owners from a search.
pub trait Owners {
    /// The next owner.
    fn owner(&mut self, entry: Entry) -> Result<()>;
    /// The server forgot the search: everything comes again.
    fn restart(&mut self);
}

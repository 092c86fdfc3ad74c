//! What is to be written to one owner, as it is reviewed.

use automend_core::entry::Entry;
use automend_core::plan::Edit;

/// A change of one owner.
pub(crate) struct Step {
    /// The owner, as it was read.
    pub owner: Entry,
    /// What is written.
    pub edit: Edit,
    /// What else the review says of it, such as how the permissions change.
    pub lines: Vec<String>,
}

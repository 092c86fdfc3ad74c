//! What could not be looked at, or was not.

/// What was not looked at, in words.
#[derive(Debug, Default)]
pub struct Gaps {
    /// Links that could not be seen at all, so that nothing can be said of them.
    pub unread: Vec<String>,
    /// Values and objects that could not be read.
    pub defects: Vec<String>,
    /// What was not checked, without which the rest is whole.
    pub notes: Vec<String>,
}

impl Gaps {
    /// Whether everything was looked at.
    pub fn are_none(&self) -> bool {
        self.unread.is_empty() && self.defects.is_empty()
    }
}

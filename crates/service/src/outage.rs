//! That the directory cannot be asked, as whoever asks is told it.

/// The directory cannot be asked.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    /// What happened, for the log.
    pub why: String,
}

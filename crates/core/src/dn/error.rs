//! Why a text is no distinguished name (RFC 4514).

/// The longest name that is read, in bytes. Active Directory stops far below.
pub const MAX_BYTES: usize = 64 * 1024;

/// Why a text is no distinguished name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DnError {
    /// An RDN without `=`, or with nothing before it.
    #[error("no attribute type before \"=\" at byte {at} of {text:?}")]
    NoType {
        /// Where the RDN begins, in bytes.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// A backslash that escapes nothing, a quote that is not closed, or `#` without hexadecimal digits.
    #[error("broken escape at byte {at} of {text:?}")]
    BrokenEscape {
        /// Where the escape begins, in bytes.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// More than [`MAX_BYTES`].
    #[error("a name of {found} bytes is longer than {MAX_BYTES}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
}

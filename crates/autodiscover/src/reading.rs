//! What every reader of this crate gives back: what could be read, the defects, or why nothing could.
//!
//! An answer is read as leniently as it can be without guessing: what a server sent is kept even where
//! the specification forbids it, and a [`Defect`] says so.
//!
//! Invariant: nothing that a server sent of a mailbox is lost on the way, empty or unknown as it may be.

/// What could be read, and what was wrong with it; or why nothing can be said.
pub type Reading<T> = Result<(T, Vec<Defect>), Unreadable>;

/// Why bytes are no document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Nothing, or nothing but blanks.
    #[error("the document is empty")]
    Empty,
    /// It ends in the middle: a part is missing.
    #[error("the document ends early{}", within(.inside))]
    Truncated {
        /// The innermost element that is open; empty before the first.
        inside: String,
    },
    /// The bytes are not text in the encoding that they claim.
    #[error("the document is not {encoding} at byte {at}")]
    Encoding {
        /// What was claimed, or assumed.
        encoding: String,
        /// The first byte that does not fit.
        at: usize,
    },
    /// An encoding that is not read here.
    #[error("the document is in {encoding:?}, which is not read")]
    UnknownEncoding {
        /// As it was declared.
        encoding: String,
    },
    /// A web page, as sign-in portals and proxies send it.
    #[error("the document is a web page{}", .title.as_ref().map(|title| format!(", {title:?}")).unwrap_or_default())]
    WebPage {
        /// Its title, if one could be found.
        title: Option<String>,
    },
    /// A document type, which could define entities.
    #[error("the document has a document type, which is refused")]
    DocumentType,
    /// An entity that XML does not define.
    #[error("the document uses the entity &{name};, which XML does not define")]
    UnknownEntity {
        /// Its name.
        name: String,
    },
    /// Against the rules of XML.
    #[error("the document is not well-formed at byte {at}: {what}")]
    Malformed {
        /// About where, in bytes of UTF-8.
        at: usize,
        /// Which rule.
        what: &'static str,
    },
    /// Larger than is read.
    #[error("the document has more {what} than {max}")]
    Limit {
        /// Of what there is too much.
        what: &'static str,
        /// How much is read.
        max: usize,
    },
    /// Whole, but nothing that was asked for.
    #[error("the document is {}, which is no answer of Autodiscover", what(.root, .namespace))]
    Foreign {
        /// The root's name; empty for JSON.
        root: String,
        /// The root's namespace.
        namespace: String,
    },
}

fn within(element: &str) -> String {
    if element.is_empty() {
        String::new()
    } else {
        format!(", inside <{element}>")
    }
}

fn what(root: &str, namespace: &str) -> String {
    match (root, namespace) {
        ("", _) => "an object of JSON".to_owned(),
        (root, "") => format!("<{root}>"),
        (root, namespace) => format!("<{root}> of {namespace:?}"),
    }
}

/// Something that the specification does not allow, in an answer that could be read all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// A namespace that is nearly right, such as one with `https`.
    #[error("<{element}> is in the namespace {found:?} instead of {canonical:?}")]
    Namespace {
        /// The element.
        element: String,
        /// Its namespace.
        found: String,
        /// The one that it should have.
        canonical: &'static str,
    },
    /// An element that must be there.
    #[error("<{inside}> has no <{element}>")]
    Missing {
        /// Where it should be.
        inside: &'static str,
        /// What is not there.
        element: &'static str,
    },
    /// An element that may be there only once; the first was taken.
    #[error("<{inside}> has more than one <{element}>")]
    Repeated {
        /// Where they are.
        inside: &'static str,
        /// What there is too much of.
        element: &'static str,
    },
    /// A value of the wrong form.
    #[error("<{element}> is {value:?}")]
    Value {
        /// The element or attribute.
        element: &'static str,
        /// Its value.
        value: String,
    },
    /// An element where the specification has it nowhere.
    #[error("<{element}> in <{inside}>, where it does not belong")]
    Misplaced {
        /// Where it is.
        inside: &'static str,
        /// What it is.
        element: String,
    },
    /// An alternative mailbox in neither of the two legal shapes, or in both at once.
    #[error("the alternative mailbox {mailbox:?} has {what}")]
    Shape {
        /// What it is called.
        mailbox: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Something told of a mailbox that has no place of its own here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Field {
    /// The names of the elements that lead to it: `Internal/OWAUrl`.
    pub path: String,
    /// The text.
    pub value: String,
    /// Attributes: name and value.
    pub attributes: Vec<(String, String)>,
}

/// An alternative mailbox as a server told it, in POX or SOAP; `None` is not there, `Some("")` is empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Alternative {
    /// `Type`: `Delegate`, `Archive`, `TeamMailbox`, or what a server may think of.
    pub kind: Option<String>,
    /// `DisplayName`.
    pub display_name: Option<String>,
    /// `LegacyDN`.
    pub legacy_dn: Option<String>,
    /// `Server`.
    pub server: Option<String>,
    /// `SmtpAddress`.
    pub smtp_address: Option<String>,
    /// `OwnerSmtpAddress`.
    pub owner_smtp_address: Option<String>,
    /// Everything else.
    pub other: Vec<Field>,
}

//! What a search asks for (RFC 4511 4.5.1).

use crate::control::Control;
use crate::filter::Filter;

/// What to search for, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Search {
    /// The name where the search starts.
    pub base: String,
    /// How far from there.
    pub scope: Scope,
    /// What an entry must be like.
    pub filter: Filter,
    /// The attributes wanted: none means all user attributes, `1.1` means none.
    pub attributes: Vec<String>,
    /// How many entries at most; 0 leaves it to the server.
    pub size_limit: u32,
    /// How many seconds at most; 0 leaves it to the server.
    pub time_limit_seconds: u32,
    /// Whether the attributes come without their values.
    pub types_only: bool,
    /// What else to ask of the server.
    pub controls: Vec<Control>,
}

impl Search {
    /// A search without limits of its own and without controls.
    pub fn new(base: &str, scope: Scope, filter: Filter, attributes: &[&str]) -> Self {
        Self {
            base: base.to_owned(),
            scope,
            filter,
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            size_limit: 0,
            time_limit_seconds: 0,
            types_only: false,
            controls: Vec::new(),
        }
    }
}

/// How far a search goes (RFC 4511 4.5.1.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The base itself.
    Base,
    /// Its children.
    One,
    /// The base and everything below.
    Subtree,
}

impl Scope {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Base => 0,
            Self::One => 1,
            Self::Subtree => 2,
        }
    }
}

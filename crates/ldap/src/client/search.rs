//! A search and its answers (RFC 4511 4.5).
//!
//! Invariant: a stream ends with `None` only when the server said that it sent everything.

use super::connection::Pending;
use crate::control::Control;
use crate::entry::Entry;
use crate::error::{Error, Operation};
use crate::wire::{Malformed, Response, op};

/// One answer to a search.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// An entry that matches.
    Entry(Entry),
    /// LDAP URLs of where else to search (RFC 4511 4.5.3).
    Reference(Vec<String>),
}

/// The answers to a search as they come; dropping it early abandons the search.
#[derive(Debug)]
pub struct SearchStream {
    pending: Option<Pending>,
    controls: Vec<Control>,
}

impl SearchStream {
    pub(super) fn new(pending: Pending) -> Self {
        Self {
            pending: Some(pending),
            controls: Vec::new(),
        }
    }

    /// The next answer, `None` after the last. Once it has failed, it stays at `None`.
    ///
    /// Safe to cancel: no answer is lost.
    pub async fn next(&mut self) -> Result<Option<Item>, Error> {
        let Some(pending) = &mut self.pending else {
            return Ok(None);
        };
        let item = advance(pending, &mut self.controls).await;
        if !matches!(item, Ok(Some(_))) {
            self.pending = None;
        }
        item
    }

    /// The controls that came with the end of the search.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }
}

async fn advance(
    pending: &mut Pending,
    controls: &mut Vec<Control>,
) -> Result<Option<Item>, Error> {
    loop {
        let message = pending.message().await?;
        let envelope = pending.read(&message)?;
        let misbehaved = |Malformed(what)| pending.misbehaved(what);
        match envelope.response().map_err(misbehaved)? {
            Response::Entry(entry) => return Ok(Some(Item::Entry(entry))),
            Response::Reference(urls) => return Ok(Some(Item::Reference(urls))),
            Response::Intermediate => pending.count_intermediate()?,
            Response::Outcome(outcome) if envelope.answers(op::SEARCH_DONE, &outcome) => {
                *controls = envelope.controls().map_err(misbehaved)?;
                return outcome.check(Operation::Search).map(|()| None);
            }
            Response::Outcome(_) => return Err(pending.misbehaved("an answer of the wrong kind")),
        }
    }
}

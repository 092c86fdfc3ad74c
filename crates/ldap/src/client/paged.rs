//! A search in pages (RFC 2696) whose entries are complete ([MS-ADTS] 3.1.1.3.1.3.3).
//!
//! Entries with ranged values wait until their page has been read, and come then: to ask for the
//! rest in between would need the connection that the page is coming on.
//! Invariant: every entry is delivered once, also over a lost connection.

use std::collections::{HashSet, VecDeque};

use super::{Client, Item, Search, SearchStream, range};
use crate::control::{self, Control};
use crate::entry::Entry;
use crate::error::{Error, ResultCode};
use crate::wire::Malformed;

/// How many pages without an entry in a row are still patience.
///
/// A server may answer so when its time for one page ran out, or when the filter matches seldom.
const EMPTY_PAGES: usize = 1000;

/// A search that asks for page after page.
#[derive(Debug)]
pub struct PagedSearch {
    client: Client,
    request: Search,
    page_size: u32,
    cookie: Vec<u8>,
    stream: Option<SearchStream>,
    /// Entries of the page that lack values, and what they take.
    held: VecDeque<Entry>,
    held_bytes: usize,
    /// The names delivered of the page that is being read.
    delivered: Vec<String>,
    /// The names delivered of pages that were interrupted.
    skip: HashSet<String>,
    empty_pages: usize,
    resumed: bool,
    finished: bool,
}

impl PagedSearch {
    pub(super) fn new(client: Client, request: Search, page_size: u32) -> Self {
        Self {
            client,
            request,
            page_size: page_size.max(1),
            cookie: Vec::new(),
            stream: None,
            held: VecDeque::new(),
            held_bytes: 0,
            delivered: Vec::new(),
            skip: HashSet::new(),
            empty_pages: 0,
            resumed: false,
            finished: false,
        }
    }

    /// The next answer, `None` after the last page. Safe to cancel.
    ///
    /// After an error it may be called again, best after [`PagedSearch::resume_with`]: the page
    /// that was interrupted is asked for again, and of it only what was not delivered comes.
    pub async fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if self.stream.is_none() {
                if let Some(entry) = self.complete_held().await? {
                    return Ok(Some(Item::Entry(entry)));
                }
                if self.finished {
                    return Ok(None);
                }
                let paging = [Control::paged_results(self.page_size, &self.cookie)];
                self.stream = Some(self.client.search_with(&self.request, &paging)?);
            }
            match self.advance().await {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(error) => {
                    self.interrupt();
                    return Err(self.explain(error));
                }
            }
        }
    }

    /// The cookie of the page that is being read: empty on the first one.
    pub fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    /// Goes on with another connection after one was lost.
    ///
    /// When the server does not know the cookie there, the next answer is
    /// [`Error::CookieRefused`], and the search has to start again. An interrupted first page needs
    /// no cookie.
    pub fn resume_with(&mut self, client: Client) {
        self.interrupt();
        self.client = client;
        self.resumed = true;
    }

    /// Reads on in the page; `None` when it is done or nothing is to be delivered yet.
    async fn advance(&mut self) -> Result<Option<Item>, Error> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        while let Some(item) = stream.next().await? {
            self.resumed = false;
            let Item::Entry(entry) = item else {
                return Ok(Some(item));
            };
            self.empty_pages = 0;
            // Taken out, so that a server can't repeat it for ever.
            if let Some(dn) = self.skip.take(&entry.dn) {
                remember(&mut self.delivered, self.page_size, dn);
                continue;
            }
            if range::is_ranged(&entry) {
                self.held_bytes = self.held_bytes.saturating_add(range::entry_size(&entry));
                let max = self.client.limits().entry_bytes;
                if self.held_bytes > max {
                    let found = self.held_bytes;
                    return Err(Error::Limit {
                        what: "bytes of entries with ranges",
                        max,
                        found,
                    });
                }
                self.held.push_back(entry);
            } else {
                remember(&mut self.delivered, self.page_size, entry.dn.clone());
                return Ok(Some(Item::Entry(entry)));
            }
        }
        let cookie = control::cookie(stream.controls())
            .map_err(|Malformed(what)| Error::PeerMisbehaved { what })?;
        self.turn_page(cookie.unwrap_or_default())?;
        Ok(None)
    }

    /// Takes the cookie of the next page.
    fn turn_page(&mut self, cookie: Vec<u8>) -> Result<(), Error> {
        self.resumed = false;
        self.empty_pages = self.empty_pages.saturating_add(1);
        // An entry sets it to 0, so a first page without one counts 1.
        if self.empty_pages > EMPTY_PAGES {
            return Err(Error::PeerMisbehaved {
                what: "page after page without an entry",
            });
        }
        self.stream = None;
        self.delivered.clear();
        self.finished = cookie.is_empty();
        self.cookie = cookie;
        Ok(())
    }

    /// Completes the first entry that waits.
    async fn complete_held(&mut self) -> Result<Option<Entry>, Error> {
        while let Some(entry) = self.held.front() {
            // A copy, so that an error or a cancellation leaves the entry waiting.
            let mut entry = entry.clone();
            let exists = range::complete(&self.client, &mut entry, &self.request.controls).await?;
            self.held.pop_front();
            if self.held.is_empty() {
                self.held_bytes = 0;
            }
            if exists {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Gives up the page that is being read, and remembers what was delivered of it.
    fn interrupt(&mut self) {
        if self.stream.take().is_some() {
            self.skip.extend(self.delivered.drain(..));
            // What waits will come again with its page.
            self.held.clear();
            self.held_bytes = 0;
        }
    }

    /// An error right after a resumption may mean that the cookie is not known.
    fn explain(&mut self, error: Error) -> Error {
        let resumed = std::mem::take(&mut self.resumed) && !self.cookie.is_empty();
        match error {
            Error::Refused {
                code:
                    code @ (ResultCode::OPERATIONS_ERROR
                    | ResultCode::PROTOCOL_ERROR
                    | ResultCode::UNAVAILABLE_CRITICAL_EXTENSION
                    | ResultCode::UNWILLING_TO_PERFORM
                    | ResultCode::OTHER),
                message,
                ..
            } if resumed => Error::CookieRefused { code, message },
            error => error,
        }
    }
}

/// Notes a name for the case that its page is interrupted; no more than a page has.
fn remember(delivered: &mut Vec<String>, page_size: u32, dn: String) {
    if delivered.len() < usize::try_from(page_size).unwrap_or(usize::MAX) {
        delivered.push(dn);
    }
}

//! One connection: reading messages, knowing who asks, and answering in order.
//!
//! Specification: RFC 4511 4.2 (bind), 4.4.1 (notice of disconnection), 5.1 (messages).
//!
//! Invariant: a message longer than the limit is refused at its header; blocking work never runs on
//! a thread of the runtime.

use std::time::Duration;

use automend_ldap::server::{self as codec, Inbox, Kind, Malformed, Message, Outcome, Request};
use automend_ldap::{Control, ResultCode, Scope, Search};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};

use super::controls::{self, Asked};
use super::login::{Identity, Peer, SaslLogin, Stream};
use super::matching;
use super::operations::operate;
use super::root::{self, START_TLS, WHO_AM_I};
use super::search::{Options, Page, Running};
use super::select::Selection;
use super::served::{Access, LdapServer};
use crate::error::Error;

/// How much of an answer is gathered before it is sent, in bytes.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait for the client.
const WAITING_CHUNKS: usize = 4;

pub(super) struct Connection {
    pub(super) server: LdapServer,
    pub(super) stream: Box<dyn Stream>,
    pub(super) peer: Peer,
    pub(super) inbox: Inbox,
    pub(super) bound: Option<Identity>,
    /// A login by SASL that is under way, and its mechanism.
    pub(super) sasl: Option<(String, Box<dyn SaslLogin>)>,
    pub(super) pages: Vec<(u64, Running)>,
    next_cookie: u64,
}

impl Connection {
    pub(super) fn new(server: LdapServer, stream: Box<dyn Stream>, peer: Peer) -> Self {
        Self {
            server,
            stream,
            peer,
            sasl: None,
            inbox: Inbox::default(),
            bound: None,
            pages: Vec::new(),
            next_cookie: 1,
        }
    }

    /// Answers until the client goes, is silent for too long, sends what is no LDAP, or all ends.
    pub(super) async fn run(mut self, mut ending: watch::Receiver<bool>) {
        loop {
            let message = tokio::select! {
                message = self.message() => Some(message),
                () = ended(&mut ending) => None,
            };
            let Some(message) = message else {
                let going = Outcome::new(ResultCode::UNAVAILABLE, "the server is going down");
                self.farewell(&going).await;
                return;
            };
            let going_on = match message {
                Ok(Some(message)) => self.answer(message).await,
                Ok(None) => return,
                Err(Malformed(what)) => {
                    self.farewell(&Outcome::new(ResultCode::PROTOCOL_ERROR, what))
                        .await;
                    return;
                }
            };
            if !matches!(going_on, Ok(true)) {
                return;
            }
        }
    }

    pub(super) async fn farewell(&mut self, why: &Outcome) {
        let notice = codec::notice(why);
        // A client that doesn't listen isn't waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.stream.write_all(&notice)).await;
    }

    /// Sends bytes to a client that takes them.
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        tokio::time::timeout(self.server.limits.stall, self.stream.write_all(bytes)).await?
    }

    /// The next message; `None` at the end of the stream, or of the client's patience with us.
    async fn message(&mut self) -> Result<Option<Message>, Malformed> {
        let limits = self.server.limits;
        loop {
            if let Some(message) = self.inbox.message(limits.bounds())? {
                return Ok(Some(message));
            }
            match tokio::time::timeout(limits.idle, self.inbox.fill(&mut self.stream)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => return Ok(None),
            }
        }
    }

    /// Answers one message; `false` when the connection is over.
    async fn answer(&mut self, message: Message) -> std::io::Result<bool> {
        let Message {
            id,
            request,
            controls,
        } = message;
        let kind = match &request {
            Request::Unbind => return Ok(false),
            Request::Abandon => return Ok(true),
            Request::Bind { .. } => Kind::Bind,
            Request::Search(_) => Kind::SearchDone,
            Request::Modify { .. } => Kind::Modify,
            Request::Add { .. } => Kind::Add,
            Request::Delete { .. } => Kind::Delete,
            Request::Rename { .. } => Kind::Rename,
            Request::Compare { .. } => Kind::Compare,
            Request::Extended { .. } => Kind::Extended,
        };
        let asked = match controls::asked(&controls, self.server.limits.bounds()) {
            Ok(asked) => asked,
            Err(outcome) => return self.send_result(id, kind, &outcome, None).await,
        };
        let outcome = match request {
            Request::Bind {
                version,
                name,
                credentials,
            } => return self.bind(id, version, &name, credentials).await,
            Request::Extended { oid } if oid == START_TLS => return self.start_tls(id).await,
            Request::Extended { oid } if oid == WHO_AM_I => {
                let name = self
                    .bound
                    .as_ref()
                    .map_or(String::new(), |identity| identity.name.clone());
                let bytes = codec::extended(id, &Outcome::success(), name.as_bytes());
                self.send(&bytes).await?;
                return Ok(true);
            }
            Request::Extended { oid } => Outcome::new(
                ResultCode::PROTOCOL_ERROR,
                format!("Extended Operation({oid}) not supported"),
            ),
            Request::Search(search) => return self.search(id, search, asked).await,
            request => {
                let write = written(&request);
                let outcome = match self.allowed(write.is_some()) {
                    Ok(()) => {
                        let server = self.server.clone();
                        blocking(server, move |server| operate(server, request, &asked)).await
                    }
                    Err(outcome) => outcome,
                };
                if let (Some((operation, dn)), Access::Logins(logins)) =
                    (write, &self.server.access)
                {
                    let by = self.bound.as_ref().map(|identity| identity.name.as_str());
                    logins.wrote(&self.peer, by, operation, &dn, &outcome);
                }
                outcome
            }
        };
        self.send_result(id, kind, &outcome, None).await
    }

    pub(super) async fn send_result(
        &mut self,
        id: i64,
        kind: Kind,
        outcome: &Outcome,
        cookie: Option<&[u8]>,
    ) -> std::io::Result<bool> {
        self.send_controls(id, kind, outcome, cookie, None).await
    }

    async fn send_controls(
        &mut self,
        id: i64,
        kind: Kind,
        outcome: &Outcome,
        cookie: Option<&[u8]>,
        sorted: Option<u8>,
    ) -> std::io::Result<bool> {
        let cookie = cookie.map(|cookie| Control {
            critical: false,
            ..Control::paged_results(0, cookie)
        });
        let sorted = sorted.map(codec::sort_result);
        let controls: Vec<Control> = cookie.into_iter().chain(sorted).collect();
        self.send(&codec::result(id, kind, outcome, &controls))
            .await?;
        Ok(true)
    }

    async fn search(&mut self, id: i64, search: Search, asked: Asked) -> std::io::Result<bool> {
        if search.base.is_empty() && search.scope == Scope::Base {
            let bytes = self.blocking_root(id, search).await;
            self.send(&bytes).await?;
            return Ok(true);
        }
        let refused = match self.allowed(false) {
            Err(outcome) => Some(outcome),
            Ok(()) if asked.assertion.is_some() => Some(Outcome::new(
                ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
                "an assertion is for writes here",
            )),
            Ok(()) => None,
        };
        if let Some(outcome) = refused {
            return self.send_result(id, Kind::SearchDone, &outcome, None).await;
        }
        let limits = self.server.limits;
        let time = match search.time_limit_seconds {
            0 => limits.query,
            seconds => limits.query.min(Duration::from_secs(seconds.into())),
        };
        let client_most = usize::try_from(search.size_limit).unwrap_or(usize::MAX);
        let mut most = limits.page_size;
        let mut running = None;
        if let Some((size, cookie)) = &asked.paged {
            if !cookie.is_empty() {
                match self.resume(cookie, &search, &asked.options) {
                    Ok(found) => running = Some(found),
                    Err(outcome) => {
                        return self.send_result(id, Kind::SearchDone, &outcome, None).await;
                    }
                }
                if *size == 0 {
                    let done = Outcome::success();
                    return self
                        .send_result(id, Kind::SearchDone, &done, Some(b""))
                        .await;
                }
            }
            if *size > 0 {
                most = most.min(*size);
            }
        }
        // A size limit within the page makes paging pointless (RFC 2696 section 3).
        let cut = client_most > 0 && client_most <= most;
        if cut {
            most = client_most;
        }
        let paged = asked.paged.is_some();
        let (sender, mut chunks) = mpsc::channel::<Vec<u8>>(WAITING_CHUNKS);
        let server = self.server.clone();
        let task = tokio::task::spawn_blocking(move || {
            run_page(
                &server,
                running,
                search,
                asked.options,
                id,
                most,
                time,
                &sender,
            )
        });
        while let Some(chunk) = chunks.recv().await {
            self.send(&chunk).await?;
        }
        let Ok(ended) = task.await else {
            let broken = Outcome::new(ResultCode::OTHER, "the search broke off");
            return self.send_result(id, Kind::SearchDone, &broken, None).await;
        };
        let (page, running) = match ended {
            Ok(ended) => ended,
            Err(outcome) => return self.send_result(id, Kind::SearchDone, &outcome, None).await,
        };
        let paged = paged.then_some(!cut);
        self.end_search(id, page, running, paged).await
    }

    /// Says how the search ended, and keeps it where its next page may follow.
    ///
    /// `paged` says whether another page may follow; `None` where none was asked for.
    async fn end_search(
        &mut self,
        id: i64,
        page: Page,
        running: Running,
        paged: Option<bool>,
    ) -> std::io::Result<bool> {
        let sorted = running
            .sorted
            .map(|sorted| sorted.err().map_or(0, |why| why as u8));
        let mut cookie = paged.map(|_| Vec::new());
        let outcome = match page {
            Page::Gone => return Ok(false),
            Page::Done => Outcome::success(),
            Page::Late => Outcome::new(
                ResultCode::TIME_LIMIT_EXCEEDED,
                "000020EE: the time limit was exceeded",
            ),
            Page::Unsorted => Outcome::new(
                ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
                "00002040: the search can't be sorted so",
            ),
            Page::More if paged == Some(true) => {
                let number = self.next_cookie;
                self.next_cookie += 1;
                if self.pages.len() >= self.server.limits.open_pages && !self.pages.is_empty() {
                    self.pages.remove(0);
                }
                self.pages.push((number, running));
                cookie = Some(number.to_be_bytes().to_vec());
                Outcome::success()
            }
            Page::More => Outcome::new(
                ResultCode::SIZE_LIMIT_EXCEEDED,
                "00002023: the size limit was exceeded",
            ),
        };
        let kind = Kind::SearchDone;
        self.send_controls(id, kind, &outcome, cookie.as_deref(), sorted)
            .await
    }

    /// Takes the search of a cookie back up.
    fn resume(
        &mut self,
        cookie: &[u8],
        search: &Search,
        options: &Options,
    ) -> Result<Running, Outcome> {
        let cookie = <[u8; 8]>::try_from(cookie).map(u64::from_be_bytes).ok();
        let at = self
            .pages
            .iter()
            .position(|(other, _)| Some(*other) == cookie);
        let Some(at) = at else {
            return Err(Outcome::new(
                ResultCode::UNWILLING_TO_PERFORM,
                "00002040: the cookie is not known here",
            ));
        };
        let same = self.pages.get(at).is_some_and(|(_, running)| {
            running.request.base == search.base
                && running.request.scope == search.scope
                && running.request.filter == search.filter
                && running.request.attributes == search.attributes
                && running.options == *options
        });
        if !same {
            return Err(Outcome::new(
                ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
                "the cookie belongs to another search",
            ));
        }
        Ok(self.pages.remove(at).1)
    }

    async fn blocking_root(&mut self, id: i64, search: Search) -> Vec<u8> {
        let server = self.server.clone();
        let limits = self.server.limits;
        let mechanisms = match &self.server.access {
            Access::Logins(logins) => logins.mechanisms(&self.peer),
            Access::Open | Access::Account { .. } => Vec::new(),
        };
        let answered = tokio::task::spawn_blocking(move || -> Result<Vec<u8>, Error> {
            let reading = server.directory.read()?;
            let root = root::root_dse(&reading, &server, &mechanisms)?;
            let selection =
                Selection::new(&search.attributes, search.types_only, limits.value_range);
            let mut bytes = Vec::new();
            if matching::matches(&reading, &search.filter, &root)? {
                bytes = codec::entry(id, "", &selection.pick(&root));
            }
            Ok(bytes)
        });
        let (mut bytes, outcome) = match answered.await {
            Ok(Ok(bytes)) => (bytes, Outcome::success()),
            Ok(Err(error)) => (Vec::new(), error.into()),
            Err(_) => (
                Vec::new(),
                Outcome::new(ResultCode::OTHER, "the search broke off"),
            ),
        };
        bytes.extend(codec::result(id, Kind::SearchDone, &outcome, &[]));
        bytes
    }
}

async fn blocking(
    server: LdapServer,
    work: impl FnOnce(&LdapServer) -> Outcome + Send + 'static,
) -> Outcome {
    tokio::task::spawn_blocking(move || work(&server))
        .await
        .unwrap_or_else(|_| Outcome::new(ResultCode::OTHER, "the operation broke off"))
}

/// The operation and the object of a write.
fn written(request: &Request) -> Option<(&'static str, String)> {
    Some(match request {
        Request::Modify { name, .. } => ("modify", name.clone()),
        Request::Add { dn, .. } => ("add", dn.clone()),
        Request::Delete { name } => ("delete", name.clone()),
        Request::Rename { name, .. } => ("modify-dn", name.clone()),
        _ => return None,
    })
}

/// Ready when the server ends.
async fn ended(ending: &mut watch::Receiver<bool>) {
    // A sender that is gone has ended too.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// One page of a search, on a thread that may block; entries go out in chunks.
#[allow(
    clippy::too_many_arguments,
    reason = "what a thread is given, each from another place"
)]
fn run_page(
    server: &LdapServer,
    running: Option<Running>,
    search: Search,
    options: Options,
    id: i64,
    most: usize,
    time: Duration,
    sender: &mpsc::Sender<Vec<u8>>,
) -> Result<(Page, Running), Outcome> {
    let mut running = match running {
        Some(running) => running,
        None => Running::new(
            server.directory.read()?.into(),
            search,
            options,
            &server.limits,
        )?,
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    let page = running.page(id, most, time, &mut |bytes| {
        chunk.extend_from_slice(&bytes);
        chunk.len() < CHUNK
            || sender
                .blocking_send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))
                .is_ok()
    })?;
    if !chunk.is_empty() && sender.blocking_send(chunk).is_err() {
        return Ok((Page::Gone, running));
    }
    Ok((page, running))
}

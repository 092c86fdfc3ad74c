//! The other end of a connection, played by a test; its codec is the public one, not ours.

#![allow(dead_code, reason = "each test file uses its part")]

use automend_ldap::{Client, Filter, Limits, Scope, Search};
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode, LdapSearchRequest,
    LdapSearchResultEntry,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::codec::{Decoder, Encoder};

/// What one read of the peer takes, and how far the client may run ahead of it.
const PIPE: usize = 64 << 10;

pub(crate) struct Peer {
    stream: DuplexStream,
    buffer: BytesMut,
    codec: LdapCodec,
}

/// A client and its peer.
pub(crate) fn pair(limits: Limits) -> (Client, Peer) {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    (Client::new(ours, limits), Peer::new(theirs))
}

impl Peer {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            codec: LdapCodec::new(Some(16 << 20), None),
        }
    }

    /// The next request; `None` when the client has closed.
    pub(crate) async fn request(&mut self) -> Option<LdapMsg> {
        loop {
            if let Some(message) = self.codec.decode(&mut self.buffer).unwrap() {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// The next request, which must be a search.
    pub(crate) async fn search(&mut self) -> (i32, LdapSearchRequest, Vec<LdapControl>) {
        let message = self.request().await.expect("a request");
        let LdapOp::SearchRequest(search) = message.op else {
            panic!("{:?}", message.op)
        };
        (message.msgid, search, message.ctrl)
    }

    pub(crate) async fn send(&mut self, message: LdapMsg) {
        let mut bytes = BytesMut::new();
        self.codec.encode(message, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    /// A client that has given up does not read; that is no failure of the peer.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn entry(&mut self, id: i32, dn: &str, attributes: &[(&str, &[&str])]) {
        self.send(LdapMsg::new(id, entry(dn, attributes))).await;
    }

    pub(crate) async fn done(&mut self, id: i32, code: LdapResultCode) {
        self.send(LdapMsg::new(id, LdapOp::SearchResultDone(result(code))))
            .await;
    }

    pub(crate) async fn page_done(&mut self, id: i32, cookie: &[u8]) {
        let control = LdapControl::SimplePagedResults {
            size: 0,
            cookie: cookie.to_vec(),
        };
        let op = LdapOp::SearchResultDone(result(LdapResultCode::Success));
        self.send(LdapMsg::new_with_ctrls(id, op, vec![control]))
            .await;
    }
}

pub(crate) fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> LdapOp {
    let attributes = attributes
        .iter()
        .map(|(name, values)| LdapPartialAttribute {
            atype: (*name).to_owned(),
            vals: values
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect(),
        });
    LdapOp::SearchResultEntry(LdapSearchResultEntry {
        dn: dn.to_owned(),
        attributes: attributes.collect(),
    })
}

pub(crate) fn result(code: LdapResultCode) -> LdapResult {
    LdapResult {
        code,
        matcheddn: String::new(),
        message: String::new(),
        referral: Vec::new(),
    }
}

/// The paging control among those of a request: page size and cookie.
pub(crate) fn paging(controls: &[LdapControl]) -> Option<(i64, Vec<u8>)> {
    controls.iter().find_map(|control| match control {
        LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie.clone())),
        _ => None,
    })
}

pub(crate) fn everything() -> Search {
    Search::new(
        "DC=test",
        Scope::Subtree,
        Filter::present("objectClass"),
        &[],
    )
}

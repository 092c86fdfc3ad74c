//! A peer that breaks the protocol (RFC 4511) or just stops: every request ends in a clear error.

mod peer;

use std::time::Duration;

use automend_ldap::{Client, Error, Item, Limits, Operation, ResultCode, start_tls};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapExtendedResponse, LdapIntermediateResponse, LdapMsg, LdapOp, LdapResultCode,
    LdapSearchResultReference,
};
use peer::{Peer, entry, everything, paging, pair, result};
use tokio::io::AsyncReadExt;

const NOTICE: &str = "1.3.6.1.4.1.1466.20036";

/// What a search says when these bytes come instead of an answer.
async fn answer(bytes: &[u8]) -> String {
    let (client, mut peer) = pair(Limits {
        message_bytes: 10_000,
        ..Limits::default()
    });
    let mut stream = client.search(&everything()).await.unwrap();
    peer.search().await;
    peer.send_bytes(bytes).await;
    drop(peer);
    let error = stream.next().await.expect_err("no error");
    // What is broken stays broken.
    assert!(client.search(&everything()).await.is_err());
    assert!(matches!(stream.next().await, Ok(None)));
    error.to_string()
}

/// A message with this id around an operation.
fn message(id: u8, op: &[u8]) -> Vec<u8> {
    let length = u8::try_from(op.len() + 3).unwrap();
    [&[0x30, length, 2, 1, id], op].concat()
}

#[tokio::test]
async fn bytes_that_are_no_message_are_told_apart() {
    let long = "bytes in one LDAP message over the limit: ";
    let deep: Vec<u8> = [0x30, 0x82, 0x20, 0]
        .into_iter()
        .chain([0x30, 0x80].repeat(4096))
        .collect();
    let mut nested_entry = vec![0x30, 0x81, 0xff - 3, 2, 1, 1, 0x64, 0x81, 0xff - 9];
    nested_entry.extend([0x30, 0x00].repeat((0xff - 9) / 2));
    for (bytes, expected) in [
        (&b""[..], "connection closed by the server"),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "the server misbehaved: bytes that start no LDAP message",
        ),
        (
            &[0x15, 3, 1],
            "the server misbehaved: bytes that start no LDAP message",
        ),
        (
            &[0x30, 0x80, 2, 1, 1],
            "the server misbehaved: a message of indefinite length",
        ),
        (
            &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
            &format!("{long}2147483653, at most 10000"),
        ),
        (
            &[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
            &format!("{long}{}, at most 10000", u64::MAX),
        ),
        (
            &[0x30, 5, 2],
            "the server misbehaved: a connection that ends inside a message",
        ),
        (
            &[0x30, 0],
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &[0x30, 3, 2, 1, 1],
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &[0x30, 4, 2, 2, 1, 1],
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &message(1, &[0x64, 5, 4, 0]),
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &message(1, &[0x7f, 1, 0]),
            "the server misbehaved: a tag of more than one byte",
        ),
        (
            &message(1, &[0x76, 0]),
            "the server misbehaved: an unknown operation",
        ),
        (
            &message(1, &[0x63, 0]),
            "the server misbehaved: an unknown operation",
        ),
        (
            &message(1, &[0x64, 0]),
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &message(1, &[0x65, 3, 10, 1, 0xff]),
            "the server misbehaved: a negative result code",
        ),
        (
            &message(1, &[0x65, 0]),
            "the server misbehaved: an element longer than what holds it",
        ),
        (
            &message(1, &[0x64, 3, 4, 1, 0xff]),
            "the server misbehaved: an entry whose name is not UTF-8",
        ),
        (
            &message(9, &[0x65, 7, 10, 1, 0, 4, 0, 4, 0]),
            "the server misbehaved: an answer to a question not asked",
        ),
        (
            &message(0x80, &[0x65, 0]),
            "the server misbehaved: a message id out of range",
        ),
        (
            &message(0, &[0x64, 4, 4, 0, 0x30, 0]),
            "the server misbehaved: an answer to nothing",
        ),
        (&deep, "the server misbehaved: an indefinite length"),
        (
            &nested_entry,
            "the server misbehaved: an entry whose name is not UTF-8",
        ),
    ] {
        assert_eq!(
            answer(bytes).await,
            expected,
            "{:02x?}",
            &bytes[..bytes.len().min(16)]
        );
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_ends_the_connection() {
    let (client, mut peer) = pair(Limits::default());
    let (bind, ()) = tokio::join!(client.simple_bind("", ""), async {
        let id = peer.request().await.unwrap().msgid;
        peer.send(LdapMsg::new(
            id,
            LdapOp::ModifyResponse(result(LdapResultCode::Success)),
        ))
        .await;
    });
    let wrong = "the server misbehaved: an answer of the wrong kind";
    assert_eq!(bind.unwrap_err().to_string(), wrong);
    assert_eq!(client.delete("cn=x").await.unwrap_err().to_string(), wrong);
}

#[tokio::test]
async fn an_entry_after_the_end_is_misbehaviour() {
    let (client, mut peer) = pair(Limits::default());
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    peer.done(id, LdapResultCode::Success).await;
    assert!(matches!(stream.next().await, Ok(None)));
    let second = client.search(&everything()).await.unwrap();
    peer.search().await;
    peer.entry(id, "cn=late", &[]).await;
    let mut second = second;
    let error = second.next().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server misbehaved: an answer to a question not asked"
    );
}

#[tokio::test]
async fn a_notice_of_disconnection_is_passed_on() {
    let (client, mut peer) = pair(Limits::default());
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    peer.entry(id, "cn=one", &[]).await;
    let mut res = result(LdapResultCode::Unavailable);
    res.message = "going down".into();
    let other = LdapExtendedResponse {
        res: res.clone(),
        name: Some("1.2.3".into()),
        value: None,
    };
    peer.send(LdapMsg::new(0, LdapOp::ExtendedResponse(other)))
        .await;
    let notice = LdapExtendedResponse {
        res,
        name: Some(NOTICE.into()),
        value: None,
    };
    peer.send(LdapMsg::new(0, LdapOp::ExtendedResponse(notice)))
        .await;
    assert!(matches!(stream.next().await, Ok(Some(Item::Entry(_)))));
    let expected = "connection closed by the server: unavailable (52): going down";
    assert_eq!(stream.next().await.unwrap_err().to_string(), expected);
    assert_eq!(
        client.delete("cn=x").await.unwrap_err().to_string(),
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_in_the_middle_is_given_up() {
    let (client, mut peer) = pair(Limits::default());
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    peer.entry(id, "cn=one", &[]).await;
    peer.send_bytes(&[0x30, 0x82, 1, 0, 2, 1]).await;
    assert!(matches!(stream.next().await, Ok(Some(_))));
    match stream.next().await {
        Err(Error::TimedOut {
            operation: Operation::Search,
            after,
        }) => {
            assert_eq!(after, Duration::from_secs(120));
        }
        other => panic!("{other:?}"),
    }
    // Giving up abandons.
    let abandon = peer.request().await.unwrap();
    assert_eq!(abandon.op, LdapOp::AbandonRequest(id));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_given_up() {
    let (client, _peer) = pair(Limits::default());
    let huge = vec![0; 1 << 20];
    let error = client.compare("cn=x", "cn", &huge).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TimedOut {
                operation: Operation::Compare,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_search_that_is_dropped_is_abandoned_and_its_late_answers_are_no_offence() {
    let (client, mut peer) = pair(Limits::default());
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    peer.entry(id, "cn=one", &[]).await;
    assert!(stream.next().await.unwrap().is_some());
    drop(stream);
    assert_eq!(peer.request().await.unwrap().op, LdapOp::AbandonRequest(id));
    peer.entry(id, "cn=two", &[]).await;
    peer.done(id, LdapResultCode::Success).await;
    let mut second = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    peer.done(id, LdapResultCode::Success).await;
    assert!(matches!(second.next().await, Ok(None)));
}

#[tokio::test]
async fn what_nobody_takes_stops_the_server() {
    let (client, mut peer) = pair(Limits {
        queue: 1,
        ..Limits::default()
    });
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    let value = "x".repeat(1000);
    let mut sent = 0;
    // The pipe holds 64 KiB, the client a few portions: far less than what is on offer.
    let flood = async {
        loop {
            peer.entry(id, "cn=x", &[("v", &[&value])]).await;
            sent += 1;
        }
    };
    tokio::select! {
        () = flood => {}
        () = async { for _ in 0..10_000 { tokio::task::yield_now().await; } } => {}
    }
    assert!((60..1000).contains(&sent), "{sent}");
    for _ in 0..60 {
        assert!(matches!(stream.next().await, Ok(Some(_))));
    }
}

#[tokio::test]
async fn result_codes_become_distinct_errors() {
    for (code, expected) in [
        (
            LdapResultCode::SizeLimitExceeded,
            "search cut short by the server: sizeLimitExceeded (4)",
        ),
        (
            LdapResultCode::TimeLimitExceeded,
            "search cut short by the server: timeLimitExceeded (3)",
        ),
        (
            LdapResultCode::AdminLimitExceeded,
            "search cut short by the server: adminLimitExceeded (11)",
        ),
        (
            LdapResultCode::InsufficentAccessRights,
            "search refused: insufficientAccessRights (50)",
        ),
        (LdapResultCode::Referral, "search referred to ldap://dc2/"),
    ] {
        let (client, mut peer) = pair(Limits::default());
        let mut stream = client.search(&everything()).await.unwrap();
        let (id, ..) = peer.search().await;
        let mut outcome = result(code.clone());
        if code == LdapResultCode::Referral {
            outcome.referral = vec!["ldap://dc2/".into()];
        }
        peer.send(LdapMsg::new(id, LdapOp::SearchResultDone(outcome)))
            .await;
        assert_eq!(stream.next().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn what_is_not_asked_for_but_allowed_is_passed_over() {
    let (client, mut peer) = pair(Limits::default());
    let mut stream = client.search(&everything()).await.unwrap();
    let (id, ..) = peer.search().await;
    let raw = LdapIntermediateResponse::Raw {
        name: Some("1.2".into()),
        value: None,
    };
    peer.send(LdapMsg::new(id, LdapOp::IntermediateResponse(raw)))
        .await;
    let uris = vec!["ldap://other/".to_owned()];
    let reference = LdapSearchResultReference { uris: uris.clone() };
    peer.send(LdapMsg::new(id, LdapOp::SearchResultReference(reference)))
        .await;
    peer.done(id, LdapResultCode::Success).await;
    assert_eq!(stream.next().await.unwrap(), Some(Item::Reference(uris)));
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_name_without_a_password_is_not_sent() {
    let (client, mut peer) = pair(Limits::default());
    let error = client.simple_bind("cn=admin", "").await.unwrap_err();
    assert!(matches!(
        error,
        Error::Unsendable {
            operation: Operation::Bind,
            ..
        }
    ));
    drop(client);
    assert_eq!(peer.request().await, None);
}

#[tokio::test]
async fn too_many_entries_are_a_limit_and_a_base_has_one() {
    let (client, mut peer) = pair(Limits::default());
    let serve = async |peer: &mut Peer| {
        let (id, ..) = peer.search().await;
        for dn in ["cn=1", "cn=2", "cn=3"] {
            peer.entry(id, dn, &[]).await;
        }
        peer.done(id, LdapResultCode::Success).await;
    };
    let search = everything();
    let (entries, ()) = tokio::join!(client.entries(&search, 2), serve(&mut peer));
    assert!(
        matches!(
            entries,
            Err(Error::Limit {
                max: 2,
                found: 3,
                ..
            })
        ),
        "{entries:?}"
    );
    let (entries, ()) = tokio::join!(client.entries(&search, 3), serve(&mut peer));
    assert_eq!(entries.unwrap().len(), 3);
    let (base, ()) = tokio::join!(client.base("cn=1", &[]), serve(&mut peer));
    assert!(
        matches!(base, Err(Error::PeerMisbehaved { .. })),
        "{base:?}"
    );
}

#[tokio::test]
async fn a_missing_object_is_none() {
    let (client, mut peer) = pair(Limits::default());
    let (base, ()) = tokio::join!(client.base("cn=1", &["cn"]), async {
        let (id, ..) = peer.search().await;
        peer.done(id, LdapResultCode::NoSuchObject).await;
    });
    assert_eq!(base.unwrap(), None);
}

/// Answers page after page without an entry.
async fn empty_pages(peer: &mut Peer, cookie: impl Fn(u32) -> Vec<u8>) -> u32 {
    let mut pages = 0;
    while let Some(request) = peer.request().await {
        pages += 1;
        peer.page_done(request.msgid, &cookie(pages)).await;
    }
    pages
}

#[tokio::test]
async fn pages_without_entries_end() {
    let same = |_: u32| b"same".to_vec();
    let other = |page: u32| page.to_be_bytes().to_vec();
    for cookie in [&same as &dyn Fn(u32) -> Vec<u8>, &other] {
        let (client, mut peer) = pair(Limits::default());
        let mut paged = client.paged(everything(), 100);
        drop(client);
        let (outcome, asked) = tokio::join!(
            async {
                let found = paged.next().await;
                drop(paged);
                found
            },
            empty_pages(&mut peer, cookie)
        );
        let error = outcome.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server misbehaved: page after page without an entry"
        );
        assert!(asked < 2000, "{asked}");
    }
}

#[tokio::test]
async fn the_same_cookie_for_every_page_is_no_offence() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 1);
    let serve = async {
        for page in 0..50 {
            let (id, _, controls) = peer.search().await;
            let expected = if page == 0 { &b""[..] } else { b"\x00\x01" };
            assert_eq!(paging(&controls), Some((1, expected.to_vec())));
            peer.entry(id, &format!("cn={page}"), &[]).await;
            peer.page_done(id, if page == 49 { b"" } else { b"\x00\x01" })
                .await;
        }
    };
    let read = async {
        for page in 0..50 {
            let Some(Item::Entry(entry)) = paged.next().await.unwrap() else {
                panic!("page {page}")
            };
            assert_eq!(entry.dn, format!("cn={page}"));
        }
        assert_eq!(paged.next().await.unwrap(), None);
        assert_eq!(paged.next().await.unwrap(), None);
    };
    tokio::join!(serve, read);
}

#[tokio::test]
async fn a_broken_paging_control_is_misbehaviour() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 10);
    let serve = async {
        let (id, ..) = peer.search().await;
        let oid = "1.2.840.113556.1.4.319".to_owned();
        let control = LdapControl::Unknown {
            oid,
            criticality: false,
            value: Some(vec![0x30, 9]),
        };
        let op = LdapOp::SearchResultDone(result(LdapResultCode::Success));
        peer.send(LdapMsg::new_with_ctrls(id, op, vec![control]))
            .await;
    };
    let (found, ()) = tokio::join!(paged.next(), serve);
    assert!(
        matches!(found, Err(Error::PeerMisbehaved { .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_lost_connection_resumes_without_an_entry_twice() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 3);
    let first = async {
        let (id, ..) = peer.search().await;
        for dn in ["a", "b", "c"] {
            peer.entry(id, dn, &[]).await;
        }
        peer.page_done(id, b"page 2").await;
        let (id, ..) = peer.search().await;
        peer.entry(id, "d", &[]).await;
        drop(peer);
    };
    let mut found = Vec::new();
    let read = async {
        loop {
            match paged.next().await {
                Ok(Some(Item::Entry(entry))) => found.push(entry.dn),
                Err(Error::Closed { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(first, read);
    let (client, mut peer) = pair(Limits::default());
    paged.resume_with(client);
    assert_eq!(paged.cookie(), b"page 2");
    let second = async {
        let (id, _, controls) = peer.search().await;
        assert_eq!(paging(&controls), Some((3, b"page 2".to_vec())));
        for op in [entry("d", &[]), entry("e", &[])] {
            peer.send(LdapMsg::new(id, op)).await;
        }
        peer.page_done(id, b"").await;
    };
    let read = async {
        while let Some(item) = paged.next().await.unwrap() {
            let Item::Entry(entry) = item else {
                panic!("{item:?}")
            };
            found.push(entry.dn);
        }
    };
    tokio::join!(second, read);
    assert_eq!(found, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_cookie_that_another_connection_does_not_know_is_said() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 1);
    let serve = async {
        let (id, ..) = peer.search().await;
        peer.entry(id, "a", &[]).await;
        peer.page_done(id, b"mine").await;
        peer.search().await;
        drop(peer);
    };
    let read = async {
        assert!(paged.next().await.unwrap().is_some());
        assert!(paged.next().await.is_err());
    };
    tokio::join!(serve, read);
    let (client, mut peer) = pair(Limits::default());
    paged.resume_with(client);
    let (found, ()) = tokio::join!(paged.next(), async {
        let (id, ..) = peer.search().await;
        peer.done(id, LdapResultCode::UnwillingToPerform).await;
    });
    let code = match found {
        Err(Error::CookieRefused { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code, ResultCode::UNWILLING_TO_PERFORM);
}

#[tokio::test]
async fn start_tls_takes_nothing_in_the_clear_behind_its_answer() {
    let response = |name: &str, code| {
        let name = Some(name.to_owned());
        LdapMsg::new(
            1,
            LdapOp::ExtendedResponse(LdapExtendedResponse {
                res: result(code),
                name,
                value: None,
            }),
        )
    };
    let oid = "1.3.6.1.4.1.1466.20037";
    for (extra, code, expected) in [
        (&b""[..], LdapResultCode::Success, "ok"),
        (
            b"0",
            LdapResultCode::Success,
            "the server misbehaved: bytes in the clear behind the StartTLS answer",
        ),
        (
            b"",
            LdapResultCode::Unavailable,
            "StartTLS refused: unavailable (52)",
        ),
    ] {
        let (mut ours, theirs) = tokio::io::duplex(4096);
        let mut peer = Peer::new(theirs);
        let serve = async {
            let LdapOp::ExtendedRequest(request) = peer.request().await.unwrap().op else {
                panic!()
            };
            assert_eq!(request.name, oid);
            let mut bytes = bytes::BytesMut::new();
            let mut codec = ldap3_proto::LdapCodec::default();
            tokio_util::codec::Encoder::encode(&mut codec, response(oid, code.clone()), &mut bytes)
                .unwrap();
            bytes.extend_from_slice(extra);
            peer.send_bytes(&bytes).await;
        };
        let (outcome, ()) = tokio::join!(start_tls(&mut ours, Limits::default()), serve);
        let found = outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn start_tls_waits_no_longer_than_allowed() {
    let (mut ours, _theirs) = tokio::io::duplex(4096);
    let outcome = start_tls(&mut ours, Limits::default()).await;
    assert!(matches!(
        outcome,
        Err(Error::TimedOut {
            operation: Operation::StartTls,
            ..
        })
    ));
}

#[tokio::test]
async fn goodbye_is_said_and_the_stream_closed() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let client = Client::new(ours, Limits::default());
    let other = client.clone();
    client.unbind().await;
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [0x30, 5, 2, 1, 1, 0x42, 0]);
    assert!(matches!(
        other.delete("cn=x").await,
        Err(Error::Closed { .. })
    ));
}

#[tokio::test]
async fn the_last_handle_closes_the_stream() {
    let (client, mut peer) = pair(Limits::default());
    let stream = client.search(&everything()).await.unwrap();
    peer.search().await;
    drop(client);
    drop(stream);
    assert!(matches!(
        peer.request().await.unwrap().op,
        LdapOp::AbandonRequest(_)
    ));
    assert_eq!(peer.request().await, None);
}

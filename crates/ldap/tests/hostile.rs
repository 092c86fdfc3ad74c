//! A peer that breaks the protocol (RFC 4511) or just stops: every request ends in a clear error.

mod peer;

use std::time::Duration;

use automend_ldap::{Client, Error, Item, Limits, Operation, start_tls};
use ldap3_proto::proto::{
    LdapExtendedResponse, LdapIntermediateResponse, LdapMsg, LdapOp, LdapResultCode,
    LdapSearchResultReference,
};
use peer::{Peer, everything, pair, result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
#[allow(clippy::too_many_lines, reason = "a table of cases")]
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
            "connection closed by the server: inside a message",
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
async fn a_refusal_by_extended_response_is_a_refusal() {
    let (client, mut peer) = pair(Limits::default());
    for (code, expected) in [
        (
            LdapResultCode::UnavailableCriticalExtension,
            "delete refused: unavailableCriticalExtension (12)",
        ),
        (
            LdapResultCode::Success,
            "the server misbehaved: an answer of the wrong kind",
        ),
    ] {
        let (outcome, ()) = tokio::join!(client.delete("cn=x"), async {
            let id = peer.request().await.unwrap().msgid;
            let res = result(code);
            let response = LdapExtendedResponse {
                res,
                name: None,
                value: None,
            };
            peer.send(LdapMsg::new(id, LdapOp::ExtendedResponse(response)))
                .await;
        });
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }
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
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let client = Client::new(ours, Limits::default());
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
    // And the stream with it, once no one holds the client.
    drop(client);
    while theirs.write_all(b"0").await.is_ok() {
        tokio::time::advance(Duration::from_secs(60)).await;
    }
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

#[tokio::test]
async fn answers_that_are_passed_over_do_not_go_on_for_ever() {
    let raw = || {
        let raw = LdapIntermediateResponse::Raw {
            name: None,
            value: None,
        };
        LdapOp::IntermediateResponse(raw)
    };
    let uris = vec!["ldap://x/".to_owned()];
    let reference =
        || LdapOp::SearchResultReference(LdapSearchResultReference { uris: uris.clone() });
    for (answer, expected) in [
        (
            &raw as &dyn Fn() -> LdapOp,
            "the server misbehaved: intermediate responses without end",
        ),
        (
            &reference,
            "references in one answer over the limit: 10001, at most 10000",
        ),
    ] {
        let (client, mut peer) = pair(Limits::default());
        let flood = async {
            let id = peer.request().await.unwrap().msgid;
            for _ in 0..20_000 {
                peer.send(LdapMsg::new(id, answer())).await;
            }
        };
        tokio::select! {
            found = client.base("cn=x", &[]) => {
                assert_eq!(found.unwrap_err().to_string(), expected);
            }
            () = async { flood.await; std::future::pending().await } => {}
        }
    }
}

//! Paged searches (RFC 2696): cookies that lead nowhere, and connections that are lost.

mod peer;

use automend_ldap::{Error, Item, Limits, ResultCode};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapMsg, LdapOp, LdapResultCode};
use peer::{Peer, entry, everything, paging, pair, result};

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
async fn an_entry_that_waits_for_values_survives_a_lost_connection() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 3);
    let first = async {
        let (id, ..) = peer.search().await;
        peer.entry(id, "a", &[("member;range=0-0", &["1"])]).await;
        peer.entry(id, "b", &[]).await;
        peer.page_done(id, b"page 2").await;
        let (_, search, _) = peer.search().await;
        assert_eq!(search.base, "a");
        drop(peer);
    };
    let read = async {
        assert!(matches!(paged.next().await, Ok(Some(Item::Entry(entry))) if entry.dn == "b"));
        assert!(matches!(paged.next().await, Err(Error::Closed { .. })));
    };
    tokio::join!(first, read);
    let (client, mut peer) = pair(Limits::default());
    paged.resume_with(client);
    let second = async {
        let (id, search, _) = peer.search().await;
        assert_eq!(search.base, "a");
        peer.entry(id, "a", &[("member;range=1-*", &["2"])]).await;
        peer.done(id, LdapResultCode::Success).await;
        let (id, _, controls) = peer.search().await;
        assert_eq!(paging(&controls), Some((3, b"page 2".to_vec())));
        peer.page_done(id, b"").await;
    };
    let read = async {
        let Ok(Some(Item::Entry(entry))) = paged.next().await else {
            panic!("no entry")
        };
        assert_eq!(entry.values("member").collect::<Vec<_>>(), [b"1", b"2"]);
        assert!(matches!(paged.next().await, Ok(None)));
    };
    tokio::join!(second, read);
}

#[tokio::test]
async fn an_entry_that_waits_in_an_interrupted_page_comes_with_it_again() {
    let (client, mut peer) = pair(Limits::default());
    let mut paged = client.paged(everything(), 3);
    let first = async {
        let (id, ..) = peer.search().await;
        peer.entry(id, "a", &[("member;range=0-0", &["1"])]).await;
        peer.entry(id, "b", &[]).await;
        drop(peer);
    };
    let read = async {
        assert!(matches!(paged.next().await, Ok(Some(Item::Entry(entry))) if entry.dn == "b"));
        assert!(matches!(paged.next().await, Err(Error::Closed { .. })));
    };
    tokio::join!(first, read);
    let (client, mut peer) = pair(Limits::default());
    paged.resume_with(client);
    let second = async {
        let (id, ..) = peer.search().await;
        peer.entry(id, "a", &[("member", &["1"])]).await;
        peer.entry(id, "b", &[]).await;
        peer.page_done(id, b"").await;
    };
    let read = async {
        assert!(matches!(paged.next().await, Ok(Some(Item::Entry(entry))) if entry.dn == "a"));
        assert!(matches!(paged.next().await, Ok(None)));
    };
    tokio::join!(second, read);
}

#[tokio::test]
async fn entries_that_wait_are_bounded_even_without_values() {
    let (client, mut peer) = pair(Limits {
        entry_bytes: 100_000,
        ..Limits::default()
    });
    let mut paged = client.paged(everything(), 3);
    let flood = async {
        let (id, ..) = peer.search().await;
        for n in 0..10_000 {
            peer.entry(id, &n.to_string(), &[("member;range=0-0", &[])])
                .await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        found = paged.next() => assert!(matches!(found, Err(Error::Limit { max: 100_000, .. }))),
        () = flood => {}
    }
}

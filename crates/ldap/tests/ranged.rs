//! Ranged retrieval ([MS-ADTS] 3.1.1.3.1.3.3) against a small server with the limits of Windows:
//! `MaxValRange` 1500 and `MaxPageSize` 1000.

mod peer;

use std::collections::BTreeMap;

use automend_ldap::{Control, Error, Item, Limits};
use ldap3_proto::proto::{
    LdapMsg, LdapOp, LdapPartialAttribute, LdapResultCode, LdapSearchResultEntry, LdapSearchScope,
};
use peer::{Peer, everything, paging, pair};

const MAX_VALUES: usize = 1500;
const MAX_PAGE: usize = 1000;

/// The server's objects: how many members each has.
type Objects = BTreeMap<String, usize>;

fn objects() -> Objects {
    let mut objects: Objects = (0..2500).map(|n| (format!("cn=u{n:04}"), n % 3)).collect();
    objects.insert("cn=large".into(), 10_000);
    objects.insert("cn=exact".into(), 1500);
    objects.insert("cn=twice".into(), 3000);
    objects.insert("cn=over".into(), 1501);
    objects
}

fn member(n: usize) -> Vec<u8> {
    format!("cn=m{n},dc=test").into_bytes()
}

/// How a server may answer for an attribute that has more values than it sends.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// `member;range=0-1499` alone.
    Alone,
    /// Beside a `member` without values.
    BesideEmpty,
}

/// `member` from `start` on, as the server would send it.
fn members(count: usize, start: Option<usize>, style: Style) -> Vec<LdapPartialAttribute> {
    let first = start.unwrap_or(0);
    let end = count.min(first + MAX_VALUES);
    let vals: Vec<Vec<u8>> = (first..end.max(first)).map(member).collect();
    let plain = |vals| LdapPartialAttribute {
        atype: "member".into(),
        vals,
    };
    let ranged = |atype, vals| LdapPartialAttribute { atype, vals };
    if end == count && start.is_none() {
        return vec![plain(vals)];
    }
    if end >= count {
        return vec![ranged(format!("member;range={first}-*"), vals)];
    }
    let mut attributes = vec![ranged(format!("Member;Range={first}-{}", end - 1), vals)];
    if style == Style::BesideEmpty {
        attributes.insert(0, plain(Vec::new()));
    }
    attributes
}

async fn serve(mut peer: Peer, objects: Objects, style: Style) {
    while let Some(request) = peer.request().await {
        let LdapOp::SearchRequest(search) = request.op else {
            continue;
        };
        let start = search.attrs.iter().find_map(|name| {
            let (_, range) = name.split_once(";range=")?;
            range.strip_suffix("-*")?.parse::<usize>().ok()
        });
        let send = async |peer: &mut Peer, dn: &str, count: usize| {
            let attributes = members(count, start, style);
            let entry = LdapSearchResultEntry {
                dn: dn.to_owned(),
                attributes,
            };
            peer.send(LdapMsg::new(
                request.msgid,
                LdapOp::SearchResultEntry(entry),
            ))
            .await;
        };
        if search.scope == LdapSearchScope::Base {
            match objects.get(&search.base) {
                Some(count) => {
                    send(&mut peer, &search.base, *count).await;
                    peer.done(request.msgid, LdapResultCode::Success).await;
                }
                None => peer.done(request.msgid, LdapResultCode::NoSuchObject).await,
            }
            continue;
        }
        let (size, cookie) = paging(&request.ctrl).expect("a paged search");
        let skip = if cookie.is_empty() {
            0
        } else {
            String::from_utf8(cookie).unwrap().parse().unwrap()
        };
        let size = usize::try_from(size).unwrap().min(MAX_PAGE);
        for (dn, count) in objects.iter().skip(skip).take(size) {
            send(&mut peer, dn, *count).await;
        }
        let next = skip + size;
        let cookie = if next < objects.len() {
            next.to_string()
        } else {
            String::new()
        };
        peer.page_done(request.msgid, cookie.as_bytes()).await;
    }
}

#[tokio::test]
async fn every_value_of_every_entry_arrives() {
    for style in [Style::Alone, Style::BesideEmpty] {
        for page_size in [7, 1000, 5000] {
            let (client, peer) = pair(Limits::default());
            tokio::spawn(serve(peer, objects(), style));
            let mut paged = client.paged(everything(), page_size);
            let mut found = Objects::new();
            while let Some(item) = paged.next().await.unwrap() {
                let Item::Entry(entry) = item else {
                    panic!("{item:?}")
                };
                assert!(entry.attributes.len() <= 1, "{:?}", entry.dn);
                assert!(
                    entry
                        .attributes
                        .iter()
                        .all(|attribute| attribute.options.is_empty())
                );
                let values: Vec<&[u8]> = entry.values("member").collect();
                assert!(
                    values
                        .iter()
                        .enumerate()
                        .all(|(n, value)| *value == member(n))
                );
                assert_eq!(found.insert(entry.dn.clone(), values.len()), None, "twice");
            }
            assert_eq!(found, objects());
        }
    }
}

#[tokio::test]
async fn a_base_search_is_completed_too() {
    let (client, peer) = pair(Limits::default());
    tokio::spawn(serve(peer, objects(), Style::BesideEmpty));
    let entry = client.base("cn=large", &["member"]).await.unwrap().unwrap();
    assert_eq!(entry.values("MEMBER").count(), 10_000);
    assert_eq!(client.base("cn=none", &["member"]).await.unwrap(), None);
}

/// What a base search says when the first answer and all that follow come from `answer`.
async fn base(answer: impl Fn(usize) -> Option<(String, Vec<Vec<u8>>)>) -> Result<usize, Error> {
    let (client, mut peer) = pair(Limits {
        entry_bytes: 100_000,
        ..Limits::default()
    });
    let serve = async {
        for round in 0.. {
            let Some(request) = peer.request().await else {
                return;
            };
            let Some((atype, vals)) = answer(round) else {
                peer.done(request.msgid, LdapResultCode::NoSuchObject).await;
                continue;
            };
            let attributes = vec![LdapPartialAttribute { atype, vals }];
            let entry = LdapSearchResultEntry {
                dn: "cn=x".into(),
                attributes,
            };
            peer.send(LdapMsg::new(
                request.msgid,
                LdapOp::SearchResultEntry(entry),
            ))
            .await;
            peer.done(request.msgid, LdapResultCode::Success).await;
        }
    };
    let read = async {
        let found = client.base("cn=x", &["member"]).await;
        drop(client);
        Ok(found?.map_or(0, |entry| entry.values("member").count()))
    };
    tokio::join!(read, serve).0
}

fn portion(range: &str, values: usize) -> (String, Vec<Vec<u8>>) {
    (
        format!("member;range={range}"),
        (0..values).map(member).collect(),
    )
}

#[tokio::test]
async fn ranges_that_lead_nowhere_are_misbehaviour() {
    for first in [
        "0-",
        "-",
        "a-b",
        "0-9-9",
        "5-3",
        "0-99999999999999999999",
        "0-18446744073709551615",
        "0-1",
    ] {
        let found = base(|_| Some(portion(first, 1))).await;
        assert!(
            matches!(found, Err(Error::PeerMisbehaved { .. })),
            "{first}: {found:?}"
        );
    }
    let never_advances = base(|_| Some(portion("0-9", 10))).await;
    assert!(
        matches!(never_advances, Err(Error::PeerMisbehaved { .. })),
        "{never_advances:?}"
    );
    let skips = base(|round| {
        if round == 0 {
            Some(portion("0-9", 10))
        } else {
            Some(portion("11-*", 3))
        }
    })
    .await;
    assert!(
        matches!(skips, Err(Error::PeerMisbehaved { .. })),
        "{skips:?}"
    );
    let empty = base(|round| {
        if round == 0 {
            Some(portion("0-9", 10))
        } else {
            Some(portion("10-9", 0))
        }
    })
    .await;
    assert!(
        matches!(empty, Err(Error::PeerMisbehaved { .. })),
        "{empty:?}"
    );
}

#[tokio::test]
async fn a_range_that_never_ends_is_a_limit() {
    let found =
        base(|round| Some(portion(&format!("{}-{}", round * 10, round * 10 + 9), 10))).await;
    assert!(
        matches!(found, Err(Error::Limit { max: 100_000, .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn values_that_went_away_in_between_end_the_range() {
    let past = base(|round| {
        if round == 0 {
            Some(portion("0-9", 10))
        } else {
            Some(portion("10-*", 0))
        }
    })
    .await;
    assert_eq!(past.unwrap(), 10);
    // The whole object went away.
    assert_eq!(
        base(|round| if round == 0 {
            Some(portion("0-9", 10))
        } else {
            None
        })
        .await
        .unwrap(),
        0
    );
}

#[tokio::test]
async fn the_rest_is_asked_for_with_the_same_controls() {
    let (client, mut peer) = pair(Limits::default());
    let mut search = everything();
    search.controls = vec![Control::show_deleted()];
    let mut paged = client.paged(search, 10);
    let serve = async {
        let (id, _, controls) = peer.search().await;
        assert_eq!(controls.len(), 2);
        peer.entry(
            id,
            "cn=x",
            &[
                ("cn", &["x"]),
                ("member;range=0-0", &["a"]),
                ("mail", &["m"]),
            ],
        )
        .await;
        peer.entry(id, "cn=y", &[]).await;
        peer.page_done(id, b"").await;
        let (id, search, controls) = peer.search().await;
        assert_eq!(
            (search.base.as_str(), search.scope),
            ("cn=x", LdapSearchScope::Base)
        );
        assert_eq!(search.attrs, ["member;range=1-*"]);
        assert_eq!(controls.len(), 1);
        peer.entry(id, "cn=x", &[("member;range=1-*", &["b"])])
            .await;
        peer.done(id, LdapResultCode::Success).await;
    };
    let read = async {
        let mut found = Vec::new();
        while let Some(Item::Entry(entry)) = paged.next().await.unwrap() {
            found.push(entry);
        }
        assert_eq!(
            found
                .iter()
                .map(|entry| entry.dn.as_str())
                .collect::<Vec<_>>(),
            ["cn=y", "cn=x"]
        );
        let names: Vec<&str> = found[1]
            .attributes
            .iter()
            .map(|a| a.name.as_str())
            .collect();
        assert_eq!(names, ["cn", "member", "mail"]);
        assert_eq!(found[1].values("member").collect::<Vec<_>>(), [b"a", b"b"]);
    };
    tokio::join!(serve, read);
}

#[tokio::test]
async fn a_portion_that_vanished_has_the_attribute_read_again() {
    let other = || Some(("cn".to_owned(), vec![b"x".to_vec()]));
    let found = base(|round| match round {
        0 => Some(portion("0-9", 10)),
        1 => other(),
        2 => Some(portion("0-4", 5)),
        _ => Some(portion("5-*", 2)),
    });
    assert_eq!(found.await.unwrap(), 7);
    let cleared = base(|round| {
        if round == 0 {
            Some(portion("0-9", 10))
        } else {
            other()
        }
    });
    assert_eq!(cleared.await.unwrap(), 0);
    let teasing = base(|round| {
        if round % 2 == 0 {
            Some(portion("0-9", 10))
        } else {
            other()
        }
    });
    assert_eq!(
        teasing.await.unwrap_err().to_string(),
        "the server misbehaved: a range without its end"
    );
}

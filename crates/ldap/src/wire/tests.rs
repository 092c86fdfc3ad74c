//! Our reader and writer against the public codec `ldap3_proto`: both must see the same messages.

use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapFilter, LdapModifyType, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
    LdapResultCode, LdapSearchResultEntry, LdapSearchResultReference, LdapSearchScope,
};
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

use super::{Change, Envelope, Reader, Request, Response, encode};
use crate::client::{Scope, Search};
use crate::control::Control;
use crate::entry::{Attribute, Entry};
use crate::filter::Filter;

fn theirs(message: LdapMsg) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    LdapCodec::default().encode(message, &mut bytes).unwrap();
    bytes.to_vec()
}

fn read_by_them(bytes: &[u8]) -> LdapMsg {
    let mut bytes = BytesMut::from(bytes);
    let message = LdapCodec::new(Some(1 << 24), None)
        .decode(&mut bytes)
        .unwrap()
        .unwrap();
    assert!(bytes.is_empty());
    message
}

fn description() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9-]{0,20}(;[a-z]{1,8}(=[0-9]{1,3}-[0-9*]{1,3})?){0,2}"
}

fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5)
}

proptest! {
    #[test]
    fn an_entry_is_read_as_the_other_codec_writes_it(
        id in 1..i32::MAX,
        dn in "\\PC{0,200}",
        attributes in proptest::collection::vec((description(), values()), 0..12),
    ) {
        let bytes = theirs(LdapMsg::new(id, LdapOp::SearchResultEntry(LdapSearchResultEntry {
            dn: dn.clone(),
            attributes: attributes
                .iter()
                .map(|(atype, vals)| LdapPartialAttribute { atype: atype.clone(), vals: vals.clone() })
                .collect(),
        })));
        let envelope = Envelope::read(&bytes).unwrap();
        prop_assert_eq!(envelope.id, id);
        prop_assert!(!envelope.is_last());
        let attributes = attributes.iter().map(|(name, values)| Attribute::new(name, values.clone()));
        let entry = Entry { dn, attributes: attributes.collect() };
        prop_assert_eq!(envelope.response().unwrap(), Response::Entry(entry));
    }

    #[test]
    fn what_one_reader_takes_for_an_entry_so_does_the_other(
        mut bytes in Just(theirs(sample_entry())),
        spoil in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
    ) {
        for (index, byte) in spoil {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        // The other reader stops quietly at a broken element, so only agreement on success counts.
        let ours = Envelope::read(&bytes).and_then(|envelope| envelope.response());
        let mut buffer = BytesMut::from(&bytes[..]);
        let theirs = LdapCodec::default().decode(&mut buffer);
        if let (Ok(Response::Entry(ours)), Ok(Some(LdapMsg { op: LdapOp::SearchResultEntry(theirs), .. }))) =
            (ours, theirs)
        {
            prop_assert_eq!(ours.dn, theirs.dn);
            let theirs: Vec<Attribute> =
                theirs.attributes.into_iter().map(|a| Attribute::new(&a.atype, a.vals)).collect();
            prop_assert_eq!(ours.attributes, theirs);
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        while reader.element().is_ok() {}
        if let Ok(envelope) = Envelope::read(&bytes) {
            let _ = (envelope.response(), envelope.controls());
        }
    }

    #[test]
    fn a_modify_is_what_the_other_codec_reads(
        id in 1..i32::MAX,
        dn in "\\PC{0,50}",
        attribute in description(),
        values in values(),
    ) {
        let changes = vec![(Change::Delete, attribute.as_str(), values.as_slice())];
        let control = Control { oid: "1.2.3".into(), critical: true, value: Some(vec![1]) };
        let read = read_by_them(&encode(id, &Request::Modify { dn: &dn, changes }, &[control]));
        prop_assert_eq!(read.msgid, id);
        let unknown = LdapControl::Unknown { oid: "1.2.3".into(), criticality: true, value: Some(vec![1]) };
        prop_assert_eq!(read.ctrl, vec![unknown]);
        let LdapOp::ModifyRequest(modify) = read.op else { panic!("{:?}", read.op) };
        prop_assert_eq!(modify.dn, dn);
        prop_assert_eq!(modify.changes.len(), 1);
        prop_assert_eq!(&modify.changes[0].operation, &LdapModifyType::Delete);
        prop_assert_eq!(&modify.changes[0].modification.atype, &attribute);
        prop_assert_eq!(&modify.changes[0].modification.vals, &values);
    }
}

fn sample_entry() -> LdapMsg {
    LdapMsg::new(
        7,
        LdapOp::SearchResultEntry(LdapSearchResultEntry {
            dn: "CN=amy".into(),
            attributes: vec![
                LdapPartialAttribute {
                    atype: "cn".into(),
                    vals: vec![b"amy".to_vec()],
                },
                LdapPartialAttribute {
                    atype: "member".into(),
                    vals: vec![vec![0; 200], vec![]],
                },
            ],
        }),
    )
}

fn result(code: LdapResultCode) -> LdapResult {
    LdapResult {
        code,
        matcheddn: "DC=test".into(),
        message: "00002035".into(),
        referral: vec!["ldap://dc2/".into()],
    }
}

#[test]
fn outcomes_are_read_with_their_referrals() {
    for (op, last) in [
        (
            LdapOp::SearchResultDone(result(LdapResultCode::Referral)),
            true,
        ),
        (
            LdapOp::ModifyResponse(result(LdapResultCode::Referral)),
            true,
        ),
        (
            LdapOp::CompareResult(result(LdapResultCode::Referral)),
            true,
        ),
    ] {
        let bytes = theirs(LdapMsg::new(1, op));
        let envelope = Envelope::read(&bytes).unwrap();
        assert_eq!(envelope.is_last(), last);
        let Ok(Response::Outcome(outcome)) = envelope.response() else {
            panic!("no outcome")
        };
        assert_eq!(outcome.referral, ["ldap://dc2/"]);
        assert_eq!(outcome.matched_dn, "DC=test");
    }
    let uris = vec!["ldap://a/".to_owned(), "ldap://b/".to_owned()];
    let reference = LdapOp::SearchResultReference(LdapSearchResultReference { uris: uris.clone() });
    let bytes = theirs(LdapMsg::new(1, reference));
    assert_eq!(
        Envelope::read(&bytes).unwrap().response(),
        Ok(Response::Reference(uris))
    );
}

#[test]
fn requests_are_what_the_other_codec_reads() {
    let read = |request: &Request<'_>| read_by_them(&encode(3, request, &[])).op;
    let LdapOp::BindRequest(bind) = read(&Request::SimpleBind {
        name: "a",
        password: "p",
    }) else {
        panic!("no bind")
    };
    assert_eq!((bind.version, bind.dn.as_str()), (3, "a"));
    assert!(bind.cred == LdapBindCred::Simple("p".into()));
    let LdapOp::BindRequest(bind) = read(&Request::SaslBind {
        mechanism: "EXTERNAL",
        credentials: b"",
    }) else {
        panic!("no bind")
    };
    assert!(matches!(bind.cred, LdapBindCred::SASL(sasl) if sasl.mechanism == "EXTERNAL"));
    assert_eq!(read(&Request::Unbind), LdapOp::UnbindRequest);
    assert_eq!(
        read(&Request::Delete { dn: "cn=x" }),
        LdapOp::DelRequest("cn=x".into())
    );
    assert_eq!(
        read(&Request::Abandon { id: 70_000 }),
        LdapOp::AbandonRequest(70_000)
    );
    let LdapOp::ExtendedRequest(extended) = read(&Request::Extended { oid: "1.2" }) else {
        panic!("no extended request")
    };
    assert_eq!(extended.name, "1.2");
    let request = Request::ModifyDn {
        dn: "a",
        new_rdn: "b",
        delete_old: true,
        new_superior: Some("c"),
    };
    let LdapOp::ModifyDNRequest(rename) = read(&request) else {
        panic!("no rename")
    };
    assert_eq!(
        (
            rename.dn.as_str(),
            rename.newrdn.as_str(),
            rename.deleteoldrdn,
            rename.new_superior
        ),
        ("a", "b", true, Some("c".into()))
    );
    let LdapOp::CompareRequest(compare) = read(&Request::Compare {
        dn: "a",
        attribute: "b",
        value: b"c",
    }) else {
        panic!("no compare")
    };
    assert_eq!(
        (compare.atype.as_str(), compare.val.as_slice()),
        ("b", &b"c"[..])
    );
    let attributes = [("cn".to_owned(), vec![b"x".to_vec()])];
    let LdapOp::AddRequest(add) = read(&Request::Add {
        dn: "a",
        attributes: &attributes,
    }) else {
        panic!("no add")
    };
    assert_eq!(add.attributes[0].vals, [b"x"]);
}

#[test]
fn a_search_is_what_the_other_codec_reads() {
    // Each form of a filter and how the other codec names it.
    for (text, expected) in [
        ("(a=b)", LdapFilter::Equality("a".into(), "b".into())),
        ("(a>=b)", LdapFilter::GreaterOrEqual("a".into(), "b".into())),
        ("(a<=b)", LdapFilter::LessOrEqual("a".into(), "b".into())),
        ("(a~=b)", LdapFilter::Approx("a".into(), "b".into())),
        ("(a=*)", LdapFilter::Present("a".into())),
        (
            "(!(a=*))",
            LdapFilter::Not(Box::new(LdapFilter::Present("a".into()))),
        ),
        (
            "(|(a=*))",
            LdapFilter::Or(vec![LdapFilter::Present("a".into())]),
        ),
        (
            "(&(a=*))",
            LdapFilter::And(vec![LdapFilter::Present("a".into())]),
        ),
        (
            "(a=b*c*d)",
            LdapFilter::Substring("a".into(), "b*c*d".into()),
        ),
    ] {
        let filter: Filter = text.parse().unwrap();
        let mut search = Search::new("DC=test", Scope::One, filter, &["cn", "mail"]);
        (
            search.size_limit,
            search.time_limit_seconds,
            search.types_only,
        ) = (200, 9, true);
        let LdapOp::SearchRequest(read) =
            read_by_them(&encode(1, &Request::Search(&search), &[])).op
        else {
            panic!("no search")
        };
        assert_eq!(read.filter, expected);
        assert_eq!(
            (read.base.as_str(), read.scope),
            ("DC=test", LdapSearchScope::OneLevel)
        );
        assert_eq!(
            (read.sizelimit, read.timelimit, read.typesonly),
            (200, 9, true)
        );
        assert_eq!(read.attrs, ["cn", "mail"]);
    }
    let filter: Filter = "(a:dn:1.2.3:=b)".parse().unwrap();
    let search = Search::new("", Scope::Subtree, filter, &[]);
    let LdapOp::SearchRequest(read) = read_by_them(&encode(1, &Request::Search(&search), &[])).op
    else {
        panic!("no search")
    };
    let LdapFilter::Extensible(rule) = read.filter else {
        panic!("{:?}", read.filter)
    };
    assert_eq!(
        (rule.matching_rule.as_deref(), rule.type_.as_deref()),
        (Some("1.2.3"), Some("a"))
    );
    assert!(rule.dn_attributes && rule.match_value == "b");
}

#[test]
fn the_paging_control_is_what_the_other_codec_reads() {
    let control = Control::paged_results(1000, b"cookie");
    let read = read_by_them(&encode(1, &Request::Unbind, &[control]));
    let expected = LdapControl::SimplePagedResults {
        size: 1000,
        cookie: b"cookie".to_vec(),
    };
    assert_eq!(read.ctrl, [expected]);
}

//! Hostile bytes: every reader ends, says why, and takes no more than its limits.
//!
//! What lies in `tests/hostile` goes to every reader; what is too large for a file is made here.

use std::fmt::Write as _;

use automend_autodiscover::reading::Unreadable;
use automend_autodiscover::xml::{Limits, Text};
use automend_autodiscover::{pox, soap, v2};

/// What each reader of XML makes of these bytes: why not, for each that cannot read them.
fn every_reader(bytes: &[u8]) -> [Option<String>; 4] {
    let told = |unreadable: Unreadable| unreadable.to_string();
    [
        pox::Request::parse(bytes)
            .err()
            .map(|refusal| refusal.to_string()),
        soap::Request::parse(bytes)
            .err()
            .map(|refusal| refusal.to_string()),
        pox::read(bytes).err().map(told),
        soap::read(bytes).err().map(told),
    ]
}

#[test]
fn what_lies_here_is_read_by_all_readers_alike() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.file_name().unwrap() != ".gitattributes")
        .collect();
    files.sort();
    let mut told = String::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy();
        let found = match parsed(&bytes, Limits::REQUEST) {
            Ok(()) => pox::Request::parse(&bytes).map_or_else(
                |refusal| format!("{}: {refusal}", refusal.code().number()),
                |request| format!("{request:?}"),
            ),
            Err(why) => {
                let all = [const { None }; 4].map(|_: Option<()>| Some(why.to_string()));
                assert_eq!(every_reader(&bytes), all, "{name}");
                why.to_string()
            }
        };
        assert!(v2::read(&bytes).is_err(), "{name}");
        writeln!(told, "{name}\n    {found}").unwrap();
    }
    insta::assert_snapshot!(told);
}

/// Whether bytes are a document, or why not.
fn parsed(bytes: &[u8], limits: Limits) -> Result<(), Unreadable> {
    Text::read(bytes, limits)?.root().map(drop)
}

#[track_caller]
fn limited(document: &[u8], expected: &str) {
    let found = parsed(document, Limits::REQUEST).expect_err("too much");
    assert!(
        matches!(found, Unreadable::Limit { what, .. } if what == expected),
        "{found}"
    );
    let [pox, soap, ..] = every_reader(document);
    assert_eq!(
        [pox, soap],
        [Some(found.to_string()), Some(found.to_string())]
    );
}

#[test]
fn a_hundred_thousand_elements_within_one_another_are_survived() {
    limited(
        "<a>".repeat(80_000).as_bytes(),
        "elements within one another",
    );
    let whole = "<a>".repeat(30_000) + &"</a>".repeat(30_000);
    limited(whole.as_bytes(), "elements within one another");
    // As an answer, which may be larger, it ends at the same place.
    let whole = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    let limit = Limits::ANSWER;
    assert_eq!(
        parsed(whole.as_bytes(), limit),
        Err(Unreadable::Limit {
            what: "elements within one another",
            max: limit.depth,
        })
    );
}

#[test]
fn elements_side_by_side_have_a_limit() {
    limited(
        format!("<a>{}</a>", "<b/>".repeat(5000)).as_bytes(),
        "elements",
    );
}

#[test]
fn attributes_and_namespaces_have_a_limit() {
    let attributes = |count: usize, name: &str| {
        let each = (0..count).map(|at| format!(" {name}{at}='u'"));
        each.collect::<String>()
    };
    limited(
        format!("<a{}/>", attributes(65, "b")).as_bytes(),
        "attributes",
    );
    limited(
        format!("<a{}/>", attributes(10_000, "b")).as_bytes(),
        "attributes",
    );
    // Each element has few, but their scopes add up.
    let nested: Vec<String> = (0..4)
        .map(|at| format!("<a{}>", attributes(20, &format!("xmlns:p{at}_"))))
        .collect();
    limited(nested.concat().as_bytes(), "namespaces");
    // Side by side they do not.
    let beside = format!("<a{}/>", attributes(20, "xmlns:p")).repeat(40);
    assert!(parsed(format!("<r>{beside}</r>").as_bytes(), Limits::REQUEST).is_ok());
}

#[test]
fn bytes_have_a_limit() {
    let mut body = vec![b' '; 2 << 20];
    limited(&body, "bytes");
    body.splice(..0, *b"<a>");
    limited(&body, "bytes");
    let endless = vec![b'<'; 9 << 20];
    for told in every_reader(&endless) {
        assert!(told.unwrap().contains("more bytes than"));
    }
    assert!(
        v2::read(&endless)
            .unwrap_err()
            .to_string()
            .contains("more bytes than")
    );
}

#[test]
fn one_long_token_is_as_good_as_many() {
    let long = "x".repeat(250_000);
    for document in [
        format!("<{long}/>"),
        format!("<a {long}='1'/>"),
        format!("<a b='{long}'/>"),
        format!("<!--{long}--><a/>"),
        format!("<a>{}</a>", "&amp;".repeat(50_000)),
    ] {
        assert!(parsed(document.as_bytes(), Limits::REQUEST).is_ok());
    }
    for document in [
        format!("<a>&{long};</a>"),
        format!("<!--{long}"),
        format!("<a b='{long}"),
        format!("<{long}"),
        "-->".repeat(80_000),
    ] {
        let unreadable = parsed(document.as_bytes(), Limits::REQUEST).unwrap_err();
        assert!(
            unreadable.to_string().len() < 300
                || matches!(unreadable, Unreadable::Truncated { .. })
        );
    }
}

#[test]
fn a_request_cannot_ask_for_more_than_can_be_answered() {
    let ask = |users: usize, settings: usize| {
        let mut body = Vec::new();
        soap::Request {
            message_id: None,
            operation: soap::Operation::UserSettings {
                users: (0..users).map(|at| format!("u{at}@contoso.com")).collect(),
                settings: (0..settings)
                    .map(|at| soap::Wanted::Unknown(format!("S{at}")))
                    .collect(),
            },
        }
        .write(
            "https://autodiscover.contoso.com/autodiscover/autodiscover.svc",
            &mut body,
        );
        soap::Request::parse(&body)
    };
    assert!(ask(100, 256).is_ok());
    let refused = |users, settings| ask(users, settings).unwrap_err().to_string();
    assert_eq!(
        refused(101, 1),
        "GetUserSettings is refused: The request names too many users."
    );
    assert_eq!(
        refused(1, 257),
        "GetUserSettings is refused: The request asks for too many settings."
    );
}

#[test]
fn every_version_of_exchange_may_be_asked_for() {
    let mut body = Vec::new();
    soap::Request {
        message_id: None,
        operation: soap::Operation::FederationInformation {
            domain: "contoso.com".to_owned(),
        },
    }
    .write("https://contoso.com/", &mut body);
    let body = String::from_utf8(body).unwrap();
    for version in [
        "Exchange2007_SP1",
        "Exchange2010",
        "Exchange2010_SP1",
        "Exchange2010_SP2",
        "Exchange2013",
        "Exchange2013_SP1",
        "Exchange2015",
        "Exchange2016",
        "Exchange2019",
    ] {
        let asked = body.replace("Exchange2013", version);
        assert!(soap::Request::parse(asked.as_bytes()).is_ok(), "{version}");
    }
    for version in [
        "",
        "2013",
        "Exchange",
        "Exchange2013_SP",
        "Exchange2013x",
        "V2015_10_05",
    ] {
        let asked = body.replace("Exchange2013", version);
        assert!(soap::Request::parse(asked.as_bytes()).is_err(), "{version}");
    }
}

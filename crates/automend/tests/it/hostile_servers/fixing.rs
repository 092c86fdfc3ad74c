//! Servers that lose answers, change in the middle or refuse, while links are removed and put back.

use super::*;

/// Owner with 4,000 links, on a server with the limits of AD.
fn with_four_thousand_links(
    act: impl Fn(&Request, &mut Held) -> Act + Send + Sync + 'static,
) -> Server {
    let delegates: Vec<String> = (0..4000).map(|i| format!("User{i:04}")).collect();
    let mut objects: Vec<Object> = delegates.iter().map(|name| Object::mailbox(name)).collect();
    objects.push(Object::disabled("Jim").opened_for(&delegates));
    let server = Server::scripted(objects, act);
    server.held().values_at_once = 1500;
    server.held().page_at_most = 1000;
    server
}

fn links_of(server: &Server, owner: &str) -> Vec<String> {
    let mut links: Vec<String> = server
        .held()
        .links(owner)
        .iter()
        .map(|value| String::from_utf8(value.clone()).unwrap())
        .collect();
    links.sort();
    links
}

#[test]
fn four_thousand_links_in_ranges_are_found_removed_and_put_back() {
    let server = with_four_thousand_links(|_, _| Act::Answer);
    let before = links_of(&server, "Jim");
    let report = audit(&server, &[]).exits(1).json();
    assert_eq!(report["counts"]["links"], 4000);
    assert_eq!(
        report["findings"][0]["delegates"].as_array().unwrap().len(),
        4000
    );

    let (bench, url) = (Bench::new(), server.url());
    let access = ["-d", &url, "--allow-plaintext", "--timeout", "2", "--yes"];
    let too_many = [&["fix", "--receipt", "r.ldif"], access.as_slice()].concat();
    bench
        .automend(&too_many)
        .exits(2)
        .warns("4000 links, more than --max-changes 1000");
    assert_eq!(links_of(&server, "Jim"), before);

    let enough = [too_many.as_slice(), &["--max-changes", "4000"]].concat();
    bench
        .automend(&enough)
        .exits(0)
        .says("fixed Jim (4000 links)")
        .says("verified: Autodiscover answers 4000 users");
    assert_eq!(links_of(&server, "Jim"), Vec::<String>::new());
    assert_eq!(
        bench
            .read("r.ldif")
            .matches("add: msExchDelegateListLink")
            .count(),
        // Five hundred values a request, and each request is a change of its own.
        8
    );

    bench
        .automend(&[&["undo", "r.ldif"], access.as_slice()].concat())
        .exits(0);
    assert_eq!(links_of(&server, "Jim"), before);
}

#[test]
fn a_link_removed_by_somebody_else_between_two_ranges_loses_no_other() {
    // The first value goes when the first range has been read, so everything moves up by one.
    let server = with_four_thousand_links(|request, held| {
        if let Op::Search(search) = &request.op
            && search
                .attributes
                .iter()
                .any(|name| name.contains("range=1500-"))
            && held.links("Jim").len() == 4000
        {
            held.links("Jim").remove(0);
        }
        Act::Answer
    });
    let (bench, url) = (Bench::new(), server.url());
    let run = bench.automend(&[
        "fix",
        "-d",
        &url,
        "--allow-plaintext",
        "--timeout",
        "2",
        "--yes",
        "--receipt",
        "r.ldif",
        "--max-changes",
        "4000",
    ]);
    // One value is hidden from the first reading by the shift; a second run finds whatever is left.
    let left = links_of(&server, "Jim");
    assert!(left.len() <= 1, "{} left: {run}", left.len());
    bench
        .automend(&[
            "fix",
            "-d",
            &url,
            "--allow-plaintext",
            "--yes",
            "--receipt",
            "again.ldif",
        ])
        .exits(0);
    assert_eq!(links_of(&server, "Jim"), Vec::<String>::new());
}

#[test]
fn a_fix_that_is_stopped_halfway_through_an_owner_is_undone_to_the_last_link() {
    // Someone removes one link while the third portion of 500 is on its way.
    let server = with_four_thousand_links(|request, held| {
        let portions = held
            .asked
            .iter()
            .filter(|other| matches!(other.op, Op::Modify { .. }))
            .count();
        if matches!(request.op, Op::Modify { .. }) && portions == 3 {
            let gone = format!("CN=User1200,{BASE}").into_bytes();
            held.links("Jim").retain(|value| *value != gone);
        }
        Act::Answer
    });
    let before = links_of(&server, "Jim");
    let (bench, url) = (Bench::new(), server.url());
    let access = ["-d", &url, "--allow-plaintext", "--timeout", "2", "--yes"];
    bench
        .automend(
            &[
                &["fix", "--receipt", "r.ldif", "--max-changes", "4000"],
                access.as_slice(),
            ]
            .concat(),
        )
        .exits(1)
        .says("the link was changed in the meantime");
    assert!(links_of(&server, "Jim").len() < 4000 - 900);

    bench
        .automend(&[&["undo", "r.ldif"], access.as_slice()].concat())
        .exits(0);
    let expected: Vec<String> = before
        .into_iter()
        .filter(|link| !link.contains("User1200"))
        .collect();
    assert_eq!(links_of(&server, "Jim"), expected);
}

#[test]
fn a_write_whose_answer_is_lost_is_looked_up_and_not_guessed() {
    for arrives in [true, false] {
        let server = Server::scripted(company(), move |request, held| {
            let first = held
                .asked
                .iter()
                .filter(|other| matches!(other.op, Op::Modify { .. }))
                .count()
                == 1;
            match (&request.op, arrives) {
                (Op::Modify { .. }, true) if first => Act::Cut(0),
                (Op::Modify { .. }, false) if first => Act::Close,
                _ => Act::Answer,
            }
        });
        let (bench, url) = (Bench::new(), server.url());
        bench
            .automend(&[
                "fix",
                "-d",
                &url,
                "--allow-plaintext",
                "--timeout",
                "2",
                "--yes",
                "--receipt",
                "r.ldif",
            ])
            .exits(0)
            .says("fixed Jim (1 link)");
        assert!(server.held().links("Jim").is_empty());
        assert_eq!(server.held().links("Rosa").len(), 1);
        let writes = server
            .held()
            .asked
            .iter()
            .filter(|other| matches!(other.op, Op::Modify { .. }))
            .count();
        assert_eq!(writes, if arrives { 1 } else { 2 });
    }
}

#[test]
fn a_mailbox_that_came_back_between_plan_and_write_keeps_its_links() {
    let server = Server::honest(company());
    let (bench, url) = (Bench::new(), server.url());
    let access = ["-d", &url, "--allow-plaintext", "--timeout", "2"];
    bench
        .automend(
            &[
                &["fix", "--plan-only", "-o", "plan.json"],
                access.as_slice(),
            ]
            .concat(),
        )
        .exits(1);
    {
        let mut held = server.held();
        let jim = held
            .objects
            .iter_mut()
            .find(|object| object.dn.starts_with("CN=Jim,"))
            .unwrap();
        let links = jim.values_mut(LINK).clone();
        *jim = Object::mailbox("Jim");
        *jim.values_mut(LINK) = links;
    }
    bench
        .automend(
            &[
                &["fix", "--plan", "plan.json", "--yes", "--receipt", "r.ldif"],
                access.as_slice(),
            ]
            .concat(),
        )
        .exits(2)
        .warns("the owner has a mailbox again");
    assert_eq!(server.held().links("Jim").len(), 1);
    assert!(!bench.path("r.ldif").exists());
    assert!(
        !server
            .held()
            .asked
            .iter()
            .any(|request| matches!(request.op, Op::Modify { .. }))
    );
}

#[test]
fn a_refused_write_is_told_and_the_others_are_done() {
    let mut objects = company();
    objects.push(Object::disabled("Sam").opened_for(["Rosa"]));
    let server = Server::scripted(objects, |request, _| match &request.op {
        Op::Modify { dn, .. } if dn.starts_with("CN=Jim,") => Act::Refuse(50, "00002098: SecErr"),
        _ => Act::Answer,
    });
    let (bench, url) = (Bench::new(), server.url());
    bench
        .automend(&[
            "fix",
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "--yes",
            "--receipt",
            "r.ldif",
        ])
        .exits(1)
        .says("left   Jim: modify refused: insufficientAccessRights (50)")
        .says("fixed Sam (1 link)");
    assert_eq!(server.held().links("Jim").len(), 1);
    assert!(server.held().links("Sam").is_empty());
}

#[test]
fn a_controller_that_cannot_be_asked_is_named_after_a_fix() {
    let server = Server::honest(company());
    let silent = Server::scripted(company(), |_, _| Act::Close);
    let (bench, url, other) = (Bench::new(), server.url(), silent.url());
    bench
        .automend(&[
            "fix",
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "--yes",
            "--receipt",
            "r.ldif",
            "--dc",
            &url,
            "--dc",
            &other,
            "--replication-timeout",
            "1",
        ])
        .exits(1)
        .says(&format!("agrees  {url}"))
        .says(&format!("SILENT  {other}"));
}

#[test]
fn a_controller_that_still_has_the_link_is_named_after_a_fix() {
    let (server, late) = (Server::honest(company()), Server::honest(company()));
    let (bench, url, other) = (Bench::new(), server.url(), late.url());
    bench
        .automend(&[
            "fix",
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "--yes",
            "--receipt",
            "r.ldif",
            "--dc",
            &other,
            "--replication-timeout",
            "1",
        ])
        .exits(1)
        .says(&format!("DIFFERS {other} on 1 of 1 owner"));
}

/// The arguments of a printed command.
fn command_of(report: &Value) -> Vec<String> {
    let words = report["command"].as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_printed_command_reaches_the_server_that_answered_in_the_same_way() {
    let server = Server::honest(company());
    let url = server.url();
    let dead = "ldap://127.0.0.1:1";
    let bench = Bench::new();
    bench.file("pass word", "secret\n");
    let several = format!("{dead},{url}");
    let arguments = [
        "audit",
        "-d",
        &several,
        "--allow-plaintext",
        "--timeout",
        "2",
        "--page-size",
        "7",
        "--base",
        BASE,
        "--user",
        "CN=Alice's,DC=c",
        "--password-file",
        "pass word",
        "--format",
        "json",
    ];
    let report = bench.automend(&arguments).exits(1).json();
    assert_eq!(
        command_of(&report),
        [
            "automend",
            "fix",
            "--directory",
            &url,
            "--allow-plaintext",
            "--user",
            "CN=Alice's,DC=c",
            "--password-file",
            "pass word",
            "--page-size",
            "7",
            "--timeout",
            "2",
            "--base",
            BASE,
        ]
    );
}

#[test]
fn a_plan_brings_its_server_along() {
    let server = Server::honest(company());
    let (bench, url) = (Bench::new(), server.url());
    let access = ["--allow-plaintext", "--timeout", "2"];
    let plan = ["fix", "-d", &url, "--plan-only", "-o", "plan.json"];
    bench
        .automend(&[&plan[..], &access].concat())
        .exits(1)
        .says("apply it with: automend fix --plan plan.json --allow-plaintext --timeout 2\n");
    let apply = ["fix", "--plan", "plan.json", "--yes", "--receipt", "r.ldif"];
    bench
        .automend(&[&apply[..], &access].concat())
        .exits(0)
        .says(&format!(
            "To undo: automend undo --directory {url} --allow-plaintext --timeout 2 r.ldif\n"
        ));
    assert!(server.held().links("Jim").is_empty());
}

#[test]
fn an_account_that_may_not_write_is_told_before_the_first_write() {
    let values = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    for (allowed, effective, may) in [
        (&["description", LINK][..], &["description"][..], false),
        (&["description", LINK], &[], false),
        (&["description", LINK], &["msexchdelegatelistlink"], true),
        // A server that tells nothing is reported of by the write.
        (&[], &[], true),
    ] {
        let mut objects = company();
        for object in &mut objects {
            *object.values_mut("allowedAttributes") = values(allowed);
            *object.values_mut("allowedAttributesEffective") = values(effective);
        }
        let server = Server::honest(objects);
        let (bench, url) = (Bench::new(), server.url());
        let fix = [
            "fix",
            "-d",
            &url,
            "--allow-plaintext",
            "--yes",
            "--receipt",
            "r.ldif",
        ];
        let run = bench.automend(&fix);
        if may {
            run.exits(0);
            assert!(server.held().links("Jim").is_empty());
            continue;
        }
        run.exits(2)
            .warns("may not write msExchDelegateListLink on 1 of 1 owners; nothing was written")
            .warns("CN=Jim,DC=contoso,DC=test")
            .warns("dsacls 'DC=contoso,DC=test' /I:S /G 'this account:WP;msExchDelegateListLink'");
        assert!(!bench.path("r.ldif").exists());
        assert_eq!(server.held().links("Jim").len(), 1);
    }
}

//! Delegations on a server: what is written there, and what is left to Exchange; two administrators at
//! once, and answers that are lost.

use automend_core::descriptor::{Access, Descriptor};
use automend_core::names::Sid;

use crate::ldap_server::{Act, BASE, Held, LINK, Object, Op, Request, Server};
use crate::tool::{Bench, Run};

const RIGHTS: &str = "msExchMailboxSecurityDescriptor";
const CAROL: &str = "S-1-5-21-1-2-3-1104";

/// Info with a descriptor, and Carol, whose back link the server shows from the start, as it derives none.
fn company() -> Vec<Object> {
    let mut info = Object::mailbox("Info");
    info.values_mut(RIGHTS)
        .push(Descriptor::of_new_mailbox().as_bytes().to_vec());
    let mut carol = Object::mailbox("Carol").opens(["Info"]);
    let sid = Sid::parse(CAROL).unwrap();
    carol.values_mut("objectSid").push(sid.as_bytes().to_vec());
    vec![info, carol]
}

fn run(bench: &Bench, server: &Server, arguments: &[&str]) -> Run {
    let url = server.url();
    let access = ["-d", &url, "--allow-plaintext", "--timeout", "2", "--yes"];
    bench.automend(&[arguments, &access].concat())
}

/// Links and the descriptor of Info.
fn info(server: &Server) -> (usize, Option<Descriptor>) {
    let mut held = server.held();
    let links = held.links("Info").len();
    let rights = held.objects[0].values_mut(RIGHTS).first().cloned();
    (
        links,
        rights.map(|bytes| Descriptor::parse(&bytes).unwrap()),
    )
}

fn access(server: &Server) -> Access {
    let (_, rights) = info(server);
    rights.unwrap().full_access_of(&Sid::parse(CAROL).unwrap())
}

fn writes(server: &Server) -> usize {
    let held = server.held();
    let is_write = |request: &&Request| matches!(request.op, Op::Modify { .. });
    held.asked.iter().filter(is_write).count()
}

const GRANT: [&str; 4] = ["grant", "info@contoso.test", "--to", "carol@contoso.test"];

#[test]
fn a_mailbox_on_a_server_is_left_to_exchange_with_its_cmdlet() {
    let mut objects = company();
    let mut left = Object::disabled("Left");
    left.values_mut("msExchPreviousMailboxGuid")
        .push((0..16).collect());
    left.values_mut("msExchPreviousHomeMDB")
        .push(format!("CN=DB 'one',{BASE}").into_bytes());
    objects.push(left);
    let (server, bench) = (Server::honest(objects), Bench::new());
    let mailbox = |rest: &[&str]| run(&bench, &server, &[&["mailbox"], rest].concat());
    mailbox(&["disable", "info@contoso.test"])
        .exits(0)
        .says("so nothing is written. In the Exchange Management Shell:\n  Disable-Mailbox -Identity 'info@contoso.test'\n");
    let left = format!("CN=Left,{BASE}");
    mailbox(&["enable", &left, "--database", "DB1", "--type", "room"])
        .exits(0)
        .says("  Enable-Mailbox -Identity 'CN=Left,")
        .says("' -Database 'DB1' -Room:$true\n");
    mailbox(&["connect", &left])
        .exits(0)
        .says("  Connect-Mailbox -Identity '03020100-0504-0706-0809-0a0b0c0d0e0f' -Database 'DB ''one''' -User 'CN=Left,");
    mailbox(&["enable", "info@contoso.test"])
        .exits(0)
        .says("has a mailbox already");
    assert_eq!(writes(&server), 0);
}

#[test]
fn the_link_alone_is_written_and_exchange_is_told_the_rest() {
    let (server, bench) = (Server::honest(company()), Bench::new());
    run(&bench, &server, &[&GRANT[..], &["--receipt", "r.ldif"]].concat())
        .exits(0)
        .says("the AutoMapping link to")
        .says("In the Exchange Management Shell:\n  Add-MailboxPermission -Identity 'info@contoso.test' -User 'carol@contoso.test' -AccessRights 'FullAccess' -AutoMapping:$true\n");
    assert_eq!((info(&server).0, access(&server)), (1, Access::None));
    // The link is there; the permission is still to be written.
    run(&bench, &server, &GRANT)
        .exits(0)
        .says("Add-MailboxPermission")
        .says("The permission itself is Exchange's to write");
    assert_eq!(writes(&server), 1);
    let revoke = [
        "revoke",
        "info@contoso.test",
        "--from",
        "carol@contoso.test",
    ];
    run(&bench, &server, &[&revoke[..], &["--plan-only"]].concat()).exits(1);
    run(&bench, &server, &["undo", "r.ldif"]).exits(0);
    assert_eq!(info(&server).0, 0);
    run(&bench, &server, &revoke)
        .exits(0)
        .says("nothing to write");
    run(
        &bench,
        &server,
        &[&GRANT[..], &["--no-automapping"]].concat(),
    )
    .exits(0)
    .says("-AutoMapping:$false");
    assert_eq!(writes(&server), 2);
}

#[test]
fn a_descriptor_that_is_not_shown_is_never_written() {
    let mut objects = company();
    objects[0] = objects[0].clone().hiding(RIGHTS);
    let (server, bench) = (Server::honest(objects), Bench::new());
    run(&bench, &server, &[&GRANT[..], &["--descriptor"]].concat())
        .exits(2)
        .warns("a descriptor that was not read is never written");
    assert_eq!(writes(&server), 0);
    run(&bench, &server, &GRANT)
        .exits(0)
        .says("Add-MailboxPermission");
    assert_eq!(info(&server).0, 1);
}

/// A grant of both halves; `meanwhile` happens before the first write is looked at, and `act` is its answer.
fn granted(
    act: Act,
    meanwhile: impl Fn(&mut Held) + Send + Sync + 'static,
) -> (Server, Bench, Run) {
    let server = Server::scripted(company(), move |request, held| {
        let is_write = |request: &&Request| matches!(request.op, Op::Modify { .. });
        let first = held.asked.iter().filter(is_write).count() == 1;
        if first && is_write(&request) {
            meanwhile(held);
            return act.clone();
        }
        Act::Answer
    });
    let bench = Bench::new();
    let grant = [&GRANT[..], &["--descriptor", "--receipt", "r.ldif"]].concat();
    let run = run(&bench, &server, &grant);
    (server, bench, run)
}

/// Someone else gives Bob access.
fn another(held: &mut Held) {
    let bytes = held.objects[0].values_mut(RIGHTS);
    let mut rights = Descriptor::parse(&bytes[0]).unwrap();
    let bob = Sid::parse("S-1-5-21-1-2-3-1105").unwrap();
    assert_eq!(rights.grant_full_access(&bob), Ok(true));
    bytes[0] = rights.as_bytes().to_vec();
}

#[test]
fn two_administrators_at_once_do_not_overwrite_each_other() {
    for act in [
        Act::Answer,
        // A server that cannot compare descriptors.
        Act::Refuse(18, "no equality"),
    ] {
        let (server, _, run) = granted(act, another);
        run.exits(1)
            .says("left   Info: the link or the permissions were changed in the meantime");
        let (links, rights) = info(&server);
        assert_eq!((links, access(&server)), (0, Access::None));
        assert_eq!(rights.unwrap().holders().len(), 2);
    }
}

#[test]
fn a_server_that_cannot_compare_descriptors_is_given_the_new_one_whole() {
    let (server, bench, granted) = granted(Act::Refuse(18, "no equality"), |_| {});
    granted.exits(0).says("The mailbox store has the last word");
    assert_eq!((info(&server).0, access(&server)), (1, Access::Allowed));
    assert_eq!(writes(&server), 2);
    run(&bench, &server, &["undo", "r.ldif"]).exits(0);
    assert_eq!(info(&server), (0, Some(Descriptor::of_new_mailbox())));
}

#[test]
fn a_grant_whose_answer_is_lost_is_looked_up_and_not_guessed() {
    for (act, expected) in [(Act::Cut(0), 1), (Act::Close, 2)] {
        let (server, bench, granted) = granted(act, |_| {});
        granted.exits(0).says("written Info");
        assert_eq!((info(&server).0, access(&server)), (1, Access::Allowed));
        assert_eq!(writes(&server), expected);
        run(&bench, &server, &["undo", "r.ldif"]).exits(0);
        assert_eq!(info(&server), (0, Some(Descriptor::of_new_mailbox())));
    }
}

#[test]
fn a_refused_write_is_told_and_nothing_of_it_is_there() {
    let (server, bench, granted) = granted(Act::Refuse(50, "no write access"), |_| {});
    granted
        .exits(1)
        .says("left   Info: ")
        .says("no write access");
    assert_eq!((info(&server).0, access(&server)), (0, Access::None));
    run(&bench, &server, &["undo", "r.ldif"])
        .exits(0)
        .says("nothing to put back");
}

#[test]
fn links_of_a_server_are_listed_with_what_its_delegates_are_called() {
    let mut objects = company();
    objects[0] = objects[0].clone().opened_for(["Carol"]);
    let server = Server::honest(objects);
    let url = server.url();
    for filter in [
        &[][..],
        &["--owner", "info@contoso.test"],
        &["--for", "carol@contoso.test"],
    ] {
        let list = Bench::new().automend(
            &[
                &["links", "-d", &url, "--allow-plaintext", "--format", "json"][..],
                filter,
            ]
            .concat(),
        );
        let list = list.exits(0).json();
        assert_eq!(
            list["links"][0]["delegate"]["address"],
            "carol@contoso.test"
        );
        assert_eq!(list["links"][0]["state"], "healthy");
        assert_eq!(
            list["links"][0]["delegate"]["dn"],
            format!("CN=Carol,{BASE}")
        );
        assert_eq!(list["counts"]["links"], 1, "{filter:?} of {LINK}");
    }
}

/// Info, which the group Outer can open, with links to Alice, who cannot, and to Bob, who is in Outer; Carol is in
/// Inner, and Inner and Outer are in each other.
fn with_groups() -> Vec<Object> {
    let sid = |relative: u32| {
        let sid = Sid::parse(&format!("S-1-5-21-1-2-3-{relative}")).unwrap();
        sid.as_bytes().to_vec()
    };
    let mut objects = Vec::new();
    for (name, relative) in [("Alice", 1101), ("Bob", 1102), ("Carol", 1103)] {
        let mut user = Object::mailbox(name);
        user.values_mut("objectSid").push(sid(relative));
        let own = Descriptor::of_new_mailbox();
        user.values_mut(RIGHTS).push(own.as_bytes().to_vec());
        objects.push(user);
    }
    for (name, relative, members) in [
        ("Outer", 1201, ["Bob", "Inner"]),
        ("Inner", 1202, ["Carol", "Outer"]),
    ] {
        let dn = format!("CN={name},{BASE}");
        let mut group = Object::new(&dn, &[("objectClass", "group"), ("displayName", name)]);
        group.values_mut("objectSid").push(sid(relative));
        for member in members {
            let member = format!("CN={member},{BASE}");
            group.values_mut("member").push(member.into_bytes());
        }
        objects.push(group);
    }
    let mut info = Object::mailbox("Info").opened_for(["Alice", "Bob"]);
    let mut rights = Descriptor::of_new_mailbox();
    rights
        .grant_full_access(&Sid::from_bytes(&sid(1201)).unwrap())
        .unwrap();
    info.values_mut(RIGHTS).push(rights.as_bytes().to_vec());
    info.values_mut("objectSid").push(sid(1100));
    objects.push(info);
    for owned in [0, 1] {
        let owner = format!("CN=Info,{BASE}").into_bytes();
        objects[owned]
            .values_mut("msExchDelegateListBL")
            .push(owner);
    }
    objects
}

/// On a server that is no Active Directory, groups are walked through by `member`.
#[test]
fn access_through_groups_is_found_on_any_server() {
    let (server, bench) = (Server::honest(with_groups()), Bench::new());
    let url = server.url();
    let ask = |arguments: &[&str]| {
        let access = [
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "--format",
            "csv",
        ];
        bench.automend(&[arguments, &access].concat())
    };
    let rows = |whose: &str| -> Vec<String> {
        let run = ask(&["access", whose]).exits(0);
        let mut rows = csv::Reader::from_reader(run.out.as_bytes());
        let rows = rows.records().map(|row| {
            let row = row.unwrap();
            format!("{} {} {}", &row[6], &row[9], &row[2])
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    };
    assert_eq!(
        rows("info@contoso.test"),
        [
            "Info Alice ghost",
            "Info Bob mapped",
            "Info Carol never",
            "Info Outer never"
        ]
    );
    assert_eq!(rows("carol@contoso.test"), ["Info Carol never"]);
    assert_eq!(rows("bob@contoso.test"), ["Info Bob mapped"]);
    assert_eq!(rows("alice@contoso.test"), ["Info Alice ghost"]);
    let told = ask(&["audit", "--access"]).exits(1);
    told.says("AM107,").says("AM108,");

    // What is not shown is no ghost.
    server.held().objects[5].hidden.push(RIGHTS.to_owned());
    ask(&["access", "info@contoso.test"])
        .exits(2)
        .says("unclear");
    ask(&["audit", "--access"])
        .exits(2)
        .says_not("AM107")
        .warns("1 mailbox without msExchMailboxSecurityDescriptor");
}

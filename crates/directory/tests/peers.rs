//! The server seen by OpenLDAP's clients. Needs the feature `lab` and Debian's `ldap-utils`.

mod served;

use std::io::Write;
use std::process::{Command, Stdio};

use automend_directory::ldap_server::Limits;
use served::{DOMAIN, NAME, PASSWORD, Served, forest};

struct Ran {
    code: Option<i32>,
    out: String,
}

fn run(served: &Served, program: &str, arguments: &[&str], input: &str) -> Ran {
    let url = format!("ldap://{}", served.address);
    let mut child = Command::new(program)
        .args([
            "-x",
            "-H",
            &url,
            "-D",
            NAME,
            "-w",
            PASSWORD,
            "-o",
            "ldif-wrap=no",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} is needed (apt-get install ldap-utils): {error}")
        });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let out = [output.stdout, output.stderr].concat();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(out).unwrap(),
    }
}

fn search(served: &Served, arguments: &[&str]) -> Ran {
    run(
        served,
        "ldapsearch",
        &[&["-LLL", "-b", DOMAIN], arguments].concat(),
        "",
    )
}

fn modify(served: &Served, ldif: &str) -> Ran {
    run(served, "ldapmodify", &[], ldif)
}

fn count(ran: &Ran, start: &str) -> usize {
    ran.out
        .lines()
        .filter(|line| line.starts_with(start))
        .count()
}

#[test]
fn paging_and_ranges() {
    let served = Served::new(&forest(2502), Served::account(), Limits::default());
    let unpaged = search(&served, &["(objectClass=user)", "cn"]);
    assert_eq!(
        (unpaged.code, count(&unpaged, "dn:")),
        (Some(4), 1000),
        "{}",
        unpaged.out
    );
    let paged = search(
        &served,
        &["-E", "pr=500/noprompt", "(objectClass=user)", "cn"],
    );
    assert_eq!((paged.code, count(&paged, "dn:")), (Some(0), 2502));
    let greedy = search(
        &served,
        &["-E", "!pr=5000/noprompt", "(objectClass=user)", "cn"],
    );
    assert_eq!((greedy.code, count(&greedy, "dn:")), (Some(0), 2502));

    let owner = "(sAMAccountName=u0)";
    let plain = search(&served, &[owner, "msExchDelegateListLink"]);
    assert_eq!(count(&plain, "msExchDelegateListLink;range=0-1499: "), 1500);
    assert_eq!(count(&plain, "msExchDelegateListLink: CN"), 0);
    let asked = search(&served, &[owner, "msExchDelegateListLink;range=0-*"]);
    assert_eq!(count(&asked, "msExchDelegateListLink;range=0-1499: "), 1500);
    let rest = search(&served, &[owner, "msExchDelegateListLink;range=1500-*"]);
    assert_eq!(count(&rest, "msExchDelegateListLink;range=1500-*: "), 1000);
    let everything = search(&served, &[owner]);
    assert_eq!(
        count(&everything, "msExchDelegateListLink;range=0-1499: "),
        1500
    );
}

#[test]
fn links_are_written_on_one_side_and_seen_on_both() {
    let served = Served::new(&forest(5), Served::account(), Limits::default());
    let step =
        |dn: &str, step: &str| modify(&served, &format!("dn: {dn}\nchangetype: modify\n{step}\n"));
    let person = |name: &str| format!("CN={name},OU=P,{DOMAIN}");
    let link = format!(
        "add: msExchDelegateListLink\nmsExchDelegateListLink: {}",
        person("u4")
    );
    let done = step(&person("u1"), &link);
    assert_eq!(done.code, Some(0), "{}", done.out);
    let delegate = search(&served, &["(cn=u4)", "msExchDelegateListBL"]);
    assert!(
        delegate
            .out
            .contains(&format!("msExchDelegateListBL: {}", person("u1"))),
        "{}",
        delegate.out
    );

    let twice = step(&person("u1"), &link);
    assert_eq!(twice.code, Some(20));
    assert!(
        twice
            .out
            .contains("Attribute msExchDelegateListLink already exists for target GUID")
    );
    for operation in ["add", "delete", "replace"] {
        let back = format!(
            "{operation}: msExchDelegateListBL\nmsExchDelegateListBL: {}",
            person("u1")
        );
        let refused = step(&person("u4"), &back);
        assert_eq!(refused.code, Some(53), "{operation}");
        assert!(
            refused
                .out
                .contains("must not be modified directly, it is a linked attribute")
        );
    }
    let renamed = modify(
        &served,
        &format!(
            "dn: {}\nchangetype: modrdn\nnewrdn: CN=Müller\\, Ida\ndeleteoldrdn: 1\nnewsuperior: {DOMAIN}\n",
            person("u1")
        ),
    );
    assert_eq!(renamed.code, Some(0), "{}", renamed.out);
    let delegate = search(
        &served,
        &[
            "(msExchDelegateListBL=CN=m\\c3\\bcller\\5c, ida,DC=contoso,DC=test)",
            "cn",
        ],
    );
    assert!(delegate.out.contains("cn: u4"), "{}", delegate.out);

    let gone = run(
        &served,
        "ldapdelete",
        &[&format!("CN=Müller\\2C Ida,{DOMAIN}")],
        "",
    );
    assert_eq!(gone.code, Some(0), "{}", gone.out);
    let delegate = search(&served, &["(cn=u4)", "msExchDelegateListBL"]);
    assert_eq!(count(&delegate, "msExchDelegateListBL"), 0);
    let hidden = search(&served, &["(isDeleted=TRUE)", "cn"]);
    assert_eq!(count(&hidden, "dn:"), 0);
    let shown = search(
        &served,
        &[
            "-E",
            "!1.2.840.113556.1.4.417",
            "(isDeleted=TRUE)",
            "lastKnownParent",
        ],
    );
    assert_eq!(count(&shown, "dn:"), 2, "{}", shown.out);
    let unknown = search(&served, &["-E", "!1.2.3.4", "(cn=*)", "cn"]);
    assert_eq!(unknown.code, Some(12));
    assert_eq!(served.directory.read().unwrap().check().unwrap(), []);
}

#[test]
fn others_are_refused() {
    let served = Served::new(&forest(2), Served::account(), Limits::default());
    let url = format!("ldap://{}", served.address);
    for (arguments, code) in [
        (vec!["-x", "-b", DOMAIN], 1),
        (vec!["-x", "-D", NAME, "-w", "wrong", "-b", DOMAIN], 49),
        (vec!["-x", "-s", "base", "-b", "", "namingContexts"], 0),
        (vec!["-x", "-ZZ", "-b", DOMAIN], 2),
    ] {
        let output = Command::new("ldapsearch")
            .args(["-H", &url])
            .args(&arguments)
            .output();
        let output = output.unwrap_or_else(|error| {
            panic!("ldapsearch is needed (apt-get install ldap-utils): {error}")
        });
        // ldapsearch gives 1 where StartTLS fails, and the result code elsewhere.
        let expected = if arguments.contains(&"-ZZ") { 1 } else { code };
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn chains_extended_names_orders_and_trees() {
    let served = Served::new(&forest(4), Served::account(), Limits::default());
    let chain = format!("(msExchDelegateListBL:1.2.840.113556.1.4.1941:=CN=u0,OU=P,{DOMAIN})");
    let found = search(&served, &[&chain, "cn"]);
    assert_eq!(
        (found.code, count(&found, "dn: ")),
        (Some(0), 2),
        "{}",
        found.out
    );
    // Base64 of `<GUID=`, which no line of LDIF may begin a value with.
    let text = "!1.2.840.113556.1.4.529=::MAMCAQE=";
    let extended = search(&served, &["-E", text, "(cn=u1)", "msExchDelegateListBL"]);
    assert_eq!(count(&extended, "dn:: PEdVSUQ9"), 1, "{}", extended.out);
    assert_eq!(count(&extended, "msExchDelegateListBL:: PEdVSUQ9"), 1);
    let sorted = search(&served, &["-E", "!sss=-cn", "(objectClass=user)", "1.1"]);
    let order: Vec<_> = sorted
        .out
        .lines()
        .filter(|line| line.starts_with("dn: "))
        .collect();
    let expected = [3, 2, 1, 0].map(|number| format!("dn: CN=u{number},OU=P,{DOMAIN}"));
    assert_eq!(order, expected, "{}", sorted.out);
    let tree = format!("OU=P,{DOMAIN}");
    let refused = run(&served, "ldapdelete", &[&tree], "");
    assert_eq!(refused.code, Some(66), "{}", refused.out);
    let control = "!1.2.840.113556.1.4.805";
    let gone = run(&served, "ldapdelete", &["-e", control, &tree], "");
    assert_eq!(gone.code, Some(0), "{}", gone.out);
    assert_eq!(count(&search(&served, &["(objectClass=user)"]), "dn: "), 0);
}

//! What a file or an embedded directory cannot show is never called well: the exit status is 2, and a
//! sentence says what could not be looked at, in every form.

use super::{SMALL, gz};
use crate::tool::{Bench, CONTOSO};

#[test]
fn a_file_that_shows_no_links_is_never_called_well() {
    let bench = Bench::contoso();
    let without = |names: &[&str]| -> Vec<u8> {
        let kept = CONTOSO
            .lines()
            .filter(|line| !names.iter().any(|name| line.starts_with(name)));
        kept.map(|line| line.to_owned() + "\n")
            .collect::<String>()
            .into_bytes()
    };
    let noise: Vec<u8> = (0..20_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (name, bytes, why) in [
        ("a.ldif", Vec::new(), "no object in it"),
        ("b.ldif", b"version: 1\n".to_vec(), "no object in it"),
        ("c.ldif.gz", gz("").clone(), "no object in it"),
        ("d.ldif", noise, "no object in it"),
        ("e.ldif", b"garbage\nfoo bar\n".to_vec(), "no object in it"),
        (
            "f.ldif",
            b"dn: CN=P,DC=c\nobjectClass: printQueue\n".to_vec(),
            "no user in it",
        ),
        (
            "g.ldif",
            without(&["msExchDelegateListLink"]),
            "no record has msExchDelegateListLink",
        ),
    ] {
        bench.file(name, bytes);
        for form in ["json", "csv", "html", "ldif"] {
            let run = bench.automend(&["audit", "-d", name, "--format", form]);
            run.exits(2).warns(why);
        }
        let table = bench.automend(&["audit", "-d", name]).exits(2);
        assert!(
            table.out.contains(why) && !table.out.contains("Nothing is wrong"),
            "{table}"
        );
        bench.automend(&["audit", "-d", name, "--deep"]).exits(2);
        for command in [
            vec!["audit", "-d", name, "--delegate", "alice@contoso.com"],
            vec!["fix", "-d", name, "--plan-only"],
            vec!["fix", "-d", name, "--export", "ldif"],
            vec!["show", "-d", name, "alice@contoso.com"],
            vec!["serve", "-d", name, "--check"],
        ] {
            let run = bench.automend(&command).exits(2);
            assert!(!run.out.contains("nothing to fix"), "{run}");
        }
    }
}

#[test]
fn a_value_that_could_not_be_read_is_never_called_well() {
    let bench = Bench::new();
    let well = SMALL
        .replace(
            "msExchDelegateListLink:: Q049Wm/DqyxEQz1jLERDPXRlc3Q=\n",
            "",
        )
        .replace(
            "displayName: Jim\nmsExchDelegateListLink: CN=Alice,DC=c,DC=test\n",
            "displayName: Jim\n",
        );
    bench.file("well.ldif", &well);
    bench
        .automend(&["audit", "-d", "well.ldif"])
        .exits(0)
        .says("Nothing is wrong");
    bench.file(
        "bad.ldif",
        well + "\ndn: no name\nobjectClass: user\nmsExchDelegateListLink: CN=A,DC=c\n",
    );
    let run = bench.automend(&["audit", "-d", "bad.ldif"]).exits(2);
    assert!(
        run.out.contains("not everything could be looked at"),
        "{run}"
    );
}

#[test]
fn an_embedded_directory_without_users_is_not_called_well() {
    let bench = Bench::new();
    bench.file(
        "bare.ldif",
        "dn: DC=c,DC=test\nobjectClass: domainDNS\ndc: c\n",
    );
    bench
        .automend(&["directory", "import", "bare.ldif", "-d", "bare"])
        .exits(0);
    bench
        .automend(&["audit", "-d", "bare"])
        .exits(2)
        .says("the directory holds no user");
    bench
        .automend(&["serve", "-d", "bare", "--check"])
        .exits(2)
        .warns("holds no user");
}

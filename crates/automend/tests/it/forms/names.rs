//! Odd names: no form acts upon a terminal, becomes a script or ends a line for one.

use super::*;

/// Names that someone with a grudge or with two keyboards may have.
const ODD: [&str; 7] = [
    "\u{1b}[2J\u{1b}]0;owned\u{7}Clear",
    "Line\r\nNothing is wrong.",
    "\u{9b}31mRed",
    "<script>alert(1)</script><img src=x onerror=y>",
    "\"Quoted\", 'twice', `thrice` $(rm -rf ~); \u{2019}; Remove-Item *",
    "👩\u{200d}🚒 Zoë שלום \u{202e}txt.exe",
    "=cmd|'/c calc'!A1",
];
/// A directory with a stale owner of each odd name, with that same name inside its DN, and a delegate
/// who has it, too.
fn odd_directory() -> String {
    let mut text = "version: 1\n".to_owned();
    let mut record = |lines: &[(&str, &str)]| {
        text.push('\n');
        for (name, value) in lines {
            let _ = writeln!(text, "{name}:: {}", STANDARD.encode(value));
        }
    };
    record(&[
        ("dn", "DC=odd,DC=test"),
        ("objectClass", "domainDNS"),
        ("msExchMailboxGuid", "0123456789abcdef"),
        ("legacyExchangeDN", "/o=x"),
        ("homeMDB", "CN=x"),
    ]);
    for name in ODD {
        let (owner, delegate) = (
            format!("CN={}1,DC=odd,DC=test", escaped(name)),
            format!("CN={}2,DC=odd,DC=test", escaped(name)),
        );
        record(&[
            ("dn", &delegate),
            ("objectClass", "user"),
            ("displayName", name),
        ]);
        record(&[
            ("dn", &owner),
            ("objectClass", "user"),
            ("displayName", name),
            ("msExchDelegateListLink", &delegate),
        ]);
    }
    text
}

/// As the value of an RDN (RFC 4514 2.4).
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if c.is_control() {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| write!(out, "\\{byte:02X}").expect("memory"));
        } else {
            if ",=+<>#;\"\\ ".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

fn odd() -> Bench {
    let bench = Bench::new();
    bench.file("odd.ldif", odd_directory());
    bench
        .automend(&["directory", "import", "odd.ldif", "-d", "odd"])
        .exits(0);
    bench
}

/// Nothing in it but text, lines and colours.
#[track_caller]
fn is_harmless(run: &Run, expected: &str) {
    for text in [&run.out, &run.err] {
        let mut rest = text.as_str();
        let mut shown = String::new();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            shown.push_str(before);
            let (parameters, behind) = after.split_once('m').unwrap_or(("?", ""));
            assert!(
                parameters.chars().all(|c| c.is_ascii_digit() || c == ';'),
                "an escape sequence in {run}"
            );
            rest = behind;
        }
        shown.push_str(rest);
        let bad = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(
            !shown.contains(bad),
            "{:?} in {run}",
            shown.chars().find(|c| bad(*c))
        );
    }
    assert!(run.out.contains(expected), "{run}");
    assert!(
        !run.out
            .lines()
            .any(|line| line.trim() == "Nothing is wrong."),
        "{run}"
    );
}

#[test]
fn no_name_in_a_directory_acts_upon_a_terminal() {
    let bench = odd();
    for directory in ["odd", "odd.ldif"] {
        let run = bench
            .automend(&["audit", "-d", directory, "--color", "always"])
            .exits(1);
        is_harmless(&run, "7 stale links");
        assert!(
            run.out.contains("\u{1b}["),
            "no colours, so that nothing was proved: {run}"
        );
        for name in ODD {
            let owner = format!("CN={}1,DC=odd,DC=test", escaped(name));
            is_harmless(
                &bench.automend(&["show", &owner, "-d", directory, "--color", "always"]),
                "STALE",
            );
            let delegate = format!("CN={}2,DC=odd,DC=test", escaped(name));
            is_harmless(
                &bench
                    .automend(&["show", &delegate, "-d", directory, "--color", "always"])
                    .exits(1),
                "as Exchange answers",
            );
        }
        for form in ["ldif", "powershell"] {
            let run = bench
                .automend(&[
                    "audit", "-d", directory, "--color", "always", "--format", form,
                ])
                .exits(1);
            is_harmless(&run, "msExchDelegateListLink");
        }
    }
    let fix = ["fix", "-d", "odd", "--color", "always"];
    is_harmless(
        &bench
            .automend(&[&fix, ["--plan-only"].as_slice()].concat())
            .exits(1),
        "Plan: remove",
    );
    is_harmless(
        &bench
            .automend(&[&fix, ["--yes", "--receipt", "r.ldif"].as_slice()].concat())
            // The users of this directory have no mailbox, so they get no answer of their own either.
            .exits(1),
        "fixed",
    );
    is_harmless(
        &bench
            .automend(&["undo", "r.ldif", "-d", "odd", "--yes", "--color", "always"])
            .exits(0),
        "restored",
    );
}

#[test]
fn a_fix_of_odd_names_goes_there_and_back() {
    let bench = odd();
    let before = bench.exported("odd");
    let count = |text: &str| text.matches("\nmsExchDelegateListLink:").count();
    assert_eq!(count(&before), ODD.len());
    bench
        .automend(&["fix", "-d", "odd", "--yes", "--receipt", "r.ldif"])
        .exits(1);
    assert_eq!(count(&bench.exported("odd")), 0);
    bench
        .automend(&["undo", "r.ldif", "-d", "odd", "--yes"])
        .exits(0);
    assert_eq!(count(&bench.exported("odd")), ODD.len());
    bench
        .automend(&["fix", "-d", "odd", "--export", "ldif", "-o", "fix.ldif"])
        .exits(1);
    bench
        .automend(&["directory", "import", "fix.ldif", "-d", "odd"])
        .exits(0)
        .says("7 changed");
    assert_eq!(count(&bench.exported("odd")), 0);
    // The receipt still says how to undo, to any tool.
    bench
        .automend(&["directory", "import", "r.ldif", "-d", "odd"])
        .exits(0)
        .says("7 changed");
    assert_eq!(count(&bench.exported("odd")), ODD.len());
}

#[test]
fn a_page_shows_names_and_runs_none() {
    let bench = odd();
    let page = bench
        .automend(&["audit", "-d", "odd", "--format", "html"])
        .exits(1)
        .out;
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("default-src 'none'"));
    assert!(
        page.to_lowercase().contains("&#60;script&#62;") || page.contains("&lt;script&gt;"),
        "{page}"
    );
    for active in [
        "<script", "<img", "<link", "<iframe", "src=", "href=", "url(", "@import",
    ] {
        // Links within the page lead nowhere else.
        let shown = page.replace("src=x onerror=y", "").replace("href=\"#", "");
        assert!(!shown.contains(active), "{active} in {page}");
    }
    bench
        .automend(&[
            "audit",
            "-d",
            "odd",
            "--format",
            "html",
            "-o",
            "report.html",
        ])
        .exits(1);
    assert!(bench.read("report.html").contains("<svg"));
}

#[test]
fn a_row_of_csv_is_one_link_whatever_the_names_hold() {
    let bench = odd();
    bench
        .automend(&["audit", "-d", "odd", "--format", "csv", "-o", "report.csv"])
        .exits(1);
    let text = bench.read("report.csv");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        [
            "code",
            "severity",
            "kind",
            "owner",
            "ownerGuid",
            "delegate",
            "since",
            "title",
            "evidence",
            "remedy",
            "whenChanged",
            "ownerAddress",
            "ownerAccount",
            "delegateAddress",
            "delegateAccount"
        ]
    );
    let links: BTreeSet<(String, String)> = rows
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[3].to_owned(), row[5].to_owned()))
        .collect();
    let expected: BTreeSet<(String, String)> = ODD
        .iter()
        .map(|name| {
            (
                format!("CN={}1,DC=odd,DC=test", escaped(name)),
                format!("CN={}2,DC=odd,DC=test", escaped(name)),
            )
        })
        .collect();
    assert_eq!(links.len(), expected.len());
    let name = |dn: &String| dn.contains("Quoted");
    assert!(
        links
            .iter()
            .any(|(owner, delegate)| name(owner) && name(delegate)),
        "{links:?}"
    );
    // A spreadsheet takes a cell that begins so for a formula.
    for row in csv::Reader::from_reader(text.as_bytes()).records() {
        assert!(
            row.unwrap()
                .iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@'])),
            "{text}"
        );
    }
}

#[test]
fn a_script_calls_nothing_that_stands_in_a_name() {
    let script = odd()
        .automend(&["audit", "-d", "odd", "--format", "powershell"])
        .exits(1)
        .out;
    for line in script.lines().filter(|line| !line.is_empty()) {
        let known = [
            "# ",
            "[CmdletBinding(",
            "Import-Module ",
            "Set-ADObject -Identity '",
        ];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
    }
    // What ends a string in any code page stands there as a pair of digits.
    assert!(script.is_ascii(), "{script}");
    let call = script
        .lines()
        .find(|line| line.contains("Quoted") && line.starts_with("Set-"))
        .unwrap();
    assert!(
        call.contains(r"\27twice\27") && call.contains(r"\E2\80\99"),
        "{call}"
    );
}

//! Every form in which something is told: for people, for programs, for other tools, for shells.
//!
//! What a directory holds is data and stays it: no name in it moves a cursor, ends a line, closes a
//! quotation or becomes a script.

mod tool;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tool::schema::invalid;
use tool::{Bench, Run};

/// Names that somebody with a grudge or with two keyboards may have.
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
            .exits(0),
        "mended",
    );
    is_harmless(
        &bench
            .automend(&["undo", "r.ldif", "-d", "odd", "--yes", "--color", "always"])
            .exits(0),
        "restored",
    );
}

#[test]
fn a_mend_of_odd_names_goes_there_and_back() {
    let bench = odd();
    let before = bench.exported("odd");
    let count = |text: &str| text.matches("\nmsExchDelegateListLink:").count();
    assert_eq!(count(&before), ODD.len());
    bench
        .automend(&["fix", "-d", "odd", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    assert_eq!(count(&bench.exported("odd")), 0);
    bench
        .automend(&["undo", "r.ldif", "-d", "odd", "--yes"])
        .exits(0);
    assert_eq!(count(&bench.exported("odd")), ODD.len());
    bench
        .automend(&["fix", "-d", "odd", "--export", "ldif", "-o", "mend.ldif"])
        .exits(1);
    bench
        .automend(&["directory", "import", "mend.ldif", "-d", "odd"])
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
        "<script", "<img", "<link", "<iframe", "src=", "href=", "http:", "https:", "url(",
        "@import",
    ] {
        let shown = page.replace("src=x onerror=y", "");
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
            "mend"
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

/// What was promised from the start; the schema may say more.
fn promised() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "directory", "at", "counts", "findings", "defects"],
        "properties": {
            "version": { "const": 1 },
            "directory": { "type": "string" },
            "at": { "type": "string" },
            "counts": { "type": "object", "additionalProperties": { "type": "integer" }, "required": ["owners", "links", "delegates"] },
            "findings": { "type": "array", "items": { "$ref": "#/$defs/finding" } },
            "defects": { "type": "array", "items": { "type": "string" } }
        },
        "$defs": {
            "finding": {
                "type": "object",
                "additionalProperties": false,
                "required": ["code", "severity", "kind", "title", "owner", "delegates", "evidence", "mend"],
                "properties": {
                    "code": { "type": "string" },
                    "severity": { "enum": ["error", "warning", "note"] },
                    "kind": { "type": "string" },
                    "title": { "type": "string" },
                    "owner": { "$ref": "#/$defs/object" },
                    "delegates": { "type": "array", "items": { "$ref": "#/$defs/object" } },
                    "evidence": { "type": "object" },
                    "mend": { "type": "string" }
                }
            },
            "object": {
                "type": "object",
                "additionalProperties": false,
                "required": ["dn", "name"],
                "properties": { "dn": { "type": "string" }, "name": { "type": "string" }, "guid": { "type": "string" } }
            }
        }
    })
}

#[test]
fn json_has_the_promised_shape() {
    let bench = Bench::contoso();
    let mut schemas = vec![promised()];
    // The page for readers is written elsewhere; where it is there, it must be true.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.schema.json");
    schemas.extend(
        std::fs::read_to_string(page)
            .ok()
            .map(|text| serde_json::from_str(&text).unwrap()),
    );
    for arguments in [
        ["audit", "-d", "directory", "--format", "json", "--deep"].as_slice(),
        &["audit", "-d", "contoso.ldif", "--format", "json", "--deep"],
        &[
            "audit",
            "-d",
            "directory",
            "--format",
            "json",
            "--delegate",
            "alice@contoso.com",
        ],
        &[
            "audit",
            "-d",
            "directory",
            "--format",
            "json",
            "--owner",
            "CN=Jim Stone,OU=People,DC=contoso,DC=com",
        ],
    ] {
        let report = bench.automend(arguments).exits(1).json();
        for schema in &schemas {
            assert_eq!(
                invalid(&report, schema, schema, "report"),
                Vec::<String>::new()
            );
        }
        // The check itself sees what is wrong.
        let mut broken = report.clone();
        broken["findings"][0]["severity"] = json!("awful");
        broken["counts"].as_object_mut().unwrap().remove("links");
        assert_eq!(
            invalid(&broken, &schemas[0], &schemas[0], "report").len(),
            2
        );
    }
}

#[test]
fn a_line_of_jsonl_is_one_finding() {
    let bench = Bench::contoso();
    let report = bench
        .automend(&["audit", "-d", "directory", "--format", "json"])
        .exits(1)
        .json();
    let lines = bench
        .automend(&["audit", "-d", "directory", "--format", "jsonl"])
        .exits(1)
        .out;
    let findings: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json!(findings), report["findings"]);
}

#[test]
fn a_mend_for_other_tools_holds_exactly_the_stale_links() {
    let bench = Bench::contoso();
    let people = "OU=People,DC=contoso,DC=com";
    let ldif = bench
        .automend(&["audit", "-d", "directory", "--format", "ldif"])
        .exits(1)
        .out;
    let records: Vec<&str> = ldif
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let mut expected = vec!["version: 1".to_owned()];
    for (owner, delegate) in [
        ("Jim Stone", "Alice Ames"),
        ("Rosa Quist", "Bob Carter"),
        ("Sam Porter", "Carol Danes"),
    ] {
        expected.extend([
            format!("dn: CN={owner},{people}"),
            "changetype: modify".to_owned(),
            "delete: msExchDelegateListLink".to_owned(),
            format!("msExchDelegateListLink: CN={delegate},{people}"),
            "-".to_owned(),
        ]);
    }
    assert_eq!(records, expected);

    let script = bench
        .automend(&["fix", "-d", "directory", "--export", "powershell"])
        .exits(1)
        .out;
    let calls: Vec<&str> = script
        .lines()
        .filter(|line| line.starts_with("Set-"))
        .collect();
    assert_eq!(calls.len(), 3, "{script}");
    for (call, delegate) in calls
        .iter()
        .zip(["Alice Ames", "Bob Carter", "Carol Danes"])
    {
        assert!(
            call.ends_with(&format!(
                "-Remove @{{ msExchDelegateListLink = @('CN={delegate},{people}') }}"
            )),
            "{call}"
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
    // Each kind of single quotation mark ends a string unless it is doubled.
    let call = script
        .lines()
        .find(|line| line.contains("Quoted") && line.starts_with("Set-"))
        .unwrap();
    assert!(
        call.contains("''twice''") && call.contains("\u{2019}\u{2019}"),
        "{call}"
    );
}

#[test]
fn show_tells_the_same_in_every_form() {
    let bench = Bench::contoso();
    let show = |form| {
        bench
            .automend(&[
                "show",
                "alice@contoso.com",
                "-d",
                "directory",
                "--format",
                form,
            ])
            .exits(1)
    };
    let json = show("json").json();
    assert_eq!(json["autodiscover"]["faithful"]["code"], 603);
    assert_eq!(json["autodiscover"]["mended"]["outcome"], "settings");
    assert_eq!(json["opens"].as_array().unwrap().len(), 3);
    show("table")
        .says("error 603")
        .says("Jim Stone")
        .says("automend fix --directory directory --only");
    show("xml")
        .says("<ErrorCode>603</ErrorCode>")
        .says_not("Jim Stone");
    let mailbox = bench
        .automend(&[
            "show",
            "info@contoso.com",
            "-d",
            "directory",
            "--format",
            "json",
        ])
        .exits(0)
        .json();
    assert_eq!(mailbox["openedBy"].as_array().unwrap().len(), 2);
}

/// Runs the binary with standard output into a pipe that nobody reads any more.
fn into_a_closed_pipe(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_automend"))
        .args(arguments)
        .current_dir(bench.folder())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_reader_who_has_read_enough_is_no_error() {
    let bench = Bench::contoso();
    for line in [
        "audit -d directory",
        "audit -d directory --format json",
        "audit -d directory --format jsonl",
        "audit -d directory --format csv",
        "audit -d directory --format html",
        "audit -d directory --format ldif",
        "audit -d directory --format powershell",
        "show alice@contoso.com -d directory",
        "show alice@contoso.com -d directory --format json",
        "show alice@contoso.com -d directory --format xml",
        "fix -d directory --export ldif",
        "fix -d directory --export powershell",
        "explain",
        "explain AM101",
        "directory export -d directory",
        "completions bash",
        "demo",
        "--help",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            into_a_closed_pipe(&bench, &arguments),
            (Some(0), String::new()),
            "{line}"
        );
    }
}

#[test]
fn a_reader_who_leaves_does_not_stop_a_mend_halfway() {
    let bench = Bench::contoso();
    let fix = ["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"];
    assert_eq!(into_a_closed_pipe(&bench, &fix), (Some(0), String::new()));
    assert_eq!(
        bench
            .read("r.ldif")
            .matches("\"outcome\":\"removed\"")
            .count(),
        3
    );
    bench
        .automend(&["show", "alice@contoso.com", "-d", "directory"])
        .exits(0);
    assert_eq!(
        into_a_closed_pipe(&bench, &["undo", "r.ldif", "-d", "directory", "--yes"]),
        (Some(0), String::new())
    );
    bench
        .automend(&["show", "alice@contoso.com", "-d", "directory"])
        .exits(1);
}

#[test]
fn completions_are_written_for_every_shell() {
    let bench = Bench::new();
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef automend"),
        ("fish", "complete -c automend"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = bench
            .automend(&["completions", shell])
            .exits(0)
            .says(mark)
            .out;
        for word in [
            "audit",
            "undo",
            "plan-only",
            "password-file",
            "replication-timeout",
        ] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let bench = Bench::new();
    bench.automend(&["manual", "man/man1"]).exits(0);
    for (name, word) in [
        ("automend.1", "Exit status"),
        ("automend-audit.1", "print\\-search"),
        ("automend-show.1", "ADDRESS|DN"),
        ("automend-fix.1", "max\\-changes"),
        ("automend-undo.1", "RECEIPT"),
        ("automend-explain.1", "AM101"),
        ("automend-directory.1", "import"),
        ("automend-directory-import.1", "FILE"),
        ("automend-directory-export.1", "output"),
        ("automend-demo.1", "keep"),
    ] {
        let page = bench.read(&format!("man/man1/{name}"));
        assert!(page.contains(".TH "), "{name}");
        assert!(page.contains(word), "{name} lacks {word}: {page}");
    }
}

#[test]
fn a_code_is_explained_and_an_unknown_one_is_not() {
    let bench = Bench::new();
    let listed = bench.automend(&["explain"]).exits(0).out;
    // Behind an empty line stand the causes, which have names instead of codes.
    let (findings, causes) = listed.split_once("\n\n").unwrap();
    assert!(causes.contains("certificate-expired"), "{listed}");
    let codes: Vec<&str> = findings.lines().map(|line| &line[..5]).collect();
    assert!(codes.len() > 15 && codes.contains(&"US208"), "{listed}");
    for code in codes {
        let page = format!(
            "{}/../../docs/findings/{code}.md",
            env!("CARGO_MANIFEST_DIR")
        );
        let told = bench
            .automend(&["explain", &code.to_lowercase()])
            .exits(0)
            .out;
        assert_eq!(told, std::fs::read_to_string(page).unwrap());
    }
    bench
        .automend(&["explain", "AM999"])
        .exits(2)
        .warns("AM999: no such code");
}

#[test]
fn there_are_no_colours_in_a_pipe_unless_they_are_asked_for() {
    let bench = Bench::contoso();
    let audit = ["audit", "-d", "directory"];
    bench.automend(&audit).exits(1).says_not("\u{1b}");
    bench
        .automend(&[&audit, ["--color", "always"].as_slice()].concat())
        .exits(1)
        .says("\u{1b}[");
    bench
        .automend(&[&audit, ["--color", "never"].as_slice()].concat())
        .exits(1)
        .says_not("\u{1b}");
    bench
        .automend(&[
            "audit",
            "-d",
            "directory",
            "-o",
            "report.txt",
            "--color",
            "always",
        ])
        .exits(1);
    assert!(!bench.read("report.txt").contains('\u{1b}'));
}

#[cfg(target_os = "linux")]
mod on_a_terminal {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use crate::tool::Bench;

    /// Runs the binary on a terminal of its own, types something, and returns what stands on the screen.
    fn run(
        bench: &Bench,
        variables: &[(&str, &str)],
        arguments: &[&str],
        typed: &str,
    ) -> (Option<i32>, String) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new())
            .unwrap()
            .into_string()
            .unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_automend"));
        command
            .args(arguments)
            .current_dir(bench.folder())
            .env_clear()
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .stdin(open())
            .stdout(open())
            // Progress is shown here; it isn't what is looked at.
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The terminal closes with the child only when nobody else has it open.
        drop(command);
        let mut terminal = File::from(terminal);
        terminal.write_all(typed.as_bytes()).unwrap();
        let mut screen = Vec::new();
        let mut portion = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut portion) {
            screen.extend(&portion[..read]);
        }
        (
            child.wait().unwrap().code(),
            String::from_utf8_lossy(&screen).into_owned(),
        )
    }

    #[test]
    fn there_are_colours_unless_they_are_unwanted() {
        let bench = Bench::contoso();
        let audit = ["audit", "-d", "directory"];
        let (code, screen) = run(&bench, &[], &audit, "");
        assert_eq!(code, Some(1));
        assert!(screen.contains("\u{1b}["), "{screen}");
        for (variables, more) in [
            ([("NO_COLOR", "1")].as_slice(), [].as_slice()),
            (&[], &["--color", "never"]),
            (&[("TERM", "dumb")], &[]),
        ] {
            let (_, screen) = run(&bench, variables, &[&audit, more].concat(), "");
            assert!(screen.contains("Jim Stone"), "{screen}");
            assert!(
                !screen.contains('\u{1b}'),
                "{variables:?} {more:?}: {screen:?}"
            );
        }
    }

    #[test]
    fn a_fix_asks_and_does_what_it_is_told() {
        let bench = Bench::contoso();
        let before = bench.exported("directory");
        let fix = ["fix", "-d", "directory", "--receipt", "r.ldif"];
        for no in ["n\n", "\n", "maybe\n", "\u{4}"] {
            let (code, screen) = run(&bench, &[], &fix, no);
            assert_eq!(code, Some(1), "{screen}");
            assert!(
                screen.contains("Remove 3 links from 3 owners? [y/N]"),
                "{screen}"
            );
            assert!(screen.contains("Nothing was written."), "{screen}");
        }
        assert_eq!(bench.exported("directory"), before);
        assert!(!bench.path("r.ldif").exists());
        let (code, screen) = run(&bench, &[], &fix, "y\n");
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("mended Jim Stone"), "{screen}");
        let (code, screen) = run(&bench, &[], &["undo", "r.ldif", "-d", "directory"], "yes\n");
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.contains("Restore 3 links on 3 owners? [y/N]"),
            "{screen}"
        );
    }
}

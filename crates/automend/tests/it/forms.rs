//! Every form in which something is reported: for people, for programs, for other tools, for shells.
//!
//! What a directory holds is data and stays it: no name in it moves a cursor, ends a line, closes a
//! quotation or becomes a script.

mod asked;
mod names;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run};

/// What was promised from the start; the schema may say more.
fn promised() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "directory", "at", "counts", "findings", "complete", "unread", "defects"],
        "properties": {
            "version": { "const": 1 },
            "directory": { "type": "string" },
            "at": { "type": "string" },
            "counts": { "type": "object", "additionalProperties": { "type": "integer" }, "required": ["owners", "links", "delegates"] },
            "findings": { "type": "array", "items": { "$ref": "#/$defs/finding" } },
            "complete": { "type": "boolean" },
            "unread": { "type": "array", "items": { "type": "string" } },
            "defects": { "type": "array", "items": { "type": "string" } },
            "command": { "type": "array", "items": { "type": "string" } }
        },
        "$defs": {
            "finding": {
                "type": "object",
                "additionalProperties": false,
                "required": ["code", "severity", "kind", "title", "owner", "delegates", "evidence", "remedy"],
                "properties": {
                    "code": { "type": "string" },
                    "severity": { "enum": ["error", "warning", "note"] },
                    "kind": { "type": "string" },
                    "title": { "type": "string" },
                    "owner": { "$ref": "#/$defs/object" },
                    "delegates": { "type": "array", "items": { "$ref": "#/$defs/object" } },
                    "evidence": { "type": "object" },
                    "remedy": { "type": "string" }
                }
            },
            "object": {
                "type": "object",
                "additionalProperties": false,
                "required": ["dn", "name"],
                "properties": { "dn": { "type": "string" }, "name": { "type": "string" }, "guid": { "type": "string" }, "address": { "type": "string" }, "account": { "type": "string" } }
            }
        }
    })
}

#[test]
fn json_has_the_promised_shape() {
    let bench = Bench::contoso();
    let mut schemas = vec![promised()];
    // The page for readers must be true, too.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.schema.json");
    let text = std::fs::read_to_string(page).unwrap();
    schemas.push(serde_json::from_str(&text).unwrap());
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
fn a_fix_for_other_tools_holds_exactly_the_stale_links() {
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
    assert_eq!(json["autodiscover"]["healthy"]["outcome"], "settings");
    assert_eq!(json["opens"].as_array().unwrap().len(), 3);
    show("table")
        .says("error 603")
        .says("Jim Stone")
        .says("automend fix --directory directory --owner");
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

/// Runs the binary with standard output into a pipe that no one reads any more.
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
fn a_reader_who_leaves_does_not_stop_a_fix_halfway() {
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
    bench.automend(&["man", "man/man1"]).exits(0);
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
    use std::process::Command;

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
            .stderr(open());
        let mut child = command.spawn().unwrap();
        // The terminal closes with the child only when no one else has it open.
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
    fn a_width_of_nothing_is_none_and_a_small_file_has_no_bar() {
        let bench = Bench::contoso();
        bench.file("contoso.ldif", crate::tool::CONTOSO);
        // The terminal of a test is made with a width of 0.
        for source in ["contoso.ldif", "directory"] {
            let audit = ["audit", "-d", source, "--color", "never"];
            let (code, screen) = run(&bench, &[], &audit, "");
            assert_eq!(code, Some(1), "{screen}");
            assert!(screen.contains("CN=Jim Stone,OU=People,DC=contoso,DC=com"));
            assert!(screen.lines().count() < 100, "{screen}");
            assert!(!screen.contains("reading "), "{screen}");
        }
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
        assert!(screen.contains("fixed Jim Stone"), "{screen}");
        let (code, screen) = run(&bench, &[], &["undo", "r.ldif", "-d", "directory"], "yes\n");
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.contains("Restore 3 links on 3 owners? [y/N]"),
            "{screen}"
        );
    }
}

#[test]
fn a_csv_file_says_that_it_is_utf_8_and_a_pipe_does_not() {
    let bench = Bench::contoso();
    let audit = ["audit", "-d", "directory", "--format", "csv"];
    let piped = bench.automend(&audit).exits(1).out;
    assert!(piped.starts_with("code,"), "{piped}");
    bench
        .automend(&[&audit, ["-o", "links.csv"].as_slice()].concat())
        .exits(1);
    let bytes = std::fs::read(bench.path("links.csv")).unwrap();
    assert_eq!(bytes.strip_prefix(b"\xef\xbb\xbf"), Some(piped.as_bytes()));
}

/// The GUID of an object, as receipts and plans have it.
fn guid_of(bench: &Bench, name: &str) -> String {
    let show = bench.automend(&[
        "show",
        &format!("CN={name},OU=People,DC=contoso,DC=com"),
        "-d",
        "directory",
        "--format",
        "json",
    ]);
    let text = show.out;
    let at = text.find("\"guid\"").unwrap_or_else(|| panic!("{text}"));
    text[at..].split('"').nth(3).unwrap().to_owned()
}

#[test]
fn an_undo_writes_what_it_shows_and_nothing_else() {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    let receipt = bench.read("r.ldif");
    let before = bench.exported("directory");
    let jim = receipt
        .lines()
        .find(|line| line.starts_with("# begin ") && line.contains("Jim Stone"))
        .unwrap();
    let begin: Value = serde_json::from_str(jim.trim_start_matches("# begin ")).unwrap();
    let own = begin["guid"].as_str().unwrap();
    let other = guid_of(&bench, "Bob Carter");
    assert_ne!(own, other);
    let crafted = [
        // What a reviewer reads, and what would have been obeyed.
        (
            jim.replace("Alice Ames", "Carol Danes"),
            "is not what its begin line says",
        ),
        (
            jim.replace("CN=Jim Stone", "CN=Bob Carter"),
            "is not what its begin line says",
        ),
        // The name of one object beside the GUID of another.
        (jim.replace(own, &other), "is another object's"),
        (jim.replace(own, "nonsense"), "is no GUID"),
    ];
    for (line, expected) in crafted {
        assert_ne!(line, jim);
        bench.file("crafted.ldif", receipt.replace(jim, &line));
        bench
            .automend(&["undo", "-d", "directory", "--yes", "crafted.ldif"])
            .exits(2)
            .warns(expected);
        assert_eq!(bench.exported("directory"), before, "{line}");
    }
    // A record of LDIF that belongs to no change, which a reviewer may take for one.
    for more in ["dn: CN=X,DC=c\nchangetype: delete\n", "x"] {
        let at = receipt.find("# begin ").unwrap();
        let (head, rest) = receipt.split_at(at);
        bench.file("crafted.ldif", format!("{head}{more}\n{rest}"));
        bench
            .automend(&["undo", "-d", "directory", "--yes", "crafted.ldif"])
            .exits(2)
            .warns("LDIF");
    }
    bench
        .automend(&["undo", "-d", "directory", "--yes", "r.ldif"])
        .exits(0)
        .says("  CN=Jim Stone,OU=People,DC=contoso,DC=com (1 link)\n    + CN=Alice Ames,");
}

#[test]
fn a_plan_that_names_two_objects_or_not_its_origin_is_refused() {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
        .exits(1);
    let before = bench.exported("directory");
    let plan: Value = serde_json::from_str(&bench.read("plan.json")).unwrap();
    let at = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .position(|change| change["name"] == "Jim Stone")
        .unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut plan = plan.clone();
        change(&mut plan["changes"][at]);
        plan.to_string()
    };
    let bob = "CN=Bob Carter,OU=People,DC=contoso,DC=com";
    for (text, expected) in [
        (
            changed(&|change| {
                change.as_object_mut().unwrap().remove("made_from");
            }),
            "does not say what it was made from",
        ),
        (
            changed(&|change| change["owner"] = bob.into()),
            "another object's",
        ),
        (
            changed(&|change| change["guid"] = "nonsense".into()),
            "is no GUID",
        ),
    ] {
        bench.file("crafted.json", text);
        bench
            .automend(&["fix", "-d", "directory", "--plan", "crafted.json", "--yes"])
            .exits(2)
            .warns(expected);
        assert_eq!(bench.exported("directory"), before);
    }
}

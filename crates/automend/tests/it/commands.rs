//! Commands that are printed for pasting: whatever stands in them, a shell hands over what was meant, and
//! the command does what it says.

use std::process::Command;

use crate::tool::{Bench, CONTOSO, Run};

/// Owners' names that no shell may act upon, as RFC 4514 writes them.
const NAMES: &[&str] = &[
    "Jim $(touch pwned) Stone",
    "Jim `touch pwned` Stone",
    "Jim ${IFS} $HOME !! Stone",
    "O'Brien's 'Jim'",
    r#"Jim \"the\" Stone"#,
    r"Stone\, Jim",
    r"Jim\;touch pwned\;",
    "Jim&touch pwned|cat",
    "-Jim --yes",
    r"\#Jim * ? [a] {b\,c}",
    "Jim (Left) ~ ^ %s %n",
    r"Jim\\",
    r"Jim\0ADEL",
    "Jim \u{202e}enotS\u{202c}",
    "Zoë ‘x’ ‚y‛",
];

/// The company, with Jim called otherwise.
fn company(name: &str) -> String {
    let named = CONTOSO.replace("CN=Jim Stone", &format!("CN={name}"));
    named
        .replace("cn: Jim Stone\n", "")
        .replace("displayName: Jim Stone\n", "")
}

/// The command behind some words of a report.
#[track_caller]
fn printed(text: &str, behind: &str) -> String {
    let (_, line) = text
        .split_once(behind)
        .unwrap_or_else(|| panic!("no {behind:?} in: {text}"));
    line.split('\n').next().unwrap().trim_end().to_owned()
}

/// What arrives of a line at `automend`, when a shell runs it.
#[track_caller]
fn arrives(bench: &Bench, line: &str) -> Vec<String> {
    let script = format!("automend() {{ printf '%s\\0' \"$@\"; }}\n{line}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(bench.folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    assert!(
        !bench.path("pwned").exists(),
        "{line} ran what was in a name"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Runs a line in a shell, with the program in its path.
#[track_caller]
fn pasted(bench: &Bench, line: &str) -> Run {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_automend"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(bench.folder())
        .env_clear()
        .env("HOME", bench.folder())
        .env("PATH", path);
    Run::of(&mut command, &[line])
}

/// The forward links of the directory.
fn links(bench: &Bench) -> usize {
    bench
        .exported("directory")
        .matches("\nmsExchDelegateListLink:")
        .count()
}

fn words(command: &serde_json::Value) -> Vec<String> {
    let all = command
        .as_array()
        .unwrap_or_else(|| panic!("no command: {command}"));
    all.iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn names_of_owners_arrive_and_run_nothing() {
    for name in NAMES {
        let bench = Bench::new();
        bench.file("c.ldif", company(name));
        let show = ["show", "-d", "c.ldif", "alice@contoso.com"];
        let line = printed(&bench.automend(&show).exits(1).out, "To fix: ");
        let report = bench
            .automend(&[&show[..], &["--format", "json"]].concat())
            .exits(1)
            .json();
        let said = words(&report["command"]);
        assert_eq!(said[0], "automend");
        assert_eq!(arrives(&bench, &line), said[1..], "{line}");

        let export = pasted(&bench, &line).exits(1);
        assert_eq!(
            export.out.matches("delete: msExchDelegateListLink").count(),
            1,
            "{export}"
        );
        assert!(!bench.path("pwned").exists());
    }
}

#[test]
fn an_audit_of_one_user_or_one_owner_prints_the_fix_of_that() {
    let bench = Bench::contoso();
    for (arguments, expected) in [
        (vec![], "automend fix --directory directory"),
        (
            vec!["--delegate", "alice@contoso.com"],
            "automend fix --directory directory --delegate alice@contoso.com",
        ),
        (
            vec!["--owner", "CN=Jim Stone,OU=People,DC=contoso,DC=com"],
            "automend fix --directory directory --owner 'CN=Jim Stone,OU=People,DC=contoso,DC=com'",
        ),
    ] {
        let audit = [&["audit", "-d", "directory"][..], &arguments].concat();
        let run = bench.automend(&audit).exits(1);
        let line = printed(&run.out, "To fix: ");
        assert_eq!(line, expected);
        let report = bench
            .automend(&[&audit[..], &["--format", "json"]].concat())
            .json();
        assert_eq!(arrives(&bench, &line), words(&report["command"])[1..]);
    }
}

#[test]
fn an_address_in_a_recording_runs_nothing() {
    for address in [
        "a;{touch,pwned};@contoso.com",
        "$(touch${IFS}pwned)@contoso.com",
        "`touch\u{a0}pwned`@contoso.com",
        "--yes@contoso.com",
        "o'brien@contoso.com",
        "a\"b|c&d@contoso.com",
    ] {
        let bench = Bench::new();
        let har = include_str!("../recordings/charles.har");
        let asked = address.replace('&', "&amp;").replace('"', "&quot;");
        let har = har.replace("alice@contoso.com", asked.replace('\\', "\\\\").as_str());
        bench.file("x.har", har);
        let run = bench.automend(&["trace", "x.har"]).exits(1);
        let sentence = run.out.lines().find(|line| line.contains("automend audit"));
        let sentence = sentence.unwrap_or_else(|| panic!("{run}"));
        let line = sentence.trim().split(" names the owner").next().unwrap();
        let arrived = arrives(&bench, line);
        assert!(
            arrived
                .iter()
                .any(|word| word.ends_with(&address.to_ascii_lowercase())),
            "{arrived:?}"
        );
        assert_eq!(arrived[0], "audit");
    }
}

#[test]
fn paths_with_blanks_quotes_and_dashes_arrive() {
    for path in [
        "a b.ldif",
        " a.ldif",
        "it's $(touch pwned) \"quoted\".ldif",
        "-x.ldif",
        "--yes.ldif",
        "new\nline.ldif",
        "tab\there.ldif",
        "back\\slash.ldif",
        "100%.ldif",
    ] {
        let bench = Bench::new();
        bench.file(path, CONTOSO);
        let directory = format!("--directory={path}");
        let run = bench.automend(&["audit", &directory]).exits(1);
        let line = printed(&run.out, "To fix: ");
        let report = bench
            .automend(&["audit", &directory, "--format", "json"])
            .json();
        assert_eq!(
            arrives(&bench, &line),
            words(&report["command"])[1..],
            "{path:?}"
        );
        pasted(&bench, &line)
            .exits(1)
            .says("delete: msExchDelegateListLink");
        assert!(!bench.path("pwned").exists());
    }
}

#[test]
fn a_plan_and_a_receipt_come_with_commands_that_work() {
    for name in ["plain", "with blank", "it's $(touch pwned)", "-dash"] {
        let bench = Bench::contoso();
        let before = links(&bench);
        let (plan, receipt) = (format!("{name}.json"), format!("{name}.ldif"));
        let output = format!("--output={plan}");
        let run = bench
            .automend(&["fix", "-d", "directory", "--plan-only", &output])
            .exits(1)
            .says("Sum: remove 3 links from 3 owners, for 3 users");
        let line = printed(&run.out, "apply it with: ");
        assert!(!line.contains("directory"), "{line}");
        let run = pasted(
            &bench,
            &format!(
                "{line} --yes --receipt='{}'",
                receipt.replace('\'', r"'\''")
            ),
        )
        .exits(0)
        .says("verified: Autodiscover answers 3 users");
        let undo = printed(&run.out, "To undo: ");
        let undo = undo.replacen("automend undo", "automend undo --yes", 1);
        pasted(&bench, &undo).exits(0);
        assert_eq!(links(&bench), before);
        assert!(!bench.path("pwned").exists());
    }
}

#[test]
fn the_readme_shows_what_an_audit_prints() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
    let (_, sample) = readme
        .split_once("$ automend audit --directory examples/contoso.ldif\n")
        .unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    let bench = Bench::new();
    std::fs::create_dir(bench.path("examples")).unwrap();
    bench.file("examples/contoso.ldif", CONTOSO);
    let arguments = ["audit", "--directory", "examples/contoso.ldif"];
    let run = bench.automend_with(&[("COLUMNS", "100")], &arguments);
    let printed = run.exits(1).out;
    let mut rest = printed.as_str();
    for line in sample.lines().filter(|line| *line != "…") {
        let found = rest.find(&format!("{line}\n"));
        let at = found.unwrap_or_else(|| panic!("no {line:?} behind it in {printed}"));
        rest = &rest[at..];
    }
}

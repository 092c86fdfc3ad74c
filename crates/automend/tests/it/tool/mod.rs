//! The binary as tests run it: in a folder of its own, with nothing of the tester's environment.
//!
//! Invariant: a run that hangs is ended and fails; no test depends on how long anything takes.

pub(crate) mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What a run may take at most; only one that hangs comes near it.
const HANGS: Duration = Duration::from_secs(300);

/// The company in which everything is broken that automend knows.
pub(crate) const CONTOSO: &str = include_str!("../../../../../examples/contoso.ldif");

/// A folder in which the binary runs.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The binary, ready to run in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_automend"));
        command
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .timeout(HANGS)
            .args(arguments);
        command
    }

    /// Runs the binary; no one sits at a terminal.
    #[track_caller]
    pub(crate) fn automend(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments), arguments)
    }

    /// Runs the binary with something on standard input.
    #[track_caller]
    pub(crate) fn automend_reading(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Run {
        Run::of(self.command(arguments).write_stdin(input), arguments)
    }

    /// Runs the binary with one more variable in its environment.
    #[track_caller]
    pub(crate) fn automend_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        Run::of(
            self.command(arguments).envs(variables.iter().copied()),
            arguments,
        )
    }

    /// A folder with the company's directory in `directory`.
    pub(crate) fn contoso() -> Self {
        let bench = Self::new();
        bench.file("contoso.ldif", CONTOSO);
        bench
            .automend(&["directory", "import", "contoso.ldif", "-d", "directory"])
            .exits(0);
        bench
    }

    /// The same without stale links, so that every user gets an answer.
    pub(crate) fn healthy_contoso() -> Self {
        let bench = Self::contoso();
        bench
            .without_question(&["fix", "--receipt", "fix.ldif"])
            .exits(0);
        bench
    }

    /// Runs a command on the directory in `directory` without a question.
    #[track_caller]
    pub(crate) fn without_question(&self, arguments: &[&str]) -> Run {
        self.automend(&[arguments, &["-d", "directory", "--yes"]].concat())
    }

    /// What an embedded directory holds, as LDIF.
    #[track_caller]
    pub(crate) fn exported(&self, directory: &str) -> String {
        self.automend(&["directory", "export", "-d", directory])
            .exits(0)
            .out
    }
}

/// The lines of one object in an export, without what notes when it was written.
#[track_caller]
pub(crate) fn object(export: &str, dn: &str) -> Vec<String> {
    let unfolded = export.replace("\r\n", "\n").replace("\n ", "");
    let record = unfolded
        .split("\n\n")
        .find(|record| record.lines().any(|line| line == format!("dn: {dn}")))
        .unwrap_or_else(|| panic!("no {dn}"));
    let noted = ["whenChanged:", "uSNChanged:", "modifyTimestamp:", "#"];
    let mut lines: Vec<String> = record
        .lines()
        .filter(|line| !noted.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// The lines of one object of the directory in `directory`.
#[track_caller]
pub(crate) fn state(bench: &Bench, dn: &str) -> Vec<String> {
    object(&bench.exported("directory"), dn)
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    arguments: String,
    pub(crate) code: Option<i32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn of(command: &mut Command, arguments: &[&str]) -> Self {
        let output = command.output().unwrap();
        Self {
            arguments: arguments.join(" "),
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Checks that standard output says this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in: {self}");
        self
    }

    /// Checks that standard output does not say this.
    #[track_caller]
    pub(crate) fn says_not(self, text: &str) -> Self {
        assert!(!self.out.contains(text), "{text:?} in: {self}");
        self
    }

    /// Checks that standard error says this.
    #[track_caller]
    pub(crate) fn warns(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in: {self}");
        self
    }

    /// Standard output as JSON, which fits the schema of its command.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"));
        let command = self.arguments.split(' ').next().unwrap_or_default();
        schema::check(command, &value);
        value
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            arguments,
            code,
            out,
            err,
            ..
        } = self;
        write!(
            f,
            "automend {arguments}: {code:?}\n--- out\n{out}\n--- err\n{err}"
        )
    }
}

/// The findings of a report as `CODE owner: delegate, delegate`, sorted.
#[track_caller]
pub(crate) fn findings(report: &Value) -> Vec<String> {
    let mut found: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let names = |value: &Value| value["name"].as_str().unwrap().to_owned();
            let mut delegates: Vec<String> = finding["delegates"]
                .as_array()
                .unwrap()
                .iter()
                .map(names)
                .collect();
            delegates.sort();
            format!(
                "{} {}: {}",
                finding["code"].as_str().unwrap(),
                names(&finding["owner"]),
                delegates.join(", ")
            )
        })
        .collect();
    found.sort();
    found
}

/// What a report could not read.
#[track_caller]
pub(crate) fn defects(report: &Value) -> Vec<String> {
    let defects = report["defects"].as_array().unwrap().iter();
    defects
        .map(|defect| defect.as_str().unwrap().to_owned())
        .collect()
}

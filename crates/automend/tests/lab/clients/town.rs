//! A town: a network, names and authorities of its own, in which automend serves a company and the
//! laboratory's clients look for it.
//!
//! A town is a set of Linux namespaces that `lab/clients/town.sh` furnishes. Every town has the same
//! names and ports, and none sees another, so tests run side by side.
//!
//! Invariant: nothing outlives a test. The town ends with its server, the server with the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{self, Variables, eventually};

/// The variable that names the file of the clients' variables.
const CLIENTS: &str = "AUTOMEND_LAB_CLIENTS";

/// The company's directory; no one in it has a password.
const CONTOSO: &str = include_str!("../../../../../examples/contoso.ldif");

/// What a client may take at most, in seconds; only one that hangs comes near it.
const HANGS: &str = "300";

/// A town in which automend runs.
pub(crate) struct Town {
    variables: Variables,
    folder: TempDir,
    server: Child,
}

impl Town {
    /// A town whose server has these arguments in addition to what every one has.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let variables = Variables::named(CLIENTS);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("contoso.ldif"), company()).expect("the directory");
        std::fs::write(folder.path().join("automend.toml"), CONFIGURATION).expect("settings");
        // The town ends when this thread does, whatever happens to it.
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "--pid",
            ])
            .args(["--fork", "--kill-child", "--mount-proc"])
            .arg(lab::script("clients/town.sh"))
            .arg(variables.get("LAB_ETC"))
            .arg(env!("CARGO_BIN_EXE_automend"))
            .args(["serve", "--directory", "contoso.ldif", "--log", "log.jsonl"])
            .args(["--listen", "192.0.2.1:443", "--http", "192.0.2.1:80"])
            .args(["--http", "192.0.2.2:80"])
            .args(["--tls-cert", variables.get("LAB_CERTIFICATE")])
            .args(["--tls-key", variables.get("LAB_KEY")])
            .args(arguments);
        plain_environment(&mut command, folder.path());
        let mut server = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting a town");
        // It says where it listens when it does.
        let said: Vec<String> = BufReader::new(server.stdout.take().expect("its output is a pipe"))
            .lines()
            .map(|line| line.expect("it speaks UTF-8"))
            .take_while(|line| !line.contains("logins by "))
            .collect();
        assert!(
            said.iter().any(|line| line.contains("https://192.0.2.1")),
            "automend does not serve: {said:#?}, {:?}",
            server.try_wait()
        );
        Self {
            variables,
            folder,
            server,
        }
    }

    /// A value that the laboratory publishes.
    pub(crate) fn var(&self, key: &str) -> &str {
        self.variables.get(key)
    }

    /// A path in the town's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that runs in the town, with a home of its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let space = |kind: &str| format!("/proc/{}/ns/{kind}", self.server.id());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", space("net")))
            .arg(format!("--mount={}", space("mnt")))
            .arg(format!("--pid={}", space("pid_for_children")))
            .args(["timeout", "--kill-after=5", HANGS, program]);
        let home = tempfile::tempdir_in(self.folder.path()).expect("a folder");
        // It goes with the town's folder.
        plain_environment(&mut command, &home.keep());
        command
    }

    /// The turns about which the server has written to its log by now.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        let text = std::fs::read_to_string(self.path("log.jsonl")).expect("the log");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .filter(|entry: &Value| entry["event"] == "request")
            .map(Turn)
            .collect()
    }

    /// Waits until the log has a turn that is as `wanted`.
    #[track_caller]
    pub(crate) fn has_turn(&self, what: &str, wanted: impl Fn(&Turn) -> bool) {
        eventually(what, || self.turns().iter().any(&wanted));
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // Everything in the town ends with its first process, and that one with this.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// One request with its answer, as the server's log tells it.
#[derive(Debug)]
pub(crate) struct Turn(Value);

impl Turn {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub(crate) fn fault(&self) -> Option<u64> {
        self.0["fault"].as_u64()
    }
}

/// What the server is reported in addition to its arguments: the company has IMAP, too, and a domain whose host has
/// no certificate is sent to the company's.
const CONFIGURATION: &str = r#"
[serve.domain."contoso.com"]
imap.host = "mail.contoso.com"
smtp.host = "mail.contoso.com"

[serve.domain."redirect.example"]
autodiscover = "mail.contoso.com"
"#;

/// The password of `user`.
pub(crate) fn password(user: &str) -> String {
    format!("{user}-Secret-1")
}

/// The company, in which four can log in; Alice can in the example itself. Alice has an address in each of the domains in which a client has to
/// search longer, and mail for Liam goes to an address of Greta's in one of them.
fn company() -> String {
    let mut ldif = String::new();
    for line in CONTOSO.lines() {
        let line = line.replace("liam.moss@fabrikam.com", "greta.hill@host.example");
        ldif += &line;
        ldif.push('\n');
        for user in ["greta", "liam", "uma"] {
            if line == format!("userPrincipalName: {user}@contoso.com") {
                ldif += &format!("userPassword: {}\n", password(user));
            }
        }
        for (owner, address) in [
            ("alice", "alice@host.example"),
            ("alice", "alice@redirect.example"),
            ("alice", "alice@srv.example"),
            ("greta", "greta.hill@host.example"),
        ] {
            if line == format!("proxyAddresses: SMTP:{owner}@contoso.com") {
                ldif += &format!("proxyAddresses: smtp:{address}\n");
            }
        }
    }
    ldif
}

/// Nothing of the tester's environment, and everything that is written goes to `home`.
fn plain_environment(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LANG", "C.UTF-8")
        .env("HOME", home)
        .env("TMPDIR", home);
}

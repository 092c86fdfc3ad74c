//! `automend directory serve` as tests use it: the real binary, on ports and a socket of its own.

use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::Receiver;

use tempfile::TempDir;

use super::{HANGS, command, lines, pause};

/// A service under way.
pub(crate) struct LdapService {
    child: Child,
    pub(crate) folder: TempDir,
    /// `ldap://127.0.0.1:PORT`.
    pub(crate) ldap: String,
    pub(crate) ldaps: String,
    pub(crate) ldapi: String,
    pub(crate) certificate: PathBuf,
    log: Receiver<String>,
}

impl LdapService {
    /// Imports LDIF, and serves it.
    pub(crate) fn ldif(ldif: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.ldif"), ldif).unwrap();
        let import = command(folder.path())
            .args([
                "directory",
                "import",
                "all.ldif",
                "-d",
                "directory",
                "--fast-hashes",
            ])
            .output()
            .unwrap();
        assert!(import.status.success(), "{import:?}");
        let socket = folder.path().join("socket");
        let mut child = command(folder.path())
            .args(["directory", "serve", "-d", "directory"])
            .args(["--listen", "127.0.0.1:0", "--ldaps", "127.0.0.1:0"])
            .arg("--ldapi")
            .arg(&socket)
            .args(options)
            .spawn()
            .unwrap();
        let out = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        let mut said = Vec::new();
        while !said
            .iter()
            .any(|line: &String| line.contains("clients log in"))
        {
            let Ok(line) = out.recv_timeout(HANGS) else {
                let _ = child.kill();
                let errors: Vec<String> = log.iter().collect();
                panic!("it did not start: {said:?}\n{}", errors.join("\n"));
            };
            said.push(line);
        }
        let find = |start: &str| {
            let line = said.iter().find_map(|line| line.trim().strip_prefix(start));
            line.unwrap_or_else(|| panic!("no {start} in {said:?}"))
                .to_owned()
        };
        let path = socket.to_str().unwrap().replace('/', "%2F");
        Self {
            child,
            ldap: format!("ldap://{}", find("ldap://")),
            ldaps: format!("ldaps://{}", find("ldaps://")),
            ldapi: format!("ldapi://{path}"),
            certificate: find("a certificate made for this run, which no authority has signed: ")
                .into(),
            folder,
            log,
        }
    }

    /// Waits for a line of the log that has all of these words.
    #[track_caller]
    pub(crate) fn logged(&self, words: &[&str]) {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(HANGS) {
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
            seen.push(line);
        }
        panic!("no {words:?} in {seen:?}");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let done = std::process::Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(done.success());
        for _ in 0..HANGS.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            pause();
        }
        panic!("it does not end");
    }
}

impl Drop for LdapService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.certificate);
    }
}

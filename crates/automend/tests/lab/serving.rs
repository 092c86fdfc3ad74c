//! automend's service in a laboratory's network, and someone whom it shall answer.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::lab::{Bind, Lab, run, succeeded};

/// A password that the domain's policy takes.
pub(crate) const PASSWORD: &str = "Wint3r-Regen-8";

/// automend under way, and where its certificate is.
pub(crate) struct Serving {
    child: Child,
    /// The file of the authority that a client has to trust.
    pub(crate) certificate: String,
}

impl Serving {
    /// What `bind` runs, on port 443 of its network; returns when it listens.
    pub(crate) fn of(bind: Bind<'_>, arguments: &[&str]) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:443", "--log", "/dev/null"];
        let mut child = bind
            .program(&[&serve, arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting automend");
        let mut said = Vec::new();
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        for line in lines.map(|line| line.expect("it speaks UTF-8")) {
            if let Some((_, path)) = line.split_once("made for this run: ") {
                let certificate = path.to_owned();
                return Self { child, certificate };
            }
            said.push(line);
        }
        panic!("automend does not serve: {said:#?}, {:?}", child.wait());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A delegate of the seed with a stale link and others that are none.
pub(crate) struct Affected {
    /// The `sAMAccountName`.
    pub(crate) name: String,
    pub(crate) address: String,
    /// How many of the links are not stale.
    pub(crate) healthy: usize,
}

impl Affected {
    /// The first that the truth names, with [`PASSWORD`].
    pub(crate) fn somebody(lab: &Lab, audit: Bind<'_>) -> Self {
        let text = std::fs::read_to_string(lab.var("LAB_TRUTH")).expect("the truth is there");
        let truth: Value = serde_json::from_str(&text).expect("the truth is JSON");
        let stale = truth["staleLinks"].as_array().expect("stale links");
        for link in stale {
            let [dn, name] =
                ["delegate", "delegateSam"].map(|key| link[key].as_str().expect("a name"));
            let wanted = ["mail", "msExchDelegateListBL"];
            let ldif = audit.search(dn, "base", "(msExchMailboxGuid=*)", &wanted);
            let value = |line: &str| line.strip_prefix("mail: ").map(str::to_owned);
            let Some(address) = ldif.lines().find_map(value) else {
                continue;
            };
            let links = ldif.matches("\nmsExchDelegateListBL:").count();
            let broken = stale
                .iter()
                .filter(|other| other["delegate"] == link["delegate"])
                .count();
            if links > broken {
                samba_tool(
                    lab,
                    &["user", "setpassword", name, "--newpassword", PASSWORD],
                );
                return Self {
                    name: name.to_owned(),
                    address,
                    healthy: links - broken,
                };
            }
        }
        panic!("the seed has nobody with a stale link and another one");
    }
}

/// Runs `samba-tool` on the database of the (first) controller.
pub(crate) fn samba_tool(lab: &Lab, arguments: &[&str]) {
    let settings = Path::new(lab.var("LAB_CA"))
        .ancestors()
        .nth(2)
        .expect("the controller's folder")
        .join("etc/smb.conf");
    let mut command = lab.command("/usr/bin/samba-tool");
    command.args(arguments).arg("--configfile").arg(settings);
    succeeded(&run(&mut command, ""));
}

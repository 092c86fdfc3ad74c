//! Autodiscover out of a domain controller, for somebody who has logged on to the domain.
//!
//! A user of the seed who has a stale link gets a password, a ticket for it from the controller, and
//! asks with curl; automend has the keys of a service account from the same controller.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::SAMBA;
use crate::curl::Answer;
use crate::lab::program::Desk;
use crate::lab::{Lab, run, succeeded};

/// A password that the domain's policy takes.
const PASSWORD: &str = "Wint3r-Regen-8";

/// automend under way, and where its certificate is.
struct Serving {
    child: Child,
    certificate: String,
}

impl Serving {
    fn of(lab: &Lab, arguments: &[&str]) -> Self {
        let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
        let serve = ["serve", "--listen", "127.0.0.1:443", "--log", "/dev/null"];
        let mut child = audit
            .program(&[&serve, arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting automend");
        let mut said = Vec::new();
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        for line in lines.map(|line| line.expect("it speaks UTF-8")) {
            if let Some((_, path)) = line.split_once("which nobody has signed: ") {
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

/// A delegate of the seed with a stale link and others that are none: name, address, DN and how many of
/// the links are not stale.
fn hurt_delegate(lab: &Lab) -> (String, String, usize) {
    let text = std::fs::read_to_string(lab.var("LAB_TRUTH")).expect("the truth is there");
    let truth: Value = serde_json::from_str(&text).expect("the truth is JSON");
    let stale = truth["staleLinks"].as_array().expect("stale links");
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    for link in stale {
        let [dn, name] = ["delegate", "delegateSam"].map(|key| link[key].as_str().expect("a name"));
        let wanted = ["mail", "msExchDelegateListBL"];
        let ldif = audit.search(dn, "base", "(msExchMailboxGuid=*)", &wanted);
        let value = |line: &str| line.strip_prefix("mail: ").map(str::to_owned);
        let Some(address) = ldif.lines().find_map(value) else {
            continue;
        };
        let links = ldif.matches("\nmsExchDelegateListBL:").count();
        let hurting = stale
            .iter()
            .filter(|other| other["delegate"] == link["delegate"])
            .count();
        if links > hurting {
            return (name.to_owned(), address, links - hurting);
        }
    }
    panic!("the seed has nobody with a stale link and another one");
}

fn samba_tool(lab: &Lab, arguments: &[&str]) {
    let settings = Path::new(lab.var("LAB_CA"))
        .ancestors()
        .nth(2)
        .expect("the controller's folder")
        .join("etc/smb.conf");
    let mut command = lab.command("/usr/bin/samba-tool");
    command.args(arguments).arg("--configfile").arg(settings);
    succeeded(&run(&mut command, ""));
}

#[test]
fn who_has_logged_on_to_the_domain_is_answered_without_a_password_and_without_the_stale_link() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let (name, address, healthy) = hurt_delegate(&lab);
    samba_tool(
        &lab,
        &["user", "setpassword", &name, "--newpassword", PASSWORD],
    );

    let users = format!("CN=Users,{}", lab.var("LAB_BASE"));
    let service = lab
        .bind("LAB_LDAPS_URL", "LAB_ADMIN")
        .add_user("lab-web", &users);
    let account = service.dn["CN=".len()..]
        .split(',')
        .next()
        .expect("its name");
    samba_tool(
        &lab,
        &["user", "setpassword", account, "--newpassword", PASSWORD],
    );
    samba_tool(&lab, &["user", "enable", account]);
    let principal = "HTTP/autodiscover.contoso.test";
    samba_tool(&lab, &["spn", "add", principal, account]);
    let keytab = desk.arg("keytab");
    samba_tool(
        &lab,
        &["domain", "exportkeytab", &keytab, "--principal", principal],
    );

    let serving = Serving::of(&lab, &["--auth", "negotiate,basic", "--keytab", &keytab]);
    let tickets = desk.arg("tickets");
    let inside = |program: &str| -> Command {
        let mut command = lab.command(program);
        command.env("KRB5CCNAME", &tickets);
        command
    };
    let curl = |scheme: &str, login: &str| {
        let mut curl = inside("curl");
        curl.args([
            scheme,
            "--resolve",
            "autodiscover.contoso.test:443:127.0.0.1",
        ]);
        Answer::of(&mut curl, &serving.certificate, login, &address)
    };

    assert_eq!(curl("--negotiate", ":").status, "401", "without a ticket");
    let logon = format!("{name}@{}", lab.var("LAB_REALM"));
    succeeded(&run(inside("kinit").arg(&logon), &format!("{PASSWORD}\n")));
    for (scheme, login) in [
        ("--negotiate", ":".to_owned()),
        ("--anyauth", ":".to_owned()),
        ("--basic", format!("{address}:{PASSWORD}")),
    ] {
        let answer = curl(scheme, &login);
        let delegated = answer.alternatives();
        let delegated = delegated.iter().filter(|one| one.starts_with("Delegate "));
        assert_eq!(delegated.count(), healthy, "{scheme}: {answer:?}");
    }
}

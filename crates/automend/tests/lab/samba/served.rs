//! Autodiscover out of a domain controller, for someone who has logged on to the domain.
//!
//! A user of the seed who has a stale link gets a password, a ticket for it from the controller, and
//! asks with curl; automend has the keys of a service account from the same controller.

use std::process::Command;

use super::SAMBA;
use crate::curl::Answer;
use crate::lab::program::Desk;
use crate::lab::{Lab, run, succeeded};
use crate::serving::{Affected, PASSWORD, Serving, samba_tool};

#[test]
fn who_has_logged_on_to_the_domain_is_answered_without_a_password_and_without_the_stale_link() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    let Affected {
        name,
        address,
        healthy,
    } = Affected::somebody(&lab, audit);

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

    let serving = Serving::of(audit, &["--auth", "negotiate,basic", "--keytab", &keytab]);
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

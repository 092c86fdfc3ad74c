//! What an account may not read is not absent, and what it may not write stays.

use super::SAMBA;
use crate::lab::program::Desk;
use crate::lab::{Bind, Lab, run, succeeded};

const LINK: &str = "msExchDelegateListLink";

#[test]
fn what_the_account_may_not_read_is_never_called_absent() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    for hidden in [
        "msExchMailboxGuid",
        "legacyExchangeDN",
        "msExchHomeServerName",
    ] {
        let owner = admin.add_user("lab-hidden", &units);
        let delegate = admin.add_user("lab-delegate", &units);
        // A delegate without a mailbox would be a finding of its own.
        admin.reconnect_mailbox(&delegate.dn);
        assert_eq!(admin.change("add", &owner.dn, LINK, &delegate.dn), 0);
        let look =
            |bind: Bind<'_>| bind.automend(&["audit", "--format", "json", "--owner", &owner.dn]);
        // Without a mailbox, and with nothing hidden, the link is stale to both.
        assert!(look(audit).ended(1).contains("stale-link"));
        admin.reconnect_mailbox(&owner.dn);
        look(audit).ended(0);

        deny_reading(&lab, "audit", &owner.dn, hidden);
        look(admin).ended(0);
        let told = look(audit).ended(1);
        assert!(
            told.contains("AM106") && told.contains(hidden) && !told.contains("stale-link"),
            "{hidden}: {told}"
        );
        // The whole directory, where absence is proved for many at once.
        let all = audit.automend(&["audit", "--format", "jsonl"]).ended(1);
        let line = all
            .lines()
            .find(|line| line.contains("lab-hidden"))
            .expect("the owner is told of");
        assert!(line.contains("AM106") && line.contains(hidden), "{line}");

        // The same account is given a plan that someone with more rights might have made.
        admin.disconnect_mailbox(&owner.dn);
        let desk = Desk::new();
        admin
            .automend(&[
                "fix",
                "--owner",
                &owner.dn,
                "--plan-only",
                "-o",
                &desk.arg("plan.json"),
            ])
            .ended(1);
        admin.reconnect_mailbox(&owner.dn);
        let applied = audit.automend(&["fix", "--plan", &desk.arg("plan.json"), "--yes"]);
        applied.failed_with(&["nothing was written", "cannot be read"]);
        assert!(admin.has(&owner.dn, LINK, &delegate.dn));
    }
}

#[test]
fn an_audit_that_may_not_read_a_link_says_so_and_finds_nothing_well() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    // An account that no other test audits with.
    let blind = lab.bind("LAB_LDAPS_URL", "LAB_BLIND");
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let owner = admin.add_user("lab-unseen", &units);
    let delegate = admin.add_user("lab-unseeing", &units);
    assert_eq!(admin.change("add", &owner.dn, LINK, &delegate.dn), 0);
    deny_reading(&lab, "blind", &owner.dn, LINK);
    let report = |bind: Bind<'_>| bind.automend(&["audit", "--format", "json"]);
    let seen = report(admin).ended(1);
    assert!(
        seen.contains("\"complete\": true") && seen.contains("lab-unseen"),
        "{seen}"
    );
    let told = report(blind).ended(2);
    assert!(
        told.contains("\"complete\": false") && told.contains("CN=lab-unseen"),
        "{told}"
    );
    // The owner alone, a base that holds nothing else, and one that holds no user.
    for options in [
        ["--owner", owner.dn.as_str()],
        ["--base", owner.dn.as_str()],
    ] {
        blind
            .automend(&[&["audit"], options.as_slice()].concat())
            .ended(2);
    }
    blind.automend(&["show", &owner.dn]).ended(2);
    let builtin = format!("CN=Builtin,{}", lab.var("LAB_BASE"));
    admin.automend(&["audit", "--base", &builtin]).ended(2);
}

#[test]
fn an_account_that_may_not_write_is_told_before_anything_is_written() {
    let lab = Lab::named(SAMBA);
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    let before = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN").keep();
    let desk = Desk::new();
    audit
        .automend(&["fix", "--yes", "--receipt", &desk.arg("receipt.ldif")])
        .failed_with(&[
            "may not write msExchDelegateListLink on",
            "nothing was written",
            "dsacls 'OU=",
        ]);
    assert!(!desk.file("receipt.ldif").exists());
    assert_eq!(audit.links(), before.links);
}

/// Forbids an account to read one attribute of an object.
fn deny_reading(lab: &Lab, account: &str, dn: &str, attribute: &str) {
    let mut command = lab.command("/usr/bin/python3");
    command.args([
        "-c",
        DENY,
        lab.var("LAB_ADDRESS"),
        lab.var("LAB_ADMIN_PASSWORD_FILE"),
        account,
        dn,
        attribute,
    ]);
    succeeded(&run(&mut command, ""));
}

/// With Samba's own library, as its tool takes an identifier where this takes a name.
const DENY: &str = r#"
import sys, uuid, ldb
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
address, password, name, dn, attribute = sys.argv[1:]
lp = LoadParm()
lp.set("realm", "CONTOSO.TEST")
credentials = Credentials()
credentials.guess(lp)
credentials.set_username("administrator")
credentials.set_domain("CONTOSO")
credentials.set_password(open(password).read())
sam = SamDB(url="ldap://" + address, credentials=credentials, lp=lp)
account = sam.search(sam.domain_dn(), ldb.SCOPE_SUBTREE, "(sAMAccountName=%s)" % name, ["objectSid"])[0]
sid = ndr_unpack(security.dom_sid, account["objectSid"][0])
schema = sam.search(sam.get_schema_basedn(), ldb.SCOPE_ONELEVEL, "(lDAPDisplayName=%s)" % attribute, ["schemaIDGUID"])[0]
guid = uuid.UUID(bytes_le=bytes(schema["schemaIDGUID"][0]))
domain = security.dom_sid(sam.get_domain_sid())
found = sam.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=["sd_flags:1:4"])[0]
sddl = ndr_unpack(security.descriptor, found["nTSecurityDescriptor"][0]).as_sddl(domain)
at = sddl.index("(", sddl.index("D:"))
message = ldb.Message(ldb.Dn(sam, dn))
packed = ndr_pack(security.descriptor.from_sddl("%s(OD;;RP;%s;;%s)%s" % (sddl[:at], guid, sid, sddl[at:]), domain))
message["nTSecurityDescriptor"] = ldb.MessageElement(packed, ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
sam.modify(message, ["sd_flags:1:4"])
"#;

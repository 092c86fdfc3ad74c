//! The service as clients meet it: faces, logins, what is reported of whom, and that no stale link affects.
//!
//! The probe table and the expectations of clients are those that real clients and other servers were
//! measured by; the matrix of stale owners is every way in which a link can lead nowhere.

mod admission;
mod behind_proxies;
mod faces;
mod holders;

use crate::served::{Ask, DOMAIN, PASSWORD, POX, SOAP, Served, mailbox, outlook};

const CONTOSO: &str = include_str!("../../../../examples/contoso.ldif");
const OUTLOOK_RESPONSE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// A company of one user and one owner in every state that there is.
fn matrix() -> String {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    let mut ldif = DOMAIN.to_owned();
    ldif += "dn: CN=DB1,DC=contoso,DC=com\nobjectClass: msExchPrivateMDB\n\n";
    ldif += &mailbox("Amy", &[link]);
    ldif += &mailbox("Bob", &[link]);
    ldif += &mailbox("Hidden", &["msExchHideFromAddressLists: TRUE", link]);
    ldif += &mailbox("Locked", &["userAccountControl: 514", link]);
    ldif += &mailbox(
        "Circle",
        &["msExchDelegateListLink: CN=Ring,DC=contoso,DC=com", link],
    );
    ldif += &mailbox(
        "Ring",
        &["msExchDelegateListLink: CN=Circle,DC=contoso,DC=com", link],
    );
    // Remote: the mailbox is in the other half of a hybrid.
    ldif += &format!(
        "dn: CN=Cloud,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Cloud\nproxyAddresses: SMTP:cloud@contoso.com\n\
         targetAddress: SMTP:cloud@contoso.mail.onmicrosoft.com\nlegacyExchangeDN: /o=Contoso/cn=cloud\n\
         msExchRecipientTypeDetails: 34359738368\n{link}\n\n"
    );
    // Stale, each in its own way.
    ldif += &format!(
        "dn: CN=Disabled,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Disabled\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=MailUser,DC=contoso,DC=com\nobjectClass: user\ndisplayName: MailUser\nproxyAddresses: SMTP:mu@contoso.com\n\
         targetAddress: SMTP:mu@fabrikam.com\nmsExchRecipientTypeDetails: 128\nlegacyExchangeDN: /o=Contoso/cn=mu\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Nameless,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Nameless\nproxyAddresses: SMTP:n@contoso.com\n\
         msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\nhomeMDB: CN=DB1,DC=contoso,DC=com\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Homeless,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Homeless\nproxyAddresses: SMTP:h@contoso.com\n\
         msExchMailboxGuid:: EAECAwQFBgcICQoLDA0ODw==\nlegacyExchangeDN: /o=Contoso/cn=h\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Group,DC=contoso,DC=com\nobjectClass: group\ndisplayName: Group\nproxyAddresses: SMTP:g@contoso.com\n\
         legacyExchangeDN: /o=Contoso/cn=g\n{link}\n\n"
    );
    // Of another domain: the file knows the name and nothing behind it.
    ldif += "dn: CN=Ghost,DC=fabrikam,DC=com\nobjectClass: contact\ndisplayName: Ghost\nmsExchDelegateListLink: CN=Amy,DC=contoso,DC=com\n\n";
    // Deleted, but kept by the recycle bin.
    ldif += &format!(
        "dn: CN=Gone\\0ADEL:9013e75e-f255-ceb4-591f-39ccf75987c7,CN=Deleted Objects,DC=contoso,DC=com\nobjectClass: user\n\
         isDeleted: TRUE\n{link}\n\n"
    );
    ldif
}

#[test]
fn every_kind_of_stale_owner_is_skipped_told_once_and_counted() {
    let served = Served::ldif(&matrix(), &[]);
    let whole = "settings: Amy, Bob, Circle, Cloud, Hidden, Locked, Ring";
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    for (owner, code) in [
        ("CN=Disabled,DC=contoso,DC=com", "AM101"),
        ("CN=Nameless,DC=contoso,DC=com", "AM102"),
        ("CN=MailUser,DC=contoso,DC=com", "AM103"),
        ("CN=Group,DC=contoso,DC=com", "AM103"),
        ("CN=Homeless,DC=contoso,DC=com", "AM112"),
        ("CN=Ghost,DC=fabrikam,DC=com", "AM103"),
    ] {
        let line = served.logged(|line| line["event"] == "owner-skipped" && line["owner"] == owner);
        assert_eq!(line["code"], code, "{owner}");
        assert_eq!(line["delegate"], "CN=Amy,DC=contoso,DC=com");
    }
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    assert!(served.metric("automend_skipped_owners_total{code=\"AM101\"}") >= 3.0);
    let exchange = served.logged(|line| line["event"] == "request" && line["source"] == "cache");
    assert_eq!(
        (exchange["asked"].as_str(), exchange["user"].as_str()),
        (Some("amy@contoso.com"), Some("amy@contoso.com"))
    );
    assert!(exchange["skipped"].as_u64() >= Some(6), "{exchange}");
    served.signal("TERM");
    let mut served = served;
    assert!(served.wait().success());
    let told: Vec<_> = served
        .whole_log()
        .into_iter()
        .filter(|line| line["event"] == "owner-skipped")
        .map(|line| line["owner"].to_string())
        .collect();
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        told.len(),
        once.len(),
        "each owner is told of once: {told:?}"
    );
}

#[test]
fn every_kind_of_stale_owner_alone_fails_the_user_when_faithful_and_no_one_else_does() {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    let all = matrix();
    // The same company with one owner at a time, in one service a kind.
    let owner = |name: &str| {
        let record = all
            .split("\n\n")
            .find(|record| record.contains(&format!("dn: CN={name},")))
            .unwrap();
        assert!(record.contains(link), "{record}");
        format!("{DOMAIN}{}{record}\n\n", mailbox("Amy", &[]))
    };
    for (name, expected) in [
        ("Disabled", "603"),
        ("MailUser", "603"),
        ("Nameless", "603"),
        ("Homeless", "603"),
        ("Group", "603"),
        ("Ghost", "603"),
        ("Bob", "settings: Bob"),
        ("Hidden", "settings: Hidden"),
        ("Locked", "settings: Locked"),
        ("Cloud", "settings: Cloud"),
    ] {
        let served = Served::ldif(&owner(name), &["--policy", "faithful"]);
        assert_eq!(served.pox("amy@contoso.com").pox(), expected, "{name}");
    }
}

#[test]
fn the_story_of_contoso_has_a_happy_end() {
    let served = Served::ldif(CONTOSO, &[]);
    let answer = served.pox("alice@contoso.com");
    assert_eq!(answer.pox(), "settings: Info, Room Aspen");
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    let faithful = Served::ldif(CONTOSO, &["--policy", "faithful"]);
    faithful
        .pox("alice@contoso.com")
        .is(200)
        .says("<ErrorCode>603</ErrorCode>")
        .says("The Active Directory user wasn't found.");
}

#[test]
fn what_is_told_of_a_user_depends_on_who_asks() {
    let served = Served::ldif(&matrix(), &[]);
    assert_eq!(
        served.pox_as("bob@contoso.com", "amy@contoso.com").pox(),
        "settings: "
    );
    // By every name that the user has.
    for user in ["amy@contoso.com", "AMY@Contoso.COM", "amy"] {
        let answer = served.pox_as(user, "amy@contoso.com");
        assert!(answer.pox().contains("Bob"), "{user}: {answer}");
    }
    let by_legacy = outlook("").replace(
        "<EMailAddress></EMailAddress>",
        "<EMailAddress/><LegacyDN>/O=CONTOSO/ou=Exchange/cn=Recipients/cn=AMY</LegacyDN>",
    );
    let answer = served.ask(&Ask::post(POX, by_legacy).basic("amy@contoso.com", PASSWORD));
    assert!(answer.pox().contains("Bob"), "{answer}");
    let open = "[serve]\nalternative-mailboxes-of-others = true\n";
    let served = Served::with(&matrix(), open, &[]);
    assert!(
        served
            .pox_as("bob@contoso.com", "amy@contoso.com")
            .pox()
            .contains("Circle")
    );
}

#[test]
fn every_mailbox_that_is_offered_can_be_asked_for() {
    let served = Served::ldif(&matrix(), &[]);
    for name in ["bob", "hidden", "locked", "circle", "ring"] {
        let answer = served.pox_as("amy@contoso.com", &format!("{name}@contoso.com"));
        assert_eq!(answer.pox(), "settings: ", "{name}");
    }
    let answer = served.pox_as("amy@contoso.com", "cloud@contoso.com");
    assert_eq!(
        answer.pox(),
        "redirect to cloud@contoso.mail.onmicrosoft.com"
    );
}

#[test]
fn it_says_what_it_serves_and_the_line_that_it_prints_tests_it() {
    let served = Served::ldif(&matrix(), &[]);
    assert!(
        served.said.starts_with("Autodiscover for contoso.com"),
        "{}",
        served.said
    );
    assert!(
        served.said.contains("out of directory.ldif"),
        "{}",
        served.said
    );
    let line = served
        .said
        .lines()
        .find(|line| line.starts_with("  curl "))
        .unwrap();
    let line = line.replace("user@contoso.com", "amy@contoso.com").replace(
        "--user amy@contoso.com",
        &format!("--user 'amy@contoso.com:{PASSWORD}'"),
    );
    let done = std::process::Command::new("sh")
        .args(["-c", line.trim()])
        .output();
    let Ok(done) = done.map(|done| String::from_utf8(done.stdout).unwrap()) else {
        panic!("curl is not installed")
    };
    assert!(done.contains("<Action>settings</Action>"), "{line}\n{done}");
    assert!(served.admin("/healthz").is(200).text().contains("alive"));
    let ready = served.admin("/readyz").is(200).json();
    assert_eq!(ready["ready"], true);
    let exchanges = served.admin("/requests").is(200).json();
    assert_eq!(
        exchanges.as_array().unwrap().last().unwrap()["outcome"],
        "settings"
    );
}

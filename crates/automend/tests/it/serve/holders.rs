//! Who is meant by an address that several objects name, to those who ask and to those who log in.

use crate::served::{Ask, DOMAIN, PASSWORD, POX, Served, mailbox, outlook};

#[test]
fn an_account_that_only_shows_an_address_takes_nothing_from_its_mailbox() {
    let ldif = format!(
        "{DOMAIN}{}dn: CN=adm-amy,DC=contoso,DC=com\nobjectClass: user\nsAMAccountName: adm-amy\n\
         userPrincipalName: adm-amy@contoso.com\nmail: amy@contoso.com\nuserPassword: adm-Secret-1\n\n\
         dn: CN=Amy (card),DC=contoso,DC=com\nobjectClass: contact\nmail: amy@contoso.com\n\n",
        mailbox("Amy", &[])
    );
    let served = Served::ldif(&ldif, &[]);
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: ");
    // Nor does it log in by that address.
    let other = Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", "adm-Secret-1");
    served.ask(&other).is(401);
}

#[test]
fn an_alias_leads_to_its_mailbox_and_a_login_name_to_its_account() {
    let ldif = format!(
        "{DOMAIN}{}{}",
        mailbox("Amy", &["proxyAddresses: smtp:ames@contoso.com"]),
        mailbox("Bert", &[])
            .replace("userPrincipalName: bert@contoso.com\n", "")
            .replace(
                "sAMAccountName",
                "userPrincipalName: ames@contoso.com\nsAMAccountName"
            )
    );
    assert!(
        ldif.contains("userPrincipalName: ames@contoso.com\nsAMAccountName: bert"),
        "{ldif}"
    );
    let served = Served::ldif(&ldif, &[]);
    let address = |answer: String| {
        let (_, rest) = answer.split_once("<AutoDiscoverSMTPAddress>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let asked = served.pox_as("amy@contoso.com", "ames@contoso.com").is(200);
    assert_eq!(address(asked.text()), "amy@contoso.com");
    // Who logs in so is Bert, whose name in the log is his principal name.
    let ask = Ask::post(POX, outlook("bert@contoso.com")).basic("ames@contoso.com", PASSWORD);
    let answer = served.ask(&ask).is(200);
    assert_eq!(address(answer.text()), "bert@contoso.com");
    served.logged(|line| line["asked"] == "bert@contoso.com" && line["user"] == "ames@contoso.com");
}

#[test]
fn an_archive_in_the_cloud_is_asked_for_there() {
    const GUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
    let lines = |status: &'static str| {
        [
            "msExchArchiveGUID:: MyIRAFVEd2aImaq7zN3u/w==",
            "msExchArchiveName: Archive",
            status,
        ]
    };
    let archive = |domain: &str| format!("ExchangeGuid+{GUID}@{domain}");
    let ask = |served: &Served, address: &str| {
        let ask = Ask::post(POX, outlook(address)).basic("amy@contoso.com", PASSWORD);
        served.ask(&ask).pox()
    };
    let hosted = lines("msExchArchiveAddress: contoso.mail.onmicrosoft.com");
    let served = Served::ldif(&format!("{DOMAIN}{}", mailbox("Amy", &hosted)), &[]);
    served.pox("amy@contoso.com").is(200).says(&format!(
        "<SmtpAddress>{}</SmtpAddress>",
        archive("contoso.mail.onmicrosoft.com")
    ));
    let there = archive("contoso.mail.onmicrosoft.com").to_lowercase();
    assert_eq!(
        ask(&served, &archive("contoso.com")),
        format!("redirect to {there}")
    );
    assert_eq!(
        ask(&served, &archive("contoso.mail.onmicrosoft.com")),
        "500"
    );
    // A GUID of zeros names no archive.
    let zero = ["msExchArchiveGUID:: AAAAAAAAAAAAAAAAAAAAAA=="];
    let served = Served::ldif(&format!("{DOMAIN}{}", mailbox("Amy", &zero)), &[]);
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: ");
}

#[test]
fn an_owner_whose_deciding_value_cannot_be_read_is_left_out_and_accused_of_nothing() {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    let bob = mailbox("Bob", &[link]);
    for (what, damaged) in [
        (
            "base64",
            bob.replace("msExchMailboxGuid:: ", "msExchMailboxGuid:: @"),
        ),
        ("a GUID of five bytes", {
            let (before, rest) = bob.split_once("msExchMailboxGuid:: ").unwrap();
            let (_, rest) = rest.split_once('\n').unwrap();
            format!("{before}msExchMailboxGuid:: AAECAwQ=\n{rest}")
        }),
        (
            "no UTF-8",
            bob.replace(
                "legacyExchangeDN: /o=Contoso/ou=Exchange/cn=Recipients/cn=bob",
                "legacyExchangeDN:: /////w==",
            ),
        ),
        ("no colon", bob.replace("homeMDB: ", "homeMDB ")),
    ] {
        assert_ne!(damaged, bob, "{what}");
        for policy in ["faithful", "healthy"] {
            let ldif = format!(
                "{DOMAIN}{}{}{damaged}",
                mailbox("Amy", &[]),
                mailbox("Eve", &[link])
            );
            let served = Served::ldif(&ldif, &["--policy", policy]);
            let answer = served.pox("amy@contoso.com");
            assert_eq!(answer.pox(), "settings: Eve", "{what}, {policy}");
            let skipped = served.logged(|line| line["event"] == "owner-skipped");
            assert_eq!(skipped["owner"], "CN=Bob,DC=contoso,DC=com", "{what}");
            assert_eq!(skipped["code"], "AM106", "{what}");
        }
    }
}

//! A town in which access to mailboxes is given in every way: as LDIF, and imported.

use std::fmt::Write as _;

use automend_core::names::Sid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::tool::Bench;

/// The first part of every identifier of the town.
pub(crate) const DOMAIN: &str = "S-1-5-21-1-2-3";

/// Objects in the making.
pub(crate) struct Town {
    records: Vec<(String, Vec<String>)>,
}

/// An entry of full access: `+` or `-`, with an `i` behind it if inherited; and for whom.
pub(crate) type Given<'a> = (&'a str, &'a str);

/// A descriptor with the entry of a new mailbox, and these.
pub(crate) fn descriptor(entries: &[Given<'_>]) -> Vec<u8> {
    let itself = Sid::parse("S-1-5-10").unwrap();
    let mut list = Vec::new();
    let all = [&[("+", "S-1-5-10")], entries].concat();
    for (verb, who) in &all {
        let sid = Sid::parse(who).unwrap();
        let kind = u8::from(verb.starts_with('-'));
        let flags = if verb.ends_with('i') { 0x12 } else { 0x02 };
        let size = u16::try_from(8 + sid.as_bytes().len()).unwrap();
        list.extend([kind, flags]);
        list.extend(size.to_le_bytes());
        list.extend(1u32.to_le_bytes());
        list.extend(sid.as_bytes());
    }
    let mut bytes = vec![1, 0, 4, 0x80];
    for at in [20u32, 32, 0, 44] {
        bytes.extend(at.to_le_bytes());
    }
    bytes.extend(itself.as_bytes());
    bytes.extend(itself.as_bytes());
    bytes.extend([2, 0]);
    bytes.extend(u16::try_from(8 + list.len()).unwrap().to_le_bytes());
    bytes.extend(u16::try_from(all.len()).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(list);
    bytes
}

fn dn(name: &str) -> String {
    format!("CN={name},DC=town,DC=test")
}

impl Town {
    /// Alice, Bob, Carol, Dave and Eve; Sales with Bob and Inner, Inner with Carol and Sales; Town, the primary
    /// group of Eve; the mailboxes Info, Pay, Odd and Open.
    pub(crate) fn usual() -> Self {
        let mut town = Self {
            records: Vec::new(),
        };
        for (name, relative) in [
            ("Alice", 1101),
            ("Bob", 1102),
            ("Carol", 1103),
            ("Dave", 1104),
        ] {
            town.mailbox(name, relative, &[], &[]);
        }
        town.mailbox("Eve", 1105, &[], &[]);
        town.line("Eve", "primaryGroupID: 1203");
        town.group("Sales", 1201, &["Bob", "Inner"]);
        town.group("Inner", 1202, &["Carol", "Sales"]);
        town.group("Town", 1203, &[]);
        let (alice, bob) = (format!("{DOMAIN}-1101"), format!("{DOMAIN}-1102"));
        let (sales, all) = (format!("{DOMAIN}-1201"), format!("{DOMAIN}-1203"));
        let lost = format!("{DOMAIN}-1999");
        town.mailbox(
            "Info",
            1301,
            &[("+", &alice), ("+", &sales), ("+", &lost), ("-i", &all)],
            &["Alice", "Dave"],
        );
        town.mailbox(
            "Pay",
            1302,
            &[
                ("-", &sales),
                ("+", &bob),
                ("+", &alice),
                ("-i", &alice),
                ("+i", &all),
            ],
            &["Bob"],
        );
        // Out of order: Windows takes the first entry all the same.
        town.mailbox("Odd", 1303, &[("+", &bob), ("-", &sales)], &["Bob"]);
        town.mailbox(
            "Open",
            1304,
            &[("+", "S-1-1-0"), ("+", "S-1-5-32-544")],
            &[],
        );
        town
    }

    fn record(&mut self, name: &str) -> &mut Vec<String> {
        let at = self.records.iter().position(|(known, _)| known == name);
        &mut self.records[at.unwrap()].1
    }

    /// One more line of an object.
    pub(crate) fn line(&mut self, name: &str, line: &str) {
        self.record(name).push(line.to_owned());
    }

    /// A user with a mailbox.
    pub(crate) fn mailbox(
        &mut self,
        name: &str,
        relative: u32,
        entries: &[Given<'_>],
        delegates: &[&str],
    ) {
        let low = name.to_lowercase();
        let guid = STANDARD.encode([&[7; 12][..], &relative.to_le_bytes()].concat());
        let mut lines: Vec<String> = [
            "objectClass: user".to_owned(),
            format!("sAMAccountName: {low}"),
            format!("mail: {low}@town.test"),
            format!("proxyAddresses: SMTP:{low}@town.test"),
            format!("mailNickname: {low}"),
            format!("legacyExchangeDN: /o=Town/cn={low}"),
            format!("msExchMailboxGuid:: {guid}"),
            "homeMDB: CN=DB1,CN=Configuration,DC=town,DC=test".to_owned(),
            "msExchRecipientTypeDetails: 1".to_owned(),
        ]
        .into();
        lines.extend(
            delegates
                .iter()
                .map(|to| format!("msExchDelegateListLink: {}", dn(to))),
        );
        self.records.push((name.to_owned(), lines));
        self.sid(name, relative);
        self.permissions(name, &descriptor(entries));
    }

    /// A group.
    pub(crate) fn group(&mut self, name: &str, relative: u32, members: &[&str]) {
        let members = members
            .iter()
            .map(|member| format!("member: {}", dn(member)));
        let lines = std::iter::once("objectClass: group".to_owned()).chain(members);
        self.records.push((name.to_owned(), lines.collect()));
        self.sid(name, relative);
    }

    fn sid(&mut self, name: &str, relative: u32) {
        let sid = Sid::parse(&format!("{DOMAIN}-{relative}")).unwrap();
        let value = STANDARD.encode(sid.as_bytes());
        self.line(name, &format!("objectSid:: {value}"));
    }

    /// Gives a mailbox other permissions.
    pub(crate) fn permissions(&mut self, name: &str, bytes: &[u8]) {
        self.without_permissions(name);
        let value = STANDARD.encode(bytes);
        self.line(name, &format!("msExchMailboxSecurityDescriptor:: {value}"));
    }

    /// Takes the permissions of a mailbox away.
    pub(crate) fn without_permissions(&mut self, name: &str) {
        let rights = "msExchMailboxSecurityDescriptor";
        self.record(name).retain(|line| !line.starts_with(rights));
    }

    /// The town as LDIF.
    pub(crate) fn ldif(&self) -> String {
        let mut text = "version: 1\n\n\
            dn: DC=town,DC=test\nobjectClass: domainDNS\n\n\
            dn: CN=Configuration,DC=town,DC=test\nobjectClass: container\n\n\
            dn: CN=EX1,CN=Configuration,DC=town,DC=test\nobjectClass: msExchExchangeServer\n\n\
            dn: CN=DB1,CN=Configuration,DC=town,DC=test\nobjectClass: msExchPrivateMDB\n\
            msExchOwningServer: CN=EX1,CN=Configuration,DC=town,DC=test\n"
            .to_owned();
        for (name, lines) in &self.records {
            write!(
                text,
                "\ndn: {}\ncn: {name}\n{}\n",
                dn(name),
                lines.join("\n")
            )
            .unwrap();
        }
        text
    }

    /// A folder with `town.ldif`, and with `directory`, into which it was imported.
    pub(crate) fn bench(&self) -> Bench {
        let bench = Bench::new();
        bench.file("town.ldif", self.ldif());
        bench
            .automend(&["directory", "import", "town.ldif", "-d", "directory"])
            .exits(0);
        bench
    }
}

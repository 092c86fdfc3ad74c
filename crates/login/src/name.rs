//! The name a person logs in with, and which account it means.
//!
//! `user@domain` is a principal name or an address, `DOMAIN\user` a down-level name ([MS-ADTS] 5.1.1.1.1);
//! a bare name is an account of whatever domain there is.
//!
//! Invariant: nothing here asks a directory; two accounts that a name means equally well are none.

use automend_core::dn::Dn;
use automend_core::names::attribute;

/// A login name, cut apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Login {
    /// `user@domain`, as it was typed.
    Principal {
        /// Before the last `@`.
        user: String,
        /// Behind it.
        domain: String,
    },
    /// `DOMAIN\user`; the domain by its short or its DNS name.
    DownLevel {
        /// Before the backslash.
        domain: String,
        /// Behind it.
        user: String,
    },
    /// What a Kerberos ticket names: an account of exactly this domain.
    Ticket {
        /// The account.
        user: String,
        /// The domain's DNS name.
        realm: String,
    },
    /// `user`.
    Bare {
        /// The name.
        user: String,
    },
}

/// Longest login name, in bytes.
const LONGEST: usize = 1024;

impl Login {
    /// Reads a name; `None` for what no account can have.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return None;
        }
        if let Some((domain, user)) = text.split_once('\\') {
            return Self::of(user, domain);
        }
        if let Some((user, domain)) = text.rsplit_once('@') {
            if user.is_empty() || domain.is_empty() {
                return None;
            }
            return Some(Self::Principal {
                user: user.to_owned(),
                domain: domain.to_owned(),
            });
        }
        Some(Self::Bare {
            user: text.to_owned(),
        })
    }

    /// A name whose domain came apart from it, or did not come.
    pub(super) fn of(user: &str, domain: &str) -> Option<Self> {
        // A principal name is whole: the domain beside it is what the server sent to the client.
        if user.contains('@') || matches!(domain, "" | ".") {
            return Self::parse(user).filter(|login| !matches!(login, Self::DownLevel { .. }));
        }
        let (user, domain) = (user.trim(), domain.trim());
        let name = |text: &str| {
            !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
        };
        (name(user) && name(domain)).then(|| Self::DownLevel {
            domain: domain.to_owned(),
            user: user.to_owned(),
        })
    }

    /// One spelling for all that can't mean different accounts.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Principal { user, domain } => format!("{user}@{domain}").to_lowercase(),
            Self::DownLevel { domain, user } => format!("{domain}\\{user}").to_lowercase(),
            Self::Ticket { user, realm } => format!("{realm}\\{user}").to_lowercase(),
            Self::Bare { user } => user.to_lowercase(),
        }
    }

    /// The attribute values that an account which is meant can have.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Principal { user, domain } => {
                let whole = format!("{user}@{domain}");
                vec![
                    (attribute::PROXY_ADDRESSES, format!("smtp:{whole}")),
                    (attribute::MAIL, whole.clone()),
                    (attribute::USER_PRINCIPAL_NAME, whole),
                    (attribute::SAM_ACCOUNT_NAME, user.clone()),
                ]
            }
            Self::DownLevel { domain, user } => vec![
                (attribute::SAM_ACCOUNT_NAME, user.clone()),
                (UID, user.clone()),
                (attribute::USER_PRINCIPAL_NAME, format!("{user}@{domain}")),
            ],
            Self::Ticket { user, .. } | Self::Bare { user } => {
                vec![
                    (attribute::SAM_ACCOUNT_NAME, user.clone()),
                    (UID, user.clone()),
                ]
            }
        }
    }

    /// Which of some accounts is meant: the one with the best claim to the name, if only one has it.
    pub(super) fn choose<A: Claims>(&self, accounts: Vec<A>, domains: &Domains) -> Option<A> {
        let mut best: Option<(u8, A)> = None;
        let mut alike = false;
        for account in accounts {
            let Some(claim) = self.claim(&account, domains) else {
                continue;
            };
            match &best {
                Some((other, known)) if *other == claim => alike |= known.dn() != account.dn(),
                Some((other, _)) if *other < claim => {}
                _ => {
                    best = Some((claim, account));
                    alike = false;
                }
            }
        }
        best.filter(|_| !alike).map(|(_, account)| account)
    }

    /// How good a claim an account has to the name; less is better.
    fn claim(&self, account: &impl Claims, domains: &Domains) -> Option<u8> {
        let has = |name: &str, text: &str| account.has(name, &text.to_lowercase());
        // A user who may set his own `uid` must not take another user's name with it.
        let has_no_name = !account.is_there(attribute::SAM_ACCOUNT_NAME);
        let named =
            |user: &str| has(attribute::SAM_ACCOUNT_NAME, user) || has_no_name && has(UID, user);
        match self {
            Self::Principal { user, domain } => {
                let whole = format!("{user}@{domain}");
                // Who shows the address of another as `mail` does not log in for him.
                let takes_mail = account.is_there(attribute::PROXY_ADDRESSES)
                    || account.is_there(attribute::MAIL_NICKNAME);
                if has(attribute::USER_PRINCIPAL_NAME, &whole) {
                    Some(0)
                } else if has(attribute::PROXY_ADDRESSES, &format!("smtp:{whole}")) {
                    Some(1)
                } else if has(attribute::MAIL, &whole) {
                    Some(if takes_mail { 2 } else { 4 })
                } else {
                    // The implicit principal name that every account has ([MS-ADTS] 5.1.1.1.1).
                    (named(user) && domains.names(domain, account.dn())).then_some(3)
                }
            }
            Self::DownLevel { domain, user } => {
                if named(user) && domains.names(domain, account.dn()) {
                    Some(0)
                } else {
                    has(attribute::USER_PRINCIPAL_NAME, &format!("{user}@{domain}")).then_some(1)
                }
            }
            // Never by a principal name: who is trusted to name the users of another realm could take one
            // that ends with it.
            // And never by a short name, which a realm elsewhere may have as its whole name.
            Self::Ticket { user, realm } => {
                let ours = dns_name(account.dn()).eq_ignore_ascii_case(realm);
                (named(user) && ours).then_some(0)
            }
            Self::Bare { user } => named(user).then_some(0),
        }
    }
}

/// `uid` (RFC 4519 2.39): the account's name where there is no sAMAccountName.
pub(super) const UID: &str = "uid";

/// An account that may be the one that is meant.
pub(super) trait Claims {
    /// Its name.
    fn dn(&self) -> &Dn;
    /// Whether it has a value; `lower` is in lower case.
    fn has(&self, attribute: &str, lower: &str) -> bool;
    /// Whether it has any value.
    fn is_there(&self, attribute: &str) -> bool;
}

/// Short names of domains, as `CN=Partitions` has them ([MS-ADTS] 6.1.1.2.1.1.2).
#[derive(Clone, Debug, Default)]
pub(super) struct Domains(Vec<(String, Dn)>);

impl Domains {
    /// Adds a short name (`nETBIOSName`) and the head that it names (`nCName`).
    pub(super) fn add(&mut self, short: &str, head: Dn) {
        self.0.push((short.to_owned(), head));
    }

    /// The short name of a domain: what the directory says, else what Windows proposes for a new one.
    pub(super) fn short_name(&self, head: &Dn) -> String {
        let labels = labels(head);
        let told = self
            .0
            .iter()
            .find(|(_, other)| self::labels(other) == labels)
            .map(|(short, _)| short.as_str());
        let first = labels.first().map_or("", String::as_str);
        told.unwrap_or(first)
            .chars()
            .take(15)
            .collect::<String>()
            .to_uppercase()
    }

    /// Whether `name` names the domain that `dn` is in.
    fn names(&self, name: &str, dn: &Dn) -> bool {
        let labels = labels(dn);
        if labels.join(".").eq_ignore_ascii_case(name) {
            return true;
        }
        let mut told = self
            .0
            .iter()
            .filter(|(short, _)| short.eq_ignore_ascii_case(name))
            .peekable();
        if told.peek().is_some() {
            return told.any(|(_, head)| self::labels(head) == labels);
        }
        // The directory does not say otherwise, so it is what Windows proposes for a new domain.
        labels
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case(name))
    }
}

/// The DNS name of the domain that a name ends with.
pub(super) fn dns_name(dn: &Dn) -> String {
    labels(dn).join(".")
}

/// The labels of the domain that a name ends with, in lower case.
fn labels(dn: &Dn) -> Vec<String> {
    let mut labels = Vec::new();
    let mut at = Some(dn.clone());
    while let Some(name) = at {
        match name.rdn_parts().as_slice() {
            // The root, above all names.
            [] => break,
            [(kind, label)] if kind.eq_ignore_ascii_case("dc") => labels.push(label.to_lowercase()),
            _ => labels.clear(),
        }
        at = name.parent();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_cut_apart() {
        for (text, expected) in [
            ("jim@contoso.test", "jim@contoso.test"),
            ("Jim@CONTOSO.test ", "jim@contoso.test"),
            ("CONTOSO\\Jim", "contoso\\jim"),
            ("CONTOSO\\jim@contoso.test", "jim@contoso.test"),
            (".\\jim", "jim"),
            ("\\jim", "jim"),
            ("jim", "jim"),
            ("a@b@c.test", "a@b@c.test"),
        ] {
            assert_eq!(Login::parse(text).unwrap().key(), expected, "{text}");
        }
        for text in [
            "",
            "  ",
            "@c.test",
            "jim@",
            "CONTOSO\\",
            "\\",
            "j\0im",
            "j\r\nim",
        ] {
            assert_eq!(Login::parse(text), None, "{text:?}");
        }
        assert_eq!(Login::parse(&"x".repeat(2000)), None);
    }

    #[derive(Debug)]
    struct Account(Dn, Vec<(&'static str, &'static str)>);

    impl Claims for Account {
        fn dn(&self) -> &Dn {
            &self.0
        }

        fn has(&self, attribute: &str, lower: &str) -> bool {
            self.1.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case(attribute) && value.to_lowercase() == lower
            })
        }

        fn is_there(&self, attribute: &str) -> bool {
            self.1
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(attribute))
        }
    }

    /// Who is meant among these.
    fn meant(text: &str, domains: &Domains) -> Option<String> {
        let accounts = vec![
            Account(
                Dn::parse("CN=Jim,OU=A,DC=contoso,DC=test").unwrap(),
                vec![
                    ("sAMAccountName", "jim"),
                    ("userPrincipalName", "jim@contoso.test"),
                    ("mail", "jim@contoso.test"),
                ],
            ),
            // Has Jim's address, and the same name in another domain.
            Account(
                Dn::parse("CN=Thief,DC=sales,DC=contoso,DC=test").unwrap(),
                vec![
                    ("sAMAccountName", "jim"),
                    ("uid", "bob"),
                    ("mail", "jim@contoso.test"),
                    ("proxyAddresses", "smtp:bob@contoso.test"),
                ],
            ),
            Account(
                Dn::parse("CN=Bob,DC=contoso,DC=test").unwrap(),
                vec![("uid", "bob"), ("proxyAddresses", "SMTP:bob@contoso.test")],
            ),
        ];
        let login = Login::parse(text).unwrap();
        login
            .choose(accounts, domains)
            .map(|account| account.0.name())
    }

    #[test]
    fn the_best_claim_wins_and_two_equal_ones_are_none() {
        let none = Domains::default();
        for (text, expected) in [
            ("JIM@Contoso.Test", Some("Jim")),
            ("contoso\\jim", Some("Jim")),
            ("contoso.test\\jim", Some("Jim")),
            ("SALES\\JIM", Some("Thief")),
            ("jim@sales.contoso.test", Some("Thief")),
            ("jim", None),
            ("bob", Some("Bob")),
            ("bob@contoso.test", None),
            ("nowhere\\jim", None),
            ("test\\jim", None),
        ] {
            assert_eq!(meant(text, &none).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_ticket_means_an_account_of_its_own_realm_only() {
        let ticket = |user: &str, realm: &str| Login::Ticket {
            user: user.to_owned(),
            realm: realm.to_owned(),
        };
        let mut domains = Domains::default();
        let elsewhere = Account(
            Dn::parse("CN=Ann,DC=contoso,DC=test").unwrap(),
            vec![
                ("sAMAccountName", "a1"),
                ("userPrincipalName", "ann@fabrikam.test"),
            ],
        );
        let chosen = |login: Login, account, domains: &Domains| {
            login.choose(vec![account], domains).is_some()
        };
        assert!(!chosen(ticket("ann", "FABRIKAM.TEST"), elsewhere, &domains));
        domains.add("CONTOSO", Dn::parse("DC=contoso,DC=test").unwrap());
        let short = Account(
            Dn::parse("CN=Ann,DC=contoso,DC=test").unwrap(),
            vec![("sAMAccountName", "ann")],
        );
        assert!(!chosen(ticket("ann", "CONTOSO"), short, &domains));
        let own = || {
            Account(
                Dn::parse("CN=Ann,DC=contoso,DC=test").unwrap(),
                vec![("sAMAccountName", "ann")],
            )
        };
        domains.add("CORP", Dn::parse("DC=contoso,DC=test").unwrap());
        assert!(chosen(ticket("Ann", "CONTOSO.TEST"), own(), &domains));
        assert!(!chosen(
            ticket("ann", "SALES.CONTOSO.TEST"),
            own(),
            &domains
        ));
    }

    #[test]
    fn a_short_name_that_the_directory_tells_goes_before_a_guess() {
        let mut domains = Domains::default();
        domains.add("SALES", Dn::parse("DC=contoso,DC=test").unwrap());
        assert_eq!(meant("sales\\jim", &domains).as_deref(), Some("Jim"));
        assert_eq!(meant("contoso\\jim", &domains).as_deref(), Some("Jim"));
    }
}

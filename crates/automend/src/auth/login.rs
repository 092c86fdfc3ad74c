//! The name a person logs in with, in the spellings that Windows accepts.
//!
//! `user@domain` is a principal name or an address, `DOMAIN\user` a down-level name ([MS-ADTS] 5.1.1.1.1);
//! a bare name is an account of whatever domain there is.
//!
//! Invariant: nothing here decides that an account exists.

/// A login name, cut apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Login {
    /// `user@domain`.
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
    /// `user`.
    Bare {
        /// The name.
        user: String,
    },
}

/// Longest login name, in bytes: no directory has a longer principal name (MS-ADA3 2.349).
const LONGEST: usize = 1024;

impl Login {
    /// Reads a name; `None` for what can name nobody.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return None;
        }
        let login = if let Some((domain, user)) = text.split_once(['\\', '/']) {
            match (domain, user) {
                (_, "") => return None,
                // A principal name behind a domain: the client was told the domain separately.
                (_, user) if user.contains('@') => return Self::parse(user),
                ("" | ".", user) => Self::Bare { user: user.into() },
                (domain, user) => Self::DownLevel {
                    domain: domain.into(),
                    user: user.into(),
                },
            }
        } else if let Some((user, domain)) = text.rsplit_once('@') {
            if user.is_empty() || domain.is_empty() {
                return None;
            }
            Self::Principal {
                user: user.into(),
                domain: domain.into(),
            }
        } else {
            Self::Bare { user: text.into() }
        };
        Some(login)
    }

    /// One spelling for all that can't mean different accounts.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Principal { user, domain } => format!("{user}@{domain}").to_lowercase(),
            Self::DownLevel { domain, user } => format!("{domain}\\{user}").to_lowercase(),
            Self::Bare { user } => user.to_lowercase(),
        }
    }
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
            ("CONTOSO/jim", "contoso\\jim"),
            ("CONTOSO\\jim@contoso.test", "jim@contoso.test"),
            (".\\jim", "jim"),
            ("\\jim", "jim"),
            ("jim", "jim"),
            ("a@b@c.test", "a@b@c.test"),
        ] {
            assert_eq!(Login::parse(text).unwrap().key(), expected, "{text}");
        }
        for text in ["", "  ", "@c.test", "jim@", "CONTOSO\\", "j\0im", "j\r\nim"] {
            assert_eq!(Login::parse(text), None, "{text:?}");
        }
        assert_eq!(Login::parse(&"x".repeat(2000)), None);
    }
}

//! Causes in words for recordings: another client asked, at another time, from another place.
//!
//! Most causes read alike. Where the usual text tells how to run this program otherwise, or speaks of this
//! computer, a recording gets a text of its own: what the client did, and how to record again.
//!
//! Invariant: texts only; none names an option without the command to which it belongs, and none tells to run
//! `automend test` otherwise.

use super::{Cause, Explanation};

impl Cause {
    /// Everything there is to say of a cause that was found in a recording, for a request about
    /// `address`.
    pub fn explain_recorded(self, address: &str) -> Explanation {
        let mut explanation = self.explain(address);
        if let Some((what, why)) = words(self) {
            explanation.what = what;
            explanation.why = why;
        }
        if let Some(advice) = advice(self) {
            explanation.advice = Some(advice.to_owned());
        }
        explanation.advice = explanation.advice.map(|advice| {
            advice
                .replace("between here and", "between the client and")
                .replace(
                    "between the server and here",
                    "between the server and the client",
                )
                .replace("this computer", "the client's computer")
        });
        explanation
    }
}

/// What happened and why, where a recording has to say it otherwise.
fn words(cause: Cause) -> Option<(&'static str, &'static str)> {
    Some(match cause {
        Cause::NoDirectory => (
            "not tried: no directory was given",
            "Only a computer that is a member of the domain looks for service connection points.",
        ),
        Cause::LoginWanted => (
            "the server wants a login, and none follows in the recording",
            "A login begins with this answer; the recording ends before the client logged in, or leaves it out.",
        ),
        Cause::LoginRejected => (
            "the server rejected the login",
            "User name or password are wrong, the account is locked or disabled, or this server knows other accounts; where the server requires Extended Protection, as current versions of Exchange do, it rejects in the same way a login by NTLM or Kerberos that goes through a proxy or a recorder which looks into TLS.",
        ),
        Cause::LoginNoScheme => (
            "the server offers no way to log in that the client can use",
            "None of the schemes that it names fits what the client has.",
        ),
        Cause::CertificateUntrusted => (
            "the certificate is not issued by an authority that the client trusts",
            "It is self-signed, or the client does not know its authority, or an intermediate certificate is missing from the chain.",
        ),
        Cause::ProxyLogin => (
            "a proxy wants a login (407)",
            "Something between the client and the server wants to know who asks.",
        ),
        Cause::DnsTimeout => (
            "no DNS server answered",
            "The client got no answer before its time limit.",
        ),
        Cause::ConsentNeeded => (
            "another host has to be allowed first",
            "The client asks its user before it follows a redirect to a host that the mail domain does not vouch for, and no user was asked.",
        ),
        _ => return None,
    })
}

/// What to do, where a recording has to say it otherwise.
fn advice(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::NoDirectory | Cause::ScpFailed => {
            "Look for the service connection points in the directory that the client uses."
        }
        Cause::OtherAddress => "Check that both addresses belong to one mailbox.",
        Cause::DirectoryLogin => "Check the login that the client has for its directory.",
        Cause::DirectoryTrust => {
            "Let the client trust the authority of its directory, and name the directory as its certificate does."
        }
        Cause::SingleLabel | Cause::PublicSuffix => "Check the spelling of the address.",
        Cause::DnsTimeout => "Check the network and the DNS servers of the client.",
        Cause::TimeLimit => "Look whether the application pool of Autodiscover hangs.",
        Cause::CertificateUntrusted => {
            "Send the whole chain, or get a certificate from a known authority. Where a recorder looked into the connection, let the client trust the authority of the recorder."
        }
        Cause::LoginWanted => {
            "Record again from the first request until the client is done. Where the client really stops here, look at its credentials and at the schemes that the server offers."
        }
        Cause::LoginRejected => {
            "Check the user name and the password that the client uses, also those that it has stored. Where Extended Protection may be the reason, record with a network capture instead of a proxy."
        }
        Cause::LoginNoScheme => {
            "Compare the schemes that the server names with those that the virtual directory should offer."
        }
        Cause::LoginFailed => {
            "Look whether the client has what the scheme needs, such as a ticket, and can reach the key distribution centre."
        }
        Cause::ConsentNeeded => {
            "Find out whether the host is the right one; then allow it on the client."
        }
        Cause::SoapInvalidUser => {
            "Ask about the same mailbox as Outlook does, by POX: there the first is error 500 and the second error 603."
        }
        Cause::SoapServerError => {
            "Ask about the same mailbox as Outlook does, by POX, which may tell more, and look into the event log of the server at this time."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advice_names_an_option_without_its_command() {
        for cause in Cause::ALL {
            let explanation = cause.explain_recorded("alice@contoso.com");
            let advice = explanation.advice.clone().unwrap_or_default();
            for text in [explanation.what, explanation.why, &advice] {
                for sentence in text.split(". ").flat_map(|text| text.split("; ")) {
                    let Some(at) = sentence.find(" --") else {
                        continue;
                    };
                    let before = sentence.get(..at).unwrap_or_default();
                    assert!(before.contains("automend "), "{cause}: {sentence}");
                }
                assert!(!text.contains("AUTOMEND_"), "{cause}: {text}");
                assert!(!text.contains("automend test"), "{cause}: {text}");
                assert!(!text.contains('{'), "{cause}: {text}");
                assert!(!text.contains("this computer"), "{cause}: {text}");
            }
            assert!(!explanation.what.is_empty() && explanation.why.ends_with('.'));
            assert_eq!(explanation.hint, cause.hint());
        }
    }

    #[test]
    fn a_login_that_a_recording_does_not_show_is_no_missing_password() {
        let explanation = Cause::LoginWanted.explain_recorded("alice@contoso.com");
        assert!(!explanation.what.contains("password"), "{explanation:?}");
        let advice = explanation.advice.unwrap();
        assert!(advice.contains("Record again"), "{advice}");
        // What has no words of its own reads as elsewhere.
        assert_eq!(
            Cause::DirectoryObjectGone.explain_recorded("a@b.c"),
            Cause::DirectoryObjectGone.explain("a@b.c")
        );
    }
}

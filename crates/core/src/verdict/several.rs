//! Causes in words where they are met several times: one sentence with a count.
//!
//! Invariant: texts only, and one for every cause.

use super::Cause;

impl Cause {
    /// One line on what happened so many times.
    pub fn what_of(self, count: usize) -> String {
        if count < 2 {
            return self.what().to_owned();
        }
        let rest = match self {
            Self::AddressDead => "addresses of the host do not answer",
            Self::NamespaceDiffers => {
                "elements of the answer are not in the namespaces that the specification gives them"
            }
            Self::InternalName => "external URLs have names that only the internal network knows",
            Self::MixedShape => {
                "alternative mailboxes are described in a form that the specification forbids"
            }
            Self::ScpEndpointFails => "servers that the directory names fail",
            Self::ProtocolFails => "other protocols of the same server fail",
            Self::AlternativeFails => {
                "alternative mailboxes have no Autodiscover answer of their own"
            }
            Self::UrlFails => "URLs of the answer do not work",
            Self::UrlPlain => "URLs of the answer are plain HTTP",
            Self::UrlLogin => "URLs of the answer do not offer the login that the answer promises",
            other => return format!("{} ({count} times)", other.what()),
        };
        format!("{count} {rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_several_times_is_said_with_its_number() {
        for cause in Cause::ALL {
            assert_eq!(cause.what_of(1), cause.what());
            let many = cause.what_of(200);
            assert!(many.contains("200") && !many.ends_with('.'), "{many}");
        }
        assert_eq!(
            Cause::AlternativeFails.what_of(2),
            "2 alternative mailboxes have no Autodiscover answer of their own"
        );
        assert_eq!(
            Cause::SrvPort.what_of(2),
            "the SRV record names another port than 443 (2 times)"
        );
    }
}

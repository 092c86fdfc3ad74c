//! What is wrong with a certificate, in the words of every command.
//!
//! Invariant: a fault is reported by rustls alone; nothing here decides whom to trust.

use std::fmt;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// What is wrong with a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateFault {
    /// It has expired, then.
    Expired(Option<Timestamp>),
    /// It is valid from then on.
    NotYetValid(Option<Timestamp>),
    /// It is for other names, as far as they are known.
    WrongName(Option<Vec<String>>),
    /// No trusted authority has issued it.
    Untrusted,
    /// It is marked as an authority, and stands for a server all the same.
    Authority,
    /// Something else, in rustls' words.
    Broken(String),
}

impl From<&CertificateError> for CertificateFault {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired(timestamp(*not_after))
            }
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(timestamp(*not_before))
            }
            CertificateError::NotValidForName => Self::WrongName(None),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().map(|name| plain_name(name).to_owned());
                Self::WrongName(Some(names.collect()))
            }
            CertificateError::UnknownIssuer => Self::Untrusted,
            error if is_authority(error) => Self::Authority,
            other => Self::Broken(format!("{other:?}")),
        }
    }
}

impl CertificateFault {
    /// What is known in addition to the kind; empty where that is nothing.
    pub fn detail(&self) -> String {
        let day = |at: &Timestamp| at.strftime("%Y-%m-%d").to_string();
        match self {
            Self::Expired(Some(at)) => format!("it was valid until {}", day(at)),
            Self::NotYetValid(Some(at)) => format!("it is valid from {}", day(at)),
            Self::WrongName(Some(names)) if names.is_empty() => "it has no name at all".to_owned(),
            Self::WrongName(Some(names)) => format!("its names are {}", names.join(", ")),
            Self::Authority => "it is marked as an authority (CA:TRUE); make it with CA:FALSE, or name this very certificate with --ca FILE".to_owned(),
            Self::Broken(why) => why.clone(),
            Self::Expired(None)
            | Self::NotYetValid(None)
            | Self::WrongName(None)
            | Self::Untrusted => String::new(),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired(_) => "the server's certificate has expired",
            Self::NotYetValid(_) => "the server's certificate is not valid yet; check the clock",
            Self::WrongName(_) => {
                "the server's certificate is for another name; connect by a name that it has"
            }
            Self::Untrusted => {
                "the server's certificate is not issued by a trusted authority; add the authority with --ca FILE"
            }
            Self::Authority | Self::Broken(_) => "the server's certificate cannot be trusted",
        })?;
        match self.detail() {
            detail if detail.is_empty() => Ok(()),
            detail => write!(f, " ({detail})"),
        }
    }
}

/// Whether a certificate is refused because it is marked as an authority, as `openssl req -x509` marks it.
pub(super) fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}

/// `DnsName("contoso.com")` as rustls writes it.
fn plain_name(presented: &str) -> &str {
    let inside = presented.split_once('"').map(|(_, rest)| rest);
    inside
        .and_then(|rest| rest.split('"').next())
        .unwrap_or(presented)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_shown_plainly() {
        assert_eq!(plain_name("DnsName(\"contoso.com\")"), "contoso.com");
        assert_eq!(plain_name("IpAddress(10.0.0.1)"), "IpAddress(10.0.0.1)");
    }

    #[test]
    fn a_fault_says_what_is_known_of_it() {
        let until = CertificateFault::Expired(Timestamp::from_second(1_700_000_000).ok());
        assert_eq!(
            until.to_string(),
            "the server's certificate has expired (it was valid until 2023-11-14)"
        );
        assert_eq!(
            CertificateFault::Expired(None).to_string(),
            "the server's certificate has expired"
        );
    }
}

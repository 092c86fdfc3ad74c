//! The ways to log in over HTTP.

/// A way to log in over HTTP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// RFC 7617.
    Basic,
    /// [MS-NTHT].
    Ntlm,
    /// RFC 4559, with Kerberos.
    Negotiate,
    /// RFC 6750; only as a client.
    Bearer,
}

impl Scheme {
    /// The name as it stands in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
            Self::Bearer => "Bearer",
        }
    }

    /// Reads a name, in any case.
    pub fn read(name: &str) -> Option<Self> {
        [Self::Basic, Self::Ntlm, Self::Negotiate, Self::Bearer]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// How little a server, or an attacker who poses as one, gains from a login; more is better.
    pub fn strength(self) -> u8 {
        match self {
            Self::Basic => 0,
            Self::Ntlm => 1,
            Self::Negotiate => 2,
            Self::Bearer => 3,
        }
    }
}

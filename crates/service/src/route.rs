//! Which face a request is for: paths of [MS-OXDISCO], [MS-OXWSADISC], V2 and autoconfig.
//!
//! Internet Information Services compares paths without case, and clients rely on it.

use automend_autodiscover::schema::path;

/// A face.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Route {
    /// Outlook and mobile devices.
    Pox,
    /// Programs.
    Soap,
    /// SOAP with logins of WS-Security, which are not offered here.
    WsSecurity,
    /// V2, JSON.
    V2,
    /// Mail clients that know no Exchange.
    Autoconfig,
}

impl Route {
    /// The face of a path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let is = |known: &str| path.eq_ignore_ascii_case(known);
        let below = |known: &str| {
            path.get(..known.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(known))
                && path.as_bytes().get(known.len()) == Some(&b'/')
        };
        if is(path::POX) {
            Some(Self::Pox)
        } else if is(path::SOAP) {
            Some(Self::Soap)
        } else if below(path::SOAP) {
            Some(Self::WsSecurity)
        } else if is(path::V2) || below(path::V2) {
            Some(Self::V2)
        } else if [
            path::AUTOCONFIG,
            path::AUTOCONFIG_WELL_KNOWN,
            path::AUTOCONFIG_BARE,
        ]
        .into_iter()
        .any(is)
        {
            Some(Self::Autoconfig)
        } else {
            None
        }
    }

    /// The word for it in logs and metrics.
    pub(crate) fn word(route: Option<Self>) -> &'static str {
        match route {
            Some(Self::Pox) => "pox",
            Some(Self::Soap) => "soap",
            Some(Self::WsSecurity) => "wssecurity",
            Some(Self::V2) => "v2",
            Some(Self::Autoconfig) => "autoconfig",
            None => "none",
        }
    }

    /// What the redirect from plain HTTP leads to: the path as it is spelled once, or for V2, where an
    /// address may be part of it, as it came.
    pub(crate) fn target(self, asked: &str) -> &str {
        match self {
            Self::Pox => path::POX,
            Self::Soap | Self::WsSecurity => path::SOAP,
            Self::V2 => asked,
            Self::Autoconfig => path::AUTOCONFIG,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_in_any_case_and_only_whole() {
        for (path, route) in [
            ("/autodiscover/autodiscover.xml", Some(Route::Pox)),
            ("/Autodiscover/Autodiscover.XML", Some(Route::Pox)),
            ("/autodiscover/autodiscover.svc", Some(Route::Soap)),
            (
                "/Autodiscover/autodiscover.svc/WSSecurity",
                Some(Route::WsSecurity),
            ),
            (
                "/autodiscover/autodiscover.svc/wssecurity/x509cert",
                Some(Route::WsSecurity),
            ),
            ("/autodiscover/autodiscover.json", Some(Route::V2)),
            (
                "/autodiscover/autodiscover.json/v1.0/a@b.c",
                Some(Route::V2),
            ),
            ("/mail/config-v1.1.xml", Some(Route::Autoconfig)),
            ("/config-v1.1.xml", Some(Route::Autoconfig)),
            (
                "/.well-known/autoconfig/mail/config-v1.1.xml",
                Some(Route::Autoconfig),
            ),
            ("/autodiscover/autodiscover.xmlx", None),
            ("/autodiscover/autodiscover.jsonx", None),
            ("/", None),
            ("/autodiscover/autodiscover.xm\u{fc}", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}

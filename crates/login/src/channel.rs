//! What a login was made for: the service that it names, and the TLS connection that it is bound to.
//!
//! Specification: [MS-NLMP] 3.2.5.1.2 (`MsvAvTargetName`, `MsvAvChannelBindings`), RFC 5929 4
//! (`tls-server-end-point`), RFC 4121 4.1.1.2. An attacker who lures a user to his web server can pass our
//! challenge on to the user and the answer to us; both values are covered by the proof and tell such a login.
//!
//! Invariant: what a client says about either is looked at whenever it says it; what it leaves out decides
//! nothing, unless it is configured not to.

use std::collections::HashSet;
use std::sync::Arc;

use automend_core::discovery::Host;
use automend_core::host_port;
use automend_negotiate::Binding;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

/// When a login must be bound to the TLS connection that it comes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ChannelBinding {
    /// Never; what is sent is not looked at.
    Off,
    /// Where the client binds it at all.
    #[default]
    IfSent,
    /// Always; clients that bind to nothing are refused.
    Required,
}

/// What logins must have been made for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    binding: ChannelBinding,
    /// Hosts that are this service.
    hosts: HashSet<Host>,
    /// Bindings to the certificates of proxies at which TLS ends.
    proxies: Vec<Binding>,
}

/// The TLS connection that a login comes on.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// The certificate that the client was shown.
    certificate: Option<CertificateDer<'static>>,
    /// What a client that saw it may be bound to.
    bindings: Vec<Binding>,
}

/// Both together, for one connection.
#[derive(Clone, Debug)]
pub(super) struct Purpose {
    pub expected: Arc<Expected>,
    pub channel: Arc<Channel>,
}

impl ChannelBinding {
    /// Its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::IfSent => "if-sent",
            Self::Required => "required",
        }
    }
}

impl Expected {
    /// What is expected by a service with these hosts in addition to the names in its certificate, behind proxies
    /// that show these certificates (DER).
    pub fn new<'a>(
        binding: ChannelBinding,
        hosts: impl IntoIterator<Item = &'a str>,
        proxies: &[CertificateDer<'_>],
    ) -> Self {
        let bindings = |certificate: &CertificateDer<'_>| Binding::all_to_server(certificate);
        Self {
            binding,
            hosts: hosts.into_iter().filter_map(host).collect(),
            proxies: proxies.iter().flat_map(bindings).collect(),
        }
    }
}

impl Channel {
    /// A connection whose client was shown this certificate, or, where it goes on with an earlier connection,
    /// one of `earlier`.
    pub fn of(certificate: CertificateDer<'static>, earlier: &[CertificateDer<'static>]) -> Self {
        let all = std::iter::once(&certificate).chain(earlier);
        Self {
            bindings: all
                .flat_map(|certificate| Binding::all_to_server(certificate))
                .collect(),
            certificate: Some(certificate),
        }
    }

    fn names(&self, host: &Host) -> bool {
        let Some(certificate) = &self.certificate else {
            return false;
        };
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.to_string()),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        name.is_ok_and(|name| {
            ParsedCertificate::try_from(certificate)
                .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
        })
    }
}

impl Purpose {
    /// Whether a login that names this service was made for this one; if not, why not.
    pub(super) fn is_service(&self, who: &str, service: Option<&str>) -> Result<(), String> {
        let Some(service) = service else {
            return Ok(());
        };
        let ours = web_host(service)
            .is_some_and(|host| self.expected.hosts.contains(&host) || self.channel.names(&host));
        if ours {
            return Ok(());
        }
        Err(format!(
            "{who}: the login was made for {service:?}, which is not this service; if it is, add the host to service-names"
        ))
    }

    /// Whether a login with this binding was made on this connection; if not, why not.
    pub(super) fn is_channel(&self, who: &str, sent: Option<Binding>) -> Result<(), String> {
        let known = !self.channel.bindings.is_empty() || !self.expected.proxies.is_empty();
        match (self.expected.binding, sent) {
            (ChannelBinding::Off, _) | (ChannelBinding::IfSent, None) => Ok(()),
            // Without a certificate there is nothing that it could be compared with.
            (ChannelBinding::IfSent, Some(_)) if !known => Ok(()),
            (ChannelBinding::Required, None) => Err(format!(
                "{who}: the login is bound to no TLS connection, and channel-binding is \"required\""
            )),
            (_, Some(sent)) => {
                let mut all = self.channel.bindings.iter().chain(&self.expected.proxies);
                if all.any(|known| *known == sent) {
                    return Ok(());
                }
                Err(format!(
                    "{who}: the login is bound to another TLS connection than this one; if TLS ends at a proxy, name its certificate in proxy-certificates"
                ))
            }
        }
    }
}

/// The host of a web service's name, `HTTP/HOST` or `HTTP/HOST:PORT`, in any case; perhaps with a realm.
fn web_host(service: &str) -> Option<Host> {
    let (class, rest) = service.split_once('/')?;
    let (instance, _) = rest.split_once('@').unwrap_or((rest, ""));
    if class.eq_ignore_ascii_case("HTTP") {
        host(instance)
    } else {
        None
    }
}

/// A host that may have a port.
fn host(text: &str) -> Option<Host> {
    Host::parse(host_port::split(text)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        made.cert.der().clone()
    }

    fn purpose(binding: ChannelBinding, shown: &CertificateDer<'static>) -> Purpose {
        let proxy = [];
        let hosts = ["autodiscover.contoso.test:8443", "müller.test", "192.0.2.9"];
        Purpose {
            expected: Arc::new(Expected::new(binding, hosts, &proxy)),
            channel: Arc::new(Channel::of(shown.clone(), &[])),
        }
    }

    #[test]
    fn only_a_web_service_of_ours_is_ours() {
        let shown = certificate(&["mail.contoso.test", "*.fabrikam.test", "192.0.2.7", "::1"]);
        let purpose = purpose(ChannelBinding::IfSent, &shown);
        for service in [
            "HTTP/mail.contoso.test",
            "http/MAIL.Contoso.Test",
            "HTTP/mail.contoso.test:443",
            "HTTP/mail.contoso.test.",
            "HTTP/mail.contoso.test@CONTOSO.TEST",
            "HTTP/ex1.fabrikam.test",
            "HTTP/192.0.2.7",
            "HTTP/[::1]:8443",
            "HTTP/::1",
            "HTTP/autodiscover.contoso.test",
            "HTTP/m\u{fc}ller.test",
            "HTTP/xn--mller-kva.test",
            "HTTP/192.0.2.9:8443",
        ] {
            assert_eq!(
                purpose.is_service("jim", Some(service)),
                Ok(()),
                "{service}"
            );
        }
        assert_eq!(purpose.is_service("jim", None), Ok(()));
        for service in [
            "HTTP/evil.test",
            "HTTP/fabrikam.test",
            "HTTP/a.b.fabrikam.test",
            "HTTP/mail.contoso.test.evil.test",
            "HTTP/evil.test@mail.contoso.test",
            "HTTP/evil.test/mail.contoso.test",
            "HTTP/mail.contoso.test/evil.test",
            "HTTP/192.0.2.8",
            "HTTP/",
            "HTTP",
            "mail.contoso.test",
            "cifs/mail.contoso.test",
            "HTTPS/mail.contoso.test",
            "/mail.contoso.test",
            "HTTP/mail.contoso.test:evil",
        ] {
            let why = purpose.is_service("jim", Some(service)).unwrap_err();
            assert!(why.contains("not this service"), "{service}: {why}");
        }
    }

    #[test]
    fn a_binding_is_compared_as_the_setting_says() {
        let (shown, other) = (certificate(&["a.test"]), certificate(&["a.test"]));
        let to = |certificate: &CertificateDer<'_>| Binding::to_server(certificate);
        for (binding, sent, expected) in [
            (ChannelBinding::Off, None, true),
            (ChannelBinding::Off, to(&other), true),
            (ChannelBinding::IfSent, None, true),
            (ChannelBinding::IfSent, to(&shown), true),
            (ChannelBinding::IfSent, to(&other), false),
            (ChannelBinding::Required, None, false),
            (ChannelBinding::Required, to(&shown), true),
            (ChannelBinding::Required, to(&other), false),
        ] {
            let done = purpose(binding, &shown).is_channel("jim", sent);
            assert_eq!(done.is_ok(), expected, "{binding:?}: {done:?}");
        }
        // A proxy's certificate counts, and for a connection that goes on with an earlier one the
        // certificate of that.
        let mut proxied = purpose(ChannelBinding::Required, &shown);
        let told = [other.clone()];
        proxied.expected = Arc::new(Expected::new(ChannelBinding::Required, [], &told));
        assert_eq!(proxied.is_channel("jim", to(&other)), Ok(()));
        let mut renewed = purpose(ChannelBinding::Required, &shown);
        renewed.channel = Arc::new(Channel::of(shown.clone(), std::slice::from_ref(&other)));
        assert_eq!(renewed.is_channel("jim", to(&other)), Ok(()));
        // Nothing is known of the connection.
        let mut unknown = purpose(ChannelBinding::IfSent, &shown);
        unknown.channel = Arc::default();
        assert_eq!(unknown.is_channel("jim", to(&other)), Ok(()));
        let mut unknown = purpose(ChannelBinding::Required, &shown);
        unknown.channel = Arc::default();
        assert!(unknown.is_channel("jim", to(&other)).is_err());
    }
}

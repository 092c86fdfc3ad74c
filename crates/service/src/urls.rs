//! What users are to use: hosts and URLs, by domain, server and database.
//!
//! Four layers, from the general to the particular: the default, the mail domain, the server that holds the
//! mailbox, its database. A host in a layer stands for every URL below it, so it replaces what a more
//! general layer said of them; a URL beside it stands for itself, and an empty one for none. The inner
//! side is as the outer side where nothing else is said.
//!
//! Invariant: nothing here comes from a request. A domain that is not configured and the directory does
//! not have gets no URL of its own name.

use std::collections::HashMap;

use automend_autodiscover::schema::path;
use automend_autodiscover::services::{
    AuthPackage, Encryption, Login, MailServer, OwaAuthentication, Services, Shape, Site, Version,
};
use automend_core::dn::Dn;
use automend_core::host_port;
use automend_core::names::{Guid, SmtpAddress, ascii_domain};

/// Every layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Urls {
    /// What holds where nothing else is said.
    pub default: Layer,
    /// By mail domain, in lower case.
    pub domains: HashMap<String, Layer>,
    /// By short server name, in lower case.
    pub servers: HashMap<String, Layer>,
    /// By database: its distinguished name or its short name, in lower case.
    pub databases: HashMap<String, Layer>,
}

/// What one layer says; what is `None` is left to the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    /// The host that answers Autodiscover, with the port where it is not 443.
    pub autodiscover: Option<String>,
    /// As reached from everywhere.
    pub external: Side,
    /// As reached from within.
    pub internal: Side,
    /// Mail servers.
    pub imap: Option<MailServer>,
    /// Likewise.
    pub pop3: Option<MailServer>,
    /// Likewise.
    pub smtp: Option<MailServer>,
    /// Whether POX tells them, too.
    pub mail_in_pox: Option<bool>,
    /// The mailbox through which public folders are opened.
    pub public_folder_mailbox: Option<SmtpAddress>,
    /// The server of public folders.
    pub public_folder_server: Option<String>,
    /// A global catalogue.
    pub directory_server: Option<String>,
    /// The organisation.
    pub deployment_id: Option<Guid>,
    /// The version in answers.
    pub version: Option<Version>,
    /// The shape of alternative mailboxes.
    pub shape: Option<Shape>,
    /// What autoconfig calls the provider.
    pub display_name: Option<String>,
}

/// One side of a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// The host that stands for every URL.
    pub host: Option<String>,
    /// Single URLs; an empty one says that there is none.
    pub urls: HashMap<Url, String>,
    /// How Outlook logs in.
    pub authentication: Option<AuthPackage>,
    /// How Outlook on the web does.
    pub owa_authentication: Option<OwaAuthentication>,
    /// Whether RPC goes over TLS.
    pub ssl: Option<bool>,
    /// The name in the certificate.
    pub certificate_principal: Option<String>,
}

/// A URL that an answer may have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Url {
    /// Exchange Web Services.
    Ews,
    /// Offline address book.
    Oab,
    /// Control panel.
    Ecp,
    /// Outlook on the web.
    Owa,
    /// MAPI over HTTP.
    Mapi,
    /// ActiveSync.
    Eas,
    /// Unified messaging.
    Um,
}

impl Urls {
    /// What is handed out for a domain; for a user also by server and database.
    pub(crate) fn services(&self, domain: &str, home: &Home) -> Services {
        let layers = self.layers(domain, home);
        let mut services = Services {
            external: of_host(&format!("mail.{domain}")),
            ..Services::default()
        };
        for layer in &layers {
            layer.external.lay_on(&mut services.external);
        }
        services.internal = services.external.clone();
        for layer in &layers {
            layer.internal.lay_on(&mut services.internal);
            lay(&mut services.imap, layer.imap.as_ref());
            lay(&mut services.pop3, layer.pop3.as_ref());
            lay(&mut services.smtp, layer.smtp.as_ref());
            lay(
                &mut services.public_folder_mailbox,
                layer.public_folder_mailbox.as_ref(),
            );
            lay(
                &mut services.public_folder_server,
                layer.public_folder_server.as_ref(),
            );
            lay(
                &mut services.directory_server,
                layer.directory_server.as_ref(),
            );
            lay(&mut services.deployment_id, layer.deployment_id.as_ref());
            lay(&mut services.display_name, layer.display_name.as_ref());
            services.mail_in_pox = layer.mail_in_pox.unwrap_or(services.mail_in_pox);
            services.server_version = layer.version.unwrap_or(services.server_version);
            services.shape = layer.shape.unwrap_or(services.shape);
        }
        services
    }

    /// The host that answers Autodiscover for a domain, with the port where it is not 443.
    pub(crate) fn autodiscover(&self, domain: &str) -> String {
        let layers = self.layers(domain, &Home::default());
        let told = layers
            .iter()
            .rev()
            .find_map(|layer| layer.autodiscover.clone());
        told.unwrap_or_else(|| format!("autodiscover.{domain}"))
    }

    fn layers(&self, domain: &str, home: &Home) -> Vec<&Layer> {
        let server = home
            .server
            .as_ref()
            .and_then(|server| self.servers.get(&server.to_lowercase()));
        let database = home.database.as_ref().and_then(|dn| {
            let by = |name: String| self.databases.get(&name);
            by(dn.as_str().to_lowercase()).or_else(|| by(dn.name().to_lowercase()))
        });
        [
            Some(&self.default),
            ascii_domain(domain).and_then(|domain| self.domains.get(&domain)),
            server,
            database,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Where a mailbox lives.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Home {
    /// Its database.
    pub database: Option<Dn>,
    /// The short name of its server.
    pub server: Option<String>,
}

impl Side {
    fn lay_on(&self, site: &mut Site) {
        if let Some(host) = &self.host {
            let derived = of_host(host);
            *site = Site {
                authentication: site.authentication,
                owa_authentication: site.owa_authentication,
                no_ssl: site.no_ssl,
                ..derived
            };
        }
        for (url, value) in &self.urls {
            *url.of(site) = Some(value.clone()).filter(|value| !value.is_empty());
        }
        site.authentication = self.authentication.unwrap_or(site.authentication);
        site.owa_authentication = self.owa_authentication.unwrap_or(site.owa_authentication);
        site.no_ssl = self.ssl.map_or(site.no_ssl, |ssl| !ssl);
        lay(
            &mut site.certificate_principal,
            self.certificate_principal.as_ref(),
        );
    }
}

impl Url {
    fn of(self, site: &mut Site) -> &mut Option<String> {
        match self {
            Self::Ews => &mut site.ews,
            Self::Oab => &mut site.oab,
            Self::Ecp => &mut site.ecp,
            Self::Owa => &mut site.owa,
            Self::Mapi => &mut site.mapi,
            Self::Eas => &mut site.eas,
            Self::Um => &mut site.um,
        }
    }
}

/// The URLs that Exchange's setup gives a host.
fn of_host(host: &str) -> Site {
    let at = |path: &str| Some(format!("https://{host}{path}"));
    Site {
        host: Some(host_port::host(host).to_owned()),
        ews: at(path::EWS),
        oab: at("/OAB/"),
        ecp: at("/ecp/"),
        owa: at("/owa/"),
        mapi: at("/mapi"),
        eas: at(path::EAS),
        ..Site::default()
    }
}

fn lay<T: Clone>(under: &mut Option<T>, over: Option<&T>) {
    if let Some(over) = over {
        *under = Some(over.clone());
    }
}

/// A mail server as a configuration names it.
pub(crate) fn mail_server(
    host: String,
    port: Option<u16>,
    encryption: Encryption,
    login: Login,
    default: (u16, u16),
) -> MailServer {
    let (tls, other) = default;
    let usual = if encryption == Encryption::Tls {
        tls
    } else {
        other
    };
    MailServer {
        host,
        port: port.unwrap_or(usual),
        encryption,
        login,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(host: &str, urls: &[(Url, &str)]) -> Side {
        Side {
            host: Some(host.to_owned()).filter(|host| !host.is_empty()),
            urls: urls
                .iter()
                .map(|(url, value)| (*url, (*value).to_owned()))
                .collect(),
            ..Side::default()
        }
    }

    fn external(side: Side) -> Layer {
        Layer {
            external: side,
            ..Layer::default()
        }
    }

    #[test]
    fn without_a_word_the_hosts_are_those_of_the_domain() {
        let urls = Urls::default();
        let services = urls.services("contoso.com", &Home::default());
        assert_eq!(
            services.external.ews.as_deref(),
            Some("https://mail.contoso.com/EWS/Exchange.asmx")
        );
        assert_eq!(services.internal, services.external);
        assert_eq!(urls.autodiscover("contoso.com"), "autodiscover.contoso.com");
    }

    #[test]
    fn the_particular_stands_over_the_general() {
        let urls = Urls {
            default: external(side("mail.contoso.com", &[(Url::Eas, "")])),
            domains: HashMap::from([(
                "fabrikam.com".to_owned(),
                external(side("", &[(Url::Ews, "https://ews.fabrikam.com/x")])),
            )]),
            servers: HashMap::from([(
                "ex02".to_owned(),
                Layer {
                    internal: side("ex02.corp.contoso.com:444", &[]),
                    ..Layer::default()
                },
            )]),
            databases: HashMap::from([("db7".to_owned(), external(side("far.contoso.com", &[])))]),
        };
        let home = |database: &str, server: &str| Home {
            database: Some(Dn::parse(database).unwrap()),
            server: Some(server.to_owned()),
        };
        let fabrikam = urls.services("fabrikam.com", &home("CN=DB1,DC=c", "EX01"));
        assert_eq!(
            fabrikam.external.ews.as_deref(),
            Some("https://ews.fabrikam.com/x")
        );
        assert_eq!(
            fabrikam.external.owa.as_deref(),
            Some("https://mail.contoso.com/owa/")
        );
        assert_eq!(fabrikam.external.eas, None, "an empty URL is none");
        let far = urls.services("fabrikam.com", &home("CN=DB7,DC=c", "EX02"));
        assert_eq!(
            far.external.ews.as_deref(),
            Some("https://far.contoso.com/EWS/Exchange.asmx"),
            "a host stands for every URL of what is more general"
        );
        assert_eq!(
            far.internal.ews.as_deref(),
            Some("https://ex02.corp.contoso.com:444/EWS/Exchange.asmx")
        );
        assert_eq!(far.internal.host.as_deref(), Some("ex02.corp.contoso.com"));
    }
}

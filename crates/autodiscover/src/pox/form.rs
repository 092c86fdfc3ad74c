//! The answer with settings, as a form with gaps ([MS-OXDSCLI] 2.2.4).
//!
//! Most of an answer is the same for every user of a domain: URLs, the pages of the control panel, names
//! of servers. That part is written once for each kind of client and copied for each user, so that an
//! answer costs little more than the mailboxes in it.
//!
//! Which `Protocol` elements there are depends on what the client can do ([MS-OXDSCLI] 3.2.5.1):
//! MAPI over HTTP stands only in the answer to a client that asked for it and takes the place of `EXCH`
//! and `EXPR`, `EXHTTP` only in the answer to one that said it can.
//!
//! Invariant: unless the mail servers are configured to be told, no two protocols are of a kind for the
//! EWS Managed API, which knows `EXCH`, `EXPR` and `WEB`, takes one without a `Type` for `EXCH` and all
//! others for one kind, and refuses an answer that has two of a kind.

use automend_core::settings::Settings;

use crate::mailbox::{DATABASE, Mailbox, PAGES, REALM, write_alternative};
use crate::schema::pox;
use crate::services::{Abilities, Encryption, Login, MailServer, Services, Shape, Site};
use crate::xml::Writer;

/// An answer in which only the user is missing.
#[derive(Debug)]
pub(super) struct Form {
    /// The document without what stands in the gaps.
    bytes: Vec<u8>,
    /// Where something is missing, in order.
    gaps: Vec<(usize, Gap)>,
    shape: Shape,
}

/// What is missing.
#[derive(Clone, Copy, Debug)]
enum Gap {
    DisplayName,
    LegacyDn,
    Address,
    /// A mail server's name for the user.
    Login(Login),
    Domain,
    /// `GUID@DOMAIN`.
    Server,
    /// The element `ServerDN`, or nothing.
    ServerDn,
    /// The element `MdbDN`, or nothing.
    MdbDn,
    /// The elements `AlternativeMailbox`.
    Alternatives,
}

/// How deep the elements are that stand in gaps.
const IN_PROTOCOL: usize = 4;
const IN_ACCOUNT: usize = 3;

impl Form {
    /// The form for clients with these abilities.
    pub(super) fn of(services: &Services, abilities: Abilities) -> Self {
        // As long as most are.
        let mut bytes = Vec::with_capacity(8 << 10);
        let mut drawing = Drawing {
            xml: Writer::indented(&mut bytes),
            gaps: Vec::with_capacity(64),
            services,
            abilities,
        };
        drawing.document();
        Self {
            gaps: drawing.gaps,
            bytes,
            shape: services.shape,
        }
    }

    /// Writes the answer for one user to the end of `out`.
    pub(super) fn fill(&self, settings: &Settings, out: &mut Vec<u8>) {
        let mailbox = Mailbox::of(settings);
        let mut rest = self.bytes.as_slice();
        let mut done = 0_usize;
        out.reserve(
            self.bytes
                .len()
                .saturating_add(settings.alternatives.len() * 256),
        );
        for (at, gap) in &self.gaps {
            let (segment, after) = rest.split_at_checked(at - done).unwrap_or((rest, &[]));
            out.extend_from_slice(segment);
            (rest, done) = (after, *at);
            self.fill_gap(*gap, settings, &mailbox, out);
        }
        out.extend_from_slice(rest);
    }

    fn fill_gap(&self, gap: Gap, settings: &Settings, mailbox: &Mailbox<'_>, out: &mut Vec<u8>) {
        let mut text = |pieces: &[&str]| {
            let mut xml = Writer::within(out, 0);
            for piece in pieces {
                xml.text(piece);
            }
        };
        match gap {
            Gap::DisplayName => text(&[&settings.display_name]),
            Gap::LegacyDn => text(&[&settings.legacy_dn]),
            Gap::Address => text(&[settings.address.as_str()]),
            Gap::Login(login) => text(&[login.of(&settings.address)]),
            Gap::Domain => text(&[mailbox.domain()]),
            Gap::Server => text(&mailbox.server()),
            Gap::ServerDn => {
                if let Some(pieces) = mailbox.server_dn() {
                    Writer::within(out, IN_PROTOCOL).leaf_of("ServerDN", &[], &pieces);
                }
            }
            Gap::MdbDn => {
                if let Some([organisation, servers, guid, at, domain]) = mailbox.server_dn() {
                    let pieces = [organisation, servers, guid, at, domain, DATABASE];
                    Writer::within(out, IN_PROTOCOL).leaf_of("MdbDN", &[], &pieces);
                }
            }
            Gap::Alternatives => {
                let mut xml = Writer::within(out, IN_ACCOUNT);
                for mailbox in &settings.alternatives {
                    write_alternative(&mut xml, "AlternativeMailbox", mailbox, self.shape);
                }
            }
        }
    }
}

/// A form that is being written.
struct Drawing<'a> {
    xml: Writer<'a>,
    gaps: Vec<(usize, Gap)>,
    services: &'a Services,
    abilities: Abilities,
}

impl Drawing<'_> {
    fn gap(&mut self, gap: Gap) {
        self.gaps.push((self.xml.position(), gap));
    }

    /// An element with text that ends in a gap.
    fn leaf(&mut self, name: &'static str, pieces: &[&str], gap: Gap) {
        self.xml.begin(name);
        for piece in pieces {
            self.xml.text(piece);
        }
        self.gap(gap);
        self.xml.end(name);
    }

    fn document(&mut self) {
        self.xml
            .open_with("Autodiscover", &[("xmlns", pox::RESPONSE)]);
        self.xml
            .open_with("Response", &[("xmlns", pox::OUTLOOK_RESPONSE)]);
        self.user();
        self.account();
        self.xml.close("Response");
        self.xml.close("Autodiscover");
    }

    fn user(&mut self) {
        self.xml.open("User");
        self.leaf("DisplayName", &[], Gap::DisplayName);
        self.leaf("LegacyDN", &[], Gap::LegacyDn);
        self.leaf("AutoDiscoverSMTPAddress", &[], Gap::Address);
        if let Some(guid) = self.services.deployment_id {
            self.xml.leaf("DeploymentId", &guid.to_string());
        }
        self.xml.close("User");
    }

    fn account(&mut self) {
        let services = self.services;
        let (internal, external) = (&services.internal, &services.external);
        self.xml.open("Account");
        self.xml.leaf("AccountType", "email");
        self.xml.leaf("Action", "settings");
        self.xml.leaf("MicrosoftOnline", "False");
        if self.abilities.mapi_http && (internal.mapi.is_some() || external.mapi.is_some()) {
            self.mapi_http();
        } else {
            self.rpc();
            self.rpc_over_http("EXPR", external);
        }
        if self.abilities.exhttp {
            let site = if external.is_empty() {
                internal
            } else {
                external
            };
            self.rpc_over_http("EXHTTP", site);
        }
        self.web();
        if services.mail_in_pox && !self.abilities.ews_library {
            self.mail("IMAP", services.imap.as_ref());
            self.mail("POP3", services.pop3.as_ref());
            self.mail("SMTP", services.smtp.as_ref());
        }
        self.gap(Gap::Alternatives);
        if let Some(address) = &services.public_folder_mailbox {
            self.xml.open("PublicFolderInformation");
            self.xml.leaf("SmtpAddress", address.as_str());
            self.xml.close("PublicFolderInformation");
        }
        self.xml.close("Account");
    }

    fn mapi_http(&mut self) {
        let services = self.services;
        let sites = [
            ("InternalUrl", &services.internal),
            ("ExternalUrl", &services.external),
        ];
        self.xml
            .open_with("Protocol", &[("Type", "mapiHttp"), ("Version", "1")]);
        for (element, path) in [
            ("MailStore", "/emsmdb/?MailboxId="),
            ("AddressBook", "/nspi/?MailboxId="),
        ] {
            self.xml.open(element);
            for (element, site) in sites {
                if let Some(base) = &site.mapi {
                    self.leaf(element, &[base.trim_end_matches('/'), path], Gap::Server);
                }
            }
            self.xml.close(element);
        }
        self.xml.close("Protocol");
    }

    /// `EXCH`: as reached within the organisation.
    fn rpc(&mut self) {
        let services = self.services;
        self.xml.open("Protocol");
        self.xml.leaf("Type", "EXCH");
        self.leaf("Server", &[], Gap::Server);
        self.gap(Gap::ServerDn);
        let version = format!("{:08X}", services.server_version.packed());
        self.xml.leaf("ServerVersion", &version);
        self.gap(Gap::MdbDn);
        let public_folders = services.public_folder_server.as_deref();
        self.xml.leaf_if("PublicFolderServer", public_folders);
        self.xml.leaf_if("AD", services.directory_server.as_deref());
        // What is reached from everywhere is reached from within.
        self.urls(if services.internal.is_empty() {
            &services.external
        } else {
            &services.internal
        });
        self.xml.leaf("ServerExclusiveConnect", "off");
        self.xml.close("Protocol");
    }

    /// `EXPR` and `EXHTTP`: by a host that is a proxy.
    fn rpc_over_http(&mut self, kind: &str, site: &Site) {
        if site.is_empty() {
            return;
        }
        self.xml.open("Protocol");
        self.xml.leaf("Type", kind);
        if let Some(host) = &site.host {
            let package = site.authentication.as_str(self.abilities);
            self.xml.leaf("Server", host);
            self.xml.leaf("SSL", if site.no_ssl { "Off" } else { "On" });
            self.xml.leaf("AuthPackage", package);
        }
        self.urls(site);
        self.xml.leaf("ServerExclusiveConnect", "on");
        let principal = site.certificate_principal.as_deref();
        self.xml.leaf_if("CertPrincipalName", principal);
        self.xml.close("Protocol");
    }

    fn urls(&mut self, site: &Site) {
        let ews = site.ews.as_deref();
        self.xml.leaf_if("ASUrl", ews);
        self.xml.leaf_if("EwsUrl", ews);
        self.xml.leaf_if("EmwsUrl", ews);
        if let Some(url) = &site.ecp {
            self.xml.leaf("EcpUrl", url);
            for page in PAGES {
                self.leaf(page.element, &[page.fragment, REALM], Gap::Domain);
            }
        }
        self.xml.leaf_if("OOFUrl", ews);
        self.xml.leaf_if("UMUrl", site.um.as_deref());
        self.xml.leaf_if("OABUrl", site.oab.as_deref());
    }

    fn web(&mut self) {
        let sites = [
            ("Internal", "EXCH", &self.services.internal),
            ("External", "EXPR", &self.services.external),
        ];
        if sites.iter().all(|(_, _, site)| site.owa.is_none()) {
            return;
        }
        self.xml.open("Protocol");
        self.xml.leaf("Type", "WEB");
        for (element, kind, site) in sites {
            let Some(owa) = &site.owa else { continue };
            self.xml.open(element);
            let method = site.owa_authentication.as_str();
            self.xml
                .leaf_of("OWAUrl", &[("AuthenticationMethod", method)], &[owa]);
            if let Some(ews) = &site.ews {
                self.xml.open("Protocol");
                self.xml.leaf("Type", kind);
                self.xml.leaf("ASUrl", ews);
                self.xml.close("Protocol");
            }
            self.xml.close(element);
        }
        self.xml.close("Protocol");
    }

    fn mail(&mut self, kind: &str, server: Option<&MailServer>) {
        let Some(server) = server else { return };
        let on = |yes: bool| if yes { "on" } else { "off" };
        self.xml.open("Protocol");
        self.xml.leaf("Type", kind);
        self.xml.leaf("Server", &server.host);
        self.xml.leaf("Port", &server.port.to_string());
        self.leaf("LoginName", &[], Gap::Login(server.login));
        self.xml.leaf("DomainRequired", "off");
        self.xml.leaf("SPA", "off");
        self.xml
            .leaf("SSL", on(server.encryption == Encryption::Tls));
        let encryption = match server.encryption {
            Encryption::Tls => "SSL",
            Encryption::StartTls => "TLS",
            Encryption::None => "None",
        };
        self.xml.leaf("Encryption", encryption);
        self.xml.leaf("AuthRequired", "on");
        if kind == "SMTP" {
            self.xml.leaf("UsePOPAuth", "off");
            self.xml.leaf("SMTPLast", "off");
        }
        self.xml.close("Protocol");
    }
}

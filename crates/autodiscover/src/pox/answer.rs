//! Answers to Outlook, as Exchange writes them ([MS-OXDSCLI] 2.2.4).
//!
//! Which `Protocol` elements there are depends on what the client can do ([MS-OXDSCLI] 3.2.5.1):
//! MAPI over HTTP stands only in the answer to a client that asked for it and takes the place of `EXCH`
//! and `EXPR`, `EXHTTP` only in the answer to one that said it can.
//!
//! Invariant: unless the mail servers are configured to be told, no two protocols are of a kind for the
//! EWS Managed API, which knows `EXCH`, `EXPR` and `WEB`, takes one without a `Type` for `EXCH` and all
//! others for one kind, and refuses an answer that has two of a kind.

use automend_core::fault::FaultCode;
use automend_core::names::SmtpAddress;
use automend_core::settings::{AlternativeMailbox, Outcome, Settings};

use super::Stamp;
use crate::mailbox::{DATABASE, Located, Mailbox, PAGES, REALM};
use crate::schema::pox;
use crate::services::{Abilities, Encryption, MailServer, Services, Site};
use crate::xml::Writer;

/// Writes the answer to Outlook to the end of `out`.
pub fn answer(
    outcome: &Outcome,
    services: &Services,
    abilities: Abilities,
    stamp: &Stamp,
    out: &mut Vec<u8>,
) {
    match outcome {
        Outcome::Settings(settings) => Answering {
            settings,
            services,
            abilities,
            mailbox: Mailbox::of(settings),
        }
        .write(out),
        Outcome::Redirect(address) => {
            redirect("redirectAddr", "RedirectAddr", address.as_str(), out);
        }
        Outcome::Fault(found) => fault(found.code, stamp, out),
    }
}

/// Writes a fault: an `Error` in the envelope's own namespace, as Exchange sends it with status 200.
pub fn fault(code: FaultCode, stamp: &Stamp, out: &mut Vec<u8>) {
    document(None, out, |xml| {
        xml.open_with(
            "Error",
            &[("Time", &stamp.time), ("Id", &stamp.id.to_string())],
        );
        xml.leaf("ErrorCode", &code.number().to_string());
        xml.leaf("Message", code.message());
        xml.empty("DebugData", &[]);
        xml.close("Error");
    });
}

/// Writes an answer that sends Outlook to another URL.
pub fn redirect_url(url: &str, out: &mut Vec<u8>) {
    redirect("redirectUrl", "RedirectUrl", url, out);
}

fn redirect(action: &str, element: &'static str, target: &str, out: &mut Vec<u8>) {
    document(Some(pox::OUTLOOK_RESPONSE), out, |xml| {
        xml.open("Account");
        xml.leaf("Action", action);
        xml.leaf(element, target);
        xml.close("Account");
    });
}

fn document(response: Option<&str>, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
    let mut xml = Writer::indented(out);
    xml.open_with("Autodiscover", &[("xmlns", pox::RESPONSE)]);
    match response {
        Some(namespace) => xml.open_with("Response", &[("xmlns", namespace)]),
        None => xml.open("Response"),
    }
    body(&mut xml);
    xml.close("Response");
    xml.close("Autodiscover");
}

struct Answering<'a> {
    settings: &'a Settings,
    services: &'a Services,
    abilities: Abilities,
    mailbox: Mailbox<'a>,
}

impl Answering<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        document(Some(pox::OUTLOOK_RESPONSE), out, |xml| {
            self.user(xml);
            self.account(xml);
        });
    }

    fn user(&self, xml: &mut Writer<'_>) {
        xml.open("User");
        xml.leaf("DisplayName", &self.settings.display_name);
        xml.leaf("LegacyDN", &self.settings.legacy_dn);
        xml.leaf("AutoDiscoverSMTPAddress", self.settings.address.as_str());
        if let Some(guid) = self.services.deployment_id {
            xml.leaf("DeploymentId", &guid.to_string());
        }
        xml.close("User");
    }

    fn account(&self, xml: &mut Writer<'_>) {
        xml.open("Account");
        xml.leaf("AccountType", "email");
        xml.leaf("Action", "settings");
        xml.leaf("MicrosoftOnline", "False");
        let Services {
            internal, external, ..
        } = self.services;
        if self.abilities.mapi_http && (internal.mapi.is_some() || external.mapi.is_some()) {
            self.mapi_http(xml);
        } else {
            self.rpc(xml);
            self.rpc_over_http(xml, "EXPR", external);
        }
        if self.abilities.exhttp {
            let site = if external.is_empty() {
                internal
            } else {
                external
            };
            self.rpc_over_http(xml, "EXHTTP", site);
        }
        self.web(xml);
        if self.services.mail_in_pox && !self.abilities.ews_library {
            self.mail(xml, "IMAP", self.services.imap.as_ref());
            self.mail(xml, "POP3", self.services.pop3.as_ref());
            self.mail(xml, "SMTP", self.services.smtp.as_ref());
        }
        for mailbox in &self.settings.alternatives {
            self.alternative(xml, mailbox);
        }
        if let Some(address) = &self.services.public_folder_mailbox {
            xml.open("PublicFolderInformation");
            xml.leaf("SmtpAddress", address.as_str());
            xml.close("PublicFolderInformation");
        }
        xml.close("Account");
    }

    fn mapi_http(&self, xml: &mut Writer<'_>) {
        let [guid, at, domain] = self.mailbox.server();
        xml.open_with("Protocol", &[("Type", "mapiHttp"), ("Version", "1")]);
        for (element, path) in [
            ("MailStore", "/emsmdb/?MailboxId="),
            ("AddressBook", "/nspi/?MailboxId="),
        ] {
            xml.open(element);
            for (element, site) in [
                ("InternalUrl", &self.services.internal),
                ("ExternalUrl", &self.services.external),
            ] {
                if let Some(base) = &site.mapi {
                    let base = base.trim_end_matches('/');
                    xml.leaf_of(element, &[], &[base, path, guid, at, domain]);
                }
            }
            xml.close(element);
        }
        xml.close("Protocol");
    }

    /// `EXCH`: as reached within the organisation.
    fn rpc(&self, xml: &mut Writer<'_>) {
        let services = self.services;
        xml.open("Protocol");
        xml.leaf("Type", "EXCH");
        xml.leaf_of("Server", &[], &self.mailbox.server());
        let server_dn = self.mailbox.server_dn();
        if let Some(pieces) = server_dn {
            xml.leaf_of("ServerDN", &[], &pieces);
        }
        let version = format!("{:08X}", services.server_version.packed());
        xml.leaf("ServerVersion", &version);
        if let Some([organisation, servers, guid, at, domain]) = server_dn {
            let pieces = [organisation, servers, guid, at, domain, DATABASE];
            xml.leaf_of("MdbDN", &[], &pieces);
        }
        let public_folders = services.public_folder_server.as_deref();
        xml.leaf_if("PublicFolderServer", public_folders);
        xml.leaf_if("AD", services.directory_server.as_deref());
        // What is reached from everywhere is reached from within.
        let site = if services.internal.is_empty() {
            &services.external
        } else {
            &services.internal
        };
        self.urls(xml, site);
        xml.leaf("ServerExclusiveConnect", "off");
        xml.close("Protocol");
    }

    /// `EXPR` and `EXHTTP`: by a host that is a proxy.
    fn rpc_over_http(&self, xml: &mut Writer<'_>, kind: &str, site: &Site) {
        if site.is_empty() {
            return;
        }
        xml.open("Protocol");
        xml.leaf("Type", kind);
        if let Some(host) = &site.host {
            xml.leaf("Server", host);
            xml.leaf("SSL", if site.no_ssl { "Off" } else { "On" });
            xml.leaf("AuthPackage", site.authentication.as_str(self.abilities));
        }
        self.urls(xml, site);
        xml.leaf("ServerExclusiveConnect", "on");
        xml.leaf_if("CertPrincipalName", site.certificate_principal.as_deref());
        xml.close("Protocol");
    }

    fn urls(&self, xml: &mut Writer<'_>, site: &Site) {
        let ews = site.ews.as_deref();
        xml.leaf_if("ASUrl", ews);
        xml.leaf_if("EwsUrl", ews);
        xml.leaf_if("EmwsUrl", ews);
        if let Some(url) = &site.ecp {
            xml.leaf("EcpUrl", url);
            for page in PAGES {
                let pieces = [page.fragment, REALM, self.mailbox.domain()];
                xml.leaf_of(page.element, &[], &pieces);
            }
        }
        xml.leaf_if("OOFUrl", ews);
        xml.leaf_if("UMUrl", site.um.as_deref());
        xml.leaf_if("OABUrl", site.oab.as_deref());
    }

    fn web(&self, xml: &mut Writer<'_>) {
        let Services {
            internal, external, ..
        } = self.services;
        if internal.owa.is_none() && external.owa.is_none() {
            return;
        }
        xml.open("Protocol");
        xml.leaf("Type", "WEB");
        for (element, kind, site) in [
            ("Internal", "EXCH", internal),
            ("External", "EXPR", external),
        ] {
            let Some(owa) = &site.owa else { continue };
            xml.open(element);
            let method = site.owa_authentication.as_str();
            xml.leaf_of("OWAUrl", &[("AuthenticationMethod", method)], &[owa]);
            if let Some(ews) = &site.ews {
                xml.open("Protocol");
                xml.leaf("Type", kind);
                xml.leaf("ASUrl", ews);
                xml.close("Protocol");
            }
            xml.close(element);
        }
        xml.close("Protocol");
    }

    fn mail(&self, xml: &mut Writer<'_>, kind: &str, server: Option<&MailServer>) {
        let Some(server) = server else { return };
        xml.open("Protocol");
        xml.leaf("Type", kind);
        xml.leaf("Server", &server.host);
        xml.leaf("Port", &server.port.to_string());
        xml.leaf("LoginName", server.login_of(&self.settings.address));
        xml.leaf("DomainRequired", "off");
        xml.leaf("SPA", "off");
        xml.leaf(
            "SSL",
            if server.encryption == Encryption::Tls {
                "on"
            } else {
                "off"
            },
        );
        xml.leaf(
            "Encryption",
            match server.encryption {
                Encryption::Tls => "SSL",
                Encryption::StartTls => "TLS",
                Encryption::None => "None",
            },
        );
        xml.leaf("AuthRequired", "on");
        if kind == "SMTP" {
            xml.leaf("UsePOPAuth", "off");
            xml.leaf("SMTPLast", "off");
        }
        xml.close("Protocol");
    }

    fn alternative(&self, xml: &mut Writer<'_>, mailbox: &AlternativeMailbox) {
        xml.open("AlternativeMailbox");
        xml.leaf("Type", mailbox.kind.as_str());
        xml.leaf("DisplayName", &mailbox.display_name);
        match Located::of(mailbox, self.services.shape) {
            Located::Place(place) => {
                xml.leaf("LegacyDN", &place.legacy_dn);
                xml.leaf("Server", &place.server);
            }
            Located::Address(address, owner) => {
                xml.leaf("SmtpAddress", address);
                xml.leaf_if("OwnerSmtpAddress", owner.map(SmtpAddress::as_str));
            }
        }
        xml.close("AlternativeMailbox");
    }
}

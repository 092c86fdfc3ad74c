//! The settings of an answer, in whatever dialect they came: as values, for people and as JSON.
//!
//! Every answer is shown from here, so that a test and a recording list the same settings in the
//! same words. The shape of the JSON is promised by `docs/test.schema.json` and `docs/trace.schema.json`.
//!
//! Invariant: nothing is judged here, and nothing of an alternative mailbox is left out.

use std::io::{self, Write};

use automend_autodiscover::mobilesync::Server;
use automend_autodiscover::pox::Protocol;
use automend_autodiscover::reading::Alternative;
use automend_core::discovery::Url;
use automend_recording::secrets;
use serde_json::{Value, json};

use automend_core::display::plain;

/// Settings, in whatever dialect they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SettingsSummary {
    /// What the user is called.
    pub display_name: Option<String>,
    /// The user's legacy name.
    pub legacy_dn: Option<String>,
    /// The user's address.
    pub address: Option<String>,
    /// POX: the protocols.
    pub protocols: Vec<Protocol>,
    /// SOAP: settings that are text.
    pub values: Vec<(String, String)>,
    /// MobileSync: the servers.
    pub servers: Vec<Server>,
    /// Alternative mailboxes, in order, as they came.
    pub alternatives: Vec<Alternative>,
    /// The mailbox of public folders.
    pub public_folders: Option<String>,
}

/// A URL that settings promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Promise {
    /// Under which names it stands: `EXPR EwsUrl`.
    pub names: Vec<String>,
    /// The URL.
    pub url: Url,
    /// `AuthPackage` of the protocol.
    pub login: Option<String>,
}

impl SettingsSummary {
    /// Every URL that is promised, each once.
    pub fn promises(&self) -> Vec<Promise> {
        let mut found: Vec<Promise> = Vec::new();
        let mut add = |name: String, text: &str, login: Option<&str>| {
            let Some(url) = Url::parse(text) else {
                return;
            };
            if let Some(known) = found.iter_mut().find(|known| known.url == url) {
                known.names.push(name);
                known.login = known.login.take().or(login.map(str::to_owned));
            } else {
                found.push(Promise {
                    names: vec![name],
                    url,
                    login: login.map(str::to_owned),
                });
            }
        };
        for protocol in &self.protocols {
            let login = protocol.value("AuthPackage");
            for field in &protocol.fields {
                add(
                    format!("{} {}", protocol.kind, field.path),
                    &field.value,
                    login,
                );
            }
        }
        for (name, value) in &self.values {
            add(name.clone(), value, None);
        }
        for server in &self.servers {
            add(server.kind.clone(), &server.url, None);
        }
        found
    }
    /// How many bytes its texts have, about.
    pub fn size(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let fields = self.protocols.iter().flat_map(|protocol| &protocol.fields);
        let fields = fields.map(|field| field.path.len() + field.value.len());
        let values = self
            .values
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let servers = self
            .servers
            .iter()
            .map(|server| server.kind.len() + server.url.len());
        let alternatives = self.alternatives.iter().map(|mailbox| {
            of(&mailbox.display_name) + of(&mailbox.legacy_dn) + of(&mailbox.smtp_address)
        });
        let texts: usize = fields
            .chain(values)
            .chain(servers)
            .chain(alternatives)
            .sum();
        texts + size_of::<Self>()
    }

    /// The same without what is secret in the URLs of it.
    pub fn without_secrets(self) -> Self {
        self.cleaned(|value| {
            if value.contains("://") {
                *value = secrets::url(value);
            }
        })
    }

    /// The same, each value of the answer passed through `clean`.
    pub fn cleaned(mut self, clean: impl Fn(&mut String)) -> Self {
        for value in [
            &mut self.display_name,
            &mut self.legacy_dn,
            &mut self.address,
            &mut self.public_folders,
        ] {
            value.iter_mut().for_each(&clean);
        }
        let fields = self.protocols.iter_mut();
        fields
            .flat_map(|protocol| &mut protocol.fields)
            .for_each(|field| clean(&mut field.value));
        self.values.iter_mut().for_each(|(_, value)| clean(value));
        self.servers
            .iter_mut()
            .for_each(|server| clean(&mut server.url));
        self
    }

    /// Writes whose settings these are and each of them, one a line, for people.
    ///
    /// # Errors
    ///
    /// Only what `out` refuses.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let name = self.display_name.as_deref().unwrap_or("(without a name)");
        let address = self.address.as_ref().map(|address| format!(" <{address}>"));
        writeln!(
            out,
            "Settings of {}{}",
            plain(name),
            plain(address.unwrap_or_default())
        )?;
        for protocol in &self.protocols {
            let server = [
                "Server",
                "MailStore/ExternalUrl",
                "MailStore/InternalUrl",
                "External/OWAUrl",
            ]
            .into_iter()
            .find_map(|path| protocol.value(path));
            writeln!(
                out,
                "  {:<10} {}",
                plain(&protocol.kind),
                plain(server.unwrap_or_default())
            )?;
        }
        for server in &self.servers {
            writeln!(out, "  {:<10} {}", plain(&server.kind), plain(&server.url))?;
        }
        for (name, value) in &self.values {
            writeln!(out, "  {:<36} {}", plain(name), plain(value))?;
        }
        Ok(())
    }

    /// The settings as a member of a report: the shape `settings` of the schemas.
    pub fn to_json(&self) -> Value {
        let protocols = self.protocols.iter().map(|protocol| {
            let fields = protocol
                .fields
                .iter()
                .map(|field| json!({ "name": field.path, "value": field.value }));
            json!({
                "type": protocol.kind,
                "version": protocol.version,
                "fields": fields.collect::<Vec<_>>(),
            })
        });
        let servers = self
            .servers
            .iter()
            .map(|server| json!({ "type": server.kind, "url": server.url, "name": server.name }));
        let values = self
            .values
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }));
        let alternatives = self.alternatives.iter().map(alternative_json);
        json!({
            "displayName": self.display_name,
            "legacyDn": self.legacy_dn,
            "address": self.address,
            "protocols": protocols.collect::<Vec<_>>(),
            "values": values.collect::<Vec<_>>(),
            "servers": servers.collect::<Vec<_>>(),
            "publicFolderMailbox": self.public_folders,
            "alternativeMailboxes": alternatives.collect::<Vec<_>>(),
        })
    }
}

/// An alternative mailbox on one line: its type, its name, and its address or place.
pub fn mailbox(mailbox: &Alternative) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let there = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let place = match (there(&mailbox.smtp_address), there(&mailbox.legacy_dn)) {
        (Some(address), _) => address,
        (None, Some(legacy)) => match there(&mailbox.server) {
            Some(server) => format!("{legacy} on {server}"),
            None => format!("{legacy} (on no server)"),
        },
        (None, None) => "(neither an address nor a legacy name)".to_owned(),
    };
    let kind = text(&mailbox.kind);
    plain(format!(
        "{kind:<10} {}  {place}",
        text(&mailbox.display_name)
    ))
}

/// An alternative mailbox as a member of a report.
pub fn alternative_json(mailbox: &Alternative) -> Value {
    json!({
        "type": mailbox.kind,
        "displayName": mailbox.display_name,
        "smtpAddress": mailbox.smtp_address,
        "ownerSmtpAddress": mailbox.owner_smtp_address,
        "legacyDn": mailbox.legacy_dn,
        "server": mailbox.server,
    })
}

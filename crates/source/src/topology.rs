//! Where mailboxes may be: the databases and servers that the configuration names.

use std::collections::HashSet;

use automend_core::checks::configuration::{self, Installed};
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Finding;
use automend_core::view::{Answer, Need, View};

/// Mailbox databases and mail servers that exist, and what else Exchange installed beside them.
#[derive(Default)]
pub struct Topology {
    installed: Vec<Installed>,
    databases: HashSet<Dn>,
    servers: HashSet<String>,
    there: Option<Answer>,
    gone: Option<Answer>,
}

impl Topology {
    /// Places that are all known.
    pub fn known() -> Self {
        Self {
            there: Some(Answer::Found(vec![Entry::bare(Dn::root())])),
            gone: Some(Answer::Found(Vec::new())),
            ..Self::default()
        }
    }

    /// What Exchange left over in the configuration.
    pub fn left_over(&self) -> Vec<Finding> {
        configuration::left_over(&self.installed)
    }

    /// What is there to be told: without a single database nothing is called gone.
    pub fn or_nothing(self) -> (Self, bool) {
        if self.databases.is_empty() {
            (Self::default(), false)
        } else {
            (self, true)
        }
    }
}

impl Extend<Installed> for Topology {
    fn extend<T: IntoIterator<Item = Installed>>(&mut self, objects: T) {
        for object in objects {
            match &object {
                Installed::Database { dn, .. } => drop(self.databases.insert(dn.clone())),
                Installed::Server(dn) => drop(self.servers.insert(dn.name().to_lowercase())),
                Installed::ServersContainer(_) | Installed::ConnectionPoint { .. } => {}
            }
            self.installed.push(object);
        }
    }
}

impl View for Topology {
    fn answer(&self, need: &Need) -> Option<&Answer> {
        let there = match need {
            Need::Exists(dn) => self.databases.contains(dn),
            // Servers may be kept from this account while databases are not.
            Need::Server(name) if !self.servers.is_empty() => {
                self.servers.contains(&name.to_lowercase())
            }
            _ => return None,
        };
        if there {
            self.there.as_ref()
        } else {
            self.gone.as_ref()
        }
    }
}

//! The second look of one thread at its share of an LDIF file: links beside the permissions of mailboxes.
//!
//! A mailbox without a link, of which no entry of its own lets in anybody else, shows at a glance.

use anyhow::Result;
use automend_core::access::{Rules, well_known};
use automend_core::checks::links;
use automend_core::checks::permissions::Principals;
use automend_core::descriptor::Descriptor;
use automend_core::entry::Entry;
use automend_core::names::attribute;
use automend_ldap::ldif::{Block, Line, Record, Selector};
use automend_source::Seen;
use automend_source::ldif::named;
use automend_source::parallel::Worker;

use automend_source::suspects::Gathered;

/// What is looked at in addition to [`links::ATTRIBUTES`], in front of which it stands.
const RIGHTS: &[&str] = &[
    attribute::MAILBOX_SECURITY_DESCRIPTOR,
    attribute::OBJECT_SID,
    attribute::MASTER_ACCOUNT_SID,
];

/// What one thread has gathered.
pub(super) struct Part<'a> {
    pub gathered: Gathered,
    seen: Seen,
    principals: &'a Principals,
    names: Vec<&'static str>,
    selector: Selector,
}

impl<'a> Part<'a> {
    pub(super) fn new(seen: Seen, principals: &'a Principals) -> Self {
        let names = [RIGHTS, links::ATTRIBUTES].concat();
        Self {
            gathered: Gathered::default(),
            seen,
            principals,
            selector: Selector::new(&names),
            names,
        }
    }

    /// Looks at one object; what cannot be read of it was reported in the first pass.
    fn look(&mut self, record: &Record<'_>, lines: &[(usize, Line<'_>)]) {
        let is = |index: usize, name: &str| self.names.get(index) == Some(&name);
        let has = |name: &str| lines.iter().any(|(index, _)| is(*index, name));
        let rights = lines
            .iter()
            .find(|(index, _)| is(*index, attribute::MAILBOX_SECURITY_DESCRIPTOR));
        let rights = rights.and_then(|(_, line)| line.value().ok());
        let is_linked = has(attribute::DELEGATE_LIST_LINK);
        if let Some(rights) = &rights
            && !is_linked
            && let Ok(read) = Descriptor::parse(rights)
            && Rules::of(&read)
                .iter()
                .all(|rule| rule.inherited || !rule.allows || well_known(&rule.sid).is_some())
        {
            return;
        }
        if rights.is_none() && !is_linked && !has(attribute::MAILBOX_GUID) {
            return;
        }
        let Ok(dn) = named(record) else { return };
        let mut entry = Entry::bare(dn);
        for (index, line) in lines {
            let Some(name) = self.names.get(*index) else {
                continue;
            };
            match line.value() {
                Ok(value) => entry.take(name, &value, &mut Vec::new()),
                Err(_) => entry.cannot_read(name),
            }
        }
        if record.cut {
            entry.cut_off(record.unreadable().last().map(String::as_str));
        }
        let entry = self.seen.applied(entry);
        self.gathered.look(&entry, self.principals);
    }
}

impl Worker for Part<'_> {
    fn block(&mut self, block: &Block) -> Result<()> {
        let mut lines = Vec::new();
        for record in block.records_to_select_from().flatten() {
            lines.clear();
            lines.extend(record.select(&self.selector).flatten());
            self.look(&record, &lines);
        }
        Ok(())
    }
}

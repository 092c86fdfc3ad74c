//! What a server or a file gave, as typed entries.
//!
//! Invariant: what could not be read is a defect, and is never taken for absent.

use automend_core::dn::Dn;
use automend_core::entry::{Defect, Entry};
use automend_ldap::ldif::Record;

/// Turns what a server or a file gave into a typed entry; a bad name is the only thing that loses it.
pub fn typed(entry: &automend_ldap::Entry, defects: &mut Vec<Defect>) -> Option<Entry> {
    let dn = match Dn::parse(&entry.dn) {
        Ok(dn) => dn,
        Err(error) => {
            let what = error.to_string();
            defects.push(Defect {
                dn: entry.dn.clone(),
                attribute: "dn".to_owned(),
                what,
            });
            return None;
        }
    };
    let mut typed = Entry::bare(dn);
    for attribute in &entry.attributes {
        for value in &attribute.values {
            typed.take(&attribute.name, value, defects);
        }
    }
    Some(typed)
}

/// Values as text; what is no UTF-8 is shown as far as it is.
pub(super) fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// The object of a record of LDIF, with the attributes that it has and that cannot be read.
pub fn recorded(record: &Record<'_>, defects: &mut Vec<String>) -> Option<Entry> {
    let (entry, broken) = record.entry();
    defects.extend(broken.iter().map(ToString::to_string));
    let mut bad_values = Vec::new();
    let typed = typed(&entry, &mut bad_values);
    let told = bad_values
        .iter()
        .map(|defect| format!("line {}: {defect}", record.line));
    defects.extend(told);
    let mut typed = typed?;
    let mut unreadable = record.unreadable();
    if record.cut {
        defects.push(cut_off(record));
        let last = unreadable.pop();
        typed.cut_off(last.as_deref());
    }
    if record.has_nameless_line() {
        typed.cut_off(None);
    }
    for name in unreadable {
        typed.cannot_read(&name);
    }
    Some(typed)
}

/// What to say of the record in which a file ends.
pub fn cut_off(record: &Record<'_>) -> String {
    format!(
        "line {}: no line end behind the last line: the file may be cut off, so attributes that its last object does not have are undecided",
        record.line
    )
}

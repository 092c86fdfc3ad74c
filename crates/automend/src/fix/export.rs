//! A plan for other tools: LDIF for `ldapmodify` and `ldifde`, PowerShell for `Set-ADUser`.
//!
//! Both remove exactly the values of the plan, so both do nothing to a link that came later.

use std::io::{self, Write};

use automend_core::names::attribute;
use automend_core::plan::Change;
use automend_ldap::Modification;
use automend_ldap::ldif::Writer;
use jiff::Timestamp;

use crate::clock;
use crate::console::{plain, plain_name};

/// Change records.
pub(crate) fn ldif(
    changes: &[Change],
    directory: &str,
    at: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut writer = Writer::new(out)?;
    writer.comment(&format!(
        "automend: {} owners with stale links in {directory}, {}",
        changes.len(),
        clock::for_people(at)
    ))?;
    for change in changes {
        writer.comment(&format!(
            "{} {}: {}",
            change.code,
            plain(&change.shown),
            change.code.title()
        ))?;
        let delete = Modification::Delete {
            attribute: attribute::DELEGATE_LIST_LINK.to_owned(),
            values: change
                .delegates
                .iter()
                .map(|dn| dn.as_str().as_bytes().to_vec())
                .collect(),
        };
        writer.modify(change.owner.as_str(), &[delete], &[])?;
    }
    Ok(())
}

/// A script for the ActiveDirectory module.
pub(crate) fn powershell(
    changes: &[Change],
    directory: &str,
    at: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "# automend: {} owners with stale links in {directory}, {}",
        changes.len(),
        clock::for_people(at)
    )?;
    writeln!(
        out,
        "# Removes exactly these values; -WhatIf shows without doing."
    )?;
    writeln!(out, "[CmdletBinding(SupportsShouldProcess)] param()")?;
    writeln!(out, "Import-Module ActiveDirectory -ErrorAction Stop")?;
    for change in changes {
        // A comment ends with its line, so a name must not.
        writeln!(
            out,
            "\n# {} {}: {}",
            change.code,
            plain(&change.shown),
            change.code.title()
        )?;
        let identity = change
            .guid
            .map_or_else(|| plain_name(&change.owner), |guid| guid.to_string());
        let values: Vec<String> = change
            .delegates
            .iter()
            .map(|dn| quoted(&plain_name(dn)))
            .collect();
        writeln!(
            out,
            "Set-ADObject -Identity {} -Remove @{{ {} = @({}) }}",
            quoted(&identity),
            attribute::DELEGATE_LIST_LINK,
            values.join(", ")
        )?;
    }
    Ok(())
}

/// A literal string; PowerShell takes typographic quotes for quotes, too.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::dn::Dn;
    use automend_core::finding::Code;

    fn change() -> Change {
        Change {
            owner: Dn::parse("CN=O'Brien,DC=c").unwrap(),
            guid: None,
            shown: "O'Brien\nRemove-Item".to_owned(),
            code: Code::OwnerDisabled,
            delegates: vec![
                Dn::parse("CN=Zoë,DC=c").unwrap(),
                Dn::parse(r"CN=a\, b,DC=c").unwrap(),
            ],
        }
    }

    #[test]
    fn a_script_quotes_what_it_is_given() {
        let mut out = Vec::new();
        powershell(&[change()], "x", Timestamp::UNIX_EPOCH, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(
            r"Set-ADObject -Identity 'CN=O''Brien,DC=c' -Remove @{ msExchDelegateListLink = @('CN=Zoë,DC=c', 'CN=a\, b,DC=c') }"
        ));
        assert!(!text.lines().any(|line| line.starts_with("Remove-Item")));
    }

    #[test]
    fn change_records_delete_single_values() {
        let mut out = Vec::new();
        ldif(&[change()], "x", Timestamp::UNIX_EPOCH, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains(
                "changetype: modify\ndelete: msExchDelegateListLink\nmsExchDelegateListLink:: "
            ),
            "{text}"
        );
        assert!(!text.lines().any(|line| line.starts_with("Remove-Item")));
    }
}

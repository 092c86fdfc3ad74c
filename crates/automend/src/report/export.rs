//! A plan for other tools: LDIF for `ldapmodify` and `ldifde`, PowerShell for `Set-ADUser`.
//!
//! Both remove exactly the values of the plan, so both do nothing to a link that came later.
//!
//! Invariant: a script is ASCII. Windows PowerShell 5.1 reads one without a byte order mark in the code page
//! of its machine, where bytes of other letters are quotes (in 1252, 0x91 of `Ñ` is one).

use std::fmt::Write as _;
use std::io::{self, Write};

use automend_core::dn::Dn;
use automend_core::host_port;
use automend_core::names::attribute;
use automend_core::plan::Change;
use automend_ldap::Modification;
use automend_ldap::ldif::Writer;
use jiff::Timestamp;

use automend_core::display::plain;
use automend_system::clock;

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
        writer.modify(change.owner.dn.as_str(), &[delete], &[])?;
    }
    Ok(())
}

/// A script for the ActiveDirectory module. It asks the server that `directory` is the URL of, if it is one:
/// another may not have the links yet, or not any more.
pub(crate) fn powershell(
    changes: &[Change],
    directory: &str,
    at: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "# automend: {} owners with stale links in {}, {}",
        changes.len(),
        ascii(directory),
        clock::for_people(at)
    )?;
    writeln!(
        out,
        "# Removes exactly these values; -WhatIf shows without doing."
    )?;
    writeln!(out, "[CmdletBinding(SupportsShouldProcess)] param()")?;
    writeln!(out, "Import-Module ActiveDirectory -ErrorAction Stop")?;
    let server = server(directory)
        .map(|host| format!(" -Server {}", quoted(host)))
        .unwrap_or_default();
    for change in changes {
        // A comment ends with its line, so a name must not.
        writeln!(
            out,
            "\n# {} {}: {}",
            change.code,
            ascii(&change.shown),
            ascii(change.code.title())
        )?;
        let owner = &change.owner;
        let identity = owner
            .guid
            .map_or_else(|| ascii_name(&owner.dn), |guid| guid.to_string());
        let values: Vec<String> = change
            .delegates
            .iter()
            .map(|dn| quoted(&ascii_name(dn)))
            .collect();
        writeln!(
            out,
            "Set-ADObject -Identity {}{server} -Remove @{{ {} = @({}) }}",
            quoted(&identity),
            attribute::DELEGATE_LIST_LINK,
            values.join(", ")
        )?;
    }
    Ok(())
}

/// The host of an LDAP URL; the module speaks to another port of it.
fn server(directory: &str) -> Option<&str> {
    let url = directory.split_whitespace().next()?;
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("ldap") && !scheme.eq_ignore_ascii_case("ldaps") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    host_port::split(authority).map(|(host, _)| host)
}

/// Text for a comment: on one line, in ASCII.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if is_safe(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// The same name with pairs of digits (RFC 4514 2.4) for everything but printable ASCII, and for quotes:
/// a form that every directory reads back.
fn ascii_name(dn: &Dn) -> String {
    let mut out = String::new();
    let mut rest = dn.as_str().chars();
    while let Some(c) = rest.next() {
        // What a backslash stands before is the same character as a pair of digits without it.
        let (escaped, c) = match c {
            '\\' => (true, rest.next().unwrap_or(c)),
            c => (false, c),
        };
        if c == '\'' || !is_safe(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\{byte:02X}");
            }
        } else {
            if escaped {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// Printable ASCII, which every code page reads alike.
fn is_safe(c: char) -> bool {
    matches!(c, ' '..='~')
}

/// A literal string of ASCII.
fn quoted(text: &str) -> String {
    format!("'{}'", ascii(text).replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::finding::Code;
    use automend_core::plan::ObjectRef;
    use proptest::prelude::*;

    fn change(owner: Dn, shown: &str, delegates: Vec<Dn>) -> Change {
        let owner = ObjectRef {
            dn: owner,
            guid: None,
        };
        Change {
            owner,
            shown: shown.to_owned(),
            code: Code::OwnerDisabled,
            delegates,
        }
    }

    fn of_obrien() -> Change {
        let dn = |text| Dn::parse(text).unwrap();
        change(
            dn("CN=O'Brien,DC=c"),
            "O'Brien\nRemove-Item",
            vec![dn("CN=Zoë,DC=c"), dn(r"CN=a\, b,DC=c")],
        )
    }

    fn script(changes: &[Change], directory: &str) -> Vec<u8> {
        let mut out = Vec::new();
        powershell(changes, directory, Timestamp::UNIX_EPOCH, &mut out).unwrap();
        out
    }

    #[test]
    fn a_script_quotes_what_it_is_given() {
        let text = String::from_utf8(script(&[of_obrien()], "x")).unwrap();
        assert!(
            text.contains(
                r"Set-ADObject -Identity 'CN=O\27Brien,DC=c' -Remove @{ msExchDelegateListLink = @('CN=Zo\C3\AB,DC=c', 'CN=a\, b,DC=c') }"
            ),
            "{text}"
        );
        assert!(!text.lines().any(|line| line.starts_with("Remove-Item")));
    }

    #[test]
    fn a_script_asks_the_server_that_the_links_were_read_from() {
        for (directory, expected) in [
            ("ldaps://dc1.contoso.com", Some("dc1.contoso.com")),
            ("LDAP://dc1:389/DC=c", Some("dc1")),
            ("ldaps://[2001:db8::1]:636", Some("2001:db8::1")),
            ("ldaps://dc1'$(calc).c", Some("dc1'$(calc).c")),
            ("ldapi://%2fvar%2frun", None),
            ("contoso.ldif", None),
            ("ldaps://", None),
        ] {
            assert_eq!(server(directory), expected, "{directory}");
            let text = String::from_utf8(script(&[of_obrien()], directory)).unwrap();
            let told = expected.map(|host| format!(" -Server '{}' ", host.replace('\'', "''")));
            assert_eq!(text.contains(" -Server "), told.is_some(), "{text}");
            assert!(told.is_none_or(|told| text.contains(&told)), "{text}");
        }
    }

    /// How a code page of Windows reads a byte that is not ASCII.
    #[derive(Clone, Copy, Debug)]
    enum CodePage {
        /// Windows-1252, 1250, 1251: one byte a character, with quotes at 0x82, 0x91 and 0x92.
        OneByte,
        /// 932: a lead byte takes the next one with it.
        Japanese,
    }

    fn as_read(bytes: &[u8], page: CodePage) -> String {
        let mut out = String::new();
        let mut bytes = bytes.iter();
        while let Some(byte) = bytes.next() {
            out.push(match (page, byte) {
                (_, 0..=0x7f) => char::from(*byte),
                (CodePage::OneByte, 0x82) => '\u{201a}',
                (CodePage::OneByte, 0x91) => '\u{2018}',
                (CodePage::OneByte, 0x92) => '\u{2019}',
                (CodePage::Japanese, 0x81..=0x9f | 0xe0..=0xfc) => {
                    bytes.next();
                    '\u{3042}'
                }
                _ => '\u{e9}',
            });
        }
        out
    }

    /// The literal strings of a script, and all that is code, as PowerShell cuts it apart: comments are
    /// gone, and every kind of quote ends a string unless it comes twice ([MS-PSH] 2.3.5.2).
    fn tokens(script: &str) -> (Vec<String>, String) {
        let quote = |c| matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}');
        let (mut strings, mut code) = (Vec::new(), String::new());
        let mut rest = script.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '#' {
                while rest.peek().is_some_and(|c| *c != '\n') {
                    rest.next();
                }
            } else if quote(c) {
                let mut string = String::new();
                while let Some(c) = rest.next() {
                    if quote(c) && rest.next_if(|c| quote(*c)).is_none() {
                        break;
                    }
                    string.push(c);
                }
                strings.push(string);
            } else {
                code.push(c);
            }
        }
        (strings, code)
    }

    /// Names chosen to break out of quotes, and any others.
    fn values() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("Ñ-join$(calc.exe))} #".to_owned()),
            Just("Ртуть € ё' ’ ‘ ‚ ‛ “x”".to_owned()),
            Just("表示ソ能'$(calc)".to_owned()),
            Just("a\u{2028}b\u{85}\u{0}\r\nRemove-Item\u{feff}".to_owned()),
            any::<String>(),
        ]
    }

    /// A name with a value in it, escaped as writers do it.
    fn named(value: &str) -> Dn {
        let mut text = String::from("CN=x");
        for c in value.chars() {
            if matches!(
                c,
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#' | '\'' | ' '
            ) {
                text.push('\\');
            }
            text.push(c);
        }
        Dn::parse(&(text + "x,DC=c")).unwrap()
    }

    proptest! {
        #[test]
        fn a_script_is_the_same_in_every_code_page(
            owner in values(),
            shown in values(),
            delegates in prop::collection::vec(values(), 1..4),
            server in "[a-zé'$()]{1,8}",
        ) {
            let names = delegates.iter().map(|value| named(value)).collect();
            let change = change(named(&owner), &shown, names);
            let bytes = script(std::slice::from_ref(&change), &format!("ldaps://{server}"));
            prop_assert!(bytes.iter().all(|byte| matches!(byte, b'\n' | 0x20..=0x7e)));
            for page in [CodePage::OneByte, CodePage::Japanese] {
                let (strings, code) = tokens(&as_read(&bytes, page));
                let names: Vec<Dn> = strings
                    .iter()
                    .filter_map(|text| Dn::parse(text).ok())
                    .collect();
                let mut expected = vec![change.owner.dn.clone()];
                expected.extend(change.delegates.clone());
                prop_assert_eq!(&names, &expected);
                prop_assert_eq!(strings.len(), expected.len() + 1, "and the server");
                let commas = ", ".repeat(delegates.len() - 1);
                let rest = format!(
                    "\n\n[CmdletBinding(SupportsShouldProcess)] param()\n\
                     Import-Module ActiveDirectory -ErrorAction Stop\n\n\n\
                     Set-ADObject -Identity  -Server  -Remove @{{ msExchDelegateListLink = @({commas}) }}\n"
                );
                prop_assert_eq!(code, rest);
            }
        }
    }

    #[test]
    fn the_tokens_of_a_name_in_clear_are_code() {
        let script = "@('CN=Ñ-join$(calc.exe))} #,DC=c')";
        let (_, code) = tokens(&as_read(script.as_bytes(), CodePage::OneByte));
        assert_eq!(code, "@(-join$(calc.exe))} ");
    }

    #[test]
    fn change_records_delete_single_values() {
        let mut out = Vec::new();
        ldif(&[of_obrien()], "x", Timestamp::UNIX_EPOCH, &mut out).unwrap();
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

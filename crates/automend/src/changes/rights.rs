//! What a security descriptor says, in words, and what differs between two.

use automend_core::descriptor::{AccessEntry, Descriptor, FULL_ACCESS};
use automend_core::names::Sid;

/// The lines in which two descriptors differ, with `-` and `+` in front, and how many entries stay.
///
/// `known` is an account and what it is called.
pub(crate) fn differences(
    before: Option<&Descriptor>,
    after: &Descriptor,
    known: Option<(&Sid, &str)>,
) -> Vec<String> {
    let told = |descriptor: &Descriptor| -> Vec<String> {
        let entries = descriptor.entries();
        entries.map(|entry| words(entry, known)).collect()
    };
    let mut gone = before.map(told).unwrap_or_default();
    let mut new = Vec::new();
    let mut kept = 0;
    for line in told(after) {
        if let Some(at) = gone.iter().position(|old| *old == line) {
            gone.remove(at);
            kept += 1;
        } else {
            new.push(line);
        }
    }
    let mut lines: Vec<String> = gone.iter().map(|line| format!("- {line}")).collect();
    lines.extend(new.iter().map(|line| format!("+ {line}")));
    let entries = if kept == 1 {
        "entry stays"
    } else {
        "entries stay"
    };
    lines.push(format!("  {kept} other {entries} as before"));
    lines
}

/// One entry in words.
fn words(entry: AccessEntry<'_>, known: Option<(&Sid, &str)>) -> String {
    let Some(rule) = entry.rule() else {
        return format!("entry of type {} ({:02x?})", entry.kind(), entry.as_bytes());
    };
    let verb = if rule.allows { "allow" } else { "deny" };
    let right = match rule.mask {
        FULL_ACCESS => "full access".to_owned(),
        mask if mask & FULL_ACCESS != 0 => format!("full access and more (mask {mask:#x})"),
        mask => format!("mask {mask:#x}"),
    };
    let who = Sid::from_bytes(rule.sid).map_or_else(String::new, |account| account.to_string());
    let who = match known {
        Some((sid, shown)) if rule.sid == sid.as_bytes() => format!("{shown} ({who})"),
        _ => who,
    };
    let inherited = if entry.is_inherited() {
        ", inherited"
    } else {
        ""
    };
    let special = if rule.is_plain() {
        ""
    } else {
        ", with a condition or for a kind of object"
    };
    format!("{verb} {right}: {who}{inherited}{special}")
}

//! Which mail domains a directory is for, as its objects say it.

use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::names::{SmtpAddress, attribute};

use super::settings::domain;

/// Class of a domain for which Exchange takes mail.
pub(super) const ACCEPTED_DOMAIN: &str = "msExchAcceptedDomain";

/// Its name.
pub(super) const ACCEPTED_DOMAIN_NAME: &str = "msExchAcceptedDomainName";

/// The attributes that [`of_entry`] looks at.
pub(super) const OF_ENTRY: [&str; 3] = [
    attribute::PROXY_ADDRESSES,
    attribute::MAIL,
    attribute::MAILBOX_GUID,
];

/// The mail domain of an address that the directory's own objects have.
pub(super) fn of_entry(entry: &Entry) -> Option<String> {
    let address: SmtpAddress = entry.primary_address()?;
    domain(address.domain()).filter(|_| entry.mailbox_guid.is_some())
}

/// `contoso.com` of `DC=contoso,DC=com`.
pub(super) fn of_naming_context(context: &Dn) -> Option<String> {
    let parts: Option<Vec<&str>> = context
        .as_str()
        .split(',')
        .map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            name.eq_ignore_ascii_case("DC").then_some(value)
        })
        .collect();
    domain(&parts?.join("."))
}

/// A domain as Exchange accepts it: `*.contoso.com` stands for those below, and stays as it is.
pub(super) fn accepted(text: &str) -> Option<String> {
    match text.strip_prefix("*.") {
        Some(above) => Some(format!("*.{}", domain(above)?)),
        None => domain(text),
    }
}

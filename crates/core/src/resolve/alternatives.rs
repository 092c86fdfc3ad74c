//! The mailboxes that an answer offers in addition to the user's own: delegates' owners, the archive, team mailboxes.
//!
//! Invariant: what is no mailbox, here or in the other half of a hybrid, is offered to none.

use super::resolved::{Link, LinkState};
use crate::checks::users;
use crate::dn::Dn;
use crate::entry::Entry;
use crate::names::{Guid, SmtpAddress};
use crate::owner::{self, Owner};
use crate::settings::{AlternativeKind, AlternativeMailbox, Locator, Place};
use crate::view::{Answer, Asking, Need, View};

pub(super) fn delegate<V: View>(view: &Asking<'_, V>, link: &Link) -> Option<AlternativeMailbox> {
    match link.state {
        LinkState::Live | LinkState::Remote | LinkState::FailsItself(_) => {}
        LinkState::Stale(_) | LinkState::Unreadable(_) => return None,
    }
    offer(view, AlternativeKind::Delegate, &link.owner.dn)
}

pub(super) fn team_mailbox<V: View>(view: &Asking<'_, V>, dn: &Dn) -> Option<AlternativeMailbox> {
    offer(view, AlternativeKind::TeamMailbox, dn)
}

fn offer<V: View>(
    view: &Asking<'_, V>,
    kind: AlternativeKind,
    dn: &Dn,
) -> Option<AlternativeMailbox> {
    let Some(Answer::Found(found)) = view.ask(Need::Entry(dn.clone())) else {
        return None;
    };
    let entry = found
        .first()
        .filter(|entry| matches!(Owner::of(entry), Owner::Mailbox | Owner::Remote))?;
    let primary = entry.primary_address();
    let elsewhere = Owner::of(entry) == Owner::Remote;
    let locator = match entry.target().filter(|_| elsewhere).or(primary.clone()) {
        Some(address) => Locator::Address(address.to_string()),
        None => Locator::Place(place(entry)?),
    };
    let by_address = matches!(locator, Locator::Address(_));
    Some(AlternativeMailbox {
        kind,
        display_name: entry.shown(),
        owner_address: primary.filter(|_| by_address),
        // A server of the other half of a hybrid is not known here.
        place: Some(entry)
            .filter(|_| by_address && !elsewhere)
            .and_then(place),
        locator,
    })
}

/// What Exchange 2010 told of a mailbox.
fn place(entry: &Entry) -> Option<Place> {
    Some(Place {
        legacy_dn: entry.legacy_dn.clone()?,
        server: owner::server_name(entry.home_server.as_deref()?).to_owned(),
    })
}

pub(super) fn archive_name(user: &Entry) -> String {
    user.archive.name.clone().unwrap_or_else(|| user.shown())
}

/// The archive's own address, [`SmtpAddress::of_mailbox`], in the domain that hosts it; `None` for one in
/// the cloud whose domain is not known.
pub(super) fn archive_address(user: &Entry, guid: Guid, address: &SmtpAddress) -> Option<String> {
    let hosted = user.archive.address.as_deref().map(|text| {
        let text = text.trim();
        text.rsplit_once('@').map_or(text, |(_, domain)| domain)
    });
    match hosted {
        Some(domain) => Some(SmtpAddress::of_mailbox(guid, &domain.to_lowercase())),
        None if users::archive_is_elsewhere(user) => None,
        None => Some(SmtpAddress::of_mailbox(guid, address.domain())),
    }
}

/// The archive is asked for by its own address.
pub(super) fn archive(user: &Entry, address: &SmtpAddress) -> Option<AlternativeMailbox> {
    let guid = user.archive.guid?;
    Some(AlternativeMailbox {
        kind: AlternativeKind::Archive,
        display_name: archive_name(user),
        locator: Locator::Address(archive_address(user, guid, address)?),
        owner_address: Some(address.clone()),
        place: None,
    })
}

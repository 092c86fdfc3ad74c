//! The centre of automend: a user and a directory in, what Autodiscover answers out.
//!
//! Audit, show, fix and every later face ask this one function and so never disagree about what is stale.
//! Exchange's behaviour under [`Policy::Faithful`]: every value of the user's `msExchDelegateListBL` is
//! followed to its owner, and one that is no mailbox turns the whole answer into error 603.
//!
//! Invariant: the only input is a [`View`]. Nothing here does I/O, reads the clock, or logs; every back
//! link yields exactly one [`Link`]; one unreadable owner never hides the others.

mod alternatives;
mod no_user;
mod resolved;

use std::collections::HashSet;

use alternatives::{archive, archive_address, archive_name, delegate, team_mailbox};
use no_user::{about, ambiguous, nobody, unreadable};

pub use resolved::{Link, LinkState, Request, Resolved, Who};

use crate::checks::links;
use crate::checks::users;
use crate::claim;
use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::fault::{Cause, Fault, FaultCode};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::{Guid, SmtpAddress, attribute};
use crate::owner::{self, Owner, Stale};
use crate::policy::Policy;
use crate::settings::{Outcome, Settings};
use crate::view::{Answer, Asking, Need, View};

/// More owners than this are not followed for AM-5 in one request.
const MOST_FOLLOWED: usize = 1000;

/// Decides what Autodiscover answers.
///
/// # Errors
///
/// The questions that `view` has no answer to yet; call again when it has.
pub fn resolve(view: &impl View, request: &Request) -> Result<Resolved, Vec<Need>> {
    let asking = Asking::new(view);
    let resolved = decide(&asking, request);
    let open = asking.into_open();
    if open.is_empty() {
        Ok(resolved)
    } else {
        Err(open)
    }
}

fn decide<V: View>(view: &Asking<'_, V>, request: &Request) -> Resolved {
    let shown = request.who.to_string();
    let found = match view.ask(request.who.need()) {
        Some(Answer::Found(found)) => found.as_slice(),
        // This does not mean that no object exists: the directory did not say.
        Some(Answer::Unreadable(why)) => return unreadable(&request.who, &shown, why),
        None => &[],
    };
    let user = match meant(found, &request.who).as_slice() {
        // Exchange looks at no deleted objects.
        [user] if user.dn.is_deleted_object() => return nobody(&shown),
        [user] if !is_at_home(user, &request.who) => return nobody(&shown),
        [user] => *user,
        [] => return nobody(&shown),
        several => return ambiguous(&request.who, &shown, several),
    };
    let mut findings = users::alone(user);
    findings.extend(users::among_others(user, view));
    let links: Vec<Link> = user
        .back_links
        .iter()
        .map(|owner| follow(view, request, user, owner))
        .collect();
    let archive_dangles = findings
        .iter()
        .any(|finding| finding.code == Code::ArchiveDangling);
    let outcome = outcome(view, request, user, &links, archive_dangles);
    if let Outcome::Fault(fault) = &outcome {
        findings.extend(own_fault(user, &fault.cause));
    }
    findings.extend(each_owner(&links).flat_map(|link| link_findings(view, user, link)));
    if user.class == Class::Group {
        findings
            .extend(each_owner(&links).map(|link| links::of_group(link.owner.clone(), &user.dn)));
    }
    findings.extend(links::of_busy_delegate(
        Subject::of(user),
        user.back_links.len() as u64,
    ));
    Resolved {
        user: Some(user.clone()),
        outcome,
        links,
        findings,
    }
}

/// Those of the objects that were found whom the question means.
pub fn meant<'a>(found: &'a [Entry], who: &Who) -> Vec<&'a Entry> {
    match who {
        Who::Address(address) if address.mailbox().is_none() => claim::holders(found, address),
        Who::LegacyDn(name) => claim::named(found, name),
        Who::Address(_) | Who::Dn(_) => found.iter().collect(),
    }
}

/// Whether an address that is made of a mailbox's GUID is of a domain in which the user has another.
fn is_at_home(user: &Entry, who: &Who) -> bool {
    match who {
        Who::Address(address) if address.mailbox().is_some() => user
            .addresses()
            .any(|known| known.domain() == address.domain()),
        _ => true,
    }
}

/// The links, but only the first of each owner: a file may name one twice, in two spellings.
fn each_owner(links: &[Link]) -> impl Iterator<Item = &Link> {
    let mut seen = HashSet::new();
    links.iter().filter(move |link| seen.insert(&link.owner.dn))
}

/// The finding for a fault that no check has told of.
fn own_fault(user: &Entry, cause: &Cause) -> Option<Finding> {
    let lacking = |missing| Evidence {
        missing,
        ..Evidence::default()
    };
    let (code, evidence) = match cause {
        // A group has no mailbox to lack; its links are reported instead.
        Cause::NoMailbox(_) if user.class != Class::Group => {
            let mut missing = Vec::new();
            if user.mailbox_guid.is_none() {
                missing.push(attribute::MAILBOX_GUID);
            }
            let evidence = match &user.target_address {
                None => {
                    missing.push(attribute::TARGET_ADDRESS);
                    lacking(missing)
                }
                Some(text) => lacking(missing).and(attribute::TARGET_ADDRESS, text),
            };
            (Code::MailUserWithoutTarget, evidence)
        }
        // Only the address of an archive in the cloud is a user's and yet unknown here.
        Cause::UnknownAddress => {
            let domain = user.archive.address.as_deref().unwrap_or("the cloud");
            (
                Code::UnknownAddress,
                Evidence::fact(attribute::ARCHIVE_ADDRESS, domain),
            )
        }
        Cause::NoAddress(_) => {
            let missing = vec![attribute::PROXY_ADDRESSES, attribute::MAIL];
            (Code::UnknownAddress, lacking(missing))
        }
        Cause::Unreadable { why, .. } => (Code::OwnerUnreadable, Evidence::fact("unreadable", why)),
        _ => return None,
    };
    Some(about(user, code, evidence))
}

/// Follows one back link to its owner.
fn follow<V: View>(view: &Asking<'_, V>, request: &Request, user: &Entry, owner: &Dn) -> Link {
    let no_mailbox = |why| Link {
        owner: Subject::named(owner),
        state: LinkState::Stale(why),
    };
    if owner.is_deleted_object() {
        return no_mailbox(Stale::Deleted);
    }
    let entry = match view.ask(Need::Entry(owner.clone())) {
        Some(Answer::Found(found)) => found.first(),
        Some(Answer::Unreadable(why)) => {
            return Link {
                owner: Subject::named(owner),
                state: LinkState::Unreadable(why.clone()),
            };
        }
        // Not fetched yet: what is decided here is thrown away.
        None => return no_mailbox(Stale::Gone),
    };
    let Some(entry) = entry else {
        return no_mailbox(Stale::Gone);
    };
    let state = match Owner::of(entry) {
        Owner::Stale(why) => LinkState::Stale(why),
        Owner::Undecided(attributes) => {
            LinkState::Unreadable(format!("{} may not be read", attributes.join(", ")))
        }
        Owner::Remote => LinkState::Remote,
        // Whether the user fails is the question itself.
        Owner::Mailbox if entry.dn == user.dn => LinkState::Live,
        Owner::Mailbox => match own_failure(view, user, entry, request.follow) {
            Some(chain) => LinkState::FailsItself(chain),
            None => LinkState::Live,
        },
    };
    Link {
        owner: Subject::of(entry),
        state,
    }
}

/// AM-5: whether an owner's own answer fails, and the way from it to the owner that breaks it.
///
/// Breadth first, so the shortest way is found; an object is looked at once, so a circle ends.
fn own_failure<V: View>(
    view: &Asking<'_, V>,
    user: &Entry,
    owner: &Entry,
    depth: u8,
) -> Option<Vec<Dn>> {
    let mut seen = HashSet::from([user.dn.clone(), owner.dn.clone()]);
    let mut level: Vec<(Vec<Dn>, &Entry)> = vec![(Vec::new(), owner)];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (way, entry) in level {
            for above in &entry.back_links {
                if seen.len() >= MOST_FOLLOWED || !seen.insert(above.clone()) {
                    continue;
                }
                let way: Vec<Dn> = way.iter().chain([above]).cloned().collect();
                if above.is_deleted_object() {
                    return Some(way);
                }
                match view.ask(Need::Entry(above.clone())) {
                    Some(Answer::Found(found)) => match found.first() {
                        Some(entry) if !matches!(Owner::of(entry), Owner::Stale(_)) => {
                            next.push((way, entry));
                        }
                        _ => return Some(way),
                    },
                    Some(Answer::Unreadable(_)) | None => {}
                }
            }
        }
        level = next;
    }
    None
}

fn fault(code: FaultCode, cause: Cause) -> Outcome {
    Outcome::Fault(Fault { code, cause })
}

fn outcome<V: View>(
    view: &Asking<'_, V>,
    request: &Request,
    user: &Entry,
    links: &[Link],
    archive_dangles: bool,
) -> Outcome {
    let (Some(legacy_dn), Some(mailbox_guid), Owner::Mailbox) =
        (&user.legacy_dn, user.mailbox_guid, Owner::of(user))
    else {
        return without_mailbox(user);
    };
    if request.policy == Policy::Faithful {
        let stale = links.iter().find_map(|link| match link.state {
            LinkState::Stale(why) => Some(Cause::StaleLink {
                owner: link.owner.dn.clone(),
                why,
            }),
            _ => None,
        });
        if let Some(cause) = stale {
            return fault(FaultCode::UserNotFound, cause);
        }
    }
    let asked = match &request.who {
        Who::Address(address) => Some(address),
        Who::Dn(_) | Who::LegacyDn(_) => None,
    };
    let Some(address) = user
        .primary_address()
        .or_else(|| asked.cloned())
        .or_else(|| user.addresses().next())
    else {
        return fault(FaultCode::UnknownAddress, Cause::NoAddress(user.dn.clone()));
    };
    if let (Some(asked), Some(guid)) = (asked, user.archive.guid)
        && asked.mailbox() == Some(guid)
    {
        return of_archive(user, legacy_dn, guid, asked, address);
    }
    let mut alternatives: Vec<_> = each_owner(links)
        .filter_map(|link| delegate(view, link))
        .collect();
    // Before Exchange 2010 SP1 an archive had no database of its own but lived beside its mailbox.
    let beside = user.archive.database.is_none() && user.home_mdb.is_some();
    if !archive_dangles || beside {
        alternatives.extend(archive(user, &address));
    }
    alternatives.extend(
        user.team_mailboxes
            .iter()
            .filter_map(|team| team_mailbox(view, team)),
    );
    Outcome::Settings(Box::new(Settings {
        display_name: user.shown(),
        legacy_dn: legacy_dn.clone(),
        address,
        mailbox_guid,
        alternatives,
    }))
}

/// The answer about a user who is no mailbox here, or of whom that is not known.
fn without_mailbox(user: &Entry) -> Outcome {
    let half = user.mailbox_guid.is_some() || user.home_mdb.is_some();
    match (Owner::of(user), user.target()) {
        (Owner::Undecided(attributes), _) => {
            let cause = Cause::Unreadable {
                user: user.dn.to_string(),
                why: format!("{} may not be read", attributes.join(", ")),
            };
            fault(FaultCode::UserNotFound, cause)
        }
        (Owner::Stale(_), target) if half && (target.is_none() || !owner::is_mail_user(user)) => {
            let cause = Cause::HalfMailbox {
                user: user.dn.clone(),
                missing: owner::surely_missing(user),
            };
            fault(FaultCode::UserNotFound, cause)
        }
        (_, Some(target)) => Outcome::Redirect(target),
        (_, None) => fault(FaultCode::UnknownAddress, Cause::NoMailbox(user.dn.clone())),
    }
}

/// The answer to one who asks for the archive by the archive's own address.
fn of_archive(
    user: &Entry,
    legacy_dn: &str,
    guid: Guid,
    asked: &SmtpAddress,
    address: SmtpAddress,
) -> Outcome {
    // One in the cloud is answered there.
    if users::archive_is_elsewhere(user) {
        let there = archive_address(user, guid, &address)
            .and_then(|there| SmtpAddress::parse(&there).ok())
            .filter(|there| there != asked);
        return there.map_or_else(
            || fault(FaultCode::UnknownAddress, Cause::UnknownAddress),
            Outcome::Redirect,
        );
    }
    // An archive opens nothing else.
    Outcome::Settings(Box::new(Settings {
        display_name: archive_name(user),
        legacy_dn: legacy_dn.to_owned(),
        address,
        mailbox_guid: guid,
        alternatives: Vec::new(),
    }))
}

fn link_findings<V: View>(view: &Asking<'_, V>, user: &Entry, link: &Link) -> Vec<Finding> {
    let entry = match view.ask(Need::Entry(link.owner.dn.clone())) {
        _ if link.owner.dn.is_deleted_object() => None,
        Some(Answer::Found(found)) => found.first(),
        _ => None,
    };
    let told = match &link.state {
        LinkState::Stale(why) => {
            let evidence = entry.map_or_else(Evidence::default, |entry| {
                links::stale_evidence(entry, *why)
            });
            vec![(Code::of_stale(*why), evidence)]
        }
        LinkState::FailsItself(chain) => {
            let way: Vec<&str> = chain.iter().map(Dn::as_str).collect();
            let evidence = Evidence::fact("because", way.join(" <- "));
            vec![(Code::OwnerFailsItself, evidence)]
        }
        LinkState::Unreadable(why) => {
            vec![(Code::OwnerUnreadable, Evidence::fact("unreadable", why))]
        }
        LinkState::Remote => entry.map_or_else(Vec::new, |entry| links::remote(entry, view)),
        LinkState::Live => {
            // A database that is gone does not make a link stale, and a mailbox may open itself.
            let dangling = entry.and_then(|entry| links::dangling(entry, view));
            match dangling {
                Some(evidence) => vec![(Code::OwnerDatabaseGone, evidence)],
                None if link.owner.dn == user.dn => vec![(Code::SelfLink, Evidence::default())],
                None => Vec::new(),
            }
        }
    };
    let finding = |(code, evidence)| Finding {
        code,
        subject: link.owner.clone(),
        delegates: vec![user.dn.clone()],
        evidence,
    };
    told.into_iter().map(finding).collect()
}

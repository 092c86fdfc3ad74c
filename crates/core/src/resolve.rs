//! The centre of automend: a user and a directory in, what Autodiscover answers out.
//!
//! Audit, show, fix and every later face ask this one function and so never disagree about what is stale.
//! Exchange's behaviour under [`Policy::Faithful`]: every value of the user's `msExchDelegateListBL` is
//! followed to its owner, and one that is no mailbox turns the whole answer into error 603.
//!
//! Invariant: the only input is a [`View`]. Nothing here does I/O, reads the clock, or logs; every back
//! link yields exactly one [`Link`]; one unreadable owner never hides the others.

use std::collections::HashSet;
use std::fmt;

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
use crate::settings::{AlternativeKind, AlternativeMailbox, Locator, Outcome, Place, Settings};
use crate::view::{Answer, Asking, Need, View};

/// Whose answer is wanted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Who {
    /// The user with this address, as Outlook asks.
    Address(SmtpAddress),
    /// The object of this name.
    Dn(Dn),
    /// The user with this `legacyExchangeDN`.
    LegacyDn(String),
}

impl Who {
    /// The question that finds the object.
    pub fn need(&self) -> Need {
        match self {
            Self::Address(address) => match address.mailbox() {
                Some(guid) => Need::Mailbox(guid),
                None => Need::Address(address.clone()),
            },
            Self::Dn(dn) => Need::Entry(dn.clone()),
            Self::LegacyDn(legacy) => Need::LegacyDn(legacy.clone()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(address.as_str()),
            Self::Dn(dn) => f.write_str(dn.as_str()),
            Self::LegacyDn(legacy) => f.write_str(legacy),
        }
    }
}

/// A question to the resolver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Whose answer.
    pub who: Who,
    /// How a stale link is treated.
    pub policy: Policy,
    /// How many steps owners are followed to *their* owners (AM-5); 0 asks about the user alone.
    pub follow: u8,
}

/// What Autodiscover answers, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// The user, if there is exactly one.
    pub user: Option<Entry>,
    /// The answer.
    pub outcome: Outcome,
    /// Every back link of the user, in directory order.
    pub links: Vec<Link>,
    /// Everything wrong with the user and the user's links.
    pub findings: Vec<Finding>,
}

/// One value of a delegate's `msExchDelegateListBL`, followed to its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The owner.
    pub owner: Subject,
    /// What became of it.
    pub state: LinkState,
}

/// What a link is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkState {
    /// The owner is a mailbox here; Outlook opens it.
    Live,
    /// The owner is a mailbox in the other half of a hybrid.
    Remote,
    /// The owner is no mailbox; only a write to the owner's forward link removes this value.
    Stale(Stale),
    /// The owner is a mailbox, but its own answer is an error: the names lead to what breaks it.
    FailsItself(Vec<Dn>),
    /// The directory would not tell.
    Unreadable(String),
}

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
        // Not that there is nobody: the directory would not tell.
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
        // A group has no mailbox to lack; its links are told of instead.
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

fn about(user: &Entry, code: Code, evidence: Evidence) -> Finding {
    Finding {
        code,
        subject: Subject::of(user),
        delegates: Vec::new(),
        evidence,
    }
}

fn nobody(shown: &str) -> Resolved {
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UnknownAddress,
            cause: Cause::UnknownAddress,
        }),
        links: Vec::new(),
        findings: vec![Finding {
            code: Code::UnknownAddress,
            subject: Subject {
                shown: shown.to_owned(),
                ..Subject::named(&Dn::root())
            },
            delegates: Vec::new(),
            evidence: Evidence::fact("asked", shown),
        }],
    }
}

fn unreadable(who: &Who, shown: &str, why: &str) -> Resolved {
    let dn = match who {
        Who::Dn(dn) => dn.clone(),
        Who::Address(_) | Who::LegacyDn(_) => Dn::root(),
    };
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UserNotFound,
            cause: Cause::Unreadable {
                user: shown.to_owned(),
                why: why.to_owned(),
            },
        }),
        links: Vec::new(),
        findings: vec![Finding {
            code: Code::OwnerUnreadable,
            subject: Subject {
                shown: shown.to_owned(),
                ..Subject::named(&dn)
            },
            delegates: Vec::new(),
            evidence: Evidence::fact("unreadable", why),
        }],
    }
}

fn ambiguous(who: &Who, shown: &str, several: &[&Entry]) -> Resolved {
    let (code, fact) = match who {
        Who::LegacyDn(_) => (Code::LegacyDnTrouble, attribute::LEGACY_EXCHANGE_DN),
        Who::Address(_) | Who::Dn(_) => (Code::DuplicateAddress, "address"),
    };
    let names: Vec<Dn> = several.iter().map(|entry| entry.dn.clone()).collect();
    let findings = several
        .iter()
        .map(|entry| {
            let others: Vec<&str> = names
                .iter()
                .filter(|dn| **dn != entry.dn)
                .map(Dn::as_str)
                .collect();
            about(
                entry,
                code,
                Evidence::fact(fact, shown).and("also", others.join(" | ")),
            )
        })
        .collect();
    let cause = match who {
        Who::LegacyDn(_) => Cause::DuplicateLegacyDn(names),
        Who::Address(_) | Who::Dn(_) => Cause::DuplicateAddress(names),
    };
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UnknownAddress,
            cause,
        }),
        links: Vec::new(),
        findings,
    }
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

fn outcome<V: View>(
    view: &Asking<'_, V>,
    request: &Request,
    user: &Entry,
    links: &[Link],
    archive_dangles: bool,
) -> Outcome {
    let fault = |code, cause| Outcome::Fault(Fault { code, cause });
    let owns = Owner::of(user);
    let (Some(legacy_dn), Some(mailbox_guid), Owner::Mailbox) =
        (&user.legacy_dn, user.mailbox_guid, &owns)
    else {
        let half = user.mailbox_guid.is_some() || user.home_mdb.is_some();
        return match (owns, user.target()) {
            (Owner::Undecided(attributes), _) => {
                let cause = Cause::Unreadable {
                    user: user.dn.to_string(),
                    why: format!("{} may not be read", attributes.join(", ")),
                };
                fault(FaultCode::UserNotFound, cause)
            }
            (Owner::Stale(_), target)
                if half && (target.is_none() || !owner::is_mail_user(user)) =>
            {
                let cause = Cause::HalfMailbox {
                    user: user.dn.clone(),
                    missing: owner::surely_missing(user),
                };
                fault(FaultCode::UserNotFound, cause)
            }
            (_, Some(target)) => Outcome::Redirect(target),
            (_, None) => fault(FaultCode::UnknownAddress, Cause::NoMailbox(user.dn.clone())),
        };
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
        Who::Address(address) => Some(address.clone()),
        Who::Dn(_) | Who::LegacyDn(_) => None,
    };
    let Some(address) = user
        .primary_address()
        .or(asked)
        .or_else(|| user.addresses().next())
    else {
        return fault(FaultCode::UnknownAddress, Cause::NoAddress(user.dn.clone()));
    };
    if let (Who::Address(asked), Some(guid)) = (&request.who, user.archive.guid)
        && asked.mailbox() == Some(guid)
    {
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
        return Outcome::Settings(Box::new(Settings {
            display_name: archive_name(user),
            legacy_dn: legacy_dn.clone(),
            address,
            mailbox_guid: guid,
            alternatives: Vec::new(),
        }));
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

fn delegate<V: View>(view: &Asking<'_, V>, link: &Link) -> Option<AlternativeMailbox> {
    match link.state {
        LinkState::Live | LinkState::Remote | LinkState::FailsItself(_) => {}
        LinkState::Stale(_) | LinkState::Unreadable(_) => return None,
    }
    offer(view, AlternativeKind::Delegate, &link.owner.dn)
}

fn team_mailbox<V: View>(view: &Asking<'_, V>, dn: &Dn) -> Option<AlternativeMailbox> {
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
        // A server of the other half of a hybrid is nobody's here.
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

fn archive_name(user: &Entry) -> String {
    user.archive.name.clone().unwrap_or_else(|| user.shown())
}

/// The archive's own address, [`SmtpAddress::of_mailbox`], in the domain that hosts it; `None` for one in
/// the cloud whose domain is not known.
fn archive_address(user: &Entry, guid: Guid, address: &SmtpAddress) -> Option<String> {
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
fn archive(user: &Entry, address: &SmtpAddress) -> Option<AlternativeMailbox> {
    let guid = user.archive.guid?;
    Some(AlternativeMailbox {
        kind: AlternativeKind::Archive,
        display_name: archive_name(user),
        locator: Locator::Address(archive_address(user, guid, address)?),
        owner_address: Some(address.clone()),
        place: None,
    })
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

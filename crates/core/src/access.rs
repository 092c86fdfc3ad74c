//! Who can open a mailbox, and why: the entries about full access in its permissions, held against what a user
//! is, and beside the AutoMapping link.
//!
//! Entries count in their order in the list, and the first that is about the user decides, as in Windows
//! ([MS-DTYP] 2.5.3.2). Windows writes them as explicit deny, explicit allow, inherited deny, inherited allow;
//! a list in another order is not put right here, because Windows does not put it right either.
//!
//! Invariant: what is not known, a condition or a membership, never makes an access sure, nor its lack.

use std::collections::HashSet;

use crate::checks::links::never_asks;
use crate::descriptor::Descriptor;
use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::names::Sid;
use crate::owner::Owner;

/// An entry about full access to the mailbox itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The account or group.
    pub sid: Sid,
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// Whether it came from above.
    pub inherited: bool,
    /// Whether it holds without a condition and for the whole object.
    pub plain: bool,
}

/// The entries about full access, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    unrestricted: bool,
}

/// What the entries come to for one user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It can open the mailbox.
    Allowed,
    /// An entry denies it before another allows it.
    Denied,
    /// No entry is about it, so it cannot.
    Nothing,
    /// It depends on a condition, or on a group of which the members are not known.
    Unclear,
}

/// Names of identifiers that mean no account of a directory ([MS-DTYP] 2.4.2.4), and what falls below them.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("S-1-0-0", "NULL SID"),
    ("S-1-1-0", "Everyone"),
    ("S-1-2-0", "LOCAL"),
    ("S-1-3-0", "CREATOR OWNER"),
    ("S-1-3-1", "CREATOR GROUP"),
    ("S-1-3-4", "OWNER RIGHTS"),
    ("S-1-5-2", r"NT AUTHORITY\NETWORK"),
    ("S-1-5-4", r"NT AUTHORITY\INTERACTIVE"),
    ("S-1-5-6", r"NT AUTHORITY\SERVICE"),
    ("S-1-5-7", r"NT AUTHORITY\ANONYMOUS LOGON"),
    ("S-1-5-9", r"NT AUTHORITY\ENTERPRISE DOMAIN CONTROLLERS"),
    ("S-1-5-10", r"NT AUTHORITY\SELF"),
    ("S-1-5-11", r"NT AUTHORITY\Authenticated Users"),
    ("S-1-5-15", r"NT AUTHORITY\This Organization"),
    ("S-1-5-18", r"NT AUTHORITY\SYSTEM"),
    ("S-1-5-19", r"NT AUTHORITY\LOCAL SERVICE"),
    ("S-1-5-20", r"NT AUTHORITY\NETWORK SERVICE"),
];

/// Those among them that every user has who logs in.
const EVERY_USER: [&str; 4] = ["S-1-1-0", "S-1-5-2", "S-1-5-11", "S-1-5-15"];

/// What an identifier is called that means no account of the directory, so that an entry with it is no delegation.
///
/// `BUILTIN` groups are those of the mail server and not those of the directory that have the same identifiers.
pub fn well_known(sid: &Sid) -> Option<&'static str> {
    if sid.is_of_a_domain() {
        return None;
    }
    let text = sid.to_string();
    let named = WELL_KNOWN.iter().find(|(known, _)| *known == text);
    named
        .map(|(_, name)| *name)
        .or_else(|| text.starts_with("S-1-5-32-").then_some("BUILTIN"))
}

/// Whether every user who logs in comes under it.
pub(crate) fn is_every_user(sid: &Sid) -> bool {
    EVERY_USER.contains(&sid.to_string().as_str())
}

impl Rules {
    /// Takes them out of the permissions of a mailbox.
    pub fn of(descriptor: &Descriptor) -> Self {
        let rules = descriptor.full_access().filter_map(|(rule, inherited)| {
            Some(Rule {
                sid: Sid::from_bytes(rule.sid)?,
                allows: rule.allows,
                inherited,
                plain: rule.is_plain(),
            })
        });
        Self {
            rules: rules.collect(),
            unrestricted: !descriptor.is_restricted(),
        }
    }

    /// Reads the permissions of a mailbox; `None` where there are none to read.
    ///
    /// # Errors
    ///
    /// Why they cannot be read.
    pub fn of_owner(owner: &Entry) -> Result<Option<Self>, String> {
        let bytes = owner.mailbox_descriptor.as_deref();
        let read = bytes.map(Descriptor::parse).transpose();
        read.map(|read| read.as_ref().map(Self::of))
            .map_err(|why| why.to_string())
    }

    /// Whether there is no list at all, so that every account has access.
    pub fn are_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What they come to for a user of whom `holds` tells whether it is an account, or in a group.
    pub fn decide(&self, holds: impl Fn(&Sid) -> Option<bool>) -> Verdict {
        if self.unrestricted {
            return Verdict::Allowed;
        }
        let (mut may_allow, mut may_deny) = (false, false);
        for rule in &self.rules {
            match holds(&rule.sid) {
                Some(false) => {}
                Some(true) if rule.plain => {
                    return match rule.allows {
                        true if may_deny => Verdict::Unclear,
                        true => Verdict::Allowed,
                        false if may_allow => Verdict::Unclear,
                        false => Verdict::Denied,
                    };
                }
                _ if rule.allows => may_allow = true,
                _ => may_deny = true,
            }
        }
        if may_allow {
            Verdict::Unclear
        } else {
            Verdict::Nothing
        }
    }

    /// Accounts and groups that an entry names and that may be delegates, each once: not the owner itself, and
    /// none that means no account of the directory.
    pub fn named<'a>(&'a self, owner: &Entry) -> Vec<&'a Sid> {
        let mut seen = HashSet::new();
        let sids = self.rules.iter().map(|rule| &rule.sid);
        sids.filter(|sid| !is_own(owner, sid) && well_known(sid).is_none() && seen.insert(*sid))
            .collect()
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            unrestricted: false,
        }
    }
}

/// Whether an identifier is that of the owner's own account.
fn is_own(owner: &Entry, sid: &Sid) -> bool {
    owner.sid.as_ref() == Some(sid) || owner.master_account.as_ref() == Some(sid)
}

/// What a user is to the permissions of mailboxes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    kind: Kind,
    /// Its own identifiers: of its account here, and of the account of another forest that its mailbox belongs to.
    own: Vec<Sid>,
    /// The groups that it is in, directly or through others.
    groups: HashSet<Sid>,
    /// Whether these are all.
    whole: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// A user whose Outlook asks Autodiscover.
    User,
    /// A user whose Outlook never does, and why.
    Silent(&'static str),
    Group,
    /// An identifier without an object.
    Nobody,
}

/// How a user comes under an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Through {
    /// By its own identifier.
    Own,
    /// As a member of a group.
    Group,
    /// As everyone who logs in.
    Everyone,
}

impl Token {
    /// Of an object that is in these groups, which are all its groups unless `whole` is false.
    pub fn new(of: &Entry, groups: impl IntoIterator<Item = Sid>, whole: bool) -> Self {
        let own = of.sid.iter().chain(&of.master_account);
        let kind = match (of.class, never_asks(of)) {
            (Class::Group, _) => Kind::Group,
            (_, Some(why)) => Kind::Silent(why),
            _ => Kind::User,
        };
        Self {
            kind,
            // A shared mailbox has itself for an account.
            own: own
                .filter(|sid| well_known(sid).is_none())
                .cloned()
                .collect(),
            groups: groups.into_iter().collect(),
            whole,
        }
    }

    /// Of an identifier that no object has.
    pub fn of_nobody(sid: Sid) -> Self {
        Self {
            kind: Kind::Nobody,
            own: vec![sid],
            groups: HashSet::new(),
            whole: true,
        }
    }

    /// How an entry with this identifier on the mailbox of another is about this user; `Err` where that is open.
    pub fn through(&self, sid: &Sid) -> Result<Option<Through>, Unknown> {
        if self.own.contains(sid) {
            return Ok(Some(Through::Own));
        }
        if self.groups.contains(sid) {
            return Ok(Some(Through::Group));
        }
        if well_known(sid).is_some() {
            // What holds for everyone holds for every member of a group.
            let logs_in = self.kind != Kind::Nobody;
            return Ok((logs_in && is_every_user(sid)).then_some(Through::Everyone));
        }
        if self.whole { Ok(None) } else { Err(Unknown) }
    }

    fn holds(&self, sid: &Sid) -> Option<bool> {
        self.through(sid).map(|through| through.is_some()).ok()
    }
}

/// That the members of a group are not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unknown;

/// What there is between a mailbox and a user.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// It can open the mailbox, and Outlook does so by itself.
    Mapped,
    /// It can open the mailbox by an entry of its own, and there is no link.
    Missing,
    /// There is a link, and it cannot open the mailbox.
    Ghost,
    /// It can open the mailbox, and AutoMapping never maps it: it is a group, a member of one, or an account whose
    /// Outlook does not ask.
    Never,
    /// It can open the mailbox by an inherited entry, or as everyone can; that is no delegation.
    Inherited,
    /// An entry denies it.
    Denied,
    /// There is a link, and the owner is no mailbox.
    Stale,
    /// An entry allows it to an identifier that no object has.
    Orphan,
    /// It cannot be told.
    Unclear,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Mapped,
        Self::Missing,
        Self::Ghost,
        Self::Never,
        Self::Inherited,
        Self::Denied,
        Self::Stale,
        Self::Orphan,
        Self::Unclear,
    ];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Missing => "missing",
            Self::Ghost => "ghost",
            Self::Never => "never",
            Self::Inherited => "inherited",
            Self::Denied => "denied",
            Self::Stale => "stale",
            Self::Orphan => "orphan",
            Self::Unclear => "unclear",
        }
    }
}

/// An entry that is about a user.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reason {
    /// How it is about the user.
    pub through: Through,
    /// Whose identifier the entry has.
    pub sid: Sid,
    /// Whether it allows.
    pub allows: bool,
    /// Whether it came from above.
    pub inherited: bool,
    /// Whether it has a condition, or is for a kind of object.
    pub special: bool,
}

/// What there is between a mailbox and a user, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relation {
    /// What there is.
    pub state: State,
    /// Whether there is a link.
    pub linked: bool,
    /// Whether the user can open the mailbox; `None` where that cannot be told.
    pub opens: Option<bool>,
    /// The entries that are about the user, the first of which decides.
    pub reasons: Vec<Reason>,
    /// What else there is to say.
    pub note: Option<&'static str>,
}

/// Judges a mailbox and another user; `None` where there is nothing between them.
///
/// `rules` are `None` where the permissions of the mailbox are not known.
pub fn relation(
    owner: &Entry,
    rules: Option<&Rules>,
    token: &Token,
    linked: bool,
) -> Option<Relation> {
    let about = |rule: &Rule| {
        Some(Reason {
            through: token.through(&rule.sid).ok().flatten()?,
            sid: rule.sid.clone(),
            allows: rule.allows,
            inherited: rule.inherited,
            special: !rule.plain,
        })
    };
    let rules_about = rules.into_iter().flat_map(Rules::iter);
    let reasons: Vec<Reason> = rules_about.filter_map(about).collect();
    let (state, opens, note) = match (Owner::of(owner), rules) {
        (Owner::Stale(_), _) if linked => (State::Stale, None, Some("the owner is no mailbox")),
        (Owner::Remote, _) if linked => (
            State::Unclear,
            None,
            Some("the mailbox is in another system"),
        ),
        // Nothing is opened that is not here.
        (Owner::Stale(_) | Owner::Remote, _) => return None,
        (_, None) if linked => {
            let note = "the permissions of the mailbox are not known";
            (State::Unclear, None, Some(note))
        }
        (_, None) => return None,
        (_, Some(rules)) => match rules.decide(|sid| token.holds(sid)) {
            Verdict::Allowed => {
                let (state, note) = allowed(rules, &reasons, token.kind, linked)?;
                (state, (token.kind != Kind::Nobody).then_some(true), note)
            }
            Verdict::Denied | Verdict::Nothing if linked => (State::Ghost, Some(false), None),
            // Exchange denies administrators every mailbox from above; that says nothing of this one.
            Verdict::Denied if reasons.iter().all(|one| one.inherited && !one.allows) => {
                return None;
            }
            Verdict::Denied => (State::Denied, Some(false), None),
            Verdict::Nothing => return None,
            // That the members of some group are not known says nothing of this user.
            Verdict::Unclear if !linked && reasons.is_empty() => return None,
            Verdict::Unclear => {
                let note = "it depends on a condition, or on members that are not known";
                (State::Unclear, None, Some(note))
            }
        },
    };
    Some(Relation {
        state,
        linked,
        opens,
        reasons,
        note,
    })
}

/// What there is between a mailbox and a user who can open it, and what else there is to say.
fn allowed(
    rules: &Rules,
    reasons: &[Reason],
    kind: Kind,
    linked: bool,
) -> Option<(State, Option<&'static str>)> {
    const GROUPS: &str = "AutoMapping does not look into groups";
    let by = |through| {
        let mut given = reasons
            .iter()
            .filter(|one| one.allows && !one.special && !one.inherited);
        given.any(|one| one.through == through)
    };
    Some(match kind {
        Kind::Nobody if by(Through::Own) => (State::Orphan, Some("no object has this identifier")),
        Kind::Nobody => return None,
        Kind::Group if by(Through::Own) => (State::Never, Some(GROUPS)),
        Kind::Silent(why) if by(Through::Own) => (State::Never, Some(why)),
        _ if linked => (State::Mapped, None),
        _ if by(Through::Own) => (State::Missing, None),
        _ if by(Through::Group) => (State::Never, Some(GROUPS)),
        _ if rules.are_unrestricted() => {
            let note = "the mailbox has no access list, so every account has access";
            (State::Inherited, Some(note))
        }
        _ => (State::Inherited, None),
    })
}

/// The most groups in groups that are followed.
const DEEPEST: usize = 64;

/// A walk through groups in groups, level by level; each is met once, so that circles end.
#[derive(Clone, Debug)]
pub struct Walk {
    seen: HashSet<u64>,
    level: Vec<Dn>,
    depth: usize,
}

impl Walk {
    /// From these.
    pub fn from(start: impl IntoIterator<Item = Dn>) -> Self {
        let level: Vec<Dn> = start.into_iter().collect();
        Self {
            seen: level.iter().map(Dn::hash64).collect(),
            level,
            depth: 0,
        }
    }

    /// Those from which the next step goes; none at the end.
    pub fn level(&self) -> &[Dn] {
        if self.depth < DEEPEST {
            &self.level
        } else {
            &[]
        }
    }

    /// Whether nothing is left to follow.
    pub fn is_whole(&self) -> bool {
        self.level.is_empty()
    }

    /// Goes on to what was found on a step, and hands out what is new of it.
    pub fn step(&mut self, found: impl IntoIterator<Item = Dn>) -> &[Dn] {
        let new = found.into_iter().filter(|dn| self.seen.insert(dn.hash64()));
        self.level = new.collect();
        self.depth += 1;
        &self.level
    }
}

//! `automend access`: who can open a mailbox, or which mailboxes a user can open, and why.
//!
//! Invariant: what could not be looked at is named, and the list is not called whole then.

mod forms;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use automend_core::access::{Relation, well_known};
use automend_core::entry::{Class, Entry};
use automend_core::names::Sid;
use automend_core::view::Known;
use automend_source::{Directory, Location};
use automend_system::clock;
use jiff::Timestamp;

use crate::args;
use crate::report::list::{self, Party};
use crate::report::{Gaps, warn};
use automend_source::access::{of_owner, of_user};

/// What there is between a mailbox and a user.
struct Row {
    mailbox: Party,
    user: User,
    relation: Relation,
}

/// Who can open a mailbox, or cannot.
enum User {
    Known(Party, Class),
    /// An identifier that no object has.
    Unknown(Sid),
}

/// Everything that was asked for.
struct Accesses {
    directory: String,
    at: Timestamp,
    rows: Vec<Row>,
    /// Whose the identifiers in the entries are.
    names: HashMap<Sid, Party>,
    gaps: Gaps,
}

/// Runs the command.
pub(crate) async fn run(args: &args::Access, config: Option<&Path>) -> Result<ExitCode> {
    let mut settings = crate::config::directory_settings(&args.source, config)?;
    if !matches!(settings.directory, Location::Server(_)) {
        settings.user = None;
    }
    let mut directory = Directory::open(&settings).await?;
    directory.name_server(&mut settings);
    let who = directory.meant(&args.whose).await?;
    let found = directory.find(&who, &mut Known::default()).await?;
    let subject = directory.with_its_permissions(found).await?;
    let mut gaps = Gaps::default();
    let mut rows = Vec::new();
    let may_be_opened = subject.mailbox_descriptor.is_some()
        || !subject.forward_links.is_empty()
        || subject.mailbox_guid.is_some();
    if may_be_opened {
        for one in of_owner(&mut directory, &subject, &mut gaps).await? {
            rows.push(Row {
                mailbox: Party::of(&subject),
                user: match one.who {
                    Ok(entry) => User::of(&entry),
                    Err(sid) => User::Unknown(sid),
                },
                relation: one.relation,
            });
        }
    }
    for (mailbox, relation) in of_user(&mut directory, &subject, &mut gaps).await? {
        rows.push(Row {
            mailbox: Party::of(&mailbox),
            user: User::of(&subject),
            relation,
        });
    }
    rows.retain(|row| {
        let state = row.relation.state.as_str();
        args.state.is_empty() || args.state.iter().any(|wanted| wanted == state)
    });
    rows.sort_by_cached_key(|row| (row.mailbox.dn.clone(), row.user.called()));
    let names = names(&mut directory, &rows).await?;
    gaps.defects.extend(directory.take_defects());
    gaps.defects.sort();
    gaps.defects.dedup();
    let list = Accesses {
        directory: settings.directory.shown(),
        at: clock::now(),
        rows,
        names,
        gaps,
    };
    list::write(&list, args.listed.format, args.listed.output.as_deref())?;
    warn(&list.gaps);
    Ok(if list.gaps.are_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// What the accounts and groups of the reasons are called.
async fn names(directory: &mut Directory, rows: &[Row]) -> Result<HashMap<Sid, Party>> {
    let reasons = rows.iter().flat_map(|row| &row.relation.reasons);
    let mut sids: Vec<Sid> = reasons.map(|reason| reason.sid.clone()).collect();
    sids.retain(|sid| well_known(sid).is_none());
    sids.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    sids.dedup();
    let found = directory.accounts(&sids).await?;
    let first = |(sid, entries): (Sid, Vec<Entry>)| Some((sid, Party::of(entries.first()?)));
    Ok(found.into_iter().filter_map(first).collect())
}

impl User {
    fn of(entry: &Entry) -> Self {
        Self::Known(Party::of(entry), entry.class)
    }

    fn called(&self) -> String {
        match self {
            Self::Known(party, _) => party.called(),
            Self::Unknown(sid) => sid.to_string(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Known(_, Class::User) => "user",
            Self::Known(_, Class::Group) => "group",
            Self::Known(_, Class::Contact) => "contact",
            Self::Known(_, Class::ForeignSecurityPrincipal) => "foreign",
            Self::Known(_, Class::Other) => "other",
            Self::Unknown(_) => "unknown",
        }
    }
}

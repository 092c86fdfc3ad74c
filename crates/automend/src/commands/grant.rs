//! `automend grant` and `automend revoke`: full access to a mailbox, and the AutoMapping link, in one change.
//!
//! Full access is an entry of `msExchMailboxSecurityDescriptor`, AutoMapping a value of
//! `msExchDelegateListLink`. On a live directory the mailbox store has the last word on the descriptor, so
//! only the link is written there unless `--descriptor` asks for more, and the cmdlet of Exchange that does
//! the rest is printed.
//!
//! Invariant: a descriptor that cannot be read is refused and never replaced.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_core::command::Cmdlet;
use automend_core::descriptor::{Access, Descriptor, NotGranted};
use automend_core::display::plain;
use automend_core::entry::{Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_core::owner::Owner;
use automend_core::plan::{Edit, Replaced};
use automend_source::{Directory, Settings};
use automend_system::say;

use crate::args;
use crate::changes::carry::{Words, carry_out, opened};
use crate::changes::named::{called, identity, kind, object};
use crate::changes::rights::differences;
use crate::changes::step::Step;

/// Runs `grant`.
pub(crate) async fn run(args: &args::Grant, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.source, config).await?;
    let owner = object(&mut directory, &args.owner).await?;
    let user = object(&mut directory, &args.to).await?;
    fit(&owner, &user)?;
    has_mailbox(&owner)?;
    let is_user = user.class == Class::User;
    let is_linked = owner.forward_links.contains(&user.dn);
    let mut edit = Edit::default();
    if !args.no_automapping && is_user && !is_linked {
        edit.add.push(user.dn.clone());
    }
    let here = matches!(directory, Directory::Embedded(_));
    let read = descriptor(&owner, here, here || args.descriptor)?;
    let mut lines = Vec::new();
    if here || args.descriptor {
        let sid = sid(&user)?;
        let before = read.clone();
        let mut after = match read.clone() {
            Some(read) => read,
            None => Descriptor::of_new_mailbox(),
        };
        let granted = after.grant_full_access(sid);
        if granted.map_err(|why| refused(&owner, &user, why))? {
            lines = differences(before.as_ref(), &after, Some((sid, &called(&user))));
            edit.descriptor = Some(Replaced {
                before: before.map(|before| before.as_bytes().to_vec()),
                after: Some(after.as_bytes().to_vec()),
            });
        }
    }
    if !is_user {
        tell_never_mapped(&owner, &user);
    } else if args.no_automapping && is_linked {
        say!(
            "note: {} is mapped to {} already; `automend automap off` ends that",
            plain(called(&owner)),
            plain(called(&user))
        );
    } else if !args.no_automapping && Owner::of(&user) != Owner::Mailbox {
        say!(
            "note: {} has no mailbox here, so no Outlook asks for the link of this user",
            plain(called(&user))
        );
    }
    // Without its own entry the permission is Exchange's to write.
    let known = user.sid.as_ref().zip(read.as_ref());
    let has_access = known.is_some_and(|(sid, read)| read.full_access_of(sid) == Access::Allowed);
    let left_to_exchange = !here && !args.descriptor && !has_access;
    let cmdlet =
        cmdlet("Add-MailboxPermission", &owner, &user).switch("AutoMapping", !args.no_automapping);
    let mapped = if is_linked { ", and is mapped" } else { "" };
    let outcome = Outcome {
        code: "grant",
        verb: "give",
        nothing: format!(
            "{} has full access to {} already{mapped}: nothing to write.",
            plain(called(&user)),
            plain(called(&owner))
        ),
        cmdlet: left_to_exchange.then_some(cmdlet),
        edit,
        lines,
    };
    let how = (args.descriptor, &args.carrying_out);
    finish(&mut directory, &settings, (&owner, &user), outcome, how).await
}

/// Runs `revoke`.
pub(crate) async fn revoke(args: &args::Revoke, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.source, config).await?;
    let owner = object(&mut directory, &args.owner).await?;
    let user = object(&mut directory, &args.from).await?;
    if owner.dn == user.dn {
        bail!(
            "{}: a mailbox and its own user are one; its own access is not taken",
            owner.dn
        );
    }
    let mut edit = Edit::default();
    let link = owner.forward_links.iter().find(|link| **link == user.dn);
    edit.remove.extend(link.cloned());
    let here = matches!(directory, Directory::Embedded(_));
    let read = match &owner.mailbox_descriptor {
        // What is not there gives no access.
        None if here => None,
        _ => descriptor(&owner, here, here || args.descriptor)?,
    };
    let known = user.sid.as_ref().zip(read.as_ref());
    let mut lines = Vec::new();
    let mut left = known.map_or(Access::None, |(sid, read)| read.full_access_of(sid));
    let may_have_access = known.is_none() || left != Access::None;
    if here || args.descriptor {
        if !here {
            sid(&user)?;
        }
        if let Some((sid, before)) = known {
            let mut after = before.clone();
            if after.revoke_full_access(sid) {
                lines = differences(Some(before), &after, Some((sid, &called(&user))));
                edit.descriptor = Some(Replaced {
                    before: Some(before.as_bytes().to_vec()),
                    after: Some(after.as_bytes().to_vec()),
                });
            }
            left = after.full_access_of(sid);
        }
        tell_left(&owner, &user, left);
    }
    let left_to_exchange = !here && !args.descriptor && may_have_access;
    let outcome = Outcome {
        code: "revoke",
        verb: "take from",
        nothing: format!(
            "{} has no full access to {} by an entry of its own, and no link: nothing to write.",
            plain(called(&user)),
            plain(called(&owner))
        ),
        cmdlet: left_to_exchange.then(|| cmdlet("Remove-MailboxPermission", &owner, &user)),
        edit,
        lines,
    };
    let how = (args.descriptor, &args.carrying_out);
    finish(&mut directory, &settings, (&owner, &user), outcome, how).await
}

/// What a command came to, before anything is written.
struct Outcome {
    /// The command, as receipts and plans name it.
    code: &'static str,
    /// What is done, as a plan says it: `give`.
    verb: &'static str,
    edit: Edit,
    /// How the descriptor changes, for the plan.
    lines: Vec<String>,
    /// What is said where nothing is to be written.
    nothing: String,
    /// What Exchange has to do.
    cmdlet: Option<Cmdlet>,
}

/// The cmdlet that changes the full access of a user.
fn cmdlet(name: &'static str, owner: &Entry, user: &Entry) -> Cmdlet {
    Cmdlet::new(name)
        .parameter("Identity", &identity(owner))
        .parameter("User", &identity(user))
        .parameter("AccessRights", "FullAccess")
}

/// Writes the edit, if there is one, and says what is left to Exchange.
async fn finish(
    directory: &mut Directory,
    settings: &Settings,
    (owner, user): (&Entry, &Entry),
    outcome: Outcome,
    (descriptor, how): (bool, &args::CarryingOut),
) -> Result<ExitCode> {
    let status = if outcome.edit.is_empty() {
        if outcome.cmdlet.is_none() {
            say!("{}", outcome.nothing);
        }
        ExitCode::SUCCESS
    } else {
        let about = what(&outcome.edit, "full access to");
        let (first, rest) = outcome.verb.split_at(1);
        let words = Words {
            code: outcome.code,
            title: format!(
                "Plan: {} {} {about} {}",
                outcome.verb,
                called(user),
                called(owner)
            ),
            question: format!(
                "{}{rest} {} {about} {}?",
                first.to_uppercase(),
                plain(called(user)),
                plain(called(owner))
            ),
        };
        let step = Step {
            owner: owner.clone(),
            edit: outcome.edit,
            lines: outcome.lines,
        };
        carry_out(directory, settings, &[step], words, how).await?
    };
    after(directory, descriptor, outcome.cmdlet.as_ref(), owner);
    Ok(status)
}

/// What an edit is about, in words.
fn what(edit: &Edit, access: &'static str) -> &'static str {
    if edit.descriptor.is_some() {
        access
    } else {
        "the AutoMapping link to"
    }
}

/// That one may be given access to the other.
fn fit(owner: &Entry, user: &Entry) -> Result<()> {
    if owner.dn == user.dn {
        bail!(
            "{}: a mailbox is not granted to its own user, who has full access already",
            owner.dn
        );
    }
    if user.dn.is_deleted_object() {
        bail!("{} is a deleted object", user.dn);
    }
    if !matches!(
        user.class,
        Class::User | Class::Group | Class::ForeignSecurityPrincipal
    ) {
        bail!(
            "{} is {}; only users and groups can be given access",
            user.dn,
            kind(user)
        );
    }
    Ok(())
}

/// That the owner is a mailbox that this directory decides on.
fn has_mailbox(owner: &Entry) -> Result<()> {
    match Owner::of(owner) {
        Owner::Mailbox => Ok(()),
        Owner::Remote => bail!(
            "{}: its mailbox is in another system; grant access there",
            owner.dn
        ),
        Owner::Stale(why) => bail!(
            "{}: {why}; a link to it would break Autodiscover for the user (error 603)",
            owner.dn
        ),
        Owner::Undecided(attributes) => bail!(
            "{}: {} cannot be read, so it is not known whether it has a mailbox",
            owner.dn,
            attributes.join(", ")
        ),
    }
}

/// The owner's descriptor; without one on a live directory, nothing can be written to it.
fn descriptor(owner: &Entry, here: bool, is_written: bool) -> Result<Option<Descriptor>> {
    let name = attribute::MAILBOX_SECURITY_DESCRIPTOR;
    match &owner.mailbox_descriptor {
        Some(bytes) => match Descriptor::parse(bytes) {
            Ok(read) => Ok(Some(read)),
            Err(why) if is_written => bail!(
                "{}: {name} cannot be read ({why}); it is left as it is, and nothing was written",
                owner.dn
            ),
            Err(_) => Ok(None),
        },
        None if is_written && !here => bail!(
            "{}: {name} is not shown to this account, or is not there; a descriptor that was not read is never written. Leave --descriptor out, and let Exchange write it",
            owner.dn
        ),
        None => Ok(None),
    }
}

fn sid(user: &Entry) -> Result<&Sid> {
    user.sid.as_ref().with_context(|| {
        format!(
            "{}: without objectSid no permission can name it; `automend automap on` writes the link alone",
            user.dn
        )
    })
}

/// Why access cannot be granted, with what to do.
fn refused(owner: &Entry, user: &Entry, why: NotGranted) -> anyhow::Error {
    let cmdlet = Cmdlet::new("Remove-MailboxPermission")
        .parameter("Identity", &identity(owner))
        .parameter("User", &identity(user))
        .parameter("AccessRights", "FullAccess")
        .switch("Deny", true);
    match why {
        NotGranted::Denied => anyhow::anyhow!(
            "{}: {why}; nothing was written. In Exchange, this removes it: {cmdlet}",
            owner.dn
        ),
        NotGranted::Unrestricted | NotGranted::Full => {
            anyhow::anyhow!("{}: {why}; nothing was written", owner.dn)
        }
    }
}

/// Why the link is not written for what is no user, and what to do instead.
fn tell_never_mapped(owner: &Entry, user: &Entry) {
    let (who, mailbox) = (plain(called(user)), plain(called(owner)));
    if user.class == Class::Group {
        say!(
            "note: {who} is a group. Autodiscover does not look into groups, so its members have to open {mailbox} by hand; `automend automap on {} USER…` maps members one by one",
            plain(identity(owner))
        );
    } else {
        say!(
            "note: {who} is {}, for which no Outlook asks here, so {mailbox} is not mapped",
            kind(user)
        );
    }
}

/// What access is left after the entries of the user are gone.
fn tell_left(owner: &Entry, user: &Entry, left: Access) {
    let why = match left {
        Access::None | Access::Denied => return,
        Access::InheritedAllowed => "an inherited entry still allows it",
        Access::Allowed | Access::Unclear => "an entry of another kind may still allow it",
        Access::Unrestricted => "the mailbox has no access list, so every account has access",
    };
    say!(
        "note: {} keeps full access to {}: {why}",
        plain(called(user)),
        plain(called(owner))
    );
}

/// What is left to do in Exchange, on a live directory.
fn after(directory: &Directory, descriptor: bool, cmdlet: Option<&Cmdlet>, owner: &Entry) {
    if !matches!(directory, Directory::Live(_)) {
        return;
    }
    if let Some(cmdlet) = cmdlet {
        say!("The permission itself is Exchange's to write. In the Exchange Management Shell:");
        say!("  {cmdlet}");
    } else if descriptor {
        let look = Cmdlet::new("Get-MailboxPermission").parameter("Identity", &identity(owner));
        say!("The mailbox store has the last word on permissions. Look there, too:");
        say!("  {look}");
    }
}

//! `automend automap on|off|sync`: the AutoMapping link alone, for one user or many; access stays as it is.

mod limits;
mod sync;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_core::descriptor::Descriptor;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_core::plan::Edit;
use automend_core::resolve::Who;
use automend_source::Directory;
use automend_system::say;

use crate::args;
use crate::changes::carry::{Words, carry_out, opened};
use crate::changes::named::{by_sid, called, identity, kind, object};
use crate::changes::step::Step;
use crate::report::plural;
use limits::{few_enough, is_mailbox};

/// The most bytes of a CSV file that are read.
const LARGEST_FILE: u64 = 16 << 20;
/// The mailbox's own account, in its own permissions (`PRINCIPAL_SELF`).
const ITSELF: &str = "S-1-5-10";

/// Runs the command.
pub(crate) async fn run(command: &args::AutomapCommand, config: Option<&Path>) -> Result<ExitCode> {
    let (args, on) = match command {
        args::AutomapCommand::On(args) => (args, true),
        args::AutomapCommand::Off(args) => (args, false),
        args::AutomapCommand::Sync(args) => return sync::run(args, config).await,
    };
    let wanted = if let Some(path) = &args.from_file {
        rows(path)?
    } else {
        let owner = args.owner.clone().unwrap_or_default();
        vec![(owner, args.users.clone())]
    };
    let (mut directory, settings) = opened(&args.source, config).await?;
    let mut steps: Vec<Step> = Vec::new();
    let mut already = 0;
    for (owner, users) in &wanted {
        let owner = object(&mut directory, owner).await?;
        let users = match (args.all, on) {
            (true, true) => with_full_access(&mut directory, &owner).await?,
            (true, false) => owner.forward_links.clone(),
            (false, _) => named(&mut directory, &owner, users, on).await?,
        };
        if on && !users.is_empty() {
            is_mailbox(&owner)?;
        }
        let edit = if on {
            Edit::adding(&users)
        } else {
            Edit::removing(&users)
        };
        let left = edit.left(&owner).unwrap_or_default();
        already += edit.links() - left.links();
        if left.is_empty() {
            continue;
        }
        match steps.iter_mut().find(|step| step.owner.dn == owner.dn) {
            Some(step) => {
                step.edit.add.extend(left.add);
                step.edit.remove.extend(left.remove);
            }
            None => steps.push(Step {
                owner,
                edit: left,
                lines: Vec::new(),
            }),
        }
    }
    let state = if on { "on" } else { "off" };
    if already > 0 {
        say!(
            "AutoMapping is {state} already for {}.",
            plural(already as u64, "user")
        );
    }
    if steps.is_empty() {
        say!("Nothing to write.");
        return Ok(ExitCode::SUCCESS);
    }
    let links = few_enough(&steps, args.max_changes)?;
    let words = Words {
        code: if on { "automap-on" } else { "automap-off" },
        title: format!("Plan: switch AutoMapping {state}; the permissions stay as they are"),
        question: format!(
            "Switch AutoMapping {state} for {} of {}?",
            plural(links as u64, "user"),
            plural(steps.len() as u64, "owner")
        ),
    };
    carry_out(&mut directory, &settings, &steps, words, &args.carrying_out).await
}

/// The users that were named, each once.
async fn named(
    directory: &mut Directory,
    owner: &Entry,
    texts: &[String],
    on: bool,
) -> Result<Vec<Dn>> {
    let mut users: Vec<Dn> = Vec::new();
    for text in texts {
        let dn = match directory.meant(text).await? {
            // A link is taken away by its value, whatever the object has become.
            Who::Dn(dn) if !on && owner.forward_links.contains(&dn) => dn,
            _ => {
                let user = object(directory, text).await?;
                if on {
                    can_be_mapped(directory, owner, &user)?;
                }
                user.dn
            }
        };
        if !users.contains(&dn) {
            users.push(dn);
        }
    }
    Ok(users)
}

fn can_be_mapped(directory: &Directory, owner: &Entry, user: &Entry) -> Result<()> {
    if owner.dn == user.dn {
        bail!("{}: a mailbox is not mapped to its own user", owner.dn);
    }
    if user.dn.is_deleted_object() {
        bail!("{} is a deleted object", user.dn);
    }
    match user.class {
        Class::User => {}
        Class::Group => bail!(
            "{} is a group: Autodiscover does not look into groups, so a link to one does nothing; name its members instead",
            user.dn
        ),
        _ => bail!("{} is {}; only users can be mapped", user.dn, kind(user)),
    }
    let read = owner.mailbox_descriptor.as_deref().map(Descriptor::parse);
    if let (Some(Ok(read)), Some(sid)) = (read, &user.sid)
        && !read.full_access_of(sid).is_allowed()
        && read.is_restricted()
    {
        let grant = match directory {
            Directory::Embedded(_) => "`automend grant` gives it",
            _ => "Add-MailboxPermission gives it",
        };
        say!(
            "note: {} has no full access to {} by an entry of its own, so Outlook may show a mailbox that does not open; {grant}",
            plain(called(user)),
            plain(called(owner))
        );
    }
    Ok(())
}

/// Every user with full access by an entry of the owner's own descriptor; who is left out is named.
async fn with_full_access(directory: &mut Directory, owner: &Entry) -> Result<Vec<Dn>> {
    let name = attribute::MAILBOX_SECURITY_DESCRIPTOR;
    let Some(bytes) = &owner.mailbox_descriptor else {
        bail!(
            "{}: {name} is not there, or is not shown to this account, so it is not known who has full access",
            owner.dn
        );
    };
    let read = Descriptor::parse(bytes).with_context(|| format!("{}: {name}", owner.dn))?;
    let itself = [Sid::parse(ITSELF), owner.sid.clone()];
    let mut users = Vec::new();
    for sid in read.holders() {
        if itself.contains(&Some(sid.clone())) || !read.full_access_of(&sid).is_allowed() {
            continue;
        }
        let left_out = |what: String| say!("  left out {}: {}", plain(&sid), plain(what));
        match by_sid(directory, &sid).await? {
            None => left_out("no object of this directory has this security identifier".to_owned()),
            Some(user) if user.class == Class::User => users.push(user.dn),
            Some(group) if group.class == Class::Group => left_out(format!(
                "{} is a group, which cannot be mapped; name its members: automend automap on {} USER…",
                called(&group),
                identity(owner)
            )),
            Some(other) => left_out(format!("{} is {}", called(&other), kind(&other))),
        }
    }
    Ok(users)
}

/// Mailboxes with their users, from a CSV file; rows of one mailbox are put together.
fn rows(path: &Path) -> Result<Vec<(String, Vec<String>)>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("opening {shown}"))?;
    let mut text = String::new();
    file.take(LARGEST_FILE + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("reading {shown}"))?;
    if text.len() as u64 > LARGEST_FILE {
        bail!("{shown}: more than 16 MiB; cut it into several files");
    }
    pairs(&text).with_context(|| format!("reading {shown}"))
}

fn pairs(text: &str) -> Result<Vec<(String, Vec<String>)>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let (mut of_owner, mut of_user) = (0, 1);
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, row) in reader.records().enumerate() {
        let row = row?;
        let position = |name: &str| {
            row.iter()
                .position(|field| field.eq_ignore_ascii_case(name))
        };
        if at == 0
            && let (Some(owner), Some(user)) = (
                position("owner"),
                position("delegate").or_else(|| position("user")),
            )
        {
            (of_owner, of_user) = (owner, user);
            continue;
        }
        let (owner, user) = (row.get(of_owner), row.get(of_user));
        match (owner, user) {
            (Some(owner), Some(user)) if !owner.is_empty() && !user.is_empty() => {
                let next = found.len();
                let place = *places.entry(owner.to_owned()).or_insert(next);
                if place == next {
                    found.push((owner.to_owned(), Vec::new()));
                }
                if let Some((_, users)) = found.get_mut(place) {
                    users.push(user.to_owned());
                }
            }
            _ => bail!("row {}: a mailbox and a user are needed", at + 1),
        }
    }
    if found.is_empty() {
        bail!("no row with a mailbox and a user");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_and_without_a_header() {
        let expected = vec![
            (
                "jim@c.d".to_owned(),
                vec!["alice@c.d".to_owned(), "bob@c.d".to_owned()],
            ),
            ("CN=Sales, Box,DC=c".to_owned(), vec!["bob".to_owned()]),
        ];
        for text in [
            "jim@c.d,alice@c.d\n\"CN=Sales, Box,DC=c\",bob\njim@c.d,bob@c.d\n",
            "\u{feff}state,Delegate,owner\r\nx,alice@c.d,jim@c.d\r\ny,bob,\"CN=Sales, Box,DC=c\"\r\nz,bob@c.d,jim@c.d\r\n",
        ] {
            assert_eq!(pairs(text).unwrap(), expected, "{text:?}");
        }
        for text in ["", "owner,delegate\n", "jim@c.d\n", "jim@c.d,\n", ",x\n"] {
            assert!(pairs(text).is_err(), "{text:?}");
        }
    }
}

//! What no plan may do: write more links than were allowed, or give a link to what is no mailbox.

use anyhow::{Result, bail};
use automend_core::entry::Entry;
use automend_core::owner::Owner;

use crate::changes::step::Step;

/// How many links the steps write, if these are no more than was agreed.
pub(super) fn few_enough(steps: &[Step], most: usize) -> Result<usize> {
    let links: usize = steps.iter().map(|step| step.edit.links()).sum();
    if links > most {
        bail!("the plan writes {links} links, more than --max-changes {most}; nothing was written");
    }
    Ok(links)
}

pub(super) fn is_mailbox(owner: &Entry) -> Result<()> {
    match Owner::of(owner) {
        Owner::Mailbox => Ok(()),
        Owner::Remote => bail!("{}: its mailbox is in another system", owner.dn),
        Owner::Stale(why) => bail!(
            "{}: {why}; a link to it would break Autodiscover for the users (error 603)",
            owner.dn
        ),
        Owner::Undecided(attributes) => bail!(
            "{}: {} cannot be read, so it is not known whether it has a mailbox",
            owner.dn,
            attributes.join(", ")
        ),
    }
}

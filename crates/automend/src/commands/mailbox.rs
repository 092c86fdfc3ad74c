//! `automend mailbox enable|disable|connect`: what Exchange does to the attributes of a mailbox, on an
//! embedded directory; on a server, the cmdlet of Exchange that does it.
//!
//! Invariant: a mailbox on a server is made and ended by Exchange alone.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_core::checks::configuration::DATABASE;
use automend_core::command::Cmdlet;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::mailbox::{self, Home, Left, Mailbox, Rewritten};
use automend_core::names::{Guid, SmtpAddress, attribute};
use automend_core::owner::{self, Owner, Stale};
use automend_core::plan::{Edit, LinkChange, ObjectRef};
use automend_directory::{Scope, random_guid};
use automend_source::embedded::Embedded;
use automend_source::{Directory, Settings};
use automend_system::{clock, say};

use crate::args;
use crate::changes::after::offered;
use crate::changes::carry::{Words, carry_out, opened};
use crate::changes::named::{called, identity, kind, object};
use crate::changes::step::Step;
use crate::report::plural;

/// Runs the command.
pub(crate) async fn run(command: &args::MailboxCommand, config: Option<&Path>) -> Result<ExitCode> {
    match command {
        args::MailboxCommand::Enable(args) => enable(args, config).await,
        args::MailboxCommand::Disable(args) => disable(args, config).await,
        args::MailboxCommand::Connect(args) => connect(args, config).await,
    }
}

async fn enable(args: &args::EnableMailbox, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.mailbox.source, config).await?;
    let user = object(&mut directory, &args.mailbox.whose).await?;
    is_user(&user)?;
    if Owner::of(&user) == Owner::Mailbox {
        say!(
            "{} has a mailbox already: nothing to write.",
            plain(called(&user))
        );
        return Ok(ExitCode::SUCCESS);
    }
    can_have_one(&user)?;
    let Directory::Embedded(embedded) = &directory else {
        let cmdlet = Cmdlet::new("Enable-Mailbox").parameter("Identity", &identity(&user));
        let cmdlet = with_place(cmdlet, &args.place);
        return Ok(left_to_exchange(&match args.kind.exchange_switch() {
            Some(switch) => cmdlet.switch(switch, true),
            None => cmdlet,
        }));
    };
    if Left::of(&user).guid.is_some() {
        say!(
            "note: {} had a mailbox, which stays disconnected; `automend mailbox connect` brings it back instead",
            plain(called(&user))
        );
    }
    let mailbox = Mailbox {
        guid: Guid(random_guid()),
        home: home(embedded, args.place.database.as_deref(), None)?,
        address: address(embedded, &user, args.place.address.as_deref())?,
        kind: args.kind.number(),
        made: Some(clock::now().strftime("%Y%m%d%H%M%S.0Z").to_string()),
    };
    let attributes = mailbox::enabled(&user, &mailbox);
    carry(
        &mut directory,
        &settings,
        user,
        attributes,
        &ENABLE,
        &args.mailbox,
    )
    .await
}

async fn connect(args: &args::ConnectMailbox, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.mailbox.source, config).await?;
    let mut user = object(&mut directory, &args.mailbox.whose).await?;
    is_user(&user)?;
    if Owner::of(&user) == Owner::Mailbox {
        say!(
            "{} has a mailbox already: nothing to write.",
            plain(called(&user))
        );
        return Ok(ExitCode::SUCCESS);
    }
    can_have_one(&user)?;
    if let Directory::Live(live) = &directory {
        let kept = [
            attribute::PREVIOUS_MAILBOX_GUID,
            attribute::PREVIOUS_HOME_MDB,
        ];
        let name = ObjectRef::from(&user).live_name(live.root.active_directory);
        let found = live.client.base(&name, &kept).await;
        let found = found.with_context(|| format!("{}: reading {}", live.url, user.dn))?;
        for name in kept {
            let values = found.iter().flat_map(|entry| entry.values(name));
            user.written
                .extend(values.map(|value| (name, value.to_vec())));
        }
    }
    let left = Left::of(&user);
    let Directory::Embedded(embedded) = &directory else {
        return connect_by_exchange(&user, &left, args.place.database.clone());
    };
    let Some(guid) = left.guid else {
        bail!(
            "{}: without {} there is no mailbox to connect; `automend mailbox enable` makes one",
            user.dn,
            attribute::PREVIOUS_MAILBOX_GUID
        );
    };
    let reading = embedded.reading()?;
    let mut others = reading.by_value(attribute::MAILBOX_GUID, &guid.0)?;
    if let Some(other) = others.next().transpose()? {
        bail!(
            "{}: the mailbox {guid} is connected to {}",
            user.dn,
            other.dn
        );
    }
    let mailbox = Mailbox {
        guid,
        home: home(
            embedded,
            args.place.database.as_deref(),
            left.database.as_ref(),
        )?,
        address: address(embedded, &user, args.place.address.as_deref())?,
        kind: left.kind.unwrap_or(mailbox::USER_MAILBOX),
        made: None,
    };
    let attributes = mailbox::enabled(&user, &mailbox);
    carry(
        &mut directory,
        &settings,
        user,
        attributes,
        &CONNECT,
        &args.mailbox,
    )
    .await
}

/// The cmdlet that connects what is left of a mailbox.
fn connect_by_exchange(user: &Entry, left: &Left, database: Option<String>) -> Result<ExitCode> {
    let mailbox = left
        .guid
        .map_or_else(|| user.shown(), |guid| guid.to_string());
    let Some(database) = database.or_else(|| left.database.as_ref().map(Dn::name)) else {
        bail!(
            "{}: {} says nothing of the mailbox's database; name it with --database (in Exchange, Get-MailboxStatistics lists disconnected mailboxes)",
            user.dn,
            attribute::PREVIOUS_HOME_MDB
        );
    };
    Ok(left_to_exchange(
        &Cmdlet::new("Connect-Mailbox")
            .parameter("Identity", &mailbox)
            .parameter("Database", &database)
            .parameter("User", &identity(user)),
    ))
}

async fn disable(args: &args::DisableMailbox, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.mailbox.source, config).await?;
    let user = object(&mut directory, &args.mailbox.whose).await?;
    is_user(&user)?;
    match Owner::of(&user) {
        Owner::Stale(Stale::NotAMailbox | Stale::Deleted) | Owner::Remote | Owner::Undecided(_) => {
            can_have_one(&user)?;
        }
        Owner::Stale(_) if user.missing().contains(&attribute::MAILBOX_GUID) => {
            say!("{} has no mailbox: nothing to write.", plain(called(&user)));
            return Ok(ExitCode::SUCCESS);
        }
        Owner::Mailbox | Owner::Stale(_) => {}
    }
    if !matches!(directory, Directory::Embedded(_)) {
        let cmdlet = Cmdlet::new("Disable-Mailbox").parameter("Identity", &identity(&user));
        let status = left_to_exchange(&cmdlet);
        tell_links(&user);
        return Ok(status);
    }
    let attributes = mailbox::disabled(&user);
    carry(
        &mut directory,
        &settings,
        user,
        attributes,
        &DISABLE,
        &args.mailbox,
    )
    .await
}

/// What a command is called.
struct Verb {
    code: &'static str,
    title: &'static str,
    question: &'static str,
    /// Whether there is a mailbox afterwards.
    makes: bool,
}

const ENABLE: Verb = Verb {
    code: "mailbox-enable",
    title: "Plan: make a mailbox for",
    question: "Make a mailbox for",
    makes: true,
};
const CONNECT: Verb = Verb {
    code: "mailbox-connect",
    title: "Plan: connect the former mailbox of",
    question: "Connect the former mailbox of",
    makes: true,
};
const DISABLE: Verb = Verb {
    code: "mailbox-disable",
    title: "Plan: disable the mailbox of",
    question: "Disable the mailbox of",
    makes: false,
};

/// Carries a change out, and says what becomes of the links of the user.
async fn carry(
    directory: &mut Directory,
    settings: &Settings,
    user: Entry,
    attributes: Vec<Rewritten>,
    verb: &Verb,
    args: &args::OneMailbox,
) -> Result<ExitCode> {
    let words = Words {
        code: verb.code,
        title: format!("{} {}", verb.title, called(&user)),
        question: format!("{} {}?", verb.question, plain(called(&user))),
    };
    if !verb.makes {
        tell_links(&user);
    }
    let edit = Edit {
        attributes,
        ..Edit::default()
    };
    let steps = [Step {
        owner: user,
        edit,
        lines: Vec::new(),
    }];
    let status = carry_out(directory, settings, &steps, words, &args.carrying_out).await?;
    let [step] = &steps;
    if !verb.makes || args.carrying_out.plan_only || status != ExitCode::SUCCESS {
        return Ok(status);
    }
    // Users for whom links of the former mailbox were left have it again.
    let links = LinkChange {
        owner: ObjectRef::from(&step.owner),
        edit: Edit::adding(&step.owner.forward_links),
    };
    Ok(if offered(directory, &[links]).await? {
        status
    } else {
        ExitCode::from(1)
    })
}

/// Says that Autodiscover fails for users to whom links stay.
fn tell_links(user: &Entry) {
    let links = user.forward_links.len() as u64;
    if links > 0 {
        say!(
            "note: {} of {} stay, as Exchange leaves them: without the mailbox, Autodiscover fails (error 603) for each of these users. `automend automap off {} --all` takes them away first.",
            plural(links, "AutoMapping link"),
            plain(called(user)),
            plain(identity(user))
        );
    }
}

fn is_user(user: &Entry) -> Result<()> {
    if user.dn.is_deleted_object() {
        bail!("{} is a deleted object", user.dn);
    }
    if user.class != Class::User {
        bail!("{} is {}; only users have mailboxes", user.dn, kind(user));
    }
    Ok(())
}

/// That nothing else than a mailbox here is in the way.
fn can_have_one(user: &Entry) -> Result<()> {
    match Owner::of(user) {
        Owner::Remote => bail!("{}: its mailbox is in another system", user.dn),
        Owner::Undecided(attributes) => bail!(
            "{}: {} cannot be read, so it is not known whether it has a mailbox",
            user.dn,
            attributes.join(", ")
        ),
        _ if owner::is_mail_user(user) => bail!(
            "{}: it is a mail user, whose mail goes to {}",
            user.dn,
            user.target_address.as_deref().unwrap_or_default()
        ),
        _ => Ok(()),
    }
}

/// The home in the database that was named, or else in the one that was kept, or else in the only one.
fn home(embedded: &Embedded, named: Option<&str>, kept: Option<&Dn>) -> Result<Home> {
    let reading = embedded.reading()?;
    let mut all = Vec::new();
    for context in reading.naming_contexts()? {
        if !context.rdn().eq_ignore_ascii_case("CN=Configuration") {
            continue;
        }
        for object in reading.subtree(&context, Scope::Subtree)?.with_links(&[]) {
            let object = object?;
            if object.holds(attribute::OBJECT_CLASS, DATABASE.as_bytes()) {
                let legacy = object.text(attribute::LEGACY_EXCHANGE_DN);
                all.push((object.dn.clone(), legacy.unwrap_or_default().to_owned()));
            }
        }
    }
    let is_meant = |dn: &Dn| match (named, kept) {
        (Some(named), _) => {
            dn.name().eq_ignore_ascii_case(named)
                || Dn::parse(named).is_ok_and(|named| named == *dn)
        }
        (None, Some(kept)) => dn == kept,
        (None, None) => true,
    };
    let there: Vec<String> = all.iter().map(|(dn, _)| dn.name()).collect();
    let there = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    all.retain(|(dn, _)| is_meant(dn));
    let shown = || match (named, kept) {
        (Some(named), _) => format!("no one mailbox database is {named:?}"),
        (None, Some(kept)) => format!("the mailbox database {} is gone", kept.shown()),
        (None, None) => "there is not exactly one mailbox database".to_owned(),
    };
    let Ok([(database, legacy)]) = <[(Dn, String); 1]>::try_from(all) else {
        bail!("{}; name one with --database (here: {there})", shown());
    };
    let shown = database.to_string();
    Home::of(database, &legacy).with_context(|| {
        format!(
            "{shown}: its {} names no server, so no mailbox can be put there",
            attribute::LEGACY_EXCHANGE_DN
        )
    })
}

/// The primary address: as named, or the one that there is, or else the login name.
fn address(embedded: &Embedded, user: &Entry, named: Option<&str>) -> Result<SmtpAddress> {
    let principal = || SmtpAddress::parse(user.principal.as_deref()?).ok();
    let own = || user.primary_address().or_else(principal);
    let named = named.map(SmtpAddress::parse).transpose()?;
    let address = named.or_else(own).with_context(|| {
        format!(
            "{}: neither {} nor {} is an address; name one with --address",
            user.dn,
            attribute::MAIL,
            attribute::USER_PRINCIPAL_NAME
        )
    })?;
    let reading = embedded.reading()?;
    let proxy = format!("smtp:{address}");
    for (name, value) in [
        (attribute::PROXY_ADDRESSES, proxy.as_str()),
        (attribute::MAIL, address.as_str()),
        (attribute::USER_PRINCIPAL_NAME, address.as_str()),
    ] {
        for other in reading.by_value(name, value.as_bytes())? {
            let other = other?;
            if other.dn != user.dn {
                bail!(
                    "{address} is an address of {}; name another with --address",
                    other.dn
                );
            }
        }
    }
    Ok(address)
}

fn with_place(cmdlet: Cmdlet, place: &args::Place) -> Cmdlet {
    let given = [
        ("Database", place.database.as_deref()),
        ("PrimarySmtpAddress", place.address.as_deref()),
    ];
    given
        .into_iter()
        .fold(cmdlet, |cmdlet, (name, value)| match value {
            Some(value) => cmdlet.parameter(name, value),
            None => cmdlet,
        })
}

fn left_to_exchange(cmdlet: &Cmdlet) -> ExitCode {
    say!(
        "A mailbox is Exchange's to make and to end, so nothing is written. In the Exchange Management Shell:"
    );
    say!("  {cmdlet}");
    ExitCode::SUCCESS
}

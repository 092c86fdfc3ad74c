//! `automend show USER`: both directions of AutoMapping for one user, and what Autodiscover answers.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_autodiscover::pox::answer;
use automend_autodiscover::services::{Abilities, Services};
use automend_core::checks::links;
use automend_core::command::Command;
use automend_core::display::{self, plain};
use automend_core::entry::{Class, Entry};
use automend_core::finding::Code;
use automend_core::names::SmtpAddress;
use automend_core::owner::Owner;
use automend_core::policy::{FOLLOW, Policy};
use automend_core::resolve::{Link, LinkState, Request, Resolved, Who};
use automend_core::settings::Outcome;
use automend_core::view::{Answer, Known, Need, View};
use automend_source::{Directory, who};
use automend_system::clock;
use serde_json::{Value, json};

use crate::args::{self, ShowFormat};
use crate::hints;
use crate::report::people::People;
use crate::report::{FindingJson, plural, print_findings};

/// Runs the command.
pub(crate) async fn run(args: &args::Show, config: Option<&std::path::Path>) -> Result<ExitCode> {
    let settings = crate::config::directory_settings(&args.source, config)?;
    let mut directory = Directory::open(&settings).await?;
    let fix_command = hints::fix_command(&settings, &directory);
    let who = directory.meant(&args.subject).await?;
    let shown = Shown::of(&mut directory, fix_command, &who).await?;
    if let (None, Some(gap)) = (&shown.faithful.user, &shown.unread) {
        bail!("{gap}");
    }
    let mut out = anstream::stdout();
    match args.format {
        ShowFormat::Table => shown.print(&mut out)?,
        ShowFormat::Json => {
            writeln!(out, "{}", display::json_lines(&shown.to_json())?)?;
        }
        ShowFormat::Xml => writeln!(out, "{}", xml(&shown.faithful.outcome)?)?,
    }
    for defect in &shown.defects {
        eprintln!("note: {}", plain(defect));
    }
    if let Some(gap) = &shown.unread {
        eprintln!(
            "automend: not everything could be looked at: {}",
            plain(gap)
        );
    }
    Ok(match shown.faithful.findings.is_empty() {
        _ if shown.unread.is_some() => ExitCode::from(2),
        false => ExitCode::from(1),
        true if shown.defects.is_empty() => ExitCode::SUCCESS,
        true => ExitCode::from(2),
    })
}

/// A user, seen from both sides.
struct Shown {
    base_command: Command,
    asked: String,
    faithful: Resolved,
    healthy: Resolved,
    /// Why there may be other links than these.
    unread: Option<String>,
    /// What could not be read.
    defects: Vec<String>,
    /// The delegates of this mailbox, as far as they exist.
    opened_by: Vec<(automend_core::dn::Dn, Option<Entry>)>,
    people: People,
}

impl Shown {
    async fn of(directory: &mut Directory, base_command: Command, who: &Who) -> Result<Self> {
        let mut known = Known::default();
        let request = |policy| Request {
            who: who.clone(),
            policy,
            follow: FOLLOW,
        };
        let faithful = directory
            .resolve(&request(Policy::Faithful), &mut known)
            .await?;
        let healthy = directory
            .resolve(&request(Policy::Healthy), &mut known)
            .await?;
        let links = faithful
            .user
            .as_ref()
            .map(|user| user.forward_links.clone())
            .unwrap_or_default();
        directory
            .answer(links.iter().cloned().map(Need::Entry).collect(), &mut known)
            .await?;
        let delegate = |dn: &automend_core::dn::Dn| match known.answer(&Need::Entry(dn.clone())) {
            Some(Answer::Found(found)) => found.first().cloned(),
            _ => None,
        };
        let opened_by = links.iter().map(|dn| (dn.clone(), delegate(dn))).collect();
        let asked = who.to_string();
        directory.tell_unread_owners()?;
        let unread = match &faithful.user {
            Some(user) => directory.unread_links(user).await?,
            None => directory.unread_at_all().await?,
        };
        // Looking people up forgets what could not be read.
        let defects = directory.take_defects();
        let people = People::of(directory, &faithful.findings).await;
        Ok(Self {
            base_command,
            asked,
            faithful,
            healthy,
            unread,
            defects,
            opened_by,
            people,
        })
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        match &self.faithful.user {
            Some(user) => {
                let address = user
                    .primary_address()
                    .map(|address| format!(" <{address}>"))
                    .unwrap_or_default();
                writeln!(
                    out,
                    "{}{}\n{}",
                    plain(user.shown()),
                    plain(address),
                    plain(&user.dn)
                )?;
            }
            None => writeln!(out, "{}", plain(&self.asked))?,
        }
        writeln!(
            out,
            "\nAutodiscover, as Exchange answers it: {}",
            sentence(&self.faithful.outcome)
        )?;
        if let Outcome::Fault(fault) = &self.faithful.outcome {
            writeln!(out, "  because {}", plain(&fault.cause))?;
        }
        if self.healthy.outcome != self.faithful.outcome {
            writeln!(
                out,
                "With the stale links removed: {}",
                sentence(&self.healthy.outcome)
            )?;
        }
        if self.faithful.user.is_some() {
            writeln!(
                out,
                "\nOpened for this user: {}",
                plural(self.faithful.links.len() as u64, "mailbox")
                    .replace("mailboxs", "mailboxes")
            )?;
            for link in &self.faithful.links {
                let (word, why) = state(link);
                writeln!(
                    out,
                    "  {word:<10} {}  ({}){}",
                    plain(&link.owner.shown),
                    plain(&link.owner.dn),
                    why.map(|why| format!("\n             {}", plain(why)))
                        .unwrap_or_default()
                )?;
            }
            writeln!(
                out,
                "\nWho opens this mailbox: {}",
                plural(self.opened_by.len() as u64, "delegate")
            )?;
            let owner = self.faithful.user.as_ref().map(Owner::of);
            for (dn, entry) in &self.opened_by {
                let name = entry.as_ref().map_or_else(|| dn.shown(), Entry::shown);
                writeln!(
                    out,
                    "  {:<10} {}  ({})",
                    opener(owner.as_ref(), entry.as_ref()),
                    plain(name),
                    plain(dn)
                )?;
            }
            if let Some(Owner::Stale(why)) = owner.filter(|_| !self.opened_by.is_empty()) {
                writeln!(
                    out,
                    "  These links break Autodiscover for everybody above: {why}."
                )?;
            }
        }
        if !self.faithful.findings.is_empty() {
            writeln!(out)?;
            print_findings(&self.faithful.findings, &self.people, out, false)?;
        }
        if let Some(fix_command) = self.fix_command() {
            writeln!(out, "To fix: {fix_command}")?;
        }
        Ok(())
    }

    /// The command that removes every stale link of the user.
    fn fix_command(&self) -> Option<Command> {
        let mut stale = self
            .faithful
            .links
            .iter()
            .filter(|link| matches!(link.state, LinkState::Stale(_)))
            .map(|link| &link.owner.dn)
            .peekable();
        stale.peek()?;
        let command = self.base_command.clone();
        Some(stale.fold(command, |command, dn| command.name("--owner", dn)))
    }

    fn to_json(&self) -> Value {
        let user = self.faithful.user.as_ref().map(|user| {
            json!({
                "dn": user.dn.as_str(),
                "guid": user.guid.map(|guid| guid.to_string()),
                "name": user.shown(),
                "address": user.primary_address().as_ref().map(SmtpAddress::as_str),
                "account": user.account,
            })
        });
        let opens: Vec<Value> = self
            .faithful
            .links
            .iter()
            .map(|link| {
                let (word, why) = state(link);
                json!({ "dn": link.owner.dn.as_str(), "name": link.owner.shown, "state": word.to_lowercase(), "why": why })
            })
            .collect();
        let owner = self.faithful.user.as_ref().map(Owner::of);
        let opened_by: Vec<Value> = self
            .opened_by
            .iter()
            .map(|(dn, entry)| {
                let name = entry.as_ref().map_or_else(|| dn.shown(), Entry::shown);
                json!({ "dn": dn.as_str(), "name": name, "state": opener(owner.as_ref(), entry.as_ref()).to_lowercase() })
            })
            .collect();
        json!({
            "version": 1,
            "asked": self.asked,
            "user": user,
            "autodiscover": { "faithful": outcome(&self.faithful.outcome), "healthy": outcome(&self.healthy.outcome) },
            "unread": self.unread,
            "opens": opens,
            "openedBy": opened_by,
            "findings": self.faithful.findings.iter().map(|finding| FindingJson::new(finding, &self.people)).collect::<Vec<_>>(),
            "command": self.fix_command().as_ref().map(Command::arguments),
        })
    }
}

/// One word for a link, and why, if there is more to say.
fn state(link: &Link) -> (&'static str, Option<String>) {
    match &link.state {
        LinkState::Live => ("OK", None),
        LinkState::Remote => ("REMOTE", None),
        LinkState::Stale(why) => ("STALE", Some(format!("{}: {why}", Code::of_stale(*why)))),
        LinkState::FailsItself(chain) => {
            let way: Vec<String> = chain.iter().map(automend_core::dn::Dn::name).collect();
            (
                "FAILING",
                Some(format!(
                    "its own Autodiscover fails because of {}",
                    way.join(", then ")
                )),
            )
        }
        LinkState::Unreadable(why) => ("UNREADABLE", Some(why.clone())),
    }
}

/// One word for a link in the other direction.
fn opener(owner: Option<&Owner>, delegate: Option<&Entry>) -> &'static str {
    match (owner, delegate) {
        (_, None) => "UNREADABLE",
        (Some(Owner::Stale(_)), _) => "STALE",
        (_, Some(entry)) if entry.class == Class::Group => "GROUP",
        (_, Some(entry)) if links::never_asks(entry).is_some() => "SILENT",
        _ => "OK",
    }
}

fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Settings(settings) => {
            let alternatives = settings.alternatives.len() as u64;
            format!(
                "settings, with {}",
                plural(alternatives, "alternative mailbox").replace("mailboxs", "mailboxes")
            )
        }
        Outcome::Redirect(address) => format!("redirect to {}", plain(address)),
        Outcome::Fault(fault) => format!("error {} {}", fault.code.number(), fault.code.message()),
    }
}

fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Settings(settings) => json!({
            "outcome": "settings",
            "address": settings.address.as_str(),
            "alternativeMailboxes": settings.alternatives.iter().map(|mailbox| json!({
                "type": mailbox.kind.as_str(),
                "displayName": mailbox.display_name,
            })).collect::<Vec<_>>(),
        }),
        Outcome::Redirect(address) => json!({ "outcome": "redirect", "address": address.as_str() }),
        Outcome::Fault(fault) => json!({
            "outcome": "fault",
            "code": fault.code.number(),
            "message": fault.code.message(),
            "cause": fault.cause.to_string(),
        }),
    }
}

/// The answer that Exchange would give one user, as XML.
pub(crate) async fn exchange_answer(directory: &mut Directory, address: &str) -> Result<String> {
    let request = Request {
        who: who(address)?,
        policy: Policy::Faithful,
        follow: 0,
    };
    let resolved = directory.resolve(&request, &mut Known::default()).await?;
    xml(&resolved.outcome)
}

/// The answer as XML, without hosts and URLs: these are configuration, and here is none.
fn xml(outcome: &Outcome) -> Result<String> {
    let mut xml = Vec::new();
    answer(
        outcome,
        &Services::default(),
        Abilities::default(),
        &automend_autodiscover::pox::Stamp::at(clock::for_faults(clock::now())),
        &mut xml,
    );
    String::from_utf8(xml).context("the answer is no text")
}

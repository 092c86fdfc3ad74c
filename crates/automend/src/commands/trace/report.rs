//! The report of a recording: for people, and as JSON whose shape `docs/trace.schema.json` promises.
//!
//! Invariant: nothing of a recording acts upon the terminal; the forms carry no header and no body.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::verdict::{Cause, Certainty, Explanation, Verdict};
use automend_probe::answer::{Concern, SettingsSummary, mailbox};
use automend_probe::story::{Asked, Finding, Listed, Outcome, Story, User};
use serde_json::{Map, Value, json};

use super::join::Joined;
use crate::report::{FindingJson, plural, print_findings};

/// A recording, as it is reported.
pub(crate) struct Report<'r> {
    /// As it was named.
    pub file: String,
    /// The kind of recording.
    pub kind: &'static str,
    pub story: &'r Story,
    /// What the directory says, for each finding in order; empty without a directory.
    pub joined: Vec<Option<Joined>>,
    /// Defects of the recording, and of the directory.
    pub defects: Vec<String>,
}

impl Report<'_> {
    /// Writes it for people.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        let story = self.story;
        writeln!(
            out,
            "{}: {}, {} of them Autodiscover",
            plain(&self.file),
            plural(story.exchanges, "request"),
            story.autodiscover
        )?;
        for user in &story.users {
            writeln!(out)?;
            self.print_user(user, out)?;
        }
        let quiet =
            story.findings.is_empty() && story.users.iter().all(|user| user.warnings.is_empty());
        if story.autodiscover == 0 {
            writeln!(out, "\nIt holds no Autodiscover request.")?;
        } else if quiet && story.users.iter().any(User::is_decided) {
            writeln!(out, "\nNothing is wrong with what Autodiscover answered.")?;
        } else if quiet {
            writeln!(out, "\nNothing in it says what Autodiscover answered.")?;
        }
        for defect in &self.defects {
            writeln!(out, "note: {}", plain(defect))?;
        }
        Ok(())
    }

    fn print_user(&self, user: &User, out: &mut impl Write) -> Result<()> {
        let bold = Style::new().bold();
        let colour = Style::new().fg_color(Some(colour(user.verdict()).into()));
        writeln!(
            out,
            "{bold}{}{bold:#}: {colour}{}{colour:#}",
            plain(name(user.asked.as_ref())),
            summary(user)
        )?;
        for listed in self
            .story
            .listed
            .iter()
            .filter(|listed| concerns(listed, user))
        {
            let outcome = listed
                .told
                .iter()
                .find(|(asked, _)| *asked == user.asked)
                .map(|(_, outcome)| outcome);
            writeln!(out, "{}", line(listed, outcome))?;
        }
        if let Some(told) = &user.settings {
            print_settings(told, out)?;
        }
        print_warnings(user, out)?;
        let findings = self.story.findings.iter().enumerate();
        for (at, finding) in findings.filter(|(_, finding)| finding.asked == user.asked) {
            print_finding(finding, out)?;
            if let Some(joined) = self.joined.get(at).and_then(Option::as_ref) {
                print_joined(joined, out)?;
            }
        }
        Ok(())
    }

    /// The document.
    pub(crate) fn to_json(&self) -> Value {
        let story = self.story;
        let findings: Vec<Value> = story
            .findings
            .iter()
            .enumerate()
            .map(|(at, finding)| {
                finding_json(finding, self.joined.get(at).and_then(Option::as_ref))
            })
            .collect();
        json!({
            "version": 1,
            "file": self.file,
            "kind": self.kind,
            "requests": story.exchanges,
            "autodiscover": story.autodiscover,
            "users": story.users.iter().map(user_json).collect::<Vec<_>>(),
            "findings": findings,
            "defects": self.defects,
        })
    }
}

fn name(asked: Option<&Asked>) -> &str {
    asked.map_or("no user named", Asked::as_str)
}

fn colour(verdict: Verdict) -> AnsiColor {
    match verdict {
        Verdict::Ok => AnsiColor::Green,
        Verdict::Warning | Verdict::NeedsConsent => AnsiColor::Yellow,
        Verdict::Failed => AnsiColor::Red,
    }
}

fn summary(user: &User) -> String {
    let at = user
        .decided_at()
        .map(|exchange| format!(", request {exchange}"))
        .unwrap_or_default();
    let names: Vec<&str> = user.redirected_to.iter().map(Asked::as_str).collect();
    let way = match names.as_slice() {
        [] => String::new(),
        names => format!(
            ", by way of the redirect to {}",
            plain(names.join(", then "))
        ),
    };
    let told = match (user.verdict(), user.cause()) {
        (Verdict::Ok, _) => format!("ok{at}"),
        (Verdict::Warning, None) => "no answer that decides".to_owned(),
        (verdict, Some(cause)) => format!("{} ({cause}{at})", verdict.as_str()),
        (verdict, None) => format!("{}{at}", verdict.as_str()),
    };
    format!("{told}{way}")
}

fn concerns(listed: &Listed, user: &User) -> bool {
    listed.told.iter().any(|(asked, _)| *asked == user.asked)
}

/// A request on one line.
pub(crate) fn line(listed: &Listed, outcome: Option<&Outcome>) -> String {
    let method = if listed.method.is_empty() {
        "-"
    } else {
        &listed.method
    };
    let status = if listed.status == 0 {
        "-".to_owned()
    } else {
        listed.status.to_string()
    };
    let url = if listed.url.is_empty() {
        "a saved answer"
    } else {
        &listed.url
    };
    let took = listed
        .took
        .map(|took| format!("  {took} ms"))
        .unwrap_or_default();
    format!(
        "{:>6}  {:<4} {}  {status}{}{took}",
        listed.number,
        plain(method),
        plain(url),
        outcome
            .map(|outcome| format!("  {}", plain(words(outcome))))
            .unwrap_or_default()
    )
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Settings {
            alternatives: 0, ..
        } => "settings".to_owned(),
        Outcome::Settings { alternatives, .. } => {
            let count = plural(*alternatives as u64, "alternative mailbox")
                .replace("mailboxs", "mailboxes");
            format!("settings, {count}")
        }
        Outcome::Redirect(target) => format!("leads to {}", target.as_str()),
        Outcome::Login { schemes, .. } if schemes.is_empty() => "wants a login".to_owned(),
        Outcome::Login { schemes, .. } => format!("wants a login ({})", schemes.join(", ")),
        Outcome::Failed(failure) => match (failure.code, &failure.message) {
            (Some(code), Some(message)) => format!("error {code} {message}"),
            (Some(code), None) => format!("error {code}"),
            (None, Some(message)) => format!("{}: {message}", failure.cause.what()),
            (None, None) => failure.cause.what().to_owned(),
        },
        Outcome::Aside(why) => why.clone().into_owned(),
    }
}

/// What the last answer with settings has, indented below the requests.
fn print_settings(told: &SettingsSummary, out: &mut impl Write) -> Result<()> {
    let mut text = Vec::new();
    told.print(&mut text)?;
    if !told.alternatives.is_empty() {
        writeln!(text, "Alternative mailboxes:")?;
    }
    for alternative in &told.alternatives {
        writeln!(text, "  {}", mailbox(alternative))?;
    }
    for line in String::from_utf8_lossy(&text).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// What should be better.
fn print_warnings(user: &User, out: &mut impl Write) -> Result<()> {
    for concern in &user.warnings {
        let Explanation { why, advice, .. } =
            concern.cause.explain_recorded(name(user.asked.as_ref()));
        writeln!(out, "  ! {}.", plain(concern.sentence()))?;
        writeln!(out, "    {why}")?;
        if let Some(advice) = advice {
            writeln!(out, "    {}", plain(advice))?;
        }
    }
    Ok(())
}

/// A finding, as it stands below its requests and in the live view.
pub(crate) fn print_finding(finding: &Finding, out: &mut impl Write) -> Result<()> {
    let Explanation {
        what,
        why,
        advice,
        hint,
        ..
    } = finding.explain();
    writeln!(out, "  Request {}: {}.", finding.exchange, plain(what))?;
    writeln!(out, "    {why}")?;
    if let Some(from) = &finding.redirected_from {
        writeln!(
            out,
            "    A redirect led here from {}.",
            plain(from.as_str())
        )?;
    }
    if let Some(owner) = &finding.opened_for {
        writeln!(
            out,
            "    This mailbox is also opened for {}.",
            plain(owner.as_str())
        )?;
    }
    if let Some(advice) = advice {
        writeln!(out, "    {}", plain(advice))?;
    }
    if let Some(hint) = hint {
        let sure = match hint.certainty {
            Certainty::Seen => "Outlook shows",
            Certainty::Likely => "Outlook likely shows",
            Certainty::Weak => "Outlook is said to show",
        };
        writeln!(out, "    {sure} 0x{:08X}.", hint.code)?;
    }
    Ok(())
}

fn print_joined(joined: &Joined, out: &mut impl Write) -> Result<()> {
    writeln!(out, "    The directory: {}", plain(&joined.outcome))?;
    if !joined.findings.is_empty() {
        writeln!(out)?;
        print_findings(&joined.findings, &joined.people, out, false)?;
    }
    if let Some(fix_command) = &joined.fix_command {
        writeln!(out, "    To fix: {fix_command}")?;
    }
    Ok(())
}

fn user_json(user: &User) -> Value {
    let mut map = Map::new();
    insert_asked(&mut map, user.asked.as_ref());
    map.insert("verdict".to_owned(), json!(user.verdict().as_str()));
    map.insert("cause".to_owned(), json!(user.cause().map(Cause::code)));
    map.insert("decided".to_owned(), json!(user.decided_at()));
    map.insert("requests".to_owned(), json!(user.exchanges));
    let names: Vec<&str> = user.redirected_to.iter().map(Asked::as_str).collect();
    map.insert("redirected_to".to_owned(), json!(names));
    let warnings: Vec<Value> = user.warnings.iter().map(Concern::to_json).collect();
    map.insert("warnings".to_owned(), json!(warnings));
    map.insert(
        "settings".to_owned(),
        json!(user.settings.as_deref().map(SettingsSummary::to_json)),
    );
    Value::Object(map)
}

fn finding_json(finding: &Finding, joined: Option<&Joined>) -> Value {
    let Explanation {
        what,
        why,
        advice,
        hint,
        command,
    } = finding.explain();
    let explanation = match advice {
        Some(advice) => format!("{what}. {why} {advice}"),
        None => format!("{what}. {why}"),
    };
    let mut map = Map::new();
    map.insert("request".to_owned(), json!(finding.exchange));
    map.insert("code".to_owned(), json!(finding.failure.code));
    map.insert("cause".to_owned(), json!(finding.failure.cause.code()));
    map.insert("message".to_owned(), json!(finding.failure.message));
    map.insert(
        "url".to_owned(),
        json!(Some(&finding.url).filter(|url| !url.is_empty())),
    );
    map.insert(
        "status".to_owned(),
        json!(Some(finding.status).filter(|status| *status != 0)),
    );
    map.insert("started".to_owned(), json!(finding.started));
    insert_asked(&mut map, finding.asked.as_ref());
    if let Some(owner) = &finding.opened_for {
        map.insert("opened_for".to_owned(), json!(owner.as_str()));
    }
    if let Some(from) = &finding.redirected_from {
        map.insert("redirected_from".to_owned(), json!(from.as_str()));
    }
    map.insert("explanation".to_owned(), json!(explanation));
    if let Some(command) = command {
        map.insert("command".to_owned(), json!(command.arguments()));
    }
    if let Some(hint) = hint {
        let code = format!("0x{:08X}", hint.code);
        map.insert(
            "outlook".to_owned(),
            json!({ "hresult": code, "certainty": hint.certainty.as_str() }),
        );
    }
    if let Some(joined) = joined {
        let found: Vec<FindingJson<'_>> = joined
            .findings
            .iter()
            .map(|finding| FindingJson::new(finding, &joined.people))
            .collect();
        map.insert(
            "directory".to_owned(),
            json!({
                "outcome": joined.outcome,
                "findings": found,
                "command": joined.fix_command.as_ref().map(Command::arguments),
            }),
        );
    }
    Value::Object(map)
}

fn insert_asked(map: &mut Map<String, Value>, asked: Option<&Asked>) {
    match asked {
        Some(Asked::Address(address)) => map.insert("address".to_owned(), json!(address)),
        Some(Asked::LegacyDn(name)) => map.insert("legacy_dn".to_owned(), json!(name)),
        None => None,
    };
}

//! The report for a person: the steps as a tree with times, the verdict, what is wrong, what to do.

use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use automend_core::discovery::Act;
use automend_core::display::plain;
use automend_core::verdict::{Cause, Effect, Verdict};
use automend_probe::answer::{SettingsSummary, gathered, mailbox};
use automend_probe::http::HttpExchange;
use automend_recording::secrets::Secrets;

use super::{Report, client, hresult, nothing_wrong, protocol, shown_url, with};
use crate::commands::test::follow::{Followed, How};
use crate::commands::test::run::{Run, Taken};
use crate::report::print_findings;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const SOSO: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

/// Writes the report.
pub(in crate::commands::test) fn write(
    report: &Report,
    secrets: &Secrets,
    out: &mut impl Write,
) -> Result<()> {
    let mut text = Vec::new();
    body(report, secrets, &mut text)?;
    out.write_all(&text)?;
    Ok(())
}

fn body(report: &Report, secrets: &Secrets, out: &mut Vec<u8>) -> Result<()> {
    let kind = protocol(report.run.dialect);
    writeln!(
        out,
        "{} ({kind}, {})\n",
        plain(&report.address),
        ms(report.run.took)
    )?;
    steps(&report.run, secrets, "", out)?;
    for other in &report.others {
        let what = outcome(other.cause, &other.detail);
        let mark = mark(other.cause);
        writeln!(
            out,
            "{mark} {:<18} {}  {what}",
            protocol(other.dialect),
            plain(shown_url(&other.url, secrets))
        )?;
        exchanges(&other.exchanges, secrets, "", out)?;
    }
    if let Some(told) = &report.run.told {
        writeln!(out)?;
        settings(told, &report.followed, secrets, out)?;
    }
    if !report.checked.is_empty() {
        writeln!(out, "\nURLs of the answer:")?;
        for checked in &report.checked {
            writeln!(
                out,
                "{} {}  {}  {}\n    {}{}{QUIET:#}",
                mark(checked.cause),
                plain(shown_url(&checked.promise.url, secrets)),
                plain(outcome(checked.cause, &checked.detail)),
                ms(checked.took),
                QUIET.render(),
                plain(secrets.without(&checked.promise.names.join(", "))),
            )?;
        }
    }
    verdict(report, secrets, out)
}

fn verdict(report: &Report, secrets: &Secrets, out: &mut Vec<u8>) -> Result<()> {
    let verdict = report.verdict();
    let style = match verdict {
        Verdict::Ok => GOOD,
        Verdict::Warning | Verdict::NeedsConsent => SOSO,
        Verdict::Failed => BAD,
    };
    let word = verdict.as_str();
    write!(out, "\n{}{word}{style:#}", style.render())?;
    let failed = report.run.conclusion.cause.filter(|cause| cause.fails());
    let Some(cause) = failed else {
        let from = report.telling().and_then(|step| step.shown_url(secrets));
        match from {
            Some(url) => writeln!(
                out,
                ": {} gets its settings from {}.",
                report.client(),
                plain(url)
            )?,
            None => writeln!(out, ": {} gets its settings.", report.client())?,
        }
        for concern in report.warnings(secrets) {
            let what = plain(concern.sentence());
            writeln!(out, "\n{}!{SOSO:#} {what}", SOSO.render())?;
            explain(concern.cause, report, out)?;
        }
        return Ok(());
    };
    let detail = report
        .telling()
        .map(|step| step.detail.as_str())
        .unwrap_or_default();
    writeln!(out, " ({cause}): {}", plain(with(cause.what(), detail)))?;
    if let Some(step) = report.telling() {
        let url = step
            .shown_url(secrets)
            .map(|url| format!(" at {url}"))
            .unwrap_or_default();
        writeln!(out, "  Step:     {}{}", step.tried.way, plain(url))?;
    }
    explain(cause, report, out)?;
    match &report.blame {
        None => {}
        Some(Err(why)) => writeln!(out, "\nThe directory could not be asked: {}", plain(why))?,
        Some(Ok(blame)) if blame.findings.is_empty() => {
            writeln!(out, "\n{}", plain(nothing_wrong(blame)))?;
        }
        Some(Ok(blame)) => {
            writeln!(out, "\nIn {}:", plain(&blame.directory))?;
            print_findings(&blame.findings, &blame.people, out, false)?;
            if let Some(fix_command) = &blame.fix_command {
                writeln!(out, "To fix: {fix_command}")?;
            }
            for defect in &blame.defects {
                writeln!(out, "note: {}", plain(defect))?;
            }
        }
    }
    Ok(())
}

fn explain(cause: Cause, report: &Report, out: &mut Vec<u8>) -> Result<()> {
    let explanation = report.explain(cause);
    writeln!(out, "  Why:      {}", explanation.why)?;
    if let Some(advice) = report.advice(cause) {
        writeln!(out, "  To do:    {}", plain(advice))?;
    }
    if let Some(hint) = report.hint(cause) {
        let (code, sure) = (hresult(hint.code), hint.certainty.as_str());
        writeln!(out, "  Outlook:  shows {code} ({sure})")?;
    }
    Ok(())
}

fn steps(run: &Run, secrets: &Secrets, indent: &str, out: &mut Vec<u8>) -> Result<()> {
    for step in &run.steps {
        let deeper = if step.tried.led_by.is_some() {
            "  "
        } else {
            ""
        };
        let indent = format!("{indent}{deeper}");
        let what = plain(outcome(step.tried.cause, &step.detail));
        let (mark, way) = (mark(step.tried.cause), step.tried.way);
        let aside = if step.tried.outlook {
            ""
        } else {
            &format!(" ({} would not come here)", client(run.dialect))
        };
        let quiet = QUIET.render();
        if step.tried.act.is_none() {
            writeln!(
                out,
                "{indent}{mark} {way:<18} {what}{quiet}{aside}{QUIET:#}"
            )?;
            continue;
        }
        let (place, took) = (plain(place(step, secrets)), ms(step.took));
        writeln!(
            out,
            "{indent}{mark} {way:<18} {place}  {took}{quiet}{aside}{QUIET:#}\n{indent}    {what}"
        )?;
        exchanges(&step.exchanges, secrets, &indent, out)?;
        for concern in gathered(step.warnings.iter().cloned()) {
            let what = plain(concern.sentence());
            writeln!(out, "{indent}    {}!{SOSO:#} {what}", SOSO.render())?;
        }
        for defect in &step.defects {
            writeln!(
                out,
                "{indent}    {}note: {}{QUIET:#}",
                QUIET.render(),
                plain(defect)
            )?;
        }
    }
    Ok(())
}

fn place(step: &Taken, secrets: &Secrets) -> String {
    match &step.tried.act {
        None => String::new(),
        Some(Act::LookUp(name)) => name.clone(),
        Some(Act::ReadLocalXml) => "the local file".to_owned(),
        Some(Act::SearchDirectory { at: None }) => "the directory".to_owned(),
        Some(Act::SearchDirectory { at: Some(host) }) => format!("the directory at {host}"),
        Some(Act::Consent(question)) => format!("may {} be asked?", question.host),
        Some(Act::Ask(_) | Act::Probe(_) | Act::AskJson(_)) => {
            step.shown_url(secrets).unwrap_or_default()
        }
    }
}

fn exchanges(
    exchanges: &[HttpExchange],
    secrets: &Secrets,
    indent: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut shown = None;
    // The step reports a failure to connect.
    let connected = |exchange: &&HttpExchange| exchange.connection.is_some();
    for exchange in exchanges.iter().filter(connected) {
        if let Some(connection) = exchange.connection.as_deref()
            && shown != Some(connection.number)
        {
            shown = Some(connection.number);
            let mut parts = vec![connection.address.to_string()];
            let times = exchange.times;
            for (name, time) in [("DNS", times.dns), ("connect", times.connect)] {
                parts.extend(time.map(|time| format!("{name} {}", ms(time))));
            }
            if let Some((version, suite)) = &connection.tls {
                let took = times.tls.map(ms).unwrap_or_default();
                parts.push(format!("{version} {suite} {took}"));
            }
            if let Some(untrusted) = &connection.untrusted {
                parts.push(format!("not trusted: {}", untrusted.cause.what()));
            }
            let line = plain(parts.join(", "));
            writeln!(out, "{indent}    {}{line}{QUIET:#}", QUIET.render())?;
        }
        let login = exchange
            .login
            .map(|scheme| format!(" with {scheme}"))
            .unwrap_or_default();
        let answer = match (&exchange.response, &exchange.failure) {
            (Some(response), None) => response.status.to_string(),
            (Some(response), Some(failure)) => format!("{} ({})", response.status, failure.cause),
            (None, Some(failure)) => failure.cause.to_string(),
            (None, None) => String::new(),
        };
        let offers = exchange.response.as_ref().map(|response| {
            let values = response.headers("www-authenticate");
            values
                .filter_map(|value| value.split(' ').next())
                .collect::<Vec<_>>()
                .join(", ")
        });
        let offers = offers.filter(|offers| !offers.is_empty());
        let offers = offers
            .map(|offers| format!(", offers {}", secrets.without(&offers)))
            .unwrap_or_default();
        let took = ms([exchange.times.wait, exchange.times.receive]
            .into_iter()
            .flatten()
            .sum());
        let line = plain(format!(
            "{}{login}: {answer}{offers}  {took}",
            exchange.request.method
        ));
        writeln!(out, "{indent}    {}{line}{QUIET:#}", QUIET.render())?;
    }
    Ok(())
}

fn settings(
    told: &SettingsSummary,
    followed: &[Followed],
    secrets: &Secrets,
    out: &mut Vec<u8>,
) -> Result<()> {
    told.clone()
        .without_secrets()
        .cleaned(|text| *text = secrets.without(text).into_owned())
        .print(out)?;
    if !told.alternatives.is_empty() {
        writeln!(out, "Alternative mailboxes:")?;
    }
    if followed.is_empty() {
        for alternative in &told.alternatives {
            writeln!(out, "  {}", secrets.without(&mailbox(alternative)))?;
        }
    }
    for followed in followed {
        let what = followed
            .cause()
            .map_or("its own answer is good", Cause::what);
        writeln!(
            out,
            "  {} {}  {what}",
            mark(followed.cause()),
            secrets.without(&mailbox(&followed.mailbox))
        )?;
        match &followed.how {
            How::Search(run) if followed.cause().is_some() => steps(run, secrets, "      ", out)?,
            How::Asked {
                exchanges: asked,
                detail,
                ..
            } if followed.cause().is_some() => {
                if !detail.is_empty() {
                    writeln!(out, "      {}", plain(detail))?;
                }
                exchanges(asked, secrets, "  ", out)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn outcome(cause: Option<Cause>, detail: &str) -> String {
    with(cause.map_or("settings", Cause::what), detail)
}

/// A sign that says as much as its colour.
fn mark(cause: Option<Cause>) -> String {
    let (style, sign) = match cause.map(Cause::effect) {
        None => (GOOD, "+"),
        Some(Effect::Aside) => (QUIET, "-"),
        Some(Effect::Warning) => (SOSO, "!"),
        Some(Effect::Consent) => (SOSO, "?"),
        Some(Effect::Failure(_)) => (BAD, "x"),
    };
    format!("{}{sign}{style:#}", style.render())
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

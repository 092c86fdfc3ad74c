//! `--users`: many addresses, a line for each, and what they have in common.
//!
//! All are asked about with one login. A user whose answer is an error stands out; when the login itself
//! is rejected, the rest is not asked, so that nothing gets locked.
//!
//! Invariant: no more than `--parallel` tests are under way, and memory holds no report that was printed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::display::{self, plain};
use automend_core::names::SmtpAddress;
use automend_core::verdict::{Cause, Verdict};
use automend_probe::answer::Concern;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

use super::one::{Wanted, exit, test};
use super::report::{Report, json};
use crate::args::TestFormat;
use crate::commands::test::run::Tester;

/// What many tests came to.
#[derive(Default)]
struct Sum {
    /// How many for each cause; `None` is settings without any warning.
    causes: BTreeMap<Option<Cause>, u64>,
    worst: Option<Verdict>,
    not_asked: u64,
    unreadable: u64,
}

/// Tests every address of a file.
pub(super) async fn run(
    tester: &Tester,
    wanted: &Wanted,
    file: &Path,
    parallel: usize,
    format: TestFormat,
    progress: &ProgressBar,
) -> Result<ExitCode> {
    let mut sum = Sum::default();
    let lines = read(file, &mut sum)?;
    let total = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let style = ProgressStyle::with_template("{pos}/{len} {bar:30} {eta}").context("the bar")?;
    progress.set_style(style);
    progress.set_length(total);
    let tests = stream::iter(lines).map(async |address: SmtpAddress| {
        if tester.logins.are_over() && tester.logins.were_rejected() {
            return Ok(None);
        }
        test(tester, wanted, &address).await.map(Some)
    });
    let mut tests = std::pin::pin!(tests.buffer_unordered(parallel));
    while let Some(report) = tests.next().await {
        progress.inc(1);
        let Some(report) = report? else {
            sum.not_asked += 1;
            continue;
        };
        sum.add(&report);
        let text = match format {
            TestFormat::Tree => line(&report, tester),
            TestFormat::Json => display::json(&json::document(&report, &tester.logins.secrets))?,
        };
        progress.suspend(|| writeln!(anstream::stdout(), "{text}"))?;
    }
    progress.finish_and_clear();
    if format == TestFormat::Tree {
        sum.print()?;
    }
    if sum.not_asked > 0 {
        let left = sum.not_asked;
        anstream::eprintln!(
            "automend: the login was rejected, so {left} of {total} were not asked"
        );
    }
    Ok(match sum.worst {
        // Of one user nothing can be said, whatever the others came to.
        _ if sum.unreadable > 0 => ExitCode::from(2),
        _ if sum.not_asked > 0 => ExitCode::from(1),
        Some(verdict) => exit(verdict),
        None => ExitCode::SUCCESS,
    })
}

/// The addresses of a file; any other line is reported and passed over.
fn read(file: &Path, sum: &mut Sum) -> Result<Vec<SmtpAddress>> {
    let reading = || format!("reading --users {}", file.display());
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(
            std::fs::File::open(file).with_context(reading)?,
        ))
    };
    let mut addresses = Vec::new();
    for (at, line) in reader.lines().enumerate() {
        let line = line.with_context(reading)?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match SmtpAddress::parse(line) {
            Ok(address) => addresses.push(address),
            Err(error) => {
                sum.unreadable += 1;
                anstream::eprintln!("automend: line {}: {}", at + 1, plain(error));
            }
        }
    }
    Ok(addresses)
}

fn line(report: &Report, tester: &Tester) -> String {
    let verdict = report.verdict().as_str();
    let cause = report.cause().map_or("", Cause::code);
    let detail = match report.run.conclusion.cause {
        Some(_) => report
            .telling()
            .map(|step| step.detail.clone())
            .unwrap_or_default(),
        None => report
            .warnings(&tester.logins.secrets)
            .first()
            .map(Concern::detail)
            .unwrap_or_default(),
    };
    let ms = report.run.took.as_secs_f64() * 1000.0;
    let address = &report.address;
    let line = format!("{verdict:<13} {address}  {ms:.0} ms  {cause}  {detail}");
    plain(line.trim_end())
}

impl Sum {
    fn add(&mut self, report: &Report) {
        *self.causes.entry(report.cause()).or_default() += 1;
        self.worst = self.worst.max(Some(report.verdict()));
    }

    fn print(&self) -> Result<()> {
        let mut out = anstream::stdout();
        let tested: u64 = self.causes.values().sum();
        writeln!(out, "\n{tested} tested")?;
        for (cause, count) in &self.causes {
            match cause {
                None => writeln!(out, "{count:>7}  ok")?,
                Some(cause) => writeln!(out, "{count:>7}  {cause}: {}", cause.what())?,
            }
        }
        if self.unreadable > 0 {
            writeln!(out, "{:>7}  lines that are no address", self.unreadable)?;
        }
        Ok(())
    }
}

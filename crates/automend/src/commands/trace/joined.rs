//! Reports what a recording comes to, joined with the directory where one is named.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use automend_core::display;
use automend_probe::story::Story;
use automend_source::Directory;

use super::join;
use super::report::Report;
use crate::args::{self, TraceFormat};
use crate::hints;

/// Reports a story, joined with the directory where one is named.
pub(super) async fn print(
    args: &args::Trace,
    config: Option<&Path>,
    file: String,
    kind: &'static str,
    story: &Story,
) -> Result<ExitCode> {
    let mut report = Report {
        file,
        kind,
        story,
        joined: Vec::new(),
        defects: story.defects(),
    };
    if !args.source.server.directory.is_empty() {
        let settings = crate::config::directory_settings(&args.source, config)?;
        let mut directory = Directory::open(&settings).await?;
        let fix_command = hints::fix_command(&settings, &directory);
        report.joined = join::join(&story.findings, &mut directory, &fix_command).await?;
        report.defects.extend(directory.take_defects());
    }
    let mut out = anstream::stdout();
    match args.format {
        TraceFormat::Table => report.print(&mut out)?,
        TraceFormat::Json => {
            writeln!(out, "{}", display::json_lines(&report.to_json())?)?;
        }
    }
    Ok(if story.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

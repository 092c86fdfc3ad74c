//! `automend trace`: reads what others recorded of Autodiscover, and records it itself.
//!
//! Exit status: 0 nothing wrong, 1 findings, 2 the recording cannot be read.

mod join;
mod joined;
mod proxy;
mod report;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_probe::story::Story;
use automend_recording::Kind;

use crate::args;

/// Runs the command.
pub(crate) async fn run(args: &args::Trace, config: Option<&Path>) -> Result<ExitCode> {
    if args.recording.listen.is_some() {
        return proxy::run(args, config).await;
    }
    let Some(file) = &args.file else {
        bail!("give the recording to read, or --listen ADDRESS to record one");
    };
    let (story, kind) = read(file, args.keys.as_deref())?;
    if story.autodiscover == 0 && kind == Kind::Xml {
        let why = story.no_answer.unwrap_or_default();
        bail!(
            "{}: XML, but no answer of Autodiscover: {why}; save the answer itself, as from the tab XML of \"Test E-mail AutoConfiguration\", or record a HAR, a SAZ or an olkdisc.log",
            file.display()
        );
    }
    if story.autodiscover == 0 && kind == Kind::Analyzer {
        bail!(
            "{}: a result of the Remote Connectivity Analyzer that names no URL of Autodiscover which was tried; run its test of Autodiscover, or record the client with a HAR, a SAZ or an olkdisc.log",
            file.display()
        );
    }
    joined::print(
        args,
        config,
        file.display().to_string(),
        kind.as_str(),
        &story,
    )
    .await
}

/// Reads a recording; `-` is standard input.
fn read(file: &Path, keys: Option<&Path>) -> Result<(Story, Kind)> {
    let shown = || file.display().to_string();
    let mut guard = None;
    let path: PathBuf = if file == Path::new("-") {
        // Archives and captures are read at more than one place.
        let mut copy = tempfile::NamedTempFile::new().context("making a temporary file")?;
        std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut copy)
            .context("reading standard input")?;
        guard.insert(copy).path().to_path_buf()
    } else {
        file.to_path_buf()
    };
    let mut story = Story::default();
    let kind = automend_recording::read(&path, keys, &mut story).with_context(shown)?;
    story.finish();
    Ok((story, kind))
}

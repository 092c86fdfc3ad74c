//! `automend demo`: the whole story on the embedded directory, from the broken answer to the undo.
//!
//! Every step is the real one: the same resolver, audit, plan, writes, receipt and undo as on a forest.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use automend_core::finding::Finding;
use automend_core::plan::{Selection, changes};
use automend_directory::Import;
use automend_source::import::import_file;
use automend_source::{Directory, Location, Settings};
use automend_system::{clock, say};

use crate::args;
use crate::changes::origin::Origin;
use crate::changes::receipt::{Begin, Header, REMOVALS, Receipt, read};
use crate::findings::audit;
use crate::fix::{apply::apply, review, undo::undo};
use crate::report::print_findings;
use crate::show::exchange_answer;

/// A small company with every disease in it.
const CONTOSO: &str = include_str!("../../../examples/contoso.ldif");
const ALICE: &str = "alice@contoso.com";
/// Between two steps on a terminal, so that a person can follow.
const PAUSE: Duration = Duration::from_millis(700);

/// Runs the command.
pub(crate) async fn run(args: &args::Demo) -> Result<ExitCode> {
    let (folder, _guard) = if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        (folder.clone(), None)
    } else {
        let guard = tempfile::tempdir().context("making a temporary folder")?;
        (guard.path().to_path_buf(), Some(guard))
    };
    story(folder).await?;
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::too_many_lines, reason = "one story, step by step")]
async fn story(folder: PathBuf) -> Result<()> {
    let (source, store) = (folder.join("contoso.ldif"), folder.join("directory"));
    std::fs::write(&source, CONTOSO).with_context(|| format!("writing {}", source.display()))?;

    step("Contoso, a small company", "Jim has left. His mailbox was disabled, his account was kept, and nobody thought\nof Alice, who had full access to it. Since then her free/busy and automatic replies fail.").await?;
    let report = import_file(&source.display().to_string(), &store, Import::default())?;
    say!(
        "{} objects, {} links in an embedded directory.",
        report.added,
        report.links
    );
    let settings = Settings::of(Location::Embedded(store));
    let mut directory = Directory::open(&settings).await?;

    step(
        "1. Alice's Outlook asks Autodiscover",
        "This is the answer as Exchange gives it. It names nobody.",
    )
    .await?;
    let broken = exchange_answer(&mut directory, ALICE).await?;
    say!("{broken}");

    step(
        "2. automend audit",
        "One look at the owners' side of every link names the culprits and who is affected.",
    )
    .await?;
    let report = audit(&mut directory, &settings, None, None, false).await?;
    let stale: Vec<Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
        .cloned()
        .collect();
    print_findings(&stale, &report.people, &mut anstream::stdout(), false)?;
    say!(
        "({} findings in all; automend audit shows the others.)",
        report.findings.len()
    );

    step(
        "3. automend fix: the plan",
        "Only values of the owners' forward link are removed, exactly those that were read.",
    )
    .await?;
    let planned = changes(&report.findings, &Selection::default());
    review(&planned, &mut anstream::stdout())?;

    step(
        "4. automend fix: apply",
        "Each change is in the receipt before it is written.",
    )
    .await?;
    let path = folder.join("receipt.ldif");
    let identity = directory.identity().await?;
    let header = Header {
        origin: Origin::new(
            REMOVALS,
            clock::now().to_string(),
            settings.directory.shown(),
            identity,
        ),
        guard: "single writer".to_owned(),
    };
    let mut receipt = Receipt::create(&path, &header)?;
    apply(&mut directory, &planned, &mut receipt, None).await?;

    step(
        "5. Alice's Outlook asks again",
        "Her settings, and the mailboxes that she may really open.",
    )
    .await?;
    let healthy = exchange_answer(&mut directory, ALICE).await?;
    say!("{healthy}");

    step(
        "6. automend undo",
        "A receipt is the way back: every link as it was.",
    )
    .await?;
    let begun: Vec<Begin> = read(&path)?
        .changes
        .into_iter()
        .map(|(begin, _)| begin)
        .rev()
        .collect();
    undo(&mut directory, &begun, &mut Receipt::append(&path)?).await?;
    let again = exchange_answer(&mut directory, ALICE).await?;
    if !broken.contains("<ErrorCode>603")
        || !healthy.contains("AlternativeMailbox")
        || !again.contains("<ErrorCode>603")
    {
        bail!("the story went another way: this is a defect of automend");
    }
    say!("Alice gets error 603 again, as before the mend.");
    say!("\nOn your directory:  automend audit --directory ldaps://DC --user NAME@DOMAIN");
    Ok(())
}

async fn step(title: &str, text: &str) -> Result<()> {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
    let mut out = anstream::stdout();
    if std::io::stdout().is_terminal() {
        tokio::time::sleep(PAUSE).await;
    }
    writeln!(out, "\n{style}{title}{style:#}\n{text}\n")?;
    out.flush()?;
    Ok(())
}

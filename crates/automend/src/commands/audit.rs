//! `automend audit`: what is wrong in a directory, and who is affected.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_core::display::plain;
use automend_source::live::Live;
use automend_source::{Directory, Location};
use automend_system::say;

use crate::args;
use crate::findings::{Also, audit};
use crate::report;
use crate::report::people::People;

/// Runs the command.
pub(crate) async fn run(args: &args::Audit, config: Option<&std::path::Path>) -> Result<ExitCode> {
    let mut settings = crate::config::directory_settings(&args.source, config)?;
    let mut delegate = args.delegate.clone();
    if !matches!(settings.directory, Location::Server(_))
        && delegate.is_none()
        && args.owner.is_none()
    {
        // A file has no login, so --user names whom to look at.
        delegate.clone_from(&args.source.server.user);
    }
    if args.deep && delegate.is_some() {
        bail!("--deep looks at everybody; leave out the user");
    }
    if !matches!(settings.directory, Location::Server(_)) {
        settings.user = None;
    }
    if args.access && delegate.is_some() {
        bail!("--access looks at mailboxes; leave out the user, or ask `automend access`");
    }
    let mut directory = Directory::open(&settings).await?;
    directory.name_server(&mut settings);
    if args.print_search {
        return print_search(&directory);
    }
    let mut report = audit(
        &mut directory,
        &settings,
        delegate.as_deref(),
        args.owner.as_deref(),
        Also {
            deep: args.deep,
            access: args.access,
        },
    )
    .await?;
    report.people = People::of(&mut directory, &report.findings).await;
    report::write(&report, args.format, args.output.as_deref())?;
    if args.format != args::Format::Table || args.output.is_some() {
        report.warn();
    }
    Ok(report.status())
}

fn print_search(directory: &Directory) -> Result<ExitCode> {
    let Directory::Live(live) = directory else {
        bail!("--print-search: only a server is searched");
    };
    for base in live.bases().context("listing the searches")? {
        for search in [Live::owner_search(&base), Live::back_link_search(&base)] {
            say!(
                "{}\tsub\t{}\t{}",
                plain(&search.base),
                search.filter,
                search.attributes.join(" ")
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! The test of one address: the search, the other dialects, what follows from the answer, and the URLs in it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::discovery::Dialect;
use automend_core::names::SmtpAddress;
use automend_core::resolve::Who;
use automend_core::verdict::{Cause, Verdict};

use super::directory_check::DirectoryCheck;
use super::login::Asked;
use super::report::{Other, Report};
use super::run::{Run, Tester};
use super::{follow, urls};

/// What is wanted of each test.
pub(super) struct Wanted {
    /// How to ask; the first one searches.
    pub dialects: Vec<Dialect>,
    pub follow: bool,
    pub check_urls: bool,
}

/// Tests one address.
pub(super) async fn test(
    tester: &Tester,
    wanted: &Wanted,
    address: &SmtpAddress,
) -> Result<Report> {
    let (first, rest) = wanted.dialects.split_first().context("no protocol")?;
    let run = tester.search(address, *first, None).await?;
    let mut others = Vec::new();
    for dialect in rest {
        others.extend(other(tester, address, &run, *dialect).await?);
    }
    let followed = if wanted.follow {
        follow::follow(tester, address, &run).await?
    } else {
        Vec::new()
    };
    let checked = if wanted.check_urls {
        urls::check(tester, &run).await
    } else {
        Vec::new()
    };
    let blame = match (&tester.directory, run.conclusion.cause) {
        (Some(beside), Some(cause)) if is_of_the_directory(cause) => {
            let blame = beside.blame(address).await;
            Some(blame.map_err(|error| format!("{error:#}")))
        }
        _ => None,
    };
    Ok(Report {
        address: address.to_string(),
        run,
        others,
        followed,
        checked,
        blame,
        directory: tester.directory.as_ref().map(DirectoryCheck::command),
    })
}

/// Asks the server that answered in another dialect.
async fn other(
    tester: &Tester,
    address: &SmtpAddress,
    run: &Run,
    dialect: Dialect,
) -> Result<Option<Other>> {
    let Some((url, login)) = &run.endpoint else {
        return Ok(None);
    };
    let url = url.with_target(&dialect.target());
    let who = Who::Address(address.clone());
    let Asked { exchanges, judged } = tester.ask_about(&who, &url, dialect, *login).await?;
    Ok(Some(Other {
        dialect,
        url,
        exchanges,
        cause: judged.cause(),
        detail: judged.detail,
    }))
}

/// Whether the directory may tell what lies behind it.
fn is_of_the_directory(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::DirectoryObjectGone
            | Cause::UnknownAddress
            | Cause::SoapInvalidUser
            | Cause::SoapServerError
            | Cause::MobileSyncError
    )
}

pub(super) fn exit(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::NeedsConsent | Verdict::Failed => ExitCode::from(1),
        Verdict::Warning => ExitCode::from(3),
    }
}

//! `automend explain CODE`: the page of a finding code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::finding::Code;

use crate::args;

/// Runs the command.
pub(crate) fn run(args: &args::Explain) -> Result<ExitCode> {
    let mut out = anstream::stdout();
    let Some(text) = &args.code else {
        for code in Code::ALL {
            writeln!(
                out,
                "{code}  {:8} {}",
                code.severity().as_str(),
                code.title()
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(code) = Code::parse(text) else {
        bail!("{text}: no such code; automend explain lists them all");
    };
    write!(out, "{}", page(code))?;
    Ok(ExitCode::SUCCESS)
}

macro_rules! pages {
    ($($name:ident $file:literal)*) => {
        /// The page of a code, `docs/findings/CODE.md`.
        pub(crate) fn page(code: Code) -> &'static str {
            match code {
                $(Code::$name => include_str!(concat!("../../../docs/findings/", $file, ".md")),)*
            }
        }
    };
}

pages! {
    OwnerDisabled "AM101"
    OwnerWithoutLegacyDn "AM102"
    OwnerNotAMailbox "AM103"
    OwnerDatabaseGone "AM104"
    OwnerFailsItself "AM105"
    OwnerUnreadable "AM106"
    GroupDelegate "AM109"
    RemoteWithoutAddress "AM110"
    TooManyBackLinks "AM111"
    OwnerWithoutServer "AM112"
    OwnerGone "AM113"
    OwnerDeleted "AM114"
    SelfLink "AM115"
    UnknownAddress "US201"
    DuplicateAddress "US202"
    MailUserWithoutTarget "US203"
    HalfMailbox "US204"
    LegacyDnTrouble "US205"
    ArchiveDangling "US206"
    TypeInconsistent "US207"
    TeamMailboxDead "US208"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_about_its_code_and_tells_all_four_parts() {
        for code in Code::ALL {
            let page = page(*code);
            assert!(
                page.starts_with(&format!("# {code}: {}\n", code.title())),
                "{code}"
            );
            for part in ["## Symptom", "## Cause", "## Evidence", "## Mend"] {
                assert!(page.contains(part), "{code} lacks {part}");
            }
        }
    }
}

//! `automend explain CODE`: the page of a finding code, or what a cause that a test names means.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::finding::Code;
use automend_core::verdict::Cause;

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
        writeln!(out)?;
        for cause in Cause::ALL {
            writeln!(out, "{:<26} {}", cause.code(), cause.what())?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(code) = Code::parse(text) {
        write!(out, "{}", page(code))?;
    } else if let Some(cause) = Cause::parse(&text.to_ascii_lowercase()) {
        let explanation = cause.explain("ADDRESS");
        writeln!(out, "{cause}: {}\n\n{}", explanation.what, explanation.why)?;
        if let Some(advice) = explanation.advice {
            writeln!(out, "To do: {advice}")?;
        }
        if let Some(hint) = explanation.hint {
            let sure = hint.certainty.as_str();
            writeln!(out, "Outlook shows 0x{:08X} ({sure}).", hint.code)?;
        }
    } else {
        bail!("{text}: no such code; automend explain lists them all");
    }
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
    OwnerElsewhere "AM116"
    OwnerAstray "AM117"
    DelegateCannotAsk "AM118"
    UnknownAddress "US201"
    DuplicateAddress "US202"
    MailUserWithoutTarget "US203"
    HalfMailbox "US204"
    LegacyDnTrouble "US205"
    ArchiveDangling "US206"
    TypeInconsistent "US207"
    TeamMailboxDead "US208"
    AddressOfAnother "US209"
    RedirectAstray "US210"
    MailElsewhere "US211"
    HomeGone "US212"
    ScpWithoutServer "DS301"
    DatabaseWithoutServer "DS302"
    AdministrativeGroupEmpty "DS303"
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

//! `automend explain CODE`: the page of a finding code, or what a cause that a test names means.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::finding::Code;
use automend_core::verdict::Cause;

use crate::args;
use crate::codes::page;

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
    } else if let Some(causes) = shown_as(text) {
        for (i, cause) in causes.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            print_cause(*cause, &mut out)?;
        }
    } else if let Some(cause) = Cause::parse(&text.to_ascii_lowercase()) {
        print_cause(cause, &mut out)?;
    } else {
        bail!(
            "{text}: no such code; automend explain lists them all, and reads numbers that people see, such as 603 or 0x800C8203"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The causes behind a number that people see: an error of Autodiscover, or what Outlook shows, in
/// hexadecimal or as Windows writes it in decimal.
fn shown_as(text: &str) -> Option<Vec<Cause>> {
    let text = text.trim();
    let digits = ["0x", "0X", "&H", "&h"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let number = match digits {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None if text.starts_with('-') => {
            // An HRESULT is a signed number to many programs.
            u32::from_ne_bytes(text.parse::<i32>().ok()?.to_ne_bytes())
        }
        None => text.parse().ok().or_else(|| {
            let bare = text.len() == 8 && text.starts_with('8');
            u32::from_str_radix(text, 16).ok().filter(|_| bare)
        })?,
    };
    let fault = Cause::of_fault(number);
    if fault != Cause::OtherFault {
        return Some(vec![fault]);
    }
    let hinted: Vec<Cause> = Cause::ALL
        .iter()
        .copied()
        .filter(|cause| cause.hint().is_some_and(|hint| hint.code == number))
        .collect();
    if !hinted.is_empty() {
        return Some(hinted);
    }
    let status = u16::try_from(number).ok()?;
    (400..600)
        .contains(&status)
        .then(|| Cause::of_status(status))?
        .map(|cause| vec![cause])
}

fn print_cause(cause: Cause, out: &mut impl Write) -> Result<()> {
    let explanation = cause.explain("ADDRESS");
    writeln!(out, "{cause}: {}\n\n{}", explanation.what, explanation.why)?;
    if let Some(advice) = explanation.advice {
        writeln!(out, "To do: {advice}")?;
    }
    if let Some(hint) = explanation.hint {
        let sure = hint.certainty.as_str();
        writeln!(out, "Outlook shows 0x{:08X} ({sure}).", hint.code)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_that_people_see_are_explained() {
        let first = |text: &str| shown_as(text).and_then(|causes| causes.first().copied());
        for text in [
            "603",
            "0x800C8203",
            "0x800c8203",
            "800C8203",
            "-2146663933",
            "2148303363",
        ] {
            let causes = shown_as(text).unwrap_or_default();
            assert!(
                causes.contains(&Cause::DirectoryObjectGone),
                "{text}: {causes:?}"
            );
        }
        for cause in Cause::ALL {
            if let Some(hint) = cause.hint() {
                let text = format!("0x{:08X}", hint.code);
                assert!(shown_as(&text).unwrap().contains(cause), "{text}");
            }
        }
        assert_eq!(first("500"), Some(Cause::UnknownAddress));
        assert_eq!(first("401"), Some(Cause::LoginWanted));
        assert_eq!(first("403"), Some(Cause::Forbidden));
        for text in ["", "7", "0x1", "999", "AM101", "fault-603", "0xzz"] {
            assert_eq!(first(text), None, "{text}");
        }
    }
}

//! The codes of findings and causes, and the page of each finding.

use automend_core::finding::Code;
use automend_core::verdict::Cause;

/// Every code, for completions; other texts are read, too.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let findings = Code::ALL.iter().map(|code| code.as_str());
    findings.chain(Cause::ALL.iter().map(|cause| cause.code()))
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
    LinkWithoutPermission "AM107"
    PermissionWithoutLink "AM108"
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
    UserUnreadable "US213"
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
            for part in ["## Symptom", "## Cause", "## Evidence", "## Fix"] {
                assert!(page.contains(part), "{code} lacks {part}");
            }
        }
    }
}

//! `automend demo`: the whole story on the embedded directory, from the grant to both cures.
//!
//! Every step is the real one: the same resolver, audit, plan, writes, receipt and undo as on a forest.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use automend_core::descriptor::Descriptor;
use automend_core::entry::Entry;
use automend_core::finding::Finding;
use automend_core::mailbox::{Home, Left, Mailbox, USER_MAILBOX, disabled, enabled};
use automend_core::names::SmtpAddress;
use automend_core::plan::{Edit, Replaced, Selection, changes};
use automend_directory::Import;
use automend_source::import::import_file;
use automend_source::{Directory, Location, Settings};
use automend_system::{clock, say};

use crate::args;
use crate::changes::carry::{Words, carry_out};
use crate::changes::named::object;
use crate::changes::origin::Origin;
use crate::changes::receipt::{Begin, Header, REMOVALS, Receipt, read};
use crate::changes::step::Step;
use crate::commands::fix::{apply::apply, review, undo::undo};
use crate::commands::show::exchange_answer;
use crate::findings::{Also, audit};
use crate::report::print_findings;

/// A small company with every disease in it.
const CONTOSO: &str = include_str!("../../../../examples/contoso.ldif");
const ALICE: &str = "alice@contoso.com";
const JIM: &str = "dn: CN=Jim Stone,OU=People,DC=contoso,DC=com";
const JIM_CALLED: &str = "CN=Jim Stone,OU=People,DC=contoso,DC=com";
const JIMS_ADDRESS: &str = "jim@contoso.com";
/// The `legacyExchangeDN` of DB02.
const JIMS_DATABASE: &str = "/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=EX02/cn=Microsoft Private MDB";
/// What Jim had before he left.
const JIMS_MAILBOX: &str = "\
mail: jim@contoso.com
mailNickname: jim
proxyAddresses: SMTP:jim@contoso.com
legacyExchangeDN: /o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=0f4c1e6e1a55-jim
msExchMailboxGuid:: X7J1aG5sTkKqk4qvOZ1tRw==
homeMDB: CN=DB02,CN=Databases,CN=Exchange Administrative Group (FYDIBOHF23SPDLT),CN=Administrative Groups,CN=Contoso,CN=Microsoft Exchange,CN=Services,CN=Configuration,DC=contoso,DC=com
msExchHomeServerName: /o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=EX02
msExchRecipientTypeDetails: 1
msExchRecipientDisplayType: 1073741824
msExchVersion: 88218628259840
";
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

/// Contoso as it was while Jim still worked there.
fn before_jim_left() -> String {
    let before = format!("{JIM}\n");
    let Some((front, jim)) = CONTOSO.split_once(&before) else {
        return CONTOSO.to_owned();
    };
    let jim = jim.replacen(
        "msExchDelegateListLink: CN=Alice Ames,OU=People,DC=contoso,DC=com\n",
        JIMS_MAILBOX,
        1,
    );
    format!("{front}{before}{jim}")
}

/// The mailbox is granted, appears, and is disabled, and the answer breaks.
async fn disease(directory: &mut Directory, settings: &Settings, folder: &Path) -> Result<()> {
    step(
        "1. automend grant jim --to alice",
        "Full access is an entry in the permissions of Jim's mailbox; the link makes Outlook open it.",
    )
    .await?;
    let alice = object(directory, ALICE).await?;
    let jim = object(directory, JIM_CALLED).await?;
    let mut rights = Descriptor::of_new_mailbox();
    let sid = alice.sid.as_ref().context("Alice has no objectSid")?;
    rights.grant_full_access(sid)?;
    let edit = Edit {
        add: vec![alice.dn],
        descriptor: Some(Replaced {
            before: None,
            after: Some(rights.as_bytes().to_vec()),
        }),
        ..Edit::default()
    };
    carry(directory, settings, jim, edit, "grant", folder).await?;

    step(
        "2. Alice's Outlook asks Autodiscover",
        "Jim's mailbox is among those that Outlook opens for her.",
    )
    .await?;
    let granted = exchange_answer(directory, ALICE).await?;
    expect(&granted, JIMS_ADDRESS)?;
    say!("{granted}");

    step(
        "3. automend mailbox disable jim",
        "Jim has left. His mailbox is disabled, his account is kept, and the link stays, as Exchange leaves it.",
    )
    .await?;
    let jim = object(directory, JIM_CALLED).await?;
    let edit = Edit {
        attributes: disabled(&jim),
        ..Edit::default()
    };
    carry(directory, settings, jim, edit, "disable", folder).await?;

    step(
        "4. Alice's Outlook asks again",
        "This is the answer as Exchange gives it: her free/busy and automatic replies fail, and it names no owner.",
    )
    .await?;
    let broken = exchange_answer(directory, ALICE).await?;
    expect(&broken, "<ErrorCode>603")?;
    say!("{broken}");
    Ok(())
}

/// The other cure: the mailbox comes back.
async fn reconnect(directory: &mut Directory, settings: &Settings, folder: &Path) -> Result<()> {
    step(
        "10. The other cure: automend mailbox connect jim",
        "The mailbox comes back from what was kept of it, and the link works again.",
    )
    .await?;
    let jim = object(directory, JIM_CALLED).await?;
    let left = Left::of(&jim);
    let database = left
        .database
        .context("the database of Jim's mailbox was not kept")?;
    let mailbox = Mailbox {
        guid: left
            .guid
            .context("the GUID of Jim's mailbox was not kept")?,
        home: Home::of(database, JIMS_DATABASE).context("no server has Jim's database")?,
        address: SmtpAddress::parse(JIMS_ADDRESS)?,
        kind: left.kind.unwrap_or(USER_MAILBOX),
        made: None,
    };
    let edit = Edit {
        attributes: enabled(&jim, &mailbox),
        ..Edit::default()
    };
    carry(directory, settings, jim, edit, "connect", folder).await?;
    let cured = exchange_answer(directory, ALICE).await?;
    expect(&cured, JIMS_ADDRESS)?;
    say!("{cured}");
    Ok(())
}

/// Writes as the command does, without a question.
async fn carry(
    directory: &mut Directory,
    settings: &Settings,
    owner: Entry,
    edit: Edit,
    code: &str,
    folder: &Path,
) -> Result<()> {
    let words = Words {
        code,
        title: "Plan:".to_owned(),
        question: String::new(),
    };
    let how = args::CarryingOut {
        writing: args::Writing {
            yes: true,
            rate: None,
            dc: Vec::new(),
            replication_timeout: 0,
        },
        plan_only: false,
        output: None,
        receipt: Some(folder.join(format!("{code}.ldif"))),
    };
    let lines = Vec::new();
    let steps = [Step { owner, edit, lines }];
    carry_out(directory, settings, &steps, words, &how).await?;
    Ok(())
}

/// That the story goes as it always does.
fn expect(answer: &str, text: &str) -> Result<()> {
    if !answer.contains(text) {
        bail!("the story went another way: this is a defect of automend");
    }
    Ok(())
}

#[allow(clippy::too_many_lines, reason = "one story, step by step")]
async fn story(folder: PathBuf) -> Result<()> {
    let (source, store) = (folder.join("contoso.ldif"), folder.join("directory"));
    std::fs::write(&source, before_jim_left())
        .with_context(|| format!("writing {}", source.display()))?;

    step(
        "Contoso, a small company",
        "Jim goes on leave, and Alice is to read his mail.",
    )
    .await?;
    let report = import_file(&source.display().to_string(), &store, Import::default())?;
    say!(
        "{} objects, {} links in an embedded directory.",
        report.added,
        report.links
    );
    let settings = Settings::of(Location::Embedded(store));
    let mut directory = Directory::open(&settings).await?;
    disease(&mut directory, &settings, &folder).await?;

    step(
        "5. automend audit",
        "One look at the owners' side of every link names the culprits and who is affected.",
    )
    .await?;
    let report = audit(&mut directory, &settings, None, None, Also::default()).await?;
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
        "6. One cure: automend fix, the plan",
        "Only values of the owners' forward link are removed, exactly those that were read.",
    )
    .await?;
    let planned = changes(&report.findings, &Selection::default());
    review(&planned, &mut anstream::stdout())?;

    step(
        "7. automend fix: apply",
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
        "8. Alice's Outlook asks again",
        "Her settings, and the mailboxes that she may really open.",
    )
    .await?;
    let healthy = exchange_answer(&mut directory, ALICE).await?;
    say!("{healthy}");

    step(
        "9. automend undo",
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
    expect(&healthy, "AlternativeMailbox")?;
    expect(&again, "<ErrorCode>603")?;
    say!("Alice gets error 603 again, as before the fix.");
    reconnect(&mut directory, &settings, &folder).await?;
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

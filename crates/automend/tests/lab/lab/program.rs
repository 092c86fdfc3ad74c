//! automend itself, as it is run against the laboratory's servers, and what it left behind.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use automend_core::dn::Dn;
use automend_core::names::{Guid, SmtpAddress};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Bind, Lab, run, script, succeeded};

const PROGRAM: &str = env!("CARGO_BIN_EXE_automend");

/// What automend said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("automend writes UTF-8");
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Its standard output, if it ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.out
    }

    /// That it could not do its work, and said why in these words.
    #[track_caller]
    pub(crate) fn failed_with(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

/// A folder for the plans and receipts of one test.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the temporary directory can be written"))
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of a file in it, as an argument.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.file(name)
            .to_str()
            .expect("its path is UTF-8")
            .to_owned()
    }
}

impl Lab {
    /// automend with these arguments alone, where the laboratory can be reached.
    pub(crate) fn automend(&self, args: &[&str]) -> Ran {
        Ran::of(&run(self.command(PROGRAM).args(args), ""))
    }

    /// Compares an audit in JSON with what seed.py meant.
    #[track_caller]
    pub(crate) fn check_truth(&self, audit: &str) {
        succeeded(&run(
            Command::new(script("check_truth.py")).arg(self.var("LAB_TRUTH")),
            audit,
        ));
    }
}

impl Bind<'_> {
    /// automend with `command`, which this user runs at this server.
    pub(crate) fn program(&self, command: &[&str]) -> Command {
        let mut program = match self.namespace {
            Some(namespace) => self.lab.command_in(namespace, PROGRAM),
            None => self.lab.command(PROGRAM),
        };
        program.args(command);
        program.args([
            "-d",
            self.url,
            "-u",
            self.user,
            "--password-file",
            self.password_file,
        ]);
        program.args(["--ca", self.lab.var("LAB_CA")]);
        program
    }

    /// Runs [`Bind::program`] to its end.
    pub(crate) fn automend(&self, command: &[&str]) -> Ran {
        Ran::of(&run(&mut self.program(command), ""))
    }

    /// Checks that someone of the seed is found by the address that Autodiscover makes of a mailbox.
    pub(crate) fn finds_a_mailbox_by_its_guid(&self) {
        let filter = "(&(msExchMailboxGuid=*)(legacyExchangeDN=*)(homeMDB=*)(mail=*))";
        let base = self.lab.var("LAB_BASE");
        let found = self.search(base, "sub", filter, &["mail", "msExchMailboxGuid"]);
        let value = |name: &str| {
            let mut values = found.lines().filter_map(|line| line.strip_prefix(name));
            values.next().expect("the seed has mailboxes").trim()
        };
        let (mail, guid) = (value("mail:"), value("msExchMailboxGuid::"));
        let bytes = STANDARD.decode(guid).expect("it is base64");
        let guid = Guid::from_bytes(&bytes).expect("it is a GUID");
        let (_, domain) = mail.split_once('@').expect("an address");
        let asked = SmtpAddress::of_mailbox(guid, domain);
        let shown = self.automend(&["show", &asked, "--format", "json"]);
        assert!(shown.out.contains(&format!("\"{mail}\"")), "{shown:?}");
    }

    /// Every link below the domain: owner and delegate.
    pub(crate) fn links(&self) -> Links {
        self.links_below(
            self.lab.var("LAB_BASE"),
            "sub",
            "(msExchDelegateListLink=*)",
        )
    }

    /// The delegates of one owner.
    pub(crate) fn links_of(&self, owner: &str) -> Vec<Dn> {
        let links = self.links_below(owner, "base", "(objectClass=*)");
        links.into_iter().map(|(_, delegate)| delegate).collect()
    }

    fn links_below(&self, base: &str, scope: &str, filter: &str) -> Links {
        let ldif = self.search(base, scope, filter, &["msExchDelegateListLink"]);
        let mut links = Links::new();
        let mut owner = None;
        for line in ldif.lines() {
            if let Some(value) = line.strip_prefix("dn:") {
                owner = Some(name(value));
            } else if let Some(value) = line.strip_prefix("msExchDelegateListLink:") {
                links.insert((
                    owner.clone().expect("a record begins with its name"),
                    name(value),
                ));
            }
        }
        links
    }

    /// Puts the mailbox of an owner back, as `Connect-Mailbox` does.
    pub(crate) fn reconnect_mailbox(&self, owner: &str) {
        let ldif = format!(
            "dn: {owner}\nchangetype: modify\n\
             replace: legacyExchangeDN\nlegacyExchangeDN: /o=ExchOrg/cn=again\n-\n\
             replace: msExchMailboxGuid\nmsExchMailboxGuid:: b5YZ/4uG0BG0LQDAT8lk/w==\n-\n\
             replace: msExchHomeServerName\nmsExchHomeServerName: /o=ExchOrg/cn=Servers/cn=EX01\n-\n"
        );
        assert_eq!(self.modify(&ldif), 0, "giving {owner} its mailbox back");
    }

    /// Takes it away again.
    pub(crate) fn disconnect_mailbox(&self, owner: &str) {
        let ldif = format!(
            "dn: {owner}\nchangetype: modify\nreplace: legacyExchangeDN\n-\n\
             replace: msExchMailboxGuid\n-\nreplace: msExchHomeServerName\n-\n"
        );
        assert_eq!(self.modify(&ldif), 0, "taking the mailbox of {owner}");
    }
}

/// Owners and delegates. Servers spell the same name in several ways, so names are compared parsed.
pub(crate) type Links = HashSet<(Dn, Dn)>;

/// What stands behind the colon of a line of LDIF whose value is a name.
fn name(value: &str) -> Dn {
    let text = match value.strip_prefix(':') {
        Some(encoded) => {
            let bytes = STANDARD
                .decode(encoded.trim_start())
                .expect("a server writes base64");
            String::from_utf8(bytes).expect("a name is UTF-8")
        }
        None => value.trim_start().to_owned(),
    };
    Dn::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A line of LDIF with any value.
pub(crate) fn encoded(attribute: &str, value: &str) -> String {
    format!("{attribute}:: {}\n", STANDARD.encode(value))
}

/// A receipt as a test reads it: every change, with what became of it.
pub(crate) struct Receipt {
    /// How changes were guarded.
    pub(crate) guard: String,
    /// Owner, values, outcome.
    pub(crate) changes: Vec<(String, Vec<String>, Option<String>)>,
}

impl Receipt {
    /// Reads one without automend's own code.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the receipt is there");
        let json = |line: &str, word: &str| -> Option<serde_json::Value> {
            let json = line.strip_prefix(word)?;
            Some(serde_json::from_str(json).unwrap_or_else(|error| panic!("{line}: {error}")))
        };
        let mut receipt = Self {
            guard: String::new(),
            changes: Vec::new(),
        };
        let mut numbers = Vec::new();
        for line in text.lines() {
            if let Some(header) = json(line, "# automend receipt ") {
                header["guard"]
                    .as_str()
                    .expect("a guard")
                    .clone_into(&mut receipt.guard);
            }
            if let Some(begin) = json(line, "# begin ") {
                let values = begin["delegates"].as_array().expect("delegates");
                let values = values
                    .iter()
                    .map(|value| value.as_str().expect("a name").to_owned())
                    .collect();
                numbers.push(begin["n"].clone());
                receipt.changes.push((
                    begin["owner"].as_str().expect("an owner").to_owned(),
                    values,
                    None,
                ));
            }
            if let Some(end) = json(line, "# end ") {
                let at = numbers
                    .iter()
                    .position(|n| *n == end["n"])
                    .expect("the change has begun");
                receipt.changes[at].2 =
                    Some(end["outcome"].as_str().expect("an outcome").to_owned());
            }
        }
        receipt
    }

    /// How many values were removed.
    pub(crate) fn removed(&self) -> usize {
        self.changes
            .iter()
            .filter(|(_, _, end)| end.as_deref() == Some("removed"))
            .map(|(_, values, _)| values.len())
            .sum()
    }
}

/// How many links the seed calls stale, and how many there are.
pub(crate) fn truth_counts(lab: &Lab) -> (usize, usize) {
    let text = std::fs::read_to_string(lab.var("LAB_TRUTH")).expect("the truth is there");
    let truth: serde_json::Value = serde_json::from_str(&text).expect("the truth is JSON");
    let count = |name: &str| {
        usize::try_from(truth["counts"][name].as_u64().expect("a count")).expect("it fits")
    };
    (count("staleLinks"), count("links"))
}

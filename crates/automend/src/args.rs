//! What was typed: the command line, and nothing of what it means (that is `config`).
//!
//! One definition feeds `-h`, `--help`, the man pages and the completions.

mod delegations;
mod directory;
mod exit;
mod source;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use delegations::{
    Access, AutomapCommand, AutomapSync, CarryingOut, ConnectMailbox, DisableMailbox,
    EnableMailbox, Grant, LinkState, Links, ListFormat, MailboxCommand, OneMailbox, Place, Revoke,
};
pub(crate) use directory::{DirectoryCommand, DirectoryServe};
pub(crate) use source::{AuthMethod, Login, Server, Source, Writing};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "automend",
    version,
    about = "Finds the directory links that break Microsoft Autodiscover, and removes them",
    long_about = "Finds the directory links that break Microsoft Autodiscover, and removes them.\n\n\
        When a mailbox is removed but its AutoMapping link stays, Autodiscover answers the delegate with \
        error 603 (Outlook: 0x800C8203), and no message names the mailbox at fault. automend names it, \
        names the affected users, and removes the link safely.",
    after_help = "Exit status: 0 nothing is wrong, 1 something was found, 2 the work could not be done.\n\
        The help of each command has its own.",
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,

    /// Read this configuration instead of automend.toml
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find stale AutoMapping links and everything else that breaks Autodiscover
    #[command(after_help = exit::AUDIT)]
    Audit(Audit),
    /// Show one user: what is opened for them, who opens their mailbox, and what Autodiscover answers
    #[command(after_help = exit::SHOW)]
    Show(Show),
    /// Test Autodiscover as Outlook does, and say in words what is wrong
    #[command(after_help = exit::TEST)]
    Test(Box<Test>),
    /// Remove stale links: plan, review, apply, wait for replication, verify
    #[command(after_help = exit::FIX)]
    Fix(Fix),
    /// Put everything back as it was before a fix, grant, revoke, automap or mailbox
    #[command(after_help = exit::UNDO)]
    Undo(Undo),
    /// List every AutoMapping link, healthy or not: owner, delegate, state, since when
    #[command(after_help = exit::LIST)]
    Links(Links),
    /// Who can open which mailbox, and why: for a user each mailbox, for a mailbox each user
    #[command(after_help = exit::LIST)]
    Access(Access),
    /// Give a user full access to a mailbox, and let Outlook open it by itself
    #[command(after_help = exit::CHANGE)]
    Grant(Grant),
    /// Take full access to a mailbox from a user, and the AutoMapping link with it
    #[command(after_help = exit::CHANGE)]
    Revoke(Revoke),
    /// Switch AutoMapping on or off for users of a mailbox; their access stays as it is
    #[command(subcommand)]
    Automap(AutomapCommand),
    /// Make, disable or connect a mailbox in an embedded directory; on a server, print the Exchange cmdlet
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// Answer Autodiscover from a directory; a stale link never breaks an answer
    #[command(after_help = exit::SERVE)]
    Serve(Box<Serve>),
    /// Read a recording of Autodiscover (HAR, SAZ, olkdisc.log, XML, capture), or record one
    #[command(after_help = exit::TRACE)]
    Trace(Trace),
    /// Explain a finding code: symptom, cause, evidence, fix
    #[command(after_help = exit::DONE)]
    Explain(Explain),
    /// The embedded directory: import and export LDIF
    #[command(subcommand)]
    Directory(DirectoryCommand),
    /// The whole story in a minute: a broken answer, the culprit, the fix, the healthy answer, the undo
    #[command(after_help = exit::DONE)]
    Demo(Demo),
    /// Print a completion script for a shell
    #[command(after_help = exit::DONE)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    #[command(after_help = exit::DONE)]
    Man {
        /// Folder to write them to
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

/// `automend audit`.
#[derive(Args, Debug)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub source: Source,

    /// Only what affects this user (address or DN), followed through every owner
    #[arg(
        long,
        visible_alias = "for",
        value_name = "ADDRESS|DN",
        conflicts_with = "owner"
    )]
    pub delegate: Option<String>,

    /// Only the links of this owner (address or DN)
    #[arg(long, value_name = "ADDRESS|DN")]
    pub owner: Option<String>,

    /// Check every user's own objects, too: addresses, legacy names, archives, recipient types; and
    /// whether owners fail themselves
    #[arg(long, conflicts_with_all = ["delegate", "owner"])]
    pub deep: bool,

    /// Hold the links against the permissions of the mailboxes, too: links without permission, and
    /// permissions without link
    #[arg(long, conflicts_with = "delegate")]
    pub access: bool,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Print the searches that the audit would send, and send none
    #[arg(long)]
    pub print_search: bool,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// One JSON document (docs/audit.schema.json)
    Json,
    /// One finding a line
    Jsonl,
    /// One link a row
    Csv,
    /// One self-contained page, with a picture of which owner affects which users
    Html,
    /// The fix as LDIF change records
    Ldif,
    /// The fix as a PowerShell script
    Powershell,
}

/// `automend show`.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub source: Source,

    /// The user: address or DN
    #[arg(value_name = "ADDRESS|DN")]
    pub subject: String,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
}

/// Form of what `show` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// For reading
    Table,
    /// One JSON document
    Json,
    /// The answer that Exchange would give, as XML
    Xml,
}

/// `automend fix`.
#[derive(Args, Debug)]
pub(crate) struct Fix {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub writing: Writing,

    /// Only the links of this owner (address or DN; repeatable)
    #[arg(long, value_name = "OWNER")]
    pub owner: Vec<String>,

    /// Only the links to this delegate (address or DN)
    #[arg(long, value_name = "USER")]
    pub delegate: Option<String>,

    #[command(flatten)]
    pub besides: Besides,

    /// Make the plan and write nothing (also --dry-run, --what-if)
    #[arg(long, aliases = ["dry-run", "what-if", "whatif"])]
    pub plan_only: bool,

    /// With --plan: leave alone owners that have changed since, and fix the others
    #[arg(long, requires = "plan")]
    pub skip_changed: bool,

    /// Apply this plan, made before by --plan-only of fix, grant, revoke, automap or mailbox, on the directory that it
    /// names; what is done already stays; refuses when anything else has changed since
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["owner", "delegate", "elsewhere", "ghosts", "plan_only"])]
    pub plan: Option<PathBuf>,

    /// Write the plan, or the export, to this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Write the plan for a change board instead of applying it
    #[arg(long, value_enum, value_name = "FORM")]
    pub export: Option<Export>,

    /// Write the receipt to this file (default: automend-receipt-TIME.ldif)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub receipt: Option<PathBuf>,

    /// Refuse a plan with more links than this
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_changes: usize,
}

/// Which links a fix removes besides stale ones.
#[derive(Args, Debug)]
pub(crate) struct Besides {
    /// Also remove the links of mail users whose mailbox is most likely elsewhere (AM116)
    #[arg(long)]
    pub elsewhere: bool,

    /// Also remove links without permission (AM107); reads the permissions of the mailboxes
    #[arg(long)]
    pub ghosts: bool,
}

/// Forms of a plan for other tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Export {
    /// Change records for ldapmodify or ldifde
    Ldif,
    /// Set-ADUser calls
    Powershell,
}

/// `automend undo`.
#[derive(Args, Debug)]
pub(crate) struct Undo {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub writing: Writing,

    /// The receipt that the command wrote
    #[arg(value_name = "RECEIPT", value_hint = ValueHint::FilePath)]
    pub receipt: PathBuf,
}

/// `automend serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub server: Server,

    /// Listen for HTTPS here (default 127.0.0.1:8443; repeatable)
    #[arg(short, long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<String>,

    /// Listen for plain HTTP here, to redirect clients to HTTPS (repeatable)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Vec<String>,

    /// Address for health, readiness, metrics and the last requests
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<String>,

    /// The certificate and its chain (PEM); without one, a self-signed certificate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// How a stale link is treated
    #[arg(long, value_enum, value_name = "POLICY")]
    pub policy: Option<PolicyWord>,

    /// How people may log in, in the order in which it is offered
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCHEMES")]
    pub auth: Vec<SchemeWord>,

    /// The service's Kerberos keys, for negotiate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keytab: Option<PathBuf>,

    /// A mail domain, in addition to those that the directory names (repeatable)
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Vec<String>,

    /// Write the log to this file instead of standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,

    /// Check the configuration, say what would be served, and end
    #[arg(long)]
    pub check: bool,
}

/// How an answer treats a stale link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PolicyWord {
    /// Leave the stale link out, log it, and answer the user
    Healthy,
    /// As Exchange: one stale link, and the whole answer is error 603
    Faithful,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SchemeWord {
    /// Name and password
    Basic,
    /// NTLM, with an embedded directory or an LDIF file
    Ntlm,
    /// Kerberos, with a keytab
    Negotiate,
}

/// `automend test`.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// The address, as it would be typed into Outlook
    #[arg(value_name = "ADDRESS", required_unless_present = "users")]
    pub address: Option<String>,

    /// Test every address in this file, one a line (- for standard input), and print a line for each
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["address", "har", "log"])]
    pub users: Option<PathBuf>,

    /// Test so many users at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,

    #[command(flatten)]
    pub login: TestLogin,

    #[command(flatten)]
    pub search: TestSearch,

    #[command(flatten)]
    pub beside: TestDirectory,

    #[command(flatten)]
    pub network: TestNetwork,

    /// Repeat the test for each alternative mailbox, as Outlook does
    #[arg(long)]
    pub follow: bool,

    /// Look whether the URLs in the answer work: reachable, certificate, the login that was promised
    #[arg(long)]
    pub check_urls: bool,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = TestFormat::Tree)]
    pub format: TestFormat,

    /// Write every request and answer to this file as HAR 1.2, without secrets
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub har: Option<PathBuf>,

    /// Write a log in the form of Outlook's olkdisc.log to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
}

/// How `automend test` logs in.
#[derive(Args, Debug)]
#[command(next_help_heading = "Login")]
pub(crate) struct TestLogin {
    /// Log in to the mail server as this user (else AUTOMEND_MAIL_USER, else ADDRESS)
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,

    /// Read the password from the first line of this file (else AUTOMEND_MAIL_PASSWORD, else a prompt
    /// once a server wants it)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,

    /// Log in with the token on the first line of this file (else AUTOMEND_TOKEN)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub bearer_file: Option<PathBuf>,

    /// Log in with the key of the user in this keytab
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keytab: Option<PathBuf>,

    /// Log in with the tickets in this file, as kinit writes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ticket_cache: Option<PathBuf>,

    /// Ask this key distribution centre for tickets instead of looking it up
    #[arg(long, value_name = "HOST[:PORT]")]
    pub kdc: Option<String>,

    /// Let a password or key prove itself to the key distribution centre with RC4, too, for accounts without
    /// keys of AES; who listens can guess the password from it
    #[arg(long)]
    pub rc4: bool,

    /// Log in with these schemes only
    #[arg(long, value_enum, value_name = "SCHEME", value_delimiter = ',')]
    pub auth: Vec<AuthScheme>,

    /// Make no further login once so many were rejected; 0 never logs in
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub max_auth: u8,
}

/// A scheme of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum AuthScheme {
    /// User and password.
    Basic,
    /// Challenge and response.
    Ntlm,
    /// Kerberos.
    Negotiate,
    /// A token.
    Bearer,
}

/// Where `automend test` looks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Search")]
pub(crate) struct TestSearch {
    /// Ask as this kind of client; those after the first are asked at the server that answered the first
    #[arg(
        long,
        value_enum,
        value_name = "PROTOCOL",
        value_delimiter = ',',
        default_value = "pox"
    )]
    pub protocol: Vec<Protocol>,

    /// Ask this URL instead of searching (repeatable)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Vec<String>,

    /// Try every step and report it, also where Outlook would have stopped
    #[arg(long)]
    pub all_steps: bool,

    /// Leave this step out (repeatable)
    #[arg(long, value_enum, value_name = "STEP", value_delimiter = ',')]
    pub exclude: Vec<SearchStep>,

    /// Read this local file where Outlook reads one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub local_xml: Option<PathBuf>,

    /// Ask the JSON service (Autodiscover V2), too
    #[arg(long)]
    pub v2: bool,

    /// Ask Exchange Online, too
    #[arg(long)]
    pub microsoft_365: bool,

    /// Trust this host and the hosts below it without asking (repeatable)
    #[arg(long, value_name = "HOST")]
    pub allow_redirect: Vec<String>,
}

/// The directory beside `automend test`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Directory")]
pub(crate) struct TestDirectory {
    /// Search this directory for service connection points, and for what is wrong with the user
    #[arg(short, long, env = "AUTOMEND_DIRECTORY", value_name = "WHERE")]
    pub directory: Option<String>,

    /// Log in to the directory as this user (else AUTOMEND_DIRECTORY_USER)
    #[arg(long, value_name = "NAME")]
    pub directory_user: Option<String>,

    /// Read the directory's password from the first line of this file (else AUTOMEND_DIRECTORY_PASSWORD,
    /// else a prompt)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub directory_password_file: Option<PathBuf>,

    /// Switch an ldap:// connection to TLS before logging in
    #[arg(long)]
    pub start_tls: bool,

    /// Allow an ldap:// connection in clear text: without a password, or to this machine only
    #[arg(long)]
    pub allow_plaintext: bool,

    /// The site of Active Directory in which the client is to be
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,
}

/// How `automend test` reaches servers.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct TestNetwork {
    /// Ask this DNS server
    #[arg(long, value_name = "IP[:PORT]")]
    pub resolver: Option<String>,

    /// Connect to ADDRESS for HOST and PORT, as curl does; ADDRESS may have a port (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub resolve: Vec<String>,

    /// Trust the certificate authorities in this PEM file in addition to those of the system (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,

    /// Continue despite an untrusted certificate; never sends credentials to that host
    #[arg(long)]
    pub insecure: bool,

    /// Timeout for a connection and for each request
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,

    /// User-Agent header to send
    #[arg(long, value_name = "TEXT")]
    pub user_agent: Option<String>,
}

/// A kind of client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Protocol {
    /// Plain XML, as Outlook asks
    Pox,
    /// SOAP, as Exchange Web Services clients ask
    Soap,
    /// Plain XML, as mobile clients ask
    Mobilesync,
}

/// A step of the search.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SearchStep {
    /// Service connection points in the directory
    Scp,
    /// `https://DOMAIN/`
    RootDomain,
    /// `https://autodiscover.DOMAIN/`
    AutodiscoverHost,
    /// The local file
    LocalXml,
    /// The redirect at `http://autodiscover.DOMAIN/`
    HttpRedirect,
    /// SRV records
    Srv,
}

/// Form of what `test` reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For reading
    Tree,
    /// JSON (docs/test.schema.json); with --users a document a line
    Json,
}

/// `automend explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The code of a finding, such as AM101, the cause that a test names, such as fault-603, or a number
    /// that people see, such as 603 or 0x800C8203; without one, all are listed
    #[arg(value_parser = values::ExplainedCode, allow_negative_numbers = true)]
    pub code: Option<String>,
}

/// `automend demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Keep the demo's directory, plan and receipt in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

/// `automend trace`.
#[derive(Args, Debug)]
pub(crate) struct Trace {
    /// The recording: HAR, Fiddler's SAZ, Outlook's olkdisc.log, saved Autodiscover XML, pcap or pcapng,
    /// each plain or packed with gzip (- for standard input); the content tells its kind
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "listen")]
    pub file: Option<PathBuf>,

    /// The TLS secrets of a network capture, a file as SSLKEYLOGFILE names it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "listen")]
    pub keys: Option<PathBuf>,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = TraceFormat::Table)]
    pub format: TraceFormat,

    #[command(flatten)]
    pub recording: Recording,

    #[command(flatten)]
    pub source: Source,
}

/// Form of what `trace` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// For reading
    Table,
    /// One JSON document (docs/trace.schema.json)
    Json,
}

/// How `automend trace` records.
#[derive(Args, Debug)]
#[command(next_help_heading = "Recording")]
pub(crate) struct Recording {
    /// Record: be a proxy at this address, such as 127.0.0.1:8888, until interrupted
    #[arg(long, value_name = "ADDRESS", value_parser = values::listening)]
    pub listen: Option<std::net::SocketAddr>,

    /// Write the requests to this HAR as they come
    #[arg(short, long, value_name = "FILE.har", value_hint = ValueHint::FilePath, requires = "listen")]
    pub output: Option<PathBuf>,

    /// Also intercept TLS connections to this host (*.contoso.com for all below it, * for all; repeatable); without it only autodiscover hosts, and hosts that Autodiscover named
    #[arg(long, value_name = "HOST", requires = "listen")]
    pub intercept: Vec<String>,

    /// Write logins, cookies and passwords into the HAR instead of leaving them out
    #[arg(long, requires = "listen")]
    pub keep_secrets: bool,

    /// Keep the authority that signs for intercepted hosts in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "listen")]
    pub ca_folder: Option<PathBuf>,

    /// Let other machines use the proxy
    #[arg(long, requires = "listen")]
    pub allow_others: bool,
}

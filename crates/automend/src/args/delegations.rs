//! The commands that give, map, take and list delegations.

use std::path::PathBuf;

use automend_core::access::State;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::exit;
use super::source::{Source, Writing};

/// How a change of one or several owners is carried out.
#[derive(Args, Debug)]
#[command(next_help_heading = "Writing")]
pub(crate) struct CarryingOut {
    #[command(flatten)]
    pub writing: Writing,

    /// Show the plan and write nothing (also --dry-run, --what-if)
    #[arg(long, aliases = ["dry-run", "what-if", "whatif"])]
    pub plan_only: bool,

    /// With --plan-only: write the plan to this file; `automend fix --plan` applies it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "plan_only")]
    pub output: Option<PathBuf>,

    /// Write the receipt to this file (default: automend-receipt-TIME.ldif)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub receipt: Option<PathBuf>,
}

/// `automend grant`.
#[derive(Args, Debug)]
pub(crate) struct Grant {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub carrying_out: CarryingOut,

    /// The mailbox: address, account or DN
    #[arg(value_name = "OWNER")]
    pub owner: String,

    /// Who gets full access: address, account or DN
    #[arg(long, value_name = "USER")]
    pub to: String,

    /// Give full access without AutoMapping: Outlook does not open the mailbox by itself
    #[arg(long)]
    pub no_automapping: bool,

    /// On a live directory, write the permission (msExchMailboxSecurityDescriptor), too; without this, the
    /// link is written and the Exchange cmdlet for the permission is printed
    #[arg(long)]
    pub descriptor: bool,
}

/// `automend revoke`.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub carrying_out: CarryingOut,

    /// The mailbox: address, account or DN
    #[arg(value_name = "OWNER")]
    pub owner: String,

    /// Who loses full access: address, account or DN
    #[arg(long, value_name = "USER")]
    pub from: String,

    /// On a live directory, change the permission (msExchMailboxSecurityDescriptor), too; without this, the
    /// link is removed and the Exchange cmdlet for the permission is printed
    #[arg(long)]
    pub descriptor: bool,
}

/// `automend automap`.
#[derive(Debug, Subcommand)]
pub(crate) enum AutomapCommand {
    /// Let Outlook open the mailbox by itself for these users
    #[command(after_help = exit::CHANGE)]
    On(Automap),
    /// Outlook no longer opens the mailbox by itself for these users
    #[command(after_help = exit::CHANGE)]
    Off(Automap),
    /// Add a link for everyone who has full access, members of groups included
    #[command(after_help = exit::CHANGE)]
    Sync(AutomapSync),
}

/// What `automap sync` takes.
#[derive(Args, Debug)]
pub(crate) struct AutomapSync {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub carrying_out: CarryingOut,

    /// The mailboxes: address, account or DN
    #[arg(value_name = "OWNER", required_unless_present = "all")]
    pub owners: Vec<String>,

    /// Every mailbox of the directory
    #[arg(long, conflicts_with = "owners")]
    pub all: bool,

    /// Never add a link for this user, or for the members of this group (repeatable)
    #[arg(long, value_name = "USER|GROUP")]
    pub deny: Vec<String>,

    /// The same for each line of this file; those that begin with # are passed over
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub deny_file: Option<PathBuf>,

    /// Remove links without permission, too
    #[arg(long)]
    pub remove: bool,

    /// Refuse a plan with more links than this
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_changes: usize,
}

/// What `automap on` and `automap off` take.
#[derive(Args, Debug)]
pub(crate) struct Automap {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub carrying_out: CarryingOut,

    /// The mailbox: address, account or DN
    #[arg(value_name = "OWNER", required_unless_present = "from_file")]
    pub owner: Option<String>,

    /// The users: address, account or DN
    #[arg(value_name = "USER", required_unless_present_any = ["all", "from_file"])]
    pub users: Vec<String>,

    /// on: every user who has full access by an entry of the mailbox's own permissions; off: every user
    /// with a link
    #[arg(long, conflicts_with_all = ["users", "from_file"])]
    pub all: bool,

    /// Read mailboxes and users from this CSV file: columns owner and delegate, with or without a header
    #[arg(long, value_name = "FILE.csv", value_hint = ValueHint::FilePath, conflicts_with_all = ["owner", "users"])]
    pub from_file: Option<PathBuf>,

    /// Refuse a plan with more links than this
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_changes: usize,
}

/// `automend mailbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum MailboxCommand {
    /// Give a user a mailbox
    #[command(after_help = exit::CHANGE)]
    Enable(EnableMailbox),
    /// Take the mailbox from a user, who stays; the AutoMapping links stay, too, as Exchange leaves them
    #[command(after_help = exit::CHANGE)]
    Disable(DisableMailbox),
    /// Bring back the mailbox that was disabled
    #[command(after_help = exit::CHANGE)]
    Connect(ConnectMailbox),
}

/// What every command of a mailbox takes.
#[derive(Args, Debug)]
pub(crate) struct OneMailbox {
    #[command(flatten)]
    pub source: Source,

    #[command(flatten)]
    pub carrying_out: CarryingOut,

    /// Whose mailbox: address, account or DN
    #[arg(value_name = "USER")]
    pub whose: String,
}

/// Where a mailbox is, and what its address is.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The mailbox database: name or DN (default: the one it was in, or the only one)
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,

    /// The primary address (default: the user's mail, or else the login name)
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
}

/// `automend mailbox enable`.
#[derive(Args, Debug)]
pub(crate) struct EnableMailbox {
    #[command(flatten)]
    pub mailbox: OneMailbox,

    #[command(flatten)]
    pub place: Place,

    /// What kind of mailbox
    #[arg(long = "type", value_enum, default_value_t = MailboxKind::User, value_name = "TYPE")]
    pub kind: MailboxKind,
}

/// `automend mailbox disable`.
#[derive(Args, Debug)]
pub(crate) struct DisableMailbox {
    #[command(flatten)]
    pub mailbox: OneMailbox,
}

/// `automend mailbox connect`.
#[derive(Args, Debug)]
pub(crate) struct ConnectMailbox {
    #[command(flatten)]
    pub mailbox: OneMailbox,

    #[command(flatten)]
    pub place: Place,
}

/// Kinds of mailboxes that can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum MailboxKind {
    /// Of a person
    User,
    /// For several people, with an account that does not log in
    Shared,
    /// Of a room
    Room,
    /// Of something that can be booked
    Equipment,
}

impl MailboxKind {
    /// `msExchRecipientTypeDetails`.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::User => 1,
            Self::Shared => 4,
            Self::Room => 16,
            Self::Equipment => 32,
        }
    }

    /// The switch of `Enable-Mailbox`.
    pub(crate) fn exchange_switch(self) -> Option<&'static str> {
        match self {
            Self::User => None,
            Self::Shared => Some("Shared"),
            Self::Room => Some("Room"),
            Self::Equipment => Some("Equipment"),
        }
    }
}

/// `automend links`.
#[derive(Args, Debug)]
pub(crate) struct Links {
    #[command(flatten)]
    pub source: Source,

    /// Only the links of this owner (address, account or DN)
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,

    /// Only the links to this delegate (address, account or DN)
    #[arg(long, visible_alias = "for", value_name = "USER")]
    pub delegate: Option<String>,

    /// Only links in this state (repeatable)
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE")]
    pub state: Vec<LinkState>,

    #[command(flatten)]
    pub listed: Listed,
}

/// What a link is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum LinkState {
    /// The owner is a mailbox, and nothing speaks against the link
    Healthy,
    /// The owner is no mailbox: the delegate's Autodiscover fails
    Stale,
    /// What decides could not be read
    Undecided,
    /// The link works in part, or does nothing: see its code
    Doubtful,
}

/// `automend access`.
#[derive(Args, Debug)]
pub(crate) struct Access {
    #[command(flatten)]
    pub source: Source,

    /// A user, a group or a mailbox: address, account or DN
    #[arg(value_name = "USER|OWNER")]
    pub whose: String,

    /// Only what is in this state (repeatable)
    #[arg(long, value_parser = State::ALL.map(State::as_str), value_delimiter = ',', value_name = "STATE")]
    pub state: Vec<String>,

    #[command(flatten)]
    pub listed: Listed,
}

/// How a list is written.
#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// Form of the list
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,

    /// Write the list to this file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// Form of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For reading
    Table,
    /// One JSON document, as a schema in docs describes it
    Json,
    /// One row a line
    Jsonl,
    /// For a spreadsheet; `automap --from-file` reads it
    Csv,
    /// One self-contained page
    Html,
}

//! What commands have in common: where the directory is, and how it is written to.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Where the directory is and how to log in to it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Source {
    #[command(flatten)]
    pub server: Server,

    #[command(flatten)]
    pub login: Login,
}

/// How to log in to the directory other than by name and password.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Directory")]
pub(crate) struct Login {
    /// How to log in: auto takes a ticket of kinit, else the password, by Kerberos where krb5.conf knows the
    /// realm or the connection is in clear text, else by a simple bind over TLS
    #[arg(long, value_enum, value_name = "METHOD")]
    pub auth: Option<AuthMethod>,

    /// Log in by Kerberos with the key of the user in this keytab
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keytab: Option<PathBuf>,

    /// Log in by Kerberos with the tickets in this file (else KRB5CCNAME, else those of kinit)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ticket_cache: Option<PathBuf>,

    /// Ask this key distribution centre for tickets instead of looking it up
    #[arg(long, value_name = "HOST[:PORT]")]
    pub kdc: Option<String>,
}

/// Where the directory is and how to reach it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Directory")]
pub(crate) struct Server {
    /// The directory: ldap://, ldaps:// or ldapi:// URL, LDIF file (.ldif, .ldif.gz, or - for standard
    /// input), or the folder of an embedded directory. Several servers of one directory may be named, by
    /// commas or by giving this again: the next is asked when one does not answer
    #[arg(short, long, env = "AUTOMEND_DIRECTORY", value_name = "WHERE")]
    pub directory: Vec<String>,

    /// Log in as this user (else AUTOMEND_DIRECTORY_USER): user@domain, DOMAIN\user or a distinguished name
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,

    /// Read the password from the first line of this file, or - for standard input (else
    /// AUTOMEND_DIRECTORY_PASSWORD, else a prompt)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,

    /// Trust the certificate authorities in this PEM file in addition to those of the system (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,

    /// Switch an ldap:// connection to TLS before logging in
    #[arg(long)]
    pub start_tls: bool,

    /// Allow an ldap:// connection in clear text: without a password, or to this machine only. A login by
    /// Kerberos does not need it: it encrypts every message
    #[arg(long)]
    pub allow_plaintext: bool,

    /// Look only below this name instead of in every naming context (repeatable)
    #[arg(long, value_name = "DN")]
    pub base: Vec<String>,

    /// Entries a page of a search
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub page_size: Option<u32>,

    /// Timeout for one request
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: Option<u64>,
}

/// How to log in to a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuthMethod {
    /// The best that can be done with what was given.
    #[default]
    Auto,
    /// A ticket, a keytab or a password, by GSSAPI or GSS-SPNEGO.
    Kerberos,
    /// Name and password.
    Simple,
    /// The identity of the local socket.
    External,
}

/// What every writing command asks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Writing")]
pub(crate) struct Writing {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,

    /// At most this many owners a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,

    /// Verify on this domain controller instead of those the directory names (host, host:port or URL; may
    /// be given again)
    #[arg(long, value_name = "HOST")]
    pub dc: Vec<String>,

    /// How long to wait until every domain controller agrees
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub replication_timeout: u64,
}

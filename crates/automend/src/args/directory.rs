//! What `automend directory` is reported.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::exit;

/// `automend directory`.
#[derive(Debug, Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Read LDIF into an embedded directory, all of it or nothing
    #[command(after_help = exit::DONE)]
    Import {
        /// The file (.ldif, .ldif.gz, or - for standard input)
        #[arg(value_name = "FILE.ldif", value_hint = ValueHint::FilePath)]
        file: String,
        /// The folder of the embedded directory; made when it is not there
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Keep the NT hashes of passwords, too: NTLM logins need them; they have no salt
        #[arg(long)]
        ntlm: bool,
        /// Keep passwords in clear as salted SHA-512 instead of Argon2id: for generated directories, as
        /// Argon2id takes about 30 ms a password
        #[arg(long)]
        fast_hashes: bool,
    },
    /// Write an embedded directory as LDIF
    #[command(after_help = exit::DONE)]
    Export {
        /// The folder of the embedded directory
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Write to this file instead of standard output
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Serve an embedded directory over LDAP, until a signal says to stop
    Serve(Box<DirectoryServe>),
}

/// `automend directory serve`.
#[derive(Args, Debug)]
#[command(
    after_help = exit::SERVE_DIRECTORY
)]
pub(crate) struct DirectoryServe {
    /// The folder of the embedded directory
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,

    /// Listen for LDAP, with StartTLS, here (default 127.0.0.1:1389; repeatable)
    #[arg(short, long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,

    /// Listen for LDAP inside TLS here (repeatable)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub ldaps: Vec<SocketAddr>,

    /// Listen at this local socket; root and the user of the service may do everything there
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub ldapi: Option<PathBuf>,

    /// The name of this server, as clients and tickets call it
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub host_name: String,

    /// The certificate and its chain (PEM); without one, a self-signed certificate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// The keys of ldap/NAME, for GSSAPI and GSS-SPNEGO
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keytab: Option<PathBuf>,

    /// Let this user, or the members of this group, read; without it, every account may (repeatable)
    #[arg(long, value_name = "NAME")]
    pub reader: Vec<String>,

    /// Let this user, or the members of this group, write (repeatable)
    #[arg(long, value_name = "NAME")]
    pub writer: Vec<String>,

    /// Entries of one answer at most (MaxPageSize; default 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_page_size: Option<u32>,

    /// Values of one attribute in an answer at most (MaxValRange; default 1500)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_val_range: Option<u32>,

    /// Write the log to this file instead of standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
}

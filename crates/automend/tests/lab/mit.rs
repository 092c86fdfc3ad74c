//! Kerberos against MIT's own programs, which `make test` provides: `kinit` and `kvno` for tickets, curl
//! with MIT's library for a login, `gss-client` and `gss-server` for the messages themselves.
//!
//! Invariant: the realms stay as the laboratory made them, but for the keys of one service and the password
//! of one user, of which only one test each knows.

mod client;
mod directory;
mod gss;
mod service;

use std::path::PathBuf;
use std::process::Command;

use automend_negotiate::kerberos::{Keytab, Moment, Ticket, Tickets, read_tickets};

use crate::lab::program::Desk;
use crate::lab::{Lab, run, succeeded};
use crate::served::{DOMAIN, Served, mailbox};

/// The variable that names the file of the centre's variables.
const MIT: &str = "AUTOMEND_LAB_MIT";

/// The encryption types as the laboratory's hosts and users are called, and as MIT prints them.
const ENCRYPTIONS: [(&str, &str); 5] = [
    ("aes256-sha1", "aes256-cts-hmac-sha1-96"),
    ("aes128-sha1", "aes128-cts-hmac-sha1-96"),
    ("aes256-sha2", "aes256-cts-hmac-sha384-192"),
    ("aes128-sha2", "aes128-cts-hmac-sha256-128"),
    ("rc4", "arcfour-hmac"),
];

/// The users of whom the centre keeps a key of one type, or with a salt that does not follow from the name.
fn users() -> Vec<String> {
    let salts = ["salt-norealm", "salt-special", "salt-onlyrealm"].map(str::to_owned);
    let keys = ENCRYPTIONS.map(|(key, _)| format!("user-{key}"));
    [&keys[..], &salts].concat()
}

/// The realms, and a folder with a ticket file.
struct Realm {
    lab: Lab,
    desk: Desk,
}

impl Realm {
    fn new() -> Self {
        Self {
            lab: Lab::named(MIT),
            desk: Desk::new(),
        }
    }

    /// One of MIT's programs, with the realms' configuration and the ticket file of this test.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.lab.command(program);
        command
            .args(args)
            .env("KRB5_KDC_PROFILE", self.lab.var("KRB5_KDC_PROFILE"))
            .env("KRB5CCNAME", self.desk.file("tickets"))
            .env("KRB5RCACHENAME", "none:")
            .env("LC_ALL", "C");
        command
    }

    /// Runs one of MIT's programs, which must succeed, and gives what it said.
    #[track_caller]
    fn run(&self, program: &str, args: &[&str], input: &str) -> String {
        succeeded(&run(&mut self.command(program, args), input))
    }

    /// Logs someone in by `kinit`, with the password that every user has.
    #[track_caller]
    fn kinit(&self, user: &str, options: &[&str]) {
        let password = format!("{}\n", self.lab.var("LAB_USER_PASSWORD"));
        self.run("kinit", &[options, &[user]].concat(), &password);
    }

    /// Gets a ticket for a web service by `kvno`.
    #[track_caller]
    fn kvno(&self, host: &str) {
        self.run("kvno", &[&format!("HTTP/{host}")], "");
    }

    /// Changes the realm's database as its administrator does.
    #[track_caller]
    fn kadmin(&self, query: &[&str]) {
        // Debian puts it where a user's PATH does not look.
        self.run("/usr/sbin/kadmin.local", query, "");
    }

    /// What the ticket file holds.
    fn tickets(&self) -> Tickets {
        let bytes = std::fs::read(self.desk.file("tickets")).expect("kinit has written it");
        read_tickets(&bytes).expect("a file of MIT's library")
    }

    /// The ticket for a web service that stands in the ticket file, whether it is good or not.
    #[track_caller]
    fn ticket(&self, host: &str) -> Ticket {
        let is_for = |ticket: &&Ticket| ticket.service.name == ["HTTP", host];
        let tickets = self.tickets().tickets;
        let found = tickets.iter().find(is_for).cloned();
        found.unwrap_or_else(|| panic!("no ticket for {host}"))
    }

    /// The keys of the web service.
    fn keytab(&self) -> Keytab {
        let bytes = std::fs::read(self.lab.var("LAB_KEYTAB")).expect("the laboratory has made it");
        Keytab::read(&bytes).expect("a keytab of MIT's")
    }

    /// The service, with the keys that stand in a keytab, for those who have an account.
    fn serve(&self, keytab: &str) -> Served {
        let mut ldif = DOMAIN.to_owned() + &mailbox("Alice", &[]) + &mailbox("Bob", &[]);
        ldif += &mailbox("Closed", &["userAccountControl: 514"]);
        ldif += &mailbox("Letters", &[]);
        for user in users() {
            ldif += &mailbox(&user, &[]);
        }
        let ldif = ldif
            .replace("DC=contoso,DC=com", "DC=mit,DC=test")
            .replace("dc: contoso", "dc: mit")
            .replace("contoso.com", "mit.test");
        let options = [
            "--auth",
            "negotiate",
            "--keytab",
            keytab,
            "--tls-cert",
            self.lab.var("LAB_CERT"),
            "--tls-key",
            self.lab.var("LAB_KEY"),
        ];
        Served::ldif(&ldif, &options)
    }
}

/// The present moment.
fn now() -> Moment {
    let now = jiff::Timestamp::now();
    Moment {
        seconds: now.as_second(),
        micros: now.subsec_microsecond().unsigned_abs(),
    }
}

/// So many seconds from now.
fn later(seconds: i64) -> Moment {
    Moment::at(now().seconds + seconds)
}

/// A file of this test's, as an argument.
fn path(desk: &Desk, name: &str) -> (PathBuf, String) {
    (desk.file(name), desk.arg(name))
}

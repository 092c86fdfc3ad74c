//! The laboratory's servers as tests see them.
//!
//! `make test` starts them and names, in one environment variable a server, the file of variables
//! that says where it is and who may bind. Samba stands in a network namespace of its own, so every
//! program that speaks to it is started inside.
//!
//! Invariant: the tests of one file run one after the other, as they share a server, and what a test
//! adds is gone when it ends.

pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod slapd;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use program::{Links, encoded};

/// What the laboratory publishes about one of its servers.
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those that stand in the file that the environment variable `name` names.
    ///
    /// # Panics
    ///
    /// When `make test` has not made it: a test that finds no laboratory has failed.
    #[allow(clippy::disallowed_methods, reason = "the only door to the laboratory")]
    pub(crate) fn named(name: &str) -> Self {
        let path = std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: this test needs the laboratory, and `make test` makes it")
        });
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{name} names {path}: {error}; `make test` makes it"));
        let variables = text
            .lines()
            .map(|line| {
                line.split_once('=')
                    .unwrap_or_else(|| panic!("{path}: not KEY=VALUE: {line}"))
            })
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self(variables)
    }

    /// The value of one of them.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.find(key)
            .unwrap_or_else(|| panic!("the laboratory publishes no {key}"))
    }

    fn find(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// A server of the laboratory, held by one test at a time.
pub(crate) struct Lab {
    variables: Variables,
    _alone: MutexGuard<'static, ()>,
}

impl Lab {
    /// The server whose variables stand in the file that the environment variable `name` names.
    pub(crate) fn named(name: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            variables: Variables::named(name),
            _alone: alone,
        }
    }

    /// The value of one variable of the server's file.
    pub(crate) fn var(&self, key: &str) -> &str {
        self.variables.get(key)
    }

    /// A command that runs where the server can be reached: inside its namespace, if it has one.
    pub(crate) fn command(&self, program: &str) -> Command {
        match self.variables.find("LAB_NETNS") {
            Some(namespace) => self.command_in(namespace, program),
            None => self.with_environment(Command::new(program)),
        }
    }

    /// A command that runs inside the network namespace `namespace`.
    pub(crate) fn command_in(&self, namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        self.with_environment(command)
    }

    fn with_environment(&self, mut command: Command) -> Command {
        command.env("LDAPTLS_CACERT", self.var("LAB_CA"));
        if let Some(file) = self.variables.find("KRB5_CONFIG") {
            command.env("KRB5_CONFIG", file);
        }
        command
    }

    /// The account whose name and password the variables `key` and `key`_PASSWORD give, at the server
    /// whose URL the variable `url` gives.
    pub(crate) fn bind(&self, url: &str, key: &str) -> Bind<'_> {
        Bind {
            lab: self,
            namespace: self.variables.find("LAB_NETNS"),
            url: self.var(url),
            user: self.var(key),
            password_file: self.var(&format!("{key}_PASSWORD_FILE")),
        }
    }
}

/// A user bound to a server, who speaks to it with OpenLDAP's tools.
#[derive(Clone, Copy)]
pub(crate) struct Bind<'lab> {
    lab: &'lab Lab,
    namespace: Option<&'lab str>,
    url: &'lab str,
    user: &'lab str,
    password_file: &'lab str,
}

impl<'lab> Bind<'lab> {
    /// The same user, but from inside another network namespace.
    pub(crate) fn inside(self, namespace: &'lab str) -> Self {
        Self {
            namespace: Some(namespace),
            ..self
        }
    }

    /// The same user at another server, or at the same in another way.
    pub(crate) fn at(self, url: &'lab str) -> Self {
        Self { url, ..self }
    }

    /// The same user, under another of its names.
    pub(crate) fn named(self, user: &'lab str) -> Self {
        Self { user, ..self }
    }

    /// Runs one of OpenLDAP's tools with `input`.
    pub(crate) fn tool(&self, program: &str, args: &[&str], input: &str) -> Output {
        let mut command = match self.namespace {
            Some(namespace) => self.lab.command_in(namespace, program),
            None => self.lab.command(program),
        };
        command.args([
            "-x",
            "-H",
            self.url,
            "-D",
            self.user,
            "-y",
            self.password_file,
        ]);
        // A server that cannot be reached is reported, not waited for.
        command.args(["-o", "nettimeout=5"]).args(args);
        run(&mut command, input)
    }

    /// The LDIF of a search, each line unfolded.
    pub(crate) fn search(
        &self,
        base: &str,
        scope: &str,
        filter: &str,
        attributes: &[&str],
    ) -> String {
        let mut args = vec![
            "-LLL",
            "-o",
            "ldif-wrap=no",
            "-E",
            "pr=1000/noprompt",
            "-b",
            base,
            "-s",
            scope,
            filter,
        ];
        args.extend(attributes);
        succeeded(&self.tool("ldapsearch", &args, ""))
    }

    /// Whether `attribute` of the object `dn` has the DN `value`.
    ///
    /// The server compares, as it knows when two DNs are the same: a compare answers 6 for true.
    pub(crate) fn has(&self, dn: &str, attribute: &str, value: &str) -> bool {
        let output = self.tool("ldapcompare", &[dn, &format!("{attribute}:{value}")], "");
        match output.status.code() {
            Some(6) => true,
            // False, or no such attribute at all.
            Some(5 | 16) => false,
            _ => panic!("comparing {attribute} of {dn}: {output:?}"),
        }
    }

    /// The result code of the modifications in `ldif`.
    pub(crate) fn modify(&self, ldif: &str) -> i32 {
        let output = self.tool("ldapmodify", &[], ldif);
        output
            .status
            .code()
            .unwrap_or_else(|| panic!("ldapmodify was killed: {output:?}"))
    }

    /// The result code of one change to the values of one attribute: `add`, `delete` or `replace`.
    pub(crate) fn change(&self, what: &str, dn: &str, attribute: &str, value: &str) -> i32 {
        self.modify(&format!(
            "dn: {dn}\nchangetype: modify\n{what}: {attribute}\n{attribute}: {value}\n"
        ))
    }

    /// Adds a user below `parent`, who is gone when the returned value is dropped.
    ///
    /// The name has a number that no other test's has: another controller may still hold the user of
    /// the test before, with its links.
    pub(crate) fn add_user(self, name: &str, parent: &str) -> Added<'lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.add(
            "user",
            &format!("{name}-{}-{number}", std::process::id()),
            parent,
        )
    }

    /// Adds a group as [`Bind::add_user`] adds a user.
    pub(crate) fn add_group(self, name: &str, parent: &str) -> Added<'lab> {
        self.add("group", &format!("{name}-{}", std::process::id()), parent)
    }

    /// Adds a user with a name that is written as in a DN, and may need its escapes.
    pub(crate) fn add_named(self, name: &str, parent: &str) -> Added<'lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.add(
            "user",
            &format!("{name} {}.{number}", std::process::id()),
            parent,
        )
    }

    fn add(self, class: &str, name: &str, parent: &str) -> Added<'lab> {
        let dn = format!("CN={name},{parent}");
        let account: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c))
            .collect();
        let mut ldif = encoded("dn", &dn)
            + &format!("changetype: add\nobjectClass: {class}\nsAMAccountName: {account}\n");
        if !name.contains('\\') {
            // slapd wants it said, Samba takes it from the name.
            ldif += &encoded("cn", name);
        }
        assert_eq!(self.modify(&ldif), 0, "adding {dn}");
        Added { bind: self, dn }
    }

    /// Gives `owner` a link to `delegate`.
    #[track_caller]
    pub(crate) fn link(&self, owner: &str, delegate: &str) {
        let ldif = encoded("dn", owner)
            + "changetype: modify\nadd: msExchDelegateListLink\n"
            + &encoded("msExchDelegateListLink", delegate);
        assert_eq!(self.modify(&ldif), 0, "linking {owner} to {delegate}");
    }

    /// Gives an object another name in the same place; returns its new DN.
    pub(crate) fn rename(&self, dn: &str, name: &str) -> String {
        let (_, parent) = dn.split_once(',').expect("a name below another");
        succeeded(&self.tool("ldapmodrdn", &["-r", dn, &format!("CN={name}")], ""));
        format!("CN={name},{parent}")
    }
}

/// The links of a server as a test found them, which are there again when it ends, however it ends.
pub(crate) struct Kept<'lab> {
    bind: Bind<'lab>,
    pub(crate) links: Links,
}

impl<'lab> Bind<'lab> {
    /// Keeps the links of this server.
    pub(crate) fn keep(self) -> Kept<'lab> {
        Kept {
            bind: self,
            links: self.links(),
        }
    }
}

impl Kept<'_> {
    /// Puts back what is missing and takes away what is new, with OpenLDAP's tools alone.
    pub(crate) fn restore(&self) {
        let now = self.bind.links();
        let lost = self.links.difference(&now).map(|link| ("add", link));
        let new = now.difference(&self.links).map(|link| ("delete", link));
        let mut ldif = String::new();
        for (what, (owner, delegate)) in lost.chain(new) {
            ldif += &encoded("dn", owner.as_str());
            ldif.extend(["changetype: modify\n", what, ": msExchDelegateListLink\n"]);
            ldif += &(encoded("msExchDelegateListLink", delegate.as_str()) + "-\n\n");
        }
        let restored = ldif.is_empty() || self.bind.modify(&ldif) == 0;
        assert!(
            restored || std::thread::panicking(),
            "putting links back:\n{ldif}"
        );
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}

/// An object that a test added.
pub(crate) struct Added<'lab> {
    bind: Bind<'lab>,
    pub(crate) dn: String,
}

impl Drop for Added<'_> {
    fn drop(&mut self) {
        let output = self.bind.tool("ldapdelete", &[&self.dn], "");
        assert!(
            output.status.success() || std::thread::panicking(),
            "deleting {}: {output:?}",
            self.dn
        );
    }
}

/// The path of one of the laboratory's scripts.
pub(crate) fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "lab", name]
        .iter()
        .collect()
}

/// Runs a command to its end with `input`, which is written while the output is read.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    std::thread::scope(|scope| {
        // A program that ends without reading all of its input closes the pipe; its result says why.
        scope.spawn(move || _ = stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("it was started here")
    })
}

/// The output of a command that must have succeeded.
#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\nstandard output:\n{}\nstandard error:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).expect("LDIF is UTF-8")
}

/// Asks again and again until `true_at_last` says so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut true_at_last: impl FnMut() -> bool) {
    let began = Instant::now();
    while !true_at_last() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "after a minute still not: {what}"
        );
    }
}

/// Checks that the users of the seed, as `bind` reads them, carry exactly the links that seed.py says
/// they do, each with its back link, and that those it calls stale look stale.
pub(crate) fn check_seed(lab: &Lab, bind: Bind<'_>) {
    let base = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let users = bind.search(&base, "sub", "(objectClass=user)", &["*"]);
    let findings = succeeded(&run(&mut Command::new(script("oracle.py")), &users));
    succeeded(&run(
        Command::new(script("check_truth.py")).arg(lab.var("LAB_TRUTH")),
        &findings,
    ));
}

/// Checks that the server derives a back link from a link, and refuses to be told one with `refusal`.
pub(crate) fn check_linked_attributes(bind: Bind<'_>, parent: &str, refusal: i32) {
    let owner = bind.add_user("lab-owner", parent);
    let delegate = bind.add_user("lab-delegate", parent);

    assert_eq!(
        bind.change("add", &owner.dn, "msExchDelegateListLink", &delegate.dn),
        0
    );
    assert!(
        bind.has(&delegate.dn, "msExchDelegateListBL", &owner.dn),
        "no back link was derived"
    );

    assert_eq!(
        bind.change("delete", &delegate.dn, "msExchDelegateListBL", &owner.dn),
        refusal
    );
    assert!(
        bind.has(&owner.dn, "msExchDelegateListLink", &delegate.dn),
        "the refused write did something"
    );

    assert_eq!(
        bind.change("delete", &owner.dn, "msExchDelegateListLink", &delegate.dn),
        0
    );
    assert!(
        !bind.has(&delegate.dn, "msExchDelegateListBL", &owner.dn),
        "the back link outlived its link"
    );
    // What is gone already is answered with noSuchAttribute.
    assert_eq!(
        bind.change("delete", &owner.dn, "msExchDelegateListLink", &delegate.dn),
        16
    );
}

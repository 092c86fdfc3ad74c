//! The authenticator and the client against a Samba domain controller, which `make test` starts: passwords by a
//! bind, lock-out, Kerberos in both roles.
//!
//! Samba stands in a network namespace, so each test goes there with a thread of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::*;
use automend_source::Password;

/// The controller, held by one test at a time.
struct Controller {
    variables: BTreeMap<String, String>,
    scratch: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// A user that is gone when the test ends.
struct User<'a> {
    controller: &'a Controller,
    name: String,
}

const PASSWORD: &str = "Wint3r-Regen-7";

impl Controller {
    #[allow(clippy::disallowed_methods, reason = "the only door to the laboratory")]
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let path = std::env::var("AUTOMEND_LAB_SAMBA").expect("`make test` starts the controller");
        let text = std::fs::read_to_string(path).unwrap();
        let variables = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self {
            variables,
            scratch: tempfile::tempdir().unwrap(),
            _alone: alone,
        }
    }

    fn var(&self, key: &str) -> &str {
        &self.variables[key]
    }

    /// A program inside the namespace.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.var("LAB_NETNS"), program])
            .args(arguments)
            .env("KRB5_CONFIG", self.var("KRB5_CONFIG"))
            .env("KRB5CCNAME", self.file("tickets"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a program inside the namespace and gives what it says.
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> String {
        said(self.command(program, arguments), input)
    }

    /// Tickets for a user, from MIT's kinit.
    fn kinit(&self, user: &User<'_>) {
        let principal = format!("{}@CONTOSO.TEST", user.name);
        self.run("kinit", &[&principal], &format!("{PASSWORD}\n"));
    }

    fn samba_tool(&self, arguments: &[&str]) -> String {
        let folder = Path::new(self.var("LAB_CA")).parent().unwrap();
        let settings = folder.parent().unwrap().join("etc/smb.conf");
        let settings = format!("--configfile={}", settings.display());
        self.run("samba-tool", &[arguments, &[&settings]].concat(), "")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A new user with [`PASSWORD`].
    fn user(&self, what: &str) -> User<'_> {
        self.add(what, PASSWORD)
    }

    /// An account for a web service on a host.
    fn service(&self, host: &str) -> User<'_> {
        // Another password, as RC4 makes the same key of the same one.
        let service = self.add("web", "Other-Passw0rd-3");
        self.samba_tool(&["spn", "add", &format!("HTTP/{host}"), &service.name]);
        service
    }

    /// Its name is used once.
    fn add(&self, what: &str, password: &str) -> User<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{what}{}x{n}", std::process::id());
        let mail = format!("--mail-address={name}.mail@contoso.test");
        self.samba_tool(&["user", "create", &name, password, &mail]);
        User {
            controller: self,
            name,
        }
    }

    /// A keytab of one principal.
    fn keytab(&self, principal: &str) -> PathBuf {
        let path = self.file(&format!("{}.keytab", principal.replace('/', "-")));
        let file = path.display().to_string();
        let principal = format!("--principal={principal}");
        self.samba_tool(&["domain", "exportkeytab", &file, &principal]);
        path
    }

    /// By its address, as the thread of a test does not see the namespace's names.
    fn url(&self) -> String {
        format!("ldaps://{}", self.var("LAB_ADDRESS"))
    }

    fn settings(&self) -> Settings {
        Settings {
            user: Some(self.var("LAB_AUDIT").to_owned()),
            password: Password::File(self.var("LAB_AUDIT_PASSWORD_FILE").into()),
            ca: vec![self.var("LAB_CA").into()],
            ..Settings::of(Location::parse(&self.url()).unwrap())
        }
    }

    /// An authenticator to the accounts of these servers.
    fn auth(
        &self,
        servers: &[&str],
        scheme: Scheme,
        keytab: Option<PathBuf>,
    ) -> Arc<Authenticator> {
        let servers: Vec<LdapUrl> = servers
            .iter()
            .map(|text| LdapUrl::parse(text).unwrap())
            .collect();
        let offer = Offer {
            realm: "Autodiscover".to_owned(),
            schemes: vec![scheme],
            keytab,
            // What Samba encrypts with for an account without settings.
            rc4_tickets: true,
        };
        let accounts = live_accounts(&self.settings(), servers).unwrap();
        Arc::new(Authenticator::new(accounts, offer, None).unwrap())
    }

    /// Runs a test inside the namespace.
    fn inside(&self, test: impl Future<Output = ()> + Send) {
        let namespace = File::open(format!("/run/netns/{}", self.var("LAB_NETNS"))).unwrap();
        let done = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).unwrap();
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(test);
            });
            thread.join()
        });
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    }
}

/// What a program says that ends well.
fn said(mut command: Command, input: &str) -> String {
    let mut child = command.spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(input.as_bytes()).unwrap();
    drop(to);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let gone = std::panic::AssertUnwindSafe(|| {
            self.controller.samba_tool(&["user", "delete", &self.name]);
        });
        let _ = std::panic::catch_unwind(gone);
    }
}

async fn log_in(auth: &Arc<Authenticator>, user: &str, password: &str) -> Verdict {
    let value = basic(user, password);
    auth.authenticate(&mut Connection::default(), Some(value.as_bytes()), HOME)
        .await
}

#[test]
fn a_password_is_checked_by_a_bind() {
    let controller = Controller::new();
    let (jim, amy) = (controller.user("jim"), controller.user("amy"));
    controller.samba_tool(&["user", "disable", &amy.name]);
    controller.inside(async {
        let auth = controller.auth(&[&controller.url()], Scheme::Basic, None);
        let principal = format!("{}@contoso.test", jim.name);
        for user in [
            principal.clone(),
            principal.to_uppercase(),
            format!("CONTOSO\\{}", jim.name),
            format!("contoso.test\\{}", jim.name),
            format!("{}.mail@contoso.test", jim.name),
            jim.name.clone(),
        ] {
            let verdict = log_in(&auth, &user, PASSWORD).await;
            assert_eq!(name(verdict), principal, "{user}");
        }
        for (user, password) in [
            (principal.as_str(), "wrong"),
            (principal.as_str(), ""),
            ("nobody@contoso.test", PASSWORD),
            (&format!("{}@contoso.test", amy.name), PASSWORD),
            (&format!("FABRIKAM\\{}", jim.name), PASSWORD),
            ("*", PASSWORD),
        ] {
            let values = refused(log_in(&auth, user, password).await);
            assert_eq!(values, auth.challenges(), "{user}");
        }
    });
}

#[test]
fn the_first_server_that_answers_is_asked_and_an_outage_is_no_wrong_password() {
    let controller = Controller::new();
    let jim = controller.user("jim");
    controller.inside(async {
        let (dead, nobody) = ("ldapi://%2Fnowhere%2Fldapi", "ldaps://127.0.0.1:1");
        let living = controller.url();
        let auth = controller.auth(&[dead, nobody, living.as_str()], Scheme::Basic, None);
        name(log_in(&auth, &jim.name, PASSWORD).await);
        refused(log_in(&auth, &jim.name, "wrong").await);
        let auth = controller.auth(&[dead, nobody], Scheme::Basic, None);
        match log_in(&auth, &jim.name, PASSWORD).await {
            Verdict::Unavailable(why) => {
                assert!(
                    why.contains("nowhere") && why.contains("127.0.0.1"),
                    "{why}"
                );
                assert!(!why.contains(PASSWORD), "{why}");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// A domain that locks accounts after so many wrong passwords, until it is dropped.
struct LocksAfter<'a>(&'a Controller);

impl<'a> LocksAfter<'a> {
    fn new(controller: &'a Controller, threshold: u32) -> Self {
        set_threshold(controller, threshold);
        Self(controller)
    }
}

impl Drop for LocksAfter<'_> {
    fn drop(&mut self) {
        let ends = std::panic::AssertUnwindSafe(|| set_threshold(self.0, 0));
        let _ = std::panic::catch_unwind(ends);
    }
}

fn set_threshold(controller: &Controller, threshold: u32) {
    let threshold = format!("--account-lockout-threshold={threshold}");
    controller.samba_tool(&["domain", "passwordsettings", "set", &threshold]);
}

/// What the domain counts of a user.
fn lock(controller: &Controller, user: &User<'_>) -> String {
    let attributes = "--attributes=badPwdCount,lockoutTime";
    controller.samba_tool(&["user", "show", &user.name, attributes])
}

#[test]
fn no_account_is_locked_through_the_authenticator() {
    let controller = Controller::new();
    let (jim, amy) = (controller.user("jim"), controller.user("amy"));
    let _policy = LocksAfter::new(&controller, 5);
    controller.inside(async {
        let auth = controller.auth(&[&controller.url()], Scheme::Basic, None);
        let mut reached = 0;
        for n in 0..30 {
            match log_in(&auth, &jim.name, &format!("wrong-{n}")).await {
                Verdict::Challenge(_) => reached += 1,
                Verdict::Throttled(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reached, 3, "two fewer than lock the account");
        // By all her names at once, and each of them is refused three times as if it had been asked.
        let names = [
            amy.name.clone(),
            format!("{}@contoso.test", amy.name),
            format!("CONTOSO\\{}", amy.name),
            format!("{}.mail@contoso.test", amy.name),
        ];
        let attempts = (0..3).flat_map(|n| names.iter().map(move |name| (n, name)));
        let attempts = attempts.map(async |(n, name)| {
            refused(log_in(&auth, name, &format!("wrong-{n}-{name}")).await);
        });
        futures_util::future::join_all(attempts).await;
    });
    for user in [jim, amy] {
        let shown = lock(&controller, &user);
        assert!(shown.contains("badPwdCount: 3"), "{shown}");
        assert!(!shown.contains("lockoutTime: 1"), "{shown}");
    }
}

#[test]
fn a_right_password_of_a_locked_account_is_good_as_soon_as_it_is_unlocked() {
    let controller = Controller::new();
    let jim = controller.user("jim");
    let _policy = LocksAfter::new(&controller, 5);
    controller.inside(async {
        let auth = controller.auth(&[&controller.url()], Scheme::Basic, None);
        for n in 0..5 {
            // Elsewhere, where failures are not counted.
            let principal = format!("{}@contoso.test", jim.name);
            let wrong = format!("wrong-{n}");
            let login = [
                "-x",
                "-H",
                &controller.url(),
                "-D",
                &principal,
                "-w",
                &wrong,
            ];
            let mut bind = controller.command("ldapwhoami", &login);
            let ended = bind
                .env("LDAPTLS_CACERT", controller.var("LAB_CA"))
                .output();
            assert_eq!(ended.unwrap().status.code(), Some(49));
        }
        let shown = lock(&controller, &jim);
        assert!(shown.contains("lockoutTime: 1"), "{shown}");
        for _ in 0..6 {
            refused(log_in(&auth, &jim.name, PASSWORD).await);
        }
        controller.samba_tool(&["user", "unlock", &jim.name]);
        name(log_in(&auth, &jim.name, PASSWORD).await);
    });
}

/// The answer to a client with this ticket, and why in the server's words.
async fn show(auth: &Arc<Authenticator>, have: &Credentials) -> (u16, String) {
    let server = web::serve(Arc::clone(auth)).await;
    let login = ClientLogin::begin(Scheme::Negotiate, have, "mail.contoso.test").unwrap();
    web::ask(server, login).await
}

#[test]
fn a_ticket_is_got_and_accepted() {
    let controller = Controller::new();
    let jim = controller.user("jim");
    let service = controller.service("mail.contoso.test");
    let keytab = controller.keytab("HTTP/mail.contoso.test");
    let other = controller.keytab(&service.name);
    let own = controller.keytab(&jim.name);
    let principal = format!("{}@contoso.test", jim.name);
    controller.kinit(&jim);
    controller.inside(async {
        let url = controller.url();
        let living = [url.as_str()];
        let auth = Arc::new(controller.auth(&living, Scheme::Negotiate, Some(keytab.clone())));
        let have = |user: &str| Credentials {
            user: Some(user.to_owned()),
            kdc: Some("127.0.0.1".to_owned()),
            ..Credentials::default()
        };
        let password = |user: &str, password: &str| Credentials {
            password: Some(password.into()),
            ..have(user)
        };
        let good = (200, principal.clone());
        // Password, keytab, ticket file.
        for have in [
            password(&principal, PASSWORD),
            password(&principal.to_uppercase(), PASSWORD),
            password(&format!("CONTOSO\\{}", jim.name), PASSWORD),
            Credentials {
                keytab: Some(own.clone()),
                ..have(&principal)
            },
            Credentials {
                tickets: Some(controller.file("tickets")),
                kdc: Some("127.0.0.1:88".to_owned()),
                ..Credentials::default()
            },
        ] {
            assert_eq!(show(&auth, &have).await, good, "{have:?}");
        }
        // A key of the same account, but under a name of another kind: it is the same key.
        let account = controller.auth(&living, Scheme::Negotiate, Some(other.clone()));
        let have = password(&principal, PASSWORD);
        assert_eq!(show(&account, &have).await, good);
        // A key that never opened such a ticket.
        let wrong = controller.auth(&living, Scheme::Negotiate, Some(own.clone()));
        let (status, why) = show(&wrong, &have).await;
        assert_eq!(status, 401);
        assert!(why.contains("key"), "{why}");
        // The same message twice.
        let mut login = ClientLogin::begin(Scheme::Negotiate, &have, "mail.contoso.test").unwrap();
        let value = login.next(None).await.unwrap().unwrap();
        let value = value.expose_secret().as_bytes();
        let mut connection = Connection::default();
        name(auth.authenticate(&mut connection, Some(value), HOME).await);
        // It was for that request: the next one may be another user's.
        refused(auth.authenticate(&mut connection, None, HOME).await);
        let mut another = Connection::default();
        refused(auth.authenticate(&mut another, Some(value), HOME).await);
        let why = another.refusal().unwrap();
        assert!(why.contains("a copy of an earlier login"), "{why}");
        // A refusal of the KDC is reported in words.
        for (have, host, expected) in [
            (
                password(&principal, "wrong"),
                "mail.contoso.test",
                "password",
            ),
            (
                password("nobody@contoso.test", "x"),
                "mail.contoso.test",
                "not known",
            ),
            (
                password(&principal, PASSWORD),
                "other.contoso.test",
                "no account has the service principal name HTTP/other.contoso.test",
            ),
        ] {
            let mut login = ClientLogin::begin(Scheme::Negotiate, &have, host).unwrap();
            let error = login.next(None).await.unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
            let refused = automend_probe::login::is_refused(&error);
            assert_eq!(refused, expected == "password", "{error:#}");
        }
    });
}

#[test]
fn curl_is_let_in_with_a_ticket() {
    let controller = Controller::new();
    let jim = controller.user("jim");
    let _service = controller.service("curl.contoso.test");
    let keytab = controller.keytab("HTTP/curl.contoso.test");
    controller.kinit(&jim);
    controller.inside(async {
        let url = controller.url();
        let living = [url.as_str()];
        let auth = controller.auth(&living, Scheme::Negotiate, Some(keytab));
        let server = web::serve(auth).await;
        let page = format!("http://curl.contoso.test:{}/", server.port());
        let here = format!("curl.contoso.test:{}:127.0.0.1", server.port());
        for scheme in ["--negotiate", "--anyauth"] {
            let arguments = [
                "-s",
                "-w",
                "\n%{http_code}",
                "-d",
                "a body",
                "-u",
                ":",
                "--resolve",
                &here,
            ];
            let arguments = [&arguments[..], &[scheme, &page]].concat();
            let command = controller.command("curl", &arguments);
            let heard = tokio::task::spawn_blocking(|| said(command, "")).await;
            let expected = format!("{}@contoso.test\n200", jim.name);
            assert_eq!(heard.unwrap(), expected, "{scheme}");
        }
    });
}

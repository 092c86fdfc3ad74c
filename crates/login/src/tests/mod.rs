//! The authenticator from outside: every scheme, with an embedded directory behind it.

mod checks;
mod live;
mod ntlm;
#[cfg(feature = "lab")]
mod peers;
mod purpose;
#[cfg(feature = "lab")]
mod samba;
#[cfg(feature = "lab")]
mod slapd;
mod tickets;
mod web;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use automend_core::dn::Dn;
use automend_directory::{Directory, Import, Modification, Name, NtHash, import};
use automend_negotiate::Scheme;
use automend_probe::login::{Challenge, ClientLogin, Credentials, challenges};
use automend_source::{LdapUrl, Location, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use super::authenticator::{Authenticator, Connection, Offer};
use super::throttle::Limits;
use super::{Accounts, Verdict};

/// Who asks, where it doesn't matter.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Jim, Amy who may not log in any more, and a group with an address.
pub(super) const COMPANY: &str = "dn: DC=contoso,DC=test\nobjectClass: domainDNS\n\n\
    dn: CN=Jim,DC=contoso,DC=test\nobjectClass: user\nsAMAccountName: jim\n\
    userPrincipalName: jim@contoso.test\nmail: jim.miller@contoso.test\n\
    proxyAddresses: SMTP:jim.miller@contoso.test\nproxyAddresses: smtp:j.m@contoso.test\n\
    userPassword: Wint3r-Regen\nuserAccountControl: 512\n\n\
    dn: CN=Amy,DC=contoso,DC=test\nobjectClass: user\nsAMAccountName: amy\n\
    userPrincipalName: amy@contoso.test\nuserPassword: Wint3r-Regen\nuserAccountControl: 514\n\n\
    dn: CN=Team,DC=contoso,DC=test\nobjectClass: group\nmail: team@contoso.test\n";

/// An authenticator to [`COMPANY`], with its directory and its folder.
pub(super) struct Company {
    pub auth: Arc<Authenticator>,
    pub directory: Directory,
    _folder: tempfile::TempDir,
}

impl Company {
    pub(super) fn new(schemes: &[Scheme]) -> Self {
        Self::of(COMPANY, schemes)
    }

    /// An authenticator to the people of an LDIF.
    fn of(ldif: &str, schemes: &[Scheme]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        let how = Import {
            now: 1_795_334_929,
            nt_hashes: NtHash::Kept,
            ..Import::default()
        };
        import(&directory, ldif.as_bytes(), how, |_| {}).unwrap();
        let offer = Offer {
            realm: "Autodiscover".to_owned(),
            schemes: schemes.to_vec(),
            keytab: None,
            rc4_tickets: false,
        };
        let auth = Authenticator::new(Accounts::embedded(directory.clone()), offer, None).unwrap();
        Self {
            auth: Arc::new(auth),
            directory,
            _folder: folder,
        }
    }

    fn modify(&self, name: &str, modification: Modification) {
        let dn = Dn::parse(&format!("CN={name},DC=contoso,DC=test")).unwrap();
        let mut writing = self.directory.write(1_795_334_930).unwrap();
        writing.modify(&Name::from(&dn), &[modification]).unwrap();
        writing.commit().unwrap();
    }

    async fn authenticate(&self, connection: &mut Connection, value: Option<&str>) -> Verdict {
        self.auth
            .authenticate(connection, value.map(str::as_bytes), HOME)
            .await
    }

    async fn basic(&self, user: &str, password: &str) -> Verdict {
        self.authenticate(&mut Connection::default(), Some(&basic(user, password)))
            .await
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Who was admitted.
#[track_caller]
fn name(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accepted { account, .. } => account.name.clone(),
        other => panic!("{other:?}"),
    }
}

/// The challenge that came instead.
#[track_caller]
fn refused(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Challenge(values) => values,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_logs_in_by_every_name() {
    let company = Company::new(&[Scheme::Basic]);
    for user in [
        "jim@contoso.test",
        "JIM@Contoso.Test",
        "CONTOSO\\jim",
        "contoso.test\\JIM",
        "jim.miller@contoso.test",
        "j.m@contoso.test",
        "jim",
    ] {
        let verdict = company.basic(user, "Wint3r-Regen").await;
        assert_eq!(name(verdict), "jim@contoso.test", "{user}");
    }
    let lower = basic("jim", "Wint3r-Regen").replace("Basic", "bAsIc");
    let verdict = company
        .authenticate(&mut Connection::default(), Some(&lower))
        .await;
    assert_eq!(name(verdict), "jim@contoso.test");
}

#[tokio::test]
async fn every_refusal_looks_the_same() {
    let company = Company::new(&[Scheme::Basic, Scheme::Ntlm]);
    let first = refused(company.authenticate(&mut Connection::default(), None).await);
    assert_eq!(
        first,
        ["Basic realm=\"Autodiscover\", charset=\"UTF-8\"", "NTLM"]
    );
    for (user, password) in [
        ("jim@contoso.test", "wrong"),
        ("jim@contoso.test", ""),
        ("nobody@contoso.test", "Wint3r-Regen"),
        ("amy@contoso.test", "Wint3r-Regen"),
        ("team@contoso.test", "Wint3r-Regen"),
        ("FABRIKAM\\jim", "Wint3r-Regen"),
        ("", "Wint3r-Regen"),
        ("*", "Wint3r-Regen"),
        ("jim)(cn=*", "Wint3r-Regen"),
    ] {
        assert_eq!(
            refused(company.basic(user, password).await),
            first,
            "{user}"
        );
    }
    let long = "A".repeat(200_000);
    for value in [
        "",
        "Basic",
        "Basic %%%",
        "Basic amlt",
        "Basic gICAgA==",
        "Digest username=\"jim\"",
        "NTLM",
        "NTLM AAAA",
        "NTLM TlRMTVNTUAADAAAA",
        "Negotiate TlRMTVNTUAABAAAA",
        "Bearer x",
        long.as_str(),
        "Basic \u{fc}\u{fc}",
    ] {
        let verdict = company
            .authenticate(&mut Connection::default(), Some(value))
            .await;
        assert_eq!(refused(verdict), first, "{:?}", value.get(..40));
    }
}

#[tokio::test]
async fn what_changed_in_the_directory_holds_at_once() {
    let company = Company::new(&[Scheme::Basic]);
    let log_in = async |password: &str| company.basic("jim@contoso.test", password).await;
    name(log_in("Wint3r-Regen").await);
    name(log_in("Wint3r-Regen").await);
    // Something else changes: the login still holds, and is still remembered.
    company.modify("Amy", Modification::replace("description", ["x"]));
    name(log_in("Wint3r-Regen").await);
    company.modify(
        "Jim",
        Modification::replace("userPassword", ["S0mmer-Wind"]),
    );
    refused(log_in("Wint3r-Regen").await);
    name(log_in("S0mmer-Wind").await);
    company.modify("Jim", Modification::replace("userAccountControl", ["514"]));
    refused(log_in("S0mmer-Wind").await);
    company.modify("Jim", Modification::replace("userAccountControl", ["512"]));
    name(log_in("S0mmer-Wind").await);
    company.modify(
        "Jim",
        Modification::replace("accountExpires", ["116444736010000000"]),
    );
    refused(log_in("S0mmer-Wind").await);
}

/// As many wrong passwords at once as are let through.
async fn fail(company: &Company, user: &str) {
    let attempts = (0..Limits::EMBEDDED.account).map(async |n| {
        refused(company.basic(user, &format!("wrong-{n}")).await);
    });
    futures_util::future::join_all(attempts).await;
}

/// What a client sees of a verdict.
fn seen(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted { .. } => "admitted".to_owned(),
        Verdict::Challenge(values) => values.join(", "),
        // All but the time that has passed in the test.
        Verdict::Throttled(wait) => format!("wait {} min", wait.as_secs().div_ceil(60)),
        Verdict::Unavailable(_) => "unavailable".to_owned(),
    }
}

#[tokio::test]
async fn failures_are_throttled_by_account_and_a_good_login_that_is_known_is_not() {
    let company = Company::new(&[Scheme::Basic]);
    name(company.basic("jim", "Wint3r-Regen").await);
    fail(&company, "CONTOSO\\jim").await;
    let verdict = company.basic("CONTOSO\\jim", "Wint3r-Regen").await;
    assert!(matches!(verdict, Verdict::Throttled(_)), "{verdict:?}");
    // By whichever name, it is one account; but under another name that does not show.
    refused(company.basic("j.m@contoso.test", "Wint3r-Regen").await);
    name(company.basic("jim", "Wint3r-Regen").await);
}

#[tokio::test]
async fn nobody_is_kept_out_by_others_where_they_have_logged_in_lately() {
    let from = |network: u8, host: u8| IpAddr::V4(Ipv4Addr::new(198, 51, network, host));
    // By another name, and by the very name.
    for (theirs, own) in [
        ("CONTOSO\\jim", "jim"),
        ("jim@contoso.test", "jim@contoso.test"),
    ] {
        let company = Company::new(&[Scheme::Basic]);
        let log_in = async |user: &str, password: &str, from: IpAddr| {
            let value = basic(user, password);
            let mut connection = Connection::default();
            company
                .auth
                .authenticate(&mut connection, Some(value.as_bytes()), from)
                .await
        };
        name(log_in(own, "Wint3r-Regen", from(1, 1)).await);
        let guesses = (0..Limits::EMBEDDED.account).map(async |n| {
            refused(log_in(theirs, &format!("wrong-{n}"), from(2, 1)).await);
        });
        futures_util::future::join_all(guesses).await;
        // Other letters, so that the login is not the one that is remembered; from anywhere it is as before.
        let own = own.to_uppercase();
        let elsewhere = seen(&log_in(&own, "Wint3r-Regen", from(3, 1)).await);
        let expected = if theirs.eq_ignore_ascii_case(&own) {
            "wait 10 min"
        } else {
            "Basic realm=\"Autodiscover\", charset=\"UTF-8\""
        };
        assert_eq!(elsewhere, expected);
        for host in [1, 99] {
            let verdict = log_in(&own, "Wint3r-Regen", from(1, host)).await;
            assert_eq!(name(verdict), "jim@contoso.test", "{theirs}");
            company.modify(
                "Jim",
                Modification::replace("description", [host.to_string()]),
            );
        }
    }
}

#[tokio::test]
async fn a_blank_password_opens_nothing_by_any_scheme() {
    // Its NT hash, 31d6cfe0d16ae931b73c59d7e0c089c0, as a dump has it for many a new account.
    let blank = "dn: CN=Blank,DC=contoso,DC=test\nobjectClass: user\nsAMAccountName: blank\n\
        userAccountControl: 544\nunicodePwd:: MdbP4NFq6TG3PFnX4MCJwA==\n";
    let company = Company::of(
        &format!("{COMPANY}\n{blank}"),
        &[Scheme::Ntlm, Scheme::Basic],
    );
    for (user, password) in [
        ("blank", ""),
        ("CONTOSO\\blank", ""),
        ("CONTOSO\\BLANK", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("jim", ""),
        ("nobody", ""),
    ] {
        let (mut login, mut connection) = (jim(user, password), Connection::default());
        let challenge = only(turn(&company, &mut login, &mut connection, None).await);
        let verdict = turn(&company, &mut login, &mut connection, Some(&challenge)).await;
        refused(verdict);
        refused(company.basic(user, password).await);
    }
}

#[tokio::test]
async fn a_right_password_that_was_not_asked_is_not_held_for_wrong() {
    let company = Company::new(&[Scheme::Basic]);
    name(company.basic("jim", "Wint3r-Regen").await);
    fail(&company, "CONTOSO\\jim").await;
    for _ in 0..2 {
        let mut connection = Connection::default();
        let value = basic("j.m@contoso.test", "Wint3r-Regen");
        refused(company.authenticate(&mut connection, Some(&value)).await);
        let why = connection.refusal().unwrap();
        assert!(why.contains("so it was not asked"), "{why}");
    }
}

#[tokio::test]
async fn no_row_of_attempts_tells_who_exists() {
    let company = Company::new(&[Scheme::Basic]);
    let mut rows = Vec::new();
    for user in ["jim", "nobody"] {
        let mut row = Vec::new();
        fail(&company, &format!("{user}@contoso.test")).await;
        for (name, password) in [
            (format!("{user}@contoso.test"), "wrong-0"),
            (format!("{user}@contoso.test"), "wrong again"),
            (format!("CONTOSO\\{user}"), "wrong-0"),
            (format!("CONTOSO\\{user}"), "wrong again"),
            (user.to_owned(), "wrong again"),
            (user.to_uppercase(), "wrong again"),
        ] {
            row.push(seen(&company.basic(&name, password).await));
        }
        rows.push(row);
    }
    let again = "Basic realm=\"Autodiscover\", charset=\"UTF-8\"";
    assert_eq!(rows[0], [again, "wait 10 min", again, again, again, again]);
    assert_eq!(rows[0], rows[1]);
}

#[tokio::test]
async fn a_password_that_was_not_asked_costs_nothing_when_it_comes_again() {
    let company = Company::new(&[Scheme::Basic]);
    for user in ["jim", "nobody"] {
        fail(&company, &format!("{user}@contoso.test")).await;
        let name = format!("CONTOSO\\{user}");
        refused(company.basic(&name, "again").await);
        // Neither the search nor the check of the first time, no matter who it is.
        let mut connection = Connection::default();
        let value = basic(&name.to_uppercase(), "again");
        refused(company.authenticate(&mut connection, Some(&value)).await);
        let why = connection.refusal().unwrap();
        let expected = if user == "jim" {
            "not asked again"
        } else {
            "the same wrong"
        };
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn a_name_that_has_failed_too_often_waits_though_its_account_changes() {
    // Who closes an account elsewhere must not see by it whether there is one.
    let company = Company::new(&[Scheme::Basic]);
    fail(&company, "jim@contoso.test").await;
    company.modify("Jim", Modification::replace("userAccountControl", ["514"]));
    let verdict = company.basic("jim@contoso.test", "another").await;
    assert_eq!(seen(&verdict), "wait 10 min");
}

#[tokio::test]
async fn an_authenticator_that_follows_another_counts_on() {
    let company = Company::new(&[Scheme::Basic]);
    fail(&company, "jim@contoso.test").await;
    let offer = Offer {
        realm: "Another".to_owned(),
        schemes: vec![Scheme::Basic],
        keytab: None,
        rc4_tickets: false,
    };
    let accounts = Accounts::embedded(company.directory.clone());
    let next = Authenticator::new(accounts, offer, Some(&company.auth)).unwrap();
    let next = Company {
        auth: Arc::new(next),
        ..company
    };
    let verdict = next.basic("jim@contoso.test", "Wint3r-Regen").await;
    assert!(matches!(verdict, Verdict::Throttled(_)), "{verdict:?}");
    // Neither by a name that was not tried, and a password that was wrong stays so.
    refused(next.basic("CONTOSO\\jim", "Wint3r-Regen").await);
    refused(next.basic("jim@contoso.test", "wrong-0").await);
}

#[tokio::test]
async fn a_client_that_asks_several_hosts_at_once_makes_one_mistake() {
    let company = Company::new(&[Scheme::Basic]);
    for n in 1..Limits::EMBEDDED.account {
        let wrong = format!("wrong-{n}");
        let verdicts = tokio::join!(
            company.basic("jim", &wrong),
            company.basic("jim", &wrong),
            company.basic("jim", &wrong),
        );
        for verdict in [verdicts.0, verdicts.1, verdicts.2] {
            refused(verdict);
        }
    }
    name(company.basic("jim", "Wint3r-Regen").await);
}

/// One message of a client, and what the authenticator says to it.
async fn turn(
    company: &Company,
    login: &mut ClientLogin,
    connection: &mut Connection,
    challenge: Option<&Challenge>,
) -> Verdict {
    let value = login.next(challenge).await.unwrap().unwrap();
    company
        .authenticate(connection, Some(value.expose_secret()))
        .await
}

/// The one challenge of a verdict.
#[track_caller]
fn only(verdict: Verdict) -> Challenge {
    let values = refused(verdict);
    let mut read = challenges(values.iter().map(String::as_str));
    assert_eq!(read.len(), 1, "{values:?}");
    read.remove(0)
}

fn jim(user: &str, password: &str) -> ClientLogin {
    let have = Credentials {
        user: Some(user.to_owned()),
        password: Some(password.into()),
        ..Credentials::default()
    };
    ClientLogin::begin(Scheme::Ntlm, &have, "mail.contoso.test").unwrap()
}

#[tokio::test]
async fn an_address_may_fail_as_often_as_is_said() {
    let from = |n: u8| IpAddr::V4(Ipv4Addr::new(198, 51, 100, n));
    for (most, expected) in [(3, 3), (0, 120)] {
        let company = Company::new(&[Scheme::Basic]);
        let accounts = Accounts::embedded(company.directory.clone());
        let offer = Offer {
            realm: "Autodiscover".to_owned(),
            schemes: vec![Scheme::Basic],
            keytab: None,
            rc4_tickets: false,
        };
        let auth = Authenticator::new(accounts, offer, None).unwrap();
        let auth = Arc::new(auth.with_failures_per_address(most));
        let attempts = (0..expected).map(async |n| {
            let value = basic(&format!("nobody-{n}"), "wrong");
            let mut connection = Connection::default();
            refused(
                auth.authenticate(&mut connection, Some(value.as_bytes()), from(1))
                    .await,
            );
        });
        futures_util::future::join_all(attempts).await;
        let right = basic("jim", "Wint3r-Regen");
        let mut connection = Connection::default();
        let verdict = auth
            .authenticate(&mut connection, Some(right.as_bytes()), from(1))
            .await;
        if most == 0 {
            name(verdict);
        } else {
            assert!(matches!(verdict, Verdict::Throttled(_)), "{verdict:?}");
            assert!(connection.refusal().unwrap().contains("198.51.100.1"));
            // Others are none of its business.
            name(
                auth.authenticate(&mut Connection::default(), Some(right.as_bytes()), from(2))
                    .await,
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_password_counts_though_its_client_leaves_in_the_middle() {
    let company = Company::new(&[Scheme::Basic]);
    for number in 0..Limits::EMBEDDED.account {
        let value = basic("jim@contoso.test", &format!("wrong {number}"));
        let mut connection = Connection::default();
        let mut attempt = Box::pin(company.authenticate(&mut connection, Some(&value)));
        assert!(futures_util::poll!(attempt.as_mut()).is_pending());
        drop(attempt);
    }
    // Until the last of them has come to its end.
    for _ in 0..1000 {
        match company.basic("jim@contoso.test", "wrong again").await {
            Verdict::Throttled(wait) if wait > Duration::from_secs(60) => return,
            Verdict::Throttled(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            verdict => panic!("{verdict:?}"),
        }
    }
    panic!("what was under way has not come to its end");
}

#[tokio::test]
async fn only_what_works_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    import(&directory, COMPANY.as_bytes(), Import::default(), |_| {}).unwrap();
    let offer = |scheme, keytab: Option<&str>| {
        let offer = Offer {
            realm: String::new(),
            schemes: vec![scheme],
            keytab: keytab.map(Into::into),
            rc4_tickets: false,
        };
        let auth = Authenticator::new(Accounts::embedded(directory.clone()), offer, None);
        auth.err()
            .map_or_else(String::new, |error| format!("{error:#}"))
    };
    assert!(offer(Scheme::Ntlm, None).contains("--ntlm"));
    assert!(offer(Scheme::Negotiate, None).contains("keytab"));
    assert!(offer(Scheme::Negotiate, Some("/nowhere")).contains("/nowhere"));
    assert!(offer(Scheme::Bearer, None).contains("Bearer"));
    assert_eq!(offer(Scheme::Basic, None), "");
}

/// Accounts of these servers.
fn live_accounts(settings: &Settings, urls: Vec<LdapUrl>) -> anyhow::Result<Accounts> {
    use automend_source::pool::{Limits, Pool};
    let pool = Pool::new(settings, urls, Limits::DEFAULT, Box::new(|_| {}))?;
    Accounts::live(Arc::new(pool))
}

/// Settings for a server without TLS.
fn plain(text: &str) -> (Settings, LdapUrl) {
    let url = LdapUrl::parse(text).unwrap();
    let mut settings = Settings::of(Location::Server(url.clone()));
    settings.allow_plaintext = true;
    (settings, url)
}

/// The same over a socket, as a face does it.
#[tokio::test]
async fn a_client_logs_in_over_http() {
    let company = Company::new(&[Scheme::Ntlm, Scheme::Basic]);
    let server = web::serve(Arc::clone(&company.auth)).await;
    for scheme in [Scheme::Basic, Scheme::Ntlm] {
        let have = Credentials {
            user: Some("jim@contoso.test".to_owned()),
            password: Some("Wint3r-Regen".into()),
            ..Credentials::default()
        };
        let login = ClientLogin::begin(scheme, &have, "localhost").unwrap();
        assert_eq!(
            web::ask(server, login).await,
            (200, "jim@contoso.test".to_owned()),
            "{scheme:?}"
        );
    }
}

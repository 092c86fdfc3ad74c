//! `automend serve` and tickets that MIT's centre granted: what is let in, and what is refused and why.

use automend_negotiate::kerberos::Protection;
use automend_negotiate::spnego::{self, Mechanism};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::served::{Answer, Ask, POX, Wire, outlook, trusting};

/// What curl, which logs in by MIT's library, was answered.
struct Curled {
    status: String,
    body: String,
    /// The values of `Authorization` that it sent.
    sent: Vec<String>,
}

/// Asks the service by curl, under a name of it, with what stands in the ticket file.
fn curl(realm: &Realm, served: &Served, host: &str) -> Curled {
    let port = served.https.port();
    let url = format!("https://{host}:{port}{POX}");
    let resolve = format!("{host}:{port}:127.0.0.1");
    let body = outlook("alice@mit.test");
    let mut command = realm.command(
        "curl",
        &[
            "--silent",
            "--verbose",
            "--negotiate",
            "--user",
            ":",
            "--noproxy",
            "*",
            "--cacert",
            realm.lab.var("LAB_CA"),
            "--resolve",
            &resolve,
            "--header",
            "Content-Type: text/xml",
            "--data-binary",
            &body,
            "--write-out",
            "\n%{http_code}",
            &url,
        ],
    );
    let output = run(&mut command, "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let out = String::from_utf8(output.stdout).expect("an answer in UTF-8");
    let (body, status) = out.rsplit_once('\n').expect("what --write-out says");
    let sent = said
        .lines()
        .filter_map(|line| line.strip_prefix("> Authorization: "));
    Curled {
        status: status.to_owned(),
        body: body.to_owned(),
        sent: sent.map(str::to_owned).collect(),
    }
}

impl Curled {
    #[track_caller]
    fn is_let_in(&self) {
        assert_eq!(self.status, "200", "{}", self.body);
        assert!(self.body.contains("<DisplayName>Alice"), "{}", self.body);
    }

    #[track_caller]
    fn is_refused(&self) {
        assert_eq!(self.status, "401", "{}", self.body);
        assert!(!self.body.contains("Alice"), "{}", self.body);
    }
}

/// Asks the service with a value of `Authorization`.
fn ask(realm: &Realm, served: &Served, value: &str) -> Answer {
    let trusted = trusting(realm.lab.var("LAB_CA").as_ref());
    let mut wire = Wire::secure(served.socket(), &trusted);
    wire.ask(&Ask::post(POX, outlook("alice@mit.test")).with("Authorization", value))
}

/// A login with a ticket out of MIT's file, made at a moment.
fn login(ticket: &Ticket, at: Moment) -> String {
    let (token, _) = ticket
        .login(None, Protection::default(), at)
        .expect("random numbers");
    let token = spnego::init(&[Mechanism::Kerberos], &token);
    format!("Negotiate {}", STANDARD.encode(token))
}

/// Waits until the log says why someone was refused.
fn logged_why(served: &Served, words: &str) {
    served.logged(|line| {
        line["status"] == 401
            && line["reason"]
                .as_str()
                .is_some_and(|why| why.contains(words))
    });
}

#[test]
fn tickets_of_kinit_and_kvno_are_accepted_with_every_encryption() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    curl(&realm, &served, "mail.mit.test").is_refused();
    realm.kinit("alice", &[]);
    for (host, encryption) in ENCRYPTIONS {
        let host = format!("{host}.mit.test");
        realm.kvno(&host);
        curl(&realm, &served, &host).is_let_in();
        // It was what this test is about.
        let listed = realm.run("klist", &["-e"], "");
        let (_, behind) = listed.split_once(&format!("HTTP/{host}@")).expect(&host);
        let types = behind.lines().nth(1).expect("its types");
        assert_eq!(types.matches(encryption).count(), 2, "{types}");
    }
    // A key in the ticket of another type than the ticket's own; a service with keys of several types.
    for host in ["mixed.mit.test", "mail.mit.test"] {
        realm.kvno(host);
        curl(&realm, &served, host).is_let_in();
    }
    let mixed = realm.ticket("mixed.mit.test");
    let shown = mixed.key.encryption.to_string();
    assert_eq!(shown, "aes128-cts-hmac-sha256-128");
    // kinit gets a ticket for a service at once, too.
    realm.kinit("alice", &["-S", "HTTP/aes256-sha2.mit.test"]);
    curl(&realm, &served, "aes256-sha2.mit.test").is_let_in();
}

#[test]
fn a_ticket_for_another_service_is_refused() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    realm.kinit("alice", &[]);
    realm.kvno("elsewhere.mit.test");
    curl(&realm, &served, "elsewhere.mit.test").is_refused();
    logged_why(&served, "the ticket for HTTP/elsewhere.mit.test@MIT.TEST");
}

#[test]
fn a_copy_of_a_login_is_refused() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    realm.kinit("alice", &[]);
    let curled = curl(&realm, &served, "mail.mit.test");
    curled.is_let_in();
    let copy = curled.sent.last().expect("curl shows what it sends");
    ask(&realm, &served, copy).is(401);
    logged_why(&served, "alice@MIT.TEST: a copy of an earlier login");
    // Another login with the same ticket is none.
    curl(&realm, &served, "mail.mit.test").is_let_in();
}

#[test]
fn a_ticket_of_somebody_without_an_open_account_is_refused() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    for user in ["stranger", "closed"] {
        realm.kinit(user, &[]);
        curl(&realm, &served, "mail.mit.test").is_refused();
        logged_why(&served, &format!("{user}@MIT.TEST: no account"));
    }
    // A service is no user, even of this name.
    let keytab = realm.lab.var("LAB_KEYTAB");
    realm.run("kinit", &["-k", "-t", keytab, "HTTP/mail.mit.test"], "");
    curl(&realm, &served, "mail.mit.test").is_refused();
    logged_why(&served, "HTTP/mail.mit.test@MIT.TEST: not a user");
}

#[test]
fn somebody_of_the_same_name_in_a_trusted_realm_is_somebody_else() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    realm.kinit("alice@OTHER.TEST", &[]);
    curl(&realm, &served, "mail.mit.test").is_refused();
    logged_why(&served, "alice@OTHER.TEST: no account");
}

#[test]
fn a_ticket_under_an_old_key_is_good_as_long_as_the_keytab_has_it() {
    let realm = Realm::new();
    let (host, service) = ("changing.mit.test", "HTTP/changing.mit.test");
    let [(_, both), (_, new)] = ["both", "new"].map(|name| path(&realm.desk, name));
    realm.kadmin(&["ktadd", "-norandkey", "-k", &both, service]);
    realm.kinit("alice", &[]);
    realm.kvno(host);
    realm.kadmin(&["cpw", "-randkey", service]);
    realm.kadmin(&["ktadd", "-norandkey", "-k", &both, service]);
    realm.kadmin(&["ktadd", "-norandkey", "-k", &new, service]);
    let (old, young) = (realm.serve(&both), realm.serve(&new));
    curl(&realm, &old, host).is_let_in();
    curl(&realm, &young, host).is_refused();
    logged_why(&young, "the keytab has no such key");
    realm.kinit("alice", &[]);
    curl(&realm, &old, host).is_let_in();
    curl(&realm, &young, host).is_let_in();
}

#[test]
fn a_ticket_that_is_not_good_now_is_refused() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    let service = "HTTP/mail.mit.test";
    // It will be good in an hour, if the centre says so again.
    realm.kinit("alice", &["-S", service, "-s", "1h"]);
    let postdated = realm.ticket("mail.mit.test");
    ask(&realm, &served, &login(&postdated, now())).is(401);
    logged_why(&served, "alice@MIT.TEST was never made valid");
    // A good one, by a clock that is wrong.
    realm.kinit("alice", &["-S", service]);
    let good = realm.ticket("mail.mit.test");
    for seconds in [-400, 400] {
        ask(&realm, &served, &login(&good, later(seconds))).is(401);
        logged_why(&served, "the clock of alice@MIT.TEST differs");
    }
    ask(&realm, &served, &login(&good, later(-200))).is(200);
}

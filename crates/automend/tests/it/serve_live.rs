//! The service out of live servers: fail-over, slow owners, and what it says when no one answers.
//!
//! Invariant: an outage is never told as "no such user", and who was answered once is answered again.

mod logins;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::ldap_server::{self, Act, BASE, Object, Op, Request, Server};
use crate::served::{self, Ask, PASSWORD, POX, SOAP, Served, outlook, until};

const BACK_LINK: &str = "msExchDelegateListBL";

/// Amy has the mailboxes of Bob and Eve, and a link from Jim, whose mailbox is disabled.
fn company() -> Vec<Object> {
    let mut amy = Object::mailbox("Amy");
    amy.values_mut("sAMAccountName").push(b"amy".to_vec());
    for owner in ["Bob", "Eve", "Jim"] {
        amy.values_mut(BACK_LINK)
            .push(format!("CN={owner},{BASE}").into_bytes());
    }
    vec![
        amy,
        Object::mailbox("Bob").opened_for(["Amy"]),
        Object::mailbox("Eve").opened_for(["Amy"]),
        Object::disabled("Jim").opened_for(["Amy"]),
    ]
}

/// A server that can be switched off: then it closes every connection at the first word.
struct Controller {
    server: Server,
    down: Arc<AtomicBool>,
}

impl Controller {
    fn new(script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let down = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&down);
        let server = Server::scripted(company(), move |request, _| {
            if switch.load(Ordering::SeqCst) {
                Act::Close
            } else {
                script(request)
            }
        });
        Self { server, down }
    }

    fn honest() -> Self {
        Self::new(|_| Act::Answer)
    }

    fn switch(&self, on: bool) {
        self.down.store(!on, Ordering::SeqCst);
    }

    /// Searches for someone's address that came here.
    fn looked_up(&self, address: &str) -> usize {
        let held = self.server.held();
        let about = |request: &&Request| match &request.op {
            Op::Search(search) => {
                format!("{:?}", search.filter).contains("proxyAddresses")
                    && search.attributes.iter().any(|name| name == BACK_LINK)
                    && mentions(&search.filter, address)
            }
            _ => false,
        };
        held.asked.iter().filter(about).count()
    }
}

fn mentions(filter: &ldap_server::Filter, address: &str) -> bool {
    use ldap_server::Filter::{And, Equal, Not, Or, Present};
    match filter {
        And(parts) | Or(parts) => parts.iter().any(|part| mentions(part, address)),
        Not(part) => mentions(part, address),
        Equal(_, value) => String::from_utf8_lossy(value).contains(address),
        Present(_) => false,
    }
}

fn serve(controllers: &[&Controller], asking: &str) -> Served {
    let urls: Vec<String> = controllers.iter().map(|one| one.server.url()).collect();
    let configuration = format!("allow-plaintext = true\n[serve.directory]\n{asking}\n");
    Served::in_folder(
        tempfile::tempdir().unwrap(),
        &configuration,
        &["--directory", &urls.join(",")],
    )
}

fn pox(served: &Served, address: &str) -> served::Answer {
    served.ask(&Ask::post(POX, outlook(address)).basic("amy@contoso.test", PASSWORD))
}

#[test]
fn a_user_is_answered_out_of_a_live_directory_without_the_stale_link() {
    let dc = Controller::honest();
    let served = serve(&[&dc], "");
    assert!(
        served.said.contains("Autodiscover for contoso.test"),
        "{}",
        served.said
    );
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    let skipped = served.event("owner-skipped");
    assert_eq!(skipped["owner"], format!("CN=Jim,{BASE}"));
    assert_eq!(skipped["code"], "AM101");
    // What was reported is kept for its time.
    let before = dc.looked_up("amy@contoso.test");
    for _ in 0..5 {
        assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    }
    assert_eq!(dc.looked_up("amy@contoso.test"), before);
    assert_eq!(pox(&served, "nobody@contoso.test").pox(), "500");
    assert_eq!(pox(&served, "bob@contoso.test").pox(), "settings: ");
}

#[test]
fn the_next_server_answers_when_the_first_does_not() {
    let (first, second) = (Controller::honest(), Controller::honest());
    let served = serve(
        &[&first, &second],
        "cache-ttl = 0\nhealth-check-interval = 1",
    );
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    assert_eq!(
        second.looked_up("amy@contoso.test"),
        0,
        "the first that is well answers"
    );
    first.switch(false);
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    assert!(second.looked_up("amy@contoso.test") > 0);
    let down = served.event("directory-down");
    assert_eq!(down["server"], first.server.url());
    let ready = served.admin("/readyz").is(200).json();
    assert_eq!(ready["directory"][0]["up"], false);
    assert_eq!(ready["directory"][1]["up"], true);
    first.switch(true);
    served.event("directory-up");
    until("the first is asked again", || {
        let before = second.looked_up("amy@contoso.test");
        assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
        second.looked_up("amy@contoso.test") == before
    });
}

#[test]
fn when_no_server_answers_it_goes_on_from_what_it_last_knew_and_says_so() {
    let (first, second) = (Controller::honest(), Controller::honest());
    let served = serve(
        &[&first, &second],
        "cache-ttl = 0\nhealth-check-interval = 1",
    );
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    first.switch(false);
    second.switch(false);
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    let exchange = served.logged(|line| line["source"] == "last-known");
    assert_eq!(exchange["outcome"], "settings");
    // Of whom nothing is known, nothing is said.
    let unknown = pox(&served, "nobody@contoso.test").is(503);
    assert!(unknown.header("retry-after").is_some());
    pox(&served, "eve@contoso.test").is(503).says_not("Eve");
    let soap = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:a=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\">\
        <s:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion></s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request>\
        <a:Users><a:User><a:Mailbox>eve@contoso.test</a:Mailbox></a:User></a:Users><a:RequestedSettings><a:Setting>UserDN</a:Setting></a:RequestedSettings>\
        </a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>";
    served
        .ask(&Ask::post(SOAP, soap).basic("amy@contoso.test", PASSWORD))
        .is(503);
    // Those who ask by domain are answered, as no one has to be looked up.
    served
        .ask(&Ask::get(
            "/autodiscover/autodiscover.json?Email=x@contoso.test&Protocol=Ews",
        ))
        .is(200);
    let ready = served.admin("/readyz").is(503).json();
    assert_eq!(ready["answersFrom"], "last-known");
    assert!((served.metric("automend_degraded") - 1.0).abs() < f64::EPSILON);
    assert!(served.metric("automend_answers_total{source=\"last-known\"}") >= 1.0);
    served.admin("/healthz").is(200);
    second.switch(true);
    until("a server is found again", || {
        served.admin("/readyz").status == 200
    });
    assert_eq!(pox(&served, "nobody@contoso.test").pox(), "500");
    assert_eq!(pox(&served, "eve@contoso.test").pox(), "settings: ");
    assert!(served.metric("automend_degraded").abs() < f64::EPSILON);
}

#[test]
fn a_slow_owner_is_left_out_and_the_user_is_answered() {
    let slow = |request: &Request| match &request.op {
        Op::Search(search) if search.base.starts_with("CN=Bob") => Act::Ignore,
        _ => Act::Answer,
    };
    let dc = Controller::new(slow);
    let served = serve(&[&dc], "owner-timeout = 1\ntimeout = 30");
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Eve");
    let line = served.logged(|line| {
        line["event"] == "owner-skipped" && line["owner"] == format!("CN=Bob,{BASE}")
    });
    assert_eq!(line["code"], "AM106");
    assert!(served.metric("automend_skipped_owners_total{code=\"AM106\"}") >= 1.0);
    // The server is well all the same.
    served.admin("/readyz").is(200);
}

#[test]
fn another_server_is_asked_for_an_owner_that_is_slow_on_the_first() {
    let slow = |request: &Request| match &request.op {
        Op::Search(search) if search.base.starts_with("CN=Bob") => Act::Ignore,
        _ => Act::Answer,
    };
    let (first, second) = (Controller::new(slow), Controller::honest());
    let served = serve(&[&first, &second], "owner-timeout = 1\ntimeout = 30");
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    assert_eq!(second.looked_up("amy@contoso.test"), 1);
}

#[test]
fn an_owner_that_may_not_be_read_is_left_out_and_told() {
    let dc = Controller::new(|request| match &request.op {
        Op::Search(search) if search.base.starts_with("CN=Bob") => Act::Refuse(50, "no"),
        _ => Act::Answer,
    });
    let served = serve(&[&dc], "");
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Eve");
    let line = served.logged(|line| line["event"] == "owner-skipped" && line["code"] == "AM106");
    assert_eq!(line["owner"], format!("CN=Bob,{BASE}"));
}

#[test]
fn a_server_that_hangs_is_passed_over() {
    let hangs = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&hangs);
    let first = Controller::new(move |_| {
        if switch.load(Ordering::SeqCst) {
            Act::Ignore
        } else {
            Act::Answer
        }
    });
    let second = Controller::honest();
    let served = serve(
        &[&first, &second],
        "cache-ttl = 0\ntimeout = 1\nhealth-check-interval = 1",
    );
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    hangs.store(true, Ordering::SeqCst);
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    assert_eq!(served.event("directory-down")["server"], first.server.url());
    // From now on it costs no one any time: it is not asked.
    let asked = first.looked_up("amy@contoso.test");
    for _ in 0..3 {
        assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
    }
    assert_eq!(first.looked_up("amy@contoso.test"), asked);
}

#[test]
fn a_server_that_talks_nonsense_is_passed_over() {
    for nonsense in [
        b"\x30\x03\x02\x01".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mad = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&mad);
        let first = Controller::new(move |_| {
            if switch.load(Ordering::SeqCst) {
                Act::SendAndClose(nonsense.clone())
            } else {
                Act::Answer
            }
        });
        let second = Controller::honest();
        let served = serve(
            &[&first, &second],
            "cache-ttl = 0\ntimeout = 2\nhealth-check-interval = 1",
        );
        assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
        mad.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
        }
    }
}

#[test]
fn nobody_under_load_notices_that_a_server_goes_and_comes_back() {
    let (first, second) = (Controller::honest(), Controller::honest());
    // All of the load comes from one address, as fast as it is answered.
    let served = serve(
        &[&first, &second],
        "cache-ttl = 0\nhealth-check-interval = 1\nconnections = 4\n[serve.limits]\nrequests-per-address = 0",
    );
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (served, stop, answered) = (&served, &stop, &answered);
            scope.spawn(move || {
                let mut wire = served.connect();
                let ask =
                    Ask::post(POX, outlook("amy@contoso.test")).basic("amy@contoso.test", PASSWORD);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(wire.ask(&ask).pox(), "settings: Bob, Eve");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = |count: usize| {
            let from = answered.load(Ordering::Relaxed);
            until("requests are answered", || {
                answered.load(Ordering::Relaxed) >= from + count
            });
        };
        more(50);
        for _ in 0..3 {
            first.switch(false);
            more(50);
            first.switch(true);
            until("the first is back", || {
                served.admin("/readyz").json()["directory"][0]["up"] == true
            });
            more(50);
            second.switch(false);
            more(20);
            second.switch(true);
            until("the second is back", || {
                served.admin("/readyz").json()["directory"][1]["up"] == true
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.metric("automend_answers_total{source=\"last-known\"}") < 1.0);
}

#[test]
fn many_who_ask_for_the_same_user_cost_one_look_up() {
    let dc = Controller::honest();
    let served = serve(&[&dc], "");
    // Logged in once, so that only the look-up is left.
    pox(&served, "bob@contoso.test").is(200);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(pox(&served, "eve@contoso.test").pox(), "settings: "));
        }
    });
    assert_eq!(dc.looked_up("eve@contoso.test"), 1);
}

#[test]
fn a_directory_that_is_not_there_at_start_is_told_and_one_of_two_is_enough() {
    let dc = Controller::honest();
    let folder = tempfile::tempdir().unwrap();
    let done = served::command(folder.path())
        .args([
            "serve",
            "--directory",
            "ldap://127.0.0.1:1",
            "--allow-plaintext",
            "--listen",
            "127.0.0.1:0",
        ])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    let err = String::from_utf8(done.stderr).unwrap();
    assert!(err.contains("ldap://127.0.0.1:1"), "{err}");
    let urls = format!("ldap://127.0.0.1:1,{}", dc.server.url());
    let served = Served::in_folder(folder, "", &["--directory", &urls, "--allow-plaintext"]);
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
}

/// A server of another directory, in which no one of the first one is.
fn elsewhere() -> Controller {
    let other = Controller::honest();
    {
        let mut held = other.server.held();
        "DC=fabrikam,DC=test".clone_into(&mut held.context);
        held.objects.clear();
    }
    other
}

fn automend(command: &[&str], controllers: &[&Controller]) -> std::process::Output {
    let urls: Vec<String> = controllers.iter().map(|one| one.server.url()).collect();
    std::process::Command::new(env!("CARGO_BIN_EXE_automend"))
        .args(command)
        .args(["--directory", &urls.join(","), "--allow-plaintext"])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

#[test]
fn servers_of_two_directories_are_refused_by_every_command() {
    let (first, other) = (Controller::honest(), elsewhere());
    for servers in [[&first, &other], [&other, &first]] {
        for command in [
            &["audit"][..],
            &["audit", "--deep"],
            &["show", "amy@contoso.test"],
            &["fix", "--plan-only"],
            &["serve", "--check"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let output = automend(command, &servers);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
            for part in [
                "dc=contoso,dc=test",
                "dc=fabrikam,dc=test",
                &first.server.url(),
                &other.server.url(),
            ] {
                assert!(told.contains(part), "no {part} in {command:?}: {told}");
            }
            assert_eq!(output.stdout, b"", "{command:?}");
        }
    }
}

#[test]
fn servers_of_one_name_and_two_guids_are_two_directories() {
    let (first, other) = (Controller::honest(), Controller::honest());
    let guid = |controller: &Controller, attribute, value| {
        let head = Object::new(BASE, &[("objectClass", "domain"), (attribute, value)]);
        controller.server.held().objects.push(head);
    };
    guid(&first, "objectGUID", "0123456789abcdef");
    // What may not be read on one of them is distinguished by the name alone.
    assert_eq!(
        automend(&["audit"], &[&first, &other]).status.code(),
        Some(1)
    );
    guid(&other, "objectGUID", "fedcba9876543210");
    assert_eq!(
        automend(&["audit"], &[&first, &other]).status.code(),
        Some(2)
    );
    let (first, other) = (Controller::honest(), Controller::honest());
    guid(&first, "entryUUID", "0b4a3c52-0000-103f-8000-000000000001");
    guid(&other, "entryUUID", "0B4A3C52-0000-103F-8000-000000000001");
    assert_eq!(
        automend(&["audit"], &[&first, &other]).status.code(),
        Some(1)
    );
}

#[test]
fn a_server_of_another_directory_that_comes_later_is_left_out() {
    let (first, other) = (Controller::honest(), elsewhere());
    other.switch(false);
    let served = serve(
        &[&first, &other],
        "cache-ttl = 0\nhealth-check-interval = 1",
    );
    other.switch(true);
    let told = served.logged(|event| {
        let why = event["reason"].as_str().unwrap_or_default();
        event["event"] == "directory-down" && why.contains("copies of one directory")
    });
    assert_eq!(told["server"], other.server.url());
    first.switch(false);
    // An outage, and not a wrong password or an address that no one has.
    pox(&served, "amy@contoso.test").is(503);
    pox(&served, "amy@contoso.test").is(503);
    first.switch(true);
    until("the first is back", || {
        served.admin("/readyz").json()["directory"][0]["up"] == true
    });
    assert_eq!(pox(&served, "amy@contoso.test").pox(), "settings: Bob, Eve");
}

#[test]
fn a_report_names_the_server_that_answered() {
    let (first, second) = (Controller::honest(), Controller::honest());
    first.switch(false);
    let output = automend(&["audit", "--format", "json"], &[&first, &second]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["directory"], second.server.url());
}

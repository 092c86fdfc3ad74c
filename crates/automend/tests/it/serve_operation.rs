//! The service as operators meet it: configuration, reloads, certificates, logs, the end.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::served::{
    self, Ask, DOMAIN, PASSWORD, POX, Served, Wire, command, mailbox, outlook, trusting, until,
};

fn directory() -> String {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    format!("{DOMAIN}{}{}", mailbox("Amy", &[]), mailbox("Bob", &[link]))
}

fn ask() -> Ask<'static> {
    Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD)
}

/// `automend serve --check` with a configuration: exit status, output, errors.
fn check(configuration: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("automend.toml"), configuration).unwrap();
    let directory = "dn: CN=Amy,DC=contoso,DC=com\nobjectClass: user\n\ndn: CN=Jim,DC=contoso,DC=com\nobjectClass: user\nmsExchDelegateListLink: CN=Amy,DC=contoso,DC=com\n";
    std::fs::write(folder.path().join("directory.ldif"), directory).unwrap();
    let done = command(folder.path())
        .args(["serve", "--check", "--directory", "directory.ldif"])
        .args(options)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    for (configuration, line, says) in [
        (
            "[serve]\nlisten = [\"127.0.0.1:1\",\n  \"localhost\"]\n",
            3,
            "ADDRESS:PORT",
        ),
        ("[serve]\nadmin = \"9180\"\n", 2, "ADDRESS:PORT"),
        (
            "[serve]\n\n[serve.default]\nexternal = { ews = \"http://mail.contoso.com/\" }\n",
            4,
            "https://",
        ),
        (
            "[serve.default.external]\nhost = \"https://mail.contoso.com\"\n",
            2,
            "no host name",
        ),
        (
            "[serve]\ndomains = [\"contoso..com\"]\n",
            2,
            "no mail domain",
        ),
        ("[serve.domain.\"a b\"]\n", 1, "no mail domain"),
        ("[serve.default]\nversion = \"15\"\n", 2, "four numbers"),
        ("[serve.default]\ndeployment-id = \"x\"\n", 2, "no GUID"),
        ("[serve.limits]\nmax-body-bytes = 10\n", 2, "at least 1024"),
        ("[serve.directory]\nconnections = 0\n", 2, "1 to 256"),
        ("[serve]\nauth = []\n", 2, "no way to log in"),
    ] {
        let (code, out, err) = check(configuration, &[]);
        assert_eq!(code, Some(2), "{configuration}: {out}");
        assert!(
            err.contains(&format!("automend.toml:{line}: ")) && err.contains(says),
            "{configuration}: {err}"
        );
    }
    // What TOML itself finds is reported in its own words.
    for (configuration, line, says) in [
        ("[serve]\nlisten = 5\n", 2, "invalid type"),
        ("[serve]\nlisen = []\n", 2, "unknown field"),
        ("[serve]\npolicy = \"strict\"\n", 2, "unknown variant"),
        ("[serve\n", 1, "automend.toml"),
    ] {
        let (code, _, err) = check(configuration, &[]);
        assert_eq!(code, Some(2), "{configuration}");
        assert!(
            err.contains(&format!("line {line}")) && err.contains(says),
            "{configuration}: {err}"
        );
    }
}

#[test]
fn a_good_configuration_is_shown_as_it_is_understood() {
    let configuration = "[serve]\nlisten = [\"0.0.0.0:443\"]\nhttp = [\"0.0.0.0:80\"]\npolicy = \"faithful\"\ndomains = [\"Fabrikam.com\"]\n\
         [serve.domain.\"contoso.com\".external]\nhost = \"owa.contoso.com\"\n";
    let (code, out, err) = check(
        configuration,
        &["--listen", "127.0.0.1:8443", "--auth", "basic,ntlm"],
    );
    assert_eq!(code, Some(0), "{err}");
    for line in [
        "The configuration is good.",
        "  directory  directory.ldif",
        "  listen     https://127.0.0.1:8443",
        "  http       http://0.0.0.0:80",
        "  policy     faithful: a stale link fails the user, as with Exchange",
        "  auth       Basic, NTLM",
        "  domain     fabrikam.com: Autodiscover at https://autodiscover.fabrikam.com, EWS at https://mail.fabrikam.com/EWS/Exchange.asmx",
        "  domain     contoso.com: Autodiscover at https://autodiscover.contoso.com, EWS at https://owa.contoso.com/EWS/Exchange.asmx",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
    let (code, _, err) = check("", &["--tls-cert", "no.pem", "--tls-key", "no.key"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("reading the certificate no.pem"), "{err}");
}

#[test]
fn a_check_shows_every_setting_with_its_default_or_what_was_said() {
    let (code, out, err) = check("", &[]);
    assert_eq!(code, Some(0), "{err}");
    for (name, value) in [
        ("proxies", "none"),
        ("channel-binding", "if-sent"),
        ("limits.failures-per-address", "100"),
        ("certificates", "one that is made at the start"),
        ("directory.cache-ttl", "300"),
    ] {
        let line = format!("  {name:<31} {value}\n");
        assert!(out.contains(&line), "no {line:?} in {out}");
    }
    let told = "[serve]\nproxies = [\"10.0.0.0/24\", \"::1\"]\nservice-names = [\"owa.contoso.com\"]\n\
        log = \"exchanges.log\"\nrc4-tickets = true\n\
        [serve.limits]\nfailures-per-address = 0\nburst = 7\n";
    let (code, out, err) = check(told, &[]);
    assert_eq!(code, Some(0), "{err}");
    for (name, value) in [
        ("proxies", "10.0.0.0/24, ::1/128"),
        // Where nothing is said, it is off behind proxies.
        ("channel-binding", "off"),
        ("service-names", "owa.contoso.com"),
        ("log", "exchanges.log"),
        ("rc4-tickets", "yes"),
        ("limits.failures-per-address", "0"),
        ("limits.burst", "7"),
    ] {
        let line = format!("  {name:<31} {value}\n");
        assert!(out.contains(&line), "no {line:?} in {out}");
    }
}

#[test]
fn a_key_that_others_can_read_is_an_event_of_the_log_and_a_line_of_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let directory = served::with_passwords(&directory());
    std::fs::write(folder.path().join("directory.ldif"), directory).unwrap();
    certificate(folder.path(), "a", "localhost");
    let readable = Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("a.key"), readable).unwrap();
    let options = [
        "--directory",
        "directory.ldif",
        "--tls-cert",
        "a.pem",
        "--tls-key",
        "a.key",
    ];
    let checked = command(folder.path())
        .args(["serve", "--check"])
        .args(options)
        .output()
        .unwrap();
    let told = "the key a.key can be read by others; chmod 600 takes that from them";
    assert!(checked.status.success());
    assert_eq!(
        String::from_utf8_lossy(&checked.stderr),
        format!("automend: warning: {told}\n")
    );
    // Every line of the log is JSON: the test's reader takes no other.
    let served = Served::in_folder(folder, "", &options);
    assert_eq!(served.event("readable-by-others")["reason"], told);
}

#[test]
fn what_cannot_be_served_is_told_and_ends() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.ldif"), directory()).unwrap();
    std::fs::write(folder.path().join("empty.ldif"), "version: 1\n").unwrap();
    for (options, says) in [
        (
            vec!["--directory", "directory.ldif", "--listen", &at],
            "listening on",
        ),
        (
            vec!["--directory", "empty.ldif", "--listen", "127.0.0.1:0"],
            "no object in it",
        ),
        (
            vec!["--directory", "nowhere.ldif", "--listen", "127.0.0.1:0"],
            "nowhere.ldif",
        ),
        (
            vec![
                "--directory",
                "directory.ldif",
                "--auth",
                "negotiate",
                "--listen",
                "127.0.0.1:0",
            ],
            "keytab",
        ),
        (
            vec!["--directory", "directory.ldif", "--listen", "here"],
            "ADDRESS:PORT",
        ),
    ] {
        let done = command(folder.path())
            .arg("serve")
            .args(&options)
            .output()
            .unwrap();
        let err = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{options:?}: {err}");
        assert!(err.contains(says), "{options:?}: {err}");
    }
}

#[test]
fn a_reload_takes_effect_and_loses_no_request() {
    let configuration = |host: &str| format!("[serve.default.external]\nhost = \"{host}\"\n");
    let served = Served::with(&directory(), &configuration("one.contoso.com"), &[]);
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for keep in [true, false] {
            let (served, stop, asked) = (&served, &stop, &asked);
            scope.spawn(move || {
                let mut wire = served.connect();
                while !stop.load(Ordering::Relaxed) {
                    if !keep {
                        wire = served.connect();
                    }
                    let answer = wire.ask(&ask().with("X-Try", "1"));
                    // It is either the old one or the new one.
                    assert_eq!(answer.pox(), "settings: Bob");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("requests are under way", || {
            asked.load(Ordering::Relaxed) > 20
        });
        for round in 0..10 {
            let host = format!("host{round}.contoso.com");
            std::fs::write(served.path("automend.toml"), configuration(&host)).unwrap();
            served.signal("HUP");
            until("the new host is told", || {
                served.pox("amy@contoso.com").text().contains(&host)
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > 20);
    assert!(served.metric("automend_reloads_total{result=\"good\"}") >= 10.0);
}

#[test]
fn a_reload_forgets_no_failed_login() {
    let configuration = |realm: &str| format!("[serve]\nrealm = \"{realm}\"\n");
    let served = Served::with(&directory(), &configuration("before"), &[]);
    let log_in = |password: &str| {
        let ask = Ask::post(POX, outlook("bob@contoso.com"));
        served.ask(&ask.basic("bob@contoso.com", password))
    };
    std::thread::scope(|scope| {
        for n in 0..10 {
            let log_in = &log_in;
            scope.spawn(move || log_in(&format!("wrong {n}")).is(401));
        }
    });
    log_in(PASSWORD).is(429);
    std::fs::write(served.path("automend.toml"), configuration("after")).unwrap();
    served.signal("HUP");
    served.event("reloaded");
    let anonymous = served.ask(&Ask::post(POX, "")).is(401);
    let asks = anonymous.header("www-authenticate").unwrap_or_default();
    assert!(asks.contains("after"), "{asks}");
    log_in(PASSWORD).is(429);
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob");
}

#[test]
fn a_bad_configuration_is_told_and_the_good_one_stays() {
    let served = Served::with(&directory(), "[serve]\npolicy = \"healthy\"\n", &[]);
    std::fs::write(
        served.path("automend.toml"),
        "[serve]\npolicy = \"healthy\"\nadmin = \"x\"\n",
    )
    .unwrap();
    served.signal("HUP");
    let event = served.event("reload-failed");
    assert!(
        event["reason"]
            .as_str()
            .unwrap()
            .contains("automend.toml:3: "),
        "{event}"
    );
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob");
    // What cannot change without a restart is named.
    std::fs::write(
        served.path("automend.toml"),
        "[serve.directory]\ncache-ttl = 5\n",
    )
    .unwrap();
    served.signal("HUP");
    assert_eq!(
        served.event("reloaded")["afterRestart"],
        serde_json::json!(["directory"])
    );
}

#[test]
fn a_changed_file_is_imported_again_on_a_reload() {
    let served = Served::ldif(&directory(), &[]);
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob");
    let text = std::fs::read_to_string(served.path("directory.ldif")).unwrap();
    let more = served::with_passwords(&mailbox(
        "Eve",
        &["msExchDelegateListLink: CN=Amy,DC=contoso,DC=com"],
    ));
    std::fs::write(served.path("directory.ldif"), format!("{text}{more}")).unwrap();
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob");
    served.signal("HUP");
    served.event("reloaded");
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob, Eve");
    // A file that became unreadable changes nothing.
    std::fs::write(served.path("directory.ldif"), "version: 1\n").unwrap();
    served.signal("HUP");
    served.event("reload-failed");
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob, Eve");
}

#[test]
fn the_policy_can_be_changed_while_it_runs() {
    let stale = format!(
        "{}dn: CN=Jim,DC=contoso,DC=com\nobjectClass: user\nmsExchDelegateListLink: CN=Amy,DC=contoso,DC=com\n\n",
        directory()
    );
    let served = Served::with(&stale, "[serve]\npolicy = \"faithful\"\n", &[]);
    assert_eq!(served.pox("amy@contoso.com").pox(), "603");
    std::fs::write(
        served.path("automend.toml"),
        "[serve]\npolicy = \"healthy\"\n",
    )
    .unwrap();
    served.signal("HUP");
    served.event("reloaded");
    assert_eq!(served.pox("amy@contoso.com").pox(), "settings: Bob");
}

fn certificate(folder: &Path, name: &str, for_name: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed([for_name.to_owned()]).unwrap();
    // As a key should be: others may not read it, and no warning stands in the log.
    let key = folder.join(format!("{name}.key"));
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    made.cert.der().to_vec()
}

#[test]
fn certificates_are_taken_anew_when_their_files_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("directory.ldif"),
        served::with_passwords(&directory()),
    )
    .unwrap();
    let first = certificate(folder.path(), "a", "localhost");
    let other = certificate(folder.path(), "b", "mail.contoso.com");
    let configuration = "[serve]\ncertificates = [\n  { certificate = \"a.pem\", key = \"a.key\" },\n  { certificate = \"b.pem\", key = \"b.key\" },\n]\n";
    let served = Served::in_folder(folder, configuration, &["--directory", "directory.ldif"]);
    assert!(served.certificate.is_none(), "{}", served.said);
    let shown = |name: &str, file: &str| {
        let config = trusting(&served.path(file));
        Wire::secure_as(name, served.socket(), &config)
            .certificate()
            .unwrap()
    };
    assert_eq!(shown("localhost", "a.pem"), first);
    assert_eq!(shown("mail.contoso.com", "b.pem"), other);
    // Without a signal, by the files alone.
    let second = certificate(served.folder.path(), "a", "localhost");
    served.event("certificates-read");
    assert_eq!(shown("localhost", "a.pem"), second);
    std::fs::copy(served.path("a.pem"), served.path("good.pem")).unwrap();
    std::fs::write(served.path("a.pem"), "broken").unwrap();
    served.event("certificates-failed");
    assert_eq!(shown("localhost", "good.pem"), second);
    let third = certificate(served.folder.path(), "a", "localhost");
    served.signal("HUP");
    until("the third certificate is shown", || {
        // Until then it shows the second, which this client does not trust.
        let config = trusting(&served.path("a.pem"));
        let shown = Wire::secure_as("localhost", served.socket(), &config).certificate();
        shown.is_ok_and(|shown| shown == third)
    });
}

#[test]
fn it_stops_when_every_request_is_answered() {
    for signal in ["TERM", "INT"] {
        let mut served = Served::ldif(&directory(), &[]);
        let bytes = ask().bytes();
        let (head, tail) = bytes.split_at(bytes.len() - 30);
        let mut under_way = served.connect();
        under_way.send(head);
        let mut idle = served.connect();
        idle.ask(&ask()).is(200);
        // The head has arrived, as the connection's first answer shows.
        let mut second = served.connect();
        second.ask(&ask()).is(200);
        served.signal(signal);
        served.event("stopping");
        assert!(idle.is_closed(), "who waits for nothing is let go");
        served.listeners_are_gone();
        under_way.send(tail);
        assert_eq!(under_way.answer().pox(), "settings: Bob");
        assert!(served.wait().success());
    }
}

#[test]
fn it_does_not_wait_for_ever() {
    let mut served = Served::with(&directory(), "[serve.limits]\nshutdown-grace = 1\n", &[]);
    let mut under_way = served.connect();
    let bytes = ask().bytes();
    under_way.send(&bytes[..bytes.len() - 1]);
    served.connect().ask(&ask()).is(200);
    served.signal("TERM");
    assert!(served.wait().success());
    let log = served.whole_log();
    assert!(
        log.iter().any(|line| line["event"] == "stopped-early"),
        "{log:#?}"
    );
}

#[test]
fn the_log_goes_on_in_a_new_file_after_a_rotation() {
    let served = Served::ldif(&directory(), &["--log", "service.log"]);
    let read = |name: &str| std::fs::read_to_string(served.path(name)).unwrap_or_default();
    served.pox("amy@contoso.com");
    until("the exchange is logged", || {
        read("service.log").contains("\"outcome\":\"settings\"")
    });
    std::fs::rename(served.path("service.log"), served.path("service.log.1")).unwrap();
    served.signal("HUP");
    until("there is a new file", || {
        served.path("service.log").exists()
    });
    served.pox("bob@contoso.com");
    until("it is used", || {
        read("service.log").contains("bob@contoso.com")
    });
    for line in read("service.log.1")
        .lines()
        .chain(read("service.log").lines())
    {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["time"].is_string() && line["event"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn the_service_tells_of_itself_only_to_this_machine() {
    let served = Served::ldif(&directory(), &[]);
    served.pox("amy@contoso.com");
    let metrics = served.admin("/metrics").is(200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let metrics =
        metrics.says("automend_http_requests_total{route=\"pox\",outcome=\"settings\"} 1");
    metrics.says("automend_answers_total{source=\"directory\"} 1");
    served.admin("/nothing").is(404);
    let stream = std::net::TcpStream::connect(served.admin).unwrap();
    Wire::plain(stream)
        .ask(
            &Ask::new("GET", "/requests")
                .without("Host")
                .with("Host", "evil.test"),
        )
        .is(421)
        .says_not("amy");
    // Faces are not mixed up.
    served.ask(&Ask::get("/metrics")).is(404);
    served.ask_plain(&Ask::get("/metrics")).is(404);
}

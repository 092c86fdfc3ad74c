//! `automend trace` with programs that no one here wrote: mitmproxy, Chromium and tshark record, curl is
//! recorded. `make test` installs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;

use crate::lab::Lab;
use crate::recorder::{Does, FAULT, PATH, Recorder, Server, answer, read, request_body};
use crate::tool::{self, Bench};

/// The variable that names the file of variables.
const RECORDERS: &str = "AUTOMEND_LAB_RECORDERS";
const XML: (&str, &str) = ("Content-Type", "text/xml; charset=utf-8");

/// Wants Basic, and then does not find a user of the directory. A GET gets a page that quotes the error.
fn exchange() -> Does {
    Arc::new(|seen| {
        let page = format!("<html><pre>{}</pre></html>", FAULT.replace('<', "&lt;"));
        let bytes = if seen.head.starts_with("GET") {
            answer("200 OK", &[("Content-Type", "text/html")], page.as_bytes())
        } else if seen.header("authorization").is_some() {
            answer("200 OK", &[XML], FAULT.as_bytes())
        } else {
            answer(
                "401 Unauthorized",
                &[
                    ("WWW-Authenticate", "Negotiate"),
                    ("WWW-Authenticate", "Basic realm=\"x\""),
                ],
                b"",
            )
        };
        (bytes, true)
    })
}

/// A program that is ended with its test.
struct Running(Child);

impl Running {
    /// Asks it to end as Ctrl-C does, and waits.
    fn end(mut self) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", "kill -INT \"$0\"", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks with curl; blocks, so the servers need another thread.
fn curl(lab: &Lab, arguments: &[&str]) -> String {
    let output = Command::new(lab.var("LAB_CURL"))
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The story of every recording here: a page, a challenge, and error 603 for Alice.
#[track_caller]
fn check(bench: &Bench, arguments: &[&str]) -> Value {
    let run = bench
        .automend_with(
            &[("PATH", "/usr/bin:/bin")],
            &[&["trace", "--format", "json"], arguments].concat(),
        )
        .exits(1);
    let report = run.json();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{run}");
    assert_eq!(
        (&findings[0]["code"], &findings[0]["address"]),
        (&603.into(), &"alice@contoso.com".into()),
        "{run}"
    );
    assert_eq!(report["autodiscover"], 2, "{run}");
    assert_eq!(report["defects"], serde_json::json!([]), "{run}");
    report
}

/// Asks for the page, then for Alice's settings without and with a login.
fn ask(lab: &Lab, server: &Server, more: &[&str]) {
    let url = format!("https://localhost:{}{PATH}", server.port);
    let body = request_body("alice@contoso.com");
    let ask = |arguments: &[&str]| curl(lab, &[more, &["--http1.1"], arguments].concat());
    ask(&[&format!(
        "https://localhost:{}/how-to-mend-603",
        server.port
    )]);
    ask(&["-H", "Content-Type: text/xml", "--data", &body, &url]);
    let told = ask(&[
        "-H",
        "Content-Type: text/xml",
        "--data",
        &body,
        "--user",
        "alice:not-a-password",
        &url,
    ]);
    assert!(told.contains("603"), "{told}");
}

fn pem(bench: &Bench, server: &Server) -> String {
    bench.file("server.pem", &server.ca);
    bench.path("server.pem").display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_mitmproxy_is_read() {
    let lab = Lab::named(RECORDERS);
    let bench = Bench::new();
    let server = Server::start(true, exchange()).await;
    let har = bench.path("mitmproxy.har");
    let mut child = Command::new(lab.var("LAB_MITMDUMP"))
        .args([
            "--listen-host",
            "127.0.0.1",
            "--listen-port",
            "0",
            "--set",
            "ssl_insecure=true",
        ])
        .args(["--set", &format!("hardump={}", har.display())])
        .args([
            "--set",
            &format!("confdir={}", bench.path("mitmproxy").display()),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mitmdump = Running(child);
    let line = lines
        .find_map(|line| line.ok().filter(|line| line.contains("listening at")))
        .expect("mitmdump listens");
    let port = line
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches(['.', '\r'])
        .trim();
    let proxy = format!("http://127.0.0.1:{port}");
    // It writes what it says to a pipe that someone has to read.
    let drain = std::thread::spawn(move || lines.for_each(drop));
    ask(&lab, &server, &["--insecure", "--proxy", &proxy]);
    mitmdump.end();
    drain.join().unwrap();
    assert_eq!(check(&bench, &["mitmproxy.har"])["requests"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_chromium_is_read() {
    const SCRIPT: &str = r"
        import { createRequire } from 'node:module';
        const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT);
        const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
        const context = await browser.newContext({ ignoreHTTPSErrors: true, recordHar: { path: 'chromium.har', content: 'embed' } });
        const page = await context.newPage();
        await page.goto(process.env.ORIGIN + '/how-to-mend-603');
        for (const login of [undefined, 'Basic YWxpY2U6bm90LWEtcGFzc3dvcmQ=']) {
            await page.evaluate(async ([url, body, login]) => {
                const headers = { 'Content-Type': 'text/xml', ...(login && { Authorization: login }) };
                await (await fetch(url, { method: 'POST', headers, body, credentials: 'omit' })).text();
            }, [process.env.ORIGIN + process.env.TARGET, process.env.BODY, login]);
        }
        await context.close();
        await browser.close();
    ";
    let lab = Lab::named(RECORDERS);
    let bench = Bench::new();
    let server = Server::start(true, exchange()).await;
    bench.file("record.mjs", SCRIPT);
    let output = Command::new(lab.var("LAB_NODE"))
        .arg("record.mjs")
        .current_dir(bench.folder())
        .env("PLAYWRIGHT", lab.var("LAB_PLAYWRIGHT"))
        .env("CHROMIUM", lab.var("LAB_CHROMIUM"))
        .env("ORIGIN", format!("https://localhost:{}", server.port))
        .env("TARGET", PATH)
        .env("BODY", request_body("alice@contoso.com"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report = check(&bench, &["chromium.har"]);
    // A browser may ask for a picture of its own, too.
    assert!(report["requests"].as_u64().unwrap() >= 3, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
async fn a_capture_is_read_with_its_keys_inside_or_beside_and_told_without() {
    let lab = Lab::named(RECORDERS);
    let bench = Bench::new();
    let server = Server::start(true, exchange()).await;
    let certificate = pem(&bench, &server);
    let keys = bench.path("keys.txt");
    let filter = format!("tcp port {}", server.port);
    let capture = bench.path("capture.pcapng");
    let mut child = Command::new(lab.var("LAB_TSHARK"))
        .args([
            "-i",
            "lo",
            "-f",
            &filter,
            "-w",
            capture.to_str().unwrap(),
            "-P",
            "-l",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let packets = BufReader::new(child.stdout.take().unwrap()).lines();
    let tshark = Running(child);
    assert!(said.any(|line| line.is_ok_and(|line| line.contains("Capturing on"))));
    // Anyone who reads what it prints of each packet knows when the last one has come: the page is asked for
    // until a packet is seen, so that nothing of the story is missed.
    let (first, seen) = std::sync::mpsc::channel();
    let counter = std::thread::spawn(move || {
        packets.map_while(Result::ok).for_each(|_| {
            // No one counts any more once the first has been seen.
            let _ = first.send(());
        });
    });
    let origin = format!("https://localhost:{}", server.port);
    while seen.try_recv().is_err() {
        curl(
            &lab,
            &[
                "--cacert",
                &certificate,
                "--http1.1",
                &format!("{origin}/warm-up"),
            ],
        );
    }
    let told = Command::new(lab.var("LAB_CURL"))
        .env("SSLKEYLOGFILE", &keys)
        .args([
            "--silent",
            "--http1.1",
            "--cacert",
            &certificate,
            "-H",
            "Content-Type: text/xml",
            "--data",
        ])
        .arg(request_body("alice@contoso.com"))
        .arg(format!("{origin}{PATH}"))
        .args([
            "--next",
            "--silent",
            "--http1.1",
            "--cacert",
            &certificate,
            "-H",
            "Content-Type: text/xml",
            "--data",
        ])
        .arg(request_body("alice@contoso.com"))
        .args(["--user", "alice:not-a-password"])
        .arg(format!("{origin}{PATH}"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).contains("603"));
    // The connection's end is the last that is captured of it; then nothing more comes.
    while seen.recv_timeout(std::time::Duration::from_secs(3)).is_ok() {}
    tshark.end();
    counter.join().unwrap();

    let run = |arguments: &[&str]| {
        bench.automend_with(
            &[("PATH", "/usr/bin:/bin")],
            &[&["trace", "-f", "json"], arguments].concat(),
        )
    };
    let without = run(&["capture.pcapng"]).exits(0).json();
    assert!(
        tool::defects(&without)[0].contains("give a key log with --keys"),
        "{without}"
    );
    let secrets = format!("tls,{}", keys.display());
    let inside = bench.path("inside.pcapng");
    let injected = Command::new(lab.var("LAB_EDITCAP"))
        .args(["--inject-secrets", &secrets])
        .args([&capture, &inside])
        .status()
        .unwrap();
    assert!(injected.success());
    for arguments in [
        &["capture.pcapng", "--keys", "keys.txt"][..],
        &["inside.pcapng"],
    ] {
        let report = run(arguments).exits(1).json();
        assert_eq!(report["findings"][0]["code"], 603, "{report}");
        assert_eq!(report["findings"][0]["address"], "alice@contoso.com");
        assert_eq!(report["users"][0]["requests"], serde_json::json!([1, 2]));
    }
    // Cut in the middle of a packet.
    let bytes = std::fs::read(&inside).unwrap();
    bench.file("cut.pcapng", &bytes[..bytes.len() - 50]);
    let report = run(&["cut.pcapng"]).json();
    assert!(
        tool::defects(&report)
            .iter()
            .any(|defect| defect.contains("ends early")),
        "{report}"
    );
    bench.file("broken.pcapng", [&bytes[..4], &[0xff; 60][..]].concat());
    run(&["broken.pcapng"]).exits(2).warns("tshark");
}

#[test]
fn the_captures_kept_here_are_read() {
    let lab = Lab::named(RECORDERS);
    drop(lab);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let of = |name: &str| folder.join(name).display().to_string();
    let bench = Bench::new();
    let run = |arguments: &[&str]| {
        bench.automend_with(
            &[("PATH", "/usr/bin:/bin")],
            &[&["trace", "-f", "json"], arguments].concat(),
        )
    };
    for arguments in [
        &[of("keys-inside.pcapng")][..],
        &[
            of("keys-beside.pcap"),
            "--keys".to_owned(),
            of("keys-beside.txt"),
        ],
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let report = run(&arguments).exits(1).json();
        assert_eq!(
            (&report["requests"], &report["autodiscover"]),
            (&4.into(), &3.into()),
            "{report}"
        );
        assert_eq!(
            (
                &report["findings"][0]["request"],
                &report["findings"][0]["code"]
            ),
            (&3.into(), &603.into()),
            "{report}"
        );
        assert_eq!(report["defects"], serde_json::json!([]));
    }
    let report = run(&[&of("keys-beside.pcap")]).exits(0).json();
    assert!(
        tool::defects(&report)[0].contains("autodiscover.contoso.com (3)"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_recorded_with_every_login_it_has() {
    let lab = Lab::named(RECORDERS);
    let server = Server::start(true, ntlm()).await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let authority = recorder.authority().display().to_string();
    let proxy = format!("http://{}", recorder.address);
    let url = format!("https://localhost:{}{PATH}", server.port);
    let body = request_body("alice@contoso.com");
    let told = curl(
        &lab,
        &[
            "--proxy",
            &proxy,
            "--cacert",
            &authority,
            "--ntlm",
            "--user",
            "alice:not-a-password",
            "-H",
            "Content-Type: text/xml",
            "--data",
            &body,
            &url,
        ],
    );
    assert!(told.contains("603"), "{told}");
    // The whole login went over one connection.
    let seen = server.seen();
    let last = seen.last().unwrap();
    assert!(
        last.header("authorization")
            .unwrap()
            .starts_with("NTLM TlRMTVNTUAADAAAA"),
        "{last:?}"
    );
    assert!(
        seen.iter()
            .all(|request| request.connection == last.connection),
        "{seen:?}"
    );
    let (code, said) = recorder.end();
    assert_eq!(code, Some(1), "{said}");
    let text = read(&recorder.path("out.har"));
    assert!(
        text.contains("NTLM (removed, message 3)") && !text.contains("TlRMTVNTUAAD"),
        "{text}"
    );
    let path = recorder.path("out.har");
    let report = Bench::new()
        .automend(&["trace", path.to_str().unwrap(), "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(report["findings"][0]["address"], "alice@contoso.com");
}

/// A server with just enough of NTLM for curl: a challenge it can answer, bound to the connection.
fn ntlm() -> Does {
    let state = std::sync::Mutex::new(std::collections::HashSet::new());
    Arc::new(move |seen| {
        // [MS-NLMP] 2.2.1.2: no target, Unicode and NTLM, eight bytes of challenge, nothing else.
        const CHALLENGE: &str =
            "NTLM TlRMTVNTUAACAAAAAAAAADgAAAABAgAAASNFZ4mrze8AAAAAAAAAAAAAAAA4AAAA";
        let mut state = state.lock().unwrap();
        let authorization = seen.header("authorization").unwrap_or_default();
        let bytes = if authorization.starts_with("NTLM TlRMTVNTUAABAAAA") {
            state.insert(seen.connection);
            answer("401 Unauthorized", &[("WWW-Authenticate", CHALLENGE)], b"")
        } else if authorization.starts_with("NTLM TlRMTVNTUAADAAAA")
            && state.contains(&seen.connection)
        {
            answer("200 OK", &[XML], FAULT.as_bytes())
        } else {
            answer("401 Unauthorized", &[("WWW-Authenticate", "NTLM")], b"")
        };
        (bytes, true)
    })
}

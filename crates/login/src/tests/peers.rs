//! The authenticator and the client against programs of other people: curl, and Samba's ntlm_auth in both roles.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::*;

/// Runs curl and gives the status and the body of the last answer.
fn curl(arguments: &[&str], url: &str) -> (String, String) {
    let output = Command::new("curl")
        .args(["-s", "-w", "\n%{http_code}", "-d", "a body"])
        .args(arguments)
        .arg(url)
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_logs_in_by_whatever_is_offered() {
    let company = Company::new(&[Scheme::Ntlm, Scheme::Basic]);
    let server = web::serve(Arc::clone(&company.auth)).await;
    let url = format!("http://{server}/");
    let good = ("200".to_owned(), "jim@contoso.test".to_owned());
    for scheme in ["--basic", "--ntlm", "--anyauth"] {
        for user in ["jim@contoso.test", "CONTOSO\\jim", "contoso/JIM"] {
            let login = format!("{user}:Wint3r-Regen");
            // A slash parts domain and user for curl's NTLM only.
            if user.contains('/') && scheme != "--ntlm" {
                continue;
            }
            assert_eq!(curl(&[scheme, "-u", &login], &url), good, "{scheme} {user}");
        }
        let (status, _) = curl(&[scheme, "-u", "jim@contoso.test:wrong"], &url);
        assert_eq!(status, "401", "{scheme}");
    }
    assert_eq!(curl(&[], &url).0, "401");
    assert_eq!(curl(&["--digest", "-u", "jim:Wint3r-Regen"], &url).0, "401");
}

/// Samba's ntlm_auth, spoken to line by line.
struct NtlmAuth {
    child: Child,
    to: ChildStdin,
    from: BufReader<std::process::ChildStdout>,
}

impl NtlmAuth {
    fn start(role: &str, password: &str) -> Self {
        let mut child = Command::new("ntlm_auth")
            .arg(format!("--helper-protocol={role}"))
            .args(["--username=jim", "--domain=CONTOSO"])
            .arg(format!("--password={password}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("winbind is installed");
        Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Kind and rest of the answer.
    fn ask(&mut self, line: &str) -> (String, String) {
        writeln!(self.to, "{line}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        let answer = answer.trim_end();
        let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        (kind.to_owned(), rest.to_owned())
    }
}

impl Drop for NtlmAuth {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn sambas_client_is_let_in_by_the_right_password() {
    let company = Company::new(&[Scheme::Ntlm]);
    for (password, right) in [("Wint3r-Regen", true), ("wrong", false)] {
        let mut peer = NtlmAuth::start("ntlmssp-client-1", password);
        let mut connection = Connection::default();
        let (_, hello) = peer.ask("YR");
        let hello = format!("NTLM {hello}");
        let challenge = only(company.authenticate(&mut connection, Some(&hello)).await);
        let (kind, answer) = peer.ask(&format!("TT {}", challenge.token.unwrap()));
        assert!(matches!(kind.as_str(), "KK" | "AF"), "{kind} {answer}");
        let answer = format!("NTLM {answer}");
        let verdict = company.authenticate(&mut connection, Some(&answer)).await;
        if right {
            assert_eq!(name(verdict), "jim@contoso.test");
        } else {
            refused(verdict);
        }
    }
}

#[tokio::test]
async fn sambas_server_believes_the_right_password() {
    for (password, expected) in [("Wint3r-Regen", "AF"), ("wrong", "NA")] {
        let mut peer = NtlmAuth::start("squid-2.5-ntlmssp", "Wint3r-Regen");
        let mut login = jim("CONTOSO\\jim", password);
        let mut say = async |challenge: Option<&Challenge>| {
            let value = login.next(challenge).await.unwrap().unwrap();
            value.expose_secret().split_once(' ').unwrap().1.to_owned()
        };
        let (kind, token) = peer.ask(&format!("YR {}", say(None).await));
        assert_eq!(kind, "TT");
        let challenge = Challenge {
            scheme: Some(Scheme::Ntlm),
            name: "NTLM".to_owned(),
            token: Some(token),
        };
        let (kind, rest) = peer.ask(&format!("KK {}", say(Some(&challenge)).await));
        assert_eq!(kind, expected, "{rest}");
    }
}

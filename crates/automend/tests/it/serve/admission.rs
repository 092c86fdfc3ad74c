//! Who is let in, who is asked to log in, and what is answered without TLS.

use super::*;

#[test]
fn whoever_has_not_logged_in_is_asked_to_before_anything_else() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for target in [
        POX,
        SOAP,
        "/Autodiscover/Autodiscover.xml",
        "/AUTODISCOVER/AUTODISCOVER.SVC",
    ] {
        for ask in [
            Ask::get(target),
            Ask::post(target, outlook("amy@contoso.com")),
            Ask::post(target, "garbage"),
            Ask::post(target, ""),
            Ask::new("HEAD", target),
        ] {
            // One connection for all: none of them closes it.
            let answer = wire.ask(&ask).is(401);
            let challenges: Vec<&str> = answer.all("www-authenticate").collect();
            assert_eq!(
                challenges,
                ["Basic realm=\"Autodiscover\", charset=\"UTF-8\""],
                "{target}"
            );
            assert_eq!(answer.header("x-soap-enabled"), Some("True"));
            assert_eq!(answer.header("x-wssecurity-for"), Some("None"));
            assert_eq!(answer.header("connection"), None);
            assert!(answer.header("content-length").is_some());
        }
    }
    let page = wire
        .ask(&Ask::get(POX))
        .is(401)
        .says("Autodiscover for contoso.com");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    page.says("A login is needed").says_not("nothing is wrong");
    let user = "amy@contoso.com";
    wire.ask(&Ask::get(SOAP).basic(user, "wrong"))
        .is(401)
        .says("The login was not accepted")
        .says_not("nothing is wrong");
    wire.ask(&Ask::get(SOAP).basic(user, PASSWORD))
        .is(200)
        .says("Your login works");
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let served = Served::ldif(&matrix(), &[]);
    let wrong =
        served.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", "wrong"));
    let nobody =
        served.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("zoe@contoso.com", "wrong"));
    let same = |answer: &crate::served::Answer| {
        let headers = answer.headers.iter().filter(|(name, _)| name != "date");
        (
            answer.status,
            headers.cloned().collect::<Vec<_>>(),
            answer.body.clone(),
        )
    };
    assert_eq!(same(&wrong), same(&nobody));
    assert_eq!(wrong.status, 401);
}

#[test]
fn odd_authorization_headers_are_refused_and_nothing_breaks() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for value in [
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",
        "basic",
        "Bearer x",
        "Negotiate YII=",
        "NTLM",
        "Digest username=\"amy\"",
        "",
        "Basic /w==",
        "Basic \u{e9}",
    ] {
        wire.ask(&Ask::post(POX, outlook("amy@contoso.com")).with("Authorization", value))
            .is(401);
    }
    wire.ask(
        &Ask::post(POX, outlook("amy@contoso.com")).with("Authorization", &"x".repeat(20_000)),
    )
    .is(401);
    let lower = Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD);
    let mut lower = lower;
    for (name, value) in &mut lower.headers {
        *name = name.to_lowercase();
        *value = value.replace("Basic ", "bAsIc ");
    }
    lower
        .headers
        .push(("content-length".to_owned(), lower.body.len().to_string()));
    let mut bytes = lower.bytes();
    let doubled = b"Content-Length: ".as_slice();
    if let Some(at) = bytes
        .windows(doubled.len())
        .position(|window| window == doubled)
    {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes.drain(at..end);
    }
    wire.send(&bytes);
    wire.answer().is(200);
}

#[test]
fn other_methods_are_refused_politely() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE"] {
        for target in [
            POX,
            SOAP,
            "/autodiscover/autodiscover.json",
            "/mail/config-v1.1.xml",
        ] {
            let answer = wire.ask(&Ask::new(method, target)).is(405);
            assert!(answer.header("allow").is_some(), "{method} {target}");
        }
    }
    wire.ask(&Ask::get("/")).is(404);
    wire.ask(&Ask::new("OPTIONS", "*")).is(404);
}

#[test]
fn a_get_with_a_login_is_an_invalid_request_and_a_head_has_no_body() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    let get = wire.ask(&Ask::get(POX).basic("amy@contoso.com", PASSWORD));
    assert_eq!(get.pox(), "600");
    assert_eq!(get.header("x-soap-enabled"), Some("True"));
    let head = wire
        .ask(&Ask::new("HEAD", POX).basic("amy@contoso.com", PASSWORD))
        .is(200);
    assert!(head.body.is_empty());
    let svc = wire
        .ask(&Ask::get(SOAP).basic("amy@contoso.com", PASSWORD))
        .is(200);
    assert_eq!(svc.header("x-soap-enabled"), Some("True"));
    assert_eq!(
        wire.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD))
            .status,
        200
    );
}

#[test]
fn plain_http_leads_to_https_and_asks_nobody_for_a_password() {
    let served = Served::ldif(&matrix(), &[]);
    for (method, target, location) in [
        (
            "GET",
            "/autodiscover/autodiscover.xml",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.xml",
        ),
        (
            "POST",
            "/Autodiscover/Autodiscover.xml",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.xml",
        ),
        (
            "GET",
            "/autodiscover/autodiscover.svc",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.svc",
        ),
        (
            "HEAD",
            "/autodiscover/autodiscover.svc",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.svc",
        ),
        (
            "GET",
            "/autodiscover/autodiscover.json?Email=a@contoso.com&Protocol=Ews",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.json?Email=a@contoso.com&Protocol=Ews",
        ),
        (
            "GET",
            "/mail/config-v1.1.xml?emailaddress=a@contoso.com",
            "https://autodiscover.contoso.com/mail/config-v1.1.xml?emailaddress=a@contoso.com",
        ),
    ] {
        for host in [
            "autodiscover.contoso.com",
            "evil.test",
            "contoso.com:8080",
            "[::1]",
            "",
        ] {
            let ask = Ask::new(method, target)
                .without("Host")
                .with("Host", host)
                .basic("amy@contoso.com", PASSWORD);
            let answer = served.ask_plain(&ask).is(302);
            assert_eq!(
                answer.header("location"),
                Some(location),
                "{method} {target} {host}"
            );
            assert_eq!(answer.header("www-authenticate"), None);
        }
    }
    served.ask_plain(&Ask::get("/")).is(404);
    // As a client of crate ms-autodiscover asks: a GET with a body, announced.
    let mut ask = Ask::new("GET", POX)
        .with("Expect", "100-continue")
        .with("Content-Length", "5");
    ask.body = b"hello".to_vec();
    let answer = served.ask_plain(&ask);
    assert!(matches!(answer.status, 100 | 302), "{answer}");
    let mut served = served;
    served.signal("TERM");
    assert!(served.wait().success());
    assert!(
        served
            .whole_log()
            .iter()
            .all(|line| !line.to_string().contains(PASSWORD) && !line.to_string().contains("YW15")),
        "no password and no header is in the log"
    );
}

#[test]
fn autoconfig_is_answered_over_plain_http_where_that_is_wanted() {
    let served = Served::with(
        &matrix(),
        "[serve]\nplain-autoconfig = true\n[serve.default]\nsmtp = { host = \"smtp.contoso.com\" }\n",
        &[],
    );
    served
        .ask_plain(&Ask::get(
            "/mail/config-v1.1.xml?emailaddress=amy@contoso.com",
        ))
        .is(200)
        .says("clientConfig");
    served.ask_plain(&Ask::get(POX)).is(302);
}

//! Answers in every dialect, and what each comes to.

use super::*;
use automend_autodiscover::reading::Alternative;

const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const MOBILE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
const ENVELOPE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";

fn pox(namespace: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><Autodiscover xmlns=\"{ENVELOPE}\">\
         <Response xmlns=\"{namespace}\">{inside}</Response></Autodiscover>"
    )
}

#[track_caller]
fn check(dialect: Dialect, status: u16, body: &str, expected: &str) -> Assessment {
    let heard = HttpAnswer {
        status,
        location: None,
        retry_after: None,
        body: body.as_bytes(),
    };
    let judged = judge(dialect, heard);
    let told = match &judged.answer {
        Answer::Settings => "settings".to_owned(),
        Answer::RedirectUrl(url) => format!("url {url}"),
        Answer::RedirectAddress(address) => format!("address {address}"),
        Answer::Failed(cause) => cause.code().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(told, expected, "{body}: {}", judged.detail);
    judged
}

fn fault(code: &str) -> String {
    pox(
        ENVELOPE,
        &format!(
            "<Error><ErrorCode>{code}</ErrorCode><Message>m</Message><DebugData>d</DebugData></Error>"
        ),
    )
}

#[test]
fn every_answer_to_outlook_has_its_cause() {
    let account = |inside: &str| pox(OUTLOOK, &format!("<Account>{inside}</Account>"));
    let exch = "<Action>settings</Action><Protocol><Type>EXCH</Type></Protocol>";
    for (status, body, expected) in [
        (200, account(exch), "settings"),
        (
            200,
            account("<Action>redirectAddr</Action><RedirectAddr>a@b.c</RedirectAddr>"),
            "address a@b.c",
        ),
        (
            200,
            account("<Action>redirectUrl</Action><RedirectUrl>https://x/</RedirectUrl>"),
            "url https://x/",
        ),
        (200, fault("500"), "fault-500"),
        (200, fault("603"), "fault-603"),
        (200, fault("604"), "fault-other"),
        (200, fault("-1"), "fault-other"),
        (200, fault("what"), "fault-other"),
        (200, fault("99999999999"), "fault-other"),
        (400, fault("601"), "fault-601"),
        (500, fault("603"), "fault-603"),
        (403, account(exch), "forbidden"),
        (500, account(exch), "server-failed"),
        (200, String::new(), "answer-empty"),
        (200, " \r\n".to_owned(), "answer-empty"),
        (
            200,
            "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned(),
            "answer-html",
        ),
        (200, "<html>".to_owned(), "answer-html"),
        (
            200,
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>".to_owned(),
            "answer-dtd",
        ),
        (200, "hello".to_owned(), "answer-malformed"),
        (200, account(exch)[..200].to_owned(), "answer-malformed"),
        (200, "<a>&x;</a>".to_owned(), "answer-malformed"),
        (200, "<rss/>".to_owned(), "answer-foreign"),
        (200, pox(OUTLOOK, ""), "answer-foreign"),
        (
            200,
            pox(
                MOBILE,
                "<Action><Settings><Server><Type>MobileSync</Type><Url>https://x/</Url></Server></Settings></Action>",
            ),
            "answer-foreign",
        ),
        (301, account(exch), "redirect-broken"),
        (304, String::new(), "redirect-broken"),
        (404, "<html>".to_owned(), "not-found"),
    ] {
        check(Dialect::Pox, status, &body, expected);
    }
    let words = check(Dialect::Pox, 200, &fault("603"), "fault-603").detail;
    assert_eq!(words, "603 m (d)");
}

#[test]
fn a_mobile_client_has_answers_of_its_own() {
    let servers = "<Action><Settings><Server><Type>MobileSync</Type><Url>https://x.test/a</Url></Server></Settings></Action>";
    let judged = check(Dialect::MobileSync, 200, &pox(MOBILE, servers), "settings");
    assert_eq!(
        judged.told.unwrap().promises()[0].url.to_string(),
        "https://x.test/a"
    );
    for (body, expected) in [
        (
            pox(
                MOBILE,
                "<Action><Error><Status>2</Status><Message>m</Message></Error></Action>",
            ),
            "mobilesync-error",
        ),
        (
            pox(MOBILE, "<Action><Redirect>a@b.c</Redirect></Action>"),
            "address a@b.c",
        ),
        (fault("600"), "fault-600"),
        (
            pox(OUTLOOK, "<Account><Action>settings</Action></Account>"),
            "answer-foreign",
        ),
    ] {
        check(Dialect::MobileSync, 200, &body, expected);
    }
}

#[test]
fn soap_tells_its_errors_on_every_level() {
    let message = |code: &str, user: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\">\
             <Response><ErrorCode>{code}</ErrorCode><ErrorMessage/><UserResponses><UserResponse>{user}\
             </UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
        )
    };
    let user = |code: &str, rest: &str| {
        message(
            "NoError",
            &format!("<ErrorCode>{code}</ErrorCode><ErrorMessage>m</ErrorMessage>{rest}"),
        )
    };
    let settings = "<UserSettings><UserSetting xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"StringSetting\">\
        <Name>ExternalEwsUrl</Name><Value>https://mail.test/EWS/Exchange.asmx</Value></UserSetting></UserSettings>";
    for (body, expected) in [
        (user("NoError", settings), "settings"),
        (user("InvalidUser", ""), "soap-invalid-user"),
        (user("ServerBusy", ""), "busy"),
        (user("InternalServerError", ""), "soap-server-error"),
        (user("SomethingNew", ""), "soap-fault"),
        (message("InvalidRequest", ""), "soap-fault"),
        (message("ServerBusy", ""), "busy"),
        (
            user("RedirectAddress", "<RedirectTarget>a@b.c</RedirectTarget>"),
            "address a@b.c",
        ),
        (
            user("RedirectUrl", "<RedirectTarget>https://x/</RedirectTarget>"),
            "url https://x/",
        ),
        ("<html>".to_owned(), "answer-html"),
        ("<a/>".to_owned(), "answer-foreign"),
    ] {
        check(Dialect::Soap, 200, &body, expected);
    }
    let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:x</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>";
    check(Dialect::Soap, 500, fault, "soap-fault");
    check(Dialect::Soap, 500, "<html>", "server-failed");
}

#[test]
fn nothing_of_an_alternative_mailbox_is_lost_and_a_forbidden_form_is_told() {
    let inside = "<Account><Action>settings</Action><Protocol><Type>EXCH</Type><EwsUrl>https://a.test/e</EwsUrl></Protocol>\
        <Protocol><Type>EXPR</Type><EwsUrl>https://a.test/e</EwsUrl><AuthPackage>Ntlm</AuthPackage></Protocol>\
        <AlternativeMailbox><Type>Delegate</Type><DisplayName></DisplayName><LegacyDN>/o=x</LegacyDN><Server>S</Server></AlternativeMailbox>\
        <AlternativeMailbox><Type>New</Type><DisplayName>N</DisplayName><SmtpAddress>n@x.test</SmtpAddress><Server>S</Server></AlternativeMailbox>\
        </Account>";
    let judged = check(Dialect::Pox, 200, &pox(OUTLOOK, inside), "settings");
    let told = judged.told.unwrap();
    assert_eq!(told.alternatives.len(), 2);
    assert_eq!(told.alternatives[1].kind.as_deref(), Some("New"));
    let causes: Vec<Cause> = judged.warnings.iter().map(|(cause, _)| *cause).collect();
    assert_eq!(causes, [Cause::MixedShape]);
    let promises = told.promises();
    assert_eq!(promises.len(), 1);
    assert_eq!(promises[0].names, ["EXCH EwsUrl", "EXPR EwsUrl"]);
    assert_eq!(promises[0].login.as_deref(), Some("Ntlm"));
}

#[test]
fn settings_without_a_protocol_give_nothing() {
    let body = pox(OUTLOOK, "<Account><Action>settings</Action></Account>");
    check(Dialect::Pox, 200, &body, "no-protocols");
}

#[test]
fn a_probe_is_a_redirect_or_nothing() {
    let heard = |status, location| HttpAnswer {
        status,
        location,
        retry_after: None,
        body: b"",
    };
    for status in [301, 302, 303, 307, 308] {
        let judged = judge_probe(heard(status, Some("https://x/")));
        assert_eq!(judged.answer, Answer::RedirectUrl("https://x/".to_owned()));
        assert_eq!(
            judge_probe(heard(status, None)).cause(),
            Some(Cause::RedirectBroken)
        );
    }
    for status in [200, 300, 304, 401, 404, 500] {
        assert_eq!(
            judge_probe(heard(status, Some("https://x/"))).cause(),
            Some(Cause::NoRedirect)
        );
    }
}

#[test]
fn json_names_a_url_or_says_why_not() {
    for (status, body, expected) in [
        (
            200,
            r#"{"Protocol":"AutodiscoverV1","Url":"https://x/"}"#,
            Answer::RedirectUrl("https://x/".to_owned()),
        ),
        (
            400,
            r#"{"ErrorCode":"X","ErrorMessage":"m"}"#,
            Answer::Failed(Cause::JsonRefused),
        ),
        (
            200,
            r#"{"ErrorCode":"X","ErrorMessage":"m"}"#,
            Answer::Failed(Cause::JsonRefused),
        ),
        (404, "<html>", Answer::Failed(Cause::NotFound)),
        (200, "<html>", Answer::Failed(Cause::AnswerHtml)),
        (200, "", Answer::Failed(Cause::AnswerEmpty)),
        (200, "{", Answer::Failed(Cause::AnswerMalformed)),
    ] {
        let heard = HttpAnswer {
            status,
            location: None,
            retry_after: None,
            body: body.as_bytes(),
        };
        assert_eq!(judge_json(heard).answer, expected, "{status} {body}");
    }
}

fn message(outer: &str, users: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\">\
         <Response xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">{outer}<UserResponses>{users}</UserResponses>\
         </Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
    )
}

#[test]
fn an_absent_code_of_soap_is_no_error_where_what_was_asked_for_is_there() {
    let ews = "<UserSettings><UserSetting i:type=\"StringSetting\"><Name>ExternalEwsUrl</Name>\
               <Value>https://mail.test/EWS/Exchange.asmx</Value></UserSetting></UserSettings>";
    let missing = "<UserSettingErrors><UserSettingError><SettingName>EwsUrl</SettingName></UserSettingError></UserSettingErrors>";
    for outer in [
        "",
        "<ErrorCode>NoError</ErrorCode>",
        "<ErrorCode i:nil=\"true\"/>",
        "<ErrorCode/><ErrorMessage/>",
        "<ErrorMessage>No error.</ErrorMessage>",
    ] {
        for code in [
            "",
            "<ErrorCode>NoError</ErrorCode>",
            "<ErrorCode i:nil=\"true\"/>",
        ] {
            // Without any setting it is as much an answer as in POX.
            for (inside, expected) in [
                (ews, "settings"),
                ("<UserSettings/>", "no-protocols"),
                (missing, "no-protocols"),
            ] {
                let user = format!("<UserResponse>{code}{inside}</UserResponse>");
                check(Dialect::Soap, 200, &message(outer, &user), expected);
            }
        }
        let user = "<UserResponse><ErrorCode>InvalidUser</ErrorCode></UserResponse>";
        check(
            Dialect::Soap,
            200,
            &message(outer, user),
            "soap-invalid-user",
        );
        for (target, expected) in [
            ("bob@b.test", "address bob@b.test"),
            (
                "https://b.test/autodiscover/autodiscover.svc",
                "url https://b.test/autodiscover/autodiscover.svc",
            ),
        ] {
            let user =
                format!("<UserResponse><RedirectTarget>{target}</RedirectTarget></UserResponse>");
            check(Dialect::Soap, 200, &message(outer, &user), expected);
        }
        // Nothing says how it ended.
        for users in ["", "<UserResponse/>"] {
            check(Dialect::Soap, 200, &message(outer, users), "soap-fault");
        }
    }
}

#[test]
fn an_error_that_says_little_is_told_in_words_all_the_same() {
    let soap = |fault: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>{fault}</s:Fault></s:Body></s:Envelope>"
        )
    };
    let error = |inside: &str| pox(ENVELOPE, &format!("<Error>{inside}</Error>"));
    for (dialect, body, detail) in [
        (
            Dialect::Soap,
            message("", "<UserResponse/>"),
            "it has neither settings nor an error code",
        ),
        (
            Dialect::Soap,
            message(
                "",
                "<UserResponse><ErrorCode>InvalidUser</ErrorCode></UserResponse>",
            ),
            "InvalidUser",
        ),
        (
            Dialect::Soap,
            message(
                "<ErrorCode>InvalidRequest</ErrorCode><ErrorMessage> </ErrorMessage>",
                "",
            ),
            "InvalidRequest",
        ),
        (
            Dialect::Soap,
            message(
                "",
                "<UserResponse><ErrorMessage>no</ErrorMessage></UserResponse>",
            ),
            "no",
        ),
        (Dialect::Soap, soap(""), "without a reason"),
        (
            Dialect::Soap,
            soap("<faultcode>s:Client</faultcode>"),
            "Client",
        ),
        (Dialect::Soap, soap("<faultstring>no</faultstring>"), "no"),
        (Dialect::Pox, error("<ErrorCode>500</ErrorCode>"), "500"),
        (
            Dialect::Pox,
            error("<ErrorCode>500</ErrorCode><Message/><DebugData/>"),
            "500",
        ),
        (
            Dialect::Pox,
            error("<ErrorCode>500</ErrorCode><DebugData>d</DebugData>"),
            "500 (d)",
        ),
        (Dialect::Pox, error("<Message>m</Message>"), "m"),
        (Dialect::Pox, error("<DebugData>d</DebugData>"), "(d)"),
    ] {
        let heard = HttpAnswer {
            status: 200,
            location: None,
            retry_after: None,
            body: body.as_bytes(),
        };
        let judged = judge(dialect, heard);
        assert!(judged.cause().is_some(), "{body}");
        assert_eq!(judged.detail, detail, "{body}");
    }
    for (body, detail) in [
        (r#"{"ErrorCode":"X"}"#, "X"),
        (r#"{"ErrorCode":"X","ErrorMessage":""}"#, "X"),
        (r#"{"ErrorCode":"","ErrorMessage":""}"#, "without a reason"),
    ] {
        let heard = HttpAnswer {
            status: 400,
            location: None,
            retry_after: None,
            body: body.as_bytes(),
        };
        assert_eq!(judge_json(heard).detail, detail, "{body}");
    }
}

#[test]
fn a_redirect_that_names_nothing_is_a_redirect_all_the_same() {
    for (dialect, body, expected) in [
        (
            Dialect::Pox,
            "<Account><Action>redirectAddr</Action></Account>",
            "redirect-no-address",
        ),
        (
            Dialect::Pox,
            "<Account><Action>redirectAddr</Action><RedirectAddr> </RedirectAddr></Account>",
            "redirect-no-address",
        ),
        (
            Dialect::Pox,
            "<Account><Action>redirectAddr</Action><RedirectUrl>https://x/</RedirectUrl></Account>",
            "redirect-no-address",
        ),
        (
            Dialect::Pox,
            "<Account><Action>redirectUrl</Action></Account>",
            "redirect-broken",
        ),
        (
            Dialect::Pox,
            "<Account><Action>redirectUrl</Action><RedirectUrl/></Account>",
            "redirect-broken",
        ),
        (
            Dialect::Pox,
            "<Account><Action>redirectUrl</Action><RedirectAddr>a@b.c</RedirectAddr></Account>",
            "redirect-broken",
        ),
    ] {
        check(dialect, 200, &pox(OUTLOOK, body), expected);
    }
    check(
        Dialect::MobileSync,
        200,
        &pox(MOBILE, "<Action><Redirect/></Action>"),
        "redirect-no-address",
    );
    for (code, expected) in [
        ("RedirectAddress", "redirect-no-address"),
        ("RedirectUrl", "redirect-broken"),
    ] {
        for target in ["", "<RedirectTarget/>", "<RedirectTarget i:nil=\"true\"/>"] {
            let user =
                format!("<UserResponse><ErrorCode>{code}</ErrorCode>{target}</UserResponse>");
            check(Dialect::Soap, 200, &message("", &user), expected);
        }
    }
}

#[test]
fn settings_in_a_namespace_of_another_kind_are_told() {
    let inside =
        "<Account><Action>settings</Action><Protocol><Type>EXCH</Type></Protocol></Account>";
    let of = |root: &str, response: &str| {
        format!(
            "<Autodiscover xmlns=\"{root}\"><Response xmlns=\"{response}\">{inside}</Response></Autodiscover>"
        )
    };
    let request = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
    for (root, response) in [
        (ENVELOPE, request),
        (ENVELOPE, ENVELOPE),
        (ENVELOPE, ""),
        (ENVELOPE, "urn:other"),
        (OUTLOOK, OUTLOOK),
        ("", ""),
        ("urn:other", OUTLOOK),
    ] {
        let judged = check(Dialect::Pox, 200, &of(root, response), "wrong-namespace");
        assert!(judged.detail.contains("namespace"), "{}", judged.detail);
    }
    let near = |uri: &str| uri.replacen("http:", "https:", 1);
    for (root, response) in [
        (near(ENVELOPE), OUTLOOK.to_owned()),
        (ENVELOPE.to_owned(), near(OUTLOOK)),
    ] {
        let judged = check(Dialect::Pox, 200, &of(&root, &response), "settings");
        let [(Cause::NamespaceDiffers, detail)] = judged.warnings.as_slice() else {
            panic!("{:?}", judged.warnings)
        };
        assert!(detail.contains("https://schemas"), "{detail}");
    }
    let right = check(Dialect::Pox, 200, &of(ENVELOPE, OUTLOOK), "settings");
    assert_eq!(right.warnings, []);
    // An error says the same in whatever namespace.
    let error = of(ENVELOPE, request).replace(inside, "<Error><ErrorCode>603</ErrorCode></Error>");
    check(Dialect::Pox, 200, &error, "fault-603");
    let url = "<UserSetting><Name>ExternalEwsUrl</Name><Value>https://mail.contoso.com/e</Value></UserSetting>";
    let settings = format!("<UserResponse><UserSettings>{url}</UserSettings></UserResponse>");
    let soap = message("", &settings);
    let soap = soap.replace(
        "http://schemas.microsoft.com",
        "https://schemas.microsoft.com",
    );
    let judged = check(Dialect::Soap, 200, &soap, "settings");
    assert!(
        judged
            .warnings
            .iter()
            .any(|(cause, _)| *cause == Cause::NamespaceDiffers)
    );
}

#[test]
fn a_telephone_without_a_url_that_it_can_use_is_told_so() {
    let of = |servers: &str| {
        pox(
            MOBILE,
            &format!("<Action><Settings>{servers}</Settings></Action>"),
        )
    };
    let server = |kind: &str, url: &str| format!("<Server><Type>{kind}</Type>{url}</Server>");
    for (servers, word) in [
        (server("MobileSync", ""), "MobileSync has no URL"),
        (server("MobileSync", "<Url/>"), "MobileSync has no URL"),
        (
            server("MobileSync", "<Url>%SERVER%/eas</Url>"),
            "has the URL \"%SERVER%/eas\"",
        ),
        (
            server(
                "MobileSync",
                "<Url>https:///Microsoft-Server-ActiveSync</Url>",
            ),
            "has the URL",
        ),
        (
            server("CertEnroll", "<Url>https://x.test/enroll</Url>"),
            "CertEnroll has the URL",
        ),
        (server("CertEnroll", "").repeat(5), "2 more"),
    ] {
        let judged = check(Dialect::MobileSync, 200, &of(&servers), "settings");
        let [(Cause::NoMobileUrl, detail)] = judged.warnings.as_slice() else {
            panic!("{:?}", judged.warnings)
        };
        assert!(detail.contains(word), "{detail}");
    }
    for servers in [
        server("MobileSync", "<Url>https://x.test/a</Url>"),
        server("mobilesync", "<Url>https://x.test/a</Url>"),
        "<Server><Url>https://x.test/a</Url></Server>".to_owned(),
        server("CertEnroll", "") + &server("MobileSync", "<Url>https://x.test/a</Url>"),
    ] {
        let judged = check(Dialect::MobileSync, 200, &of(&servers), "settings");
        assert_eq!(judged.warnings, []);
    }
    check(Dialect::MobileSync, 200, &of(""), "no-protocols");
}

#[test]
fn a_mailbox_without_address_and_legacy_name_gets_a_word() {
    let line = mailbox(&Alternative {
        kind: Some("Delegate".to_owned()),
        display_name: Some("Jim".to_owned()),
        smtp_address: Some(" ".to_owned()),
        ..Alternative::default()
    });
    assert!(
        line.ends_with("(neither an address nor a legacy name)"),
        "{line}"
    );
}

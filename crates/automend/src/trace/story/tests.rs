//! Stories, each a few turns and what they come to.

use super::*;
use crate::recording::Message;

const URL: &str = "https://autodiscover.contoso.com/autodiscover/autodiscover.xml";

fn request(who: &str) -> Vec<u8> {
    let element = if who.starts_with('/') {
        "LegacyDN"
    } else {
        "EMailAddress"
    };
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>\
         <{element}>{who}</{element}></Request></Autodiscover>"
    )
    .into_bytes()
}

fn fault(code: u32) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\"><Response>\
         <Error Time=\"12:03:32.8803744\" Id=\"1\"><ErrorCode>{code}</ErrorCode><Message>said</Message><DebugData/></Error></Response></Autodiscover>"
    )
}

fn settings(inside: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><Account>\
         <AccountType>email</AccountType><Action>settings</Action><Protocol><Type>EXCH</Type></Protocol>{inside}</Account></Response></Autodiscover>"
    )
}

fn turn(who: &str, status: u16, body: &str) -> Turn {
    Turn {
        method: "POST".to_owned(),
        url: URL.to_owned(),
        status,
        request: Message {
            body: if who.is_empty() {
                Vec::new()
            } else {
                request(who)
            },
            ..Message::default()
        },
        response: Message {
            body: body.as_bytes().to_vec(),
            ..Message::default()
        },
        ..Turn::default()
    }
}

fn with(mut turn: Turn, request: &[(&str, &str)], response: &[(&str, &str)]) -> Turn {
    for (name, value) in request {
        turn.request.push((*name).to_owned(), (*value).to_owned());
    }
    for (name, value) in response {
        turn.response.push((*name).to_owned(), (*value).to_owned());
    }
    turn
}

fn at(url: &str, method: &str, turn: Turn) -> Turn {
    Turn {
        url: url.to_owned(),
        method: method.to_owned(),
        ..turn
    }
}

/// Checks the verdict on each mailbox, and the findings as `TURN CAUSE WHO`.
#[track_caller]
fn check(turns: Vec<Turn>, users: &[&str], findings: &[&str]) {
    let mut story = Story::default();
    for (number, turn) in (1..).zip(turns) {
        story.take(&Turn { number, ..turn });
    }
    story.finish();
    let name = |asked: &Option<Asked>| asked.as_ref().map_or("somebody", Asked::as_str).to_owned();
    let told: Vec<String> = story
        .users
        .iter()
        .map(|user| format!("{} {}", name(&user.asked), user.verdict().as_str()))
        .collect();
    assert_eq!(told, users);
    let told: Vec<String> = story
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{} {} {}",
                finding.turn,
                finding.failure.cause,
                name(&finding.asked)
            )
        })
        .collect();
    assert_eq!(told, findings);
}

#[test]
fn an_error_behind_a_login_is_found_at_its_turn() {
    let anonymous = with(
        turn("alice@contoso.com", 401, ""),
        &[],
        &[
            ("WWW-Authenticate", "Negotiate"),
            ("WWW-Authenticate", "NTLM"),
        ],
    );
    let first = with(
        turn("", 401, ""),
        &[("Authorization", "NTLM (removed)")],
        &[("WWW-Authenticate", "NTLM TlRMTVNTUAACAAAA")],
    );
    check(
        vec![
            anonymous,
            first,
            turn("Alice@Contoso.com", 200, &fault(603)),
        ],
        &["alice@contoso.com failed"],
        &["3 fault-603 alice@contoso.com"],
    );
}

#[test]
fn settings_at_last_make_good_what_failed_on_the_way() {
    let root = "https://contoso.com/autodiscover/autodiscover.xml";
    check(
        vec![
            at(root, "POST", turn("alice@contoso.com", 404, "<html>")),
            with(
                turn("alice@contoso.com", 401, ""),
                &[],
                &[("WWW-Authenticate", "Basic")],
            ),
            turn("alice@contoso.com", 200, &settings("")),
        ],
        &["alice@contoso.com ok"],
        &[],
    );
}

#[test]
fn an_error_stays_a_finding_though_settings_follow() {
    check(
        vec![
            turn("alice@contoso.com", 200, &fault(603)),
            turn("alice@contoso.com", 200, &settings("")),
        ],
        &["alice@contoso.com ok"],
        &["1 fault-603 alice@contoso.com"],
    );
}

#[test]
fn without_an_answer_the_failure_that_came_nearest_is_told() {
    let expired = Turn {
        status: 0,
        failure: Some("net::ERR_CERT_DATE_INVALID".to_owned()),
        ..turn("alice@contoso.com", 0, "")
    };
    check(
        vec![
            at(
                "https://contoso.com/autodiscover/autodiscover.xml",
                "POST",
                turn("alice@contoso.com", 404, ""),
            ),
            expired,
            at(
                "http://autodiscover.contoso.com/autodiscover/autodiscover.xml",
                "GET",
                turn("", 404, ""),
            ),
        ],
        &["alice@contoso.com failed"],
        &["2 certificate-expired alice@contoso.com"],
    );
}

#[test]
fn a_login_that_ends_in_401_is_a_rejected_one() {
    let basic = |headers: &[(&str, &str)]| {
        with(
            turn("alice@contoso.com", 401, ""),
            headers,
            &[("WWW-Authenticate", "Basic realm=\"x\"")],
        )
    };
    check(
        vec![basic(&[]), basic(&[("Authorization", "Basic (removed)")])],
        &["alice@contoso.com failed"],
        &["2 login-rejected alice@contoso.com"],
    );
    check(
        vec![basic(&[])],
        &["alice@contoso.com failed"],
        &["1 login-wanted alice@contoso.com"],
    );
}

#[test]
fn what_only_quotes_an_error_is_no_finding() {
    let page = format!(
        "<html><body><pre>{}</pre></body></html>",
        fault(603).replace('<', "&lt;")
    );
    check(
        vec![at(
            "https://blog.example/fixing-603",
            "GET",
            turn("", 200, &page),
        )],
        &[],
        &[],
    );
    check(
        vec![at(
            "https://blog.example/autodiscover.xml",
            "GET",
            turn("", 200, &fault(603)),
        )],
        &[],
        &[],
    );
    check(
        vec![at(
            "https://blog.example/autodiscover/autodiscover.xml",
            "GET",
            turn("", 200, &fault(603)),
        )],
        &["somebody warning"],
        &[],
    );
    check(
        vec![at(
            "https://mail.contoso.com/EWS/Exchange.asmx",
            "POST",
            turn("", 200, &fault(603)),
        )],
        &[],
        &[],
    );
    let quoted = "<AlternativeMailbox><Type>Delegate</Type><DisplayName>&lt;Error&gt;&lt;ErrorCode&gt;603</DisplayName>\
                  <LegacyDN>/o=x</LegacyDN><Server>s</Server></AlternativeMailbox>";
    check(
        vec![turn("alice@contoso.com", 200, &settings(quoted))],
        &["alice@contoso.com ok"],
        &[],
    );
    // How a healthy server answers a browser.
    check(
        vec![at(URL, "GET", turn("", 200, &fault(600)))],
        &["somebody warning"],
        &[],
    );
}

#[test]
fn a_saved_answer_is_judged_without_a_name() {
    let saved = |body: &str| Turn {
        url: String::new(),
        method: String::new(),
        request: Message::default(),
        ..turn("", 200, body)
    };
    check(
        vec![saved(&fault(603))],
        &["somebody failed"],
        &["1 fault-603 somebody"],
    );
    check(vec![saved(&settings(""))], &["somebody ok"], &[]);
}

#[test]
fn the_mailbox_that_fails_is_known_as_one_that_is_opened_for_another() {
    let opens = settings(
        "<AlternativeMailbox><Type>Delegate</Type><DisplayName>Jim</DisplayName><SmtpAddress>Jim@contoso.com</SmtpAddress></AlternativeMailbox>",
    );
    let mut story = Story::default();
    story.take(&Turn {
        number: 1,
        ..turn("alice@contoso.com", 200, &opens)
    });
    story.take(&Turn {
        number: 2,
        ..turn("jim@contoso.com", 200, &fault(500))
    });
    story.finish();
    let [finding] = story.findings.as_slice() else {
        panic!("{:?}", story.findings)
    };
    assert_eq!(finding.opened_for, Asked::of("alice@contoso.com"));
}

#[test]
fn a_legacy_name_is_asked_for_and_told() {
    check(
        vec![turn("/o=Contoso/cn=jim", 200, &fault(603))],
        &["/o=Contoso/cn=jim failed"],
        &["1 fault-603 /o=Contoso/cn=jim"],
    );
}

#[test]
fn what_the_recorder_left_out_is_not_the_servers_fault() {
    let mut cut = turn("alice@contoso.com", 200, &fault(603)[..80]);
    cut.response.cut = true;
    check(vec![cut], &["alice@contoso.com warning"], &[]);
    check(
        vec![turn("alice@contoso.com", 200, "")],
        &["alice@contoso.com failed"],
        &["1 answer-empty alice@contoso.com"],
    );
    check(
        vec![Turn {
            status: 0,
            ..turn("alice@contoso.com", 0, "")
        }],
        &["alice@contoso.com warning"],
        &[],
    );
}

#[test]
fn soap_answers_are_told_for_each_user() {
    let ns = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
    let envelope = |inside: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{inside}</s:Body></s:Envelope>"
        )
    };
    let asks = envelope(&format!(
        "<GetUserSettingsRequestMessage xmlns=\"{ns}\"><Request><Users><User><Mailbox>alice@contoso.com</Mailbox></User>\
         <User><Mailbox>bob@contoso.com</Mailbox></User></Users></Request></GetUserSettingsRequestMessage>"
    ));
    let user = |code: &str, settings: &str| {
        format!(
            "<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>said</ErrorMessage>\
             <UserSettings>{settings}</UserSettings></UserResponse>"
        )
    };
    let ews = "<UserSetting xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"StringSetting\">\
        <Name>ExternalEwsUrl</Name><Value>https://mail.contoso.com/EWS/Exchange.asmx</Value></UserSetting>";
    let answers = envelope(&format!(
        "<GetUserSettingsResponseMessage xmlns=\"{ns}\"><Response><ErrorCode>NoError</ErrorCode><UserResponses>{}{}</UserResponses>\
         </Response></GetUserSettingsResponseMessage>",
        user("NoError", ews),
        user("InvalidUser", "")
    ));
    let mut soap = at(
        "https://mail.contoso.com/autodiscover/autodiscover.svc",
        "POST",
        turn("", 200, &answers),
    );
    soap.request.body = asks.into_bytes();
    check(
        vec![soap],
        &["alice@contoso.com ok", "bob@contoso.com failed"],
        &["1 soap-invalid-user bob@contoso.com"],
    );
}

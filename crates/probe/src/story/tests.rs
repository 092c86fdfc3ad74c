//! Stories, each a few exchanges and what they come to.

use automend_core::verdict::Verdict;
use automend_recording::Message;

use super::*;

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

fn exchange(who: &str, status: u16, body: &str) -> HttpExchange {
    HttpExchange {
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
        ..HttpExchange::default()
    }
}

fn with(
    mut exchange: HttpExchange,
    request: &[(&str, &str)],
    response: &[(&str, &str)],
) -> HttpExchange {
    for (name, value) in request {
        exchange
            .request
            .push((*name).to_owned(), (*value).to_owned());
    }
    for (name, value) in response {
        exchange
            .response
            .push((*name).to_owned(), (*value).to_owned());
    }
    exchange
}

fn at(url: &str, method: &str, exchange: HttpExchange) -> HttpExchange {
    HttpExchange {
        url: url.to_owned(),
        method: method.to_owned(),
        ..exchange
    }
}

/// Checks the verdict on each mailbox, and the findings as `TURN CAUSE WHO`.
#[track_caller]
fn check(exchanges: Vec<HttpExchange>, users: &[&str], findings: &[&str]) {
    let mut story = Story::default();
    for (number, exchange) in (1..).zip(exchanges) {
        story.take(&HttpExchange { number, ..exchange });
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
                finding.exchange,
                finding.failure.cause,
                name(&finding.asked)
            )
        })
        .collect();
    assert_eq!(told, findings);
}

#[test]
fn an_error_behind_a_login_is_found_at_its_exchange() {
    let anonymous = with(
        exchange("alice@contoso.com", 401, ""),
        &[],
        &[
            ("WWW-Authenticate", "Negotiate"),
            ("WWW-Authenticate", "NTLM"),
        ],
    );
    let first = with(
        exchange("", 401, ""),
        &[("Authorization", "NTLM (removed)")],
        &[("WWW-Authenticate", "NTLM TlRMTVNTUAACAAAA")],
    );
    check(
        vec![
            anonymous,
            first,
            exchange("Alice@Contoso.com", 200, &fault(603)),
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
            at(root, "POST", exchange("alice@contoso.com", 404, "<html>")),
            with(
                exchange("alice@contoso.com", 401, ""),
                &[],
                &[("WWW-Authenticate", "Basic")],
            ),
            exchange("alice@contoso.com", 200, &settings("")),
        ],
        &["alice@contoso.com ok"],
        &[],
    );
}

#[test]
fn an_error_stays_a_finding_though_settings_follow() {
    check(
        vec![
            exchange("alice@contoso.com", 200, &fault(603)),
            exchange("alice@contoso.com", 200, &settings("")),
        ],
        &["alice@contoso.com ok"],
        &["1 fault-603 alice@contoso.com"],
    );
}

#[test]
fn without_an_answer_the_failure_that_came_nearest_is_told() {
    let expired = HttpExchange {
        status: 0,
        failure: Some("net::ERR_CERT_DATE_INVALID".to_owned()),
        ..exchange("alice@contoso.com", 0, "")
    };
    check(
        vec![
            at(
                "https://contoso.com/autodiscover/autodiscover.xml",
                "POST",
                exchange("alice@contoso.com", 404, ""),
            ),
            expired,
            at(
                "http://autodiscover.contoso.com/autodiscover/autodiscover.xml",
                "GET",
                exchange("", 404, ""),
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
            exchange("alice@contoso.com", 401, ""),
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
            exchange("", 200, &page),
        )],
        &[],
        &[],
    );
    check(
        vec![at(
            "https://blog.example/autodiscover.xml",
            "GET",
            exchange("", 200, &fault(603)),
        )],
        &[],
        &[],
    );
    check(
        vec![at(
            "https://blog.example/autodiscover/autodiscover.xml",
            "GET",
            exchange("", 200, &fault(603)),
        )],
        &["somebody warning"],
        &[],
    );
    check(
        vec![at(
            "https://mail.contoso.com/EWS/Exchange.asmx",
            "POST",
            exchange("", 200, &fault(603)),
        )],
        &[],
        &[],
    );
    let quoted = "<AlternativeMailbox><Type>Delegate</Type><DisplayName>&lt;Error&gt;&lt;ErrorCode&gt;603</DisplayName>\
                  <LegacyDN>/o=x</LegacyDN><Server>s</Server></AlternativeMailbox>";
    check(
        vec![exchange("alice@contoso.com", 200, &settings(quoted))],
        &["alice@contoso.com ok"],
        &[],
    );
    // How a healthy server answers a browser.
    check(
        vec![at(URL, "GET", exchange("", 200, &fault(600)))],
        &["somebody warning"],
        &[],
    );
}

#[test]
fn a_saved_answer_is_judged_without_a_name() {
    let saved = |body: &str| HttpExchange {
        url: String::new(),
        method: String::new(),
        request: Message::default(),
        ..exchange("", 200, body)
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
    story.take(&HttpExchange {
        number: 1,
        ..exchange("alice@contoso.com", 200, &opens)
    });
    story.take(&HttpExchange {
        number: 2,
        ..exchange("jim@contoso.com", 200, &fault(500))
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
        vec![exchange("/o=Contoso/cn=jim", 200, &fault(603))],
        &["/o=Contoso/cn=jim failed"],
        &["1 fault-603 /o=Contoso/cn=jim"],
    );
}

#[test]
fn what_the_recorder_left_out_is_not_the_servers_fault() {
    let mut cut = exchange("alice@contoso.com", 200, &fault(603)[..80]);
    cut.response.cut = true;
    check(vec![cut], &["alice@contoso.com warning"], &[]);
    check(
        vec![exchange("alice@contoso.com", 200, "")],
        &["alice@contoso.com failed"],
        &["1 answer-empty alice@contoso.com"],
    );
    check(
        vec![HttpExchange {
            status: 0,
            ..exchange("alice@contoso.com", 0, "")
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
        exchange("", 200, &answers),
    );
    soap.request.body = asks.into_bytes();
    check(
        vec![soap],
        &["alice@contoso.com ok", "bob@contoso.com failed"],
        &["1 soap-invalid-user bob@contoso.com"],
    );
}

fn account(inside: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><Account>{inside}</Account></Response></Autodiscover>"
    )
}

fn to_address(target: &str) -> String {
    account(&format!(
        "<Action>redirectAddr</Action><RedirectAddr>{target}</RedirectAddr>"
    ))
}

fn to_url(target: &str) -> String {
    account(&format!(
        "<Action>redirectUrl</Action><RedirectUrl>{target}</RedirectUrl>"
    ))
}

fn unreached(who: &str, url: &str, failure: &str) -> HttpExchange {
    HttpExchange {
        status: 0,
        failure: Some(failure.to_owned()),
        ..at(url, "POST", exchange(who, 0, ""))
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "recordings beside what they come to")]
fn a_redirect_to_an_address_comes_to_what_it_leads_to() {
    let cloud = "alice@cloud.example";
    let there = "https://autodiscover.cloud.example/autodiscover/autodiscover.xml";
    let leads = || exchange("alice@contoso.com", 200, &to_address(cloud));
    check(
        vec![
            leads(),
            unreached(
                cloud,
                "https://cloud.example/autodiscover/autodiscover.xml",
                "GetLastError=12007",
            ),
            at(there, "POST", exchange(cloud, 200, &settings(""))),
        ],
        &["alice@contoso.com ok", "alice@cloud.example ok"],
        &[],
    );
    check(
        vec![
            at(
                "https://contoso.com/autodiscover/autodiscover.xml",
                "POST",
                exchange("alice@contoso.com", 404, ""),
            ),
            leads(),
            unreached(cloud, there, "GetLastError=12029"),
        ],
        &["alice@contoso.com failed", "alice@cloud.example failed"],
        &["3 cannot-connect alice@cloud.example"],
    );
    check(
        vec![
            leads(),
            at(there, "POST", exchange(cloud, 200, &fault(500))),
        ],
        &["alice@contoso.com failed", "alice@cloud.example failed"],
        &["2 fault-500 alice@cloud.example"],
    );
    // On to a third, and the answer for it.
    check(
        vec![
            leads(),
            at(
                there,
                "POST",
                exchange(cloud, 200, &to_address("alice@third.example")),
            ),
            exchange("alice@third.example", 200, &settings("")),
        ],
        &[
            "alice@contoso.com ok",
            "alice@cloud.example ok",
            "alice@third.example ok",
        ],
        &[],
    );
    // A log that goes on under the first name.
    check(
        vec![
            leads(),
            unreached("alice@contoso.com", there, "GetLastError=12029"),
        ],
        &["alice@contoso.com failed"],
        &["2 cannot-connect alice@contoso.com"],
    );
    check(
        vec![
            leads(),
            at(
                there,
                "POST",
                exchange("alice@contoso.com", 200, &settings("")),
            ),
        ],
        &["alice@contoso.com ok"],
        &[],
    );
    // One that went the other way as well, and had its settings.
    check(
        vec![exchange("alice@contoso.com", 200, &settings("")), leads()],
        &["alice@contoso.com ok"],
        &[],
    );
    // The recording ends at the redirect.
    check(vec![leads()], &["alice@contoso.com warning"], &[]);
    // What was asked before the redirect decides nothing any more.
    check(
        vec![
            exchange("alice@contoso.com", 200, &settings("")),
            leads(),
            at(there, "POST", exchange(cloud, 200, &fault(603))),
        ],
        &["alice@contoso.com failed", "alice@cloud.example failed"],
        &["3 fault-603 alice@cloud.example"],
    );
}

#[test]
fn redirects_in_a_circle_fail() {
    check(
        vec![
            exchange("alice@contoso.com", 200, &to_address("alice@b.example")),
            exchange("alice@b.example", 200, &to_address("alice@contoso.com")),
        ],
        &["alice@contoso.com failed", "alice@b.example failed"],
        &[
            "1 redirect-loop alice@contoso.com",
            "2 redirect-loop alice@b.example",
        ],
    );
    check(
        vec![exchange(
            "alice@contoso.com",
            200,
            &to_address("Alice@Contoso.com"),
        )],
        &["alice@contoso.com failed"],
        &["1 redirect-same-address alice@contoso.com"],
    );
}

#[test]
fn a_redirect_to_a_url_comes_to_what_the_url_comes_to() {
    let url = "https://mail.contoso.com/autodiscover/autodiscover.xml";
    let expired = || {
        unreached(
            "alice@contoso.com",
            "https://contoso.com/autodiscover/autodiscover.xml",
            "net::ERR_CERT_DATE_INVALID",
        )
    };
    let leads = |to: &str| exchange("alice@contoso.com", 200, &to_url(to));
    check(
        vec![
            expired(),
            leads(url),
            at(
                url,
                "POST",
                exchange("alice@contoso.com", 200, &settings("")),
            ),
        ],
        &["alice@contoso.com ok"],
        &[],
    );
    // Nearer by weight is not nearer than where the server led.
    for to in [
        url,
        "https://MAIL.contoso.com:443/Autodiscover/Autodiscover.xml",
    ] {
        check(
            vec![
                expired(),
                leads(to),
                unreached("alice@contoso.com", url, "GetLastError=12029"),
            ],
            &["alice@contoso.com failed"],
            &["3 cannot-connect alice@contoso.com"],
        );
    }
    // Another path is another place that answers, too.
    let other = "https://mail.contoso.com/ad/pox";
    check(
        vec![
            leads(other),
            unreached("alice@contoso.com", other, "GetLastError=12007"),
        ],
        &["alice@contoso.com failed"],
        &["2 no-such-host alice@contoso.com"],
    );
    check(
        vec![expired(), leads(url)],
        &["alice@contoso.com warning"],
        &[],
    );
}

#[test]
fn a_redirect_to_nowhere_is_a_failure() {
    for (target, cause) in [
        (to_address("not an address"), "redirect-no-address"),
        (to_address("user@local"), "redirect-no-address"),
        (to_address(""), "redirect-no-address"),
        (to_url("mail.contoso.com"), "redirect-broken"),
        (to_url(""), "redirect-broken"),
        (
            to_url("http://mail.contoso.com/autodiscover/autodiscover.xml"),
            "redirect-to-http",
        ),
    ] {
        check(
            vec![exchange("alice@contoso.com", 200, &target)],
            &["alice@contoso.com failed"],
            &[&format!("1 {cause} alice@contoso.com")],
        );
    }
}

#[test]
fn a_body_that_was_not_recorded_is_told_as_that() {
    let missing = || {
        let mut exchange = exchange("alice@contoso.com", 200, "");
        exchange.response.missing = true;
        exchange
    };
    check(
        vec![missing()],
        &["alice@contoso.com warning"],
        &["1 body-not-recorded alice@contoso.com"],
    );
    // It came nearer than whatever else failed.
    check(
        vec![
            unreached(
                "alice@contoso.com",
                "https://contoso.com/autodiscover/autodiscover.xml",
                "net::ERR_CERT_DATE_INVALID",
            ),
            missing(),
        ],
        &["alice@contoso.com warning"],
        &["2 body-not-recorded alice@contoso.com"],
    );
    check(
        vec![missing(), exchange("alice@contoso.com", 200, &settings(""))],
        &["alice@contoso.com ok"],
        &[],
    );
    check(
        vec![missing(), exchange("alice@contoso.com", 200, &fault(603))],
        &["alice@contoso.com failed"],
        &["2 fault-603 alice@contoso.com"],
    );
}

#[test]
fn a_saved_answer_is_about_whom_it_names() {
    let saved = |body: &str| HttpExchange {
        url: String::new(),
        method: String::new(),
        request: Message::default(),
        ..exchange("", 200, body)
    };
    let of =
        |user: &str| settings("").replace("<Account>", &format!("<User>{user}</User><Account>"));
    for (user, who) in [
        (
            "<AutoDiscoverSMTPAddress>Alice@contoso.com</AutoDiscoverSMTPAddress>",
            "alice@contoso.com",
        ),
        (
            "<EMailAddress>alice@contoso.com</EMailAddress>",
            "alice@contoso.com",
        ),
        (
            "<LegacyDN>/o=Contoso/cn=alice</LegacyDN><AutoDiscoverSMTPAddress>alice@contoso.com</AutoDiscoverSMTPAddress>",
            "alice@contoso.com",
        ),
        (
            "<LegacyDN>/o=Contoso/cn=alice</LegacyDN>",
            "/o=Contoso/cn=alice",
        ),
        (
            "<AutoDiscoverSMTPAddress/><DisplayName>Alice</DisplayName>",
            "somebody",
        ),
    ] {
        check(vec![saved(&of(user))], &[&format!("{who} ok")], &[]);
    }
    // A request that names a user counts more.
    check(
        vec![exchange(
            "bob@contoso.com",
            200,
            &of("<AutoDiscoverSMTPAddress>alice@contoso.com</AutoDiscoverSMTPAddress>"),
        )],
        &["bob@contoso.com ok"],
        &[],
    );
}

#[test]
fn settings_and_what_should_be_better_are_kept_for_the_report() {
    let mut story = Story::default();
    let jim = "<AlternativeMailbox><Type>Delegate</Type><DisplayName>Jim</DisplayName></AlternativeMailbox>";
    let body = settings(jim).replace(
        "</Protocol>",
        "<OABUrl>https://mail.contoso.com/oab?token=abcdefgh</OABUrl></Protocol>",
    );
    story.take(&HttpExchange {
        number: 1,
        ..exchange("alice@contoso.com", 200, &body)
    });
    story.finish();
    let [user] = story.users.as_slice() else {
        panic!("{:?}", story.users)
    };
    let told = user.settings.as_ref().unwrap();
    assert_eq!(told.alternatives.len(), 1);
    assert!(!format!("{told:?}").contains("abcdefgh"), "{told:?}");
    let causes: Vec<Cause> = user.warnings.iter().map(|concern| concern.cause).collect();
    assert_eq!(causes, [Cause::MixedShape]);
    assert_eq!(user.verdict(), Verdict::Warning);
    // What is listed goes without.
    let (_, outcome) = &story.listed[0].told[0];
    assert!(matches!(
        outcome,
        Outcome::Settings {
            told: None,
            alternatives: 1,
            ..
        }
    ));
}

#[test]
fn a_request_without_its_response_is_told_as_not_recorded() {
    let mut story = Story::default();
    story.take(&HttpExchange {
        number: 1,
        ..exchange("alice@contoso.com", 0, "")
    });
    story.finish();
    let user = &story.users[0];
    assert_eq!(user.verdict(), Verdict::Warning);
    assert_eq!(user.cause(), Some(Cause::BodyNotRecorded));
    assert_eq!(user.warnings.len(), 1);
}

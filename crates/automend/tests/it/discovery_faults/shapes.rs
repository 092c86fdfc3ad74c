//! Answers that leave out what may be left out, and such as name a wrong namespace, nowhere, or no server that
//! the client can use.

use super::*;

const SOAP: &[&str] = &["--protocol", "soap"];
const MOBILE: &[&str] = &["--protocol", "mobilesync"];

fn mobile(servers: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006\">\
         <Action><Settings>{servers}</Settings></Action></Response></Autodiscover>"
    )
}

fn soap(outer: &str, user: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\">\
         <Response xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">{outer}<UserResponses><UserResponse>{user}</UserResponse>\
         </UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
    )
}

const EWS: &str = "<UserSettings><UserSetting i:type=\"StringSetting\"><Name>ExternalEwsUrl</Name>\
    <Value>https://mail.contoso.test/EWS/Exchange.asmx</Value></UserSetting></UserSettings>";

#[test]
fn what_an_answer_may_leave_out_is_no_error() {
    let (report, run) = check(&Case {
        what: "no code of SOAP on any level",
        servers: &[(ROOT, At::Mail(|_| xml(soap("", EWS))))],
        more: SOAP,
        verdict: "ok",
        logins: &[ROOT],
        ..CASE
    });
    assert_eq!(
        report["settings"]["values"][0]["name"], "ExternalEwsUrl",
        "{run}"
    );
    let (report, run) = check(&Case {
        what: "neither a code nor settings",
        servers: &[(ROOT, At::Mail(|_| xml(soap("", ""))))],
        more: SOAP,
        cause: Some("soap-fault"),
        logins: &[ROOT],
        ..CASE
    });
    let explanation = report["explanation"].as_str().unwrap();
    assert!(
        explanation.contains("neither settings nor an error code"),
        "{run}"
    );
    assert!(
        !explanation.contains(": :") && !explanation.contains(": ."),
        "{run}"
    );
}

#[test]
fn an_answer_in_a_wrong_namespace_or_to_nowhere_is_told_as_that() {
    const OUTLOOK: &str = "outlook/responseschema/2006a";
    for case in [
        Case {
            what: "the namespace of requests",
            servers: &[(
                ROOT,
                At::Mail(|_| xml(settings().replace(OUTLOOK, "outlook/requestschema/2006"))),
            )],
            cause: Some("wrong-namespace"),
            ..CASE
        },
        Case {
            what: "the namespace of errors",
            servers: &[(
                ROOT,
                At::Mail(|_| xml(settings().replace(OUTLOOK, "responseschema/2006"))),
            )],
            cause: Some("wrong-namespace"),
            ..CASE
        },
        Case {
            what: "a redirect without an address",
            servers: &[(
                ROOT,
                At::Mail(|_| xml(pages::account("<Action>redirectAddr</Action>"))),
            )],
            cause: Some("redirect-no-address"),
            ..CASE
        },
        Case {
            what: "a redirect without a URL",
            servers: &[(
                ROOT,
                At::Mail(|_| xml(pages::account("<Action>redirectUrl</Action>"))),
            )],
            cause: Some("redirect-broken"),
            ..CASE
        },
    ] {
        let case = Case {
            logins: &[ROOT],
            ..case
        };
        check(&case);
    }
}

#[test]
fn a_mobile_answer_without_a_server_to_use_is_a_warning() {
    for case in [
        Case {
            what: "an empty URL",
            servers: &[(
                ROOT,
                At::Mail(|_| xml(mobile("<Server><Type>MobileSync</Type><Url/></Server>"))),
            )],
            ..CASE
        },
        Case {
            what: "a placeholder",
            servers: &[(
                ROOT,
                At::Mail(|_| {
                    xml(mobile(
                        "<Server><Type>MobileSync</Type><Url>%SERVER_URL%</Url></Server>",
                    ))
                }),
            )],
            ..CASE
        },
        Case {
            what: "a server for certificates only",
            servers: &[(
                ROOT,
                At::Mail(|_| {
                    xml(mobile(
                        "<Server><Type>CertEnroll</Type><Url>https://contoso.test/x</Url></Server>",
                    ))
                }),
            )],
            ..CASE
        },
    ] {
        let (report, run) = check(&Case {
            more: MOBILE,
            verdict: "warning",
            cause: Some("no-mobilesync-url"),
            logins: &[ROOT],
            ..case
        });
        assert_eq!(report["warnings"][0]["cause"], "no-mobilesync-url", "{run}");
    }
}

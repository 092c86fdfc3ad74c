//! Whole documents, as they go over the wire.

mod fixture;

use automend_autodiscover::services::{Abilities, Services, Shape, Site, Version};
use automend_autodiscover::soap::{self, DomainAnswer, Head, Setting, UserAnswer, Wanted};
use automend_autodiscover::{autoconfig, mobilesync, pox, v2};
use automend_core::fault::{Cause, Fault, FaultCode};
use automend_core::settings::Outcome;
use fixture::{address, alice, contoso, stamp};
use insta::assert_snapshot;

const OLD: Abilities = Abilities {
    mapi_http: false,
    negotiate: false,
    exhttp: false,
    ews_library: false,
};
const NEW: Abilities = Abilities {
    mapi_http: true,
    negotiate: true,
    exhttp: true,
    ews_library: false,
};

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"kept".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("kept").unwrap().to_owned()
}

fn settings() -> Outcome {
    Outcome::Settings(Box::new(alice()))
}

fn fault(code: FaultCode) -> Outcome {
    Outcome::Fault(Fault {
        code,
        cause: Cause::UnknownAddress,
    })
}

fn pox_answer(outcome: &Outcome, services: &Services, abilities: Abilities) -> String {
    text(|out| pox::answer(outcome, services, abilities, &stamp(), out))
}

#[test]
fn a_stale_link_as_exchange_answers_it() {
    assert_snapshot!(pox_answer(&fault(FaultCode::UserNotFound), &contoso(), OLD));
}

#[test]
fn a_redirect_names_the_other_address() {
    let outcome = Outcome::Redirect(address("bob@partner.example"));
    assert_snapshot!(pox_answer(&outcome, &contoso(), OLD));
}

#[test]
fn a_redirect_names_the_other_url() {
    assert_snapshot!(text(|out| pox::redirect_url(
        "https://other.example/a?b&c",
        out
    )));
}

#[test]
fn an_old_outlook_gets_rpc_in_both_ways() {
    assert_snapshot!(pox_answer(&settings(), &contoso(), OLD));
}

#[test]
fn a_new_outlook_gets_mapi_over_http_and_no_rpc() {
    assert_snapshot!(pox_answer(&settings(), &contoso(), NEW));
}

#[test]
fn without_a_configuration_only_the_directory_speaks() {
    assert_snapshot!(pox_answer(&settings(), &Services::default(), NEW));
}

#[test]
fn mail_servers_and_legacy_places_where_they_are_configured() {
    let services = Services {
        mail_in_pox: true,
        shape: Shape::LegacyDn,
        internal: Site::default(),
        external: Site {
            no_ssl: true,
            host: Some("mail.contoso.com".to_owned()),
            ..Site::default()
        },
        ..contoso()
    };
    assert_snapshot!(pox_answer(&settings(), &services, OLD));
}

#[test]
fn a_telephone_gets_its_url() {
    let alice = address("alice@contoso.com");
    assert_snapshot!(text(|out| mobilesync::answer(
        &settings(),
        &alice,
        &contoso(),
        out
    )));
}

#[test]
fn a_telephone_is_sent_to_another_address() {
    let outcome = Outcome::Redirect(address("bob@partner.example"));
    let bob = address("bob@contoso.com");
    assert_snapshot!(text(|out| mobilesync::answer(
        &outcome,
        &bob,
        &contoso(),
        out
    )));
}

#[test]
fn a_telephone_gets_errors_in_a_form_of_its_own() {
    let nobody = address("no<body>@contoso.com");
    let outcome = fault(FaultCode::UnknownAddress);
    assert_snapshot!(text(|out| mobilesync::answer(
        &outcome,
        &nobody,
        &contoso(),
        out
    )));
}

const HEAD: Head<'_> = Head {
    version: Version {
        major: 15,
        minor: 1,
        build: 2507,
        revision: 6,
    },
    relates_to: Some("urn:uuid:1"),
};

/// SOAP goes out in one line; a person reads it in several.
fn lines(document: &str) -> String {
    let mut shown = String::new();
    let mut rest = document;
    while let Some(at) = rest.find("><") {
        shown.push_str(&rest[..=at]);
        shown.push('\n');
        rest = &rest[at + 1..];
    }
    shown + rest
}

#[test]
fn every_setting_that_there_is() {
    let alice = alice();
    let services = contoso();
    let wanted: Vec<Wanted> = Setting::ALL.iter().copied().map(Wanted::Known).collect();
    let answers = [UserAnswer::Settings(&alice, &services)];
    assert_snapshot!(lines(&text(|out| soap::user_settings(
        &answers, &wanted, HEAD, out
    ))));
}

#[test]
fn each_user_and_each_setting_has_an_error_of_its_own() {
    let (alice, services) = (alice(), Services::default());
    let target = address("bob@partner.example");
    let unknown = fault(FaultCode::UnknownAddress);
    let stale = fault(FaultCode::UserNotFound);
    let answers = [
        UserAnswer::of("<nobody>@contoso.com", &unknown, &services),
        UserAnswer::Settings(&alice, &services),
        UserAnswer::RedirectAddress(&target),
        UserAnswer::RedirectUrl("https://other.example/autodiscover/autodiscover.svc"),
        UserAnswer::of("carol@contoso.com", &stale, &services),
    ];
    let wanted = [
        Wanted::Known(Setting::UserDisplayName),
        Wanted::Known(Setting::ExternalEwsUrl),
        Wanted::Unknown("<Nonsense>".to_owned()),
    ];
    assert_snapshot!(lines(&text(|out| soap::user_settings(
        &answers, &wanted, HEAD, out
    ))));
}

#[test]
fn somebody_without_alternative_mailboxes_has_no_empty_list_of_them() {
    let mut alone = alice();
    alone.alternatives.clear();
    let services = contoso();
    let answers = [UserAnswer::Settings(&alone, &services)];
    let wanted = [Wanted::Known(Setting::AlternateMailboxes)];
    let told = text(|out| soap::user_settings(&answers, &wanted, HEAD, out));
    assert!(
        told.contains(
            "<ErrorCode>SettingIsNotAvailable</ErrorCode><ErrorMessage>\
             User setting 'AlternateMailboxes' is not available.</ErrorMessage>"
        ) && !told.contains("<AlternateMailboxes>"),
        "{told}"
    );
}

#[test]
fn domains_have_settings_too() {
    let services = contoso();
    let answers = [
        DomainAnswer::Settings(&services),
        DomainAnswer::Error(soap::ErrorCode::InvalidDomain, "Invalid domain.".into()),
    ];
    let wanted = [
        "ExternalEwsUrl",
        "ExternalEwsVersion",
        "InternalEwsUrl",
        "Nonsense",
    ];
    let wanted = wanted.map(str::to_owned);
    assert_snapshot!(lines(&text(|out| soap::domain_settings(
        &answers, &wanted, HEAD, out
    ))));
}

#[test]
fn there_is_no_federation() {
    assert_snapshot!(lines(&text(|out| soap::federation_information(HEAD, out))));
}

#[test]
fn refusals_of_soap() {
    let bodies: [&[u8]; 4] = [
        b"<nonsense",
        b"<a/>",
        br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Delete xmlns="x"/></Body></Envelope>"#,
        br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Header><MessageID xmlns="http://www.w3.org/2005/08/addressing">m&amp;1</MessageID></Header><Body><GetUserSettingsRequestMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"/></Body></Envelope>"#,
    ];
    let told: Vec<String> = bodies
        .iter()
        .map(|body| {
            let refusal = soap::Request::parse(body).unwrap_err();
            let answer = text(|out| soap::refusal(&refusal, HEAD.version, out));
            format!(
                "{refusal}\nstatus {}\n{}\n",
                refusal.status(),
                lines(&answer)
            )
        })
        .collect();
    assert_snapshot!(told.join("\n"));
}

#[test]
fn json_says_where_a_protocol_is_and_what_is_wrong() {
    let services = contoso();
    let pox = Some("https://autodiscover.contoso.com/autodiscover/autodiscover.xml");
    let mut told = Vec::new();
    for protocol in v2::Protocol::ALL {
        let url = v2::url(protocol, &services, pox).unwrap();
        told.push(text(|out| v2::answer(protocol, url, out)));
    }
    told.push(text(|out| {
        v2::answer(v2::Protocol::Ews, "https://a/\"\\\n</script>\u{1}", out);
    }));
    for refusal in [
        v2::Refusal::MandatoryParameterMissing,
        v2::Refusal::MissingProtocol,
        v2::Refusal::ProtocolNotSupported,
    ] {
        told.push(text(|out| v2::refusal(refusal, &services, None, out)));
    }
    assert_snapshot!(told.join("\n"));
}

#[test]
fn a_mail_program_configures_itself() {
    assert!(autoconfig::is_offered(&contoso()));
    let mut receives_only = contoso();
    receives_only.smtp = None;
    assert!(!autoconfig::is_offered(&receives_only));
    let mut sends_only = contoso();
    (sends_only.imap, sends_only.pop3) = (None, None);
    assert!(autoconfig::is_offered(&sends_only));
    (sends_only.external.ews, sends_only.internal.ews) = (None, None);
    assert!(!autoconfig::is_offered(&sends_only));
    assert_snapshot!(text(|out| autoconfig::answer(
        "contoso.com",
        &contoso(),
        out
    )));
}

//! POX, the plain XML that Outlook asks for: answers as Exchange writes them ([MS-OXDSCLI] 2.2.4).
//!
//! Hosts and URLs are not the directory's to know, so the settings here are those that the directory
//! decides: the user, and the alternative mailboxes.

use std::io;

use automend_core::fault::FaultCode;
use automend_core::names::SmtpAddress;
use automend_core::settings::{AlternativeMailbox, Locator, Outcome, Settings};
use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// Namespace of the envelope, and of a fault.
pub const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
/// Namespace of the answer to Outlook.
pub const OUTLOOK_RESPONSE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// What Exchange writes into a fault beside the code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Time of day with seven digits of a second, `12:03:32.8803744` ([MS-ASCMD] 2.2.3.63).
    pub time: String,
    /// A number that names the server.
    pub id: u32,
}

type Xml = Writer<Vec<u8>>;

/// The answer to Outlook.
///
/// # Errors
///
/// None in practice: the document is written to memory.
pub fn answer(outcome: &Outcome, stamp: &Stamp) -> io::Result<String> {
    match outcome {
        Outcome::Settings(found) => settings(found),
        Outcome::Redirect(address) => redirect(address),
        Outcome::Fault(found) => fault(found.code, stamp),
    }
}

/// A fault: an `Error` in the envelope's own namespace, as Exchange sends it with HTTP status 200.
///
/// # Errors
///
/// As [`answer`].
pub fn fault(code: FaultCode, stamp: &Stamp) -> io::Result<String> {
    document(None, |xml| {
        let id = stamp.id.to_string();
        let error = BytesStart::new("Error")
            .with_attributes([("Time", stamp.time.as_str()), ("Id", id.as_str())]);
        xml.write_event(Event::Start(error))?;
        text(xml, "ErrorCode", &code.number().to_string())?;
        text(xml, "Message", code.message())?;
        xml.write_event(Event::Empty(BytesStart::new("DebugData")))?;
        end(xml, "Error")
    })
}

fn redirect(address: &SmtpAddress) -> io::Result<String> {
    document(Some(OUTLOOK_RESPONSE), |xml| {
        start(xml, "Account")?;
        text(xml, "Action", "redirectAddr")?;
        text(xml, "RedirectAddr", address.as_str())?;
        end(xml, "Account")
    })
}

fn settings(found: &Settings) -> io::Result<String> {
    document(Some(OUTLOOK_RESPONSE), |xml| {
        start(xml, "User")?;
        text(xml, "DisplayName", &found.display_name)?;
        text(xml, "LegacyDN", &found.legacy_dn)?;
        text(xml, "AutoDiscoverSMTPAddress", found.address.as_str())?;
        end(xml, "User")?;
        start(xml, "Account")?;
        text(xml, "AccountType", "email")?;
        text(xml, "Action", "settings")?;
        start(xml, "Protocol")?;
        text(xml, "Type", "EXCH")?;
        // Since Exchange 2013 the server is the mailbox itself.
        text(
            xml,
            "Server",
            &format!("{}@{}", found.mailbox_guid, found.address.domain()),
        )?;
        end(xml, "Protocol")?;
        for mailbox in &found.alternatives {
            alternative(xml, mailbox)?;
        }
        end(xml, "Account")
    })
}

/// One `AlternativeMailbox` in one of its two legal shapes ([MS-OXDSCLI] 2.2.4.1.1.2.5).
fn alternative(xml: &mut Xml, mailbox: &AlternativeMailbox) -> io::Result<()> {
    start(xml, "AlternativeMailbox")?;
    text(xml, "Type", mailbox.kind.as_str())?;
    text(xml, "DisplayName", &mailbox.display_name)?;
    match &mailbox.locator {
        Locator::Address(address) => {
            text(xml, "SmtpAddress", address)?;
            if let Some(owner) = &mailbox.owner_address {
                text(xml, "OwnerSmtpAddress", owner.as_str())?;
            }
        }
        Locator::LegacyDn { legacy_dn, server } => {
            text(xml, "LegacyDN", legacy_dn)?;
            text(xml, "Server", server)?;
        }
    }
    end(xml, "AlternativeMailbox")
}

fn document(
    response: Option<&str>,
    body: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.write_event(Event::Start(
        BytesStart::new("Autodiscover").with_attributes([("xmlns", RESPONSE)]),
    ))?;
    let mut open = BytesStart::new("Response");
    if let Some(namespace) = response {
        open.push_attribute(("xmlns", namespace));
    }
    xml.write_event(Event::Start(open))?;
    body(&mut xml)?;
    end(&mut xml, "Response")?;
    end(&mut xml, "Autodiscover")?;
    String::from_utf8(xml.into_inner()).map_err(io::Error::other)
}

fn start(xml: &mut Xml, name: &str) -> io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new(name)))
}

fn end(xml: &mut Xml, name: &str) -> io::Result<()> {
    xml.write_event(Event::End(BytesEnd::new(name)))
}

/// An element with text; what XML 1.0 cannot hold becomes U+FFFD.
fn text(xml: &mut Xml, name: &str, value: &str) -> io::Result<()> {
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    let value: String = value
        .chars()
        .map(|c| if allowed(c) { c } else { '\u{fffd}' })
        .collect();
    start(xml, name)?;
    // Exchange leaves quotes in text as they are.
    xml.write_event(Event::Text(BytesText::from_escaped(partial_escape(
        value.as_str(),
    ))))?;
    end(xml, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::names::Guid;
    use automend_core::settings::AlternativeKind;

    fn stamp() -> Stamp {
        Stamp {
            time: "12:03:32.8803744".to_owned(),
            id: 2_422_600_485,
        }
    }

    #[test]
    fn a_stale_link_as_exchange_answers_it() {
        insta::assert_snapshot!(fault(FaultCode::UserNotFound, &stamp()).unwrap(), @r#"
        <?xml version="1.0" encoding="utf-8"?>
        <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
          <Response>
            <Error Time="12:03:32.8803744" Id="2422600485">
              <ErrorCode>603</ErrorCode>
              <Message>The Active Directory user wasn't found.</Message>
              <DebugData/>
            </Error>
          </Response>
        </Autodiscover>
        "#);
    }

    #[test]
    fn settings_with_alternative_mailboxes() {
        let outcome = Outcome::Settings(Box::new(Settings {
            display_name: "Alice <b>&\u{1}".to_owned(),
            legacy_dn: "/o=Contoso/cn=alice".to_owned(),
            address: SmtpAddress::parse("alice@contoso.com").unwrap(),
            mailbox_guid: Guid::parse("6f9619ff-8b86-d011-b42d-00c04fc964ff").unwrap(),
            alternatives: vec![
                AlternativeMailbox {
                    kind: AlternativeKind::Delegate,
                    display_name: "Info".to_owned(),
                    locator: Locator::Address("info@contoso.com".to_owned()),
                    owner_address: Some(SmtpAddress::parse("info@contoso.com").unwrap()),
                },
                AlternativeMailbox {
                    kind: AlternativeKind::Delegate,
                    display_name: "Bob".to_owned(),
                    locator: Locator::LegacyDn {
                        legacy_dn: "/o=Contoso/cn=bob".to_owned(),
                        server: "EX01".to_owned(),
                    },
                    owner_address: None,
                },
            ],
        }));
        insta::assert_snapshot!(answer(&outcome, &stamp()).unwrap(), @r#"
        <?xml version="1.0" encoding="utf-8"?>
        <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
          <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
            <User>
              <DisplayName>Alice &lt;b&gt;&amp;�</DisplayName>
              <LegacyDN>/o=Contoso/cn=alice</LegacyDN>
              <AutoDiscoverSMTPAddress>alice@contoso.com</AutoDiscoverSMTPAddress>
            </User>
            <Account>
              <AccountType>email</AccountType>
              <Action>settings</Action>
              <Protocol>
                <Type>EXCH</Type>
                <Server>6f9619ff-8b86-d011-b42d-00c04fc964ff@contoso.com</Server>
              </Protocol>
              <AlternativeMailbox>
                <Type>Delegate</Type>
                <DisplayName>Info</DisplayName>
                <SmtpAddress>info@contoso.com</SmtpAddress>
                <OwnerSmtpAddress>info@contoso.com</OwnerSmtpAddress>
              </AlternativeMailbox>
              <AlternativeMailbox>
                <Type>Delegate</Type>
                <DisplayName>Bob</DisplayName>
                <LegacyDN>/o=Contoso/cn=bob</LegacyDN>
                <Server>EX01</Server>
              </AlternativeMailbox>
            </Account>
          </Response>
        </Autodiscover>
        "#);
    }

    #[test]
    fn a_redirect_names_the_other_address() {
        let outcome = Outcome::Redirect(SmtpAddress::parse("bob@partner.example").unwrap());
        assert!(
            answer(&outcome, &stamp())
                .unwrap()
                .contains("<RedirectAddr>bob@partner.example</RedirectAddr>")
        );
    }
}

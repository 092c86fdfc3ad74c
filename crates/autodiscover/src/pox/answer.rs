//! Answers to Outlook, as Exchange writes them ([MS-OXDSCLI] 2.2.4).

use std::sync::OnceLock;

use automend_core::fault::FaultCode;
use automend_core::settings::Outcome;

use super::Stamp;
use super::form::Form;
use crate::schema::pox;
use crate::services::{Abilities, Services};
use crate::xml::Writer;

/// Answers of one configuration, of which what is the same for every user is written only once.
#[derive(Debug, Default)]
pub struct Answers {
    services: Services,
    /// One for each mixture of abilities, made when the first client has it.
    forms: [OnceLock<Form>; Abilities::MIXTURES],
}

impl Answers {
    /// Answers with these services.
    pub fn of(services: Services) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }

    /// What the answers hand out.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// As [`answer`], which this is the fast way of.
    pub fn write(&self, outcome: &Outcome, abilities: Abilities, stamp: &Stamp, out: &mut Vec<u8>) {
        let make = || Form::of(&self.services, abilities);
        match (outcome, self.forms.get(abilities.mixture())) {
            (Outcome::Settings(settings), Some(form)) => form.get_or_init(make).fill(settings, out),
            _ => answer(outcome, &self.services, abilities, stamp, out),
        }
    }
}

/// Writes the answer to Outlook to the end of `out`.
///
/// A server with many users takes [`Answers`].
pub fn answer(
    outcome: &Outcome,
    services: &Services,
    abilities: Abilities,
    stamp: &Stamp,
    out: &mut Vec<u8>,
) {
    match outcome {
        Outcome::Settings(settings) => Form::of(services, abilities).fill(settings, out),
        Outcome::Redirect(address) => {
            redirect("redirectAddr", "RedirectAddr", address.as_str(), out);
        }
        Outcome::Fault(found) => fault(found.code, stamp, out),
    }
}

/// Writes a fault: an `Error` in the envelope's own namespace, as Exchange sends it with status 200.
pub fn fault(code: FaultCode, stamp: &Stamp, out: &mut Vec<u8>) {
    document(None, out, |xml| {
        xml.open_with(
            "Error",
            &[("Time", &stamp.time), ("Id", &stamp.id.to_string())],
        );
        xml.leaf("ErrorCode", &code.number().to_string());
        xml.leaf("Message", code.message());
        xml.empty("DebugData", &[]);
        xml.close("Error");
    });
}

/// Writes an answer that sends Outlook to another URL.
pub fn redirect_url(url: &str, out: &mut Vec<u8>) {
    redirect("redirectUrl", "RedirectUrl", url, out);
}

fn redirect(action: &str, element: &'static str, target: &str, out: &mut Vec<u8>) {
    document(Some(pox::OUTLOOK_RESPONSE), out, |xml| {
        xml.open("Account");
        xml.leaf("Action", action);
        xml.leaf(element, target);
        xml.close("Account");
    });
}

fn document(response: Option<&str>, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
    let mut xml = Writer::indented(out);
    xml.open_with("Autodiscover", &[("xmlns", pox::RESPONSE)]);
    match response {
        Some(namespace) => xml.open_with("Response", &[("xmlns", namespace)]),
        None => xml.open("Response"),
    }
    body(&mut xml);
    xml.close("Response");
    xml.close("Autodiscover");
}

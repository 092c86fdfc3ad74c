//! What is never written: logins, cookies, tokens, passwords, and what was made of them.
//!
//! A secret is recognised by its name (of a header, a parameter, an element, a member), or by its value where that
//! was sent: a server may give it back, in a page for debugging or in a redirect.
//!
//! Invariant: a value whose name says that it is secret does not come out, in whatever encoding a body is;
//! where a body cannot be looked into, it does not come out at all. What was sent to log in, and the
//! password itself, come out in none of the forms that an answer usually has.

mod head;
mod known;
mod markup;
mod names;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
#[cfg(test)]
mod tests;
mod text;

use crate::exchange::{HttpExchange, Message};
use crate::utf16;

pub use head::Logins;
pub use known::{REMOVED, Secrets};
pub use names::{url, urls_in};

/// Removes what is secret from an exchange.
pub fn remove(exchange: &mut HttpExchange, known: &Secrets, logins: Logins) {
    exchange.url = known.clean(&exchange.url, url);
    for message in [&mut exchange.request, &mut exchange.response] {
        for (name, value) in &mut message.headers {
            *value = head::value(name, value, known, logins);
        }
        body(message, known);
    }
    if let Some(failure) = &mut exchange.failure {
        *failure = known.without(failure).into_owned();
    }
}

/// A document without what its names say, nor what is known.
pub fn document(text: &str, known: &Secrets) -> String {
    known.clean(text, |text| text::text(text, false))
}

fn body(message: &mut Message, known: &Secrets) {
    if message.body.is_empty() {
        return;
    }
    let text = match (
        utf16::order(&message.body),
        std::str::from_utf8(&message.body),
    ) {
        (Some(order), _) => {
            let (text, _) = order.decode_with_bom_removal(&message.body);
            text.into_owned()
        }
        (None, Ok(text)) => text.to_owned(),
        // The last character may have been cut in two.
        (None, Err(error)) if message.cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&message.body).into_owned()
        }
        (None, Err(_)) => {
            message.body =
                format!("({} bytes that are no text, left out)", message.body.len()).into_bytes();
            message.cut = true;
            return;
        }
    };
    let is_form = message
        .header("content-type")
        .is_some_and(|kind| kind.contains("form-urlencoded"));
    let clean = known.clean(&text, |text| text::text(text, is_form));
    if clean.as_bytes() != message.body {
        message.body = clean.into_bytes();
    }
}

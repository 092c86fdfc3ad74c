//! Whatever a server answers, a client reads it or says why not; and no mailbox that stands in an
//! answer is lost.

use automend_autodiscover::pox::Reply;
use automend_autodiscover::xml::{Limits, Text};
use automend_autodiscover::{pox, soap, v2};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let _ = v2::read(bytes);
    let read_soap = soap::read(bytes);
    let read_pox = pox::read(bytes);
    let text = Text::read(bytes, Limits::ANSWER);
    let Ok(Ok(root)) = text.as_ref().map(Text::root) else {
        assert!(read_pox.is_err() && read_soap.is_err());
        return;
    };
    if let Ok((answer, defects)) = read_pox {
        for defect in &defects {
            assert!(!defect.to_string().is_empty());
        }
        if let Reply::Settings(account) = answer.reply {
            let found = root
                .any("Response")
                .and_then(|response| response.any("Account"))
                .expect("where settings come from");
            let there = |name: &str| {
                found
                    .children
                    .iter()
                    .filter(|child| child.name == name)
                    .count()
            };
            assert_eq!(account.protocols.len(), there("Protocol"));
            let mailboxes = there("AlternativeMailbox") + there("AlternateMailbox");
            assert_eq!(account.alternatives.len(), mailboxes);
        }
    }
    if let Ok((answer, _)) = read_soap
        && let soap::Body::Users(_, users) = answer.body
    {
        let message = root.any("Body").and_then(|body| body.children.first());
        let users_there = message
            .and_then(|message| message.any("Response"))
            .and_then(|response| response.any("UserResponses"))
            .map_or(0, |list| {
                list.children
                    .iter()
                    .filter(|child| child.name == "UserResponse")
                    .count()
            });
        assert_eq!(users.len(), users_there);
    }
}

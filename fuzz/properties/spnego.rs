//! A negotiation that can be read holds one token at most, and the token is a part of it (RFC 4178).

use automend_negotiate::spnego::{Message, init, read, read_response, respond};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    if let Ok(message) = read(bytes) {
        let token = match &message {
            Message::Bare(_, token) => Some(*token),
            Message::Init { token, .. } | Message::Response { token } => *token,
        };
        let inside =
            |token: &[u8]| token.is_empty() || bytes.windows(token.len()).any(|part| part == token);
        assert!(token.is_none_or(inside));
        if let Message::Init {
            mechanisms,
            token: Some(token),
            ..
        } = &message
            && !mechanisms.is_empty()
        {
            // Written again, it says the same, but for what is not known here.
            let again = init(mechanisms, token);
            let Ok(Message::Init {
                mechanisms: same,
                token: whole,
                ..
            }) = read(&again)
            else {
                panic!("a negotiation of our own");
            };
            assert_eq!((&same, whole), (mechanisms, Some(*token)));
        }
    }
    if let Ok((state, token)) = read_response(bytes) {
        let again = respond(state, None, token);
        assert_eq!(read_response(&again), Ok((state, token)));
    }
}

//! Whatever a client sends, the server's reader ends in messages or in a refusal (RFC 4511 4.1.1), and both are
//! the same however the bytes are cut on their way; a filter that was read can be shown on one line.

use automend_ldap::server::{
    Bounds, Inbox, Request, read_assertion, read_flags, read_paging, read_scoped_attribute,
    read_sort_keys,
};

const BOUNDS: Bounds = Bounds {
    message_bytes: 1 << 16,
    filter_depth: 32,
    filter_parts: 256,
};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    // The values of controls are read by themselves.
    let _ = read_flags(bytes);
    let _ = read_paging(bytes);
    let _ = read_scoped_attribute(bytes);
    let _ = read_sort_keys(bytes);
    let _ = read_assertion(bytes, BOUNDS);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(async {
            let whole = messages(bytes, bytes.len().max(1)).await;
            assert_eq!(whole, messages(bytes, 3).await);
        });
}

/// What comes of the bytes, some at a time.
async fn messages(bytes: &[u8], step: usize) -> Vec<String> {
    let mut inbox = Inbox::default();
    let mut told = Vec::new();
    for part in bytes.chunks(step) {
        let mut part = part;
        while !part.is_empty() {
            inbox.fill(&mut part).await.expect("a slice");
        }
        loop {
            match inbox.message(BOUNDS) {
                Ok(Some(message)) => {
                    if let Request::Search(search) = &message.request {
                        // Bytes that would end the line or the filter are escapes.
                        assert!(!search.filter.to_string().contains(char::is_control));
                    }
                    told.push(format!("{message:?}"));
                }
                Ok(None) => break,
                Err(refusal) => {
                    told.push(format!("{refusal:?}"));
                    return told;
                }
            }
        }
    }
    told
}

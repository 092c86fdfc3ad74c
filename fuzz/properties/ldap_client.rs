//! Whatever a server sends, every request ends (RFC 4511), and what was taken in is no more than
//! what was sent.

use automend_ldap::{Client, Filter, Item, Limits, Scope, Search, start_tls};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(ask(bytes));
}

/// A stream on which these bytes come, and then the end.
async fn served(bytes: &[u8]) -> (DuplexStream, DuplexStream) {
    let (ours, mut theirs) = duplex(bytes.len().max(1 << 16));
    theirs.write_all(bytes).await.expect("room");
    theirs.shutdown().await.expect("an open stream");
    (ours, theirs)
}

async fn ask(bytes: &[u8]) {
    let limits = Limits {
        message_bytes: 1 << 16,
        entry_bytes: 1 << 16,
        ..Limits::default()
    };
    let search = Search::new("", Scope::Subtree, Filter::present("cn"), &[]);

    let (ours, _theirs) = served(bytes).await;
    let client = Client::new(ours, limits);
    let mut paged = client.paged(search.clone(), 2);
    let mut taken = 0;
    while let Ok(Some(item)) = paged.next().await {
        taken += match item {
            Item::Entry(entry) => {
                let values = entry
                    .attributes
                    .iter()
                    .flat_map(|attribute| &attribute.values);
                entry.dn.len() + values.map(Vec::len).sum::<usize>()
            }
            Item::Reference(urls) => urls.iter().map(String::len).sum(),
        };
    }
    assert!(taken <= bytes.len());

    let (ours, _theirs) = served(bytes).await;
    let client = Client::new(ours, limits);
    let _ = client.simple_bind("cn=x", "secret").await;
    let _ = client.base("cn=x", &["member"]).await;
    let _ = client.entries(&search, 3).await;
    client.unbind().await;

    let (mut ours, _theirs) = served(bytes).await;
    let _ = start_tls(&mut ours, limits).await;
}

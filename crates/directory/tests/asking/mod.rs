//! Our own client at a served forest, and everything that it is answered.

use automend_core::dn::Dn;
use automend_ldap::{Client, Control, Entry, Error, Filter, Item, Limits, Search};
use tokio::net::TcpStream;

use crate::served::{DOMAIN, Served};

pub(crate) async fn client(served: &Served) -> Client {
    let stream = TcpStream::connect(served.address).await.unwrap();
    Client::new(stream, Limits::default())
}

pub(crate) fn user(number: usize) -> String {
    format!("CN=u{number},OU=P,{DOMAIN}")
}

pub(crate) fn filter(text: &str) -> Filter {
    text.parse().unwrap()
}

#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> u32 {
    match answer {
        Ok(_) => 0,
        Err(
            Error::Refused { code, .. }
            | Error::Incomplete { code, .. }
            | Error::CookieRefused { code, .. },
        ) => code.0,
        Err(error) => panic!("{error}"),
    }
}

/// Everything that one search sends, and how it ends.
pub(crate) async fn all(
    client: &Client,
    search: &Search,
) -> (Vec<Entry>, Vec<String>, Result<(), Error>, Vec<Control>) {
    let (mut entries, mut references) = (Vec::new(), Vec::new());
    let mut stream = match client.search(search).await {
        Ok(stream) => stream,
        Err(error) => return (entries, references, Err(error), Vec::new()),
    };
    loop {
        match stream.next().await {
            Ok(Some(Item::Entry(entry))) => entries.push(entry),
            Ok(Some(Item::Reference(urls))) => references.extend(urls),
            Ok(None) => return (entries, references, Ok(()), stream.controls().to_vec()),
            Err(error) => return (entries, references, Err(error), stream.controls().to_vec()),
        }
    }
}

pub(crate) fn names(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| Dn::parse(&entry.dn).unwrap().name())
        .collect()
}

//! `--check-urls`: whether what the answer promises is there.
//!
//! What users miss first when a URL is wrong: free/busy and automatic replies (EWS), the offline address
//! book, the mailbox itself (MAPI over HTTP).
//!
//! Invariant: no login is sent here, so any host may be looked at.

use std::time::Duration;

use automend_core::discovery::Scheme as UrlScheme;
use automend_core::verdict::Cause;
use automend_negotiate::Scheme;
use automend_probe::answer::{Assessment, HttpAnswer, Promise};
use automend_probe::http::HttpExchange;
use automend_probe::login::challenges;
use automend_system::clock::monotonic;
use futures_util::{StreamExt, stream};

use super::run::{Run, Tester, with};

/// More URLs are not looked at.
const MOST: usize = 64;
/// Looked at so many at once.
const PARALLEL: usize = 8;

/// A URL, and what is wrong with it.
pub(super) struct Checked {
    pub promise: Promise,
    pub exchanges: Vec<HttpExchange>,
    pub status: Option<u16>,
    pub cause: Option<Cause>,
    pub detail: String,
    pub took: Duration,
}

/// Looks at every URL of the settings.
pub(super) async fn check(tester: &Tester, run: &Run) -> Vec<Checked> {
    let promises = run
        .told
        .as_ref()
        .map(|told| told.promises())
        .unwrap_or_default();
    let looks = promises
        .into_iter()
        .take(MOST)
        .map(|promise| look(tester, promise));
    stream::iter(looks).buffered(PARALLEL).collect().await
}

async fn look(tester: &Tester, promise: Promise) -> Checked {
    let watch = monotonic();
    let mut exchanges: Vec<HttpExchange> = Vec::new();
    let judged = tester.get(&promise.url, judge, &mut exchanges).await;
    let response = exchanges
        .last()
        .and_then(|exchange| exchange.response.as_ref());
    let status = response.map(|response| response.status);
    let offers: Vec<Scheme> = response.map_or_else(Vec::new, |response| {
        let offers = challenges(response.headers("www-authenticate"));
        offers
            .into_iter()
            .filter_map(|offer| offer.scheme)
            .collect()
    });
    let (cause, detail) = match judged.cause() {
        Some(Cause::UrlFails) => (Some(Cause::UrlFails), judged.detail),
        Some(other) => (Some(Cause::UrlFails), with(other.what(), &judged.detail)),
        None if status == Some(401) && !keeps(promise.login.as_deref(), &offers) => {
            let names: Vec<&str> = offers.iter().map(|offer| offer.name()).collect();
            let promised = promise.login.as_deref().unwrap_or_default();
            let detail = format!("promised is {promised}, offered is {}", names.join(", "));
            (Some(Cause::UrlLogin), detail)
        }
        None if promise.url.scheme() == UrlScheme::Http => (Some(Cause::UrlPlain), String::new()),
        None => (None, judged.detail),
    };
    Checked {
        promise,
        status,
        cause,
        detail,
        took: watch.elapsed(),
        exchanges,
    }
}

/// Anything but "there is nothing here" and "I failed" is a service that waits for its clients.
fn judge(heard: HttpAnswer<'_>) -> Assessment {
    let said = format!("status {}", heard.status);
    match heard.status {
        403 | 404 | 410 | 500..=599 => Assessment::failed(Cause::UrlFails, said),
        _ => Assessment::there(said),
    }
}

/// Whether the offers keep what `AuthPackage` promises ([MS-OXDSCLI] 2.2.4.1.1.2.6.2).
fn keeps(promised: Option<&str>, offers: &[Scheme]) -> bool {
    let any = |schemes: &[Scheme]| schemes.iter().any(|scheme| offers.contains(scheme));
    match promised.map(str::to_ascii_lowercase).as_deref() {
        Some("basic") => any(&[Scheme::Basic]),
        Some("ntlm") => any(&[Scheme::Ntlm, Scheme::Negotiate]),
        Some("kerb") => any(&[Scheme::Negotiate]),
        Some("kerbntlm" | "negotiate" | "nego2") => any(&[Scheme::Negotiate, Scheme::Ntlm]),
        // Certificates and anonymous access are no scheme, and nothing promised is nothing broken.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_by_the_scheme_or_a_better_one() {
        use Scheme::{Basic, Negotiate, Ntlm};
        for (promised, offers, kept) in [
            (Some("Ntlm"), vec![Ntlm], true),
            (Some("Ntlm"), vec![Negotiate], true),
            (Some("ntlm"), vec![Basic], false),
            (Some("Basic"), vec![Negotiate, Ntlm], false),
            (Some("Negotiate"), vec![Negotiate], true),
            (Some("kerb"), vec![Ntlm], false),
            (Some("anonymous"), vec![], true),
            (None, vec![], true),
        ] {
            assert_eq!(keeps(promised, &offers), kept, "{promised:?} {offers:?}");
        }
    }
}

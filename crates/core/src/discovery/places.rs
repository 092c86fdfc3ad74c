//! Where servers are said to be: service connection points ([MS-OXDISCO] 3.1.5.1) and SRV records
//! (RFC 2782), put into the order in which they are asked.
//!
//! Invariant: the order depends on nothing but what was read. RFC 2782 draws lots among records of one
//! priority; here the heaviest comes first, so that two tests ask the same server.

use super::step::{Scp, SrvRecord};
use super::url::{Domain, Host, Scheme, Url};
use crate::host_port;

/// Marks a service connection point that names a URL.
pub const SCP_URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
/// Marks a service connection point that names another directory.
pub const SCP_POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";

/// More URLs of a directory, or records of a name, are not asked.
const MOST_PLACES: usize = 32;

/// What service connection points come to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Selection {
    /// URLs in the order in which they are asked, each once.
    pub urls: Vec<Url>,
    /// How many name no URL that can be asked.
    pub broken: usize,
    /// The directory that knows the domain, or one that may.
    pub pointer: Option<Host>,
}

/// Sorts service connection points: those for `site` first, then those for no site, then the others. A
/// pointer for this domain beats every URL; a pointer for no domain is taken where there is no URL.
pub(super) fn select(objects: &[Scp], domain: &Domain, site: Option<&str>) -> Selection {
    let mut found = Selection::default();
    let (mut ranked, mut fallback) = (Vec::new(), None);
    for object in objects {
        let has = |marker: &str| {
            let mut keywords = object.keywords.iter();
            keywords.any(|keyword| keyword.trim().eq_ignore_ascii_case(marker))
        };
        if has(SCP_POINTER) {
            let domains: Vec<&str> = values(object, "Domain").collect();
            let host = object.bindings.iter().find_map(|text| directory_host(text));
            if domains
                .iter()
                .any(|text| text.eq_ignore_ascii_case(domain.as_str()))
            {
                found.pointer = found.pointer.or(host);
            } else if domains.is_empty() {
                fallback = fallback.or(host);
            }
        } else if has(SCP_URL) {
            let sites: Vec<&str> = values(object, "Site").collect();
            let here = |text: &&str| site.is_some_and(|site| site.eq_ignore_ascii_case(text));
            let rank = match sites.as_slice() {
                [] => 2,
                sites if sites.iter().any(here) => 1,
                _ => 3,
            };
            for text in &object.bindings {
                match Url::parse(text).filter(|url| url.scheme() == Scheme::Https) {
                    Some(url) => ranked.push((rank, url)),
                    None => found.broken += 1,
                }
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    for (_, url) in ranked {
        let same = |other: &Url| *other == url;
        if found.urls.len() < MOST_PLACES && !found.urls.iter().any(same) {
            found.urls.push(url);
        }
    }
    if found.urls.is_empty() {
        found.pointer = found.pointer.or(fallback);
    }
    found
}

/// The values of `NAME=value` keywords.
fn values<'a>(object: &'a Scp, name: &'static str) -> impl Iterator<Item = &'a str> {
    object.keywords.iter().filter_map(move |keyword| {
        let (key, value) = keyword.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then_some(value.trim())
    })
}

/// The server in `LDAP://server/name`, or the domain in `LDAP://DC=contoso,DC=com`.
fn directory_host(text: &str) -> Option<Host> {
    let (scheme, rest) = text.trim().split_once("://")?;
    if !["ldap", "ldaps", "gc"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
    {
        return None;
    }
    let first = rest.split('/').next()?;
    if !first.contains('=') {
        return Host::parse(host_port::host(first));
    }
    let labels: Vec<&str> = first
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("DC"))
        .map(|(_, label)| label)
        .collect();
    Host::parse(&labels.join("."))
}

/// Sorts SRV records and leaves out those that offer nothing.
pub(super) fn order(mut records: Vec<SrvRecord>) -> Vec<(Host, u16)> {
    records.sort_by_key(|record| (record.priority, u16::MAX - record.weight));
    let mut places: Vec<(Host, u16)> = Vec::new();
    for record in records {
        let Some(host @ Host::Name(_)) = Host::parse(&record.target) else {
            continue;
        };
        let place = (host, record.port);
        if record.port != 0 && places.len() < MOST_PLACES && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::SmtpAddress;

    fn domain() -> Domain {
        Domain::of(&SmtpAddress::parse("alice@contoso.com").unwrap()).unwrap()
    }

    fn scp(keywords: &[&str], bindings: &[&str]) -> Scp {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Scp {
            keywords: owned(keywords),
            bindings: owned(bindings),
        }
    }

    #[track_caller]
    fn check(
        objects: &[Scp],
        site: Option<&str>,
        urls: &[&str],
        broken: usize,
        pointer: Option<&str>,
    ) {
        let found = select(objects, &domain(), site);
        let shown: Vec<String> = found.urls.iter().map(ToString::to_string).collect();
        assert_eq!(shown, urls);
        assert_eq!(found.broken, broken);
        assert_eq!(
            found.pointer.map(|host| host.to_string()).as_deref(),
            pointer
        );
    }

    #[test]
    fn the_own_site_comes_first_and_other_sites_last() {
        let objects = [
            scp(
                &[SCP_URL, "Site=Oslo"],
                &["https://oslo.test/autodiscover/autodiscover.xml"],
            ),
            scp(
                &[SCP_URL],
                &["https://any.test/autodiscover/autodiscover.xml"],
            ),
            scp(
                &[&SCP_URL.to_lowercase(), "site=PARIS", "Site=Lyon"],
                &["https://paris.test/autodiscover/autodiscover.xml"],
            ),
        ];
        let [oslo, any, paris] = ["oslo", "any", "paris"]
            .map(|name| format!("https://{name}.test/autodiscover/autodiscover.xml"));
        check(&objects, Some("Paris"), &[&paris, &any, &oslo], 0, None);
        check(&objects, None, &[&any, &oslo, &paris], 0, None);
    }

    #[test]
    fn a_url_is_asked_once_for_each_case_of_its_path_and_a_broken_one_never() {
        let objects = [
            scp(
                &[SCP_URL],
                &["https://CAS.test/Autodiscover/Autodiscover.xml"],
            ),
            scp(
                &[SCP_URL],
                &["https://cas.test/autodiscover/autodiscover.xml"],
            ),
            scp(
                &[SCP_URL],
                &[
                    "http://cas.test/autodiscover/autodiscover.xml",
                    "",
                    "\\\\cas",
                ],
            ),
            scp(&["something else"], &["https://else.test/"]),
        ];
        check(
            &objects,
            None,
            &[
                "https://cas.test/Autodiscover/Autodiscover.xml",
                "https://cas.test/autodiscover/autodiscover.xml",
            ],
            3,
            None,
        );
    }

    #[test]
    fn a_pointer_for_the_domain_beats_urls_and_one_for_no_domain_is_the_last_resort() {
        let url = scp(
            &[SCP_URL],
            &["https://cas.test/autodiscover/autodiscover.xml"],
        );
        let mine = scp(
            &[SCP_POINTER, "Domain=Contoso.com"],
            &["LDAP://dc1.other.test/CN=x"],
        );
        let other = scp(
            &[SCP_POINTER, "Domain=fabrikam.com"],
            &["LDAP://dc2.other.test"],
        );
        let plain = scp(&[SCP_POINTER], &["LDAP://DC=third,DC=test"]);
        let cas = "https://cas.test/autodiscover/autodiscover.xml";
        check(
            &[url.clone(), mine, plain.clone()],
            None,
            &[cas],
            0,
            Some("dc1.other.test"),
        );
        check(&[url, other.clone(), plain.clone()], None, &[cas], 0, None);
        check(&[other, plain], None, &[], 0, Some("third.test"));
        check(
            &[scp(&[SCP_POINTER], &["http://x.test", "LDAP://"])],
            None,
            &[],
            0,
            None,
        );
    }

    #[test]
    fn records_are_asked_by_priority_then_weight_and_port_and_dot_mean_none() {
        let record = |priority, weight, port, target: &str| SrvRecord {
            priority,
            weight,
            port,
            target: target.to_owned(),
        };
        let places = order(vec![
            record(20, 0, 443, "late.test."),
            record(10, 1, 443, "light.test."),
            record(10, 60000, 8443, "Heavy.test"),
            record(0, 0, 0, "closed.test."),
            record(0, 0, 443, "."),
            record(0, 0, 443, ""),
            record(0, 0, 443, "10.0.0.1"),
            record(30, 0, 443, "light.test"),
        ]);
        let shown: Vec<String> = places
            .iter()
            .map(|(host, port)| format!("{host}:{port}"))
            .collect();
        assert_eq!(
            shown,
            ["heavy.test:8443", "light.test:443", "late.test:443"]
        );
        let many = (0..1000)
            .map(|i| record(i, 0, 443, &format!("h{i}.test")))
            .collect();
        assert_eq!(order(many).len(), MOST_PLACES);
    }
}

//! What Exchange left over in the configuration partition: service connection points and databases of
//! servers that are gone, and administrative groups without any server.
//!
//! None of it belongs to a user, and all of it slows Autodiscover down or breaks it: a client that asks the
//! directory is sent to a dead server, and Microsoft's KB 2487271 has an empty `CN=Servers` behind the very
//! sentence of error 603, `The Active Directory user wasn't found.`
//!
//! Invariant: where no server can be seen at all, nothing is called left over.

use std::collections::HashSet;

use crate::discovery::SCP_URL;
use crate::dn::Dn;
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::attribute;

/// An object that Exchange installed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Installed {
    /// A mailbox database, and the server that holds it, if it names one.
    Database {
        /// The database.
        dn: Dn,
        /// Its server.
        server: Option<Dn>,
    },
    /// A mail server.
    Server(Dn),
    /// The container of the servers of an administrative group.
    ServersContainer(Dn),
    /// A service connection point of Autodiscover.
    ConnectionPoint {
        /// The object.
        dn: Dn,
        /// The host that it says it is of.
        host: String,
        /// Where it leads.
        url: String,
    },
}

/// Class of mailbox databases.
pub const DATABASE: &str = "msExchPrivateMDB";
/// Class of mail servers.
pub const SERVER: &str = "msExchExchangeServer";
/// Class of `CN=Servers` in an administrative group.
pub const SERVERS: &str = "msExchServersContainer";
/// Class of service connection points, governsId 1.2.840.113556.1.5.126.
pub const CONNECTION_POINT: &str = "serviceConnectionPoint";

/// The classes that [`Installed::of`] knows.
pub const CLASSES: [&str; 4] = [DATABASE, SERVER, SERVERS, CONNECTION_POINT];

/// The attributes that [`Installed::of`] reads.
pub const ATTRIBUTES: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::OWNING_SERVER,
    attribute::SERVICE_DNS_NAME,
    attribute::SERVICE_BINDING,
    attribute::KEYWORDS,
];

impl Installed {
    /// What an object of the class is; `values` reads an attribute of it.
    pub fn of(class: &[u8], dn: &Dn, values: impl Fn(&str) -> Vec<String>) -> Option<Self> {
        let is = |known: &str| class.eq_ignore_ascii_case(known.as_bytes());
        let first = |name: &str| values(name).into_iter().next();
        let dn = || dn.clone();
        if is(DATABASE) {
            let server = first(attribute::OWNING_SERVER).and_then(|text| Dn::parse(&text).ok());
            return Some(Self::Database { dn: dn(), server });
        }
        if is(SERVER) {
            return Some(Self::Server(dn()));
        }
        if is(SERVERS) {
            return Some(Self::ServersContainer(dn()));
        }
        let ours = |word: &String| word.trim().eq_ignore_ascii_case(SCP_URL);
        if !is(CONNECTION_POINT) || !values(attribute::KEYWORDS).iter().any(ours) {
            return None;
        }
        let host = first(attribute::SERVICE_DNS_NAME).filter(|host| !host.trim().is_empty());
        Some(Self::ConnectionPoint {
            host: host.unwrap_or_else(|| dn().name()),
            url: first(attribute::SERVICE_BINDING).unwrap_or_default(),
            dn: dn(),
        })
    }
}

/// What is left over.
///
/// A database without any server is reported only where others name theirs: else the attribute was not
/// exported, or may not be read.
pub fn left_over(installed: &[Installed]) -> Vec<Finding> {
    let mut servers: HashSet<&Dn> = HashSet::new();
    let mut owned = false;
    for object in installed {
        match object {
            Installed::Server(dn) => drop(servers.insert(dn)),
            Installed::Database { server, .. } => owned |= server.is_some(),
            Installed::ServersContainer(_) | Installed::ConnectionPoint { .. } => {}
        }
    }
    if servers.is_empty() {
        return Vec::new();
    }
    let names: HashSet<String> = servers.iter().map(|dn| dn.name().to_lowercase()).collect();
    let parents: HashSet<Dn> = servers.iter().filter_map(|dn| dn.parent()).collect();
    let judged = installed.iter().filter_map(|object| match object {
        Installed::Server(_) => None,
        Installed::Database { dn, server } => {
            let evidence = match server {
                Some(server) if servers.contains(server) => return None,
                Some(server) => Evidence::fact(attribute::OWNING_SERVER, server),
                None if owned => Evidence {
                    missing: vec![attribute::OWNING_SERVER],
                    ..Evidence::default()
                },
                None => return None,
            };
            Some((Code::DatabaseWithoutServer, dn, evidence))
        }
        Installed::ServersContainer(dn) => {
            let evidence = Evidence::fact("container", "holds no server");
            (!parents.contains(dn)).then_some((Code::AdministrativeGroupEmpty, dn, evidence))
        }
        Installed::ConnectionPoint { dn, host, url } => {
            let label = host.split('.').next().unwrap_or(host).trim().to_lowercase();
            let within = servers.iter().any(|server| dn.is_within(server));
            let evidence = Evidence::fact(attribute::SERVICE_DNS_NAME, host)
                .and(attribute::SERVICE_BINDING, url);
            (!within && !names.contains(&label)).then_some((Code::ScpWithoutServer, dn, evidence))
        }
    });
    let finding = |(code, dn, evidence): (Code, &Dn, Evidence)| Finding {
        code,
        subject: Subject::named(dn),
        delegates: Vec::new(),
        evidence,
    };
    judged.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    fn server(name: &str) -> Installed {
        Installed::Server(dn(&format!("CN={name},CN=Servers,CN=Group 1,CN=c")))
    }

    fn database(name: &str, server: Option<&str>) -> Installed {
        let server = server.map(|name| dn(&format!("CN={name},CN=Servers,CN=Group 1,CN=c")));
        let dn = dn(&format!("CN={name},CN=Databases,CN=c"));
        Installed::Database { dn, server }
    }

    fn point(place: &str, host: &str) -> Installed {
        let (dn, url) = (
            dn(place),
            "https://x/Autodiscover/Autodiscover.xml".to_owned(),
        );
        Installed::ConnectionPoint {
            dn,
            host: host.to_owned(),
            url,
        }
    }

    #[test]
    fn what_names_a_server_that_is_gone_is_left_over() {
        let ex1 = server("EX1");
        check(
            &[ex1.clone(), point("CN=EX1,CN=c", "ex1.contoso.local")],
            &[],
        );
        check(
            &[
                ex1.clone(),
                point("CN=x,CN=EX1,CN=Servers,CN=Group 1,CN=c", "other"),
            ],
            &[],
        );
        check(&[ex1.clone(), point("CN=OLD,CN=c", "OLD")], &["DS301 OLD"]);
        check(&[ex1.clone(), database("DB1", Some("EX1"))], &[]);
        check(&[ex1.clone(), database("DB1", Some("OLD"))], &["DS302 DB1"]);
        let (one, none) = (database("DB1", Some("EX1")), database("DB2", None));
        check(&[ex1.clone(), one, none.clone()], &["DS302 DB2"]);
        check(&[ex1.clone(), none], &[]);
        let group =
            |n: u8| Installed::ServersContainer(dn(&format!("CN=Servers,CN=Group {n},CN=c")));
        check(&[ex1, group(1), group(2)], &["DS303 Servers"]);
    }

    #[test]
    fn nothing_is_left_over_where_no_server_can_be_seen() {
        check(
            &[point("CN=OLD,CN=c", "OLD"), database("DB1", Some("OLD"))],
            &[],
        );
    }

    #[test]
    fn only_points_that_name_a_url_of_autodiscover_count() {
        let of = |word: &str| {
            let values = |name: &str| match name {
                attribute::KEYWORDS => vec![word.to_owned()],
                _ => Vec::new(),
            };
            Installed::of(b"SERVICECONNECTIONPOINT", &dn("CN=EX1,CN=c"), values)
        };
        assert!(
            matches!(of(&SCP_URL.to_lowercase()), Some(Installed::ConnectionPoint { host, .. }) if host == "EX1")
        );
        assert_eq!(of(crate::discovery::SCP_POINTER), None);
        assert_eq!(of("print queue"), None);
    }

    #[track_caller]
    fn check(installed: &[Installed], expected: &[&str]) {
        let found: Vec<String> = left_over(installed)
            .iter()
            .map(|finding| format!("{} {}", finding.code, finding.subject.shown))
            .collect();
        assert_eq!(found, expected);
    }
}

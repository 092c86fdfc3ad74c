//! What holds for every sequence of answers, however hostile.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Hosts that are about, so that answers meet each other.
const HOSTS: &[&str] = &[
    "contoso.com",
    "autodiscover.contoso.com",
    "mail.contoso.com",
    "fabrikam.com",
    "autodiscover.fabrikam.com",
    "evil.test",
    "autodiscover.com",
    "com",
    "10.0.0.1",
    "outlook.office365.com",
];

fn url() -> impl Strategy<Value = String> {
    let scheme = select(vec!["https://", "http://", "//", ""]);
    let path = select(vec![
        "/autodiscover/autodiscover.xml",
        "/Autodiscover/Autodiscover.xml",
        "/x/autodiscover/autodiscover.xml",
        "/autodiscover/autodiscover.svc",
        "/autodiscover/autodiscover.json",
        "/",
        "",
    ]);
    let port = select(vec!["", ":443", ":8443", ":0"]);
    (scheme, select(HOSTS), port, path, 0u8..40)
        .prop_map(|(scheme, host, port, path, n)| format!("{scheme}{host}{port}{path}?{n}"))
        .boxed()
        .prop_union(any::<String>().boxed())
}

fn address() -> impl Strategy<Value = String> {
    (0u8..30, select(HOSTS))
        .prop_map(|(n, host)| format!("user{n}@{host}"))
        .boxed()
        .prop_union("[a-z@.]{0,12}".boxed())
}

fn answer() -> impl Strategy<Value = Answer> {
    let record = (
        0u16..3,
        0u16..3,
        select(vec![0u16, 80, 443, 8443]),
        select(HOSTS),
    )
        .prop_map(|(priority, weight, port, host)| SrvRecord {
            priority,
            weight,
            port,
            target: host.to_owned(),
        });
    let scp = (any::<bool>(), url(), select(HOSTS), any::<bool>()).prop_map(
        |(points, url, host, mine)| {
            let marker = if points { SCP_POINTER } else { SCP_URL };
            let binding = if points {
                format!("LDAP://{host}")
            } else {
                url
            };
            let mut keywords = vec![marker.to_owned()];
            keywords.extend(mine.then(|| "Domain=contoso.com".to_owned()));
            Scp {
                keywords,
                bindings: vec![binding],
            }
        },
    );
    prop_oneof![
        1 => vec(scp, 0..4).prop_map(Answer::Scp),
        1 => vec(record, 0..4).prop_map(Answer::Srv),
        3 => url().prop_map(Answer::RedirectUrl),
        3 => address().prop_map(Answer::RedirectAddress),
        1 => Just(Answer::Settings),
        1 => Just(Answer::WantsSecret),
        2 => any::<Option<bool>>().prop_map(Answer::Consent),
        3 => select(Cause::ALL).prop_map(Answer::Failed),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let flags = (
        any::<bool>(),
        vec(select(DiscoveryMethod::ALL), 0..4),
        vec(select(DiscoveryMethod::ALL), 0..3),
        0u8..3,
        select(vec![Dialect::Pox, Dialect::Soap, Dialect::MobileSync]),
    );
    (flags, any::<bool>()).prop_map(
        |((all_steps, with, excluded, most_rejections, dialect), given)| {
            let given = given.then(|| Url::parse("https://10.9.8.7/autodiscover/autodiscover.xml"));
            Plan {
                dialect,
                given: given.flatten().into_iter().collect(),
                with,
                directory_host: Host::parse("dc.contoso.com"),
                excluded,
                all_steps,
                most_rejections,
                ..Plan::default()
            }
        },
    )
}

/// Every host that may be asked with a login, found again from what was answered.
#[derive(Default)]
struct Allowed {
    /// These may have the password itself.
    full: HashSet<String>,
    /// These may have a proof of it.
    sealed: HashSet<String>,
    rejections: u8,
}

impl Allowed {
    fn domain(&mut self, address: &str) {
        let domain = address.rsplit('@').next().unwrap().to_owned();
        let home = domain == "contoso.com" || domain.ends_with(".contoso.com");
        let hosts = if home {
            &mut self.full
        } else {
            &mut self.sealed
        };
        hosts.insert(format!("autodiscover.{domain}"));
        hosts.insert(domain);
    }

    /// Learns from what came of a step.
    fn learn(&mut self, act: &Act, answer: &Answer, cause: Option<Cause>) {
        match (act, answer) {
            (_, Answer::RedirectAddress(text)) if cause == Some(Cause::RedirectAddress) => {
                self.domain(text.trim().to_lowercase().trim_end_matches('.'));
            }
            (Act::SearchDirectory { .. }, Answer::Scp(objects)) => {
                let bindings = objects.iter().flat_map(|object| &object.bindings);
                self.full
                    .extend(bindings.filter_map(|text| Some(Url::parse(text)?.host().to_string())));
            }
            (Act::LookUp(name), Answer::Srv(records)) => {
                let domain = name.trim_start_matches("_autodiscover._tcp.");
                for record in records {
                    let inside =
                        record.target == domain || record.target.ends_with(&format!(".{domain}"));
                    if inside {
                        self.sealed.insert(record.target.clone());
                        if domain == "contoso.com" {
                            self.full.insert(record.target.clone());
                        }
                    }
                }
            }
            (Act::Consent(question), Answer::Consent(Some(true))) => {
                self.full.insert(question.host.to_string());
            }
            (_, Answer::Failed(Cause::LoginRejected | Cause::LoginDowngrade)) => {
                self.rejections += 1;
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_answer_makes_it_log_in_where_it_must_not_and_it_always_ends(
        plan in plan(),
        answers in vec(answer(), 1..60),
    ) {
        let most_rejections = plan.most_rejections;
        let mut allowed = Allowed::default();
        allowed.domain("alice@contoso.com");
        if !plan.given.is_empty() {
            allowed.full.insert("10.9.8.7".to_owned());
        }
        if plan.with.contains(&DiscoveryMethod::Microsoft365) {
            allowed.full.insert("outlook.office365.com".to_owned());
        }
        let mut search = Discovery::new(&SmtpAddress::parse("alice@contoso.com").unwrap(), plan).unwrap();
        let mut answers = answers.iter().cycle();
        let mut steps = 0;
        while let Some(step) = search.next_step() {
            steps += 1;
            prop_assert!(steps < 2000, "it does not end");
            match &step.act {
                Act::Ask(ask) => {
                    prop_assert_eq!(ask.url().scheme(), Scheme::Https);
                    let host = ask.url().host().to_string();
                    match ask.login() {
                        Login::Full => prop_assert!(
                            allowed.full.contains(&host) || host.ends_with(".contoso.com"),
                            "{host} gets the password"
                        ),
                        Login::Sealed => prop_assert!(
                            allowed.sealed.contains(&host) || allowed.full.contains(&host),
                            "{host} gets a login"
                        ),
                        Login::Withheld => prop_assert!(allowed.rejections >= most_rejections),
                    }
                    if allowed.rejections >= most_rejections {
                        prop_assert_eq!(ask.login(), Login::Withheld);
                    }
                }
                Act::Probe(url) => {
                    prop_assert_eq!(url.scheme(), Scheme::Http);
                    prop_assert!(url.host().to_string().starts_with("autodiscover."));
                }
                Act::AskJson(url) => prop_assert_eq!(url.scheme(), Scheme::Https),
                Act::SearchDirectory { .. } | Act::ReadLocalXml | Act::LookUp(_) | Act::Consent(_) => {}
            }
            let answer = answers.next().unwrap().clone();
            search.feed(answer.clone());
            let cause = search.tried().last().and_then(|tried| tried.cause);
            allowed.learn(&step.act, &answer, cause);
        }
        let end = search.conclusion();
        prop_assert_eq!(end.verdict == Verdict::Ok, end.cause.is_none_or(|cause| !cause.fails()) && end.verdict != Verdict::Warning);
    }

    #[test]
    fn a_url_that_is_read_is_shown_so_that_it_is_read_the_same(text in url()) {
        if let Some(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.to_string()), Some(url));
        }
    }

    #[test]
    fn a_host_is_never_shorter_than_the_domain(local in "[a-z]{1,5}", domain in "[a-z.]{1,30}") {
        let Ok(address) = SmtpAddress::parse(&format!("{local}@{domain}")) else {
            return Ok(());
        };
        let Ok(mut search) = Discovery::new(&address, Plan { most_rejections: 1, ..Plan::default() }) else {
            return Ok(());
        };
        while let Some(step) = search.next_step() {
            if let Act::Ask(ask) = &step.act {
                let ends = domain.trim_end_matches('.');
                prop_assert!(ask.url().host().to_string().ends_with(ends));
            }
            search.feed(Answer::Failed(Cause::NoSuchHost));
        }
    }
}

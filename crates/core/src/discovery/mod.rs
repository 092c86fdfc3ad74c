//! Discovery: Outlook's search for the server that knows a mailbox, as a state machine.
//!
//! [MS-OXDISCO] 3.1.5 names the places; their order, and when the search ends, is what Outlook 2016 does
//! (support article 3211279) and what the EWS Managed API shows in its source. An error from a server
//! that the directory names decides nothing, one from any other ends the search; redirects to URLs and to
//! addresses share a count of ten.
//!
//! The caller calls [`Discovery::next_step`], does what it says, and calls [`Discovery::feed`]
//! with what came of it, until there is no next step.
//!
//! Invariants: it always ends. Credentials go to `https` URLs only, whose host is the domain,
//! `autodiscover.` before it, the target of an SRV record, the server of a service connection point, one
//! that the administrator named, or one that the user allowed; no host is ever made by cutting labels
//! off. Nothing here does I/O or reads a clock.

mod follow;
mod places;
mod plan;
mod step;
mod url;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use places::{SCP_POINTER, SCP_URL};
pub use plan::Plan;
pub use step::{
    Act, Answer, Ask, Dialect, DiscoveryMethod, Login, Question, Reason, Scp, SrvRecord, Step,
    Tried,
};
pub use url::{Domain, Host, Scheme, Url};

use std::collections::{HashSet, VecDeque};

use crate::names::SmtpAddress;
use crate::verdict::{Cause, Verdict, most_telling, verdict_of};

/// Redirects that Outlook follows, to URLs and to addresses together.
pub const MOST_REDIRECTS: u8 = 10;

/// A failure as heavy as this is that of a mail server, not of some web site: a login is wanted.
const MAIL_SERVER: u8 = 60;

/// A failure no heavier than this says that there is nothing, not that something is broken.
const NOTHING_THERE: u8 = 12;

/// The search.
#[derive(Clone, Debug)]
pub struct Discovery {
    plan: Plan,
    /// The domain whose servers may have the password itself.
    home: Option<Domain>,
    queue: VecDeque<Pending>,
    current: Option<(Pending, Step)>,
    tried: Vec<Tried>,
    /// What was asked about whom.
    asked: HashSet<(SmtpAddress, Url)>,
    /// Addresses that the search went through.
    addresses: HashSet<SmtpAddress>,
    /// Directory servers that pointers led to.
    directories: HashSet<Host>,
    /// Hosts that the directory names.
    named: HashSet<Host>,
    /// The user's answer about a host.
    consents: Vec<(Host, Option<bool>)>,
    redirects: u8,
    rejections: u8,
    decided: Option<usize>,
}

/// A step that waits for its turn.
#[derive(Clone, Debug)]
struct Pending {
    way: DiscoveryMethod,
    todo: Todo,
    address: SmtpAddress,
    led_by: Option<usize>,
    /// Whether Outlook would come here.
    outlook: bool,
    /// Redirects that led here, where Outlook's own count is not concerned.
    redirects: u8,
}

#[derive(Clone, Debug)]
enum Todo {
    /// Told as left out.
    Leave(Cause),
    SearchDirectory(Option<Host>),
    ReadLocalXml,
    Ask(Url, Login),
    Probe(Url),
    AskJson(Url),
    LookUp(String),
    /// What follows when it is granted.
    Consent(Question, Box<Todo>),
}

/// Whether a login failed, which a directory may have counted.
fn is_rejection(cause: Cause) -> bool {
    matches!(cause, Cause::LoginRejected | Cause::LoginDowngrade)
}

/// What a search comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conclusion {
    /// The verdict.
    pub verdict: Verdict,
    /// Why; `None` for settings.
    pub cause: Option<Cause>,
    /// The step that decides, or tells most, by its place.
    pub at: Option<usize>,
}

impl Discovery {
    /// Begins a search for `address`.
    ///
    /// # Errors
    ///
    /// Why no host may be made of its domain; never where the administrator named a URL.
    pub fn new(address: &SmtpAddress, plan: Plan) -> Result<Self, Cause> {
        let domain = Domain::of(address);
        if plan.given.is_empty() {
            domain.clone()?;
        }
        let mut search = Self {
            home: plan.home.clone().or(domain.ok()),
            queue: VecDeque::new(),
            current: None,
            tried: Vec::new(),
            asked: HashSet::new(),
            addresses: HashSet::from([address.clone()]),
            directories: plan.directory_host.iter().cloned().collect(),
            named: HashSet::new(),
            consents: Vec::new(),
            redirects: 0,
            rejections: 0,
            decided: None,
            plan,
        };
        search.queue = search.ways(address, None).into();
        Ok(search)
    }

    /// What to do next; the same until [`feed`](Self::feed) gets the result. `None` at the end.
    pub fn next_step(&mut self) -> Option<Step> {
        while self.current.is_none() {
            let pending = self.queue.pop_front()?;
            self.take_up(pending);
        }
        self.current.as_ref().map(|(_, step)| step.clone())
    }

    /// Takes what came of the step; without one it does nothing.
    pub fn feed(&mut self, answer: Answer) {
        let Some((pending, step)) = self.current.take() else {
            return;
        };
        let at = self.record(&pending, Some(step.act), None);
        let cause = self.judge(&pending, answer, at);
        if let Some(tried) = self.tried.get_mut(at) {
            tried.cause = cause;
        }
        if pending.outlook && self.decides(pending.way, cause) {
            self.decided = Some(at);
            if self.plan.all_steps {
                self.queue
                    .iter_mut()
                    .for_each(|pending| pending.outlook = false);
            } else {
                self.queue.clear();
            }
        }
    }

    /// Every step that was taken, in order.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// How many logins were rejected.
    pub fn rejections(&self) -> u8 {
        self.rejections
    }

    /// What the search comes to.
    pub fn conclusion(&self) -> Conclusion {
        let conclude = |at, cause| Conclusion {
            verdict: verdict_of(cause),
            cause,
            at,
        };
        if let Some(at) = self.decided {
            return conclude(Some(at), self.tried.get(at).and_then(|tried| tried.cause));
        }
        // The root domain is a web site as a rule, and what is wrong with that tells little.
        match self.telling(false).or_else(|| self.telling(true)) {
            Some((at, cause)) => conclude(Some(at), Some(cause)),
            None => conclude(None, Some(Cause::NothingFound)),
        }
    }

    /// The failure that tells most.
    fn telling(&self, root: bool) -> Option<(usize, Cause)> {
        let failures = self.tried.iter().map(|tried| {
            let cause = tried.cause.filter(|_| tried.outlook);
            let cause = cause.unwrap_or(Cause::Excluded);
            let counts =
                root || tried.way != DiscoveryMethod::RootDomain || cause.weight() >= MAIL_SERVER;
            (
                if counts { cause } else { Cause::Excluded },
                tried.way.preference(),
            )
        });
        most_telling(failures).filter(|(_, cause)| cause.weight() > NOTHING_THERE)
    }

    /// Makes `pending` the current step, or tells why it is left out.
    fn take_up(&mut self, pending: Pending) {
        match &pending.todo {
            Todo::Ask(url, _) | Todo::Probe(url) | Todo::AskJson(url) => {
                if !self.asked.insert((pending.address.clone(), url.clone())) {
                    if self.plan.all_steps {
                        self.record(&pending, None, Some(Cause::AlreadyAsked));
                    }
                    return;
                }
            }
            Todo::Consent(question, then) => {
                let mut consents = self.consents.iter();
                if let Some((_, said)) = consents.find(|(host, _)| *host == question.host).cloned()
                {
                    if said == Some(true) {
                        let todo = (**then).clone();
                        self.queue.push_front(Pending { todo, ..pending });
                    } else {
                        let act = Act::Consent(question.clone());
                        self.record(&pending, Some(act), Some(step::cause_of_consent(said)));
                    }
                    return;
                }
            }
            Todo::Leave(_) | Todo::SearchDirectory(_) | Todo::ReadLocalXml | Todo::LookUp(_) => {}
        }
        match self.act(&pending) {
            Ok(act) => {
                let way = pending.way;
                self.current = Some((pending, Step { way, act }));
            }
            Err(cause) => {
                self.record(&pending, None, Some(cause));
            }
        }
    }

    fn act(&self, pending: &Pending) -> Result<Act, Cause> {
        Ok(match &pending.todo {
            Todo::Leave(cause) => return Err(*cause),
            Todo::SearchDirectory(at) => Act::SearchDirectory { at: at.clone() },
            Todo::ReadLocalXml => Act::ReadLocalXml,
            Todo::Ask(url, login) => {
                let login = if self.rejections >= self.plan.most_rejections {
                    Login::Withheld
                } else {
                    *login
                };
                let ask = Ask::new(url.clone(), pending.address.clone(), login);
                Act::Ask(ask.ok_or(Cause::RedirectPlain)?)
            }
            Todo::Probe(url) => Act::Probe(url.clone()),
            Todo::AskJson(url) => Act::AskJson(url.clone()),
            Todo::LookUp(name) => Act::LookUp(name.clone()),
            Todo::Consent(question, _) => Act::Consent(question.clone()),
        })
    }

    fn record(&mut self, pending: &Pending, act: Option<Act>, cause: Option<Cause>) -> usize {
        self.tried.push(Tried {
            way: pending.way,
            act,
            address: pending.address.clone(),
            led_by: pending.led_by,
            outlook: pending.outlook,
            cause,
        });
        self.tried.len() - 1
    }

    /// Whether the search is over for Outlook.
    fn decides(&self, way: DiscoveryMethod, cause: Option<Cause>) -> bool {
        match cause {
            None | Some(Cause::RedirectLimit) => true,
            Some(cause) if is_rejection(cause) => self.rejections >= self.plan.most_rejections,
            Some(cause) => cause.is_fault() && way != DiscoveryMethod::Scp,
        }
    }

    /// The ways to `address`, in Outlook's order.
    fn ways(&self, address: &SmtpAddress, led_by: Option<usize>) -> Vec<Pending> {
        let first = led_by.is_none();
        let only_given = first && !self.plan.given.is_empty() && !self.plan.all_steps;
        let mut ways = Vec::new();
        for way in DiscoveryMethod::ALL {
            if (*way == DiscoveryMethod::Given && !first)
                || (*way != DiscoveryMethod::Given && only_given)
            {
                continue;
            }
            for todo in self.todos(*way, address) {
                // What is left out is reported only where every step is.
                if self.plan.all_steps || !matches!(todo, Todo::Leave(_)) {
                    ways.push(Pending {
                        way: *way,
                        todo,
                        address: address.clone(),
                        led_by,
                        outlook: true,
                        redirects: 0,
                    });
                }
            }
        }
        ways
    }

    fn todos(&self, way: DiscoveryMethod, address: &SmtpAddress) -> Vec<Todo> {
        if way == DiscoveryMethod::Given {
            // What was given for one protocol is where the others are, too; any other file is meant as it is.
            let meant = |url: &Url| {
                if plan::is_endpoint(url) {
                    self.plan.in_dialect(url)
                } else {
                    url.clone()
                }
            };
            let given = self.plan.given.iter().map(meant);
            return given.map(|url| Todo::Ask(url, Login::Full)).collect();
        }
        let Ok(domain) = Domain::of(address) else {
            return Vec::new();
        };
        if self.plan.excluded.contains(&way) {
            return vec![Todo::Leave(Cause::Excluded)];
        }
        let target = self.plan.dialect.target();
        let https = |host, target: &str| Url::of(Scheme::Https, host, 443, target);
        let ask = |host: Host| {
            let login = self.standing(&host, address).unwrap_or(Login::Sealed);
            vec![Todo::Ask(https(host, &target), login)]
        };
        let (root, host) = (Host::from(&domain), domain.autodiscover_host());
        let with = |way| self.plan.with.contains(&way);
        match way {
            DiscoveryMethod::Microsoft365 if with(way) => ask(plan::microsoft_365()),
            DiscoveryMethod::V2Json if with(way) => {
                let target = plan::json_target(address);
                let online = with(DiscoveryMethod::Microsoft365).then(plan::microsoft_365);
                let hosts = online.into_iter().chain([host, root]);
                hosts
                    .map(|host| Todo::AskJson(https(host, &target)))
                    .collect()
            }
            DiscoveryMethod::Given | DiscoveryMethod::Microsoft365 | DiscoveryMethod::V2Json => {
                Vec::new()
            }
            DiscoveryMethod::Scp if with(way) => vec![Todo::SearchDirectory(None)],
            DiscoveryMethod::Scp => vec![Todo::Leave(Cause::NoDirectory)],
            DiscoveryMethod::RootDomain => ask(root),
            DiscoveryMethod::AutodiscoverHost => ask(host),
            DiscoveryMethod::LocalXml if with(way) => vec![Todo::ReadLocalXml],
            DiscoveryMethod::LocalXml => vec![Todo::Leave(Cause::NoLocalXml)],
            DiscoveryMethod::HttpRedirect => vec![Todo::Probe(plan::probe(&domain, &target))],
            DiscoveryMethod::Srv => vec![Todo::LookUp(domain.srv_name())],
        }
    }
}

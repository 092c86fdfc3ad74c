//! What an answer comes to, and where it leads: redirects, records, pointers, consent.
//!
//! Invariant: every step that is added here is counted against something that ends (redirects, addresses,
//! pointers, or URLs that are asked once), and a host that is not vouched for is asked about first.

use super::places;
use super::plan::{is_endpoint, is_json_endpoint, leads_somewhere};
use super::step::cause_of_consent;
use super::{
    Answer, Discovery, Domain, Host, Login, MOST_REDIRECTS, Pending, Question, Reason, Scheme, Scp,
    SrvRecord, Todo, Url,
};
use crate::names::SmtpAddress;
use crate::verdict::Cause;

impl Discovery {
    /// What `answer` comes to for the step that has its place at `at`; `None` is settings.
    pub(super) fn judge(&mut self, pending: &Pending, answer: Answer, at: usize) -> Option<Cause> {
        Some(match (&pending.todo, answer) {
            (Todo::Ask(..) | Todo::ReadLocalXml, Answer::Settings) => return None,
            (Todo::SearchDirectory(_), Answer::Scp(objects)) => self.points(pending, &objects, at),
            (Todo::LookUp(_), Answer::Srv(records)) => self.records(pending, records, at),
            (
                Todo::Ask(url, _) | Todo::Probe(url) | Todo::AskJson(url),
                Answer::RedirectUrl(text),
            ) => self.redirect(pending, url.join(&text), at),
            (Todo::ReadLocalXml, Answer::RedirectUrl(text)) => {
                self.redirect(pending, Url::parse(&text), at)
            }
            (Todo::Ask(..) | Todo::ReadLocalXml, Answer::RedirectAddress(text)) => {
                self.start_over(pending, &text, at)
            }
            (Todo::Ask(url, Login::Sealed), Answer::WantsSecret) => {
                // It may be asked once more.
                self.asked.remove(&(pending.address.clone(), url.clone()));
                self.follow(pending, question(url, Reason::Secret), at);
                Cause::SecretWanted
            }
            (Todo::Consent(question, then), Answer::Consent(said)) => {
                self.consents.push((question.host.clone(), said));
                if said == Some(true) {
                    self.follow(pending, (**then).clone(), at);
                }
                cause_of_consent(said)
            }
            (_, Answer::Failed(cause)) => {
                if super::is_rejection(cause) {
                    self.rejections = self.rejections.saturating_add(1);
                }
                cause
            }
            // The answer to another question.
            _ => Cause::AnswerForeign,
        })
    }

    /// How far one may log in at `host` when it is asked about `address`; `None` where it is not vouched for
    /// for it.
    pub(super) fn standing(&self, host: &Host, address: &SmtpAddress) -> Option<Login> {
        let granted = |(other, said): &(Host, Option<bool>)| other == host && *said == Some(true);
        if self.plan.allows(host) || self.named.contains(host) || self.consents.iter().any(granted)
        {
            return Some(Login::Full);
        }
        let domain = Domain::of(address).ok()?;
        let own = *host == Host::from(&domain) || *host == domain.autodiscover_host();
        own.then(|| self.of_domain(&domain))
    }

    /// How far one may log in at a host below the mail domain, for which the holder of the domain vouches:
    /// no one else gets a certificate for it. Upwards this does not hold.
    fn below(&self, host: &Host, address: &SmtpAddress) -> Option<Login> {
        let domain = Domain::of(address).ok()?;
        host.is_within(&domain).then(|| self.of_domain(&domain))
    }

    /// A server of the domain with which everything began may have the password itself; one of a domain
    /// that only an answer names may not.
    fn of_domain(&self, domain: &Domain) -> Login {
        match &self.home {
            Some(home) if domain.is_within(home) => Login::Full,
            _ => Login::Sealed,
        }
    }

    /// A redirect to a URL ([MS-OXDISCO] 3.1.5.4, [MS-OXDSCLI] 3.1.5.4).
    fn redirect(&mut self, pending: &Pending, target: Option<Url>, at: usize) -> Cause {
        let Some(url) = target else {
            return Cause::RedirectBroken;
        };
        if url.scheme() != Scheme::Https {
            return Cause::RedirectPlain;
        }
        if matches!(pending.todo, Todo::AskJson(_)) && is_json_endpoint(&url) {
            // Asked without credentials, so it may be anybody.
            return self.lead(pending, &url, Todo::AskJson(url.clone()), at);
        }
        if !leads_somewhere(&url) {
            return Cause::RedirectPath;
        }
        let url = self.plan.in_dialect(&url);
        let login = match &pending.todo {
            // The server sends on to itself.
            Todo::Ask(from, login) if from.host() == url.host() => Some(*login),
            _ => self
                .standing(url.host(), &pending.address)
                .or_else(|| self.below(url.host(), &pending.address)),
        };
        let todo = login.map_or_else(
            || question(&url, Reason::Redirect),
            |login| Todo::Ask(url.clone(), login),
        );
        self.lead(pending, &url, todo, at)
    }

    fn lead(&mut self, pending: &Pending, url: &Url, todo: Todo, at: usize) -> Cause {
        if self.asked.contains(&(pending.address.clone(), url.clone())) {
            return Cause::RedirectLoop;
        }
        if !self.count(pending) {
            return Cause::RedirectLimit;
        }
        self.follow(pending, todo, at);
        Cause::RedirectUrl
    }

    /// A redirect to an address: the search starts over with it.
    fn start_over(&mut self, pending: &Pending, text: &str, at: usize) -> Cause {
        let Ok(address) = SmtpAddress::parse(text) else {
            return Cause::RedirectNoAddress;
        };
        if address == pending.address {
            return Cause::RedirectSame;
        }
        if self.addresses.contains(&address) {
            return Cause::RedirectLoop;
        }
        if Domain::of(&address).is_err() {
            return Cause::RedirectNoAddress;
        }
        if !pending.outlook {
            // What Outlook's search came to is known already.
            return Cause::RedirectAddress;
        }
        if !self.count(pending) {
            return Cause::RedirectLimit;
        }
        self.addresses.insert(address.clone());
        if self.plan.all_steps {
            self.queue
                .iter_mut()
                .for_each(|pending| pending.outlook = false);
        } else {
            self.queue.clear();
        }
        for pending in self.ways(&address, Some(at)).into_iter().rev() {
            self.queue.push_front(pending);
        }
        Cause::RedirectAddress
    }

    /// Counts a redirect; false when there were too many.
    fn count(&mut self, pending: &Pending) -> bool {
        if pending.outlook {
            let more = self.redirects < MOST_REDIRECTS;
            self.redirects += u8::from(more);
            more
        } else {
            pending.redirects < MOST_REDIRECTS
        }
    }

    /// What the directory says.
    fn points(&mut self, pending: &Pending, objects: &[Scp], at: usize) -> Cause {
        let Ok(domain) = Domain::of(&pending.address) else {
            return Cause::BadDomain;
        };
        let found = places::select(objects, &domain, self.plan.site.as_deref());
        if let Some(host) = found.pointer {
            if self.directories.contains(&host) {
                return Cause::RedirectLoop;
            }
            if self.directories.len() > usize::from(MOST_REDIRECTS) {
                return Cause::RedirectLimit;
            }
            self.directories.insert(host.clone());
            let then = Todo::SearchDirectory(Some(host.clone()));
            let todo = if self.plan.allows(&host) {
                then
            } else {
                let asked = Question {
                    host,
                    url: None,
                    reason: Reason::Pointer,
                };
                Todo::Consent(asked, Box::new(then))
            };
            self.follow(pending, todo, at);
            return Cause::ScpPointer;
        }
        let (usable, others): (Vec<Url>, Vec<Url>) = found.urls.into_iter().partition(is_endpoint);
        if usable.is_empty() {
            return if found.broken > 0 || !others.is_empty() {
                Cause::ScpBroken
            } else {
                Cause::NoScp
            };
        }
        for url in usable.iter().rev() {
            self.named.insert(url.host().clone());
            let url = self.plan.in_dialect(url);
            self.follow(pending, Todo::Ask(url, Login::Full), at);
        }
        Cause::ServersNamed
    }

    /// What DNS says.
    fn records(&mut self, pending: &Pending, records: Vec<SrvRecord>, at: usize) -> Cause {
        if records.is_empty() {
            return Cause::NoSrv;
        }
        if Domain::of(&pending.address).is_err() {
            return Cause::BadDomain;
        }
        let places = places::order(records);
        if places.is_empty() {
            return Cause::SrvUnusable;
        }
        let target = self.plan.dialect.target();
        for (host, port) in places.into_iter().rev() {
            let login = self
                .standing(&host, &pending.address)
                .or_else(|| self.below(&host, &pending.address));
            let url = Url::of(Scheme::Https, host, port, &target);
            // DNS is not to be believed about a host that the domain does not contain.
            let todo = login.map_or_else(
                || question(&url, Reason::Srv),
                |login| Todo::Ask(url.clone(), login),
            );
            self.follow(pending, todo, at);
        }
        Cause::ServersNamed
    }

    /// Puts what an answer leads to before everything else.
    fn follow(&mut self, pending: &Pending, todo: Todo, at: usize) {
        self.queue.push_front(Pending {
            todo,
            led_by: Some(at),
            redirects: pending.redirects.saturating_add(1),
            ..pending.clone()
        });
    }
}

/// Asks whether `url` may be asked with any login, and then asks it.
fn question(url: &Url, reason: Reason) -> Todo {
    let question = Question {
        host: url.host().clone(),
        url: Some(url.clone()),
        reason,
    };
    Todo::Consent(question, Box::new(Todo::Ask(url.clone(), Login::Full)))
}

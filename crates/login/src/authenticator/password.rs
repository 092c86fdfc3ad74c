//! A login with Basic that is not in the cache.
//!
//! The steps, in their order, and what each one may end with:
//!
//! 1. the address: too many failures of it;
//! 2. the same login of another request: waits for it, then asks the cache again;
//! 3. the header: no name and password in it;
//! 4. the name's record: a wrong password that is repeated, or too many failures, whether the account exists
//!    or not;
//! 5. the search for the account: the directory is not available;
//! 6. the throttle: counts the attempt as pending, or denies it;
//! 7. the check, in a task of its own: by the directory, or as a decoy where the account has too many failures.
//!
//! Invariant: an attempt that was begun is settled, whatever becomes of its client.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use automend_system::clock;
use futures_util::future::{Either, select};

use super::super::account::{Authenticated, keyed_hash};
use super::super::accounts::Candidate;
use super::super::credential_cache::Digest;
use super::super::name::Login;
use super::super::outcome::{Outcome, Unavailable};
use super::super::throttle::{Denied, Permit};
use super::super::{Verdict, basic};
use super::{Authenticator, Connection, WITHHELD_AGAIN, accept, attempt};

/// What came of a check.
type Checked = Result<Outcome<Authenticated>, Unavailable>;

/// Why a password was refused, where it was not the password; for the log.
const WITHHELD: &str = "too many failures of the account, so it was not asked";
const CLOSED: &str = "the account may not log in now";

impl Authenticator {
    pub(super) async fn password(
        self: &Arc<Self>,
        connection: &mut Connection,
        token: &[u8],
        digest: Digest,
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        if let Some(wait) = self.throttle.address(from, now) {
            return Self::address_throttled(connection, from, wait);
        }
        let alone = self.in_flight.lock(&digest).await;
        let began = clock::monotonic();
        if let Some(verdict) = self.cached(&digest, began) {
            return verdict;
        }
        let Some(credentials) = basic::read(token) else {
            return self.refuse(connection, "no user and password in a Basic login");
        };
        let Some(login) = Login::parse(&credentials.user) else {
            return self.refuse(connection, "a name that no account can have");
        };
        let password = self
            .credentials
            .digest(&[b"password", credentials.password.as_bytes()])
            .key();
        // Before the search, which costs the directory work, too.
        let name = keyed_hash(login.key());
        if let Err(denied) = self.throttle.look(name, Some(password), from, began) {
            // Requests with the same login need not wait for each other.
            drop(alone);
            return self.deny(connection, &login, denied, began).await;
        }
        let candidate = match self.find(&login).await {
            Ok(candidate) => candidate,
            Err(unavailable) => return unavailable.into(),
        };
        let attempt = attempt(&login, &candidate, Some(password), from);
        let mut permit = match self.throttle.enter_soon(&attempt).await {
            Ok(permit) => permit,
            Err(denied) => {
                drop(alone);
                return self.deny(connection, &login, denied, began).await;
            }
        };
        let extra = permit.extra();
        // In a task of its own: a client that leaves in the middle, whose request is dropped with all that
        // it waits for, must not take back what the directory counts all the same.
        let authenticator = Arc::clone(self);
        let checked = tokio::spawn(async move {
            let _alone = alone;
            let (checked, why) = authenticator
                .check(&mut permit, &candidate, &credentials.password)
                .await;
            let outcome = checked.as_ref().ok().map(Outcome::erased);
            permit.settle(outcome.as_ref(), clock::monotonic());
            if let Ok(Outcome::Accepted(login)) = &checked {
                authenticator.credentials.keep(digest, login.clone(), began);
            }
            (checked, why)
        });
        let Ok((checked, why)) = checked.await else {
            return Verdict::Unavailable("checking a login broke off".to_owned());
        };
        let why = match checked {
            Ok(Outcome::Accepted(login)) => return accept(&login, None),
            Ok(Outcome::Unknown(why)) => return Verdict::Unavailable(why),
            Err(unavailable) => return unavailable.into(),
            Ok(Outcome::Wrong) => "wrong login",
            Ok(Outcome::Closed) => why,
        };
        if let Some(wait) = extra {
            return self.throttle_late(connection, &login, wait, began).await;
        }
        let why = format!("{}: {why}", login.key());
        self.refuse_late(connection, began, why).await
    }

    /// Checks a password, where the account lets it through, and does as if where it does not; with the reason
    /// for the log, where that is not the password.
    ///
    /// It takes as long as for a name without an account. Where other attempts at the account are pending, a
    /// decoy is checked meanwhile; when all of them have failed, that was the check.
    async fn check(
        &self,
        permit: &mut Permit,
        candidate: &Candidate,
        password: &str,
    ) -> (Checked, &'static str) {
        let repeated = permit.is_repeated();
        match permit.enter_account(clock::monotonic()) {
            Ok(()) => {}
            // Under a name without an account, it would be known for wrong by now, and cost nothing.
            Err(_) if repeated => return (Ok(Outcome::Closed), WITHHELD_AGAIN),
            Err(Denied::Pending) => {
                let decoy = pin!(self.accounts.decoy_check(candidate, password));
                let decided = pin!(permit.enter_account_soon());
                let decoy = match select(decided, decoy).await {
                    Either::Left((Ok(()), _)) => None,
                    Either::Left((Err(_), decoy)) => Some(decoy.await),
                    Either::Right((decoy, decided)) => decided.await.err().map(|_| decoy),
                };
                if let Some(decoy) = decoy {
                    return (decoy, WITHHELD);
                }
            }
            Err(_) => {
                let decoy = self.accounts.decoy_check(candidate, password).await;
                return (decoy, WITHHELD);
            }
        }
        (self.accounts.check(candidate, password).await, CLOSED)
    }

    /// Accepts credentials that were right a moment ago, if they still are.
    pub(super) fn cached(&self, digest: &Digest, now: Instant) -> Option<Verdict> {
        let login = self.credentials.find(digest, now)?;
        if self.accounts.still_holds(&login.validity) {
            return Some(accept(&login, None));
        }
        self.credentials.forget(digest);
        None
    }
}

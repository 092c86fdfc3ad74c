//! A login with NTLM ([MS-NTHT]): a negotiation, a challenge, a response; all on one connection.
//!
//! Invariant: a challenge is answered once, by a message in the same wrapping, on its own connection.

use std::net::IpAddr;
use std::time::Instant;

use automend_negotiate::FILETIME_EPOCH;
use automend_negotiate::ntlm::{Authenticate, Challenge};
use automend_negotiate::spnego;
use automend_system::clock;

use super::super::Verdict;
use super::super::account::keyed_hash;
use super::super::header::Wrapping;
use super::super::name::Login;
use super::super::outcome::Outcome;
use super::{Authenticator, Connection, State, accept, attempt};

impl Authenticator {
    pub(super) async fn ntlm(
        &self,
        connection: &mut Connection,
        wrapping: Wrapping,
        token: &[u8],
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        let before = std::mem::take(&mut connection.state);
        if let Some(wait) = self.throttle.address(from, now) {
            return Self::address_throttled(connection, from, wait);
        }
        if Challenge::is_asked_for(token) {
            return self.ntlm_challenge(connection, wrapping, token);
        }
        let response = match Authenticate::read(token) {
            Ok(response) => response,
            Err(malformed) => return self.refuse(connection, malformed.to_string()),
        };
        let State::Challenged(before, challenge) = before else {
            return self.refuse(connection, "an answer of NTLM without a challenge");
        };
        if before != wrapping {
            return self.refuse(
                connection,
                "an answer of NTLM to another scheme's challenge",
            );
        }
        self.ntlm_response(connection, wrapping, (challenge, response), from, now)
            .await
    }

    fn ntlm_challenge(
        &self,
        connection: &mut Connection,
        wrapping: Wrapping,
        token: &[u8],
    ) -> Verdict {
        let seconds = u64::try_from(clock::now().as_second()).unwrap_or(0);
        let time = seconds
            .saturating_add(FILETIME_EPOCH)
            .saturating_mul(10_000_000);
        match Challenge::to(token, &self.names, time) {
            Ok(challenge) => {
                let value = wrapping.value(challenge.message(), spnego::State::Incomplete);
                connection.state = State::Challenged(wrapping, Box::new(challenge));
                Verdict::Challenge(vec![value])
            }
            Err(failed) => Verdict::Unavailable(failed.to_string()),
        }
    }

    async fn ntlm_response(
        &self,
        connection: &mut Connection,
        wrapping: Wrapping,
        (challenge, response): (Box<Challenge>, Authenticate),
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        let Some(login) = Login::of(&response.user, &response.domain) else {
            return self.refuse(connection, "a name that no account can have");
        };
        // Before the search: it is the same for every account, and no password is tried.
        if let Some(purpose) = &connection.purpose {
            let who = login.key();
            let meant = purpose
                .is_service(&who, response.service.as_deref())
                .and_then(|()| purpose.is_channel(&who, response.channel));
            if let Err(why) = meant {
                return self.refuse(connection, why);
            }
        }
        let name = keyed_hash(login.key());
        if let Err(denied) = self.throttle.look(name, None, from, now) {
            return self.deny(connection, &login, denied, now).await;
        }
        let candidate = match self.find(&login).await {
            Ok(candidate) => candidate,
            Err(unavailable) => return unavailable.into(),
        };
        let Some(hash) = self.accounts.nt_hash(&candidate) else {
            return self.refuse(connection, "NTLM where no account has an NT hash");
        };
        let attempt = attempt(&login, &candidate, None, from);
        let mut permit = match self.throttle.enter_soon(&attempt).await {
            Ok(permit) => permit,
            Err(denied) => return self.deny(connection, &login, denied, now).await,
        };
        let extra = permit.extra();
        // At once: the check takes no time, and a name without an account has no attempts to wait for.
        let may_check = permit.enter_account(clock::monotonic()).is_ok();
        let right = challenge.proves(&response, &hash) && may_check;
        let account = self.accounts.authorize(&candidate).filter(|_| right);
        let outcome = match account {
            Some(_) => Outcome::Accepted(()),
            None => Outcome::Wrong,
        };
        permit.settle(Some(&outcome), clock::monotonic());
        let Some(account) = account else {
            if let Some(wait) = extra {
                return self.throttle_late(connection, &login, wait, now).await;
            }
            let why = format!("{}: wrong login", login.key());
            return self.refuse_late(connection, now, why).await;
        };
        let token = match wrapping {
            Wrapping::Ntlm => None,
            wrapping => Some(wrapping.value(&[], spnego::State::Completed)),
        };
        let verdict = accept(&account, token);
        connection.log_in(account, now);
        verdict
    }
}
